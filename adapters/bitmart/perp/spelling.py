"""How BitMart futures spells markets and the prices of what waits, and what that is in our words."""

from decimal import Decimal
from functools import lru_cache
from typing import Final

from adapters.bitmart.scalars import NAME_MAX, Wire, positive, text
from oms.errors import UnknownSymbolError
from oms.values import PriceSource, Protection, Symbol

STABLE: Final = ("USDT", "USDC")  # what linear contracts are quoted and settled in
PRICE_SOURCES: Final = {"0": PriceSource.LAST, "1": PriceSource.LAST, "2": PriceSource.MARK}
DOLLAR: Final = "USD"  # what coin-margined contracts are quoted in


@lru_cache(maxsize=8192)
def symbol(venue_symbol: str) -> Symbol:
    """Return ours for the venue's: ``BTCUSDT`` is ``BTC/USDT:USDT``; coin-margined ``BTCUSD`` is ``BTC/USD:BTC``."""
    if len(venue_symbol) > NAME_MAX or not venue_symbol.isalnum():  # what ours is made of must lead back to it
        raise ValueError(f"symbol {venue_symbol!r:.80} is no perpetual's")
    for quote in STABLE:
        if (base := venue_symbol.removesuffix(quote)) != venue_symbol and base:
            return Symbol(f"{base}/{quote}:{quote}")
    base = venue_symbol.removesuffix(DOLLAR)
    if base in ("", venue_symbol):
        raise ValueError(f"symbol {venue_symbol!r:.80} is no perpetual's")
    return Symbol(f"{base}/{DOLLAR}:{base}")


@lru_cache(maxsize=8192)
def venue_symbol(symbol: Symbol) -> str:
    """Return the venue's for ours.

    Raises:
        UnknownSymbolError: it is not the name of a perpetual.
    """
    pair, _, settle = symbol.partition(":")
    base, _, quote = pair.partition("/")
    if not base or not settle or settle != (base if quote == DOLLAR else quote):
        raise UnknownSymbolError(f"{symbol} is not a perpetual")
    return f"{base}{quote}"


def executive_price(value: Wire) -> Decimal | None:
    """Return the limit price of a plan order; a market one has zero, nothing, or a word there."""
    if type(value) is str and value[:1].isalpha():
        return None
    return positive(value)


def preset(price: Wire, price_type: Wire) -> Protection | None:
    """Return what comes into force with an order's fill; by the last price where nothing else is said (PROTOCOL 6.3).
    None too where nobody can tell by which price it goes.
    """
    at, by = positive(price), PRICE_SOURCES.get(text(price_type) or "0")
    return None if at is None or by is None else Protection(price=at, by=by)
