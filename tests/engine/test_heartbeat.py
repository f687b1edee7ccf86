"""The dead man's switch is held while we are well, let go when nothing is open, and left alone when we are not."""

import asyncio
from decimal import Decimal
from itertools import pairwise

import pytest
from msgspec.structs import replace

from oms.heartbeat import BEATS, Heartbeat
from oms.order.messages import ClaimOrder
from oms.order.state import EXTERNAL, Life
from oms.reports import VenueOrderStatus
from oms.snapshot import PACE, Pace
from oms.store.memory import Fault
from oms.values import ClientOrderId, PositionMode, StrategyId, Symbol
from oms.venue import Answer, Evidence, LastLook, NoAnswerError, nothing_holds
from tests.engine.desk import MAIN, Desk, begin, play
from tests.engine.scripted_venue import Fate, ScriptedVenue
from tests.order.story import BTC_PERPETUAL, FUTURES

PERPETUAL = BTC_PERPETUAL.symbol


async def beating(desk: Desk, *, dead_man: bool = True, seconds: int = 30) -> Heartbeat:
    desk.venue.can = replace(FUTURES, dead_man=dead_man)
    desk.venue.mode, desk.venue.futures = PositionMode.ONE_WAY, Decimal(1000)
    await desk.start()
    beat = Heartbeat(desk.engine, desk.venue, seconds=seconds, spawn=desk.process.spawn)
    beat.start()
    await asyncio.sleep(1)  # the first beat found nothing open
    return beat


async def one_order(desk: Desk) -> None:
    await desk.place(symbol=PERPETUAL, quantity=Decimal(10), price=Decimal(27000), leverage=Decimal(10))


def test_the_switch_is_held_while_an_order_is_open_and_let_go_after() -> None:
    async def story(desk: Desk) -> None:
        beat = await beating(desk)
        await asyncio.sleep(24)
        assert desk.venue.switches == []
        await one_order(desk)
        await asyncio.sleep(31)
        assert desk.venue.switches == [(PERPETUAL, 30)] * 3
        await desk.cancel()
        await asyncio.sleep(20)
        assert desk.venue.switches[-1] == (PERPETUAL, 0)
        assert beat.armed == set()
        said = len(desk.venue.switches)
        await asyncio.sleep(60)
        assert len(desk.venue.switches) == said

    play(story)


def test_a_writer_that_lost_its_log_or_its_account_falls_silent() -> None:
    async def story(desk: Desk) -> None:
        await beating(desk)
        await one_order(desk)
        await asyncio.sleep(15)
        desk.engine._ready.clear()
        said = len(desk.venue.switches)
        assert said
        await asyncio.sleep(60)
        assert len(desk.venue.switches) == said
        desk.engine._ready.set()
        await asyncio.sleep(15)
        assert len(desk.venue.switches) > said
        desk.engine.fenced.set()
        said = len(desk.venue.switches)
        await asyncio.sleep(60)
        assert len(desk.venue.switches) == said

    play(story)


def test_a_writer_whose_commit_hangs_falls_silent_until_the_log_answers() -> None:
    """Somebody's lock keeps an append waiting: the log is there, takes commands, and no cancel becomes durable."""

    async def story(desk: Desk) -> None:
        await beating(desk)
        await one_order(desk)
        await asyncio.sleep(15)
        desk.faults.appends.append(Fault(seconds_before=240.0))
        asked = begin(desk.cancel())
        await asyncio.sleep(5)
        said = len(desk.venue.switches)
        assert said
        await asyncio.sleep(230)
        assert desk.engine.ready
        assert desk.venue.canceled == []
        assert len(desk.venue.switches) == said
        await asked
        await asyncio.sleep(15)
        assert desk.venue.switches[-1] == (PERPETUAL, 0)

    play(story)


def test_a_commit_that_is_merely_slow_costs_no_beat() -> None:
    async def story(desk: Desk) -> None:
        await beating(desk)
        await one_order(desk)
        await asyncio.sleep(1)
        desk.faults.appends.extend([Fault(seconds_before=4.0)] * 8)
        for each in range(8):  # one after the other, and none of them for long
            await desk.place(
                f"s{each}", symbol=PERPETUAL, quantity=Decimal(1), price=Decimal(200), leverage=Decimal(10)
            )
        assert desk.venue.switches == [(PERPETUAL, 30)] * 3

    play(story)


def test_an_unanswered_beat_is_not_the_last() -> None:
    async def story(desk: Desk) -> None:
        await beating(desk)
        await one_order(desk)
        desk.venue.cut = True
        await asyncio.sleep(25)
        assert desk.venue.switches == []
        desk.venue.cut = False
        await asyncio.sleep(15)
        assert desk.venue.switches

    play(story)


def test_a_market_without_a_switch_is_left_alone() -> None:
    async def story(desk: Desk) -> None:
        beat = await beating(desk, dead_man=False)
        await one_order(desk)
        await asyncio.sleep(60)
        assert beat.armed == set()

    play(story)


