"""An order that contradicted itself, and left memory before a second look."""

import asyncio
from decimal import Decimal

import pytest

from oms.order.messages import AbsenceReport
from oms.reports import VenueOrderStatus
from tests.engine.desk import Desk, play, stream
from tests.order.story import shown


@pytest.mark.parametrize("closed_kept", [10_000, 3])
def test_an_order_that_contradicted_itself_is_told_of_though_it_leaves_memory(closed_kept: int) -> None:
    async def story(desk: Desk) -> None:
        desk.closed_kept = closed_kept
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        # The venue takes it, forgets it, shows it again, and ends it by itself: a person should look (S13).
        await desk.engine.report([(stream("c1"), AbsenceReport(evidence=(), remembered=False))])
        venue_id = desk.venue.orders["c1"].venue_order_id
        for status in (VenueOrderStatus.NEW, VenueOrderStatus.CANCELED):
            await desk.engine.report([(stream("c1"), shown(status, venue_order_id=venue_id))])
        desk.venue.set_status("c1", VenueOrderStatus.CANCELED)
        assert desk.order().flagged
        for n in range(10):
            await desk.place(f"b{n}", quantity=Decimal(1000))  # denied, and over
            await asyncio.sleep(0.1)
        await asyncio.sleep(100)
        order = desk.in_log("c1")
        assert order is not None
        assert order.flagged
        assert "order:c1" in desk.breaks()

    play(story)
