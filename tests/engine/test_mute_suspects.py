"""One order that cannot be asked for does not keep others' trades from being proven gone."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.reports import VenueOrderStatus
from oms.values import Symbol
from oms.venue import Answer, NoAnswerError
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import Mute, ScriptedVenue
from tests.engine.test_perpetuals import PERPETUAL
from tests.order.story import FUTURES


@pytest.mark.parametrize("mute", ["", "c1"])
def test_a_trade_is_proven_gone_though_another_suspect_cannot_be_asked_for(mute: str) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Mute(desk.clock.now_ns)
        venue.totals = {"USDT": Decimal(1_000_000), "BTC": Decimal(5)}
        await desk.start()
        for name in ("c1", "c2"):
            await desk.place(name)
            await asyncio.sleep(1)
            order, trade = venue.fill(name, "1")
            venue.push(order, trade)
            venue.totals["BTC"] += 1
            venue.totals["USDT"] -= Decimal("100.1")
        await asyncio.sleep(30)
        assert not desk.breaks()
        took: dict[str, object] = {}
        for name in ("c1", "c2"):
            now = desk.clock.now_ns() // 1_000_000
            took[name] = venue.orders[name]
            venue.orders[name] = replace(
                venue.orders[name],
                cum_quantity=Decimal(0),
                status=VenueOrderStatus.NEW,
                created_ms=now - 60_000,
                updated_ms=now,
            )
            venue.trades_done = [t for t in venue.trades_done if t.client_order_id != name]
            venue.totals["BTC"] -= 1
            venue.totals["USDT"] += Decimal("100.1")
            if name == "c1":
                await asyncio.sleep(45)  # one look at c1
                venue.mute = mute
        await asyncio.sleep(2000)
        assert desk.order("c2").cum_quantity == 0, desk.breaks()

    play(story)


class Retired(ScriptedVenue):
    """Lists no orders that ended of the markets that are `gone`."""

    gone: frozenset[str] = frozenset()

    async def order_history(self, symbol: Symbol, *, since_ms: int, until_ms: int) -> Answer:
        if symbol in self.gone:
            raise NoAnswerError("the call was retired", self._evidence())
        return await super().order_history(symbol, since_ms=since_ms, until_ms=until_ms)


@pytest.mark.parametrize("gone", [frozenset(), frozenset({PERPETUAL})])
def test_a_trade_is_proven_gone_though_another_markets_ended_orders_cannot_be_asked_for(gone: frozenset[str]) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Retired(desk.clock.now_ns)
        venue.gone = gone
        venue.can, venue.futures = FUTURES, Decimal(10_000)
        venue.totals = {"USDT": Decimal(1_000_000), "BTC": Decimal(5)}
        await desk.start()
        await desk.place("c1")
        await desk.place("p1", symbol=PERPETUAL, quantity=Decimal(10), price=Decimal(270), leverage=Decimal(10))
        await asyncio.sleep(1)
        venue.push(*venue.fill("c1", "1"))
        venue.totals["BTC"] += 1
        venue.totals["USDT"] -= Decimal("100.1")
        await asyncio.sleep(60)
        assert not desk.breaks()
        venue.push(replace(venue.orders["p1"], cum_quantity=Decimal(1), status=VenueOrderStatus.PARTIALLY_FILLED))
        now = desk.clock.now_ns() // 1_000_000
        venue.orders["c1"] = replace(
            venue.orders["c1"],
            cum_quantity=Decimal(0),
            status=VenueOrderStatus.NEW,
            created_ms=now - 70_000,
            updated_ms=now,
        )
        venue.trades_done.clear()
        venue.totals["BTC"] -= 1
        venue.totals["USDT"] += Decimal("100.1")
        await asyncio.sleep(2000)
        assert desk.order("c1").cum_quantity == 0, desk.breaks()

    play(story)
