"""A trade taken back of an order that ended a minute ago, in a market of which a day is longer than can be listed."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.order.state import Life
from oms.reports import OrderReport, VenueOrderStatus
from oms.values import Symbol
from oms.venue import Answer, Window
from tests.engine.desk import Desk, play
from tests.engine.test_taken_back import Remembers


class CappedOrders(Remembers):
    """One answer holds so many orders that ended, the oldest of its window; it says how far it got."""

    rows_max = 3

    async def order_history(self, symbol: Symbol, *, since_ms: int, until_ms: int) -> Answer:
        answer = await super().order_history(symbol, since_ms=since_ms, until_ms=until_ms)
        ended = {str(each.client_order_id): each for each in answer.reports if isinstance(each, OrderReport)}
        names = sorted(ended, key=self.ended_ms.__getitem__)
        if len(names) <= self.rows_max:
            return answer
        oldest = names[: self.rows_max]
        whole = Window(since_ms, self.ended_ms[oldest[-1]])
        return replace(answer, reports=tuple(ended[name] for name in oldest), complete=False, proven=(whole,))


@pytest.mark.parametrize(("lag_seconds", "a_day"), [(0, 100), (28, 10), (28, 100)])
def test_a_trade_of_a_recent_order_is_proven_gone_though_a_day_of_its_market_is_longer_than_lists(
    lag_seconds: int, a_day: int
) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = CappedOrders(desk.clock.now_ns)
        began_ms = desk.clock.now_ns() // 1_000_000
        for n in range(a_day):  # from before the log, over the day before
            venue.by_hand(f"old{n}", "1")
            venue.orders[f"old{n}"] = replace(
                venue.orders[f"old{n}"], status=VenueOrderStatus.FILLED, cum_quantity=Decimal(1), price=Decimal(100)
            )
            venue.ended_ms[f"old{n}"] = began_ms - (80_000_000 - n * 700_000)
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        at_ms = desk.clock.now_ns() // 1_000_000
        venue.orders["c1"] = replace(venue.orders["c1"], created_ms=at_ms)
        venue.push(*venue.fill("c1", "2"))
        venue.totals = {"USDT": Decimal("799.9"), "BTC": Decimal(7)}
        await asyncio.sleep(60)
        assert (desk.life(), desk.breaks()) == (Life.FILLED, {})
        venue.totals = {"USDT": Decimal(1000), "BTC": Decimal(5)}
        await asyncio.sleep(lag_seconds)  # records and lists lag
        venue.trades_done = []
        now_ms = desk.clock.now_ns() // 1_000_000
        venue.orders["c1"] = replace(
            venue.orders["c1"], cum_quantity=Decimal(0), status=VenueOrderStatus.CANCELED, updated_ms=now_ms
        )
        await asyncio.sleep(4000)
        assert desk.order().cum_quantity == 0, desk.breaks()

    play(story)
