"""Pre-trade checks, pure: an order and what is known at this moment in, a denial or nothing out.

Funds and limits count every order that may be alive, an order in doubt included.
"""

from decimal import Decimal

from msgspec import Struct

from oms.instrument import Instrument
from oms.order.events import OrderRequested
from oms.order.state import reservation
from oms.values import ZERO, Currency, Side, currencies, plain
from oms.venue import Capabilities


class Facts(Struct, frozen=True, kw_only=True, gc=False):
    """What is known when an order is checked. `available` is what the order would draw on, in the currency it needs."""

    instrument: Instrument | None
    capabilities: Capabilities
    available: Decimal
    halted: str | None = None  # why trading is halted, if it is
    open_orders: int = 0


class Limits(Struct, frozen=True, kw_only=True):
    """What an account may do. Quote units for money; None is no limit."""

    order_notional_max: Decimal | None = None
    open_orders_max: int = 10_000


class Denial(Struct, frozen=True, gc=False):
    """Which limit said no, and the figures that it read."""

    limit: str
    detail: str


def needs(request: OrderRequested) -> tuple[Currency, Decimal]:
    """Return the currency and the amount that `request` draws on: base for a sell, quote and commission for a buy."""
    base, quote = currencies(request.symbol)
    if request.side is Side.SELL:
        return base, request.quantity or ZERO
    return quote, reservation(request)


def deny(request: OrderRequested, facts: Facts, limits: Limits) -> Denial | None:
    """Return the first limit that `request` breaks, or None."""
    if facts.halted is not None and not request.reduce_only:
        return Denial("trading_halted", facts.halted)
    if facts.open_orders >= limits.open_orders_max:
        return Denial("open_orders_max", f"{facts.open_orders} orders are open, {limits.open_orders_max} are allowed")
    worth = _worth(request)
    if limits.order_notional_max is not None and worth is not None and worth > limits.order_notional_max:
        return Denial(
            "order_notional_max", f"worth {plain(worth)}, {plain(limits.order_notional_max)} is allowed for one order"
        )
    currency, needed = needs(request)
    if needed > facts.available:
        return Denial(
            "insufficient_funds",
            f"needs {plain(needed)} {currency}, {plain(facts.available)} is available after open orders",
        )
    return None


def _worth(request: OrderRequested) -> Decimal | None:
    if request.notional is not None:
        return request.notional
    if request.price is not None and request.quantity is not None:
        return request.price * request.quantity
    return None