def test_a_refused_beat_arms_nothing() -> None:
    async def story(desk: Desk) -> None:
        beat = await beating(desk)
        await one_order(desk)
        await asyncio.sleep(1)  # it is at the venue
        desk.venue.fates.append(Fate.REFUSED)
        await asyncio.sleep(10)
        assert not desk.venue.fates
        assert beat.armed == set()
        await asyncio.sleep(10)
        assert beat.armed == {PERPETUAL}

    play(story)


@pytest.mark.parametrize("pace", [PACE, Pace(1, 0.0)], ids=["from the log", "from a snapshot"])
def test_a_switch_that_the_process_before_this_one_had_set_is_let_go(pace: Pace) -> None:
    """Else it goes off while this one is well, and takes an order with it that was placed since the last beat."""

    async def story(desk: Desk) -> None:
        desk.pace = pace
        await beating(desk)
        await one_order(desk)
        await asyncio.sleep(10)
        assert desk.venue.switches[-1] == (PERPETUAL, 30)  # goes off in 30 s unless somebody says something
        await desk.cancel()
        await asyncio.sleep(2)
        assert desk.life() is Life.CANCELED
        await desk.process.bury()
        await desk.start()
        said = len(desk.venue.switches)
        beat = Heartbeat(desk.engine, desk.venue, seconds=30, spawn=desk.process.spawn)
        beat.start()
        await asyncio.sleep(25)
        assert desk.venue.switches[said:] == [(PERPETUAL, 0)], "it is said once"
        assert beat.armed == set()

    play(story)


def test_a_switch_whose_arming_had_no_answer_is_let_go() -> None:
    """The venue armed it, and its answer was lost; the order ended before the next beat."""

    class Deaf(ScriptedVenue):
        deaf = False

        async def dead_man(self, symbol: Symbol, seconds: int, *, last_look: LastLook = nothing_holds) -> Answer:
            answer = await super().dead_man(symbol, seconds, last_look=last_look)
            if self.deaf:
                raise NoAnswerError("no answer within 10 s", self._evidence())
            return answer

    async def story(desk: Desk) -> None:
        venue = desk.venue = Deaf(desk.clock.now_ns)
        await beating(desk)
        await one_order(desk)
        venue.deaf = True
        await asyncio.sleep(11)
        assert venue.switches == [(PERPETUAL, 30)], "it is armed"
        venue.deaf = False
        await desk.cancel()
        await asyncio.sleep(25)
        assert desk.life() is Life.CANCELED
        assert venue.switches[1:] == [(PERPETUAL, 0)], "goes off in 5 s, and takes with it what is placed until then"

    play(story)


def test_a_start_lets_only_the_last_markets_go_and_asks_no_delisted_one_for_ever() -> None:
    async def story(desk: Desk) -> None:
        await beating(desk)
        await one_order(desk)
        await asyncio.sleep(1)
        names = [Symbol(f"M{number}/USDT:USDT") for number in range(200)]
        desk.engine.book.ended_in.update(dict.fromkeys((*names, PERPETUAL)))  # the last one is open all the same
        beat = Heartbeat(desk.engine, desk.venue, seconds=30, spawn=desk.process.spawn)
        desk.venue.fates.extend((Fate.ACCEPTED, Fate.REFUSED))
        beat.start()
        await asyncio.sleep(5)
        let_go = [symbol for symbol, seconds in desk.venue.switches if not seconds]
        assert len(let_go) == 29
        assert set(let_go) < set(names[-30:])
        assert beat.armed == {PERPETUAL}

    play(story)


def test_a_call_that_hangs_for_one_market_costs_no_other_its_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Symbol("AAA/USDT:USDT")  # comes before the other one

    async def story(desk: Desk) -> None:
        beat = await beating(desk, seconds=5)
        await one_order(desk)
        wanted, said = beat._wanted, desk.venue.dead_man
        hung: list[Symbol] = []

        async def dead_man(symbol: Symbol, seconds: int, *, last_look: LastLook = nothing_holds) -> Answer:
            if symbol == other:
                hung.append(symbol)
                await asyncio.sleep(10.0)  # as long as the adapter waits for an answer
                raise NoAnswerError("timed out", Evidence(channel="POST"))
            return await said(symbol, seconds, last_look=last_look)

        monkeypatch.setattr(desk.venue, "dead_man", dead_man)
        monkeypatch.setattr(beat, "_wanted", lambda: wanted() | {other})  # as if an order were open there, too
        before = len(desk.venue.switches)
        await asyncio.sleep(60)
        assert len(desk.venue.switches) - before >= 60 * BEATS / 5 - 1
        assert len(hung) <= 60 / 10 + 1, "one word at a time"

    play(story)


