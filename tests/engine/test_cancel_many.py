"""Many cancels at once: one call where the venue takes several, and an outcome for each order all the same."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.order.state import Life
from oms.values import Crossing
from oms.venue import Trigger
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import Fate
from tests.order.story import SPOT

TENTH = Decimal("0.1")
MANY = replace(SPOT, cancels_at_once=10, triggers=True)


async def opened(desk: Desk, count: int, **changes: object) -> list[str]:
    """Small bids at a venue that cancels ten in a call."""
    desk.venue.can = replace(MANY, **changes)
    await desk.start()
    names = [f"c{number}" for number in range(count)]
    for name in names:
        await desk.place(name, quantity=TENTH)
    await asyncio.sleep(1)
    return names


async def canceled(desk: Desk, names: list[str]) -> None:
    await asyncio.gather(*(desk.cancel(name) for name in names))
    await asyncio.sleep(1)


def lives(desk: Desk, names: list[str]) -> set[Life]:
    return {desk.life(name) for name in names}


def test_cancels_of_one_moment_leave_ten_in_a_call() -> None:
    async def story(desk: Desk) -> None:
        names = await opened(desk, 23)
        await canceled(desk, names)
        assert sorted(map(len, desk.venue.cancel_calls)) == [3, 10, 10]
        named = [name for call in desk.venue.cancel_calls for name in call]
        assert sorted(named) == sorted(names), "each is named once"
        await asyncio.sleep(10)
        assert lives(desk, names) == {Life.CANCELED}
        assert {tuple(desk.told(name)[-3:]) for name in names} == {
            ("cancel-requested", "cancel-accepted", "venue-canceled")
        }
        assert desk.held() == 0
        assert desk.agrees()

    play(story)


def test_what_the_answer_does_not_speak_of_stays_pending_and_is_asked_for_again() -> None:
    async def story(desk: Desk) -> None:
        names = await opened(desk, 4)
        desk.venue.overlooked = {"c2"}
        await canceled(desk, names)
        assert desk.told("c2")[-1] == "cancel-unknown"
        assert desk.life("c2") is Life.WORKING
        assert "cancel-unknown" not in desk.told("c1")
        desk.venue.overlooked.clear()
        await asyncio.sleep(15)
        assert lives(desk, names) == {Life.CANCELED}

    play(story)


def test_one_that_filled_before_is_proven_and_the_others_are_canceled() -> None:
    async def story(desk: Desk) -> None:
        names = await opened(desk, 3)
        desk.venue.fill("c1", "0.1")  # and nobody tells us
        await canceled(desk, names)
        await asyncio.sleep(20)
        assert {name: desk.life(name) for name in names} == {
            "c0": Life.CANCELED,
            "c1": Life.FILLED,
            "c2": Life.CANCELED,
        }
        assert desk.agrees()

    play(story)


@pytest.mark.parametrize("fate", [Fate.ANSWER_LOST, Fate.REQUEST_LOST, Fate.NOT_SENT, Fate.BUSY])
def test_a_call_without_an_answer_leaves_each_of_its_orders_open_until_it_is_settled(fate: Fate) -> None:
    async def story(desk: Desk) -> None:
        names = await opened(desk, 5)
        desk.venue.fates.append(fate)
        await canceled(desk, names)
        in_doubt = fate not in {Fate.NOT_SENT, Fate.BUSY}  # what certainly did nothing is as it was before
        assert all(("cancel-unknown" in desk.told(name)) is in_doubt for name in names)
        await asyncio.sleep(30)
        assert lives(desk, names) == {Life.CANCELED}
        assert desk.agrees()

    play(story)


def test_cancels_in_flight_at_a_crash_are_sent_again() -> None:
    async def story(desk: Desk) -> None:
        names = await opened(desk, 5)
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await asyncio.gather(*(desk.cancel(name) for name in names))
        desk.process.kill()
        await desk.start()
        await asyncio.sleep(30)
        assert lives(desk, names) == {Life.CANCELED}

    play(story)


def test_an_order_that_waits_and_one_that_is_still_being_sent_are_canceled_alone() -> None:
    async def story(desk: Desk) -> None:
        names = await opened(desk, 2)
        await desk.place("waits", quantity=TENTH, trigger=Trigger(price=Decimal(110), when=Crossing.RISES_TO))
        await asyncio.sleep(1)
        desk.venue.held = asyncio.Event()
        await desk.place("late", quantity=TENTH)
        await canceled(desk, [*names, "waits", "late"])
        assert desk.venue.cancel_calls == [names]
        assert sorted(ref.client_order_id for ref in desk.venue.canceled) == sorted([*names, "waits"])
        desk.venue.held.set()
        await asyncio.sleep(15)
        assert lives(desk, [*names, "waits", "late"]) == {Life.CANCELED}

    play(story)


def test_where_the_venue_has_retired_the_call_each_goes_alone() -> None:
    async def story(desk: Desk) -> None:
        names = await opened(desk, 3, lost=frozenset({"cancel_many"}))
        await canceled(desk, names)
        assert desk.venue.cancel_calls == []
        assert len(desk.venue.canceled) == 3

    play(story)
