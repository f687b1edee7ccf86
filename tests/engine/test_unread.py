"""A list of which a row cannot be read, or that was cut, says nothing of what it does not show: that is not zero, not
flat, and not over.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.reports import BalanceReport, PositionReport, Unreadable, VenueOrderStatus
from oms.values import PositionMode, Purse, Side, Symbol
from oms.venue import Answer
from tests.engine.desk import Desk, begin, play
from tests.engine.scripted_venue import ScriptedVenue
from tests.order.story import BTC_PERPETUAL, FUTURES

PERPETUAL = BTC_PERPETUAL.symbol
LEG = "position:BTC/USDT:USDT/net"
NONSENSE = Unreadable(cause="expected decimal")


class Garbled(ScriptedVenue):
    """One row of what it lists makes no sense, and is told as an adapter tells it."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        super().__init__(now_ns)
        self.coin = ""  # whose balance cannot be read
        self.garbled = False  # the legs
        self.cuts = False  # the list of open orders

    async def balances(self) -> Answer:
        answer = await super().balances()
        if not self.coin:
            return answer
        read = [each for each in answer.reports if not (isinstance(each, BalanceReport) and each.currency == self.coin)]
        return replace(answer, reports=(*read, NONSENSE), complete=False)

    async def positions(self) -> Answer:
        answer = await super().positions()
        if not self.garbled:
            return answer
        read = [each for each in answer.reports if not isinstance(each, PositionReport)]
        return replace(answer, reports=(*read, NONSENSE), complete=False)

    async def open_orders(self, symbol: Symbol | None = None) -> Answer:
        answer = await super().open_orders(symbol)
        return replace(answer, reports=(), complete=False) if self.cuts else answer


def garbled(desk: Desk) -> Garbled:
    desk.venue = venue = Garbled(desk.clock.now_ns)
    return venue


def in_futures(desk: Desk) -> Garbled:
    venue = garbled(desk)
    venue.can, venue.mode, venue.futures = FUTURES, PositionMode.ONE_WAY, Decimal(1000)
    return venue


def leg(quantity: int) -> PositionReport:
    cost, leverage = Decimal("0.2") * quantity, Decimal(10)
    return PositionReport(
        symbol=PERPETUAL, quantity=Decimal(quantity), average_price=Decimal(200), cost=cost, leverage=leverage
    )


def test_the_opening_takes_no_balance_over_that_nobody_could_read() -> None:
    async def story(desk: Desk) -> None:
        venue = garbled(desk)
        venue.coin = "BTC"
        starting = begin(desk.start())
        await asyncio.sleep(30)
        assert (desk.engine.book.account.opened_ms, desk.engine.trading) == (0, False)
        venue.coin = ""
        await starting
        assert desk.engine.book.funds(Purse("BTC")).total == 5

    play(story)


def test_a_break_of_a_leg_does_not_end_as_its_row_cannot_be_read() -> None:
    async def story(desk: Desk) -> None:
        venue = in_futures(desk)
        await desk.start()
        venue.legs = [leg(5)]  # which no trade explains
        await asyncio.sleep(40)
        assert LEG in desk.breaks()
        venue.garbled = True
        await asyncio.sleep(40)
        assert LEG in desk.breaks()
        venue.garbled, venue.legs = False, []
        await asyncio.sleep(40)
        assert not desk.breaks()

    play(story)


def test_the_row_is_a_break_of_its_list_and_of_nothing_else_until_it_can_be_read() -> None:
    async def story(desk: Desk) -> None:
        venue = in_futures(desk)
        venue.legs = [leg(5)]
        await desk.start()
        await asyncio.sleep(40)
        venue.garbled, venue.coin = True, "BTC"
        await asyncio.sleep(40)
        assert set(desk.breaks()) == {"coverage:balances", "coverage:positions"}
        assert desk.engine.trading
        venue.garbled, venue.coin = False, ""
        await asyncio.sleep(40)
        assert not desk.breaks()

    play(story)


@pytest.mark.parametrize("read", [True, False])
def test_nothing_is_inferred_from_a_balance_that_nobody_could_read(read: bool) -> None:  # noqa: FBT001
    """The venue's record counts a sell whose trades are out of reach. Its balance shows none."""

    async def story(desk: Desk) -> None:
        venue = garbled(desk)
        await desk.start()
        await desk.place(side=Side.SELL)
        await asyncio.sleep(15)
        now_ms = desk.clock.now_ns() // 1_000_000
        desk.process.kill()
        venue.fill("c1", "2")
        venue.orders["c1"] = replace(
            venue.orders["c1"], average_price=Decimal(100), created_ms=now_ms - 15_000, updated_ms=now_ms
        )
        await asyncio.sleep(3_600)
        venue.reach_ms = desk.clock.now_ns() // 1_000_000 - 1000
        venue.coin = "" if read else "BTC"
        await desk.start()
        await asyncio.sleep(120)
        assert desk.order().cum_quantity == 0

    play(story)


def test_a_list_that_is_cut_does_not_end_the_break_of_an_order_that_it_does_not_show() -> None:
    async def story(desk: Desk) -> None:
        venue = garbled(desk)
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        venue.push(replace(venue.orders["c1"], status=VenueOrderStatus.CANCELED))  # and lists it all the same
        await asyncio.sleep(40)
        assert "state:c1" in desk.breaks()
        venue.cuts = True
        await asyncio.sleep(40)
        assert "state:c1" in desk.breaks()

    play(story)
