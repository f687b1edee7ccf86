"""The end of the log, read once for everybody who follows it."""

import asyncio
from collections.abc import Sequence
from typing import Final

from oms.ports import EventLog, StoredEvent

KEPT: Final = 10_000  # events in memory: a reader who is further behind reads the log itself
PAGE: Final = 1_000


class Tail:
    """Gives out what follows a position, and waits where nothing does yet.

    It reads nothing unless somebody asks. Of those at the end the first asks the log, and the others wait for that
    answer; who is behind waits for nobody.
    """

    def __init__(self, log: EventLog, *, kept: int = KEPT) -> None:
        self._log = log
        self._kept = kept
        self._events: list[StoredEvent] = []  # consecutive; the last one is the furthest we have read
        self._end = 0  # the log is as long as this for certain: we read it, or somebody who asks did
        self._turn = asyncio.Lock()

    async def after(self, position: int, *, seconds: float) -> Sequence[StoredEvent]:
        """Return the events that follow `position`, up to a page of them; none if none came within `seconds`.

        Raises:
            LogUnavailableError: the log cannot be read.
        """
        self._end = max(self._end, position)
        if position == self._end:
            try:
                async with asyncio.timeout(seconds), self._turn:
                    if position == self._end:
                        await self._read(position, seconds)
            except TimeoutError:
                return ()
        if position == self._end:
            return ()
        return self._held(position) or await self._log.page(after=position, limit=PAGE)

    def _held(self, position: int) -> Sequence[StoredEvent]:
        if not self._events:
            return ()
        start = position + 1 - self._events[0].position
        return self._events[start : start + PAGE] if start >= 0 else ()

    async def _read(self, position: int, seconds: float) -> None:
        await self._log.changed(after=position, seconds=seconds)
        page = await self._log.page(after=position, limit=PAGE)
        if not page:
            return
        if self._events and self._events[-1].position != position:
            self._events = []  # nobody followed for a while: begin anew where somebody does
        self._events.extend(page)
        self._end = max(self._end, page[-1].position)
        if len(self._events) > 2 * self._kept:
            del self._events[: -self._kept]
