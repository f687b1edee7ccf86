"""Our book and the venue's word, compared, pure: what to record, what must still be asked, and what disagrees.

Nothing here concludes from what a list does not show: an order missing from it was asked about in the wrong place, or
at the wrong moment, until the venue was asked for that very order and for its trades. And nothing is invented: a figure
of the venue that no order and no trade explains is a disagreement, for a person to end.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeGuard

from msgspec import Struct

from oms.account.modes import Known, PositionModeLook, known, see
from oms.book import Book, account_stream, order_stream, position_stream
from oms.breaks.decisions import Disagreement
from oms.breaks.events import BreakKind
from oms.disputed import disputed
from oms.errors import InvalidOrderError
from oms.figures import Figures, between, costs_here, costs_there, figures_of, of_balances, of_positions, wallet_of
from oms.order.decisions import external, external_id, record
from oms.order.events import OrderRequested
from oms.order.state import CLOSED, Life, Order, evolve, fold
from oms.position.shown import contradicts, quantity_of
from oms.position.state import FLAT, Position
from oms.reports import (
    BalanceReport,
    OrderReport,
    PositionModeReport,
    PositionReport,
    TradeReport,
    VenueOrderStatus,
)
from oms.values import (
    EXACT,
    AccountId,
    PositionLeg,
    Purse,
    Symbol,
    plain,
    purse,
    purses,
)
from oms.venue import Answer

OPEN: Final = frozenset({VenueOrderStatus.PENDING_NEW, VenueOrderStatus.NEW, VenueOrderStatus.PARTIALLY_FILLED})
News = tuple[str, OrderReport | TradeReport | PositionModeLook]  # the stream it is about, and what the venue says of it

_NOTHING: Final[Mapping[str, Answer]] = MappingProxyType({})


class Part(StrEnum):
    """What the venue is asked about."""

    ORDERS = "orders"
    TRADES = "trades"
    BALANCES = "balances"
    POSITIONS = "positions"


class Result(StrEnum):
    """How much of a comparison came about."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"


class Picture(Struct, frozen=True, kw_only=True):
    """What the venue said in one comparison. A part that could not be asked is None, and `failures` says why.

    `looked_up` and `fills` hold, by stream, what was asked of single orders: their state, their trades. `sent` is what
    was open, by stream, when the list of open orders was asked for, `known` what was known of the position mode when
    the positions were, and `figures` what the book said right before balances and positions; None: what it says now.
    """

    open_orders: Answer | None = None
    sent: Mapping[str, OrderRequested] = MappingProxyType({})
    trades: Answer | None = None
    trades_since_ms: int = 0
    trades_until_ms: int = 0
    balances: Answer | None = None
    positions: Answer | None = None
    known: Known | None = None
    figures: Figures | None = None
    looked_up: Mapping[str, Answer] = _NOTHING
    fills: Mapping[str, Answer] = _NOTHING
    failures: Mapping[Part, str] = MappingProxyType({})

    @property
    def result(self) -> Result:
        """Whether every part could be asked, some, or none."""
        if not self.failures:
            return Result.COMPLETE
        return Result.FAILED if len(self.failures) == len(Part) else Result.PARTIAL


class Finding(Struct, frozen=True):
    """What one answer adds to what we know: one commit, with its bytes."""

    answer: Answer
    news: tuple[News, ...]


class Reconciliation(Struct, frozen=True, kw_only=True):
    """What closes the gap: `findings` are to be recorded in their order, `disagreements` remain.

    `asked` are the kinds of which everything that is not listed agrees, but for `unsure`: there something is under way.
    `short` are those whose figures lack what a person was told of: they disagree for sure, and prove nothing else.
    `differed` are, by break id, the figures of what disagreed with the book as it was when the venue was asked.
    """

    findings: tuple[Finding, ...]
    disagreements: tuple[Disagreement, ...]
    differed: Mapping[str, str]
    asked: frozenset[BreakKind]
    unsure: frozenset[str]
    short: frozenset[str]


def reconcile(book: Book, picture: Picture) -> Reconciliation:
    """Compare `picture` with `book`. Once the findings are in the book, the same picture finds nothing any more."""
    differ: list[Disagreement] = []
    differed: list[Disagreement] = []
    if picture.balances is not None or picture.positions is not None:
        differ.extend(_of_figures(now := figures_of(book), book, picture))
        differed.extend(_of_figures(picture.figures or now, book, picture))
    disagreements = [*_of_orders(book, picture), *_of_lists(book, picture), *differ]
    if picture.positions is not None:
        disagreements.extend(_of_settings(book, picture.positions))
    return Reconciliation(
        findings=tuple(_findings(book, picture)),
        disagreements=tuple(disagreements),
        differed={each.break_id: each.figures for each in differed},
        asked=_asked(picture),
        unsure=frozenset(_unsure(book, picture)) | between(differed, differ),
        short=frozenset(_under_way(book, told=True)),
    )


