"""S06 to S17: what a restart, a stream that lost something, or a gap leaves open is settled by what the venue shows."""

import asyncio
from decimal import Decimal
from random import Random  # noqa: TID251 - jitter from a seed

import pytest
from prometheus_client import CollectorRegistry

from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from adapters.bitmart.venue import Bitmart, Endpoints
from oms.gateway.reconciling import VenueMetrics, comparison
from oms.order.events import VenueSearched
from oms.order.messages import CancelOrder
from oms.order.state import Life, status
from oms.rehearsal import Rehearsed, rehearse
from oms.standing import Sighting
from oms.store.codec import decode, decode_meta
from oms.values import ClientOrderId, OrderStatus, Provenance, Symbol
from tests.scenarios.house import DESK, PERPETUAL, SPOT, House, stream, tell
from tests.scenarios.network import CANCELS
from tests.simulation.process import Process
from tests.simulation.running import CountedIds
from tests.simulation.storage import Session

SINGLE_ORDER = {spot.QUERY_CLIENT_ORDER, spot.QUERY_ORDER, perp.ORDER}
TRADES_ASKED = {spot.QUERY_TRADES, spot.QUERY_ORDER_TRADES, perp.TRADES}


def test_s06_a_warm_restart_with_half_a_history_moves_no_position_without_a_trade_of_the_venue() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "5", "60000", symbol=PERPETUAL)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.stranger("sell", "3", "60000", symbol=PERPETUAL)
        await house.rests()
        house.kill()
        house.faults(page_gap=1)  # every list lacks a row
        house.stranger("sell", "1", "60000", symbol=PERPETUAL)
        seen = len(house.log._events)
        house.begin()
        await house.oms.leads.wait()
        for _ in range(60):
            await asyncio.sleep(1)
            assert house.position().quantity in {3, 4}, "the position left what the venue's trades say"
        house.faults()
        await house.rests()
        assert house.position().quantity == 4
        assert len(house.log._events) > seen
        assert not unsupported(house)

    tell(story)


