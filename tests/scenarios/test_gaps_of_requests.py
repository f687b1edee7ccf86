"""S01 to S16, S43, S54, S57: what was told of one market, or of one way to learn it, and holds for the others too."""

import asyncio
from decimal import Decimal

import pytest

from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from adapters.simulator.exchange.futures import orders as futures
from oms.order.events import VenueSearched
from oms.order.messages import CancelOrder
from oms.order.state import Life, status
from oms.ports import LinkAnswer
from oms.store.codec import decode_meta
from oms.values import ClientOrderId, Crossing, OrderStatus, PositionLeg, PriceSource, Provenance, Side, Symbol
from oms.venue import Trigger
from tests.scenarios.house import DESK, PERPETUAL, SPOT, House, stream, tell
from tests.scenarios.network import CANCELS
from tests.scenarios.test_s02_to_s05_requests_without_an_answer import SIZE, SUBMIT
from tests.scenarios.test_s06_to_s17_reconciliation import SINGLE_ORDER
from tests.scenarios.test_s09_to_s17_trades import DAY_SECONDS
from tests.scenarios.test_s18_to_s27_limits_and_positions import hold
from tests.scenarios.test_s27_to_s29_triggers import arrive
from tests.scenarios.test_wire_trouble import SYSTEM_ERROR
from tests.simulation.process import GoneError

JSON = {"content-type": "application/json"}
PART = {SPOT: "0.004", PERPETUAL: "2"}
TRAIL = perp.SUBMIT_TRAIL_ORDER
WAITS = {  # what waits for its price: side, price, reduce only, trigger, callback, the call that sends it, its market
    "plan": ("buy", "61500", False, 61_000, Crossing.RISES_TO, None, perp.SUBMIT_PLAN_ORDER, PERPETUAL),
    "stop": ("sell", None, True, 59_000, Crossing.FALLS_TO, None, perp.SUBMIT_TP_SL_ORDER, PERPETUAL),
    "trailing": ("sell", None, False, 61_000, Crossing.RISES_TO, Decimal("0.01"), TRAIL, PERPETUAL),
    "algo": ("buy", "62000", False, 62_000, Crossing.RISES_TO, None, spot.ALGO_SUBMIT, SPOT),
}


def test_s01_on_perpetuals_too_an_outage_turns_no_live_order_into_a_failed_one() -> None:
    names = [f"c{number}" for number in range(1, 7)]

    async def story(house: House) -> None:
        await house.start()
        for number, name in enumerate(names):
            await house.place(name, "buy", "5", str(50_000 + number), symbol=PERPETUAL)
        await house.until(lambda: all(house.life(name) is Life.WORKING for name in names))
        house.network.cut()
        await asyncio.sleep(60)
        house.stranger("sell", "20", "50002", symbol=PERPETUAL)
        for _ in range(540):
            await asyncio.sleep(1)
            assert {house.life(name) for name in names} == {Life.WORKING}
        house.network.mend()
        await house.until(lambda: all(house.life(name) is Life.FILLED for name in names[2:]), seconds=120)
        await house.rests()
        assert [house.told(name).count("order-filled") for name in names] == [0, 0, 1, 1, 1, 1]
        assert house.position().quantity == 20

    tell(story)


