"""What only perpetuals have to be asked for: how they are set, and what moved money there that is no trade.

Both are read with every comparison; what is known already is not written again.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, Protocol

import structlog

from oms import baseline
from oms.book import Book, position_stream
from oms.breaks.decisions import Disagreement
from oms.breaks.events import BreakKind
from oms.decide import Addressed, Decider
from oms.evidence import kept
from oms.explained import combined
from oms.long_lists import ledger_of
from oms.ports import Clock, Ids, VenueMessage
from oms.position import state as positions
from oms.position.events import LeverageRequested
from oms.position.flows import payment_of
from oms.position.shown import contradicts
from oms.position.state import FLAT
from oms.reconcile import backed, is_perpetual, leg_of
from oms.recovered import runs
from oms.reports import LedgerReport, LeverageReport, PositionReport
from oms.sums import traded
from oms.values import (
    EXACT,
    ZERO,
    AccountId,
    Currency,
    MarginMode,
    PositionLeg,
    Provenance,
    Purse,
    Symbol,
    Wallet,
    purse,
)
from oms.venue import Answer, NoAnswerError, Venue

LEDGER_EVERY_SECONDS: Final = 60.0  # between looks at the ledger, which few calls may read
LEDGER_OVERLAP_MS: Final = 3_600_000  # a payment may show late; ids tell apart what was read before
SUSPECTS_MAX: Final = 10  # payments of which every combination is tried
LEDGER_FIRST_MS: Final = 7 * 86_400_000  # how far back the first look goes at least, where the log says nothing
LEDGER_LAG_MS: Final = 60_000  # what trading waits for of that overlap at a start; the look after it reads all of it

# What backs a leg, what was asked for and is not settled, and all the latest requests: one may come and go meanwhile.
Settings = tuple[Decimal | None, MarginMode | None, LeverageRequested | None, tuple[LeverageRequested, ...]]
UNSET: Final[Settings] = (None, None, None, ())

Lacking = Mapping[Purse, frozenset[Decimal | None]]

log = structlog.get_logger()


class Recording(Protocol):
    """Where what the venue says is recorded."""

    @property
    def account(self) -> AccountId: ...
    @property
    def book(self) -> Book: ...
    @property
    def opened_ns(self) -> int: ...
    @property
    def decider(self) -> Decider: ...

    async def report(
        self,
        reports: Sequence[Addressed],
        *,
        source: Provenance = ...,
        evidence: Sequence[VenueMessage] = (),
    ) -> object:
        """Record what the venue said, all of it in one commit."""
        ...


def began_ms(recording: Recording, now_ms: int) -> int:
    """Return from when on trades and payments are this log's own, in ms of the venue's time: what was before is in the
    opening balances. A log that began before the venue had said its time may have noted a moment still to come, by a
    wall clock of ours that was wrong; then nothing is older than the opening, or than now.
    """
    return min(recording.opened_ns // 1_000_000, recording.book.account.opened_ms or now_ms)


class Perpetuals:
    """One account's questions about its perpetuals."""

    def __init__(self, recording: Recording, venue: Venue, *, clock: Clock, ids: Ids) -> None:
        self._recording = recording
        self._venue = venue
        self._clock = clock
        self._ids = ids
        self._unread_ms: int | None = None  # the ledger is to be read from here on; None: nobody has asked yet
        self.read_ms = 0  # every payment until then was listed and is booked; 0: nobody has asked yet
        self._asked_at = float("-inf")
        self._never_read = True
        self._differed: frozenset[tuple[str, str]] = frozenset()  # balances that did at the last look, and by what
        self._began_ns = clock.now_ns()

    def known(self) -> Mapping[str, Settings]:
        """Return what is known of every leg now, by stream."""
        legs = self._recording.book.positions
        return {stream: (leg.leverage, leg.margin_mode, leg.asked, leg.settings) for stream, leg in legs.items()}

    async def learn(self, shown: Answer, known: Mapping[str, Settings]) -> None:
        """Record the leverage and margin mode that the venue's positions show, where they are news, and keep the
        marks and the prices of liquidation, which are market data and no event. What contradicts the log is a break
        first. Of a leg of which something else is `known` than before the venue was asked they say nothing: a leverage
        that was set meanwhile would be put back.
        """
        book, news = self._recording.book, list[Addressed]()
        changed = {name for name, settings in self.known().items() if known.get(name, UNSET) != settings}
        for report in shown.reports:
            if isinstance(report, PositionReport) and report.mark_price is not None:
                self._recording.decider.marks[report.symbol] = report.mark_price
            if isinstance(report, PositionReport):
                self._see_danger(report)
            match report:
                case PositionReport() if report.leverage is not None:
                    setting, ours, market = _setting(report), backed(book, report), self._market(report.symbol)
                    told = f"{BreakKind.LEVERAGE}:{leg_of(report)}" in book.account.breaks.open
                    own = position_stream(book.name, report.symbol, report.leg or PositionLeg.NET)
                    if (contradicts(report, ours) and not told) or not changed.isdisjoint((own, market)):
                        continue  # first it is told; then what the venue shows still is taken for read back
                    if positions.back(setting.leverage, setting.margin_mode, ours):
                        news.append((market, setting))
                case _:
                    continue
        await self._tell(news, shown)

    def _see_danger(self, report: PositionReport) -> None:
        """Keep where the venue would take the leg over; zero is its word for nowhere."""
        told = self._recording.decider.liquidations
        key = (report.symbol, report.leg or PositionLeg.NET)
        if report.quantity and report.liquidation_price:
            told[key] = report.liquidation_price
        else:
            told.pop(key, None)

    async def read_ledger(self, disagreements: Iterable[Disagreement] = ()) -> str | None:
        """Book the payments since the last look that no trade explains; tries again later where it could not ask. A
        balance that differs by something new is reason to look at once: a payment may be all that it is.
        """
        before = self._differed
        differing = [each for each in disagreements if each.kind is BreakKind.BALANCE]
        self._differed = frozenset((each.break_id, each.figures) for each in differing)
        now, now_ms = self._clock.monotonic(), self._clock.now_ns() // 1_000_000
        book = self._recording.book
        paid_ms = book.account.paid_ms
        if self._unread_ms is None and paid_ms:
            self._unread_ms = paid_ms - LEDGER_OVERLAP_MS
        elif self._unread_ms is None:
            # Where the process before left trades, days ago at least: it may have had no answer of the ledger. Once, as
            # trades go on to be known while the ledger does not answer.
            self._unread_ms = min(now_ms - LEDGER_FIRST_MS, book.account.covered_ms - LEDGER_OVERLAP_MS)
        trades_perpetuals = any(traded(stream).base is None for stream in book.positions)
        # Of one that came and went unseen only what was paid for it is left.
        trades_perpetuals |= bool(_lacking(differing))
        due = now >= self._asked_at + LEDGER_EVERY_SECONDS or bool(self._differed - before)
        if not (trades_perpetuals and due):
            return None
        self._asked_at = now
        # What was paid before the opening is in its balances; what a clock set back dates from then is looked back for.
        unread_ms = max(self._unread_ms, paid_ms - LEDGER_LAG_MS if self._never_read else 0)
        since_ms = max(unread_ms, now_ms - self._reach_ms(), min(self._opening_ms, now_ms))
        until_ms = now_ms + baseline.MARGIN_MS  # the venue's clock may have been ahead, and is right again
        try:
            answer = await self._read(since_ms, until_ms)
        except NoAnswerError as error:
            log.warning("could not read the ledger", account=self._recording.account, cause=error.cause)
            if self._never_read:
                self._asked_at = float("-inf")  # trading waits for it
            return error.cause
        self._never_read = False
        read_ms = now_ms if answer.complete else answer.whole_until(since_ms)
        if read_ms <= since_ms:
            return None
        self.read_ms = read_ms
        if unread_ms == self._unread_ms:  # else what the start left out is still to be read
            self._unread_ms = now_ms - LEDGER_OVERLAP_MS if answer.complete else read_ms
        return None

    def _reach_ms(self) -> int:
        """Return how far back the venue's lists of perpetuals go."""
        symbols = (symbol for symbol in self._recording.decider.instruments if is_perpetual(symbol))
        reaches = (self._venue.capabilities(symbol).history_reach for symbol in symbols)
        return max(int(max(reaches, default=0.0) * 1000), LEDGER_FIRST_MS)

    async def look_back(self, disagreements: Iterable[Disagreement]) -> None:
        """Book the payments that the venue dates from before the opening and that it does not hold: those that a
        balance differs by. What the lists hid then is in there, and differs from nothing. Raises NoAnswerError.
        """
        lacking = _lacking(disagreements)
        since_ms = baseline.since_ms(self._recording.book.account, self._recording.opened_ns)
        if since_ms < self._opening_ms and lacking:
            await self._read(since_ms, self._opening_ms, lacking)

    @property
    def _opening_ms(self) -> int:
        """When the balances were taken over, or the log began that remembers no such moment, in ms."""
        return self._recording.book.account.opened_ms or self._recording.opened_ns // 1_000_000

    async def _read(self, since_ms: int, until_ms: int, lacking: Lacking | None = None) -> Answer:
        """Book the payments of a stretch of time, or of them what is `lacking`; return what the venue showed of it.
        Raises NoAnswerError.
        """
        book = self._recording.book
        answer = await ledger_of(self._venue, since_ms, until_ms, past_ms=since_ms + LEDGER_OVERLAP_MS)
        answer = baseline.news_of(book.account, answer)
        news: list[tuple[str, LedgerReport]] = []
        rows = [each for each in answer.reports if isinstance(each, LedgerReport)]
        for report in sorted(rows, key=lambda row: row.at_ms or 0):  # what is older than all that is known is not news
            if report.symbol is None:
                continue
            leg, payment = self._market(report.symbol), payment_of(report)
            if payment is not None and positions.flow(payment, book.positions.get(leg, FLAT)):
                news.append((leg, report))
        await self._tell(news if lacking is None else _explaining(news, lacking), answer)
        return answer

    def _market(self, symbol: Symbol) -> str:
        return position_stream(self._recording.account, symbol, PositionLeg.NET)

    async def _tell(self, news: Sequence[Addressed], answer: Answer) -> None:
        for source, part in runs(news, Provenance.POLL, self._began_ns):
            evidence = kept(answer.evidence, self._ids, self._clock)
            await self._recording.report(part, source=source, evidence=evidence)


