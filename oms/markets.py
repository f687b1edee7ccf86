"""What the running system does with its market data by itself: follows what is configured, and keeps the marks."""

from collections.abc import Iterable, Mapping

from oms.decide import Decider
from oms.errors import UnknownSymbolError
from oms.market_data import MarketData
from oms.values import AccountId, Symbol


def follow_markets(
    names: Iterable[str], markets: Mapping[AccountId, MarketData], deciders: Mapping[AccountId, Decider]
) -> None:
    """Follow the markets of those names, each at the venue of the accounts that have it, and keep the marks that come
    where decisions look for them.

    Raises:
        UnknownSymbolError: no account has one of them.
    """
    wanted = {Symbol(name) for name in names}
    unknown = set(wanted)
    for account, venue in markets.items():
        decider = deciders[account]
        here = wanted & decider.instruments.keys()
        unknown -= here
        venue.on_mark(decider.marks.__setitem__)
        venue.follow(here)
    if unknown:
        raise UnknownSymbolError(
            f"market_data.follow names {', '.join(sorted(unknown))}, which no account has",
            next_step="correct it; `oms config show --origin` shows where it comes from",
        )
