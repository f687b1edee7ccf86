"""S07, S31, S32, S34, S42, S46, S47, S60, S67: clauses that no scenario had told."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from oms.errors import OffGridError
from oms.gateway.health import lost_calls
from oms.order.state import Life
from oms.ports import LinkAnswer
from oms.reconcile import Result
from oms.standing import Sighting
from oms.store.audit import sealed
from oms.store.codec import decode_meta
from oms.store.seals import verify
from oms.values import Provenance, Symbol, TimeInForce
from tests.cli.recorded import record
from tests.scenarios.house import PERPETUAL, SPOT, House, stream, tell
from tests.scenarios.test_gaps_of_requests import JSON, WAITS, about_to_wait, waits
from tests.scenarios.test_recovered import recovered, restore
from tests.scenarios.test_s02_to_s05_requests_without_an_answer import SIZE
from tests.scenarios.test_s60_calls_that_are_gone import NOT_FOUND, RETIRED
from tests.scenarios.test_the_log import as_dba


def test_s07_fourteen_orders_of_which_some_wait_for_their_price_are_fourteen_after_a_restart() -> None:
    async def story(house: House) -> None:
        await about_to_wait(house)
        for kind in WAITS:
            await waits(house, kind, kind)
        names = [*WAITS, *(f"c{number}" for number in range(10))]
        for number in range(10):
            symbol = SPOT if number % 2 else PERPETUAL
            size = "0.01" if symbol == SPOT else "2"
            await house.place(f"c{number}", "buy", size, str(50_000 + number), symbol=symbol)
        await house.until(lambda: all(house.life(name) is Life.WORKING for name in names))
        await house.rests()
        told = {name: house.told(name) for name in names}
        await house.restart()
        assert house.oms.watcher.began == dict.fromkeys(names, Sighting.MATCHED)
        await house.rests()
        assert len(house.book.open) == 14
        assert {name: house.told(name) for name in names} == told

    tell(story)


@pytest.mark.parametrize("seconds", [15.0, 17.0, 19.0, 21.0, 23.0])
def test_s31_as_soon_as_a_stream_is_back_everything_is_asked_for(seconds: float) -> None:
    async def story(house: House) -> None:
        await house.start()
        await asyncio.sleep(seconds)
        broken_ms = house.now_ms
        for connection in house.simulator.connections:
            connection.break_down()
        await house.until(lambda: "stale" in (house.oms.watcher.broken() or ""), seconds=30)
        await house.until(lambda: house.oms.watcher.live)
        back_ns = house.clock.now_ns() - 200_000_000
        await asyncio.sleep(1)
        after = [each for each in house.network.sent if each.at_ns >= back_ns]
        assert {each.path for each in after} >= {
            *(spot.QUERY_OPEN_ORDERS, spot.QUERY_TRADES, spot.WALLET),
            *(perp.OPEN_ORDERS, perp.PLAN_ORDERS, perp.TRADES, perp.ASSETS, perp.POSITION_V2),
        }, "it waited for the next poll"
        [since_ms] = {each.body["startTime"] for each in after if each.path == spot.QUERY_TRADES}
        proven_ms = house.oms.watcher.survey._traded_until_ms
        assert since_ms < broken_ms or since_ms < proven_ms, "from the last proven coverage on"

    tell(story)


def test_s32_partially_canceled_reads_the_same_where_only_the_poll_tells_it() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.faults(frame_dropped=1)
        house.stranger("sell", "1", "50000.01")
        await house.give(replace(house.order_for("m1", "buy", "1", None), quantity=None, notional=Decimal(100)))
        await house.until(lambda: house.life("m1") is Life.FILLED)
        assert house.held() == 0
        house.stranger("sell", "0.004", "49000")
        await house.place("i1", "buy", "0.01", "49000", time_in_force=TimeInForce.IOC)
        await house.until(lambda: house.life("i1") is Life.CANCELED)
        house.faults()
        await house.rests()
        assert house.order("i1").cum_quantity == Decimal("0.004")
        assert Life.CANCELED not in house.lives("m1")

    tell(story)


def test_s34_on_perpetuals_too_a_price_off_the_grid_is_denied_and_one_that_the_venue_changed_is_a_break() -> None:
    async def story(house: House) -> None:
        await house.start()
        with pytest.raises(OffGridError):
            await house.place("c1", "buy", "1", "50000.12345678", symbol=PERPETUAL)
        await house.place("c2", "buy", "1", "50000.1", symbol=PERPETUAL)
        await house.until(lambda: house.life("c2") is Life.WORKING)
        (resting,) = house.futures.open.values()
        resting.price = Decimal(50_000)
        await house.until(lambda: "price:c2" in house.breaks())
        assert [*map(Decimal, house.breaks()["price:c2"])] == [Decimal("50000.1"), Decimal(50_000)]

    tell(story)


UNUSABLE = {
    "garbage": LinkAnswer(200, JSON, b"{]"),
    "error": LinkAnswer(500, JSON, b'{"code":59002,"message":"x","trace":"t","data":{}}'),
    "empty": LinkAnswer(200, JSON, b'{"code":1000,"message":"OK","trace":"t","data":{}}'),
    "page": LinkAnswer(200, {"content-type": "text/html"}, b"<html>hello</html>"),
}
REPORTS = [
    *(spot.QUERY_OPEN_ORDERS, spot.QUERY_ALGO_OPEN_ORDERS, spot.QUERY_TRADES, spot.WALLET),
    *(perp.OPEN_ORDERS, perp.PLAN_ORDERS, perp.TRADES, perp.ASSETS, perp.POSITION_V2, perp.GET_POSITION_MODE),
]


@pytest.mark.parametrize("path", REPORTS)
@pytest.mark.parametrize("kind", UNUSABLE)
def test_s42_a_warm_start_that_gets_nonsense_for_one_report_does_not_trade(path: str, kind: str) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "5", "50000", symbol=PERPETUAL)
        house.stranger("sell", "5", "50000", symbol=PERPETUAL)
        await house.place("c2", "buy", "0.01", "50000")
        await house.rests()
        house.kill()
        house.leap(3600)
        house.network.answers[path] = UNUSABLE[kind]
        oms = house.begin()
        await oms.leads.wait()
        await asyncio.sleep(120)
        assert oms.watcher.standing is not None
        assert oms.watcher.standing.result is Result.PARTIAL
        assert not oms.engine.trading
        assert not house.breaks(), "what could not be asked is no disagreement"
        house.network.mend()
        await house.until(oms.watcher.synced.is_set)
        await house.rests()

    tell(story)


@pytest.mark.parametrize(("symbol", "size"), [(SPOT, "0.01"), (PERPETUAL, "2")])
def test_s46_the_raw_bytes_of_a_word_that_nobody_knows_are_kept(symbol: Symbol, size: str) -> None:
    async def story(house: House) -> None:
        await house.start()
        house.faults(frame_unknown=1)
        await house.place("c1", "buy", size, "50000", symbol=symbol)
        house.stranger("sell", size, "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.FILLED, seconds=120)
        history = house.log._streams[stream("c1")].values()
        words = [each for each in history if each.topic.startswith("report-contradicted")]
        assert words
        for told in words:  # each of them once
            cause = decode_meta(told.state).cause
            assert cause is not None
            assert b'"c1"' in house.log._messages[cause].body

    tell(story)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "change",
    [
        "topic = 'order-denied/1'",
        "originator_version = 99",
        "originator_id = 'order/main/other'",
        "state = state || ' '",
    ],
)
async def test_s47_whatever_a_dba_edits_of_a_row_is_named_by_its_position(database: str, change: str) -> None:
    assert await record(database) == 7
    as_dba(database, f"UPDATE stored_events SET {change} WHERE notification_id = 3")
    assert verify(sealed(database)) == 3


@pytest.mark.parametrize("gone", [RETIRED, NOT_FOUND])
@pytest.mark.parametrize(
    ("symbol", "path", "call"),
    [
        (SPOT, spot.QUERY_CLIENT_ORDER, "order_by_client_id"),
        (SPOT, spot.QUERY_TRADES, "trades"),
        (SPOT, spot.QUERY_OPEN_ORDERS, "open_orders"),
        (PERPETUAL, perp.TRADES, "trades"),
        (PERPETUAL, perp.OPEN_ORDERS, "open_orders"),
    ],
)
def test_s60_a_question_that_nobody_answers_any_more_is_named_and_the_rest_goes_on(
    gone: LinkAnswer, symbol: Symbol, path: str, call: str
) -> None:
    other = PERPETUAL if symbol == SPOT else SPOT

    async def story(house: House) -> None:
        await house.start()
        house.network.answers[path] = gone
        for each in (symbol, other):
            name = f"c{len(each)}"
            await house.place(name, "buy", SIZE[each], "50000", symbol=each)
            await house.until(lambda name=name: house.life(name) is Life.WORKING)  # type: ignore[misc]  # bound now
            house.stranger("sell", SIZE[each], "50000", symbol=each)
            await house.until(lambda name=name: house.life(name) is Life.FILLED)  # type: ignore[misc]  # bound now
        house.network.lost_answers.add("/spot/v2/submit_order")
        house.faults(frame_dropped=1)
        await house.place("d1", "buy", "0.01", "40000")  # whose answer is lost, so that it has to be asked for
        await asyncio.sleep(90)
        assert call in {each for lost in lost_calls(house.engine).values() for each in lost}
        assert house.life("d1") is Life.WORKING
        house.network.mend()
        house.faults()
        await house.rests()

    tell(story)


def test_s67_after_a_failover_a_perpetuals_orders_trades_and_plans_are_adopted_and_can_be_ended() -> None:
    async def story(house: House) -> None:
        await about_to_wait(house)
        replicated = await house.log.head()
        await house.place("c2", "buy", "5", "59500", symbol=PERPETUAL)
        await waits(house, "stop", "s1")
        await waits(house, "plan", "p1")  # the venue keeps no name of ours for these
        await house.until(lambda: all(house.life(name) is Life.WORKING for name in ("c2", "s1", "p1")))
        house.stranger("sell", "2", "59500", symbol=PERPETUAL)
        await house.until(lambda: house.position().quantity == 7)
        plan, sent = f"external{house.order('p1').venue_order_id}", len(house.network.submits())
        house.kill()
        await restore(house, replicated)
        await house.start()
        await house.until(lambda: all(house.told(name) for name in ("c2", "s1", plan)))
        assert house.position().quantity == 7
        assert Provenance.RECOVERED in recovered(house, replicated)
        assert len(house.network.submits()) == sent, "nothing was sent again"
        await house.rests()
        for name in ("c2", "s1", plan):
            await house.cancel(name)
            await house.until(lambda name=name: house.life(name) is Life.CANCELED)  # type: ignore[misc]  # bound now
        await house.rests()
        assert not house.futures.plans

    tell(story)
