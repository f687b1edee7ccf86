"""Trap 9.38 of the venue's: positions are pushed every ten seconds, and none of that is news."""

import asyncio

from oms.order.state import Life
from tests.scenarios.house import PERPETUAL, House, tell


def test_trap_9_38_positions_that_are_pushed_without_a_change_write_nothing() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", "5", "50000", symbol=PERPETUAL)
        await house.place("p1", "buy", "5", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.life("p1") is Life.FILLED)
        await asyncio.sleep(70)  # what the log says once a minute is said
        before = written(house)
        await asyncio.sleep(35)
        assert written(house) == before
        assert house.position().quantity == 5
        await house.rests()

    tell(story)


def written(house: House) -> int:
    return sum(len(each) for each in house.log._streams.values())
