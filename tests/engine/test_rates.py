"""What the venue's rates hold back waits for its turn: while it is wanted, and without using up an attempt."""

import asyncio
from decimal import Decimal

from msgspec.structs import replace

from oms.order.events import AmendRefused, OrderDenied, VenueRefused
from oms.order.state import Life
from oms.reports import PositionReport
from oms.values import PositionMode, Side
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import Fate
from tests.order.story import BTC_PERPETUAL, FUTURES, SPOT

PERPETUAL = BTC_PERPETUAL.symbol
TEN = Decimal(10)
BREAK = "break position:BTC/USDT:USDT/net: {} here, {} at the venue"


async def holding(desk: Desk) -> None:
    """Ten contracts that the venue shows as well, and rates that let the next order leave after fifty seconds."""
    desk.venue.can, desk.venue.mode, desk.venue.futures = FUTURES, PositionMode.ONE_WAY, Decimal(1000)
    await desk.start()
    await desk.place("held", symbol=PERPETUAL, quantity=TEN, price=Decimal(27000), leverage=TEN)
    await asyncio.sleep(1)
    desk.venue.push(*desk.venue.fill("held", "10", price="27000"))
    desk.venue.futures -= Decimal("0.1")
    shows(desk, "10")
    await asyncio.sleep(15)
    assert desk.breaks() == {}
    desk.venue.submitted.clear()
    desk.venue.again_seconds = 50.0


def shows(desk: Desk, quantity: str) -> None:
    """Let the venue show another position."""
    desk.venue.legs = [PositionReport(symbol=PERPETUAL, quantity=Decimal(quantity), leverage=TEN)]


def test_an_order_that_is_held_back_leaves_when_its_turn_comes_under_one_attempt() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.extend([Fate.HELD_BACK] * 5)  # more often than an order may be sent
        await desk.place()
        await asyncio.sleep(9)
        assert (desk.life(), desk.venue.submitted) == (Life.SENDING, [])
        await asyncio.sleep(2)
        assert desk.life() is Life.WORKING
        assert desk.order().attempts == 1
        assert len(desk.venue.submitted) == 1

    play(story)


def test_a_429_is_followed_by_one_more_send_once_the_pause_is_over() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.extend([Fate.BUSY, Fate.HELD_BACK, Fate.HELD_BACK, Fate.BUSY, Fate.HELD_BACK])
        await desk.place()
        await asyncio.sleep(10)
        assert desk.life() is Life.WORKING
        assert desk.order().attempts == 3

    play(story)


def test_nobody_waits_for_longer_than_the_order_is_wanted() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, submit_validity=5.0)
        await desk.start()
        desk.venue.fates.extend([Fate.HELD_BACK] * 10)
        await desk.place()
        await asyncio.sleep(5)
        assert desk.story()[-1] == VenueRefused(reason="rate_limit", text="no turn")
        assert (desk.held(), desk.venue.submitted) == (0, [])
        assert len(desk.venue.fates) == 7  # asked at 0, 2 and 4 seconds

    play(story)


def test_an_order_whose_end_is_asked_for_while_it_waits_never_leaves() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.again_seconds = 50.0
        await desk.start()
        desk.venue.fates.append(Fate.HELD_BACK)
        await desk.place("c1")
        await desk.place("c2")  # what is not held back goes on
        await asyncio.sleep(1)
        await desk.cancel("c1")
        await asyncio.sleep(1)  # at once, not when its turn comes
        assert desk.story("c1")[-1] == OrderDenied(limit="canceled", detail="while it waited for the venue's rates")
        assert desk.life("c2") is Life.WORKING
        assert [order.client_order_id for order in desk.venue.submitted] == ["c2"]

    play(story)


def test_an_order_that_is_held_back_does_not_leave_into_a_market_that_a_break_has_blocked_meanwhile() -> None:
    async def story(desk: Desk) -> None:
        await holding(desk)
        desk.venue.fates.append(Fate.HELD_BACK)
        await desk.place(symbol=PERPETUAL, quantity=Decimal(1), price=Decimal(200), leverage=TEN)
        shows(desk, "15")
        await asyncio.sleep(40)
        assert desk.breaks()
        assert desk.life() is Life.SENDING
        await asyncio.sleep(15)
        assert desk.venue.submitted == []
        denied = OrderDenied(limit="trading_halted", detail=BREAK.format("10", "15"))
        assert desk.story()[-1] == denied
        await desk.place("c2", symbol=PERPETUAL, quantity=Decimal(1), price=Decimal(200), leverage=TEN)
        assert desk.story("c2")[-1] == denied, "as who comes after it"
        await asyncio.sleep(1)
        assert desk.agrees()

    play(story)


def test_what_only_reduces_leaves_into_a_market_that_a_break_has_blocked_and_is_canceled_there() -> None:
    async def story(desk: Desk) -> None:
        await holding(desk)
        desk.venue.fates.append(Fate.HELD_BACK)
        await desk.place(symbol=PERPETUAL, side=Side.SELL, quantity=TEN, price=Decimal(28000), reduce_only=True)
        shows(desk, "15")
        await asyncio.sleep(40)
        assert desk.breaks()
        await asyncio.sleep(15)
        assert desk.life() is Life.WORKING
        await desk.cancel()
        await asyncio.sleep(5)
        assert desk.life() is Life.CANCELED

    play(story)


def test_a_change_that_waits_for_its_turn_is_stopped_by_a_break_of_its_market() -> None:
    async def story(desk: Desk) -> None:
        await holding(desk)
        await desk.place(symbol=PERPETUAL, quantity=Decimal(1), price=Decimal(200), leverage=TEN)
        await asyncio.sleep(1)
        desk.venue.turn = asyncio.Event()
        await desk.amend(quantity="9")
        shows(desk, "15")
        await asyncio.sleep(40)
        assert desk.breaks()
        desk.venue.turn.set()
        await asyncio.sleep(1)
        assert desk.venue.amended == []
        refused = AmendRefused(request_id="a1", reason="trading_halted", text=BREAK.format("10", "15"))
        assert desk.story()[-1] == refused

    play(story)
