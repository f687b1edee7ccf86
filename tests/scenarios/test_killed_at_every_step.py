"""Killed at every step of a cancel, a change, a fill, and of a start with much to make good: nothing lost or doubled.

Of a send `test_s02_to_s05_requests_without_an_answer.py` tells it; of a protection, `test_s27_to_s29_triggers.py`;
of a plan over many orders, `test_s71_sagas.py`. In each world the process dies one step later than in the last, until
the scene is over before that step comes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal

from oms.order.state import Life
from tests.scenarios.house import PERPETUAL, House, tell
from tests.simulation.process import GoneError

STEPS_MAX = 5_000
SCENE_SECONDS = 2.0

Scene = Callable[[House], Awaitable[object]]
Judge = Callable[[House, bool], None]  # is told whether the scene had come to its end: whoever asked has his answer


async def working(house: House) -> None:
    await house.start()
    await house.place("c1", "buy", "4", "50000", symbol=PERPETUAL)
    await house.until(lambda: house.life("c1") is Life.WORKING)


async def canceling(house: House) -> None:
    await house.cancel("c1")


async def changing(house: House) -> None:
    await house.amend("c1", price="49000", quantity="5")


async def filling(house: House) -> None:
    for size in ("1", "2"):
        house.stranger("sell", size, "50000", symbol=PERPETUAL)


def killed_at_every_step(prepare: Scene, scene: Scene, judge: Judge, *, least: int) -> None:
    """Play `prepare`, then `scene` in a process that dies at its first step, at its second, and so on; after each death
    a new one starts, everything comes to rest, and `judge` looks. It takes more than `least` steps.
    """
    ended: list[int] = []

    async def story(house: House, step: int) -> None:
        await prepare(house)
        process = house.oms.process
        process.doom(process.steps + step)
        answered = False
        with suppress(GoneError):
            await scene(house)
            answered = True
        await asyncio.sleep(SCENE_SECONDS)
        if process.alive:
            process.spare()
            ended.append(step)
        else:
            house.kill()
            await house.start()
        await house.rests()
        judge(house, answered)

    step = 0
    while not ended:
        step += 1
        assert step < STEPS_MAX, "the scene never ends"
        tell(lambda house, at=step: story(house, at))  # type: ignore[misc]  # one world a step
    assert step > least, "it takes more steps than that"


def test_killed_at_every_step_of_a_cancel_it_is_asked_for_and_done_or_neither() -> None:
    def judge(house: House, answered: bool) -> None:  # noqa: FBT001
        asked = "cancel-requested" in house.told("c1")
        assert house.life("c1") is (Life.CANCELED if asked else Life.WORKING)
        assert asked or not answered
        assert asked or not house.network.cancels(), "no cancel leaves before its intent is durable"
        assert len(house.network.submits()) == 1

    killed_at_every_step(working, canceling, judge, least=10)


def test_killed_at_every_step_of_a_change_the_order_is_as_the_venue_has_it() -> None:
    def judge(house: House, answered: bool) -> None:  # noqa: FBT001
        (order,) = house.futures.open.values()
        ours = house.order("c1")
        assert (ours.request.price, ours.request.quantity) == (order.price, order.size)
        assert order.price in {Decimal(49_000), Decimal(50_000)}
        assert not ours.amends
        assert "amend-requested" in house.told("c1") or not answered
        assert len(house.network.submits()) == 1

    killed_at_every_step(working, changing, judge, least=10)


def test_killed_at_every_step_while_fills_arrive_each_is_booked_once() -> None:
    def judge(house: House, answered: bool) -> None:  # noqa: FBT001
        assert house.order("c1").cum_quantity == house.position().quantity == 3
        assert house.told("c1").count("order-filled") == 2

    killed_at_every_step(working, filling, judge, least=10)


def test_killed_at_every_step_of_a_start_that_has_much_to_make_good_it_is_made_good_once() -> None:
    async def prepare(house: House) -> None:
        await working(house)
        await house.place("c2", "buy", "1", "49000", symbol=PERPETUAL)
        await house.until(lambda: house.life("c2") is Life.WORKING)
        house.kill()
        await filling(house)  # and nobody hears of it
        house.venue_cancels("c2", symbol=PERPETUAL)
        house.by_hand("buy", "1", "40000", symbol=PERPETUAL)
        house.begin()

    async def starting(house: House) -> None:
        await asyncio.sleep(SCENE_SECONDS)

    def judge(house: House, answered: bool) -> None:  # noqa: FBT001
        assert house.told("c1").count("order-filled") == 2
        assert house.life("c2") is Life.CANCELED
        assert len(house.book.open) == 2, "c1, and what somebody else had placed"
        assert len(house.network.submits()) == 2

    killed_at_every_step(prepare, starting, judge, least=50)