def questions(book: Book, picture: Picture) -> Sequence[str]:
    """Return the streams of the orders that must be asked for before anything is concluded: those in doubt, those whose
    end was asked for, those that work here and are not listed, and those that are known by their trades alone.
    """
    shown = {address(book.name, each) for each in _orders(picture.open_orders)}
    asked: dict[str, None] = {}
    for stream in book.unsettled:
        order = book.orders[stream]
        if order.life is Life.IN_DOUBT or ((order.cancels or order.amends) and order.life not in CLOSED):
            asked[stream] = None
    if picture.open_orders is not None:
        asked.update(dict.fromkeys(unlisted(book, shown)))
    for trade in _trades(picture.trades):
        stream = address(book.name, trade)
        if stream not in book.orders and stream not in shown:
            asked[stream] = None
    return [stream for stream in asked if stream not in picture.looked_up]


def address(account: AccountId, report: OrderReport | TradeReport) -> str:
    """Return the stream that a report is about: by our client order id, else by the venue's own."""
    return order_stream(account, external_id(report))


def unlisted(book: Book, listed: Collection[str]) -> Sequence[str]:
    """Return the streams of orders that we hold for working and the venue's list of open orders does not show."""
    return [stream for stream in book.open if book.orders[stream].life is Life.WORKING and stream not in listed]


def totals(balances: Sequence[BalanceReport]) -> Mapping[Purse, Decimal]:
    """Return the total by purse, from whichever figures the venue gave."""
    found: dict[Purse, Decimal] = {}
    for balance in balances:
        if balance.total is not None:
            found[purse(balance.wallet, balance.currency)] = balance.total
        elif balance.available is not None and balance.held is not None:
            found[purse(balance.wallet, balance.currency)] = EXACT.add(balance.available, balance.held)
    return found


# ------------------------------------------------------------------------------------------------ what to record


def _findings(book: Book, picture: Picture) -> Iterable[Finding]:
    """Yield one finding for what follows on one another in one answer."""
    before: Finding | None = None
    for finding in _in_order(book, picture):
        if before is not None and before.answer is finding.answer:
            before = Finding(before.answer, (*before.news, *finding.news))
            continue
        if before is not None:
            yield before
        before = finding
    if before is not None:
        yield before


def _in_order(book: Book, picture: Picture) -> Iterable[Finding]:
    """Yield what is news: orders nobody here knew, then trades, so that a picture of an order that counts them already
    finds them booked, then the orders; before all of it the mode that the account's perpetuals are in.
    """
    if picture.positions is not None:
        as_of = picture.known or known(book.account)
        shown = [each.mode for each in picture.positions.reports if isinstance(each, PositionModeReport)]
        looks = [PositionModeLook(mode=mode, known=as_of) for mode in shown]
        news = tuple((account_stream(book.name), look) for look in looks if see(look, book.account))
        if news:
            yield Finding(picture.positions, news)
    lists = [answer for answer in (picture.open_orders, *picture.looked_up.values()) if answer is not None]
    traded = [answer for answer in (picture.trades, *picture.fills.values()) if answer is not None]
    standing: dict[str, Order] = {}
    foreign = {address(book.name, each) for answer in lists for each in _orders(answer)} - book.orders.keys()
    for answer in lists:
        yield from _news(
            book, standing, answer, [each for each in _orders(answer) if address(book.name, each) in foreign]
        )
    for answer in traded:
        yield from _news(book, standing, answer, _trades(answer))
    for answer in lists:
        yield from _news(
            book, standing, answer, [each for each in _orders(answer) if address(book.name, each) not in foreign]
        )


def _news(
    book: Book, standing: dict[str, Order], answer: Answer, reports: Iterable[OrderReport | TradeReport]
) -> Iterable[Finding]:
    """Yield the finding of those of `reports` that say something new; `standing` is how the orders stand with them."""
    news: list[News] = []
    for report in reports:
        stream = address(book.name, report)
        order = standing.get(stream) or book.orders.get(stream)
        if order is not None:
            events = record(report, order, answer.source)
            for event in events:
                order = evolve(order, event)
        else:
            try:
                events = external(report, book.name) if isinstance(report, OrderReport) else ()
            except InvalidOrderError:
                events = ()
            order = fold(events)
        if events:
            assert order is not None
            standing[stream] = order
            news.append((stream, report))
    if news:
        yield Finding(answer, tuple(news))


def _orders(answer: Answer | None) -> list[OrderReport]:
    return [] if answer is None else [each for each in answer.reports if isinstance(each, OrderReport)]


