"""What an order by hand had traded hours before there was a log is in the opening, once: also where the order turns up
only after that.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.reports import PositionReport, VenueOrderStatus
from oms.values import PositionLeg, PositionMode, Purse, Symbol
from oms.venue import Answer, NoAnswerError
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import ScriptedVenue
from tests.order.story import BTC_PERPETUAL, FUTURES

HOURS = 7200
ByHand = Callable[[ScriptedVenue], None]


class Unsure(ScriptedVenue):
    """Its list of open orders fails once, or is cut for a minute."""

    trouble = ""

    async def open_orders(self, symbol: Symbol | None = None) -> Answer:
        answer = await super().open_orders(symbol)
        if self.trouble == "fails once":
            self.trouble = ""
            raise NoAnswerError("502", self._evidence())
        return replace(answer, reports=(), complete=False) if self.trouble == "cut" else answer


def on_spot(venue: ScriptedVenue) -> None:
    venue.by_hand("h1", "3")
    venue.fill("h1", "1")  # the venue's totals hold it


def on_perpetuals(venue: ScriptedVenue) -> None:
    venue.can, venue.mode, venue.futures = FUTURES, PositionMode.ONE_WAY, Decimal(1000)
    symbol, price = BTC_PERPETUAL.symbol, "20000"
    venue.by_hand("h1", "10", symbol=symbol, price=price)
    venue.fill("h1", "4", price=price)
    held = PositionReport(
        symbol=symbol, leg=PositionLeg.NET, quantity=Decimal(4), average_price=Decimal(price), cost=Decimal(80)
    )
    venue.legs = [held]


def own(desk: Desk) -> list[Decimal]:
    """Return what traded of the order, and what is held of its market."""
    (stream,) = desk.engine.book.orders
    request = desk.engine.book.orders[stream].request
    leg = next(each for name, each in desk.engine.book.positions.items() if request.symbol in name)
    held = leg.quantity if ":" in request.symbol else desk.engine.book.totals[Purse("BTC")]
    return [desk.engine.book.orders[stream].cum_quantity, held]


@pytest.mark.parametrize("trouble", ["", "fails once", "cut"])
@pytest.mark.parametrize(("by_hand", "owned"), [(on_spot, [1, 5]), (on_perpetuals, [4, 4])])
def test_s06_an_order_that_no_list_showed_at_first_is_owned_once(
    by_hand: ByHand, owned: list[int], trouble: str
) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Unsure(desk.clock.now_ns)
        venue.trouble = trouble
        by_hand(venue)
        await asyncio.sleep(HOURS)
        await desk.start()
        await asyncio.sleep(60)
        venue.trouble = ""
        await asyncio.sleep(1800)
        assert (own(desk), desk.breaks()) == (owned, {})
        assert desk.agrees()
        # A question that failed is asked again first; a list that is cut for good would keep the account for ever.
        assert bool(desk.engine.book.account.revised) is (trouble == "cut")

    play(story)


@pytest.mark.parametrize(("by_hand", "owned"), [(on_spot, [1, 5]), (on_perpetuals, [4, 4])])
def test_s06_an_order_that_ended_right_before_and_is_pushed_late_is_owned_once(
    by_hand: ByHand, owned: list[int]
) -> None:
    async def story(desk: Desk) -> None:
        by_hand(desk.venue)
        await asyncio.sleep(HOURS)
        desk.venue.set_status("h1", VenueOrderStatus.CANCELED)  # no list of open orders shows it any more
        await desk.start()
        desk.venue.push(desk.venue.orders["h1"])
        await asyncio.sleep(1800)
        assert (own(desk), desk.breaks()) == (owned, {})
        assert desk.agrees()

    play(story)
