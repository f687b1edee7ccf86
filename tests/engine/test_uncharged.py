"""Where the venue never says what a trade cost, somebody is told, and the figures are compared all the same."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.order.state import Life
from oms.reports import PositionReport
from oms.values import PositionLeg, PositionMode, Purse
from tests.engine.desk import Desk, play
from tests.order.story import BTC_PERPETUAL, FUTURES

PERPETUAL = BTC_PERPETUAL.symbol
LEG = "position:BTC/USDT:USDT/net"


def leg(quantity: str) -> PositionReport:
    held = Decimal(quantity)
    return PositionReport(
        symbol=PERPETUAL, leg=PositionLeg.NET, quantity=held, average_price=Decimal(200), cost=held / 5,
        leverage=Decimal(10),
    )  # fmt: skip


def test_a_trade_whose_cost_nobody_tells_hides_no_position() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue
        venue.can, venue.mode, venue.futures = FUTURES, PositionMode.ONE_WAY, Decimal(1000)
        await desk.start()
        await desk.place("c1", symbol=PERPETUAL, quantity=Decimal(1), price=Decimal(200), leverage=Decimal(10))
        await asyncio.sleep(1)
        venue.fill("c1", "1", price="200")
        # `paid_fees` is not in the row any more (PROTOCOL 9.51: fields vanish).
        venue.trades_done[-1] = replace(venue.trades_done[-1], commission=None, commission_currency=None)
        venue.legs = [leg("1")]
        await asyncio.sleep(30)
        assert desk.life("c1") is Life.FILLED
        assert not desk.breaks()
        venue.legs = [leg("501")]  # somebody else's five hundred, of which no trade is ever shown
        venue.futures = Decimal(100)  # and nine tenths of the wallet are gone
        await asyncio.sleep(1800)
        assert desk.watcher.broken() is None
        assert LEG in desk.breaks()
        assert "balance:futures/USDT" in desk.breaks()

    play(story)


@pytest.mark.parametrize("named", ["the coin", "no coin"])
def test_what_a_trade_cost_is_booked_though_its_coin_is_told_later(named: str) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        shown, trade = venue.fill("c1", "0.5")  # the lists tell all of it
        venue.totals = {"BTC": Decimal("5.5"), "USDT": Decimal("949.9")}
        venue.push(shown, trade if named == "the coin" else replace(trade, commission_currency=None))
        await asyncio.sleep(600)
        assert desk.engine.book.totals[Purse("USDT")] == venue.totals["USDT"]
        assert not desk.breaks()

    play(story)