def _trades(answer: Answer | None) -> list[TradeReport]:
    """Return trades in the order in which they happened, as what a perpetual earns hangs on it: lists name the newest
    first.
    """
    trades = [] if answer is None else [each for each in answer.reports if isinstance(each, TradeReport)]
    return sorted(trades, key=lambda trade: trade.at_ms or 0)


# ------------------------------------------------------------------------------------------------ what disagrees


def _of_orders(book: Book, picture: Picture) -> Iterable[Disagreement]:
    """Yield orders that the venue contradicted, those that it works otherwise than was sent, and those that it lists
    although they are over here.
    """
    for order in book.orders.values():
        if order.flagged:
            yield disputed(order)
    for report in _orders(picture.open_orders):
        known = book.orders.get(address(book.name, report))
        if known is not None and known.life in CLOSED and report.status in OPEN:
            yield Disagreement(
                kind=BreakKind.STATE,
                subject=external_id(report),
                ours=known.life.value,
                theirs=f"listed as {report.status}",
                symbol=report.symbol,
            )
        if known is not None and report.status in OPEN and not known.amends:
            yield from _otherwise(known, report)


def _otherwise(order: Order, report: OrderReport) -> Iterable[Disagreement]:
    """Yield what an order is worked at, or for, that was not sent so. What protects a position grows with it."""
    sent = order.request
    for kind, ours, theirs in (
        (BreakKind.PRICE, sent.price, report.price),
        (BreakKind.QUANTITY, sent.quantity if order.origin is None else None, report.quantity),
    ):
        if ours is not None and theirs and ours != theirs:
            yield Disagreement(
                kind=kind,
                subject=external_id(report),
                ours=plain(ours),
                theirs=plain(theirs),
                difference=EXACT.subtract(theirs, ours),
                symbol=report.symbol,
            )


def _of_lists(book: Book, picture: Picture) -> Iterable[Disagreement]:
    """Yield lists that the venue cut: what they do not show may be there. One of which a part could not be asked for
    has failed, and says nothing here.
    """
    if _answered(picture.trades) and not picture.trades.complete:
        yield Disagreement(
            kind=BreakKind.HISTORY,
            subject="trades",
            ours=f"whole up to {book.account.covered_ms or picture.trades_since_ms} ms",
            theirs="the lists of trades since then are cut",
            until_ms=picture.trades_until_ms,
        )
    for subject, answer in _lists(picture):
        if _answered(answer) and not answer.complete:
            yield Disagreement(
                kind=BreakKind.COVERAGE,
                subject=subject,
                ours="every order of ours was asked for by itself"
                if answer is picture.open_orders
                else "what is listed",
                theirs="the list is cut: others may be missing",
            )


def _asked(picture: Picture) -> frozenset[BreakKind]:
    """Return of which kinds of break whatever is not listed agrees, but for what is unsure."""
    asked: set[BreakKind] = set()
    if _answered(picture.trades):
        asked.add(BreakKind.HISTORY)
    if any(_answered(answer) for _, answer in _lists(picture)):
        asked.add(BreakKind.COVERAGE)
    if _answered(picture.open_orders) and picture.open_orders.complete:
        asked |= {BreakKind.STATE, BreakKind.PRICE, BreakKind.QUANTITY}
    if picture.balances is not None:
        asked.add(BreakKind.BALANCE)
    if picture.positions is not None:
        asked |= {BreakKind.POSITION, BreakKind.LEVERAGE}
    return frozenset(asked)


def _answered(answer: Answer | None) -> TypeGuard[Answer]:
    return answer is not None and not answer.unasked


def _of_figures(ours: Figures, book: Book, picture: Picture) -> Iterable[Disagreement]:
    """Yield what the venue says that we own and hold otherwise than these figures of ours."""
    balances, positions = picture.balances, picture.positions
    if balances is not None:
        yield from of_balances(ours, _owned(balances), costs_there(positions), whole=balances.complete)
    if positions is not None:
        yield from of_positions(ours, _held(book, positions), whole=positions.complete)


def _of_settings(book: Book, answer: Answer) -> Iterable[Disagreement]:
    """Yield legs that the venue backs otherwise than the log says."""
    for report in answer.reports:
        if isinstance(report, PositionReport) and contradicts(report, leg := backed(book, report)):
            ours, theirs = (
                " ".join(said for said in ("" if leverage is None else f"{plain(leverage)}x", mode or "") if said)
                for leverage, mode in ((leg.leverage, leg.margin_mode), (report.leverage, report.margin_mode))
            )
            yield Disagreement(
                kind=BreakKind.LEVERAGE, subject=leg_of(report), ours=ours, theirs=theirs, symbol=report.symbol
            )


