"""Events folded into a book, with what follows from each in the same commit, pure: a trade moves its position leg, a
flat leg needs no protection any more, and what the opening balances hold is not owned a second time.
"""

from collections.abc import Sequence
from decimal import Decimal

from oms.account import state as accounts
from oms.account.events import AccountEvent
from oms.account.state import Account, OpeningRevised
from oms.baseline import is_before
from oms.book import Book, Event, account_stream, order_stream, position_stream
from oms.moves import MOVING, moved
from oms.order import decisions as orders
from oms.order.events import (
    CancelRequested,
    CommissionReported,
    ExternalOrderSeen,
    InferredFillReplaced,
    OrderEvent,
    OrderFilled,
)
from oms.order.state import CLOSED, EXTERNAL, Order
from oms.position.events import FillBooked, FillReversed, PositionEvent
from oms.position.shown import given_back
from oms.position.state import FLAT, Position
from oms.sums import State, leg_of, symbol_of, traded
from oms.values import EXACT, ZERO

Fact = tuple[str, Event, State]  # stream, event, the state it led to


def fold_order(
    book: Book, stream: str, events: Sequence[OrderEvent], facts: list[Fact], *, dated_ms: int | None = None
) -> Order | None:
    """Fold `events` and what they move, put both into `facts`, and return the order that they lead to. `dated_ms` is
    when the venue says that the trade among them happened (UTC).
    """
    if any(isinstance(event, InferredFillReplaced) for event in events):
        dated_ms = None  # what stood for the trade moved the figures already: its date says nothing more
    for event in events:
        order = book.order(stream, event)
        facts.append((stream, event, order))
        if type(event) in MOVING:
            if isinstance(event, OrderFilled | CommissionReported) and _is_in_opening(book, order, event, dated_ms):
                _move_once(book, order, event, facts)
            else:
                _move(book, order, event, facts)
    return book.orders.get(stream)


def _move(book: Book, order: Order, event: OrderEvent, facts: list[Fact]) -> None:
    leg = position_stream(order.request.account, order.request.symbol, order.request.position_leg)
    changes = moved(book.positions.get(leg, FLAT), order, event)
    facts.extend((leg, change, book.leg(leg, change)) for change in changes)


def _is_in_opening(book: Book, order: Order, event: OrderFilled | CommissionReported, dated_ms: int | None) -> bool:
    """Whether the balances that were taken over hold this trade, or what it cost, and nobody has told of it since. One
    that was taken out of them, and then taken back, moves something when it comes again, and so does what it cost,
    which may be told later.
    """
    account, name = book.account, event.exec_id
    if name in order.busted or (isinstance(event, OrderFilled) and name in account.revised):
        return False
    return name in account.opening_trades or (not order.attempts and _was_before(account, event, dated_ms))


def _was_before(account: Account, event: OrderFilled | CommissionReported, dated_ms: int | None) -> bool:
    """Whether a trade of somebody else's order, as ours are sent after it, is from before the opening for certain: by
    its date, or because it was booked by then and only lacked what it cost.
    """
    booked = () if account.history is None or isinstance(event, OrderFilled) else account.history.booked
    return is_before(account, dated_ms) or event.exec_id in booked


def _move_once(book: Book, order: Order, event: OrderFilled | CommissionReported, facts: list[Fact]) -> None:
    """Move what a trade moves, so that its story is whole, and take it out of what was taken over."""
    request, owned = order.request, dict(book.totals)
    leg = position_stream(request.account, request.symbol, request.position_leg)
    before = book.positions.get(leg, FLAT)
    _move(book, order, event, facts)
    base, quote = traded(leg)
    if base is None:
        fold_leg(book, leg, given_back(before, book.positions[leg]), facts)
    changes = {name: EXACT.subtract(owned.get(name, ZERO), total) for name, total in book.totals.items()}
    # A trade that moved no money is named all the same: it counts when it comes again.
    changes = {name: change for name, change in changes.items() if change or name == quote}
    fold_account(book, accounts.revise(OpeningRevised(changes, trades=(event.exec_id,)), book.totals), facts)


def fold_leg(book: Book, stream: str, events: Sequence[PositionEvent], facts: list[Fact]) -> State:
    """Fold `events` of a leg, put them into `facts`, and return the leg."""
    facts.extend((stream, event, book.leg(stream, event)) for event in events)
    return book.positions.get(stream, FLAT)


def fold_account(book: Book, events: Sequence[AccountEvent], facts: list[Fact]) -> State:
    """Fold `events` of the account, put them into `facts`, and return the account."""
    stream = account_stream(book.name)
    facts.extend((stream, event, book.apply(stream, event)) for event in events)
    return book.account


def unprotect_flat(book: Book, facts: list[Fact]) -> None:
    """End what protects the legs that one message has closed, or turned round, and what shows only now that its leg is
    flat. One that is flat between two of its events was not flat at the venue: a real trade takes the place of an
    inferred one, a list names the newest first.
    """
    began: dict[str, Decimal] = {}
    flat: dict[str, None] = {}
    for stream, event, after in facts:
        if isinstance(event, FillBooked | FillReversed) and isinstance(after, Position) and traded(stream).base is None:
            began.setdefault(stream, EXACT.subtract(after.quantity, event.quantity))
            if not after.quantity:
                flat[stream] = None
    seen = [(stream, _gone_before(book, stream)) for stream, event, _ in facts if isinstance(event, ExternalOrderSeen)]
    for stream in flat:
        held = book.positions[stream].quantity
        if not held or (held > ZERO) is not (began[stream] > ZERO):
            _unprotect(book, stream, book.positions[stream], facts)
    for stream, gone in seen:
        if gone is not None:
            _end(book, stream, gone, facts)


def _gone_before(book: Book, stream: str) -> Position | None:
    """Return the flat leg that an order of the venue's protects, if that is what it made of a preset and shows only now
    that the position has come and gone: all that the preset's order traded is booked. None otherwise.
    """
    child, account = book.orders[stream], book.orders[stream].request.account
    parent = None if child.parent is None else book.orders.get(order_stream(account, child.parent))
    if parent is None or not child.waits or parent.life not in CLOSED or parent.untold_quantity or not parent.trades:
        return None
    leg = book.positions.get(position_stream(account, child.request.symbol, child.request.position_leg), FLAT)
    return None if leg.quantity else leg


def _unprotect(book: Book, leg: str, flat: Position, facts: list[Fact]) -> None:
    """Ask for the end of every order that waited to close a leg which is flat now: what is left of a bracket would
    close the next position (S27, S28). One commit with the fill, so that no restart comes between.
    """
    market = (symbol_of(leg), leg_of(leg))
    for stream in list(book.open):
        each = book.orders[stream]
        protects = each.waits and each.request.reduces and each.request.strategy != EXTERNAL
        if protects and (each.request.symbol, each.request.position_leg) == market:
            _end(book, stream, flat, facts)


def _end(book: Book, stream: str, flat: Position, facts: list[Fact]) -> None:
    if any(name.startswith(orders.FLAT) for name in book.orders[stream].cancels):
        return  # it is ending; what anybody else asked for may be refused
    end = CancelRequested(request_id=f"{orders.FLAT}{flat.version}", reason="the position that it closes is flat")
    facts.append((stream, end, book.order(stream, end)))
