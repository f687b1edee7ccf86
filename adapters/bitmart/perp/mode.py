"""The account's position mode: read before an order depends on it, and again when it is in doubt (PROTOCOL 9.17)."""

import asyncio
from typing import Final

from adapters.bitmart.answers import Reading
from adapters.bitmart.perp import codec
from adapters.bitmart.rest import Rest
from oms.ports import Clock
from oms.reports import PositionModeReport
from oms.values import PositionMode
from oms.venue import Evidence, NoAnswerError

AGAIN_SECONDS: Final = 5.0  # between two readings for the sake of orders: the venue takes one a second


class AccountMode:
    """`last` is the mode as last read, None before the first time and after a switch was asked for."""

    def __init__(self, rest: Rest, clock: Clock) -> None:
        self.last: PositionMode | None = None
        self._rest = rest
        self._reading = Reading(rest, codec.answer)
        self._clock = clock
        self._read_at = 0.0  # by the monotonic clock; it is not in doubt before it was read
        self._due_at: float | None = None  # in doubt: to be read again once that time has come
        self._asking = asyncio.Lock()
        self._looks = 0  # looks that were asked for, and the latest of them that counts
        self._latest = 0

    async def known(self) -> PositionMode:
        """Return the mode. Whoever comes while it is being read waits for that one call.

        Raises:
            NoAnswerError: it could not be read; so does `read`.
        """
        if self.last is None or self._due():
            async with self._asking:
                while self.last is None or self._due():
                    await self.read()
        assert self.last is not None
        return self.last

    async def read(self) -> tuple[PositionModeReport, Evidence]:
        """Ask the venue now. An answer that was asked for before another that is here already tells nothing new."""
        self._looks += 1
        look = self._looks
        evidence = await self._rest.keyed(codec.GET_POSITION_MODE)
        for report in self._reading.listed(codec.GET_POSITION_MODE, evidence):
            if isinstance(report, PositionModeReport):
                if look > self._latest:
                    self._latest = look
                    self.last, self._due_at = report.mode, None
                    self._read_at = self._clock.monotonic()
                return report, evidence
        raise NoAnswerError(f"{evidence.channel}: no position mode", evidence)

    def doubt(self) -> None:
        """Have it read again, but not for each order of a burst that is refused for something else."""
        if self._due_at is None:
            self._due_at = max(self._clock.monotonic(), self._read_at + AGAIN_SECONDS)

    def forget(self) -> None:
        """Know nothing: a switch is under way, and what was asked for before says nothing of it."""
        self.last, self._latest = None, self._looks

    def _due(self) -> bool:
        return self._due_at is not None and self._clock.monotonic() >= self._due_at
