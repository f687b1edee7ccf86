"""What the simulation stands on: virtual time that ends, and deaths that run no last words."""

import asyncio

import pytest

from tests.simulation.loop import EndlessError, run
from tests.simulation.process import GoneError, Process


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
