"""A first start does not wait for a trade of an hour ago to be listed: nobody asks for that time."""

import asyncio

from tests.engine.desk import Desk, begin, play


def test_a_first_start_does_not_wait_for_a_trade_that_the_venue_would_list() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.by_hand("human", "2")
        desk.venue.fill("human", "1")
        await asyncio.sleep(3600)
        starting = begin(desk.start())
        await asyncio.sleep(60)
        assert starting.done()

    play(story)