def test_no_more_markets_are_armed_than_can_be_kept_from_going_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """BitMart takes four calls in two seconds: twelve markets in five seconds would go off while all is well."""
    names = [Symbol(f"M{number:02}/USDT:USDT") for number in range(12)]

    async def story(desk: Desk) -> None:
        beat = await beating(desk, seconds=5)
        said = desk.venue.dead_man
        heard: dict[Symbol, list[float]] = {}

        async def dead_man(symbol: Symbol, seconds: int, *, last_look: LastLook = nothing_holds) -> Answer:
            await asyncio.sleep(4 * 0.55)  # four at once are answered so late that there are no more in two seconds
            heard.setdefault(symbol, []).append(desk.clock.monotonic())
            return await said(symbol, seconds, last_look=last_look)

        monkeypatch.setattr(desk.venue, "dead_man", dead_man)
        monkeypatch.setattr(beat, "_traded", lambda: set(names[6:]))
        await asyncio.sleep(20)
        monkeypatch.setattr(beat, "_traded", lambda: set(names))
        await asyncio.sleep(40)
        assert set(heard) == set(names[6:11]), "those that are armed stay so"
        assert all(later - at < 5 for told in heard.values() for at, later in pairwise(told))
        assert beat._bare == {*names[:6], names[11]}

    play(story)


async def his_order(desk: Desk) -> None:
    """Given an order that a person placed at the website, and nothing else."""
    desk.venue.can = replace(FUTURES, dead_man=True)
    desk.venue.mode, desk.venue.futures = PositionMode.ONE_WAY, Decimal(1000)
    desk.venue.by_hand("h1", "10", symbol=PERPETUAL, price="20000")
    await desk.start()
    assert desk.order("h1").request.strategy == EXTERNAL


@pytest.mark.parametrize("ended", [False, True])
def test_s19_a_market_where_only_somebody_elses_orders_are_is_left_alone(ended: bool) -> None:  # noqa: FBT001
    """A switch ends whatever is open there once this OMS stops, cleanly or not: his orders are not ours to end."""

    async def story(desk: Desk) -> None:
        await his_order(desk)
        if ended:
            desk.venue.set_status("h1", VenueOrderStatus.CANCELED)
        await asyncio.sleep(30)
        assert desk.life("h1") is (Life.CANCELED if ended else Life.WORKING)
        Heartbeat(desk.engine, desk.venue, seconds=30, spawn=desk.process.spawn).start()
        await asyncio.sleep(60)
        assert desk.venue.switches == []

    play(story)


def test_s19_an_order_that_a_strategy_was_given_is_watched_over_as_its_own() -> None:
    async def story(desk: Desk) -> None:
        await his_order(desk)
        claim = ClaimOrder(
            account=MAIN, client_order_id=ClientOrderId("h1"), strategy=StrategyId("maker"), reason="it is mine"
        )
        await desk.engine.execute(claim, actor="operator")
        Heartbeat(desk.engine, desk.venue, seconds=30, spawn=desk.process.spawn).start()
        await asyncio.sleep(1)
        assert desk.venue.switches == [(PERPETUAL, 30)]

    play(story)


def test_s19_a_switch_is_let_go_once_only_somebody_elses_order_is_left() -> None:
    async def story(desk: Desk) -> None:
        beat = await beating(desk)
        await one_order(desk)
        desk.venue.by_hand("h1", "10", symbol=PERPETUAL, price="20000")
        await asyncio.sleep(30)
        assert desk.venue.switches[-1] == (PERPETUAL, 30)
        await desk.cancel()
        await asyncio.sleep(20)
        assert desk.life("h1") is Life.WORKING
        assert desk.venue.switches[-1] == (PERPETUAL, 0)
        assert beat.armed == set()

    play(story)


class Hanging(ScriptedVenue):
    """Does not answer for other markets within ten seconds."""

    async def dead_man(self, symbol: Symbol, seconds: int, *, last_look: LastLook = nothing_holds) -> Answer:
        if symbol != PERPETUAL:
            await asyncio.sleep(10)
            raise NoAnswerError("timed out", self._evidence())
        return await super().dead_man(symbol, seconds, last_look=last_look)


class Late(ScriptedVenue):
    """Lets every word wait for its rates, and asks once more before it leaves."""

    async def dead_man(self, symbol: Symbol, seconds: int, *, last_look: LastLook = nothing_holds) -> Answer:
        await asyncio.sleep(2)
        held = last_look()
        if held is not None:
            raise NoAnswerError(held, self._evidence(), sent=False)
        return await super().dead_man(symbol, seconds)


@pytest.mark.parametrize("kind", [Hanging, Late])
def test_a_word_that_waited_says_what_is_true_when_it_leaves(kind: type[ScriptedVenue]) -> None:
    """A market was to be let go, and an order was placed there while that waited behind four calls, or for rates."""

    async def story(desk: Desk) -> None:
        venue = desk.venue = kind(desk.clock.now_ns)
        venue.can = replace(FUTURES, dead_man=True)
        venue.mode, venue.futures = PositionMode.ONE_WAY, Decimal(1000)
        await desk.start()
        others = [Symbol(f"A{number}/USDT:USDT") for number in range(4)]
        desk.engine.book.ended_in.update(dict.fromkeys((*others, PERPETUAL)))
        Heartbeat(desk.engine, venue, seconds=30, spawn=desk.process.spawn).start()
        await asyncio.sleep(1)
        await one_order(desk)
        await asyncio.sleep(18)
        words = [seconds for symbol, seconds in venue.switches if symbol == PERPETUAL]
        assert words, "the order is open for 18 s by now"
        assert set(words) == {30}

    play(story)
