"""What traded before a log's opening is in its opening balances, once: also a trade that the venue's lists hid then.

Such a trade turns up later and is booked like any other, so that its order's story is whole. Then it counts twice, in
the opening and by itself, and the balances say so: ours differ from the venue's by exactly what it moved, coin for
coin, and on perpetuals leg for leg. Its stamp alone would prove nothing, since no two clocks agree; stamp and figures
together do.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from oms import baseline
from oms.account.events import TradesCovered
from oms.account.state import OpeningRevised
from oms.baseline import History
from oms.book import Book, account_stream, order_stream, position_stream
from oms.breaks.decisions import Disagreement
from oms.breaks.events import BreakKind
from oms.busts import MOVED, SEARCH_SECONDS, Recording, Searching
from oms.decide import Addressed, BalancesReport, Given, given
from oms.errors import OvertakenError
from oms.evidence import kept
from oms.explained import combined
from oms.long_lists import ledger_of, trades_of
from oms.order.decisions import external_id
from oms.order.inferred import is_inferred
from oms.order.state import Order, Trade
from oms.ports import Clock, EventLog, Ids, VenueMessage
from oms.position.shown import quantity_of, take_over
from oms.recognition import recognized
from oms.reconcile import Picture
from oms.recovery import booked
from oms.reports import BalanceReport, PositionReport, TradeReport
from oms.sums import leg_of, symbol_of, traded
from oms.values import (
    EXACT,
    ZERO,
    ClientOrderId,
    ExecId,
    PositionLeg,
    Provenance,
    Purse,
    Side,
    Symbol,
    Wallet,
    purse,
    purse_parts,
    purses,
    signed,
    worth,
)
from oms.venue import Answer, NoAnswerError, Venue

SLACK_MS: Final = 5_000  # how far the venue's stamps may be ahead of the mark that our clock set
FIRST_WAIT_SECONDS: Final = 5.0  # a list that hid a trade may go on to: every look that finds nothing doubles the wait
WAIT_SECONDS_MAX: Final = 3_600.0  # and a break may stand for days: one call an hour then
SUSPECTS_MAX: Final = 10  # trades of which every combination is tried
LAG_SECONDS: Final = 35.0  # a list that was right once is thought to lag by half a minute at most
NAMED_MAX: Final = 5  # orders, in what a person is told
UNMOVED: Final = "a moment in which nothing trades, as something moved while it was looked at"
Settled = Callable[[Iterable[Answer | None], Sequence[str]], Awaitable[bool]]

log = structlog.get_logger()


class Moves(Struct, frozen=True):
    """What trades moved, as figures differ by it: legs of perpetuals, by stream, and money. A contract counts there as
    if it were paid for, since what is held did cost is no part of how a balance differs (`oms.reconcile`).
    """

    money: Mapping[Purse, Decimal]
    legs: Mapping[str, Decimal]


class Revision(Struct, frozen=True):
    """What takes `trades` out of the opening again: legs of perpetuals as the venue shows them, then money."""

    trades: tuple[ExecId, ...]
    legs: tuple[tuple[str, PositionReport], ...]
    money: OpeningRevised


class _Look(Struct, frozen=True, kw_only=True):
    """What the venue owns and holds for us, until when trades were read, and what it listed before and after that."""

    before: History
    owned: Answer
    held: Answer
    covered_ms: int
    after: History


class Opening:
    """Takes over what the venue holds when a log begins; where balances differ, looks for trades that count twice."""

    def __init__(self, recording: Recording, venue: Venue, *, event_log: EventLog, clock: Clock, ids: Ids) -> None:
        self._recording = recording
        self._venue = venue
        self._log = event_log
        self._clock = clock
        self._ids = ids
        self._searching = Searching(clock)
        self._unlisted: Sequence[str] = ()  # orders of which a trade is booked that the venue does not list
        self._unlisted_since = float("inf")  # since when, by its seconds
        self._lacked: dict[tuple[ClientOrderId, Decimal, int], float] = {}  # likewise: an order lacks so much
        self._differs = ""  # what did when the venue was asked last
        self._found: tuple[ExecId, ...] = ()  # what explained it then
        self._wait_seconds = FIRST_WAIT_SECONDS  # after a look that finds nothing
        self._again_at = float("-inf")  # when to look again, by the monotonic clock

    async def begin(self, picture: Picture, settled: Settled, read_trades: Callable[[], Awaitable[int]]) -> str:
        """Take over what the venue says we own and hold; return what that waits for, nothing once it is done.

        Not while a trade falls between the looks: then it is in the figures, or it is not, and nobody can tell. Nor,
        for a while, where what is booked is not what the venue counts and lists. `picture` is what it has just shown;
        `settled` says whether nothing that is booked may turn out to be gone, of these orders above all; `read_trades`
        books every trade and says until when they are known.
        """
        if picture.open_orders is None or picture.open_orders.unasked or picture.balances is None:
            return "an answer about open orders and balances"
        if not await settled((picture.open_orders, *picture.looked_up.values()), self._unlisted):
            return "proof that nothing which is booked was taken back"
        book = self._recording.book
        before = given(book)
        try:
            look = await self._look(read_trades)
        except NoAnswerError as error:
            return f"an answer: {error.cause}"
        if not (look.owned.complete and look.held.complete):
            return "a whole list of what it owns, and of what it holds"
        if book is not self._recording.book or given(book) != before or look.after.rows != look.before.rows:
            return UNMOVED
        if awaited := await self._awaited(look.after):
            return awaited
        return "" if await self._taken_over(look, before) else UNMOVED

    async def _look(self, read_trades: Callable[[], Awaitable[int]]) -> _Look:
        """Ask for all that is taken over, between two lists: no more time than that has to pass without a trade. Raises
        NoAnswerError.
        """
        before = await self._listed()
        owned, held = await self._venue.balances(), await self._venue.positions()
        covered_ms = await read_trades()
        return _Look(before=before, owned=owned, held=held, covered_ms=covered_ms, after=await self._listed())

    async def _taken_over(self, look: _Look, before: Given) -> bool:
        """Record what was seen, unless the book moves from how it was `before`; whether it was recorded."""
        book = self._recording.book
        stream = account_stream(book.name)
        balances = tuple(report for report in look.owned.reports if isinstance(report, BalanceReport))
        opening: list[Addressed] = [
            (stream, before),
            *legs_of(book, look.held),
            (stream, BalancesReport(balances=balances, reason="opening")),
            (stream, TradesCovered(until_ms=look.covered_ms)),
        ]
        booked = {trade.exec_id for order in book.orders.values() for trade in order.trades}
        # As listed before the balances, which hold all of that; what was listed after them may have come later.
        if (remembered := look.before.kept(booked)) is not None:
            opening.append((stream, remembered))
        answers = (look.held, look.owned, look.after.traded, look.after.paid)
        evidence = [message for answer in answers for message in kept(answer.evidence, self._ids, self._clock)]
        return await self._recorded(opening, evidence)

    async def _awaited(self, history: History) -> str:
        """Return what is missing of trades: those that the venue counts and does not show, or not what they cost; and
        those that are booked and not listed, which are hidden, or gone and in no figure any more. Each is waited for as
        long at most as a bust may take to prove: what is out of reach for good is from before, and in the balances.
        """
        searched, book = self._searching.goes_on(), self._recording.book
        short = [book.orders[stream] for stream in book.unsettled if book.orders[stream].trades_missing]
        lacks = [(each.request.client_order_id, each.untold_quantity, each.uncharged) for each in short]
        self._lacked = {each: self._lacked.get(each, searched) for each in lacks}
        late = sorted(name for (name, *_), since in self._lacked.items() if searched - since <= SEARCH_SECONDS)
        self._unlisted = await self._not_listed(history)
        self._unlisted_since = min(self._unlisted_since, searched) if self._unlisted else float("inf")
        if late:
            return f"all trades, and what each cost, of {', '.join(late[:NAMED_MAX])}"
        if self._unlisted and searched - self._unlisted_since <= SEARCH_SECONDS:
            return "a list of trades that shows all that is booked"
        return ""

    async def _not_listed(self, history: History) -> Sequence[str]:
        """Return the orders of which something is booked, of the time that was asked for, and not listed."""
        listed = {each.exec_id for each in history.traded.reports if isinstance(each, TradeReport)}
        unlisted: list[str] = []
        for stream, order in list(self._recording.book.orders.items()) if history.traded.complete else ():
            hidden = [each for each in order.trades if not is_inferred(each) and each.exec_id not in listed]
            times = await booked(self._log, stream) if hidden else {}
            known = [times.get(each.exec_id) for each in hidden]
            if any(at is None or at.dated_ms >= history.since_ms for at in known):
                unlisted.append(stream)
        return unlisted

    async def _recorded(self, reports: Sequence[Addressed], evidence: Sequence[VenueMessage]) -> bool:
        """Record `reports`, unless the book moves before they are decided; whether they were recorded."""
        try:
            await self._recording.report(reports, source=Provenance.POLL, evidence=evidence)
        except OvertakenError:
            return False
        return True

    async def _listed(self) -> History:
        """Ask for what the venue dates from right before this log, and for whatever came since: the log may have begun
        long before this, and its clock may have been ahead when they came. Raises NoAnswerError.
        """
        opened_ms = self._recording.opened_ns // 1_000_000
        since_ms = opened_ms - baseline.MARGIN_MS
        ahead_ms = max(opened_ms, self._clock.now_ns() // 1_000_000) + baseline.MARGIN_MS
        traded = await trades_of(self._venue, since_ms, ahead_ms)
        paid = await ledger_of(self._venue, since_ms, ahead_ms)
        for answer in (traded, paid):
            if answer.unasked:
                raise NoAnswerError(answer.unasked, answer.evidence)
        return History(since_ms=since_ms, opened_ms=opened_ms, traded=traded, paid=paid)

    async def corrected(self, differences: Sequence[Disagreement], held: Answer | None = None) -> bool:
        """Take out of the opening what explains `differences`, if anything does, and still does after a while: a trade
        that was taken back may be listed for a moment yet, and explains as much. `held` shows the positions that were
        compared. Returns whether it did.

        The venue is asked for the trades from the log's beginning to its opening: few, and no restart has to remember
        them. A look that it does not answer, or not all of, is none.
        """
        book = self._recording.book
        before = given(book)
        differs = "; ".join(f"{each.break_id} {each.figures}" for each in differences if each.kind in MOVED)
        now = self._clock.monotonic()
        if not differs:
            self._found = ()  # of what differs as much some day, it proves nothing
        elif differs != self._differs:
            self._differs, self._wait_seconds = differs, FIRST_WAIT_SECONDS
            self._again_at = self._again_at if self._found else now
        if not differs or not book.account.opened_ms or now < self._again_at:
            return False
        answer = await self._listed_before()
        if answer is None:
            return False
        for report in _from_before(book, answer):
            await self._recording.known(order_stream(book.name, external_id(report)))  # it may have left memory
        seen, found = self._found, revised(self._recording.book, differences, answer, held)
        if found is not None and await self._may_be_gone(found.trades, answer):
            found = None
        self._found = () if found is None else found.trades
        if found is None:
            self._again_at = now + self._wait_seconds
            self._wait_seconds = min(self._wait_seconds * 2, WAIT_SECONDS_MAX)
            return False
        if found.trades != seen:
            self._again_at = now + LAG_SECONDS
            return False
        revision: list[Addressed] = [(account_stream(book.name), each) for each in (before, found.money)]
        revision[1:1] = found.legs  # before the money, as at the opening
        return await self._recorded(revision, kept(answer.evidence, self._ids, self._clock))

    async def _may_be_gone(self, trades: Collection[ExecId], listed: Answer) -> bool:
        """Whether a trade of that time just like one of these is booked and not listed: where the venue has taken it
        back, figures differ by as much, and that is for another look to prove.
        """
        there = {each.exec_id for each in listed.reports if isinstance(each, TradeReport)}
        all_ = [(stream, order, each) for stream, order in self._recording.book.orders.items() for each in order.trades]
        alike = {_kind(order, each) for _, order, each in all_ if each.exec_id in trades}
        for stream, order, each in all_:
            if each.exec_id not in there and not is_inferred(each) and _kind(order, each) in alike:
                at = (await booked(self._log, stream)).get(each.exec_id)
                if at is None or at.dated_ms <= self._until_ms:
                    return True
        return False

    @property
    def _until_ms(self) -> int:
        opened_ms = max(self._recording.opened_ns // 1_000_000, self._recording.book.account.opened_ms)
        return opened_ms + baseline.MARGIN_MS

    async def _listed_before(self) -> Answer | None:
        """Ask for the trades from the log's beginning to its opening, each under the name that its order has here; None
        where they could not be asked for.
        """
        account = self._recording.book.account
        since_ms = baseline.since_ms(account, self._recording.opened_ns) - SLACK_MS
        try:
            answer = await trades_of(self._venue, since_ms, self._until_ms)
        except NoAnswerError as error:
            log.warning("could not look for what counts twice", account=self._recording.account, cause=error.cause)
            return None
        return None if answer.unasked else recognized(self._recording.book, answer)


def legs_of(book: Book, held: Answer) -> Sequence[tuple[str, PositionReport]]:
    """Return every leg of a perpetual that the venue holds, or that we do and it does not: to be taken over as it is.
    Before the balances, since what backs them is part of what those hold.
    """
    legs = {
        position_stream(book.name, each.symbol, each.leg or PositionLeg.NET): each
        for each in held.reports
        if isinstance(each, PositionReport)
    }
    for stream, leg in book.positions.items():
        if leg.quantity and stream not in legs and traded(stream).base is None:
            legs[stream] = _flat(stream)
    return [(stream, legs[stream]) for stream in sorted(legs)]


def revised(
    book: Book, differences: Iterable[Disagreement], listed: Answer, held: Answer | None = None
) -> Revision | None:
    """Return what is to be taken out of the opening, if the trades in `listed` that happened before it explain figures
    that differ; None if they do not. Of perpetuals nothing does where `held` does not show all positions.
    """
    wrong = {each.break_id: each for each in differences if each.kind in MOVED and each.difference}
    legs = dict(legs_of(book, held)) if held is not None and held.complete else None
    moves = _suspects(book, listed, contracts=legs is not None)
    for some in combined(tuple(moves), SUSPECTS_MAX):
        found = _taken_out(book, some, _sum([moves[name] for name in some]), wrong, legs or {})
        if found is not None:
            return found
    return None


def _suspects(book: Book, listed: Answer, *, contracts: bool) -> Mapping[ExecId, Moves]:
    """Return what each of these trades moved, where somebody else's order made it and it is booked."""
    suspects: dict[ExecId, Moves] = {}
    for report in _from_before(book, listed):
        order = book.orders.get(order_stream(book.name, external_id(report)))
        if order is None or order.attempts or (purses(report.symbol).base is None and not contracts):
            continue  # our own orders traded after the opening, since nothing is sent before
        trade = next((each for each in order.trades if each.exec_id == report.exec_id), None)
        if trade is not None:
            suspects[trade.exec_id] = _moved(order, trade)
    return suspects


