"""A trade that was taken back is looked for on every market of its quote coin, three at a time."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.instrument import Instrument
from oms.reports import VenueOrderStatus
from oms.values import Currency, Symbol
from tests.engine.desk import Desk, play
from tests.order.story import BTC_USDT

COINS = ["AAA", "BBB", "CCC", "DDD"]


def market(coin: str) -> Instrument:
    return replace(BTC_USDT, symbol=Symbol(f"{coin}/USDT"), venue_symbol=f"{coin}_USDT", base=Currency(coin))


@pytest.mark.parametrize("coin", ["AAA", "CCC", "DDD"])
def test_s52_a_trade_that_was_taken_back_is_looked_for_on_every_market(coin: str) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue
        await desk.start()
        desk.engine.decider.instruments = {
            **desk.engine.decider.instruments,
            **{Symbol(f"{each}/USDT"): market(each) for each in COINS},
        }
        for each in COINS:
            name = each.lower()
            await desk.place(name, symbol=Symbol(f"{each}/USDT"), quantity=Decimal(1), price=Decimal(100))
            await asyncio.sleep(1)
            now_ms = desk.clock.now_ns() // 1_000_000
            venue.orders[name] = replace(venue.orders[name], created_ms=now_ms - 1000, updated_ms=now_ms)
            for _ in range(2):
                venue.fill(name, "0.5")
                await asyncio.sleep(0.1)
            venue.orders[name] = replace(venue.orders[name], updated_ms=now_ms + 200)
            venue.totals[each] = Decimal(1)
            venue.totals["USDT"] -= Decimal("100.2")
        await asyncio.sleep(30)
        assert not desk.breaks()
        # The venue takes the second trade of one order back.
        name = coin.lower()
        gone = next(each for each in reversed(venue.trades_done) if each.client_order_id == name)
        venue.trades_done.remove(gone)
        venue.orders[name] = replace(
            venue.orders[name],
            status=VenueOrderStatus.CANCELED,
            cum_quantity=Decimal("0.5"),
            updated_ms=desk.clock.now_ns() // 1_000_000,
        )
        venue.ended_ms[name] = desk.clock.now_ns() // 1_000_000
        venue.totals[coin] = Decimal("0.5")
        venue.totals["USDT"] += Decimal("50.1")
        await asyncio.sleep(600)
        assert "trade-busted" in desk.told(name)

    play(story)
