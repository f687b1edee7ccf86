"""What the simulation stands on: virtual time that ends, and deaths that run no last words."""

import asyncio
from functools import partial
from random import Random  # noqa: TID251 - never asked: what happens is set

import pytest

from oms.ports import Batch, NewEvent
from oms.store.memory import MemoryLog
from oms.values import AccountId
from projections import checkpoint
from projections.fold import projectors
from projections.runner import Runner
from tests.simulation.bugs import BUGS
from tests.simulation.loop import EndlessError, run
from tests.simulation.process import GoneError, Process
from tests.simulation.readers import connected
from tests.simulation.run import PARTS, shrunk
from tests.simulation.running import WorldClock
from tests.simulation.tables import TableFaults, Tables
from tests.simulation.world import World

STARTED = NewEvent(
    "account/desk",
    1,
    "writer-started/1",
    b'{"id":"1","recorded_ns":1,"actor":"oms","epoch":1,"source":"response","account":"desk","venue":"test"}',
)


def test_waiting_costs_no_time_and_keeps_its_order() -> None:
    async def story() -> list[str]:
        said: list[str] = []

        async def speak(after: float, word: str) -> None:
            await asyncio.sleep(after)
            said.append(word)

        await asyncio.gather(speak(86_400, "late"), speak(1, "early"), speak(1, "second"))
        return said

    assert run(story(), passes_max=100, seconds_max=100_000) == ["early", "second", "late"]


def test_a_livelock_a_deadlock_and_a_world_without_rest_are_failures() -> None:
    async def spinning() -> None:
        while True:  # noqa: ASYNC110 - spinning is what it is for
            await asyncio.sleep(0)

    async def stuck() -> None:
        await asyncio.get_running_loop().create_future()

    async def restless() -> None:
        while True:  # noqa: ASYNC110 - so is this
            await asyncio.sleep(1)

    for world, cause in ((spinning, "livelock"), (stuck, "deadlock"), (restless, "no rest")):
        with pytest.raises(EndlessError, match=cause):
            run(world(), passes_max=10_000, seconds_max=1_000)


def test_a_follower_that_is_stopped_as_its_write_fails_stops() -> None:
    """Found by the simulation: the failure hid the word to stop, and the follower tried again for ever."""

    async def story() -> None:
        class StopsAndFails(TableFaults):
            def lose(self, name: str) -> None:
                if name == "tables lost before":
                    asyncio.get_running_loop().call_soon(runner.stop)
                    self.strike(100.0)
                super().lose(name)

        log = MemoryLog()
        await log.append(Batch(account=AccountId(""), epoch=0, events=(STARTED,)))
        into, tables = projectors(), Tables(StopsAndFails(Random(1)), lambda: None)
        process = Process()
        connect = partial(connected, tables, into, set())
        runner = Runner(log, "", clock=WorldClock(0), spawn=process.spawn, into=into, connect=connect)  # type: ignore[arg-type]  # a connection in all that is asked of one
        runner.start()
        await asyncio.sleep(30.0)
        assert tables.faults.fired["tables lost before"] == 1
        assert not process.living
        await process.bury()

    run(story(), passes_max=10_000, seconds_max=1_000)


@pytest.mark.parametrize("step", range(1, 12))
def test_a_killed_process_takes_no_further_step_and_runs_no_finally(step: int) -> None:
    async def story() -> None:
        said: list[str] = []
        process = Process(doomed_at=step)

        async def work() -> None:
            try:
                async with asyncio.timeout(3):
                    for number in range(10):
                        said.append(f"step {number}")
                        await asyncio.sleep(1)
            except TimeoutError:
                said.append("timeout")
            finally:
                said.append("last words")

        process.spawn(work(), name="victim")
        process.spawn(work(), name="another")
        answer = asyncio.gather(process.call(lambda: asyncio.sleep(100)), return_exceptions=True)
        await asyncio.sleep(1.5)
        process.kill()
        before = list(said)
        await asyncio.sleep(100)
        assert said == before
        assert "last words" not in said
        assert isinstance((await answer)[0], GoneError)
        await process.bury()

    run(story(), passes_max=10_000, seconds_max=1_000)


@pytest.mark.parametrize("first", [1, 4])
def test_what_is_left_of_a_failing_world_is_all_needed(first: int) -> None:
    again = partial(World, parts=BUGS["not found is absent"].parts)
    failing = next(outcome for seed in range(first, 100) if (outcome := again(seed).play()).violations)
    said, *trace = shrunk(failing, again)
    needed = said.removeprefix("it needs only: ").partition(";")[0].split(", ")
    gone = {*PARTS} - {*needed}
    assert len(needed) < len(gone)
    assert trace

    def fails(without: set[str]) -> bool:
        found = again(failing.seed, without=without).play().violations
        return bool({each[:3] for each in found} & {each[:3] for each in failing.violations})

    assert fails(gone)
    assert [part for part in needed if fails(gone | {part})] == []


def test_who_reads_one_moment_of_the_tables_sees_no_later_one() -> None:
    """As Postgres has it. Without, a follower resumed at one position with rows of another (seed 2135960)."""

    async def story() -> None:
        into, tables = projectors(), Tables(TableFaults(Random(1)), lambda: None)
        name = into[0].table.name
        reader, held = await tables.connect(into, set()), tuple(each.table.name for each in into)
        await checkpoint.begin(reader, held)  # type: ignore[arg-type]  # a connection in all that is asked of one
        async with reader.transaction(), reader.cursor() as cursor:
            await cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            tables.commit(dict.fromkeys(held, 7), [(name, {("a row",): object()})])
            assert await checkpoint.read(cursor, held) == 0  # type: ignore[arg-type]  # as above
            assert not await into[0].table.rows(cursor)  # type: ignore[arg-type]  # as above
        async with reader.transaction(), reader.cursor() as cursor:
            assert await checkpoint.read(cursor, held) == 7  # type: ignore[arg-type]  # as above

    run(story(), passes_max=10_000, seconds_max=1_000)
