"""S44, S55: one order that nobody can read among many, and more requests at once than the venue takes."""

import asyncio
from decimal import Decimal

from adapters.simulator.wire.gateway import Reply
from oms.order.state import Life
from tests.scenarios.house import House, tell


def test_s44_one_order_that_cannot_be_read_keeps_nobody_from_the_others() -> None:
    async def story(house: House) -> None:
        await house.start()
        for number in range(3):
            await house.place(f"c{number}", "buy", "0.01", str(50_000 + number))
        await house.until(lambda: all(house.life(f"c{number}") is Life.WORKING for number in range(3)))
        bad = house.spot.order_by_client_id("c0")
        assert bad is not None
        bad.price = Decimal("NaN")  # what the venue says of it from now on
        house.faults(frame_dropped=1)  # so that the poll alone can tell
        house.stranger("sell", "0.01", "50002")
        await house.until(lambda: house.life("c2") is Life.FILLED, seconds=60)
        await asyncio.sleep(60)
        assert [house.life(name) for name in ("c0", "c1")] == [Life.WORKING] * 2
        await house.cancel("c1")
        await house.until(lambda: house.life("c1") is Life.CANCELED, seconds=60)
        assert any(failed.startswith("coverage:") for failed in house.breaks()), "a list with a hole counts as whole"

    tell(story)


def test_s55_a_burst_stays_within_the_venues_limits_and_cancels_are_not_held_up_by_it() -> None:
    async def story(house: House) -> None:
        await house.start()
        turned_away = 0
        serve = house.simulator.serve

        def counted(*args, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal turned_away
            reply = serve(*args, **kwargs)
            turned_away += isinstance(reply, Reply) and reply.status in {429, 418}
            return reply

        house.simulator.serve = counted  # type: ignore[method-assign]  # an ear at the venue's door
        await house.place("first", "buy", "0.0002", "40000")
        await house.until(lambda: house.life("first") is Life.WORKING)
        names = [f"c{number}" for number in range(200)]
        await asyncio.gather(*(house.place(name, "buy", "0.0002", "40000") for name in names))
        await house.cancel("first")  # in the middle of it
        await house.until(lambda: house.life("first") is Life.CANCELED, seconds=5)
        await house.until(lambda: all(house.life(name) is not Life.SENDING for name in names), seconds=120)
        assert {house.life(name) for name in names} == {Life.WORKING}
        assert turned_away == 0
        assert len(house.network.submits()) == 201
        await house.rests()

    tell(story)
