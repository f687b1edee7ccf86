"""S31, S42, S53, S54, S56, S57: what a wire, a clock or a page in between can do to an order."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from oms.errors import NotReadyError
from oms.gateway.reconciling import VenueMetrics
from oms.order.state import Life
from oms.ports import LinkAnswer
from oms.reconcile import Part, Result
from oms.values import Provenance, Symbol
from tests.scenarios.house import DESK, PERPETUAL, SPOT, House, tell

HTML = {"content-type": "text/html; charset=UTF-8"}
BLOCKED = LinkAnswer(403, HTML, b"<html><title>Attention Required! | Cloudflare</title>error code: 1010</html>")
BAD_GATEWAY = LinkAnswer(502, HTML, b"<html><title>502 Bad Gateway</title>cloudflare</html>")
SYSTEM_ERROR = LinkAnswer(
    status=400,
    headers={"content-type": "application/json"},
    body=b'{"code":40012,"message":"System error","trace":"t","data":{}}',
)


def test_s31_a_stream_that_stays_open_and_says_nothing_is_noticed_opened_again_and_caught_up_with() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        streams = list(house.simulator.connections)
        for connection in streams:
            connection.break_down()  # half open: it takes everything and brings nothing
        broken_at = house.now_ms
        await asyncio.sleep(1)
        house.stranger("sell", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.FILLED, seconds=30)  # by the poll, whatever the stream does
        assert house.heard[-1][0] is Provenance.POLL
        await house.until(lambda: "stale" in (house.oms.watcher.broken() or ""), seconds=25)
        assert house.now_ms - broken_at > 19_000  # the last word may have come just before
        # Each host's stream has its own silence, and is opened anew by itself.
        await house.until(lambda: not set(map(id, streams)) & set(map(id, house.simulator.connections)), seconds=60)
        await house.until(lambda: house.oms.watcher.broken() is None, seconds=60)
        await house.place("c2", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c2") is Life.WORKING)
        house.stranger("sell", "0.01", "50000")
        await house.until(lambda: house.life("c2") is Life.FILLED)
        assert house.heard[-1][0] is Provenance.STREAM
        await house.rests()

    tell(story)


@pytest.mark.parametrize(("symbol", "size"), [(SPOT, "0.01"), (PERPETUAL, "5")])
def test_s31_a_stream_that_brings_balances_and_no_orders_is_noticed_by_the_poll_and_opened_again(
    symbol: Symbol, size: str
) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", size, "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await asyncio.sleep(10)
        streams = list(house.simulator.connections)
        for connection in streams:  # the venue forgets what it acknowledged, and goes on with all the rest
            for topic in [each for each in connection.stream.topics if "order" in str(each)]:
                del connection.stream.topics[topic]
        moved_at = house.now_ms
        house.stranger("sell", size, "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.FILLED, seconds=15)
        assert house.heard[-1][0] is Provenance.POLL
        assert house.oms.watcher.broken() is None, "one frame may be late"
        await house.until(lambda: "stale" in (house.oms.watcher.broken() or ""), seconds=20)
        assert house.now_ms - moved_at < 22_000
        await house.until(lambda: house.oms.watcher.broken() is None)
        assert not set(map(id, streams)) & set(map(id, house.simulator.connections))
        await house.place("c2", "buy", size, "50000", symbol=symbol)
        await house.until(lambda: house.life("c2") is Life.WORKING)
        house.stranger("sell", size, "50000", symbol=symbol)
        await house.until(lambda: house.life("c2") is Life.FILLED)
        assert house.heard[-1][0] is Provenance.STREAM
        again = list(house.simulator.connections)
        await asyncio.sleep(300)
        assert list(house.simulator.connections) == again, "a stream that tells of orders is left alone"
        await house.rests()

    tell(story)


def test_s31_a_stream_that_lost_one_frame_and_goes_on_is_left_alone() -> None:
    async def story(house: House) -> None:
        await house.start()
        for name in ("c1", "c2"):
            await house.place(name, "buy", "0.01", "50000")
            await house.until(lambda: house.life(name) is Life.WORKING)  # noqa: B023
        await asyncio.sleep(10)
        streams = list(house.simulator.connections)
        house.faults(frame_dropped=1)
        house.stranger("sell", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.FILLED, seconds=15)
        house.faults()
        house.stranger("sell", "0.01", "50000")
        await house.until(lambda: house.life("c2") is Life.FILLED)
        await asyncio.sleep(60)
        assert list(house.simulator.connections) == streams
        await house.rests()

    tell(story)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        (spot.QUERY_OPEN_ORDERS, Part.ORDERS),
        (spot.QUERY_ALGO_OPEN_ORDERS, Part.ORDERS),
        (perp.OPEN_ORDERS, Part.ORDERS),
        (perp.PLAN_ORDERS, Part.ORDERS),
        (spot.QUERY_TRADES, Part.TRADES),
        (perp.TRADES, Part.TRADES),
        (spot.WALLET, Part.BALANCES),
        (perp.ASSETS, Part.BALANCES),
        (perp.POSITION_V2, Part.POSITIONS),
        (perp.GET_POSITION_MODE, Part.POSITIONS),
    ],
)
def test_s42_one_question_of_the_start_fails_and_the_account_does_not_trade(path: str, part: Part) -> None:
    async def story(house: House) -> None:
        house.network.lost_requests.add(path)
        oms = house.begin()
        await oms.leads.wait()
        await asyncio.sleep(300)
        assert not oms.watcher.synced.is_set()
        assert not oms.engine.trading
        standing = oms.watcher.standing
        assert standing is not None
        assert (standing.result, set(standing.failures)) == (Result.PARTIAL, {part})
        assert path in standing.failures[part]
        assert str(part) in (oms.watcher.broken() or "")  # what /health/ready shows
        assert not house.breaks(), "what could not be asked is no disagreement"
        with pytest.raises(NotReadyError):
            await house.place("c1", "buy", "0.01", "50000")
        assert house.network.submits() == []
        house.network.mend()
        await house.until(oms.watcher.synced.is_set, seconds=60)
        await house.place("c1", "buy", "0.01", "50000")
        await house.rests()

    tell(story)


@pytest.mark.parametrize("ahead_ms", [1_500, -6_000])
def test_s53_a_local_clock_that_is_off_is_corrected_by_the_venues(ahead_ms: int) -> None:
    async def story(house: House) -> None:
        house.simulator.set_clock(-ahead_ms)
        await house.start()
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        stamps = [each for each in house.network.sent if each.path == "/system/time"]
        assert stamps, "nobody asked the venue for its time"
        registry = CollectorRegistry()
        VenueMetrics(registry, [house.engine], {DESK: house.oms.watcher}, house.clock).look()
        shown = registry.get_sample_value("oms_venue_clock_ahead_seconds", {"account": DESK})
        assert shown == pytest.approx(-ahead_ms / 1000, abs=0.05)
        assert "venue-refused" not in house.told("c1")
        await house.rests()

    tell(story)


def test_s53_a_stamp_that_is_refused_is_certainly_not_executed_and_the_next_one_is_right() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.simulator.set_clock(-90_000)  # the venue's clock leaps, further than a stamp may be off
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is not Life.SENDING)
        assert house.life("c1") is not Life.IN_DOUBT
        assert "outcome-unknown" not in house.told("c1")
        await house.place("c2", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c2") is Life.WORKING)
        await house.rests()

    tell(story)


def test_s54_a_request_that_is_stuck_for_up_to_a_minute_is_never_called_absent_before_it_cannot_execute() -> None:
    async def story(house: House) -> None:
        await house.start()
        for number in range(10):
            name, sent_ms = f"c{number}", house.now_ms
            if number % 2:
                house.faults(request_delayed=1)  # in a proxy; it goes on to the venue within the minute
            else:
                house.network.lost_requests.add(spot.SUBMIT_ORDER)  # for ever
            await house.place(name, "buy", "0.01", "50000")
            await asyncio.sleep(0.5)
            house.faults()
            house.network.mend()
            await house.until(lambda: house.life(name) not in {Life.SENDING, Life.IN_DOUBT}, seconds=180)  # noqa: B023
            assert house.life(name) is (Life.WORKING if number % 2 else Life.REJECTED)
            assert number % 2 or house.now_ms - sent_ms > 60_000, "called absent while it could still execute"
        assert len(house.network.submits()) == 10
        await house.rests()

    tell(story)


def test_s56_a_page_of_the_gateway_in_front_settles_nothing() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.answers[spot.SUBMIT_ORDER] = BAD_GATEWAY
        house.network.answers[spot.QUERY_CLIENT_ORDER] = BLOCKED
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.IN_DOUBT)
        await asyncio.sleep(600)  # for as long as a page answers the question, "could not ask" is never "not found"
        assert house.life("c1") is Life.IN_DOUBT
        house.network.mend()
        await house.until(lambda: house.life("c1") is Life.REJECTED, seconds=120)
        assert house.told("c1")[-2:] == ["venue-searched", "absence-proven"]
        assert len(house.network.submits()) == 1
        await house.rests()

    tell(story)


def test_s56_what_the_edge_blocks_was_certainly_not_executed_and_is_tried_three_times_under_one_id() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.answers[spot.SUBMIT_ORDER] = BLOCKED  # PROTOCOL 4.2: Cloudflare stopped it before BitMart saw it
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.REJECTED)
        assert house.told("c1").count("send-started") == len(house.network.submits()) == 3
        assert {each.body["client_order_id"] for each in house.network.submits()} == {"c1"}
        assert house.held() == 0
        house.network.mend()
        await house.rests()

    tell(story)


def test_s57_an_order_that_was_taken_with_a_system_error_is_found_and_works() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.executed[perp.SUBMIT_ORDER] = SYSTEM_ERROR
        house.faults(frame_dropped=1)
        await house.place("c1", "buy", "1", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.life("c1") is Life.IN_DOUBT)
        house.network.mend()
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.faults()
        await house.rests()
        assert "venue-refused" not in house.told("c1")
        assert len(house.futures.open) == len(house.network.submits()) == 1

    tell(story)


def test_s57_an_ambiguous_system_error_is_looked_into_and_is_no_refusal() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.answers[perp.SUBMIT_ORDER] = SYSTEM_ERROR
        await house.place("c1", "buy", "1", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.life("c1") is Life.IN_DOUBT)
        assert "venue-refused" not in house.told("c1")
        house.network.mend()
        before = len(house.network.sent)
        await house.until(lambda: house.life("c1") is Life.REJECTED, seconds=180)
        assert house.told("c1")[-2:] == ["venue-searched", "absence-proven"]
        asked = {each.path for each in house.network.sent[before:]}
        assert {perp.OPEN_ORDERS, perp.ORDER_HISTORY, perp.TRADES} <= asked
        assert house.position(SPOT).quantity == 0
        await house.rests()

    tell(story)
