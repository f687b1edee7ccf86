"""What the venue's rates hold back waits for its turn: while it is wanted, and without using up an attempt."""

import asyncio

from msgspec.structs import replace

from oms.order.events import OrderDenied, VenueRefused
from oms.order.state import Life
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import Fate
from tests.order.story import SPOT


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