def _setting(report: PositionReport) -> LeverageReport:
    mode = None if report.margin_mode is None else MarginMode(report.margin_mode)
    return LeverageReport(symbol=report.symbol, leverage=report.leverage, margin_mode=mode)


def _lacking(disagreements: Iterable[Disagreement]) -> Lacking:
    """Return by what the purses of perpetuals differ: but for what positions did cost, which a venue may not say, or in
    all.
    """
    lacking: dict[Purse, frozenset[Decimal | None]] = {}
    for told in disagreements:
        wallet, _, currency = told.subject.partition("/")
        if told.kind is BreakKind.BALANCE and wallet == Wallet.FUTURES:
            apart = EXACT.subtract(Decimal(told.theirs), Decimal(told.ours))
            lacking[purse(Wallet.FUTURES, Currency(currency))] = frozenset((told.difference, apart))
    return lacking


def _explaining(news: Sequence[tuple[str, LedgerReport]], lacking: Lacking) -> Sequence[tuple[str, LedgerReport]]:
    """Return those payments that come to just what a purse is lacking: the fewest, of the latest; or all of them."""
    found: list[tuple[str, LedgerReport]] = []
    for name, amounts in lacking.items():
        paid = tuple(each for each in reversed(news) if purse(Wallet.FUTURES, each[1].currency) == name)
        found.extend(next((each for each in combined(paid, SUSPECTS_MAX) if _total(each) in amounts), ()))
    return [each for each in news if each in found]


def _total(payments: Sequence[tuple[str, LedgerReport]]) -> Decimal:
    total = ZERO
    for _, report in payments:
        total = EXACT.add(total, report.amount)
    return total
