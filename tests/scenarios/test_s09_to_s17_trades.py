"""S09, S12, S13, S17: a trade is booked once, whenever and however often it is told; a dead order that shows lives."""

import asyncio
from decimal import Decimal
from itertools import permutations

import pytest
from msgspec.structs import replace

from adapters.bitmart.spot import codec as spot
from adapters.simulator.exchange.orders import NewOrder, OrderType
from oms.order.messages import OrderNews
from oms.order.state import Life, status
from oms.reports import TradeReport
from oms.values import ClientOrderId, OrderStatus, Provenance, Side
from tests.scenarios.house import DESK, SPOT, House, stream, tell

DAY_SECONDS = 86_400


def test_s09_one_trade_by_stream_poll_restart_and_again_is_one_fill_in_all_24_orders() -> None:
    ends: list[tuple[object, ...]] = []

    async def story(house: House, order: tuple[str, ...]) -> None:
        await house.start()
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.network.cut()
        house.stranger("sell", "0.01", "50000")
        [fill] = house.spot.fills
        venue_order_id = house.order("c1").venue_order_id
        for way in order:
            if way == "restart":
                house.kill()
                house.network.mend()
                await house.start()
                continue
            trade = TradeReport(
                exec_id=fill.trade_id,  # type: ignore[arg-type]  # as the venue says it
                symbol=SPOT,
                price=fill.price,
                quantity=fill.size,
                venue_order_id=venue_order_id,
                client_order_id=house.order("c1").request.client_order_id,
                side=fill.side,
                commission=None if way == "stream" else fill.fee,
                commission_currency=None if way == "stream" else fill.fee_coin,  # type: ignore[arg-type]  # likewise
                at_ms=fill.at_ms,
            )
            source = {"stream": Provenance.STREAM, "poll": Provenance.POLL, "import": Provenance.IMPORT}[way]
            news: OrderNews = trade
            await house.engine.report([(stream("c1"), news)], source=source)
        house.network.mend()
        await house.rests()
        assert house.told("c1").count("order-filled") == 1
        ours, leg = house.order("c1"), house.position(SPOT)
        funds = tuple(sorted(house.book.totals.items()))
        # A commission that comes apart from its trade is one event more: all but the counts of events is the same.
        ends.append(
            (
                ours.life,
                ours.cum_quantity,
                ours.cum_cost,
                *ours.trades,
                replace(leg, version=0),
                repr(house.breaks()),
                *funds,
            )
        )

    for order in permutations(("stream", "poll", "restart", "import")):
        tell(lambda house, way=order: story(house, way))  # type: ignore[misc]  # one world an order
    assert len(ends) == 24
    assert all(end == ends[0] for end in ends)


@pytest.mark.parametrize("seconds", [60, 3 * DAY_SECONDS])
def test_s12_a_trade_that_is_told_long_after_the_cancel_is_booked(seconds: int) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.cancel("c1")
        await house.until(lambda: house.life("c1") is Life.CANCELED)
        assert house.held() == 0
        house.kill()
        house.leap(seconds)
        await house.start()
        late = TradeReport(
            exec_id="t1",  # type: ignore[arg-type]  # as the venue says it
            symbol=SPOT,
            price=Decimal(50_000),
            quantity=Decimal("0.004"),
            client_order_id=ClientOrderId("c1"),
            side=Side.BUY,
            commission=Decimal("0.2"),
            commission_currency="USDT",  # type: ignore[arg-type]  # likewise
            at_ms=house.now_ms,
        )
        await house.engine.report([(stream("c1"), late)], source=Provenance.POLL)
        assert house.order("c1").cum_quantity == Decimal("0.004")
        assert house.position(SPOT).quantity == Decimal("0.004")
        assert status(house.order("c1")) is OrderStatus.CANCELED
        assert house.held() == 0
        await asyncio.sleep(30)
        assert house.breaks(), "the venue's own figures do not know that trade: somebody is told"

    tell(story)


def test_s13_an_order_that_was_proven_absent_and_shows_after_all_lives_again_and_keeps_its_story() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.lost_requests.add(spot.SUBMIT_ORDER)
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.REJECTED, seconds=200)
        assert "absence-proven" in house.told("c1")
        house.network.mend()
        house.simulator.spot.exchange.submit(  # the packet that was held up on the way
            NewOrder(
                account=DESK,
                symbol="BTC_USDT",
                side=Side.BUY,
                type=OrderType.LIMIT,
                size=Decimal("0.01"),
                price=Decimal(50_000),
                client_order_id="c1",
            ),
            house.now_ms,
        )
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.rests()
        assert "absence-proven" in house.told("c1")
        assert house.order("c1").request.strategy == "maker"
        assert house.held() > 500

    tell(story)


def test_s17_four_hundred_and_fifty_fills_in_an_hours_gap_are_all_found_by_halving_the_window() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "0.45", "50000")
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.rests()
        house.kill()
        for _ in range(450):
            house.stranger("sell", "0.001", "50000")
            house.leap(8)
        before = len(house.network.sent)
        await house.start()
        await house.rests()
        assert len(house.order("c1").trades) == 450
        assert house.life("c1") is Life.FILLED
        assert not house.breaks()
        asked = [each for each in house.network.sent[before:] if each.path == spot.QUERY_TRADES]
        assert len(asked) >= 4
        assert house.book.account.covered_ms > 0

    tell(story)
