import asyncio

import pytest

from oms.order.messages import AbsenceReport
from oms.order.state import Life
from oms.reports import VenueOrderStatus
from oms.snapshot import Pace
from oms.store.memory import MemoryLeases
from oms.values import AccountId
from tests.engine.desk import Desk, begin, play, stream
from tests.engine.test_lease import Claim, Seat
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


class Hung(Seat):
    """Its questions reach nobody any more, and nothing says so: a host that is gone, a packet that is dropped."""

    def __init__(self, leases: MemoryLeases) -> None:
        super().__init__(leases)
        self.hears = asyncio.Event()
        self.hears.set()

    async def renew(self, account: AccountId, holder: str) -> bool:
        await self.hears.wait()
        return await super().renew(account, holder)


def test_when_a_standby_leads_a_leader_whose_renewal_hangs_may_send_nothing_any_more() -> None:
    async def story(desk: Desk) -> None:
        leases = MemoryLeases()
        seat = Hung(leases)
        leader, standby = Claim(desk, seat), Claim(desk, leases)
        await leader.claim()
        waiting = begin(standby.claim())
        await asyncio.sleep(10.1)
        seat.hears.clear()
        leases.gone.add(leader.lease.holder)  # a server that was promoted knows no session
        await waiting
        assert standby.has
        assert not leader.lease.fresh

    play(story)
