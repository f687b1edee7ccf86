"""No window of any phase holds more calls than the venue allows, and nobody waits for ever."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.bitmart.limits import (
    BY_ADDRESS,
    FUTURES_RATES,
    SPOT_RATES,
    Limiter,
    Rate,
    TurnedAwayError,
)
from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec
from oms.values import MarginMode
from oms.venue import NoAnswerError
from tests.adapters.bitmart.fakes import KNOWN, ORDER, FakeLink, LoopClock, bitmart, ok, page, refused, virtual
from tests.adapters.bitmart.perp.desk import BTC, Desk

PATH = "/x"
PRIVATE = ("/private/", "order", "query", "wallet", "fee", "cancel", "transfer")


class Callers:
    """Calls through one limiter, and when each left."""

    def __init__(self, calls: int = 4) -> None:
        self.limiter = Limiter(LoopClock(), {PATH: Rate(calls, 2), "/y": Rate(calls, 2)})
        self.left: list[float] = []
        self.turned_away = 0

    async def call(self, path: str = PATH) -> None:
        try:
            async with self.limiter.turn(path):
                self.left.append(asyncio.get_running_loop().time())
        except TurnedAwayError:
            self.turned_away += 1


def at_once(story: Callable[[], Coroutine[object, object, None]], count: int) -> asyncio.Future[list[None]]:
    return asyncio.gather(*(story() for _ in range(count)))


@given(pauses=st.lists(st.floats(0, 3), max_size=40))
@settings(max_examples=100, deadline=None)
def test_no_window_of_any_phase_is_overrun(pauses: list[float]) -> None:
    @virtual
    async def story() -> None:
        callers = Callers()
        tasks = []
        for pause in pauses:
            await asyncio.sleep(pause)
            tasks.append(asyncio.get_running_loop().create_task(callers.call()))
        await asyncio.gather(*tasks)
        assert len(callers.left) + callers.turned_away == len(pauses)
        assert callers.left == sorted(callers.left)
        for start in callers.left:
            assert sum(start <= other < start + 2 for other in callers.left) <= 4

    story()


@given(flights=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 4), st.floats(0, 1)), max_size=30))
@settings(max_examples=100, deadline=None)
def test_no_window_is_overrun_wherever_a_wire_holds_the_calls_up(flights: list[tuple[float, float, float]]) -> None:
    """Each call leaves after a pause, flies for a while, and arrives somewhere on its way."""

    @virtual
    async def story() -> None:
        limiter, arrived = Limiter(LoopClock(), {PATH: Rate(4, 2)}), list[float]()

        async def fly(seconds: float, share: float) -> None:
            with suppress(TurnedAwayError):
                async with limiter.turn(PATH):
                    await asyncio.sleep(seconds * share)
                    arrived.append(asyncio.get_running_loop().time())
                    await asyncio.sleep(seconds * (1 - share))

        tasks = []
        for pause, seconds, share in flights:
            await asyncio.sleep(pause)
            tasks.append(asyncio.get_running_loop().create_task(fly(seconds, share)))
        await asyncio.gather(*tasks)
        for start in arrived:
            assert sum(start <= other < start + 2 for other in arrived) <= 4

    story()


@virtual
async def test_what_a_stalled_wire_delivers_at_once_is_no_more_than_a_window_takes() -> None:
    callers, wire = Callers(), asyncio.Event()

    async def through() -> None:
        with suppress(TurnedAwayError):
            async with callers.limiter.turn(PATH):
                callers.left.append(asyncio.get_running_loop().time())
                await wire.wait()

    waiting = [asyncio.get_running_loop().create_task(through()) for _ in range(12)]
    await asyncio.sleep(4)
    assert len(callers.left) == 4
    wire.set()
    await asyncio.gather(*waiting)
    assert callers.left[4:] == []  # who would have to wait until six seconds were over has been turned away


@virtual
async def test_who_would_wait_too_long_is_turned_away_at_once() -> None:
    callers = Callers()
    await at_once(callers.call, 50)
    assert len(callers.left) == 12, "now, 2.2 s and 4.4 s later"
    assert callers.turned_away == 38
    assert asyncio.get_running_loop().time() == pytest.approx(4.4)


@virtual
async def test_buckets_do_not_share() -> None:
    callers = Callers()
    await asyncio.gather(*(callers.call(PATH) for _ in range(4)), *(callers.call("/y") for _ in range(4)))
    assert callers.left == [0.0] * 8


@virtual
async def test_a_429_freezes_its_bucket_for_longer_each_time_and_a_success_forgives() -> None:
    callers = Callers(100)
    frozen = []
    for status in (429, 429, 200, 429):
        callers.limiter.answered(PATH, status, {})
        before = asyncio.get_running_loop().time()
        await callers.call()
        frozen.append(round(asyncio.get_running_loop().time() - before, 1))
    assert frozen == [2.2, 4.4, 0.0, 2.2]


@virtual
async def test_calls_that_are_refused_together_are_one_strike() -> None:
    """As after a start that follows another one at once: the venue counts what the process before has sent, too."""
    callers = Callers()
    await at_once(callers.call, 4)
    for _ in range(4):
        callers.limiter.answered(PATH, 429, {})
    await callers.call()
    assert callers.left[-1] == pytest.approx(2.2)
    callers.limiter.answered(PATH, 429, {})  # the next one is: twice as long
    await callers.call()
    assert callers.left[-1] == pytest.approx(2.2 + 4.4)


@virtual
async def test_a_thaw_lets_nobody_storm() -> None:
    callers = Callers()
    waiting = asyncio.gather(*(callers.call() for _ in range(12)))
    await asyncio.sleep(0.1)
    callers.limiter.answered(PATH, 429, {})
    await waiting
    for start in callers.left:
        assert sum(start <= other < start + 2 for other in callers.left) <= 4


@virtual
async def test_a_418_stops_everything_for_minutes() -> None:
    callers = Callers()
    callers.limiter.answered("/y", 418, {})
    await callers.call()
    assert callers.turned_away == 1
    await asyncio.sleep(299)
    await callers.call()
    assert len(callers.left) == 1


@virtual
async def test_the_venues_own_count_counts_up_and_is_believed() -> None:
    callers = Callers(100)
    callers.limiter.answered(PATH, 200, {"x-bm-ratelimit-remaining": "11", "x-bm-ratelimit-limit": "12"})
    await callers.call()
    callers.limiter.answered(PATH, 200, {"x-bm-ratelimit-remaining": "12", "x-bm-ratelimit-limit": "12"})
    await callers.call()
    callers.limiter.answered(PATH, 200, {"x-bm-ratelimit-remaining": "-", "x-bm-ratelimit-limit": ""})
    await callers.call()
    assert callers.left == [0.0, pytest.approx(2.2), pytest.approx(2.2)]


@virtual
async def test_a_cancel_finds_a_place_while_a_slow_venue_holds_every_submit() -> None:
    link = FakeLink()
    link.latency = 8.0
    link.on("/system/time", ok({}))
    link.on(codec.SUBMIT_ORDER, ok({"order_id": "1"}))
    link.on(codec.CANCEL_ORDER, ok({"result": True}))
    venue = bitmart(link)
    submits = [asyncio.get_running_loop().create_task(venue.submit(ORDER)) for _ in range(100)]
    await asyncio.sleep(12)
    assert len(link.of(codec.SUBMIT_ORDER)) == 40  # the other places are held by those who wait for an answer to them
    before = asyncio.get_running_loop().time()
    await venue.cancel(KNOWN)
    assert asyncio.get_running_loop().time() - before == pytest.approx(8.0)
    done = await asyncio.gather(*submits, return_exceptions=True)
    refused_turns = [result for result in done if isinstance(result, NoAnswerError)]
    assert refused_turns
    assert not any(error.sent for error in refused_turns)


@pytest.mark.parametrize("answer", [refused(429, 30013), page(429)])
@virtual
async def test_a_frozen_endpoint_is_not_called(answer: object) -> None:
    link = FakeLink()
    link.on(codec.CANCEL_ORDER, answer)  # type: ignore[arg-type]
    venue = bitmart(link)
    for _ in range(3):
        await venue.cancel(KNOWN)
    first, second, third = (call.at for call in link.of(codec.CANCEL_ORDER))
    assert [second - first, third - second] == pytest.approx([2.25, 4.45])
    with pytest.raises(NoAnswerError) as turned_away:  # the next turn is further away than anyone waits
        await venue.cancel(KNOWN)
    assert not turned_away.value.sent


@pytest.mark.parametrize(
    ("throttled", "rest"),
    [(codec.SUBMIT_ORDER, 2.2), (codec.CANCEL_ORDER, 2.2), (codec.QUERY_TRADES, 4.4)],  # a question is put twice
)
@virtual
async def test_s55_after_a_429_new_orders_stop_first_and_cancels_pass(throttled: str, rest: float) -> None:
    link = FakeLink()
    link.on(codec.SUBMIT_ORDER, ok({"order_id": "1"}))
    link.on(codec.CANCEL_ORDER, ok({"result": True}))
    link.on(codec.CANCEL_ORDERS, ok({"successIds": ["77"], "failIds": []}))
    link.on(codec.QUERY_TRADES, ok([]))
    link.on(throttled, refused(429, 30013))
    venue = bitmart(link)
    if throttled == codec.SUBMIT_ORDER:
        await venue.submit(ORDER)
    elif throttled == codec.CANCEL_ORDER:
        await venue.cancel(KNOWN)
    else:
        with pytest.raises(NoAnswerError):
            await venue.trades(since_ms=0, until_ms=1)
    before = asyncio.get_running_loop().time()
    with pytest.raises(NoAnswerError, match="no new orders") as shed:
        await venue.submit(ORDER)
    assert not shed.value.sent, "it is known that nothing left"
    await venue.cancel_many([KNOWN])
    assert asyncio.get_running_loop().time() - before == pytest.approx(0.05), "nobody waited for anybody"
    await asyncio.sleep(rest)
    link.on(codec.SUBMIT_ORDER, ok({"order_id": "1"}))
    await venue.submit(ORDER)


@virtual
async def test_futures_say_too_often_with_a_status_of_their_own_and_are_left_alone_as_well() -> None:
    """40013 comes with 400 (PROTOCOL 4.7)."""
    desk = Desk()
    desk.link.on(perp.SUBMIT_LEVERAGE, refused(400, 40013, "too often"), ok({"leverage": "5", "open_type": "cross"}))
    for _ in range(2):
        with suppress(NoAnswerError):
            await desk.venue.set_leverage(BTC, Decimal(5), MarginMode.CROSS)
    first, second = (call.at for call in desk.link.of(perp.SUBMIT_LEVERAGE))
    assert second - first == pytest.approx(2.25)
    desk.link.on(perp.SUBMIT_LEVERAGE, refused(400, 40029))
    for _ in range(2):
        with suppress(NoAnswerError):
            await desk.venue.set_leverage(BTC, Decimal(5), MarginMode.CROSS)
    third, fourth = (call.at for call in desk.link.of(perp.SUBMIT_LEVERAGE)[2:])
    assert fourth - third < 1, "what else it says with 400 is no reason to wait"


@virtual
async def test_a_question_that_the_process_before_us_used_up_is_put_again_after_one_window() -> None:
    link = FakeLink()
    link.on(codec.WALLET, refused(429, 30013), ok({"wallet": []}))
    balances = await bitmart(link).balances()
    first, second = (call.at for call in link.of(codec.WALLET))
    assert second - first == pytest.approx(2.25), "its window, and no longer"
    assert not balances.reports


@virtual
async def test_a_change_that_came_too_often_is_not_made_again() -> None:
    desk = Desk()
    desk.link.on(perp.SUBMIT_LEVERAGE, refused(429, 30013))
    with suppress(NoAnswerError):
        await desk.venue.set_leverage(BTC, Decimal(5), MarginMode.CROSS)
    assert len(desk.link.of(perp.SUBMIT_LEVERAGE)) == 1


@virtual
async def test_a_429_of_public_data_says_nothing_of_the_account() -> None:
    link = FakeLink()
    link.on(codec.SYMBOLS_DETAILS, refused(429, 30013))
    link.on(codec.SUBMIT_ORDER, ok({"order_id": "1"}))
    venue = bitmart(link)
    with pytest.raises(NoAnswerError):
        await venue.instruments()
    await venue.submit(ORDER)


@virtual
async def test_s55_four_processes_that_share_an_address_keep_its_limits_without_talking() -> None:
    """What is counted by key is each account's own: `/spot/v1/wallet` is asked as often as by one alone."""
    limiters = [Limiter(LoopClock(), SPOT_RATES, callers=4) for _ in range(4)]
    shared, own = codec.SYMBOLS_DETAILS, codec.WALLET
    left: dict[tuple[int, str], list[float]] = {(n, path): [] for n in range(4) for path in (shared, own)}

    async def call(number: int, path: str) -> None:
        with suppress(TurnedAwayError):
            async with limiters[number].turn(path):
                left[number, path].append(asyncio.get_running_loop().time())

    for _ in range(4):
        await asyncio.gather(*(call(*each) for each in left for _ in range(20)))
    together = sorted(at for (_, path), times in left.items() if path == shared for at in times)
    for start in together:
        assert sum(start <= other < start + 2 for other in together) <= 12
    assert all(sum(at < 2 for at in left[number, shared]) == 3 for number in range(4))
    assert all(sum(at < 2 for at in left[number, own]) == 12 for number in range(4))


def test_what_is_counted_by_address_is_what_needs_no_key() -> None:
    rates = {**SPOT_RATES, **FUTURES_RATES}
    public = {path for path in rates if not any(part in path for part in PRIVATE)}
    assert public == BY_ADDRESS
    assert min(rates[path].calls for path in BY_ADDRESS) == 10, "as many may share them: `bitmart.callers`"


def test_every_path_we_call_has_a_limit() -> None:
    ours = {getattr(codec, name) for name in dir(codec) if name.isupper() and str(getattr(codec, name)).startswith("/")}
    assert ours <= set(SPOT_RATES)
    # Asked for one by one in an archive, each as soon as the one before is answered.
    assert FUTURES_RATES[perp.TRANSFERS] == Rate(1, 2)
