"""Looks back over all that the venue still shows of trades, where a figure disagrees and nothing new explains it (S12).

A trade that the venue shows late, dated from before what was read already, is not asked for any more: only the balance
tells that there is one. So a break of a figure is reason to read everything once again, in parts that the venue always
answers, the latest first; and it is no reason to do so at every comparison. Only here is anything asked for that the
venue dates from before this log (`oms.baseline`): the figures say that something is missing.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from oms import baseline, perpetuals
from oms.breaks.decisions import Disagreement
from oms.breaks.events import BreakKind
from oms.ports import Clock
from oms.venue import Answer, NoAnswerError, Venue

FIGURES: Final = frozenset({BreakKind.BALANCE, BreakKind.POSITION, BreakKind.FILLS})  # what a trade would explain
EVERY_SECONDS: Final = 3600.0  # for one break, unless it differs by something else by then
LAG_SECONDS: Final = 35.0  # lists lag by half a minute at most: what they hid then they show now
LOOKS_MAX: Final = 5  # figures of one break that are looked for within that time
PARTS_MAX: Final = 32  # that all of it is read in
OWNERLESS_MAX: Final = 6  # times that all is read again for an order that cannot be asked for
LAP_MS: Final = 1_000  # by which two parts overlap, as no source says whether bounds are inclusive

Record = Callable[[Answer], Awaitable[None]]
ReadPayments = Callable[[Sequence[Disagreement]], Awaitable[None]]

log = structlog.get_logger()


class Lookback:
    """Reads one account's trades again for what disagrees: `record` books those that are news; and, by
    `read_payments`, what moved money and is no trade, of what it is told disagrees.
    """

    def __init__(
        self,
        recording: perpetuals.Recording,
        venue: Venue,
        record: Record,
        read_payments: ReadPayments,
        *,
        clock: Clock,
    ) -> None:
        self._recording = recording
        self._venue = venue
        self._record = record
        self._read_payments = read_payments
        self._clock = clock
        self._looked: dict[tuple[str, str], Sequence[float]] = {}  # by break id and figures: when all was read for it
        self._ownerless = 0  # how often in a row orders behind trades had no answer

    async def look(self, disagreements: Sequence[Disagreement]) -> bool:
        """Read again for what disagrees for sure, before a person is told of it, and while he is; whether anything was
        read. What could not be asked is asked with the next comparison.
        """
        unexplained = [each for each in disagreements if each.kind in FIGURES]
        now = self._clock.monotonic()
        self._looked = {what: times for what, times in self._looked.items() if now - times[0] < EVERY_SECONDS}
        due = {what for each in unexplained if self._is_due(what := (each.break_id, each.figures), now)}
        if not due:
            return False
        log.info("looking back for what explains a break", account=self._recording.account, breaks=sorted(due))
        try:
            await self._read_all(unexplained)
        except NoAnswerError as error:
            log.warning("could not look back", account=self._recording.account, cause=error.cause)
        else:
            self._looked |= {what: (*self._looked.get(what, ()), now) for what in due}
        return True

    def _is_due(self, what: tuple[str, str], now: float) -> bool:
        """Whether to look for a break of these figures: at once, and once more when no list lags any longer."""
        looked = self._looked.get(what)
        if looked is None:
            return Counter(name for name, _ in self._looked)[what[0]] < LOOKS_MAX
        return len(looked) == 1 and now - looked[0] >= LAG_SECONDS

    async def _read_all(self, unexplained: Sequence[Disagreement]) -> None:
        """Read what the venue shows, but nothing from before this log that is in what was taken over then."""
        account = self._recording.book.account
        ownerless: NoAnswerError | None = None
        part_ms, reach_ms = self._spans()
        now_ms = self._clock.now_ns() // 1_000_000
        until_ms = now_ms + baseline.MARGIN_MS  # the venue's clock may have been ahead, and is right again
        first_ms = max(now_ms - reach_ms, baseline.since_ms(account, self._recording.opened_ns))
        while until_ms > first_ms:
            since_ms = max(until_ms - part_ms, first_ms)
            answer = await self._venue.trades(since_ms=since_ms, until_ms=until_ms)
            try:
                await self._record(baseline.news_of(account, answer))
            except NoAnswerError as error:  # of the order behind a trade: the others are recorded
                ownerless = error
            if answer.unasked:
                raise NoAnswerError(answer.unasked, answer.evidence)
            until_ms = since_ms + LAP_MS if since_ms > first_ms else first_ms
        await self._read_payments(unexplained)
        self._ownerless = 0 if ownerless is None else self._ownerless + 1
        if ownerless is not None and self._ownerless < OWNERLESS_MAX:
            raise ownerless

    def _spans(self) -> tuple[int, int]:
        """Return, in ms, how much is asked for at once, and how far back the market that shows most does."""
        markets = [self._venue.capabilities(symbol) for symbol in self._recording.decider.instruments]
        part = min((each.history_window for each in markets), default=0.0)
        reach = max((each.history_reach for each in markets), default=0.0)
        return int(max(part, reach / PARTS_MAX) * 1000), int(reach * 1000)
