"""What of a book stands in the way of an order or of a setting, in words that a person reads."""

from oms.account.state import Account
from oms.book import Book
from oms.order.events import OrderRequested
from oms.order.messages import PlaceOrder
from oms.sums import symbol_of, traded
from oms.values import plain, purses


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


def halted(account: Account, command: PlaceOrder | OrderRequested) -> str | None:
    """Return the halt that an order meets, if one does."""
    halt = account.halt_of(command.strategy, command.symbol)
    return None if halt is None else f"{halt.reason} (halt {halt.halt_id})"


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


def switching(account: Account) -> str | None:
    """Return that the position mode is being switched, if it is."""
    return None if account.mode_requested is None else f"a switch to {account.mode_requested} is on its way"
