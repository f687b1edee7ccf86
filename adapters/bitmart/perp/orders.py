"""Finding orders and trades on BitMart futures, and saying whose they are (PROTOCOL 6.5, 6.6, 9.15, 9.47, 11).

The venue looks an order up by its own id alone. By ours it is found, or proven absent, where it must have left a trace:
among the open orders, in the history, among the trades. What one of these does not answer is a part that could not be
asked, and so no proof; the error names it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from adapters.bitmart.answers import Reading, Reports, bisected, key, readable, refused, same, whole
from adapters.bitmart.perp import codec, queries
from adapters.bitmart.perp.capabilities import CAPABILITIES
from adapters.bitmart.perp.endings import Endings, living
from adapters.bitmart.perp.names import Kind, Name, Names
from adapters.bitmart.perp.spelling import venue_symbol
from adapters.bitmart.perp.translate import PLAN
from adapters.bitmart.refusals import ORDER_NOT_FOUND
from adapters.bitmart.rest import Rest
from oms.reports import OrderReport, Refusal, RefusalClass, Report, TradeReport, VenueOrderStatus
from oms.values import ZERO, ClientOrderId, Provenance, Symbol, VenueOrderId
from oms.venue import Answer, Evidence, NoAnswerError, OrderRef, Window, joined

VISIBLE_MS: Final = int(CAPABILITIES.visibility_delay * 1000)  # what was written less than that ago may not show
HIDDEN_MS: Final = int(CAPABILITIES.lag * 1000)  # nor, at worst, for so long: before anything is concluded from that
AHEAD_MS: Final = 10_000  # by so much the venue's rows may be ahead of what we take for its time
LAG_MS: Final = 120_000  # for so long the order behind a trade may not be found; then it is told by side and time
LOOK_UPS_MAX: Final = 64  # orders asked for one by one, behind the trades of one answer
LOST_MAX: Final = 3  # look-ups of one answer without an answer of their own, before the rest is left for the next time
SYMBOLS_MAX: Final = 512  # asked for one by one, where a list of all of them is cut
ENDED: Final = (None, VenueOrderStatus.CANCELED, VenueOrderStatus.EXPIRED, VenueOrderStatus.REJECTED)
NO_TRACE: Final = "no trace among open orders, in the history, or among the trades"


class Orders:
    """The queries about orders and trades of one account."""

    def __init__(self, rest: Rest, reading: Reading, names: Names, endings: Endings) -> None:
        self._rest = rest
        self._endings = endings
        self._reading = reading
        self._names = names

    # -------------------------------------------------------------------------------------------- one order

    async def find(self, order: OrderRef) -> Answer:
        """Return an order's state, or the Refusal that says that the venue has no such order.

        Raises:
            NoAnswerError: that could not be found out; so do all of these.
        """
        if self.kind(order) is not Kind.ORDER:
            return await self._find_waiting(order)
        if order.venue_order_id is None:
            return await self._find_by_trace(order)
        (report,), evidence = await self._one(order.symbol, order.venue_order_id)
        if isinstance(report, Refusal) and self._names.get(order.symbol, order.venue_order_id) is None:
            return await self._find_waiting(order)  # `order` does not have those, and nobody remembers what it was
        if isinstance(report, OrderReport):
            report = await self._owned_order(report)
            if not same(report, order):
                raise NoAnswerError(f"{evidence.channel} answered with another order", evidence)
            report = self._claimed(report, order)
        return Answer(reports=(report,), evidence=evidence, source=Provenance.POLL)

    def kind(self, order: OrderRef) -> Kind:
        """Return under which calls an order lives: as it was last seen, else as the caller has it."""
        known = self._names.get(order.symbol, order.venue_order_id)
        if known is not None:
            return known.kind
        return Kind.PLAN if order.conditional else Kind.ORDER

    async def _find_by_trace(self, order: OrderRef) -> Answer:
        """Look for an order that only our id names, wherever it must have left a trace."""
        asked: list[Evidence] = []
        failed: list[NoAnswerError] = []
        for part, look in (
            ("open orders", self._among_open),
            ("order history", self._in_history),
            ("trades", self._behind_trades),
        ):
            try:
                found, evidence = await look(order)
            except NoAnswerError as error:
                failed.append(NoAnswerError(f"{part}: {error.cause}", error.evidence, unreadable=error.unreadable))
                continue
            asked.append(evidence)
            if found is not None:
                return Answer(reports=(found,), evidence=joined(asked), source=Provenance.POLL)
        if failed:
            missing = "; ".join(error.cause for error in failed)
            first = next((error for error in failed if error.unreadable), failed[0])
            why = f"{order.client_order_id} cannot be proven absent: {missing}"
            raise NoAnswerError(why, first.evidence, unreadable=first.unreadable)
        return Answer(reports=(_absent(order, NO_TRACE),), evidence=joined(asked), source=Provenance.POLL)

    async def _among_open(self, order: OrderRef) -> tuple[OrderReport | None, Evidence]:
        reports, evidence = await self._open(venue_symbol(order.symbol))
        found = await self._ours(reports, order)
        if found is None and not whole(reports, queries.OPEN_MAX):
            raise _not_whole("the list is cut, or a row of it unreadable", reports, evidence)
        return found, evidence

    async def _in_history(self, order: OrderRef) -> tuple[OrderReport | None, Evidence]:
        query = self._recent(order.symbol, client_order_id=order.client_order_id)
        evidence = await self._rest.keyed(codec.ORDER_HISTORY, query)
        reports = self._reading.listed(codec.ORDER_HISTORY, evidence)
        found = await self._ours(reports, order)
        if found is None and not whole(reports, queries.ROWS_MAX):
            raise _not_whole("the list is cut, or a row of it unreadable", reports, evidence)
        return found, evidence

    async def _behind_trades(self, order: OrderRef) -> tuple[OrderReport | None, Evidence]:
        """Look for the order behind trades, which name it by the venue's id only."""
        query = self._recent(order.symbol, client_order_id=order.client_order_id)
        evidence = await self._rest.keyed(codec.TRADES, query)
        reports = self._reading.listed(codec.TRADES, evidence)
        trades = [r for r in reports if isinstance(r, TradeReport)]
        traded = dict.fromkeys(r.venue_order_id for r in trades if r.venue_order_id)
        fresh = {r.venue_order_id for r in trades if self._recently(r.at_ms, LAG_MS)}
        names = {each: self._names.get(order.symbol, each) for each in traded}
        ours = [each for each, name in names.items() if name and name.client_order_id == order.client_order_id]
        unknown = [each for each, name in names.items() if name is None]
        for venue_order_id in (*ours, *unknown[:LOOK_UPS_MAX]):
            (report,), looked_up = await self._one(order.symbol, venue_order_id)
            if isinstance(report, OrderReport) and (found := await self._ours((report,), order)):
                return found, evidence
            # It has traded: that the venue no longer shows it, or does not yet, is no absence.
            if venue_order_id in ours or (not isinstance(report, OrderReport) and venue_order_id in fresh):
                raise NoAnswerError(f"{venue_order_id} has traded and cannot be looked up", looked_up)
        if len(unknown) > LOOK_UPS_MAX or not whole(reports, queries.ROWS_MAX):
            raise _not_whole("more trades than can be looked through, or one unreadable", reports, evidence)
        return None, evidence

    async def _find_waiting(self, order: OrderRef) -> Answer:
        """Look for an order that waits for its price: as itself, else as what it has sent (PROTOCOL 9.15)."""
        asked: list[Evidence] = []
        known = self._names.get(order.symbol, order.venue_order_id)
        if known is not None and known.child is not None:
            sent = msgspec.structs.replace(order, venue_order_id=known.child, conditional=False)
            answer = await self.find(sent)
            if not refused(answer.reports):
                return answer
            asked.append(answer.evidence)
        for ask in (self._plans, self._open):
            reports, evidence = await ask(venue_symbol(order.symbol))
            asked.append(evidence)
            found = await self._ours(reports, order)
            if found is not None:
                return Answer(reports=(found,), evidence=joined(asked), source=Provenance.POLL)
            if not whole(reports, queries.OPEN_MAX):
                raise _not_whole(f"{evidence.channel}: the list is cut, or a row of it unreadable", reports, evidence)
        ended: OrderReport | None = None
        for query in self._traces(order):
            evidence = await self._rest.keyed(codec.ORDER_HISTORY, query)
            asked.append(evidence)
            reports = self._reading.listed(codec.ORDER_HISTORY, evidence)
            found = await self._ours(reports, order)
            if found is not None and (found.status not in ENDED or found.triggered_by is not None):
                return Answer(reports=(found,), evidence=joined(asked), source=Provenance.POLL)
            if found is None and not whole(reports, queries.ROWS_MAX):
                raise _not_whole(f"{evidence.channel}: the list is cut, or a row of it unreadable", reports, evidence)
            ended = found or ended
        evidence = joined(asked)
        report = self._ended(order, ended, evidence)
        source = Provenance.POLL if isinstance(report, Refusal) else Provenance.INFERRED
        return Answer(reports=(report,), evidence=evidence, source=source)

    def _traces(self, order: OrderRef) -> tuple[queries.Query, ...]:
        """Return the queries of the history that find an order that waited, and what it has sent."""
        if order.venue_order_id is None:
            return (self._recent(order.symbol, client_order_id=order.client_order_id),)
        child = f"{PLAN}{order.venue_order_id}"
        return (
            self._recent(order.symbol, venue_order_id=order.venue_order_id),
            self._recent(order.symbol, client_order_id=child),
        )

    def _ended(self, order: OrderRef, shown: OrderReport | None, evidence: Evidence) -> OrderReport | Refusal:
        """Return the end of an order that neither waits nor has sent one, once what it might have sent would be
        visible: it was canceled if the venue took a cancel of it, and else is nowhere. `shown` is its row of the
        history, if that keeps such orders, which no source says.
        """
        venue_order_id = order.venue_order_id
        if shown is None and (venue_order_id is None or not self._waited(order)):
            return _absent(order, "not waiting, and no order that it sent")
        known = self._names.get(order.symbol, venue_order_id) or Name(order.client_order_id, Kind.PLAN)
        within_ms = VISIBLE_MS if known.canceled else HIDDEN_MS
        if shown is None:
            assert venue_order_id is not None
            gone = self._names.gone(order.symbol, venue_order_id, known, self._rest.clock.monotonic())
            recently = gone * 1000 < within_ms
            shown = OrderReport(
                symbol=order.symbol,
                client_order_id=order.client_order_id,
                venue_order_id=venue_order_id,
                cum_quantity=ZERO,
            )
        else:
            recently = self._recently(shown.updated_ms, within_ms)
        if recently:
            raise NoAnswerError(
                f"{venue_order_id} no longer waits; what it sent may not show yet", evidence, early=True
            )
        absent = None if known.canceled else ()
        return msgspec.structs.replace(shown, status=VenueOrderStatus.CANCELED, raw_status=None, absent=absent)

    def _waited(self, order: OrderRef) -> bool:
        """Whether the venue once took the order as one that waits: as it was seen, or as the caller has it."""
        known = self._names.get(order.symbol, order.venue_order_id)
        return order.conditional if known is None else known.kind is not Kind.ORDER

    # -------------------------------------------------------------------------------------------- lists

    async def open_orders(self, only: Symbol | None = None) -> Answer:
        """Return every open order and every order that waits, of all markets or of `only` one. Where a list of all is
        cut, each market that may have one is asked for by itself (PROTOCOL 9.47).
        """
        asked: list[Evidence] = []
        rows: dict[str, Report] = {}
        complete, unasked = True, ""
        for ask in (self._open, self._plans):
            reports, evidence = await ask(None if only is None else venue_symbol(only))
            asked.append(evidence)
            parts = [reports]
            if only is not None:
                complete = complete and len(reports) < queries.OPEN_MAX
            elif len(reports) >= queries.OPEN_MAX:
                markets = dict.fromkeys(venue_symbol(r.symbol) for r in reports if isinstance(r, OrderReport))
                try:
                    markets |= dict.fromkeys(await self._markets())
                except NoAnswerError as error:
                    complete, unasked = False, error.cause
                complete = complete and len(markets) <= SYMBOLS_MAX
                for market in list(markets)[:SYMBOLS_MAX]:
                    part, evidence = await ask(market)
                    asked.append(evidence)
                    complete = complete and len(part) < queries.OPEN_MAX
                    parts.append(part)
            rows |= {key(report): report for part in parts for report in part}
        reports = await self.owned(tuple(rows.values()))
        complete = complete and readable(reports)
        evidence, source = joined(asked), Provenance.POLL
        return Answer(reports=reports, evidence=evidence, source=source, complete=complete, unasked=unasked)

    async def _markets(self) -> Sequence[str]:
        """Return the venue's names of all markets that may have an open order: those that cannot be traded now too."""
        return living(await self._rest.public(codec.DETAILS), self._rest.server_clock.now_ms())

    async def history(self, symbol: Symbol, since_ms: int, until_ms: int) -> Answer:
        """Return the orders of one market that ended in the window."""
        return await self._named(await self._windows(codec.ORDER_HISTORY, since_ms, until_ms, symbol))

    async def trades(self, since_ms: int, until_ms: int) -> Answer:
        """Return the trades of the window, each with the name of its order."""
        answer = await self._windows(codec.TRADES, since_ms, until_ms)
        return await self._named(answer)

    async def order_trades(self, order: OrderRef) -> Answer:
        """Return one order's trades. Without the venue's id, or while it waits, the order is found first."""
        venue_order_id, client_order_id = order.venue_order_id, order.client_order_id
        if venue_order_id is None or self.kind(order) is not Kind.ORDER:
            found = await self.find(order)
            (report,) = found.reports
            if not isinstance(report, OrderReport) or report.venue_order_id is None:
                return found
            venue_order_id = report.venue_order_id
        until_ms = self._rest.server_clock.now_ms() + AHEAD_MS
        since_ms = until_ms - queries.SPAN_MAX_S * 1000
        answer = await self._windows(codec.TRADES, since_ms, until_ms, order.symbol, venue_order_id=venue_order_id)
        ours = tuple(
            msgspec.structs.replace(r, client_order_id=client_order_id, venue_order_id=venue_order_id)
            if isinstance(r, TradeReport)
            else r
            for r in answer.reports
            if not isinstance(r, TradeReport) or r.venue_order_id in (None, venue_order_id)  # the query named it
        )
        return msgspec.structs.replace(answer, reports=ours)

    async def _windows(
        self,
        path: str,
        since_ms: int,
        until_ms: int,
        symbol: Symbol | None = None,
        *,
        venue_order_id: VenueOrderId | None = None,
    ) -> Answer:
        """Return what is in a window of milliseconds; it is asked for in whole seconds around it."""
        start_s, end_s = queries.seconds(since_ms, until_ms)
        answer = await bisected(
            lambda start, end: self._rest.keyed(
                path, queries.query_window(start, end, symbol, venue_order_id=venue_order_id)
            ),
            lambda evidence: self._reading.listed(path, evidence),
            queries.spans(start_s, end_s, queries.SPAN_MAX_S),
            rows_max=queries.ROWS_MAX,
            narrowest_refused=1,
            unit_ms=1000,
        )
        proven = (Window(max(part.since_ms, since_ms), min(part.until_ms, until_ms)) for part in answer.proven)
        return msgspec.structs.replace(
            answer,
            reports=tuple(report for report in answer.reports if queries.within(report, since_ms, until_ms)),
            proven=tuple(part for part in proven if part.since_ms <= part.until_ms),
        )

    def _recent(
        self, symbol: Symbol, *, venue_order_id: VenueOrderId | None = None, client_order_id: str | None = None
    ) -> queries.Query:
        """Return a query of as far back as the venue looks at once: unasked, it shows seven days (PROTOCOL 9.47)."""
        end_s = queries.seconds(0, self._rest.server_clock.now_ms() + AHEAD_MS)[1]
        return queries.query_window(
            end_s - queries.SPAN_MAX_S,
            end_s,
            symbol,
            venue_order_id=venue_order_id,
            client_order_id=client_order_id,
        )

    async def _open(self, market: str | None) -> tuple[Reports, Evidence]:
        evidence = await self._rest.keyed(codec.OPEN_ORDERS, queries.query_open(market))
        reports = self._reading.listed(codec.OPEN_ORDERS, evidence)
        self._names.learn(reports)
        self._names.waiting(reports)
        return reports, evidence

    async def _plans(self, market: str | None) -> tuple[Reports, Evidence]:
        evidence = await self._rest.keyed(codec.PLAN_ORDERS, queries.query_open(market))
        reports = self._reading.listed(codec.PLAN_ORDERS, evidence)
        self._names.learn(reports, kind=Kind.PLAN)
        self._names.waiting(reports)
        return reports, evidence

    async def _one(self, symbol: Symbol, venue_order_id: VenueOrderId) -> tuple[Reports, Evidence]:
        evidence = await self._rest.keyed(codec.ORDER, queries.query_order(symbol, venue_order_id))
        return self._reading.listed(codec.ORDER, evidence, tolerated=(ORDER_NOT_FOUND,)), evidence

    # -------------------------------------------------------------------------------------------- whose it is

    async def owned(self, reports: Reports) -> Reports:
        """Return the reports with our names where they belong: on trades, and on what orders of ours have sent."""
        self._names.learn(reports)
        if not any(isinstance(report, OrderReport | TradeReport) for report in reports):
            return reports
        return tuple([await self._owned(report) for report in reports])

    async def pushed(self, reports: Reports) -> tuple[Reports, str]:
        """Return what the stream said, owned, and why it is to be asked about if it is.

        That an order which waited does so no longer says nothing of how: its price came, or it was canceled. Neither is
        reported; asking tells, and what it has sent tells of itself. One that waits without a name, as the venue keeps
        none of plan and trailing orders (PROTOCOL 6.5), is reported so: whoever has sent one knows it by its terms.
        """
        owned = await self.owned(reports)
        kept = tuple(report for report in owned if not self._unclear(report))
        return kept, "" if len(kept) == len(owned) else "an order no longer waits for its price"

    def _unclear(self, report: Report) -> bool:
        if not isinstance(report, OrderReport) or report.status not in ENDED or report.cum_quantity:
            return False
        known = self._names.get(report.symbol, report.venue_order_id)
        if known is None or known.kind is Kind.ORDER or report.venue_order_id is None:
            return False
        self._names.gone(report.symbol, report.venue_order_id, known, self._rest.clock.monotonic())
        return True

    async def _named(self, answer: Answer) -> Answer:
        """Return a list's answer with our names. What would take too many look-ups is left out, and said to be missing:
        the next time most of it is known. So is what a look-up brought no answer to: it hides nobody else's.

        Raises:
            NoAnswerError: there was no answer, and nothing else is there.
        """
        self._names.learn(answer.reports)
        unknown = dict.fromkeys(
            (r.symbol, r.venue_order_id)
            for r in answer.reports
            if isinstance(r, TradeReport) and self._names.get(r.symbol, r.venue_order_id) is None
        )
        postponed = set(list(unknown)[LOOK_UPS_MAX:])
        now = tuple(
            r for r in answer.reports if not isinstance(r, TradeReport) or (r.symbol, r.venue_order_id) not in postponed
        )
        owned, lost = await self._owned_apart(now)
        if lost and not owned:
            raise lost[0]
        if postponed or lost:
            why = lost[0].cause if lost else f"{len(postponed)} orders are left to be looked up the next time"
            return msgspec.structs.replace(answer, reports=owned, complete=False, proven=(), unasked=why)
        return msgspec.structs.replace(answer, reports=owned)

    async def _owned_apart(self, reports: Reports) -> tuple[Reports, list[NoAnswerError]]:
        """Return what can be said whose it is, and why the rest cannot. A venue that stays silent is left in peace."""
        owned: list[Report] = []
        lost: dict[tuple[Symbol, VenueOrderId | None], NoAnswerError] = {}
        for report in reports:
            of = (report.symbol, report.venue_order_id) if isinstance(report, TradeReport) else None
            if of is None or self._names.get(*of) is not None:
                owned.append(await self._owned(report))
            elif of not in lost and len(lost) < LOST_MAX:
                try:
                    owned.append(await self._owned(report))
                except NoAnswerError as error:
                    lost[of] = error
        return tuple(owned), list(lost.values())

    async def _owned(self, report: Report) -> Report:
        match report:
            case OrderReport():
                return await self._owned_order(report)
            case TradeReport(venue_order_id=str() as venue_order_id):
                name = await self._behind(report.symbol, venue_order_id)
                return msgspec.structs.replace(report, client_order_id=name)
            case _:
                return report

    async def _owned_order(self, report: OrderReport) -> OrderReport:
        report = await self._endings.told(report)
        venue_order_id = report.venue_order_id
        if report.triggered_by is not None and venue_order_id is not None:
            name = await self._sent_by(report, report.triggered_by, venue_order_id)
            return msgspec.structs.replace(report, client_order_id=name)
        if report.client_order_id is None:  # a plan order may be shown without the name we gave it
            known = self._names.get(report.symbol, venue_order_id)
            return report if known is None else msgspec.structs.replace(report, client_order_id=known.client_order_id)
        return report

    async def _behind(self, symbol: Symbol, venue_order_id: VenueOrderId) -> ClientOrderId | None:
        """Return our id of a trade's order, None where it has none or the venue no longer has the order."""
        known = self._names.get(symbol, venue_order_id)
        if known is None:
            (report,), _ = await self._one(symbol, venue_order_id)
            if not isinstance(report, OrderReport):
                return None
            self._names.learn((report,))
            if report.triggered_by is not None:
                return await self._sent_by(report, report.triggered_by, venue_order_id)
            known = self._names.get(symbol, venue_order_id)
        return None if known is None else known.client_order_id

    async def _sent_by(self, sent: OrderReport, plan: VenueOrderId, child: VenueOrderId) -> ClientOrderId | None:
        """Return our id of the order that `plan` has sent, which is the plan's; None for a plan that is not ours.

        A plan that is not remembered still waits, or it is history. One that just fired may not show there yet.
        """
        symbol = sent.symbol
        known = self._names.triggered(symbol, plan, child)
        if known is None:
            await self._plans(venue_symbol(symbol))
            evidence = await self._rest.keyed(codec.ORDER_HISTORY, self._recent(symbol, venue_order_id=plan))
            self._names.learn(self._reading.listed(codec.ORDER_HISTORY, evidence))
            known = self._names.triggered(symbol, plan, child)
            if known is None and self._recently(sent.created_ms):
                raise NoAnswerError(f"whose order sent {child} does not show yet", evidence)
        name = known or Name(None)
        self._names.put(symbol, child, name)
        return name.client_order_id

    def _recently(self, at_ms: int | None, within_ms: int = VISIBLE_MS) -> bool:
        return at_ms is None or self._rest.server_clock.now_ms() - at_ms < within_ms

    def _claimed(self, report: OrderReport, order: OrderRef) -> OrderReport:
        """Return an order that waited, and that the venue shows without a name, under the name of the caller."""
        venue_order_id = report.venue_order_id
        if report.client_order_id is not None or venue_order_id is None or not order.conditional:
            return report
        known = self._names.get(report.symbol, venue_order_id) or Name(None, Kind.PLAN)
        name = msgspec.structs.replace(known, client_order_id=order.client_order_id)
        self._names.put(report.symbol, venue_order_id, name)
        return msgspec.structs.replace(report, client_order_id=order.client_order_id)

    async def _ours(self, reports: Iterable[Report], order: OrderRef) -> OrderReport | None:
        """Return the report of the order that is looked for: what it sent comes before itself."""
        found: OrderReport | None = None
        for report in reports:
            if not isinstance(report, OrderReport):
                continue
            if order.venue_order_id is not None and report.triggered_by == order.venue_order_id:
                assert report.venue_order_id is not None
                if self._names.get(order.symbol, order.venue_order_id) is None:
                    self._names.put(order.symbol, order.venue_order_id, Name(order.client_order_id, Kind.PLAN))
                self._names.triggered(order.symbol, order.venue_order_id, report.venue_order_id)
                return msgspec.structs.replace(report, client_order_id=order.client_order_id)
            mine = await self._owned_order(report)
            if same(mine, order):
                found = self._claimed(mine, order)
        return found


def _not_whole(why: str, reports: Reports, evidence: Evidence) -> NoAnswerError:
    """Return what a list that may lack the order amounts to."""
    return NoAnswerError(why, evidence, unreadable=not readable(reports))


def _absent(order: OrderRef, why: str) -> Refusal:
    return Refusal(klass=RefusalClass.CERTAIN, reason=ORDER_NOT_FOUND, text=why, client_order_id=order.client_order_id)
