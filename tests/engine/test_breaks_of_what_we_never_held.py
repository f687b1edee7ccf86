"""A break of what our books never held does not end because its row cannot be read."""

import asyncio
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from oms.breaks.decisions import ResolveBreak
from oms.order.state import Life
from oms.reports import PositionReport
from oms.values import PositionLeg, PositionMode
from tests.engine.desk import MAIN, Desk, play
from tests.engine.test_breaks import topics
from tests.engine.test_unread import Garbled, garbled, in_futures
from tests.order.story import BTC_PERPETUAL

PERPETUAL = BTC_PERPETUAL.symbol
OPENS: dict[str, Any] = {
    "symbol": PERPETUAL,
    "quantity": Decimal(1),
    "price": Decimal(200),
    "leverage": Decimal(10),
    "position_leg": PositionLeg.LONG,
}


async def held_by_hand(desk: Desk) -> Garbled:
    """Begin; then somebody opens a long at the website."""
    venue = in_futures(desk)
    venue.mode = PositionMode.HEDGE
    await desk.start()
    long = PositionReport(symbol=PERPETUAL, leg=PositionLeg.LONG, quantity=Decimal(5), cost=Decimal(1))
    venue.legs = [replace(long, average_price=Decimal(200))]
    await asyncio.sleep(40)
    return venue


def test_a_break_of_a_leg_that_we_never_held_does_not_end_as_its_row_cannot_be_read() -> None:
    async def story(desk: Desk) -> None:
        venue = await held_by_hand(desk)
        assert "position:BTC/USDT:USDT/long" in desk.breaks()
        await desk.place("c1", **OPENS)
        assert desk.life("c1") is Life.DENIED  # the break blocks the market
        venue.garbled = True
        await asyncio.sleep(40)
        assert "position:BTC/USDT:USDT/long" in desk.breaks()
        await desk.place("c2", **OPENS)
        assert desk.life("c2") is Life.DENIED

    play(story)


def test_a_break_of_a_coin_that_we_never_held_does_not_end_as_its_row_cannot_be_read() -> None:
    async def story(desk: Desk) -> None:
        venue = garbled(desk)
        await desk.start()
        venue.totals["DOGE"] = Decimal(7)
        await asyncio.sleep(40)
        assert "balance:spot/DOGE" in desk.breaks()
        venue.coin = "DOGE"
        await asyncio.sleep(40)
        assert "balance:spot/DOGE" in desk.breaks()

    play(story)


def test_an_accepted_break_of_a_leg_that_we_never_held_is_not_forgotten_as_its_row_cannot_be_read() -> None:
    async def story(desk: Desk) -> None:
        venue = await held_by_hand(desk)
        accepting = ResolveBreak(account=MAIN, break_id="position:BTC/USDT:USDT/long", reason="mine, by hand")
        await desk.engine.execute(accepting, actor="operator")
        venue.garbled = True
        await asyncio.sleep(40)
        assert topics(desk).count("break-forgotten/1") == 0

    play(story)
