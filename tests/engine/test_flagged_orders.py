"""An order that contradicted itself is told of: though it left memory before a second look, and though a person has
accepted what it had contradicted before.
"""

import asyncio
from decimal import Decimal

import pytest

from oms.breaks.decisions import ResolveBreak
from oms.order.messages import AbsenceReport
from oms.order.state import Life
from oms.reports import VenueOrderStatus
from tests.engine.desk import MAIN, Desk, play, stream
from tests.order.story import shown


async def crowded(desk: Desk, name: str) -> None:
    """Let others be over, so that one that was over before them leaves a short memory."""
    for n in range(10):
        await desk.place(f"{name}{n}", quantity=Decimal(1000))  # denied
        await asyncio.sleep(0.1)


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
        await crowded(desk, "b")
        await asyncio.sleep(100)
        order = desk.in_log("c1")
        assert order is not None
        assert order.flagged
        assert "order:c1" in desk.breaks()

    play(story)


def fill_late(desk: Desk) -> None:
    desk.venue.push(*desk.venue.fill("c1", "0.5"))
    desk.venue.totals["BTC"] += Decimal("0.5")
    desk.venue.totals["USDT"] -= Decimal("50.1")


async def accepted(desk: Desk) -> None:
    """A canceled order that was filled late, which a person has accepted."""
    await desk.start()
    await desk.place()
    await asyncio.sleep(1)
    await desk.cancel()
    await asyncio.sleep(5)
    assert desk.life() is Life.CANCELED
    fill_late(desk)
    await asyncio.sleep(60)
    assert list(desk.breaks()) == ["order:c1"]
    await desk.engine.execute(ResolveBreak(account=MAIN, break_id="order:c1", reason="seen"), actor="operator")


@pytest.mark.parametrize("closed_kept", [10_000, 3])
def test_s12_every_late_fill_of_a_canceled_order_is_told(closed_kept: int) -> None:
    async def story(desk: Desk) -> None:
        desk.closed_kept = closed_kept
        await accepted(desk)
        await crowded(desk, "b")
        await asyncio.sleep(60)
        assert (stream("c1") in desk.engine.book.orders) is (closed_kept > 3)
        assert not desk.breaks()
        fill_late(desk)
        await crowded(desk, "d")  # before a second look
        await asyncio.sleep(60)
        assert desk.order().cum_quantity == 1
        assert desk.breaks() == {"order:c1": ("as its history says", "otherwise, 2 times: oms explain shows how")}

    play(story)


def test_what_was_accepted_of_an_order_is_told_once_over_a_restart() -> None:
    async def story(desk: Desk) -> None:
        await accepted(desk)
        desk.process.kill()
        await desk.start()
        await asyncio.sleep(120)
        assert desk.order().flagged
        assert not desk.breaks()

    play(story)
