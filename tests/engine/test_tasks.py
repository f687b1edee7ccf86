"""What runs beside a start is part of it: should it fail, the start ends and says why."""

import asyncio

import pytest

from oms.runtime import TaskFailedError, Tasks


async def failing() -> None:
    raise BlockingIOError("no process left")


async def test_a_start_whose_task_fails_ends_with_what_failed() -> None:
    tasks = Tasks()
    tasks(failing(), name="prepare to append")
    with pytest.raises(TaskFailedError, match="BlockingIOError: no process left"):
        async with tasks.needed():
            await asyncio.Event().wait()
    await asyncio.sleep(0)  # and what follows is nobody's to cancel


async def test_a_task_that_fails_just_as_the_start_is_over_cancels_nothing() -> None:
    tasks = Tasks()
    async with tasks.needed():
        tasks(failing(), name="prepare to append")
        while not tasks.failed.done():  # noqa: ASYNC110 - it fails in this very turn of the loop
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert isinstance(tasks.failure(), TaskFailedError)


async def test_a_start_that_is_asked_to_stop_is_canceled_and_nothing_has_failed() -> None:
    tasks = Tasks()

    async def start() -> None:
        async with tasks.needed():
            await asyncio.Event().wait()

    starting = asyncio.get_running_loop().create_task(start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert tasks.failure() is None
