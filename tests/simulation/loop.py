"""An asyncio loop on virtual time: waiting costs nothing, and the same work runs in the same order every time.

There is no selector, no socket and no other thread. When nothing is ready, time jumps to the next timer; when no timer
is left either, everybody waits for ever, which is a deadlock and said so. Passes over the ready queue and virtual
seconds are both limited, so that a livelock is a failure and not a hang.

Half of a world's time went into the stock loop's bookkeeping, so this one keeps its own: a heap of tuples, which C
compares, instead of one of handles. Timers of one instant ring in the order in which they were set.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from heapq import heappop, heappush
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from msgspec import Struct

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class EndlessError(Exception):
    """The world did not come to rest: a livelock, a deadlock, or more time than it was given."""


PASS_SECONDS: Final = 1e-6  # what one pass costs: on a machine, too, no time stands still while code runs
SOON_SECONDS: Final = 1e-9  # a timer that is due so soon is due
GRACE_PASSES: Final = 10_000  # for whoever is canceled at a limit, to unwind
GRACE_SECONDS: Final = 1_000.0


class Call(Struct):
    """A call to come, and asyncio's handle for it: all that anybody does with one is to cancel it. That costs nothing:
    whoever finds it drops it.
    """

    context: Context | None  # None: the loop's own will do, as nobody here keeps anything in one
    callback: Callable[..., object] | None
    args: tuple[object, ...]

    def cancel(self) -> None:
        self.callback, self.args = None, ()  # let go of what it held


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs at most `passes_max` passes and `seconds_max` virtual seconds; then `main` is canceled, and `endless` says
    why.
    """

    def __init__(self, *, passes_max: int, seconds_max: float) -> None:
        super().__init__()
        self.passes = 0
        self.endless: EndlessError | None = None
        self.main: asyncio.Task[Any] | None = None
        self._passes_max = passes_max
        self._seconds = 0.0
        self._seconds_max = seconds_max
        self._calls: deque[Call] = deque()
        self._timers: list[tuple[float, int, Call]] = []
        self._timed = 0

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._seconds

    @property
    def due(self) -> int:
        """How many timers are set."""
        return sum(timer[2].callback is not None for timer in self._timers)

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        call = Call(context, callback, args)
        self._calls.append(call)
        return call  # type: ignore[return-value]  # a handle in all that is asked of one

    def call_later(
        self, delay: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        call = Call(context, callback, args)
        self._timed += 1
        heappush(self._timers, (self._seconds + delay, self._timed, call))
        return call  # type: ignore[return-value]  # as above

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        call = Call(context, callback, args)
        self._timed += 1
        heappush(self._timers, (when, self._timed, call))
        return call  # type: ignore[return-value]  # as above

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)  # there is no other thread

    def close(self) -> None:
        super().close()
        self._calls.clear()
        self._timers.clear()

    # What every future asks, answered without a frame.
    get_debug = False.__bool__

    def _run_once(self) -> None:
        """Pass after pass, until the base class is to stop: let time pass until something is due, and do what is. What
        that makes ready waits for the next pass.
        """
        calls, timers = self._calls, self._timers
        take = calls.popleft
        while True:
            while timers and timers[0][2].callback is None:
                heappop(timers)
            now = self._seconds
            if timers and not calls and not self._stopping:  # type: ignore[attr-defined]  # the base class sets it
                now = max(now, timers[0][0])
            elif not timers and not calls and not self._stopping:  # type: ignore[attr-defined]  # as above
                self._limit()
            self._seconds = now = now + PASS_SECONDS
            self.passes += 1
            if self.passes > self._passes_max or now > self._seconds_max:
                self._limit()
            soon = now + SOON_SECONDS
            while timers and timers[0][0] < soon:
                calls.append(heappop(timers)[2])
            for _ in range(len(calls)):
                call = take()
                callback, context = call.callback, call.context
                if callback is not None:
                    try:
                        if context is None:
                            callback(*call.args)
                        else:
                            context.run(callback, *call.args)
                    except (SystemExit, KeyboardInterrupt):
                        raise
                    except BaseException as error:  # noqa: BLE001 - as the stock loop does: it is told, nobody ends
                        self.call_exception_handler({"message": "a callback failed", "exception": error})
            if self._stopping:  # type: ignore[attr-defined]  # as above
                return

    def _limit(self) -> None:
        if self.passes > self._passes_max:
            self._end(f"livelock: {self.passes} passes by second {self._seconds:.3f}")
        elif self._seconds > self._seconds_max:
            self._end(f"no rest within {self._seconds_max} virtual seconds")
        else:
            self._end(f"deadlock: at second {self._seconds:.3f} everybody waits and nothing is due")

    def _end(self, cause: str) -> None:
        if self.endless is not None or self.main is None:
            raise self.endless or EndlessError(cause)
        self.endless = EndlessError(cause)
        self._passes_max, self._seconds_max = self.passes + GRACE_PASSES, self._seconds + GRACE_SECONDS
        self.main.cancel()


def run(work: Coroutine[Any, Any, T], *, passes_max: int, seconds_max: float) -> T:
    """Run `work` on a loop of its own and return its result.

    Raises:
        EndlessError: a limit was reached; `work` was canceled and has unwound.
    """
    loop = VirtualLoop(passes_max=passes_max, seconds_max=seconds_max)
    try:
        main: asyncio.Task[T] = loop.create_task(work)
        loop.main = main
        return loop.run_until_complete(main)
    except asyncio.CancelledError:
        raise loop.endless or EndlessError("canceled from within") from None
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
