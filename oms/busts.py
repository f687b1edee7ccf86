"""Trades that the venue has taken back: nobody tells of them, so they are looked for where figures no longer agree.

A balance or a position that disagrees says that something is wrong, not what. While it does, the venue's records of the
last hour's orders are compared with what is booked, and where these explain nothing those of the last day, then of the
last week. One that counts less than its trades here is under suspicion. What is taken back are the trades that the
venue, asked for all the time in which the order lived, does not list, if without them the figures are the record's, and
if the record is no older than they are by the venue's own time. All of that twice, with the patience between that an
absence takes everywhere here: queries lag.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import structlog
from msgspec import Struct

from oms import perpetuals
from oms.breaks.decisions import Disagreement
from oms.breaks.events import BreakKind
from oms.decide import Addressed
from oms.evidence import kept
from oms.order.events import OrderFilled
from oms.order.messages import BustReport
from oms.order.state import Order
from oms.ports import Clock, EventLog, Ids, VenueMessage
from oms.reconcile import Reconciliation, address, names, taken_back
from oms.reports import OrderReport
from oms.sending import order_ref
from oms.store.codec import decode, decode_meta
from oms.values import ExecId, Provenance, Symbol, purse_parts, purses
from oms.venue import Answer, NoAnswerError, Venue

PATIENCE_SECONDS: Final = 60.0  # between the two looks, beside the time in which an order may be unknown to queries
SEARCH_SECONDS: Final = 300.0  # for so long after the figures were seen first; then a person has to look
EVERY_SECONDS: Final = 20.0  # between two looks at the records
REACHES_MS: Final = (3_600_000, 86_400_000, 604_800_000)  # orders that ended longer ago are not looked at
SLACK_MS: Final = 60_000  # about the time in which an order lived
SYMBOLS_MAX: Final = 3  # looked at each time, so that the venue's rates are not used up
ASKED_EACH_LOOK: Final = 3  # orders, likewise
MOVED: Final = frozenset({BreakKind.BALANCE, BreakKind.POSITION})

log = structlog.get_logger()


class _Suspicion(Struct, frozen=True):
    """What a first look found gone, when (seconds of the monotonic clock), and the answers that say so."""

    gone: tuple[ExecId, ...]
    since: float
    evidence: Sequence[VenueMessage]


class Busts:
    """Looks for trades that were taken back."""

    def __init__(
        self, recording: perpetuals.Recording, venue: Venue, *, event_log: EventLog, clock: Clock, ids: Ids
    ) -> None:
        self._recording = recording
        self._venue = venue
        self._log = event_log
        self._clock = clock
        self._ids = ids
        self._standing: dict[str, tuple[str, float]] = {}  # by break id: its figures, and since when they are these
        self._looked_at = float("-inf")
        self._reach = 0  # how many looks in a row had no suspect: the next one goes further back
        self._suspected: dict[str, _Suspicion] = {}  # by stream

    async def look(self, reconciled: Reconciliation, lists: Iterable[Answer | None]) -> None:
        """Look for what explains the figures that disagree; `lists` show orders beside those that have ended. What
        cannot be asked for is left to the next time.
        """
        now = self._clock.monotonic()
        moved = [
            each for each in reconciled.disagreements if each.kind in MOVED and each.break_id not in reconciled.unsure
        ]
        self._standing = {each.break_id: self._since(each, now) for each in moved}
        if not moved:
            self._suspected, self._reach = {}, 0
            return
        young = [each for each in moved if now - self._standing[each.break_id][1] <= SEARCH_SECONDS]
        if not (young or self._suspected) or now < self._looked_at + EVERY_SECONDS:
            return
        self._looked_at = now
        try:
            suspects = await self._counted_less(young, lists)
            self._reach = 0 if suspects else min(self._reach + 1, len(REACHES_MS) - 1)
            for stream in [*self._suspected, *(each for each in suspects if each not in self._suspected)][
                :ASKED_EACH_LOOK
            ]:
                await self._prove(stream, now)
        except NoAnswerError as error:
            log.warning("could not look for busted trades", account=self._recording.account, cause=error.cause)

    def _since(self, each: Disagreement, now: float) -> tuple[str, float]:
        figures, since = self._standing.get(each.break_id, ("", now))
        return (each.figures, since if figures == each.figures else now)

    async def _counted_less(self, moved: Sequence[Disagreement], lists: Iterable[Answer | None]) -> Sequence[str]:
        """Return the streams of orders of which the venue counts less than is booked. Raises NoAnswerError."""
        now_ms = self._clock.now_ns() // 1_000_000
        answers = [answer for answer in lists if answer is not None]
        for symbol in self._symbols(moved)[:SYMBOLS_MAX]:
            since_ms, until_ms = now_ms - REACHES_MS[self._reach], now_ms + SLACK_MS
            answers.append(await self._venue.order_history(symbol, since_ms=since_ms, until_ms=until_ms))
        found: dict[str, None] = {}
        for answer in answers:
            for report in answer.reports:
                if isinstance(report, OrderReport) and report.cum_quantity is not None:
                    stream = address(self._recording.account, report)
                    order = self._recording.book.orders.get(stream)
                    if order is not None and report.cum_quantity < order.cum_quantity:
                        found[stream] = None
                    elif order is not None and order.busted and report.cum_quantity > order.venue_cum:
                        # What was taken back is counted again: then its trades are asked for, and booked again.
                        evidence = kept(answer.evidence, self._ids, self._clock)
                        await self._recording.report([(stream, report)], source=Provenance.POLL, evidence=evidence)
        return list(found)

    def _symbols(self, moved: Sequence[Disagreement]) -> Sequence[Symbol]:
        """Return the markets whose trades move what disagrees."""
        subjects = {each.subject for each in moved if each.kind is BreakKind.BALANCE}
        symbols = {each.symbol: None for each in moved if each.symbol is not None}
        for order in self._recording.book.orders.values():
            symbol = order.request.symbol
            if order.trades and symbol not in symbols:
                drawn = ("/".join(purse_parts(name)) for name in purses(symbol) if name is not None)
                if not subjects.isdisjoint(drawn):
                    symbols[symbol] = None
        return list(symbols)

    async def _prove(self, stream: str, now: float) -> None:
        """Ask for one order, and for all trades of its time; record what is gone for the second time. Raises
        NoAnswerError.
        """
        order = self._recording.book.orders.get(stream)
        if order is None:
            return
        before = self._suspected.pop(stream, None)
        looked = await self._venue.order(order_ref(order))
        record = next((each for each in looked.reports if isinstance(each, OrderReport) and names(each, order)), None)
        if record is None or record.created_ms is None or record.updated_ms is None:
            return
        since_ms, until_ms = record.created_ms - SLACK_MS, record.updated_ms + SLACK_MS
        traded = await self._venue.trades(since_ms=since_ms, until_ms=until_ms)
        gone = taken_back(order, record, traded, await self._booked_ms(stream))
        if not gone:
            return
        evidence = [each for answer in (looked, traded) for each in kept(answer.evidence, self._ids, self._clock)]
        if before is None or before.gone != gone:
            self._suspected[stream] = _Suspicion(gone, now, evidence)
        elif now < before.since + self._patience(order):
            self._suspected[stream] = before
        else:
            news: list[Addressed] = [(stream, BustReport(exec_id=exec_id, at_ms=record.updated_ms)) for exec_id in gone]
            news.append((stream, record))
            await self._recording.report(news, source=Provenance.INFERRED, evidence=[*before.evidence, *evidence])
            log.warning("the venue took trades back", account=self._recording.account, order=stream, trades=gone)

    def _patience(self, order: Order) -> float:
        return PATIENCE_SECONDS + self._venue.capabilities(order.request.symbol).visibility_delay

    async def _booked_ms(self, stream: str) -> Mapping[str, int]:
        """Return when an order's trades happened by the venue's time, where the log knows it."""
        booked: dict[str, int] = {}
        for stored in await self._log.read(stream):
            event, occurred_ns = decode(stored.topic, stored.state), decode_meta(stored.state).occurred_ns
            if isinstance(event, OrderFilled) and occurred_ns is not None:
                booked[event.exec_id] = occurred_ns // 1_000_000
        return booked