def _taken_out(
    book: Book,
    trades: tuple[ExecId, ...],
    twice: Moves,
    wrong: Mapping[str, Disagreement],
    shown: Mapping[str, PositionReport],
) -> Revision | None:
    """Return what takes out what counts `twice`; None if that is not how figures differ, or if the venue does not say
    what a leg did cost without it.
    """
    if not (twice.money or twice.legs):
        return None
    legs: list[tuple[str, PositionReport]] = []
    costs: dict[Purse, Decimal] = {}
    for stream, quantity in twice.legs.items():
        ours, settle, nothing = book.positions[stream], traded(stream).quote, _flat(stream)
        report = replace(shown.get(stream, nothing), leverage=None, margin_mode=None)  # those are learned by themselves
        change = take_over(report, ours.contract_size, ours)
        without = EXACT.subtract(ours.quantity, quantity)
        confirmed = _difference(wrong.get(f"{BreakKind.POSITION}:{stream.split('/', 2)[2]}")) == -quantity
        if not confirmed or quantity_of(report) != without or (quantity and not change):
            return None
        legs.append((stream, report))
        costs[settle] = EXACT.add(costs.get(settle, ZERO), sum((each.cost_change for each in change), ZERO))
    changes: dict[Purse, Decimal] = {}
    for name in sorted({*twice.money, *costs}):
        amount, cost = twice.money.get(name, ZERO), costs.get(name, ZERO)
        changes[name] = EXACT.subtract(cost, amount)
        told = wrong.get(f"{BreakKind.BALANCE}:{'/'.join(purse_parts(name))}")
        if _difference(told) != -amount and not (name in costs and _apart(told) == changes[name]):
            return None
    return Revision(trades, tuple(legs), OpeningRevised(changes=changes, trades=trades))