def backed(book: Book, report: PositionReport) -> Position:
    """Return our leg with what is known of what backs it: of the leg itself, or of its market."""
    own = book.positions.get(position_stream(book.name, report.symbol, report.leg or PositionLeg.NET), FLAT)
    market = book.positions.get(position_stream(book.name, report.symbol, PositionLeg.NET), FLAT)
    return own if own.leverage is not None else market


def leg_of(report: PositionReport) -> str:
    """Return the name under which a break speaks of a leg."""
    return f"{report.symbol}/{report.leg or PositionLeg.NET}"


def _unsure(book: Book, picture: Picture) -> Iterable[str]:
    yield from _under_way(book, told=False)
    yield from _changed(book, picture.sent)
    yield from _unread(book, picture)


def _changed(book: Book, sent: Mapping[str, OrderRequested]) -> Iterable[str]:
    """Yield the breaks about orders that are worked otherwise since the list was asked: it may show how they were."""
    for stream, before in sent.items():
        order = book.orders.get(stream)
        if order is not None and (order.request.price, order.request.quantity) != (before.price, before.quantity):
            yield from _of_its_terms(order)


def _of_its_terms(order: Order) -> Iterable[str]:
    yield from (f"{kind}:{order.request.client_order_id}" for kind in (BreakKind.PRICE, BreakKind.QUANTITY))


def _under_way(book: Book, *, told: bool) -> Iterable[str]:
    """Yield the breaks that nobody can tell of now: an order whose trades are not all known moves its figures, and a
    change how it is worked. Or, where trades are missing for so long that a person was `told` of it, those.
    """
    for stream in book.unsettled:
        order = book.orders[stream]
        if order.amends and not told:
            yield from _of_its_terms(order)
        doubted = order.life is Life.IN_DOUBT
        if (order.trades_missing or doubted) and (not doubted and told_short(book, order)) is told:
            drawn = purses(order.request.symbol)
            yield from (f"{BreakKind.BALANCE}:{wallet_of(name)}" for name in drawn if name is not None)
            yield f"{BreakKind.POSITION}:{order.request.symbol}/{order.request.position_leg}"


def told_short(book: Book, order: Order) -> bool:
    """Whether a person was told that trades of an order are missing, or what they cost."""
    known, name = book.account.breaks, f"{BreakKind.FILLS}:{order.request.client_order_id}"
    return name in known.open or name in known.accepted


def _unread(book: Book, picture: Picture) -> Iterable[str]:
    """Yield the breaks that nobody can tell of as a list is not whole: what it does not show may be there."""
    unread = [subject for subject, answer in _lists(picture) if not _answered(answer)]
    if BreakKind.COVERAGE in _asked(picture):
        yield from (f"{BreakKind.COVERAGE}:{subject}" for subject in unread)
    balances, positions = picture.balances, picture.positions
    if balances is not None and not balances.complete:
        shown_here = {f"{BreakKind.BALANCE}:{wallet_of(name)}" for name in _owned(balances)}
        yield from (f"{BreakKind.BALANCE}:{wallet_of(name)}" for name in book.totals.keys() - _owned(balances).keys())
        yield from (name for name in _told(book, BreakKind.BALANCE) if name not in shown_here)
    if positions is None or not positions.complete:
        yield from (f"{BreakKind.BALANCE}:{wallet_of(name)}" for name, cost in costs_here(book).items() if cost)
        shown = {} if positions is None else _held(book, positions)
        for stream in book.positions.keys() - shown.keys():
            yield from (f"{kind}:{stream.split('/', 2)[2]}" for kind in (BreakKind.POSITION, BreakKind.LEVERAGE))
        seen = {stream.split("/", 2)[2] for stream in shown}
        told = _told(book, BreakKind.POSITION, BreakKind.LEVERAGE)
        yield from (name for name in told if name.partition(":")[2] not in seen)


def _told(book: Book, *kinds: BreakKind) -> Sequence[str]:
    """Return the breaks of these kinds that are open, or that were accepted and may go on."""
    known = book.account.breaks
    return [name for name in (*known.open, *known.accepted) if name.partition(":")[0] in kinds]


def _lists(picture: Picture) -> Iterable[tuple[str, Answer | None]]:
    yield "open_orders", picture.open_orders
    yield "balances", picture.balances
    yield "positions", picture.positions


def _owned(answer: Answer) -> Mapping[Purse, Decimal]:
    return totals([each for each in answer.reports if isinstance(each, BalanceReport)])


def _held(book: Book, answer: Answer) -> Mapping[str, Decimal]:
    return {
        position_stream(book.name, each.symbol, each.leg or PositionLeg.NET): quantity_of(each)
        for each in answer.reports
        if isinstance(each, PositionReport)
    }


def is_perpetual(symbol: Symbol) -> bool:
    """Whether `symbol` names a perpetual: those say what they settle in."""
    return ":" in symbol
