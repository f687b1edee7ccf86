"""What of a book stands in the way of an order or of a setting, in words that a person reads."""

from oms.account.state import Account
from oms.book import Book
from oms.breaks.state import Policy, blocking
from oms.order.events import OrderRequested
from oms.order.messages import PlaceOrder
from oms.risk import Denial
from oms.sums import symbol_of, traded
from oms.values import Symbol, plain, purses, reduces
from oms.winddown import WindDown


def busy(book: Book) -> str | None:
    """Return what is open on perpetuals, if anything is."""
    for stream in book.open:
        request = book.orders[stream].request
        if purses(request.symbol).base is None:
            return f"order {request.client_order_id} is open"
    for stream, leg in book.positions.items():
        if leg.quantity and traded(stream).base is None:
            return f"{plain(leg.quantity)} of {symbol_of(stream)} are held"
    return None


def stopped(command: PlaceOrder | OrderRequested, account: Account, policy: Policy) -> str | None:
    """Return what keeps an order that opens from being taken, and from leaving once it was: a halt, a switch of the
    position mode, a break of its market. Who decides and who sends both ask this, so that they cannot come to differ.
    """
    return halted(account, command) or switching(account, command.symbol) or blocked(account, policy, command.symbol)


def ended(command: PlaceOrder | OrderRequested, plan: WindDown, at_ns: int) -> str | None:
    """Return why the venue's own end keeps an order from being taken, and from leaving once it was; both ask this, too.
    On spot no order only closes.
    """
    perpetual = purses(command.symbol).base is None
    closes = perpetual and reduces(command.side, command.position_leg, reduce_only=command.reduce_only)
    return plan.denies(at_ns, reduces=closes)


def barred(request: OrderRequested, account: Account, policy: Policy, plan: WindDown, at_ns: int) -> Denial | None:
    """Return what keeps an order, or a change of it, from leaving by now."""
    if (over := ended(request, plan, at_ns)) is not None:
        return Denial("wind_down", over)
    reason = None if request.reduces else stopped(request, account, policy)
    return None if reason is None else Denial("trading_halted", reason)


def halted(account: Account, command: PlaceOrder | OrderRequested) -> str | None:
    """Return the halt that an order meets, if one does."""
    halt = account.halt_of(command.strategy, command.symbol)
    return None if halt is None else f"{halt.reason} (halt {halt.halt_id})"


def switching(account: Account, symbol: Symbol) -> str | None:
    """Return that the position mode of perpetuals is being switched, if it is and `symbol` is one."""
    if account.mode_requested is None or purses(symbol).base is not None:
        return None
    return f"a switch to {account.mode_requested} is on its way"


def blocked(account: Account, policy: Policy, symbol: Symbol) -> str | None:
    """Return the break that keeps orders on `symbol` from opening, if one does."""
    found = blocking(account.breaks, policy, symbol)
    return None if found is None else f"break {found.break_id}: {found.ours} here, {found.theirs} at the venue"


def unproven(command: PlaceOrder | OrderRequested, book: Book) -> str | None:
    """Return why an order would stand where another one may still work: the same strategy's, on the same market and
    side, whose cancel had no answer, or was refused as if it were over (S04, S05, S14).
    """
    wanted = (command.strategy, command.symbol, command.side, command.position_leg)
    for order in book.unproven():
        request = order.request
        if (request.strategy, request.symbol, request.side, request.position_leg) == wanted:
            return f"{request.client_order_id} was to be canceled, and may still work: its end is not proven yet"
    return None
