"""What the running system does about markets by itself: follows those that are configured, keeps the marks, and asks
again what the markets are like.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

import structlog
from msgspec.structs import replace

from oms.decide import Decider
from oms.errors import UnknownSymbolError
from oms.market_data import MarketData
from oms.values import AccountId, Symbol
from oms.venue import NoAnswerError, Venue

REFRESH_SECONDS: Final = 900.0  # grids, fees, tiers, and which markets there are
AGAIN_SECONDS: Final = 5.0  # after a catalogue that could not be had whole: until it can, there are no balances either

log = structlog.get_logger()


async def keep_instruments(decider: Decider, venue: Venue, *, age: float = 0.0) -> None:
    """Ask for the markets again and again, for ever: one that is delisted, or costs more, is not what it was at the
    start. A catalogue that cannot be had leaves the last one; a market that is not in it any more takes no orders.
    `age` is that of the decider's, in seconds: a standby may have waited for days since it asked.
    """
    pause = max(REFRESH_SECONDS - age, 0.0)
    while True:
        await asyncio.sleep(pause)
        pause = REFRESH_SECONDS
        try:
            markets = await venue.instruments()
        except NoAnswerError as error:
            log.warning("could not ask for the markets", account=decider.account, cause=error.cause)
            pause = AGAIN_SECONDS
            continue
        gone = {symbol: replace(market, tradable=False) for symbol, market in decider.instruments.items()}
        decider.instruments = gone | {market.symbol: market for market in markets}


def follow_markets(
    names: Iterable[str],
    markets: Mapping[AccountId, MarketData],
    deciders: Mapping[AccountId, Decider],
    *,
    cut: bool = False,
) -> None:
    """Follow the markets of those names and those that a collar needs, each at the venue of the accounts that have it,
    and keep what comes where decisions look for it. `cut`: a venue has not named all of its markets yet.

    Raises:
        UnknownSymbolError: no account has one of them, or one whose position has a limit, which would hold nothing.
    """
    wanted = {Symbol(name) for name in names}
    wanted |= {symbol for decider in deciders.values() for symbol in decider.limits.collar}
    unknown = wanted.difference(*(deciders[account].instruments for account in markets))
    limited = {symbol for decider in deciders.values() for symbol in decider.limits.position_max}
    unknown |= limited.difference(*(decider.instruments for decider in deciders.values()))
    for account, venue in markets.items():
        decider = deciders[account]
        venue.on_mark(decider.marks.__setitem__)
        decider.quotes = venue.quote
        venue.follow(wanted & decider.instruments.keys())
    if unknown and not cut:
        raise UnknownSymbolError(
            "market_data.follow, limits.collar or limits.position_max names"
            f" {', '.join(sorted(unknown))}, which no account has",
            next_step="correct it; `oms config show --origin` shows where it comes from",
        )
