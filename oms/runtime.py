"""The real world behind the ports: the machine's clock, ids, and tasks that somebody owns."""

import asyncio
import gc
import random  # noqa: TID251  # this module is the Ids port
import secrets  # noqa: TID251  # likewise
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import structlog

from oms.errors import OmsError
from oms.ports import Task

log = structlog.get_logger()

_COUNT_MAX: Final = 0xFFFFF  # ids in one millisecond; the next one borrows from the next millisecond


class TaskFailedError(OmsError):
    """Something that must run has ended with an error of ours."""

    code = "task_failed"
    outcome = "unknown"
    next_step = "see the log file under OMS_HOME/logs; what was acknowledged is in the log: start again"


class SystemClock:
    """The machine's own clocks."""

    def now_ns(self) -> int:
        """Return UTC nanoseconds since 1970."""
        return time.time_ns()  # noqa: TID251  # this class is the Clock port

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()  # noqa: TID251  # likewise


class TimeOrderedIds:
    """Ids of 23 hexadecimal digits: milliseconds, who made it, a count.

    Milliseconds never go back within a process; a random maker keeps apart two processes, and one process before and
    after a restart under a clock that was set back.
    """

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self._maker = f"{secrets.randbits(28):07x}"
        self._last_ms = 0
        self._count = 0
        self._prefix = ""
        self._random = random.Random(secrets.randbits(64))  # noqa: S311  # jitter, not a secret

    def next(self) -> str:
        """Return a new id, greater than every earlier one of this process."""
        now_ms = self._clock.now_ns() // 1_000_000
        if now_ms > self._last_ms or self._count == _COUNT_MAX:
            self._last_ms = max(now_ms, self._last_ms + 1)
            self._count = 0
            self._prefix = f"{self._last_ms:011x}{self._maker}"
        self._count += 1
        return f"{self._prefix}{self._count:05x}"

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return self._random.uniform(low, high)


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

    def failure(self) -> TaskFailedError | None:
        """Return what to tell of the task that failed first, None if none has."""
        if not self.failed.done():
            return None
        error = self.failed.result()
        failure = TaskFailedError(f"a part of the OMS failed: {type(error).__name__}: {error}")
        failure.__cause__ = error
        return failure

    @asynccontextmanager
    async def needed(self) -> AsyncIterator[None]:
        """Give up what is done within as soon as a task fails: it may wait for what that one would have done.

        Raises:
            TaskFailedError: one has.
        """
        within = asyncio.current_task()
        assert within is not None
        inside = True

        def give_up(_: object) -> None:
            if inside:
                within.cancel()

        self.failed.add_done_callback(give_up)
        try:
            yield
        except asyncio.CancelledError:
            failure = self.failure()
            if failure is None:
                raise
            within.uncancel()
            raise failure from failure.__cause__
        finally:
            inside = False
            self.failed.remove_done_callback(give_up)

    async def close(self) -> None:
        """Cancel what still runs and wait until it has ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector away from work that makes no cycles and keeps much: a fold of the log takes a quarter
    longer when the orders it keeps are gone through again and again.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def tune_process() -> None:
    """Set the interpreter up for one busy event loop beside a writer thread; call once everything long-lived is there.

    The engine's states and events are frozen and cannot form cycles, so the garbage collector does not track them; what
    remains are futures and callbacks, most of them gone by the next commit. Collecting seldom keeps pauses out of the
    commit path. The thread that waits for the database gets the interpreter back after a tenth of a millisecond and not
    after five: measured in one run, 28,000 commands a second against 24,000 at half a millisecond.
    """
    sys.setswitchinterval(0.0001)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