def test_s06_a_dry_run_shows_each_event_that_the_start_would_append_and_appends_none() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "5", "60000", symbol=PERPETUAL)
        await house.place("c2", "buy", "0.01", "40000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.stranger("sell", "3", "60000", symbol=PERPETUAL)
        await house.rests()
        house.kill()
        house.stranger("sell", "1", "60000", symbol=PERPETUAL)  # a trade that nobody here saw
        house.venue_cancels("c2")
        house.by_hand("buy", "0.02", "39000")
        head = await house.log.head()
        rehearsed = await dry_run(house)
        assert await house.log.head() == head
        said = comparison(DESK, rehearsed.standing, rehearsed.events)
        shown = [(each.stream, each.type, each.data["source"]) for each in said.events]
        assert {source for _, _, source in shown} <= {"poll", "recovered", "inferred"}, "the stream told nobody"
        fills = [each.data for each in said.events if each.type.startswith("order-filled")]
        assert [(each["exec_id"], each["quantity"]) for each in fills] == [(house.futures.fills[-1].trade_id, "1")]
        assert {kind.partition("/")[0] for stream_, kind, _ in shown if stream_ == stream("c2")} == {"venue-canceled"}
        assert [kind for _, kind, _ in shown].count("external-order-seen/1") == 1
        await house.start()
        await house.rests()
        events = house.log._events[head:]
        appended = [(each.stream, each.topic, decode_meta(each.state).source) for each in events]
        assert set(shown) <= set(appended), "what was shown is what came"
        ignored = {"writer-started/1", "trades-covered/1", "commission-reported/1"}
        assert {each for each in set(appended) - set(shown) if each[1] not in ignored} == set()
        assert not unsupported(house)

    tell(story)


async def dry_run(house: House) -> Rehearsed:
    """Compare as `oms reconcile --dry-run` does where no OMS runs."""
    decider, ids, tasks = house.oms.engine.decider, CountedIds(house.clock, 99, Random(99)), Process()
    venue = Bitmart(
        house.credentials, Endpoints(), link=house.network.line(), clock=house.clock, ids=ids, spawn=tasks.spawn
    )
    try:
        log = Session(house.log, page_max=5_000)
        return await rehearse(DESK, log, decider, venue, clock=house.clock, ids=ids)
    finally:
        await tasks.bury()


def unsupported(house: House) -> list[str]:
    """Return the fills of the log that no trade of the venue supports and that are not labelled as inferred."""
    known = {fill.trade_id for fill in house.spot.fills} | {fill.trade_id for fill in house.futures.fills}
    fills = [each for each in house.log._events if each.topic.startswith("order-filled/")]
    return [
        each.stream
        for each in fills
        if decode(each.topic, each.state).exec_id not in known  # type: ignore[union-attr]  # a fill
        and decode_meta(each.state).source is not Provenance.INFERRED
    ]


def test_s07_fourteen_working_orders_are_fourteen_after_a_restart() -> None:
    names = [f"c{number}" for number in range(14)]

    async def story(house: House) -> None:
        await house.start()
        for number, name in enumerate(names):
            symbol, size = (SPOT, "0.01") if number % 2 else (PERPETUAL, "2")
            await house.place(name, "buy", size, str(50_000 + number), symbol=symbol)
        await house.until(lambda: all(house.life(name) is Life.WORKING for name in names))
        told = {name: house.told(name) for name in names}
        await house.restart()
        assert house.oms.watcher.began == dict.fromkeys(names, Sighting.MATCHED)
        assert len(house.book.open) == 14
        await house.rests()
        assert [house.life(name) for name in names] == [Life.WORKING] * 14
        assert {name: house.told(name) for name in names} == told, "a match adds nothing"
        assert len(house.spot.open) + len(house.futures.open) == 14
        assert len(house.network.submits()) == 14

    tell(story)


def test_s07_the_report_lists_each_order_as_matched_adopted_ended_or_unknown() -> None:
    async def story(house: House) -> None:
        await house.start()
        for number in range(13):
            await house.place(f"c{number}", "buy", "0.01", str(50_000 + number))
        await house.until(lambda: len(house.spot.open) == 13)
        await house.rests()
        house.kill()
        house.venue_cancels("c0")
        first, second = house.by_hand("buy", "0.01", "49000"), house.by_hand("buy", "0.01", "48000")
        assert len(house.spot.open) == 14
        lost = house.spot.order_by_client_id("c1")
        assert lost is not None
        del house.spot.open[lost.order_id]  # nowhere to be found, for now
        del house.spot._ids["c1"]
        await house.start()
        adopted = [f"external{first}", f"external{second}"]
        matched = [f"c{number}" for number in range(2, 13)]
        report = {
            "c0": Sighting.ENDED,
            "c1": Sighting.UNKNOWN,
            **dict.fromkeys(matched, Sighting.MATCHED),
            **dict.fromkeys(adopted, Sighting.ADOPTED),
        }
        assert house.oms.watcher.began == report
        house.spot.open[lost.order_id] = lost
        house.spot._ids["c1"] = lost.order_id
        await house.rests()
        assert len(house.book.open) == 14
        assert house.life("c0") is Life.CANCELED
        assert house.life("c1") is Life.WORKING, "unknown is not gone"
        strangers = [order for order in house.book.orders.values() if order.request.strategy == "external"]
        assert sorted(order.request.client_order_id for order in strangers) == sorted(adopted)
        assert await house.oms.watcher.compare()
        shown = comparison(DESK, house.oms.watcher.standing, ())  # type: ignore[arg-type]  # it was compared
        assert shown.orders == dict.fromkeys((*matched, "c1", *adopted), "matched"), "the next time they are known"

    tell(story)


@pytest.mark.parametrize(("symbol", "size"), [(SPOT, "0.01"), (PERPETUAL, "5")])
def test_s08_a_fill_that_the_stream_never_brings_is_found_by_the_poll_and_its_delay_is_measured(
    symbol: Symbol, size: str
) -> None:
    async def story(house: House) -> None:
        await house.start()
        registry = CollectorRegistry()
        VenueMetrics(registry, [house.engine], {DESK: house.oms.watcher}, house.clock)
        await house.place("c1", "buy", size, "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await asyncio.sleep(15)  # whatever the start had to ask is asked
        house.faults(frame_dropped=1)
        house.stranger("sell", size, "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.FILLED, seconds=12)  # a comparison every ten
        house.faults()
        await house.rests()
        assert house.told("c1").count("order-filled") == 1
        [(source, late)] = house.heard
        assert source is Provenance.POLL
        assert 0 < late < 12
        scraped = {"account": DESK, "source": "poll"}
        assert registry.get_sample_value("oms_fill_delay_seconds_count", scraped) == 1
        assert registry.get_sample_value("oms_fill_delay_seconds_sum", scraped) == late

    tell(story)


@pytest.mark.parametrize(("symbol", "size", "part"), [(SPOT, "0.01", "0.004"), (PERPETUAL, "5", "2")])
@pytest.mark.parametrize("whole", [True, False])
def test_s11_a_fill_that_comes_before_the_answer_to_its_order_is_booked_at_once(
    symbol: Symbol,
    size: str,
    part: str,
    whole: bool,  # noqa: FBT001
) -> None:
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", size if whole else part, "50000", symbol=symbol)
        submit = spot.SUBMIT_ORDER if symbol == SPOT else perp.SUBMIT_ORDER
        house.network.slow_answers[submit] = 0.3
        begun = house.now_ms
        await house.place("c1", "buy", size, "50000", symbol=symbol)
        read = OrderStatus.FILLED if whole else OrderStatus.PARTIALLY_FILLED
        await house.until(lambda: status(house.order("c1")) is read)
        assert house.now_ms - begun < 300, "somebody waited for the answer"
        told = house.told("c1")
        await asyncio.sleep(1)
        later = [each for each in house.told("c1")[len(told) :] if each != "commission-reported"]
        assert not later, "the answer had nothing to add"
        assert status(house.order("c1")) is read
        await house.rests()
        assert house.told("c1").count("order-filled") == 1
        known = {*house.spot.closed, *house.spot.open, *house.futures.closed, *house.futures.open}
        assert house.order("c1").venue_order_id in known
        assert Life.IN_DOUBT not in house.lives("c1")

    tell(story)


def test_s14_a_cancel_in_flight_through_an_hour_of_outage_stays_pending_and_nothing_is_made_up() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.network.cut()
        await house.cancel("c1")
        for minute in range(60):
            await asyncio.sleep(60)
            assert status(house.order("c1")) is OrderStatus.PENDING_CANCEL
            assert house.held() > 500
            if minute % 10 == 0:
                name = f"q{minute}"
                await house.place(name, "buy", "0.01", "49000")  # quoting goes on, in the same place
                assert house.life(name) is Life.DENIED
                assert "c1 was to be canceled" in (house.order(name).reason or "")
        assert "venue-canceled" not in house.told("c1")
        assert {*house.told("c1")} == {
            *("order-requested", "send-started", "venue-accepted", "cancel-requested", "cancel-unknown")
        }
        assert list(house.spot.open)
        house.network.mend()
        await house.until(lambda: house.life("c1") is Life.CANCELED, seconds=120)
        await house.rests()
        assert not house.spot.open
        await house.place("q", "buy", "0.01", "49000")
        await house.until(lambda: house.life("q") is Life.WORKING)

    tell(story)


@pytest.mark.parametrize(("symbol", "size", "part"), [(SPOT, "0.01", "0.004"), (PERPETUAL, "5", "2")])
def test_s15_a_cancel_whose_answer_and_push_are_lost_is_proven_by_the_single_order_and_its_trades(
    symbol: Symbol, size: str, part: str
) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", size, "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.faults(frame_dropped=1)
        house.network.lost_answers |= CANCELS
        house.stranger("sell", part, "50000", symbol=symbol)
        before = len(house.network.sent)
        await house.cancel("c1")
        await house.until(lambda: house.life("c1") is Life.CANCELED)
        singly = [each for each in house.network.sent[before:] if each.path in SINGLE_ORDER]
        assert singly, "the list does not prove it"
        house.faults()
        house.network.mend()
        await house.rests()
        assert house.order("c1").cum_quantity == Decimal(part)
        assert [each for each in house.network.sent[before:] if each.path in TRADES_ASKED]
        assert house.held() == house.held("BTC") == 0

    tell(story)


def test_s15_of_a_crowd_canceled_at_once_each_order_is_asked_for_and_proven_by_itself() -> None:
    async def story(house: House) -> None:
        await house.start()
        names = [f"c{number}" for number in range(6)]
        for number, name in enumerate(names):
            await house.place(name, "buy", "0.01", str(50_000 + number))
        await house.until(lambda: all(house.life(name) is Life.WORKING for name in names))
        await house.rests()
        house.faults(frame_dropped=1)
        house.network.lost_answers |= CANCELS
        house.stranger("sell", "0.014", "50004")  # the whole of c5, and a part of c4
        engine = house.engine
        stop = [CancelOrder(account=DESK, client_order_id=ClientOrderId(name), request_id="all") for name in names]
        before = len(house.network.sent)
        await asyncio.gather(*(engine.offer(each, actor="maker") for each in stop))  # one commit, as cancel-all has it
        await house.until(lambda: all(house.life(name) in {Life.CANCELED, Life.FILLED} for name in names))
        asked = [each.body for each in house.network.sent[before:] if each.path in SINGLE_ORDER]
        for name in names:
            ids = {name, house.order(name).venue_order_id}
            assert any(ids & set(body.values()) for body in asked), f"{name} was not asked for"
        house.faults()
        house.network.mend()
        await house.rests()
        assert [house.life(name) for name in names] == [Life.CANCELED] * 5 + [Life.FILLED]
        assert house.order("c4").cum_quantity == Decimal("0.004")
        assert [each for each in house.network.sent[before:] if each.path in TRADES_ASKED]
        assert house.held() == 0

    tell(story)


@pytest.mark.parametrize(("minutes", "life"), [(19, Life.CANCELED), (25, Life.VANISHED)])
def test_s16_an_unfilled_order_that_ended_while_we_were_down_is_closed_with_what_proof_there_is(
    minutes: int, life: Life
) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.rests()
        house.kill()
        house.venue_cancels("c1")
        house.leap(minutes * 60)
        await house.start()
        await house.until(lambda: house.life("c1") is life, seconds=240)
        await house.rests()
        assert Life.REJECTED not in house.lives("c1")
        assert status(house.order("c1")) is OrderStatus.CANCELED
        if life is Life.CANCELED:
            assert house.told("c1")[-1] == "venue-canceled", "the venue itself said so"
            assert "venue-searched" not in house.told("c1")
        else:
            assert house.order("c1").reason == "proof: absence"
            [searched] = [each for each in house.events("c1") if isinstance(each, VenueSearched)]
            assert {mark.what for mark in searched.marks} >= {"order", "open_orders", "trades"}
            said = {mark.what: house.log._messages[mark.message_id].body for mark in searched.marks}
            assert b"50005" in said["order"], "not found"
            assert b'"c1"' not in said["open_orders"] + said["trades"]

    tell(story)
