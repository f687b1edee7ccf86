"""A break of an order's fills outlives a restart, and hides no break of what its coins come to."""

import asyncio
from decimal import Decimal

from tests.engine.desk import Desk, play
from tests.engine.test_breaks import topics
from tests.engine.test_lost import gone_by


def test_a_break_of_fills_survives_a_restart() -> None:
    async def story(desk: Desk) -> None:
        await gone_by(desk, held=False, reach=True)
        await desk.start()
        await asyncio.sleep(120)
        assert "fills:c1" in desk.breaks()
        assert topics(desk).count("break-opened/1") == len(desk.breaks())
        resolved = topics(desk).count("break-resolved/1")
        desk.process.kill()
        await desk.start()
        await asyncio.sleep(30)
        assert "fills:c1" in desk.breaks()  # the venue still counts 2, and shows the trades of 0.5
        assert topics(desk).count("break-resolved/1") == resolved

    play(story)


def test_an_accepted_break_of_fills_hides_no_later_break_of_the_balance() -> None:
    async def story(desk: Desk) -> None:
        await gone_by(desk, held=False, reach=True)
        await desk.start()
        await asyncio.sleep(120)
        assert set(desk.breaks()) == {"fills:c1"}
        desk.venue.totals["USDT"] -= Decimal(500)  # half the account is withdrawn
        await asyncio.sleep(600)
        assert "balance:spot/USDT" in desk.breaks()

    play(story)
