"""Lists that are longer than one answer: what is left of a window is asked for, as often as that brings more.

One answer has a bound, and a busy market may have more in the time that a proof needs.
"""

from collections.abc import Awaitable, Callable
from math import inf
from typing import Final

from msgspec.structs import replace

from oms.values import Symbol
from oms.venue import Answer, Venue, Window, joined

PARTS_MAX: Final = 8  # of one list, each as long as an adapter reads at once


async def trades_of(venue: Venue, since_ms: int, until_ms: int, *, past_ms: float = inf) -> Answer:
    """Return the account's trades in a window; no further than what lies behind `past_ms`, once that is read."""
    return await _read_on(lambda from_ms: venue.trades(since_ms=from_ms, until_ms=until_ms), since_ms, past_ms)


async def orders_ended(venue: Venue, symbol: Symbol, since_ms: int, until_ms: int) -> Answer:
    """Return the orders of a market that ended in a window."""
    return await _read_on(lambda from_ms: venue.order_history(symbol, since_ms=from_ms, until_ms=until_ms), since_ms)


async def ledger_of(venue: Venue, since_ms: int, until_ms: int, *, past_ms: float = inf) -> Answer:
    """Return what moved money in a window and is no trade, likewise."""
    return await _read_on(lambda from_ms: venue.ledger(since_ms=from_ms, until_ms=until_ms), since_ms, past_ms)


async def _read_on(ask: Callable[[int], Awaitable[Answer]], since_ms: int, past_ms: float = inf) -> Answer:
    answer, part_ms = await ask(since_ms), since_ms
    for _ in range(PARTS_MAX - 1):
        read_ms = answer.whole_until(since_ms)
        if answer.complete or answer.unasked or read_ms == part_ms or read_ms > past_ms:
            break
        part_ms, more = read_ms, await ask(read_ms)
        answer = replace(
            more,
            reports=tuple(dict.fromkeys((*answer.reports, *more.reports))),  # seams overlap
            evidence=joined([answer.evidence, more.evidence]),
            proven=(Window(since_ms, more.whole_until(part_ms)),),
        )
    return answer
