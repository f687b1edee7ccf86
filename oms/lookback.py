"""Looks back over all that the venue still shows of trades, where a figure disagrees and nothing new explains it (S12).

A trade that the venue shows late, dated from before what was read already, is not asked for any more: only the balance
tells that there is one. So a break of a figure is reason to read everything once again, in parts that the venue always
answers, the latest first; and it is no reason to do so at every comparison.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Final

import structlog

from oms import perpetuals
from oms.breaks.events import BreakKind
from oms.ports import Clock
from oms.venue import Answer, NoAnswerError, Venue

FIGURES: Final = frozenset({BreakKind.BALANCE, BreakKind.POSITION, BreakKind.FILLS})  # what a trade would explain
EVERY_SECONDS: Final = 3600.0  # for one break
PARTS_MAX: Final = 32  # that all of it is read in
LAP_MS: Final = 1_000  # by which two parts overlap, as no source says whether bounds are inclusive

Record = Callable[[Answer], Awaitable[None]]

log = structlog.get_logger()


class Lookback:
    """Reads one account's trades again for breaks that are open. `record` books those that are news."""

    def __init__(self, recording: perpetuals.Recording, venue: Venue, record: Record, *, clock: Clock) -> None:
        self._recording = recording
        self._venue = venue
        self._record = record
        self._clock = clock
        self._looked: dict[str, float] = {}  # by break id: when all was read for it

    async def look(self, disagreements: Collection[str]) -> bool:
        """Read again for those breaks, by id, that are open and still disagree; whether anything was read. What could
        not be asked is asked with the next comparison.
        """
        known = self._recording.book.account.breaks.open
        unexplained = {name for name in disagreements if name in known and known[name].kind in FIGURES}
        now = self._clock.monotonic()
        self._looked = {name: at for name, at in self._looked.items() if now - at < EVERY_SECONDS}
        due = unexplained - self._looked.keys()
        if not due:
            return False
        log.info("looking back for what explains a break", account=self._recording.account, breaks=sorted(due))
        try:
            await self._read_all()
        except NoAnswerError as error:
            log.warning("could not look back", account=self._recording.account, cause=error.cause)
        else:
            self._looked |= dict.fromkeys(due, now)
        return True

    async def _read_all(self) -> None:
        """Read what the venue shows, but nothing from before this log: that is in what was taken over then."""
        part_ms, reach_ms = self._spans()
        until_ms = self._clock.now_ns() // 1_000_000
        first_ms = max(until_ms - reach_ms, self._recording.opened_ns // 1_000_000)
        while until_ms > first_ms:
            since_ms = max(until_ms - part_ms, first_ms)
            answer = await self._venue.trades(since_ms=since_ms, until_ms=until_ms)
            await self._record(answer)
            if answer.unasked:
                raise NoAnswerError(answer.unasked, answer.evidence)
            until_ms = since_ms + LAP_MS if since_ms > first_ms else first_ms

    def _spans(self) -> tuple[int, int]:
        """Return, in ms, how much is asked for at once, and how far back the market that shows most does."""
        markets = [self._venue.capabilities(symbol) for symbol in self._recording.decider.instruments]
        part = min((each.history_window for each in markets), default=0.0)
        reach = max((each.history_reach for each in markets), default=0.0)
        return int(max(part, reach / PARTS_MAX) * 1000), int(reach * 1000)
