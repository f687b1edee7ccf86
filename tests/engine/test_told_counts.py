"""What was told, and taken back before it was booked, of an order that goes on working for long."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.order.state import Life
from oms.reports import VenueOrderStatus
from tests.engine.desk import Desk, play
from tests.engine.test_taken_back import Remembers


@pytest.mark.parametrize("works_seconds", [30, 600])
def test_a_count_is_lowered_though_its_order_ended_long_after_it_was_told(works_seconds: int) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Remembers(desk.clock.now_ns)
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        began_ms = desk.clock.now_ns() // 1_000_000
        before = venue.orders["c1"] = replace(venue.orders["c1"], created_ms=began_ms)
        order, _ = venue.fill("c1", "1")
        venue.push(order)  # its trade is taken back before anybody tells of it
        venue.trades_done = []
        venue.orders["c1"] = before
        await asyncio.sleep(works_seconds)
        assert desk.order().untold_quantity == 1
        await desk.cancel()
        await asyncio.sleep(400)
        assert venue.orders["c1"].status is VenueOrderStatus.CANCELED
        assert (desk.life(), desk.order().untold_quantity, desk.breaks().keys() - {"order:c1"}) == (
            Life.CANCELED,
            Decimal(0),
            set(),
        )

    play(story)
