"""How BitMart futures spells markets, and what that is in our words."""

from functools import lru_cache
from typing import Final

from adapters.bitmart.scalars import NAME_MAX
from oms.errors import UnknownSymbolError
from oms.values import Symbol

STABLE: Final = ("USDT", "USDC")  # what linear contracts are quoted and settled in
DOLLAR: Final = "USD"  # what coin-margined contracts are quoted in


@lru_cache(maxsize=8192)
def symbol(venue_symbol: str) -> Symbol:
    """Return ours for the venue's: ``BTCUSDT`` is ``BTC/USDT:USDT``; coin-margined ``BTCUSD`` is ``BTC/USD:BTC``."""
    if len(venue_symbol) > NAME_MAX:
        raise ValueError(f"symbol {venue_symbol!r:.80} is no perpetual's")
    for quote in STABLE:
        if (base := venue_symbol.removesuffix(quote)) != venue_symbol and base:
            return Symbol(f"{base}/{quote}:{quote}")
    base = venue_symbol.removesuffix(DOLLAR)
    if base in ("", venue_symbol) or not venue_symbol.isalnum():
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
