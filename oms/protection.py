"""Which positions must have a live stop, and which of those have none, pure (S28).

What counts as a stop is only what certainly is one: an order that waits at the venue and closes the leg when the price
goes against it, for so many contracts. A profit target is none; nor is one that is still on its way, in doubt, being
canceled or already fired (it may rest unfilled), or that trails and may not follow yet.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Final

from msgspec import Meta, Struct

from oms.book import Book
from oms.breaks.decisions import Disagreement
from oms.breaks.events import BreakKind
from oms.instrument import Instrument
from oms.order.state import Life, Order
from oms.sums import leg_of, symbol_of
from oms.values import EXACT, ZERO, AccountId, Crossing, PositionLeg, Side, Symbol, plain

EVERY: Final = "*"
NO_MARKETS: Final[Mapping[Symbol, Instrument]] = MappingProxyType({})
_MARKET: Final = r"(?:[A-Za-z0-9_-]+:)?[A-Z0-9]+/[A-Z0-9]+:[A-Z0-9]+"  # account, if of one alone, and perpetual
_LIST: Final = rf"^(?:|\*|{_MARKET}(?:\s*,\s*{_MARKET})*)$"


class Protected(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`must` names the perpetuals, separated by commas, whose positions must have a live stop: ``BTC/USDT:USDT`` on
    every account, ``main:BTC/USDT:USDT`` on that one; ``*`` is every perpetual. `seconds` is how long one may be
    without at most before somebody is told.
    """

    must: Annotated[str, Meta(pattern=_LIST)] = ""
    seconds: Annotated[float, Meta(ge=1, le=3_600)] = (
        15.0  # a stop that comes with its order may show by the poll alone
    )

    def wants(self, account: AccountId, symbol: Symbol) -> bool:
        """Whether a position of `account` in that perpetual must have a stop."""
        if self.must == EVERY:
            return True
        return not {symbol, f"{account}:{symbol}"}.isdisjoint(re.split(r"\s*,\s*", self.must))


UNPROTECTED: Final = Protected()  # nothing has to have a stop


class Exposed(Struct, frozen=True):
    """A leg that must have a live stop, and has one for `covered` of what it `held`: both without a sign."""

    symbol: Symbol
    leg: PositionLeg
    held: Decimal
    covered: Decimal

    @property
    def disagreement(self) -> Disagreement:
        """What a person is told of it."""
        return Disagreement(
            kind=BreakKind.PROTECTION,
            subject=f"{self.symbol}/{self.leg}",
            ours=f"{plain(self.held)} must have a live stop",
            theirs=f"{plain(self.covered)} have one",
            difference=EXACT.subtract(self.covered, self.held),
            symbol=self.symbol,
        )


def exposed(book: Book, policy: Protected, markets: Mapping[Symbol, Instrument] = NO_MARKETS) -> Mapping[str, Exposed]:
    """Return the legs, by stream, that must have a live stop and are not wholly behind one. What is too small for any
    order of its market to close is too small for a stop (S50).
    """
    if not policy.must:
        return {}
    found: dict[str, Exposed] = {}
    for stream, leg in book.positions.items():
        symbol, side = symbol_of(stream), leg_of(stream)
        market = markets.get(symbol)
        if market is not None and market.dust(leg.quantity, None):
            continue
        if leg.quantity and ":" in symbol and policy.wants(book.name, symbol):
            held, covered = abs(leg.quantity), _covered(book, symbol, side, leg.quantity)
            if covered < held:
                found[stream] = Exposed(symbol, side, held, covered)
    return found


def _covered(book: Book, symbol: Symbol, leg: PositionLeg, quantity: Decimal) -> Decimal:
    """Return how much of a leg live stops would close; an order without a quantity closes all of it."""
    covered = ZERO
    for stream in book.open:
        order = book.orders[stream]
        if (order.request.symbol, order.request.position_leg) == (symbol, leg) and _stops(order, quantity):
            asked = order.request.quantity
            covered = EXACT.add(covered, abs(quantity) if asked is None else order.leaves_quantity)
    return covered


def _stops(order: Order, quantity: Decimal) -> bool:
    """Whether `order` lives at the venue and closes a leg of so much when the price goes against it."""
    request = order.request
    closing = request.side is (Side.SELL if quantity > 0 else Side.BUY)
    if order.life is not Life.WORKING or order.cancels or not order.waits or not closing or not request.reduces:
        return False
    trigger = request.trigger
    if trigger is None:
        return order.stops
    against = Crossing.FALLS_TO if quantity > 0 else Crossing.RISES_TO
    return trigger.when is against and trigger.callback_rate is None
