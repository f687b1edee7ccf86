"""Asks the venue about one account and records what it says: one comparison, one order, one doubt at a time.

What an answer means is decided in `oms.reconcile`, purely; here are the questions, their order and their patience. The
same survey serves the running OMS and a rehearsal that only shows what would be recorded.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from math import inf
from typing import Final, Protocol

import structlog
from msgspec.structs import replace

from oms import busts, perpetuals
from oms.absence import Absence
from oms.account.events import TradesCovered
from oms.account.modes import known
from oms.book import Book, account_stream
from oms.breaks import decisions as breaks
from oms.breaks.decisions import DisagreementsReport
from oms.breaks.events import BreakKind
from oms.confirmed import Seen
from oms.decide import Addressed
from oms.evidence import concluded, kept
from oms.figures import figures_of
from oms.long_lists import trades_of
from oms.lookback import Lookback
from oms.lost import Lost
from oms.opening import Opening
from oms.order.inferred import final
from oms.order.state import CLOSED, Life, Order
from oms.ports import Clock, EventLog, Ids, VenueMessage
from oms.proofs import found
from oms.quarantine import keep_unreadable
from oms.recognition import recognized, recognized_all
from oms.reconcile import Part, Picture, Reconciliation, address, questions, reconcile, told_short
from oms.recovered import runs
from oms.reports import OrderReport, PositionModeReport, TradeReport
from oms.sending import order_behind, order_ref
from oms.standing import Standing, sightings
from oms.values import Provenance, Symbol
from oms.venue import Answer, NoAnswerError, OrderRef, Venue, require_time, takes_a_search

OVERLAP_MS: Final = 30_000  # trades are asked for from so long before the last look: pages overlap, ids tell them apart
LONG_MS: Final = 600_000  # a gap that is read part by part, look by look: all of it at once would keep all else waiting
AT_ONCE: Final = frozenset({BreakKind.HISTORY})
NEVER: Final = float("-inf")
LAG_SECONDS: Final = 120.0  # a trade is listed whose order is not found: waited for so long, then told by the figures
UNANSWERED_MAX: Final = 3  # orders of a market that could not be asked for in a row, before its others have to wait
UNANSWERED_IN_ALL: Final = 9  # before everybody has to
EARLY_MAX: Final = 6  # orders of which nothing can be said yet, since they are gone too lately, beside a whole look
ASKED_AT_START: Final = 10  # unsettled orders that trading waits for: others may have asked for forty in this window
COVERED_EVERY_MS: Final = 60_000  # how often the log is told how far trades are known, as a start reads on from there,
COVERED_TRADES: Final = 100  # and at each look that lists so many: a start may not make the calls of a busy minute

log = structlog.get_logger()


class Recording(busts.Recording, Protocol):
    """Where what the venue says is recorded: the engine, or a rehearsal."""

    @property
    def written_ns(self) -> int: ...
    @property
    def resumed_ns(self) -> int: ...


Heard = Callable[[Provenance, float], None]  # how we learned of a trade, and seconds after it happened
Polled = Callable[[Sequence[Addressed]], None]  # what the venue had to be asked for


class Survey:
    """One account's questions to its venue. `on_fill` is told of every trade that is news, and how late it is;
    `on_polled` of all news that came by asking. `clock` keeps the venue's time, as windows and marks are its dates.
    """

    def __init__(self, recording: Recording, venue: Venue, *, event_log: EventLog, clock: Clock, ids: Ids) -> None:
        self.on_fill: list[Heard] = []
        self.on_polled: list[Polled] = []
        self._recording = recording
        self._venue = venue
        self._log = event_log
        self._clock = clock
        self._ids = ids
        self._began_ns = clock.now_ns()
        self._traded_until_ms = 0  # trades are known up to here, but for what overlaps
        self._read_until_ms = 0  # and were read up to here: what came after that was cut
        self._orderless: dict[str, float] = {}  # by stream: since when a trade is listed whose order nobody knows
        self._unanswered: dict[str, float] = {}  # by stream: when an order could not be asked for
        self._fills_unanswered: dict[str, float] = {}  # by stream: when an order could not be asked for its trades
        self._opening = Opening(recording, venue, event_log=event_log, clock=clock, ids=ids)
        self._lost = Lost(recording, venue, clock=clock, ids=ids)
        self._busts = busts.Busts(recording, venue, event_log=event_log, clock=clock, ids=ids)
        self._perpetuals = perpetuals.Perpetuals(recording, venue, clock=clock, ids=ids)
        self._lookback = Lookback(recording, venue, self.record, self._perpetuals.look_back, clock=clock)
        self._keep = partial(keep_unreadable, recording, ids=ids, clock=clock)
        self._absence = Absence(recording, venue, self.record, self._keep, event_log=event_log, clock=clock, ids=ids)
        self._seen = Seen()

    # ------------------------------------------------------------------------------------------------ everything

    async def compare(self, *, starting: bool = False) -> Standing:
        """Ask for everything, record what is news, and say what could not be asked and what disagrees.

        `starting`: trading waits for this comparison, and the process before us may have used the venue's rates up. So
        what takes a call for each order, or searches, is left to the looks that follow: what is in doubt counts as live
        meanwhile, an order short of trades makes its figures unsure, and what disagrees waits. An account that is not
        taken over yet waits for all of it: nothing is, while trades are missing.
        """
        starting = starting and self._opened
        backing = self._perpetuals.known()
        picture = recognized_all(self._book, await self._ask_everything(starting=starting))
        orders = sightings(self._book, picture)
        strangers = self._orders_behind(picture)
        await self._record_all(picture)
        if picture.trades is not None:
            unknown = await self._mark(picture.trades, strangers, picture.trades_until_ms)
            if unknown:
                picture = replace(picture, failures={**picture.failures, Part.TRADES: unknown})
        if not starting:
            await self._absence.prove(picture)
            await self._lost.infer(picture)
        opened = opened_before = self._opened
        unconfirmed = False
        waits_for = "" if opened else await self._opening.begin(picture, self._busts.settled, self.read_trades)
        opened = not waits_for
        if opened and picture.positions is not None:
            await self._perpetuals.learn(picture.positions, backing)
        # What was recorded just now may explain what disagreed: only what stands once it is in the book counts.
        reconciled = reconcile(self._book, picture)
        # One order that nobody can ask for keeps no figure from being explained, but for its own, which is unsure.
        if opened_before and not (picture.failures.keys() - {Part.ORDERS} or starting):
            reconciled = await self._explained(reconciled, picture)
        if opened:
            unread = await self._perpetuals.read_ledger(reconciled.disagreements if opened_before else ())
            if unread is not None and starting:
                picture = replace(picture, failures={**picture.failures, Part.BALANCES: unread})
            if await self._opening.corrected(self._seen.confirmed(reconciled), picture.positions):
                reconciled = reconcile(self._book, picture)
            reconciled = replace(
                reconciled,
                disagreements=(*reconciled.disagreements, *self._lost.disagreements, *self._absence.disagreements),
                asked=reconciled.asked | {BreakKind.FILLS},
                unsure=reconciled.unsure | self._lost.unsure(picture),
            )
            unconfirmed = await self._tell(reconciled, picture, starting=starting)
        return Standing(
            result=picture.result,
            opened=opened,
            waits_for=waits_for,
            confirmed=not unconfirmed,
            failures=picture.failures,
            disagreements=reconciled.disagreements if opened else (),
            orders=orders,
        )

    async def _explained(self, reconciled: Reconciliation, picture: Picture) -> Reconciliation:
        """Look for what explains a disagreement; return how it stands then."""
        remaining, told = (*reconciled.disagreements, *self._lost.disagreements), self._book.account.breaks
        sure = {each.break_id for each in self._seen.confirmed(reconciled)} - told.accepted.keys() | told.open.keys()
        if await self._lookback.look([each for each in remaining if each.break_id in sure - reconciled.unsure]):
            reconciled = reconcile(self._book, picture)
        await self._busts.look(reconciled, (picture.open_orders, *picture.looked_up.values()))
        return reconciled

    async def _ask_everything(self, *, starting: bool) -> Picture:
        failures: dict[Part, str] = {}

        async def asked(part: Part, question: Awaitable[Answer]) -> Answer | None:
            try:
                answer = recognized(self._book, await question)
            except NoAnswerError as error:
                failures.setdefault(part, error.cause)
                await self._keep(error, part)
                return None
            if answer.unasked:
                failures.setdefault(part, answer.unasked)
            await self._keep(answer)
            return answer

        sent = {stream: self._book.orders[stream].request for stream in self._book.open}
        open_orders = await asked(Part.ORDERS, self._venue.open_orders())
        since_ms, until_ms = self._window()
        traded = await asked(Part.TRADES, self._trades(since_ms, until_ms))
        picture = Picture(open_orders=open_orders, trades=traded, trades_since_ms=since_ms, trades_until_ms=until_ms)
        looked_up = await self._look_up(picture, failures, starting=starting)
        fills = {} if starting else await self._ask_for_fills(traded, failures)
        figures = figures_of(self._book)
        balances = await asked(Part.BALANCES, self._venue.balances())
        before, switching = known(self._book.account), self._recording.decider.switching()
        positions = await asked(Part.POSITIONS, self._venue.positions())
        if positions is not None and (switching or self._recording.decider.switching()):  # of before, or after
            reports = tuple(each for each in positions.reports if not isinstance(each, PositionModeReport))
            positions = replace(positions, reports=reports)
        return Picture(
            open_orders=open_orders,
            sent=sent,
            trades=traded,
            trades_since_ms=since_ms,
            trades_until_ms=until_ms,
            looked_up=looked_up,
            fills=fills,
            balances=balances,
            positions=positions,
            known=before,
            figures=figures,
            failures=failures,
        )

    async def _look_up(self, picture: Picture, failures: dict[Part, str], *, starting: bool) -> Mapping[str, Answer]:
        """Ask for every order that the lists leave open; one that cannot be asked for does not keep us from others."""
        answers: dict[str, Answer] = {}
        for answer in (picture.open_orders, picture.trades):
            for report in () if answer is None else answer.reports:
                if isinstance(report, OrderReport | TradeReport):
                    await self._recording.known(self._stream_of(report))
        for stream in self._book.unsettled:
            self._absence.count(stream, self._book.orders[stream])
        behind = self._orders_behind(picture)
        unanswered, unsettled, early = Counter[Symbol](), 0, 0
        asked = questions(self._book, picture)
        late = self._unanswered = {name: at for name, at in self._unanswered.items() if name in asked}
        for stream in sorted(asked, key=lambda name: late.get(name, NEVER)):  # who had no answer comes last
            order = self._book.orders.get(stream)  # memory may have been rebuilt while the last one was asked for
            name = behind.get(stream) if order is None else order_ref(order)
            if name is None or unanswered[name.symbol] >= UNANSWERED_MAX:
                continue
            if starting and order is not None and order.unsettled:  # else the polls ask for it
                if unsettled >= ASKED_AT_START or takes_a_search(self._venue, name):
                    continue
                unsettled += 1
            if order is not None:
                self._absence.asked(stream, order)
            try:
                answers[stream] = recognized(self._book, await self._venue.order(name))
                unanswered[name.symbol] = 0
            except NoAnswerError as error:
                early += error.early
                if error.early and early <= EARLY_MAX:
                    continue
                failures.setdefault(Part.ORDERS, f"{stream}: {error.cause}")
                await self._keep(error, stream)
                late[stream] = self._clock.monotonic()
                unanswered[name.symbol] += 1
                if unanswered.total() >= UNANSWERED_IN_ALL:
                    break
        return answers

    def _orders_behind(self, picture: Picture) -> Mapping[str, OrderRef]:
        """Return how the venue knows the orders behind trades that nobody here knows."""
        reports = () if picture.trades is None else picture.trades.reports
        return {
            stream: order_behind(report)
            for report in reports
            if isinstance(report, TradeReport) and (stream := self._stream_of(report)) not in self._book.orders
        }

    async def _ask_for_fills(self, traded: Answer | None, failures: dict[Part, str]) -> Mapping[str, Answer]:
        """Ask by itself for each order whose trades the list did not bring."""
        brought = {
            self._stream_of(each)
            for each in (() if traded is None else traded.reports)
            if isinstance(each, TradeReport) and self._is_new(each)
        }
        answers: dict[str, Answer] = {}
        late = self._fills_unanswered = {
            stream: at for stream, at in self._fills_unanswered.items() if stream in self._book.unsettled
        }
        unanswered = 0
        in_turn = sorted(self._book.unsettled, key=lambda name: late.get(name, NEVER))
        for stream in in_turn:
            order = self._book.orders.get(stream)
            if order is None or not order.trades_missing or order.venue_order_id is None or stream in brought:
                continue
            try:
                answers[stream] = await self._venue.order_trades(order_ref(order))
                await self._keep(answers[stream])
            except NoAnswerError as error:
                failures.setdefault(Part.TRADES, f"{stream}: {error.cause}")
                await self._keep(error, stream)
                late[stream] = self._clock.monotonic()
                unanswered += 1
                if unanswered >= UNANSWERED_MAX:
                    break
        return answers

    def _window(self) -> tuple[int, int]:
        """Return since when trades are to be asked for: from before the last look by the overlap, never from before
        this log's opening, and until when.
        """
        recording, now_ms = self._recording, self._now_ms()
        account, began_ms = self._book.account, perpetuals.began_ms(recording, now_ms)
        known_ms = max(self._traded_until_ms, self._read_until_ms) or account.covered_ms
        known_ms = known_ms or recording.resumed_ns // 1_000_000
        known_ms = min(known_ms, now_ms)  # the venue's clock may have been set back since
        since_ms = max(known_ms - OVERLAP_MS, min(account.waived_ms, now_ms), began_ms)
        return since_ms, max(now_ms, since_ms)

    async def _trades(self, since_ms: int, until_ms: int) -> Answer:
        """Ask for the trades of a window that ends now; where they are cut, for the rest of it, too. Of a long one only
        for those behind what overlaps, so that the next window begins later than this one. Raises NoAnswerError.
        """
        require_time(self._venue)
        past_ms = since_ms + OVERLAP_MS if until_ms - since_ms > LONG_MS else inf
        return await trades_of(self._venue, since_ms, until_ms, past_ms=past_ms)

    async def _mark(self, traded: Answer, strangers: Mapping[str, OrderRef], until_ms: int) -> str:
        """Trades are known until then, now that what was listed is recorded; unless the order behind one, of those that
        were not in memory before, is not known: it is listed again, and its order asked for again, for a while. Returns
        what is not known.
        """
        traded_here = self._recording.decider.instruments
        now = self._clock.monotonic()
        asked = [stream for stream, name in strangers.items() if name.symbol in traded_here]
        unknown = [stream for stream in asked if not await self._recording.known(stream)]
        self._orderless = {stream: self._orderless.get(stream, now) for stream in unknown}
        waited_for = [stream for stream, since in self._orderless.items() if now - since < LAG_SECONDS]
        if traded.complete and not waited_for:
            self._traded_until_ms = self._read_until_ms = until_ms
        elif not waited_for:  # the next list begins where this one was cut, so that every gap is read some day
            since_ms, _ = self._window()
            if (read_ms := traded.whole_until(since_ms)) > since_ms:
                self._read_until_ms = max(self._read_until_ms, read_ms)
        return f"trades are listed of orders that are not found: {', '.join(waited_for)}" if waited_for else ""

    @property
    def _opened(self) -> bool:
        account = self._book.account
        return bool(account.adjustments) or account.covered_ms > 0

    # ------------------------------------------------------------------------------------------------ what remains

    async def _tell(self, reconciled: Reconciliation, picture: Picture, *, starting: bool) -> bool:
        """Tell the log of what disagrees, once it is confirmed; that a list is cut needs no second look before anything
        was sent. Return whether something has still to be confirmed.
        """
        disagreements, unsure = reconciled.disagreements, reconciled.unsure
        at_once = AT_ONCE if starting else frozenset()
        fresh = self._seen.fresh(reconciled)
        waiting = {each.break_id for each in disagreements if each.break_id in fresh and each.kind not in at_once}
        self._seen.keep(reconciled)
        evidence: list[VenueMessage] = []
        told = DisagreementsReport(
            kinds=reconciled.asked,
            unsure=unsure | waiting,
            disagreements=tuple(each for each in disagreements if each.break_id not in waiting),
            at_ns=self._clock.now_ns(),
        )
        reports: list[Addressed] = []
        if breaks.report(told, self._book.account.breaks):
            for answer in (picture.balances, picture.positions):
                if answer is not None:
                    evidence.extend(kept(answer.evidence, self._ids, self._clock))
            told = replace(told, evidence=tuple(message.message_id for message in evidence))
            reports.append((self._account_stream, told))
        covered_ms, paid_ms = self._book.account.covered_ms, self._perpetuals.read_ms
        wrote_since = self._recording.written_ns // 1_000_000 > covered_ms
        busy = picture.trades is not None and len(picture.trades.reports) >= COVERED_TRADES
        every_ms = 1 if busy else COVERED_EVERY_MS
        unpaid = paid_ms >= self._book.account.paid_ms + COVERED_EVERY_MS
        if wrote_since and (self._traded_until_ms >= covered_ms + every_ms or unpaid):
            until_ms = max(covered_ms, self._traded_until_ms)
            reports.append((self._account_stream, TradesCovered(until_ms=until_ms, paid_ms=paid_ms)))
        if reports:
            await self._recording.report(reports, source=Provenance.POLL, evidence=evidence)
        self._recording.decider.looked(told)
        return not waiting <= unsure

    # ------------------------------------------------------------------------------------------------ one order

    async def settle(self, stream: str, *, sparing: bool = False) -> None:
        """Ask what is to be asked about one order, `sparing`: unless it takes a search. Raises NoAnswerError."""
        order = self._book.orders.get(stream)
        if order is None or (sparing and takes_a_search(self._venue, order_ref(order))):
            return
        if order.life is Life.IN_DOUBT:
            self._absence.count(stream, order)
            await self._resolve(stream, order)
        elif order.trades_missing and not told_short(self._book, order):  # then `compare` goes on asking
            await self.record(await self._venue.order_trades(order_ref(order)))
        elif (order.cancels or order.amends) and order.life not in CLOSED:
            await self._resolve(stream, order)

    async def _resolve(self, stream: str, order: Order) -> None:
        """Ask for an order that is in doubt, or that the venue may have ended. What it does not know is searched for
        with everything else (`compare`): one search serves many orders.
        """
        looked = await self._venue.order(order_ref(order))
        if found(looked) is not False:
            self._absence.shown(stream)
            await self.record(looked)

    # ------------------------------------------------------------------------------------------------ recording

    async def read_trades(self) -> int:
        """Book every trade since the last look; return until when (UTC ms) trades are known. Raises NoAnswerError."""
        since_ms, until_ms = self._window()
        traded = await self._trades(since_ms, until_ms)
        strangers = self._orders_behind(Picture(trades=recognized(self._book, traded)))
        await self.record(traded)
        if unknown := await self._mark(traded, strangers, until_ms):
            raise NoAnswerError(unknown, traded.evidence)
        return self._traded_until_ms or self._now_ms()

    async def record(self, answer: Answer) -> None:
        """Record what one answer says of orders and trades. Raises NoAnswerError: orders behind trades that nobody here
        knows could not be asked for; the rest was recorded.
        """
        await self._keep(answer)
        answer = recognized(self._book, answer)
        if answer.source is Provenance.STREAM:  # it tells of what happens now, a list of what did
            for report in answer.reports:
                if isinstance(report, OrderReport | TradeReport):
                    at_ms = report.updated_ms if isinstance(report, OrderReport) else report.at_ms
                    self._absence.shown(self._stream_of(report), at_ms)
        looked_up: dict[str, Answer] = {}
        unanswered: list[NoAnswerError] = []
        for stream, name in (await self._behind(answer)).items():
            try:
                looked_up[stream] = await self._venue.order(name)
            except NoAnswerError as error:
                unanswered.append(error)
                if len(unanswered) >= UNANSWERED_MAX:
                    break
        picture = recognized_all(self._book, Picture(open_orders=answer, trades=answer, looked_up=looked_up))
        await self._record_all(picture)
        if unanswered:
            raise unanswered[0]

    async def _record_all(self, picture: Picture) -> None:
        """Record what is news in a picture. An order that was brought into memory for it may have left again while
        others were: its trades say nothing then, and are looked at by themselves, right after it is brought back.
        """
        trades = () if picture.trades is None else picture.trades.reports
        away: dict[str, list[TradeReport]] = {}
        for each in trades:
            if isinstance(each, TradeReport) and (name := self._stream_of(each)) not in self._book.orders:
                away.setdefault(name, []).append(each)
        for finding in reconcile(self._book, picture).findings:
            await self._report(finding.news, finding.answer)
        for stream, theirs in away.items():
            if picture.trades is not None and await self._recording.known(stream):
                alone = Picture(trades=replace(picture.trades, reports=tuple(theirs)))
                for finding in reconcile(self._book, alone).findings:
                    await self._report(finding.news, finding.answer)

    def _stream_of(self, report: OrderReport | TradeReport) -> str:
        return address(self._recording.account, report)

    async def _behind(self, answer: Answer) -> Mapping[str, OrderRef]:
        """Bring every order that an answer speaks of into memory; return, by stream, those behind trades that the log
        does not hold and the answer does not show.
        """
        account, behind = self._recording.account, dict[str, OrderRef]()
        shown = {address(account, each) for each in answer.reports if isinstance(each, OrderReport)}
        for report in answer.reports:
            if isinstance(report, OrderReport | TradeReport):
                stream = address(account, report)
                if not await self._recording.known(stream) and isinstance(report, TradeReport) and stream not in shown:
                    behind[stream] = order_behind(report)
        return behind

    async def _report(self, news: Sequence[Addressed], answer: Answer) -> None:
        # What a known trade did cost is news to the log, and nothing that a stream still has to tell.
        unheard = [each for each in news if not isinstance(each[1], TradeReport) or self._is_new(each[1])]
        late = [report.at_ms for _, report in unheard if isinstance(report, TradeReport)]
        for source, part in runs(news, answer.source, self._began_ns):
            evidence = kept(answer.evidence, self._ids, self._clock)
            told = concluded(part, evidence)
            await self._recording.report(told, source=source, evidence=evidence)
        for at_ms in late:
            if at_ms is not None:
                for heard in self.on_fill:
                    heard(answer.source, max(self._now_ms() - at_ms, 0) / 1000)
        if answer.source is Provenance.POLL:
            for polled in self.on_polled:
                polled(unheard)

    def _is_new(self, trade: TradeReport) -> bool:
        order = self._book.orders.get(self._stream_of(trade))
        return order is None or all(known.exec_id != trade.exec_id for known in order.trades)

    @property
    def lacking(self) -> bool:
        """Whether an order is over and not all of its trades are here, and nobody was told of that yet."""
        over = (order for stream in self._book.unsettled if final(order := self._book.orders[stream]))
        return any(not told_short(self._book, order) for order in over)

    @property
    def _book(self) -> Book:
        return self._recording.book

    @property
    def _account_stream(self) -> str:
        return account_stream(self._recording.account)

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000
