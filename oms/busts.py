"""Trades that the venue has taken back: nobody tells of them, so they are looked for where figures no longer agree.

A balance or a position that disagrees says that something is wrong, not what. While it does, the venue's records of the
last hour's orders are compared with what is booked, and where these explain nothing those of the last day, then of the
last week. One that counts less than its trades here is under suspicion. So is, whatever the figures say, an order that
lacks trades for long: they may have been taken back before they were booked, or before anybody said what they cost. The
figures of an account that is not taken over yet say nothing; so its records are compared first.

What is taken back are the trades that the venue, asked for all the time in which the order lived, does not list, if
without them the figures are the record's, and if the record is no older than they are by the venue's own time. What was
told and never booked is taken back where the record of an order that is over counts no more than its trades, and the
venue lists all of these and no others. All of that twice, with the patience between that an absence takes everywhere
here: queries lag.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, Protocol

import structlog
from msgspec import Struct
from msgspec.structs import replace

from oms import baseline, perpetuals
from oms.breaks.decisions import Disagreement
from oms.breaks.events import BreakKind
from oms.decide import Addressed
from oms.evidence import kept
from oms.long_lists import orders_ended, trades_of
from oms.order.messages import BustReport, CountReport
from oms.order.state import Order
from oms.ports import Clock, EventLog, Ids, VenueMessage
from oms.proofs import names, taken_back, told_too_much, unbooked
from oms.recognition import recognized
from oms.reconcile import Reconciliation, address
from oms.recovered import runs
from oms.recovery import booked
from oms.reports import OrderReport, TradeReport
from oms.sending import order_ref
from oms.sums import symbol_of
from oms.values import ZERO, ExecId, Provenance, Symbol, purse_parts, purses
from oms.venue import Answer, NoAnswerError, Venue

PATIENCE_SECONDS: Final = 60.0  # between the two looks, beside the time in which an order may be unknown to queries
SEARCH_SECONDS: Final = 300.0  # of looking, after the figures were seen first; then a person has to look
EVERY_SECONDS: Final = 20.0  # between two looks at the records; an order must be in question for so long, too
REACHES_MS: Final = (3_600_000, 86_400_000, 604_800_000)  # orders that ended longer ago are not looked at
SLACK_MS: Final = 60_000  # about the time in which an order lived
PUT_OFF_SECONDS: Final = 60.0  # of who could not be asked for
SYMBOLS_MAX: Final = 3  # looked at each time, so that the venue's rates are not used up
ASKED_EACH_LOOK: Final = 3  # orders, likewise
READ_EACH_LOOK: Final = 500  # orders that are no longer in memory, so that the log is not read for minutes
MOVED: Final = frozenset({BreakKind.BALANCE, BreakKind.POSITION})  # what a trade moves

log = structlog.get_logger()


class Recording(perpetuals.Recording, Protocol):
    """Where what the venue says is recorded, with what is no longer in memory."""

    async def known(self, stream: str) -> bool:
        """Whether the log holds an order's stream; brings it into memory if so."""
        ...


class Searching:
    """How long something has been looked for. Between two looks no more counts than one may be away from the next, and
    nothing while the venue does not answer: an outage, or a ban, is no search, and uses up nobody's patience.
    """

    def __init__(self, clock: Clock) -> None:
        self.seconds = 0.0
        self.answered = True  # what was asked last
        self._clock = clock
        self._looked_at = float("inf")

    def goes_on(self) -> float:
        """Return the seconds, with those since the last look."""
        now = self._clock.monotonic()
        if self.answered:
            self.seconds += min(max(now - self._looked_at, 0.0), EVERY_SECONDS)
        self._looked_at = now
        return self.seconds


_InQuestion = tuple[str, int]  # an order's stream and version: once it changed, something else may be provable


