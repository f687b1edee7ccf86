"""S29: lists lag by half a minute. A plan order, or what it has sent, that does not show meanwhile is not over."""

import asyncio

import pytest

from oms.order.state import Life
from tests.scenarios.house import House, tell
from tests.scenarios.test_s27_to_s29_triggers import arrive, planned

LAG_SECONDS = 30


@pytest.mark.parametrize("heard", [True, False])
def test_s29_a_plan_that_was_just_taken_and_does_not_show_yet_is_not_over(heard: bool) -> None:  # noqa: FBT001
    async def story(house: House) -> None:
        await planned(house)
        [plan_id] = house.futures.plans
        hidden = house.simulator.futures._house._hidden
        hidden[plan_id] = True
        house.faults(connection_closed=0.3, **({} if heard else {"frame_dropped": 1.0}))
        await asyncio.sleep(LAG_SECONDS)
        hidden.pop(plan_id)
        house.faults()
        await asyncio.sleep(LAG_SECONDS)
        await house.rests()
        assert house.life("p1") is Life.WORKING
        assert "order-vanished" not in house.told("p1")

    tell(story)


@pytest.mark.parametrize("restarted", [False, True])
def test_s29_what_a_plan_has_sent_and_does_not_show_yet_is_not_over(restarted: bool) -> None:  # noqa: FBT001
    async def story(house: House) -> None:
        await planned(house)
        await house.rests()
        house.faults(frame_dropped=1.0, connection_closed=0.3)
        hidden, before = house.simulator.futures._house._hidden, house.futures.open.keys()
        known = set(before)
        arrive(house, "61000")
        await asyncio.sleep(0.05)
        (child,) = before - known
        hidden[child] = True
        if restarted:
            began = asyncio.get_running_loop().time()
            await house.restart()
            assert asyncio.get_running_loop().time() - began < 5, "nobody waits for it with trading"
        for _ in range(LAG_SECONDS):
            await asyncio.sleep(1)
            assert house.life("p1") is Life.WORKING
        hidden.pop(child)
        house.faults()
        await house.rests()
        assert house.life("p1") is Life.WORKING
        assert house.order("p1").venue_order_id == child

    tell(story)