def _kind(order: Order, trade: Trade) -> tuple[Symbol, Side, PositionLeg, Decimal]:
    """Return what makes two trades move figures alike, but for their price."""
    return order.request.symbol, order.request.side, order.request.position_leg, trade.quantity


def _flat(stream: str) -> PositionReport:
    return PositionReport(symbol=symbol_of(stream), leg=leg_of(stream), quantity=ZERO)


def _difference(told: Disagreement | None) -> Decimal:
    return ZERO if told is None or told.difference is None else told.difference


def _apart(told: Disagreement | None) -> Decimal:
    """Return the venue's total less ours, whatever positions did cost: a venue may not say what that is."""
    return ZERO if told is None else EXACT.subtract(Decimal(told.theirs), Decimal(told.ours))


def _from_before(book: Book, traded: Answer) -> Sequence[TradeReport]:
    """Return the trades from before the opening, by their date or because they were listed then, that may count twice:
    not booked before it, and not taken out of it yet.
    """
    account = book.account
    until_ms = account.opened_ms + SLACK_MS
    listed = frozenset[ExecId](() if account.history is None else account.history.trades)
    counted = account.revised.union(() if account.history is None else account.history.booked)
    return [
        report
        for report in traded.reports
        if isinstance(report, TradeReport)
        and report.at_ms is not None
        and report.exec_id not in counted
        and (report.at_ms <= until_ms or report.exec_id in listed)
    ]


def _moved(order: Order, trade: Trade) -> Moves:
    request = order.request
    base, quote = purses(request.symbol)
    quantity = signed(request.side, trade.quantity)
    money = {quote: -worth(quantity, trade.price, request.contract_size)}
    if base is not None:
        money[base] = quantity
    if trade.commission is not None and trade.commission_currency is not None:
        paid = purse(Wallet.FUTURES if base is None else Wallet.SPOT, trade.commission_currency)
        money[paid] = EXACT.subtract(money.get(paid, ZERO), trade.commission)
    leg = position_stream(request.account, request.symbol, request.position_leg)
    return Moves(money, {leg: quantity} if base is None else {})


def _sum(moves: Sequence[Moves]) -> Moves:
    money: dict[Purse, Decimal] = {}
    legs: dict[str, Decimal] = {}
    for each in moves:
        for name, amount in each.money.items():
            money[name] = EXACT.add(money.get(name, ZERO), amount)
        for stream, quantity in each.legs.items():
            legs[stream] = EXACT.add(legs.get(stream, ZERO), quantity)
    return Moves({name: amount for name, amount in money.items() if amount}, legs)