@pytest.mark.parametrize(("symbol", "code"), [(SPOT, 50042), (PERPETUAL, 40050)])
@pytest.mark.parametrize("minutes", [1, 25])
def test_s02_what_was_refused_as_a_duplicate_had_been_taken_and_is_never_called_rejected(
    symbol: Symbol, code: int, minutes: int
) -> None:
    async def story(house: House) -> None:
        await house.start()
        duplicate = b'{"code":%d,"message":"duplicate client order id","trace":"t","data":{}}' % code
        house.network.executed[SUBMIT[symbol]] = LinkAnswer(400, JSON, duplicate)
        house.faults(frame_dropped=1)
        await house.place("c1", "buy", SIZE[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.IN_DOUBT)
        house.kill()
        house.venue_cancels("c1", symbol=symbol)
        house.faults()
        house.network.mend()
        house.leap(minutes * 60)  # the venue forgets what did not trade after twenty
        await house.start()
        await house.until(lambda: house.life("c1") not in {Life.IN_DOUBT, Life.SENDING}, seconds=300)
        assert Life.REJECTED not in house.lives("c1")
        assert status(house.order("c1")) is OrderStatus.CANCELED

    tell(story)


def test_s02_what_is_in_doubt_is_looked_up_by_its_client_id() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.lost_answers.add(spot.SUBMIT_ORDER)
        house.faults(frame_dropped=1)
        before = len(house.network.sent)
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        asked = [each.body for each in house.network.sent[before:] if each.path == spot.QUERY_CLIENT_ORDER]
        assert {each["clientOrderId"] for each in asked} == {"c1"}

    tell(story)


async def about_to_wait(house: House) -> None:
    """Start, have prices, and hold five contracts."""
    await house.start()
    arrive(house, "60000")
    await hold(house, 5, PositionLeg.NET)
    house.stranger("sell", "0.001", "60000")
    house.stranger("buy", "0.001", "60000")
    await house.rests()


async def waits(house: House, kind: str, name: str = "k1") -> None:
    side, price, reduce_only, at, when, back, _, symbol = WAITS[kind]
    trigger = Trigger(price=Decimal(at), when=when, by=PriceSource.LAST, callback_rate=back)
    size = "3" if symbol == PERPETUAL else "0.01"
    await house.place(name, side, size, price, symbol=symbol, trigger=trigger, reduce_only=reduce_only)


def waiting(house: House) -> int:
    return len(house.futures.plans) + len([each for each in house.simulator.spot.algo.of(DESK) if each.waits])


@pytest.mark.parametrize("kind", WAITS)
@pytest.mark.parametrize("restarted", [False, True])
def test_s02_what_waits_for_its_price_and_was_taken_without_an_answer_is_found_and_never_doubled(
    kind: str,
    restarted: bool,  # noqa: FBT001
) -> None:
    path = WAITS[kind][6]

    async def story(house: House) -> None:
        await about_to_wait(house)
        house.network.lost_answers.add(path)
        house.faults(frame_dropped=1)
        await waits(house, kind)
        await asyncio.sleep(0.5)
        if restarted:
            house.kill()
        house.network.mend()
        if restarted:
            await house.start()
        await house.until(lambda: house.life("k1") is Life.WORKING, seconds=200)
        house.faults()
        await house.rests()
        assert waiting(house) == len([each for each in house.network.sent if each.path == path]) == 1
        assert {each.request.strategy for each in house.book.orders.values()} == {"maker"}

    tell(story)


@pytest.mark.parametrize("kind", WAITS)
def test_s03_killed_at_any_step_of_sending_what_waits_for_its_price_it_is_there_once_or_not_at_all(kind: str) -> None:
    ended: list[int] = []

    async def story(house: House, step: int) -> None:
        await about_to_wait(house)
        process = house.oms.process
        process.doom(process.steps + step)
        try:
            await waits(house, kind)
            await asyncio.sleep(0.4)
        except GoneError:
            pass
        if process.alive:
            ended.append(step)
            process.spare()
            return
        house.kill()
        await house.start()
        await house.rests()
        sent = len([each for each in house.network.sent if each.path == WAITS[kind][6]])
        assert waiting(house) == sent <= 1
        if sent:
            assert house.life("k1") is Life.WORKING
        assert {each.request.strategy for each in house.book.orders.values()} == {"maker"}

    step = 0
    while not ended:
        step += 1
        assert step < 500, "the send never ends"
        tell(lambda house, at=step: story(house, at))  # type: ignore[misc]  # one world a step
    assert step > 10, "a send takes more steps than that"


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
def test_s08_the_log_says_of_a_fill_that_the_poll_found_it(symbol: Symbol) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", SIZE[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.faults(frame_dropped=1)
        house.stranger("sell", SIZE[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.FILLED, seconds=12)
        [fill] = [each for each in house.log._streams[stream("c1")].values() if each.topic.startswith("order-filled")]
        assert decode_meta(fill.state).source is Provenance.POLL
        assert decode_meta(fill.state).cause in house.log._messages
        venue = house.spot.fills if symbol == SPOT else house.futures.fills
        assert [each.exec_id for each in house.order("c1").trades] == [each.trade_id for each in venue]

    tell(story)


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
def test_s09_frames_that_come_twice_and_late_and_lists_that_overlap_book_each_trade_once(symbol: Symbol) -> None:
    async def story(house: House) -> None:
        await house.start()
        house.faults(frame_duplicated=1, frame_reordered=1, page_overlap=1)
        await house.place("c1", "buy", SIZE[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.stranger("sell", PART[symbol], "50000", symbol=symbol)
        await asyncio.sleep(30)
        await house.restart()
        await asyncio.sleep(30)
        house.stranger("sell", SIZE[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.FILLED)
        await house.restart()
        house.faults()
        await house.rests()
        assert house.told("c1").count("order-filled") == 2

    tell(story)


@pytest.mark.parametrize(("symbol", "code"), [(SPOT, 50020), (PERPETUAL, 42000)])
@pytest.mark.parametrize("seconds", [60, 3 * DAY_SECONDS])
def test_s12_an_order_that_the_venue_refused_and_has_all_the_same_lives_trades_and_is_told_of(
    symbol: Symbol, code: int, seconds: int
) -> None:
    async def story(house: House) -> None:
        await house.start()
        said = b'{"code":%d,"message":"Balance not enough","trace":"t","data":{}}' % code
        house.network.executed[SUBMIT[symbol]] = LinkAnswer(400, JSON, said)
        house.faults(frame_dropped=1)
        await house.place("c1", "buy", SIZE[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.REJECTED)
        house.kill()
        house.network.mend()
        house.faults()
        house.stranger("sell", PART[symbol], "50000", symbol=symbol)
        house.leap(seconds)
        await house.start()
        await house.until(lambda: house.order("c1").cum_quantity == Decimal(PART[symbol]))
        assert house.life("c1") is Life.WORKING
        assert any(house.book.held.values()), "what is left of it is reserved again"
        await house.until(lambda: "order:c1" in house.breaks())
        assert [each.request.strategy for each in house.book.orders.values()] == ["maker"]
        house.stranger("sell", SIZE[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.FILLED)
        await asyncio.sleep(60)
        assert set(house.breaks()) == {"order:c1"}

    tell(story)


@pytest.mark.parametrize("seconds", [60, 3 * DAY_SECONDS])
def test_s13_on_perpetuals_too_what_was_proven_absent_and_shows_lives_again_with_the_evidence_kept(
    seconds: int,
) -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.lost_requests.add(perp.SUBMIT_ORDER)
        await house.place("c1", "buy", "5", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.life("c1") is Life.REJECTED, seconds=200)
        house.network.mend()
        house.kill()
        house.leap(seconds)
        late = futures.NewOrder(
            account=DESK,
            symbol="BTCUSDT",
            side=Side.BUY,
            size=Decimal(5),
            price=Decimal(50_000),
            client_order_id="c1",
        )
        house.simulator.futures.exchange.submit(late, house.now_ms)
        await house.start()
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.until(lambda: set(house.breaks()) == {"order:c1"})
        assert house.told("c1")[-1] == "venue-accepted"
        assert [each.request.strategy for each in house.book.orders.values()] == ["maker"]
        [searched] = [each for each in house.events("c1") if isinstance(each, VenueSearched)]
        assert all(house.log._messages[mark.message_id].body for mark in searched.marks)

    tell(story)


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
def test_s14_a_cancel_in_flight_stays_pending_over_a_restart_in_the_middle_of_the_outage(symbol: Symbol) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", SIZE[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.network.cut()
        await house.cancel("c1")
        for _ in range(60):
            await asyncio.sleep(60)
            assert status(house.order("c1")) is OrderStatus.PENDING_CANCEL
        await house.place("q1", "buy", SIZE[symbol], "49000", symbol=symbol)
        assert house.life("q1") is Life.DENIED
        house.kill()
        house.begin()
        await asyncio.sleep(30)
        expected = {"order-requested", "send-started", "venue-accepted", "cancel-requested", "cancel-unknown"}
        assert {*house.told("c1")} == expected
        house.network.mend()
        await house.oms.leads.wait()
        await house.until(lambda: house.life("c1") is Life.CANCELED, seconds=120)
        await house.rests()

    tell(story)


def test_s15_a_batch_of_cancels_whose_answer_is_lost_is_proven_order_by_order() -> None:
    async def story(house: House) -> None:
        await house.start()
        names = [f"c{number}" for number in range(6)]
        for number, name in enumerate(names):
            await house.place(name, "buy", "0.01", str(50_000 + number))
        await house.until(lambda: all(house.life(name) is Life.WORKING for name in names))
        await house.rests()
        house.faults(frame_dropped=1)
        house.network.lost_answers |= {*CANCELS, spot.CANCEL_ORDERS}
        house.stranger("sell", "0.014", "50004")  # the whole of c5, and a part of c4
        stop = [CancelOrder(account=DESK, client_order_id=ClientOrderId(name), request_id="all") for name in names]
        before = len(house.network.sent)
        await asyncio.gather(*(house.engine.offer(each, actor="maker") for each in stop))
        await house.until(lambda: all(house.life(name) in {Life.CANCELED, Life.FILLED} for name in names))
        sent = house.network.sent[before:]
        assert spot.CANCEL_ORDERS in {each.path for each in sent}, "they left one by one"
        asked = [each.body for each in sent if each.path in SINGLE_ORDER]
        for name in names:
            assert "cancel-unknown" in house.told(name) or house.life(name) is Life.FILLED
            ids = {name, house.order(name).venue_order_id}
            assert any(ids & set(body.values()) for body in asked), f"{name} was not asked for"
        house.faults()
        house.network.mend()
        await house.rests()
        assert [house.life(name) for name in names] == [Life.CANCELED] * 5 + [Life.FILLED]
        assert house.order("c4").cum_quantity == Decimal("0.004")

    tell(story)


def test_s16_what_was_in_doubt_before_the_twenty_minutes_is_never_closed_as_rejected() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.lost_answers.add(spot.SUBMIT_ORDER)
        house.faults(frame_dropped=1)
        await house.place("c1", "buy", "0.01", "50000")
        await asyncio.sleep(0.1)
        house.kill()
        house.faults()
        house.network.mend()
        house.venue_cancels("c1")
        house.leap(25 * 60)
        await house.start()
        await house.until(lambda: house.life("c1") not in {Life.IN_DOUBT, Life.SENDING}, seconds=240)
        await house.rests()
        assert Life.REJECTED not in house.lives("c1")

    tell(story)


def test_s43_on_perpetuals_too_what_is_absent_for_ten_days_is_closed_and_polled_no_more() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "5", "50000", symbol=PERPETUAL)
        arrive(house, "60000")
        await waits(house, "plan")
        await house.until(lambda: house.life("c1") is house.life("k1") is Life.WORKING)
        house.kill()
        gone = house.futures.order_by_client_id("c1")
        assert gone is not None
        del house.futures.open[gone.order_id]
        house.futures.plans.clear()
        house.leap(10 * DAY_SECONDS)
        await house.start()
        await house.until(lambda: not house.book.open, seconds=300)
        assert house.told("c1")[-2:] == ["venue-searched", "order-vanished"]
        await asyncio.sleep(30)
        alone = {perp.ORDER, perp.ORDER_HISTORY}
        before = [each for each in house.network.sent if each.path in alone]
        await asyncio.sleep(600)
        assert [each for each in house.network.sent if each.path in alone] == before
        assert Life.REJECTED not in house.lives("c1") + house.lives("k1")

    tell(story)


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
def test_s54_on_either_market_nothing_is_called_absent_before_it_cannot_execute(symbol: Symbol) -> None:
    async def story(house: House) -> None:
        await house.start()
        for number in range(4):
            name, sent_ms = f"c{number}", house.now_ms
            if number % 2:
                house.faults(request_delayed=1)
            else:
                house.network.lost_requests.add(SUBMIT[symbol])
            await house.place(name, "buy", SIZE[symbol], "50000", symbol=symbol)
            await asyncio.sleep(0.5)
            house.faults()
            house.network.mend()
            await house.until(lambda: house.life(name) not in {Life.SENDING, Life.IN_DOUBT}, seconds=240)  # noqa: B023
            assert house.life(name) is (Life.WORKING if number % 2 else Life.REJECTED)
            assert number % 2 or house.now_ms - sent_ms > 60_000, "called absent while it could still execute"
        await house.rests()

    tell(story)


@pytest.mark.parametrize("traded", ["5", "2", "0"])
def test_s57_what_was_taken_with_a_system_error_and_is_over_is_found_in_the_history(traded: str) -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.executed[perp.SUBMIT_ORDER] = SYSTEM_ERROR
        house.faults(frame_dropped=1)
        if traded != "0":
            house.stranger("sell", traded, "50000", symbol=PERPETUAL)
        await house.place("c1", "buy", "5", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.life("c1") is Life.IN_DOUBT)
        if traded != "5":
            house.venue_cancels("c1", symbol=PERPETUAL)
        house.network.mend()
        await house.until(lambda: house.life("c1") is not Life.IN_DOUBT, seconds=200)
        house.faults()
        await house.rests()
        assert house.life("c1") is (Life.FILLED if traded == "5" else Life.CANCELED)
        assert house.position().quantity == int(traded)

    tell(story)
