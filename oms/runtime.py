"""The real world behind the ports: the machine's clock, ids, and tasks that somebody owns."""

import asyncio
import random  # noqa: TID251  # this module is the Ids port
import secrets  # noqa: TID251  # likewise
import time
from collections.abc import Coroutine
from typing import Final

import structlog

from oms.ports import Task

log = structlog.get_logger()

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuv"  # base 32 whose letters sort as their values do


class SystemClock:
    """The machine's own clocks."""

    def now_ns(self) -> int:
        """Return UTC nanoseconds since 1970."""
        return time.time_ns()  # noqa: TID251  # this class is the Clock port

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()  # noqa: TID251  # likewise


class TimeOrderedIds:
    """Ids of 22 letters and digits: microseconds, then who made it, then a count.

    Microseconds never go back within a process; a random maker keeps two processes, and one process before and after a
    restart under a clock that was set back, apart.
    """

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self._maker = _base32(secrets.randbits(35), 7)
        self._last_us = 0
        self._count = 0
        self._prefix = ""
        self._random = random.Random(secrets.randbits(64))  # noqa: S311  # jitter, not a secret

    def next(self) -> str:
        """Return a new id, greater than every earlier one of this process."""
        now_us = self._clock.now_ns() // 1000
        if now_us > self._last_us or self._count >= 32**4 - 1:
            self._last_us = max(now_us, self._last_us + 1)
            self._count = 0
            self._prefix = _base32(self._last_us, 11) + self._maker
        self._count += 1
        return self._prefix + _base32(self._count, 4)

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return self._random.uniform(low, high)


def _base32(value: int, width: int) -> str:
    digits = []
    for _ in range(width):
        digits.append(_DIGITS[value & 31])
        value >>= 5
    return "".join(reversed(digits))


class Tasks:
    """Owns every task of the running system: none is forgotten, and a failure of one ends the whole, loudly."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def __call__(self, work: Coroutine[object, object, None], *, name: str) -> Task:
        """Start `work`; keep it until it ends."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            log.error("task failed", task=task.get_name(), exc_info=error)
            if not self.failed.done():
                self.failed.set_result(error)

    async def close(self) -> None:
        """Cancel what still runs and wait until it has ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
