"""More than ten trades, or payments, that explain a difference only together."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import Hides
from tests.engine.test_perpetuals import COMMISSION, funding, leg, opened


@pytest.mark.parametrize("pieces", [3, 12])
def test_an_order_that_the_opening_held_unlisted_is_taken_out_however_many_trades_it_had(pieces: int) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Hides(desk.clock.now_ns)
        venue.totals = {"USDT": Decimal(1_000_000), "BTC": Decimal(50)}  # as it traded
        venue.by_hand("byhand", f"{pieces}")
        told = [venue.fill("byhand", "1", price=f"{100 + n}") for n in range(pieces)]  # it swept the book
        await asyncio.sleep(1)
        await desk.start()
        await asyncio.sleep(20)
        venue.hides = False
        for order, trade in told:
            venue.push(order, trade)
        await asyncio.sleep(8000)
        assert desk.told("byhand").count("order-filled") == pieces
        assert not desk.breaks()

    play(story)


@pytest.mark.parametrize("payments", [3, 12])
def test_payments_that_a_clock_set_back_misdates_are_booked_however_many_came_at_once(payments: int) -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        await asyncio.sleep(60)
        desk.clock.ahead_ns -= 300 * 10**9
        for n in range(payments):  # as many markets are held
            row = funding(desk, f"-0.{50 + n}")
            desk.venue.flows[-1] = replace(row, ledger_id=f"p{n}")
        assert desk.venue.futures is not None
        await asyncio.sleep(8000)
        assert desk.breaks() == {}
        assert leg(desk).funding == desk.venue.futures - 1000 + COMMISSION

    play(story)
