"""S01: an outage turns live orders into nothing worse than questions."""

import asyncio
from decimal import Decimal

from oms.order.state import Life
from tests.scenarios.house import SPOT, House, tell


def test_s01_an_outage_turns_no_live_order_into_a_failed_one_and_what_filled_is_booked_once() -> None:
    names = [f"c{number}" for number in range(1, 7)]

    async def story(house: House) -> None:
        await house.start()
        for number, name in enumerate(names):
            await house.place(name, "buy", "0.01", str(50_000 + number))
        await house.until(lambda: len(house.spot.open) == 6)
        await house.until(lambda: all(house.life(name) is Life.WORKING for name in names))
        house.network.cut()
        await asyncio.sleep(60)
        house.stranger("sell", "0.04", "50002")  # fills the four highest bids
        asked = 0
        for _ in range(540):
            await asyncio.sleep(1)
            lives = [house.life(name) for name in names]
            assert set(lives) == {Life.WORKING}, lives
            asked += house.oms.watcher.standing is not None and bool(house.oms.watcher.standing.failures)
        assert asked > 500, "nobody tried to ask"
        assert house.position(SPOT).quantity == 0
        house.network.mend()
        await house.until(lambda: all(house.life(name) is Life.FILLED for name in names[2:]), seconds=120)
        await house.rests()
        for name in names[2:]:
            assert house.told(name).count("order-filled") == 1
        for name in names:
            assert not {"absence-proven", "order-vanished", "venue-refused", "venue-canceled"} & set(house.told(name))
        assert house.position(SPOT).quantity == Decimal("0.04")
        assert [house.life(name) for name in names[:2]] == [Life.WORKING] * 2

    tell(story)