class _Found(Struct, frozen=True):
    """What one look found: the trades that are gone, none where less was booked than told; and what is counted."""

    gone: tuple[ExecId, ...]
    counted: Decimal
    at_ms: int

    def news(self) -> tuple[BustReport | CountReport, ...]:
        if not self.gone:
            return (CountReport(cum_quantity=self.counted, at_ms=self.at_ms),)
        return tuple(BustReport(exec_id=exec_id, at_ms=self.at_ms) for exec_id in self.gone)


class _Suspicion(Struct, frozen=True):
    """What a first look found, when to look again (seconds of the monotonic clock), and the answers that say so."""

    found: _Found
    again_at: float
    evidence: Sequence[VenueMessage]


class Busts:
    """Looks for trades that were taken back."""

    def __init__(self, recording: Recording, venue: Venue, *, event_log: EventLog, clock: Clock, ids: Ids) -> None:
        self._recording = recording
        self._venue = venue
        self._log = event_log
        self._clock = clock
        self._ids = ids
        self._began_ns = clock.now_ns()
        # Since when, by the seconds of `_searching`:
        self._standing: dict[str, tuple[str, float]] = {}  # by break id: its figures, and since when they are these
        self._doubtful: dict[_InQuestion, float] = {}  # since when it is
        self._waits_since = float("inf")  # something is in question which keeps the opening waiting
        self._looked_at = float("-inf")
        self._searching = Searching(clock)
        self._reach = 0  # how many looks in a row had no suspect: the next one goes further back
        self._looks = 0
        self._asked_at: dict[Symbol, int] = {}  # by market: at which look its records were asked for last
        self._turns: dict[str, int] = {}  # by stream: at which look a suspect was asked for last
        self._read: dict[str, int] = {}  # by stream: at which look it was brought back into memory last
        self._suspected: dict[str, _Suspicion] = {}  # by stream

    async def settled(self, lists: Iterable[Answer | None], unlisted: Sequence[str]) -> bool:
        """Whether nothing that is booked may turn out to be gone, so that the venue's figures can be taken over: those
        that it holds without a trade would hide for ever that the trade is none. Waited for as long as a search takes.
        Of the orders `unlisted` something is booked that a list of trades did not show: they are asked for in any case,
        since no list of orders may reach back to them.
        """
        searched = self._searching.goes_on()
        self._note_doubtful()
        symbols = list(dict.fromkeys(map(symbol_of, self._recording.book.positions)))
        suspects = await self._search(symbols, lists, unlisted)
        if suspects is not None and not (suspects or self._suspected):
            return True
        self._waits_since = min(self._waits_since, searched)
        return searched - self._waits_since > SEARCH_SECONDS

    async def look(self, reconciled: Reconciliation, lists: Iterable[Answer | None]) -> None:
        """Look for what explains the figures that disagree, and at the orders that are in question; `lists` show orders
        beside those that have ended. What cannot be asked for is left to the next time.
        """
        now, searched = self._clock.monotonic(), self._searching.goes_on()
        moved = [
            each for each in reconciled.disagreements if each.kind in MOVED and each.break_id not in reconciled.unsure
        ]
        self._standing = {each.break_id: self._since(each) for each in moved}
        self._note_doubtful()
        if not (moved or self._doubtful):
            self._suspected, self._reach, self._searching.answered = {}, 0, True
            self._read, self._asked_at, self._turns = {}, {}, {}
            return
        young = [each for each in moved if searched - self._standing[each.break_id][1] <= SEARCH_SECONDS]
        if not (young or self._in_question() or self._suspected):
            self._searching.answered = True  # nothing is asked, until something is in question for long enough
            return
        if now < self._looked_at + EVERY_SECONDS:
            return
        self._looked_at = now
        orders = self._recording.book.orders  # whose figures nobody can be sure of while trades may be missing
        doubtful = [orders[name].request.symbol for name in self._in_question()]
        suspects = await self._search(list(dict.fromkeys([*self._symbols(young), *doubtful])), lists)
        self._reach = 0 if suspects or not young else (self._reach + 1) % len(REACHES_MS)

    async def _search(
        self, symbols: Sequence[Symbol], lists: Iterable[Answer | None], unlisted: Sequence[str] = ()
    ) -> Sequence[str] | None:
        """Ask for a few of those that the venue counts less of than is booked, and of those in question or `unlisted`;
        return the former, None where the venue did not answer for all. Who cannot be asked for keeps nobody else from
        his proof.
        """
        now, mute = self._clock.monotonic(), 0
        suspects, unasked = await self._counted_less(symbols, lists)
        due = self._due(now, (*suspects, *self._in_question(), *unlisted))[:ASKED_EACH_LOOK]
        for stream in due:
            try:
                await self._prove(stream, now)
            except NoAnswerError as error:
                mute += 1
                self._put_off(stream, error)
        self._searching.answered = mute < len(due) or unasked < min(len(symbols), SYMBOLS_MAX) or not (mute + unasked)
        return None if mute + unasked else suspects

    def _put_off(self, stream: str, error: NoAnswerError) -> None:
        """Let others have their turn before one that could not be asked for."""
        log.warning("could not look for busted trades", order=stream, cause=error.cause)
        if (suspected := self._suspected.get(stream)) is not None:
            self._suspected[stream] = replace(suspected, again_at=self._clock.monotonic() + PUT_OFF_SECONDS)

    def _in_question(self) -> Sequence[str]:
        searched = self._searching.seconds
        return [
            name for (name, _), since in self._doubtful.items() if EVERY_SECONDS <= searched - since <= SEARCH_SECONDS
        ]

    def _since(self, each: Disagreement) -> tuple[str, float]:
        searched = self._searching.seconds
        figures, since = self._standing.get(each.break_id, ("", searched))
        return (each.figures, since if figures == each.figures else searched)

    def _note_doubtful(self) -> None:
        searched = self._searching.seconds
        orders, unsettled = self._recording.book.orders, self._recording.book.unsettled
        lacking = [name for name in unsettled if orders[name].trades_missing and orders[name].venue_order_id]
        keys = [(name, orders[name].version) for name in lacking]
        self._doubtful = {key: self._doubtful.get(key, searched) for key in keys}

    def _due(self, now: float, suspects: Iterable[str]) -> Sequence[str]:
        """Return what to ask for: what is to be seen for the second time, then what never was."""
        again = [stream for stream, each in self._suspected.items() if now >= each.again_at]
        fresh = dict.fromkeys(each for each in suspects if each not in self._suspected)
        self._turns = {stream: self._turns.get(stream, -1) for stream in (*again, *fresh)}
        return [*sorted(again, key=self._turns.__getitem__), *sorted(fresh, key=self._turns.__getitem__)]

    async def _counted_less(
        self, symbols: Sequence[Symbol], lists: Iterable[Answer | None]
    ) -> tuple[Sequence[str], int]:
        """Return the streams of orders of which the venue counts less than is booked, and how many markets could not be
        asked for.
        """
        now_ms, unlisted = self._clock.now_ns() // 1_000_000, 0
        answers = [answer for answer in lists if answer is not None]
        in_turn = sorted(symbols, key=lambda symbol: self._asked_at.get(symbol, -1))[:SYMBOLS_MAX]
        self._asked_at = {each: self._asked_at.get(each, -1) for each in symbols} | dict.fromkeys(in_turn, self._looks)
        for symbol in in_turn:
            since_ms, until_ms = now_ms - REACHES_MS[self._reach], now_ms + baseline.MARGIN_MS
            try:
                ended = await orders_ended(self._venue, symbol, since_ms, until_ms)
            except NoAnswerError as error:
                log.warning("could not look for busted trades", market=symbol, cause=error.cause)
                unlisted += 1
            else:
                answers.append(recognized(self._recording.book, ended))
        told = [
            (address(self._recording.account, report), report, answer)
            for answer in answers
            for report in answer.reports
            if isinstance(report, OrderReport) and report.cum_quantity is not None
        ]
        to_read = self._to_read([stream for stream, _, _ in told])
        found: dict[str, None] = {}
        for stream, report, answer in told:
            if stream in to_read:
                await self._recording.known(stream)
            order, counted = self._recording.book.orders.get(stream), report.cum_quantity or ZERO
            if order is not None and counted < order.cum_quantity:
                found[stream] = None
            elif order is not None and order.busted and counted > order.venue_cum:
                # What was taken back is counted again: then its trades are asked for, and booked again.
                evidence = kept(answer.evidence, self._ids, self._clock)
                await self._recording.report([(stream, report)], source=Provenance.POLL, evidence=evidence)
        return list(found), unlisted

    def _to_read(self, streams: Iterable[str]) -> frozenset[str]:
        """Return which orders that are not in memory are looked at now: all that there is time for, in turn."""
        away = {stream: self._read.get(stream, 0) for stream in streams if stream not in self._recording.book.orders}
        chosen = frozenset(sorted(away, key=lambda stream: away[stream])[:READ_EACH_LOOK])
        self._looks += 1
        self._read = away | dict.fromkeys(chosen, self._looks)
        return chosen

    def _symbols(self, moved: Sequence[Disagreement]) -> Sequence[Symbol]:
        """Return the markets whose trades move what disagrees: whatever ever traded has a position."""
        subjects = {each.subject for each in moved if each.kind is BreakKind.BALANCE}
        symbols = {each.symbol: None for each in moved if each.symbol is not None}
        for symbol in map(symbol_of, self._recording.book.positions):
            drawn = ("/".join(purse_parts(name)) for name in purses(symbol) if name is not None)
            if not subjects.isdisjoint(drawn):
                symbols[symbol] = None
        return list(symbols)

    async def _prove(self, stream: str, now: float) -> None:
        """Ask for one order, and for all trades of its time; record what is gone for the second time. Raises
        NoAnswerError.
        """
        self._turns[stream] = self._looks
        await self._recording.known(stream)
        order = self._recording.book.orders.get(stream)
        if order is None:
            return
        looked = recognized(self._recording.book, await self._venue.order(order_ref(order)))
        record = next((each for each in looked.reports if isinstance(each, OrderReport) and names(each, order)), None)
        if record is None or record.created_ms is None or record.updated_ms is None:
            self._suspected.pop(stream, None)
            return
        times = await booked(self._log, stream)
        dated_ms = [each.dated_ms for each in times.values()]
        since_ms, until_ms = record.created_ms - SLACK_MS, max([record.updated_ms, *dated_ms]) + SLACK_MS
        traded = await trades_of(self._venue, since_ms, until_ms)
        if traded.unasked:
            raise NoAnswerError(traded.unasked, traded.evidence)
        before = self._suspected.pop(stream, None)
        gone = taken_back(order, record, traded, {name: each.happened_ms for name, each in times.items()})
        if record.cum_quantity is None or not (gone or told_too_much(order, record, traded)):
            return
        found = _Found(gone, record.cum_quantity, record.updated_ms)
        evidence = [each for answer in (looked, traded) for each in kept(answer.evidence, self._ids, self._clock)]
        if before is None or before.found != found:
            self._suspected[stream] = _Suspicion(found, now + self._patience(order), evidence)
            return
        await self._book(stream, unbooked(order, traded), traded)
        news: list[Addressed] = [*((stream, each) for each in found.news()), (stream, record)]
        await self._recording.report(news, source=Provenance.INFERRED, evidence=[*before.evidence, *evidence])
        log.warning("the venue took trades back", account=self._recording.account, order=stream, trades=gone)

    async def _book(self, stream: str, trades: Iterable[TradeReport], listed: Answer) -> None:
        """Book what the record counts and nobody has told of yet, before anything is taken back: once the record was
        taken for its proof, it says nothing else.
        """
        for source, part in runs([(stream, each) for each in trades], Provenance.POLL, self._began_ns):
            evidence = kept(listed.evidence, self._ids, self._clock)
            await self._recording.report(part, source=source, evidence=evidence)

    def _patience(self, order: Order) -> float:
        return PATIENCE_SECONDS + self._venue.capabilities(order.request.symbol).visibility_delay
