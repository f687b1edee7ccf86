"""Balances and positions that move while they are asked for: no break begins or ends where the book knows better."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

from oms.order.state import Life
from oms.reports import PositionReport
from oms.values import PositionLeg
from oms.venue import Answer
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import ScriptedVenue
from tests.engine.test_perpetuals import COMMISSION, PERPETUAL, TEN, leg, opened


def held(quantity: str | Decimal) -> list[PositionReport]:
    return [PositionReport(symbol=PERPETUAL, leg=PositionLeg.NET, quantity=Decimal(quantity), leverage=TEN)]


class Late(ScriptedVenue):
    """Answers about positions as of when it was asked; `then` comes between that and its answer."""

    then: Callable[[], Awaitable[object]] | None = None

    @property
    def contracts(self) -> Decimal:
        """What is held in contracts."""
        return sum((each.quantity or Decimal(0) for each in self.legs), Decimal(0))

    async def positions(self) -> Answer:
        answer = await super().positions()
        if self.then is not None:
            await self.then()
        return answer

    async def trade_one(self) -> None:
        """One contract of the first order trades, and the stream tells of it at once."""
        self.push(*self.fill("c1", "1", price="27000"))
        self.futures = (self.futures or Decimal(0)) - COMMISSION
        self.legs = held(self.contracts + 1)
        await asyncio.sleep(0.1)


def test_a_look_at_positions_older_than_a_fill_closes_no_break() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Late(desk.clock.now_ns)
        await opened(desk)  # ten held
        await desk.place("c2", symbol=PERPETUAL, quantity=TEN, price=Decimal(27000), leverage=TEN)
        await asyncio.sleep(1)
        venue.legs = held("20")  # and nobody here knows why
        await asyncio.sleep(40)
        assert f"position:{PERPETUAL}/net" in desk.breaks()
        answered = asyncio.Event()
        venue.then = answered.wait
        await asyncio.sleep(12)  # asked: twenty
        venue.push(*venue.fill("c2", "10", price="27000"))
        venue.futures = (venue.futures or Decimal(0)) - COMMISSION
        venue.legs = held("30")
        await asyncio.sleep(0.5)
        assert leg(desk).quantity == 20
        answered.set()
        venue.then = None
        await asyncio.sleep(5)
        assert f"position:{PERPETUAL}/net" in desk.breaks()

    play(story)


async def busy(desk: Desk) -> Late:
    """A contract trades in every look, while the positions are on their way."""
    venue = desk.venue = Late(desk.clock.now_ns)
    await opened(desk, held=False)
    await desk.place("c1", symbol=PERPETUAL, quantity=TEN * 10, price=Decimal(27000), leverage=TEN)
    await asyncio.sleep(1)
    venue.then = venue.trade_one
    return venue


def test_fills_of_one_size_told_while_positions_are_asked_for_open_no_break() -> None:
    async def story(desk: Desk) -> None:
        await busy(desk)
        for n in range(6):
            await asyncio.sleep(10)
            await desk.place(f"d{n}", symbol=PERPETUAL, quantity=TEN, price=Decimal(20000), leverage=TEN)
            assert desk.life(f"d{n}") is not Life.DENIED, desk.order(f"d{n}").reason

    play(story)


def test_a_market_that_moves_in_every_look_hides_no_break() -> None:
    async def story(desk: Desk) -> None:
        venue = await busy(desk)
        await asyncio.sleep(20)
        venue.legs = held(venue.contracts + 5)  # nobody here knows why
        await asyncio.sleep(25)
        assert f"position:{PERPETUAL}/net" in desk.breaks()

    play(story)


def test_a_break_of_a_market_that_moves_in_every_look_is_told_however_unevenly_it_moves() -> None:
    async def story(desk: Desk) -> None:
        venue = await busy(desk)
        trades = 0

        async def trade_on() -> None:
            nonlocal trades
            trades += 1
            for _ in range(trades % 3 + 1):
                await venue.trade_one()

        venue.then = trade_on
        await asyncio.sleep(20)
        assert not desk.breaks()
        venue.legs = held(venue.contracts + 5)
        await asyncio.sleep(25)
        assert f"position:{PERPETUAL}/net" in desk.breaks()

    play(story)
