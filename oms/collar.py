"""A price collar, pure: a limit price is held against the best price it would trade with, and a book that is not whole
and fresh is no ground to open anything on (S59).
"""

from decimal import Decimal
from typing import Final

from oms.market_data import Quote
from oms.order.events import OrderRequested
from oms.values import EXACT, ONE, Side, plain

_SECOND_NS: Final = 1_000_000_000


def untrusted(quote: Quote, at_ns: int, seconds: float) -> str | None:
    """Return why a quote may not be relied on at a moment (UTC), None if it may: its book is whole and was heard within
    `seconds`. A clock that was set back since leaves it dated ahead, of any age: ahead by `seconds` at most, as the
    clocks of two accounts may differ, it is no older than twice that.
    """
    if not quote.valid or quote.book_ns is None:
        return f"the book of {quote.symbol} is not whole"
    age = (at_ns - quote.book_ns) / _SECOND_NS
    if age < -seconds:
        return f"the book of {quote.symbol} was last heard {-age:.1f} s ahead of the clock"
    return f"the book of {quote.symbol} was last heard {age:.1f} s ago" if age > seconds else None


def opposite(quote: Quote, side: Side) -> Decimal | None:
    """Return the best price that an order would trade with; None: nobody offers one."""
    return quote.ask if side is Side.BUY else quote.bid


def outside(request: OrderRequested, best: Decimal, width: Decimal) -> str | None:
    """Return how the price of `request` is worse than `best` by more than the fraction `width`, None if it is not."""
    price = request.price
    if price is None:
        return None
    buys = request.side is Side.BUY
    bound = EXACT.multiply(best, EXACT.add(ONE, width) if buys else EXACT.subtract(ONE, width))
    if price <= bound if buys else price >= bound:
        return None
    side = "ask" if buys else "bid"
    return f"{plain(price)} is beyond {plain(bound)}, {plain(width)} from the best {side} {plain(best)}"
