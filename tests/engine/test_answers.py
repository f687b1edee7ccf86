"""A crowd waits for one commit: told bit by bit, in order, while the next one is on its way."""

import asyncio
from decimal import Decimal

from oms.answers import AT_ONCE, Receipt
from oms.errors import DuplicateOrderError, LogUnavailableError
from oms.store.memory import Fault, Trouble
from tests.engine.desk import Desk, begin, play, stream

CROWD = 14 * AT_ONCE + 7  # one batch, and so many that whole commits fit between the first and the last answer
SMALL = Decimal("0.1")


async def crowd(desk: Desk) -> "list[asyncio.Task[Receipt]]":
    """Let a commit run for a second, and return those who wait for the one after it."""
    desk.faults.appends.append(Fault(seconds_before=1.0))
    begin(desk.place("first", quantity=SMALL))
    await asyncio.sleep(0.5)
    tasks = [begin(desk.place(f"d{n}", quantity=SMALL)) for n in range(CROWD)]
    await asyncio.sleep(0)
    return tasks


def test_a_crowd_is_answered_in_order_each_with_its_own_position() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        answered: list[str] = []
        waiting = await crowd(desk)
        again = begin(desk.place("d1", quantity=Decimal("0.2")))
        names: dict[asyncio.Future[Receipt], str] = {task: f"d{n}" for n, task in enumerate(waiting)}
        for task in waiting:
            task.add_done_callback(lambda done: answered.append(names[done]))
        receipts = await asyncio.gather(*waiting)
        assert answered == [f"d{n}" for n in range(CROWD)]
        positions = [receipt.position for receipt in receipts]
        assert positions == [positions[0] + 2 * n for n in range(CROWD)]
        assert positions[-1] == await desk.log.head()
        assert isinstance((await asyncio.gather(again, return_exceptions=True))[0], DuplicateOrderError)

    play(story)


def test_the_next_commit_is_under_way_before_the_last_of_a_crowd_is_told() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        waiting = await crowd(desk)
        desk.faults.appends.extend([Fault(), Fault(seconds_before=5.0)])
        await waiting[0]
        after = begin(desk.place("after", quantity=SMALL))
        assert not waiting[-1].done()
        await asyncio.sleep(4)
        assert waiting[-1].done()
        assert stream("after") in desk.engine.uncommitted()
        await after

    play(story)


def test_a_small_batch_waits_its_turn_behind_a_crowd() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        waiting = await crowd(desk)
        desk.faults.appends.extend([Fault(), Fault()])
        await waiting[0]
        await desk.place("after", quantity=SMALL)
        assert all(task.done() for task in waiting)

    play(story)


def test_what_follows_a_commit_is_told_batch_after_batch_and_before_memory_is_built_anew() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        told: list[str] = []
        desk.engine.on_commit.append(lambda facts: told.append(f"{len(facts)} events"))
        desk.engine.on_recovered.append(lambda: told.append("recovered"))
        waiting = await crowd(desk)
        desk.faults.appends.extend([Fault(), Fault(Trouble.REFUSED)])
        await waiting[0]
        lost = begin(desk.place("lost", quantity=SMALL))
        outcomes = await asyncio.gather(*waiting, lost, return_exceptions=True)
        assert isinstance(outcomes[-1], LogUnavailableError)
        await asyncio.sleep(1)
        assert told[:3] == ["2 events", f"{2 * CROWD} events", "recovered"]
        assert desk.agrees()

    play(story)
