"""One OMS process inside the simulation: tasks that can be killed between any two scheduling steps.

Every coroutine of the OMS half is driven by a task of ours that counts each resumption. At some step, or on `kill`, the
process is dead: from then on none of its coroutines is resumed, by a result, a timer or a cancellation, so no `finally`
of theirs runs, as none does after kill -9. What they had handed to the network or to the database before belongs to the
world and goes on. Only when the world is over are the dead coroutines unwound, so that Python can free them; by then
nobody looks.
"""

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Final, TypeVar

from oms.errors import OmsError
from oms.ports import Task

T = TypeVar("T")


BURIAL_ROUNDS_MAX: Final = 100


class GoneError(Exception):
    """The process died while, or before, it was asked: its caller sees a connection break."""


class Process:
    """Spawns and kills. `failures` holds what its tasks died of, which in a running system ends the process loudly.

    At step `doomed_at` it is killed, or `doom` is called instead; `died` is called once it is dead.
    """

    def __init__(
        self,
        *,
        doomed_at: int | None = None,
        doom: Callable[[], None] | None = None,
        died: Callable[[], None] = lambda: None,
    ) -> None:
        self.steps = 0
        self.alive = True
        self.failures: list[str] = []
        self._doomed_at = doomed_at
        self._doom = doom or self.kill
        self._died = died
        self.at_death: list[Callable[[], object]] = []  # what others do once its connections are gone
        self._over = False
        self.paused_until = float("-inf")  # of the loop's clock
        self.paused = False  # it was told to stop, and perhaps still does
        self._tasks: dict[asyncio.Task[None], Coroutine[object, object, None]] = {}
        self._callers: dict[asyncio.Future[Any], None] = {}

    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> Task:
        """Start `work` as a task of this process: the Spawn port."""
        task = asyncio.get_running_loop().create_task(self._driven(work), name=name)
        self._tasks[task] = work
        task.add_done_callback(self._ended)
        return task

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` inside for a caller outside.

        Raises:
            GoneError: the process is dead, or died before it answered.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if not self.alive:
            raise GoneError
        self._callers[answer] = None
        self.spawn(_answering(work, answer), name="call")
        try:
            return await answer
        finally:
            self._callers.pop(answer, None)

    def kill(self) -> None:
        """Stop between two steps, for ever."""
        if not self.alive:
            return
        self.alive = False
        for answer in self._callers:
            if not answer.done():
                answer.set_exception(GoneError())
        for each in self.at_death:
            each()
        self._died()

    def pause(self, seconds: float) -> None:
        """Take no step for so long, as after SIGSTOP: timers run out, answers arrive, and nobody looks."""
        loop = asyncio.get_running_loop()
        self.paused_until = loop.time() + seconds
        self.paused = True

    @property
    def paused_seconds(self) -> float:
        """How much longer it takes no step."""
        left = max(self.paused_until - asyncio.get_running_loop().time(), 0.0)
        self.paused = left > 0
        return left

    def doom(self, step: int) -> None:
        """Let it die at its `step`th step."""
        self._doomed_at = step

    def spare(self) -> None:
        """Let it live on: no step is its last any more."""
        self._doomed_at = None

    async def bury(self) -> None:
        """The world is over: unwind whatever still stands."""
        self.alive, self._over = False, True
        for _ in range(BURIAL_ROUNDS_MAX):  # one word is not enough for a group of tasks that fails as it is canceled
            tasks = list(self._tasks)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1.0)

    async def _driven(self, work: Coroutine[object, object, None]) -> None:
        await _stepwise(self, work)

    def resuming(self) -> bool:
        """Count one step; whether it may be taken."""
        self.steps += 1
        if self.steps == self._doomed_at:
            self._doom()
        return self.alive or self._over

    @property
    def living(self) -> int:
        """How many of its tasks have not ended; what somebody outside asks for and waits for is not its own."""
        return sum(task.get_name() != "call" for task in self._tasks)

    @property
    def over(self) -> bool:
        return self._over

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task).close()  # it may have been canceled before its first step
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not self._over:
            self.failures.append(f"{task.get_name()}: {error!r}")


async def _answering(work: Callable[[], Awaitable[T]], answer: asyncio.Future[T]) -> None:
    try:
        result = await work()
    except OmsError as error:
        if not answer.done():
            answer.set_exception(error)
    else:
        if not answer.done():
            answer.set_result(result)


@types.coroutine
def _stepwise(process: Process, work: Coroutine[object, object, None]) -> Generator[Any, Any, None]:
    """Drive `work` step by step for as long as its process lives."""
    error: BaseException | None = None
    while True:
        if not process.resuming():
            yield from _grave(process)
            error = asyncio.CancelledError()
        elif process.paused:
            while process.paused_seconds and not process.over:
                if (yield from _asleep(process.paused_seconds)):
                    error = asyncio.CancelledError()  # it comes when somebody is there again
            if not process.alive and not process.over:
                yield from _grave(process)
                error = asyncio.CancelledError()
        try:
            awaited = work.send(None) if error is None else work.throw(error)
        except StopIteration:
            return
        error = None
        try:
            yield awaited
        except BaseException as raised:  # noqa: BLE001 - what was awaited failed: that is for `work` to handle
            error = raised


def _grave(process: Process) -> Generator[Any, Any, None]:
    """Wait for the end of the world, whoever knocks."""
    while not process.over:
        try:
            yield from asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            continue


def _asleep(seconds: float) -> Generator[Any, Any, bool]:
    """Wait, whoever knocks; return whether somebody wanted the work to be canceled."""
    canceled = False
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        waking = loop.create_future()
        timer = loop.call_at(until, _wake, waking)
        try:
            yield from waking
        except asyncio.CancelledError:
            timer.cancel()
            canceled = True
    return canceled


def _wake(waking: asyncio.Future[None]) -> None:
    if not waking.done():
        waking.set_result(None)
