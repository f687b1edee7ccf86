"""An asyncio loop on virtual time: waiting costs nothing, and the same work runs in the same order every time.

There is no selector, no socket and no other thread. When nothing is ready, time jumps to the next timer; when no timer
is left either, everybody waits for ever, which is a deadlock and said so. Passes over the ready queue and virtual
seconds are both limited, so that a livelock is a failure and not a hang.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")


class EndlessError(Exception):
    """The world did not come to rest: a livelock, a deadlock, or more time than it was given."""


PASS_SECONDS: Final = 1e-6  # what one pass costs: on a machine, too, no time stands still while code runs
GRACE_PASSES: Final = 10_000  # for whoever is canceled at a limit, to unwind
GRACE_SECONDS: Final = 1_000.0


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
        self._selector = self  # the base class asks it for events between two passes: here only time passes

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._seconds

    def select(self, timeout: float | None) -> None:
        """Let `timeout` seconds pass, the time until the next timer; None when there is none."""
        self.passes += 1
        self._seconds += PASS_SECONDS + (timeout or 0.0)
        if self.passes > self._passes_max:
            self._end(f"livelock: {self.passes} passes by second {self._seconds:.3f}")
        elif timeout is None:
            self._end(f"deadlock: at second {self._seconds:.3f} everybody waits and nothing is due")
        elif self._seconds > self._seconds_max:
            self._end(f"no rest within {self._seconds_max} virtual seconds")

    def _end(self, cause: str) -> None:
        if self.endless is not None or self.main is None:
            raise self.endless or EndlessError(cause)
        self.endless = EndlessError(cause)
        self._passes_max, self._seconds_max = self.passes + GRACE_PASSES, self._seconds + GRACE_SECONDS
        self.main.cancel()

    def _process_events(self, event_list: None) -> None:
        """Do nothing: there are no events but timers."""

    def _write_to_self(self) -> None:
        """Do nothing: no other thread wakes this loop."""


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
