"""A start from a snapshot tells what a start from the whole log would: of orders that a person should look at, too."""

import asyncio

import pytest

from oms.order.messages import AbsenceReport
from oms.order.state import Life
from oms.reports import VenueOrderStatus
from oms.snapshot import Pace
from tests.engine.desk import Desk, play, stream
from tests.order.story import shown


@pytest.mark.parametrize("pace", [Pace(10**9, 10.0**9), Pace(1, 0.0)])
def test_a_start_from_a_snapshot_still_tells_of_an_order_that_contradicted_itself(pace: Pace) -> None:
    async def story(desk: Desk) -> None:
        desk.pace = pace
        await desk.start(watching=False)
        await desk.place()
        await asyncio.sleep(1)
        # The venue takes it, forgets it, shows it again, and ends it by itself: a person should look (S13).
        await desk.engine.report([(stream("c1"), AbsenceReport(evidence=(), remembered=False))])
        assert desk.life() is Life.VANISHED
        venue_id = desk.venue.orders["c1"].venue_order_id
        for status in (VenueOrderStatus.NEW, VenueOrderStatus.CANCELED):
            await desk.engine.report([(stream("c1"), shown(status, venue_order_id=venue_id))])
        desk.venue.set_status("c1", VenueOrderStatus.CANCELED)
        assert (desk.life(), desk.order().flagged) == (Life.CANCELED, True)
        await asyncio.sleep(3)
        await desk.place("c2")
        await asyncio.sleep(3)
        desk.process.kill()  # before the second look
        await desk.start()
        await asyncio.sleep(60)
        assert "order:c1" in desk.breaks()

    play(story)
