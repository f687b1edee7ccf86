"""Pre-trade checks, pure: an order and what is known at this moment in, a denial or nothing out.

Funds and limits count every order that may be alive, an order in doubt included.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from oms.collar import opposite, outside, untrusted
from oms.instrument import Instrument
from oms.market_data import Quote
from oms.order.events import OrderRequested
from oms.order.holds import contracts, margin, reservation
from oms.position.state import FLAT, Position
from oms.values import (
    EXACT,
    ONE,
    ZERO,
    PositionMode,
    Purse,
    Side,
    StrategyId,
    Symbol,
    Wallet,
    bounds,
    plain,
    purse_parts,
    purses,
    signed,
    worth,
)
from oms.venue import Capabilities

_SELL = Side.SELL  # bound once, as in `oms.order.state`


class Facts(Struct, frozen=True, kw_only=True, gc=False):
    """What is known when an order is checked. `available` is what the order would draw on, out of the purse it needs;
    for one that can only close, the contracts of its leg that no order closes already.

    `opening` is what live orders on its side may still add to the leg, and `closing` what others on its side may still
    close of it, where a limit asks for them.
    """

    instrument: Instrument | None
    capabilities: Capabilities
    available: Decimal
    halted: str | None = None  # why trading is halted, if it is
    open_orders: int = 0
    leg: Position = FLAT
    leverage: Decimal | None = None  # as it is set for the market, if known
    position_mode: PositionMode | None = None
    mark: Decimal | None = None
    opening: Decimal = ZERO
    closing: Decimal = ZERO
    quote: Quote | None = None  # of the market, where a limit asks for it
    best: Decimal | None = None  # what a market order would trade at, where a limit asks for it and it is known
    spent: Decimal = ZERO  # on what has traded of the order that is changed, in quote units
    at_ns: int = 0  # when the order is recorded (UTC)
    wind_down: str | None = None  # why the venue's own end keeps it from leaving, if it does
    unproven: str | None = None  # an order of this strategy on this side whose cancel has no proven outcome
    loss: Decimal = ZERO  # of the strategy that asks, where a limit asks for it


class Limits(Struct, frozen=True, kw_only=True):
    """What an account may do. Quote units for money; None, or a market that is not named, is no limit.

    `halt_on_seizure` halts a market in which the venue liquidated or deleveraged a position, until it is resumed.
    `position_max` is the most that one leg of a market may come to if every live order fills, in the market's unit; an
    order by notional, of which nobody knows how much it buys, opens nothing there.
    `strategy_loss_max` is what a strategy's own trades may lose, realized, before it opens nothing more (S51).
    `collar` is, by market, how far beyond the best opposite price a limit price may be, as a fraction (0.02); what
    opens there needs a book that is whole and was heard within `collar_seconds`.
    """

    order_notional_max: Decimal | None = None
    open_orders_max: Annotated[int, Meta(ge=0)] = 10_000
    leverage_max: Decimal | None = None
    halt_on_seizure: bool = True
    position_max: Mapping[Symbol, Decimal] = field(default_factory=dict)
    strategy_loss_max: Mapping[StrategyId, Decimal] = field(default_factory=dict)
    collar: Mapping[Symbol, Decimal] = field(default_factory=dict)
    collar_seconds: Annotated[float, Meta(gt=0, le=3_600)] = 5.0

    def wrong(self) -> str | None:
        """Return the limit that nothing can be held against, if one is: it would be none, or fail when it is needed."""
        worth, leverage = self.order_notional_max, self.leverage_max
        if worth is not None and not (bounds(worth, ZERO) and worth):
            return f"order_notional_max is {worth}: an amount above 0 is expected"
        if leverage is not None and not bounds(leverage, ONE):
            return f"leverage_max is {leverage}: a number from 1 upward is expected"
        for name, limits in (("position_max", self.position_max), ("strategy_loss_max", self.strategy_loss_max)):
            for whose, most in limits.items():
                if not bounds(most, ZERO):
                    return f"{name} of {whose} is {most}: an amount from 0 upward is expected"
        for symbol, width in self.collar.items():
            if not (bounds(width, ZERO) and width < ONE):
                return f"collar of {symbol} is {width}: a fraction from 0 and below 1 is expected"
        return None


class Denial(Struct, frozen=True, gc=False):
    """Which limit said no, and the figures that it read."""

    limit: str
    detail: str


def needs(request: OrderRequested) -> tuple[Purse, Decimal]:
    """Return the purse and the amount that `request` draws on: base for a sell, quote and commission for a buy; on a
    perpetual margin and commission to open, contracts of the leg to close.
    """
    base, quote = purses(request.symbol)
    if base is None:
        if request.reduces:
            return contracts(request.symbol, request.position_leg, request.side), request.quantity or ZERO
        return quote, margin(request)
    if request.side is _SELL:
        return base, request.quantity or ZERO
    return quote, reservation(request)


def deny(request: OrderRequested, facts: Facts, limits: Limits) -> Denial | None:
    """Return the first limit that `request` breaks, or None."""
    call = "submit" if request.trigger is None else "triggers"
    if call in facts.capabilities.lost:
        return Denial("capability_lost", f"{facts.capabilities.name} has retired {call}")
    if facts.wind_down is not None:
        return Denial("wind_down", facts.wind_down)
    if facts.halted is not None and not request.reduces:
        return Denial("trading_halted", facts.halted)
    may_lose = limits.strategy_loss_max.get(request.strategy)
    if may_lose is not None and facts.loss >= may_lose and not request.reduces:
        return Denial(
            "strategy_loss_max", f"{request.strategy} has lost {plain(facts.loss)}, {plain(may_lose)} is allowed"
        )
    if facts.quote is not None and request.trigger is None:
        denial = _deny_price(request, facts, facts.quote, limits)
        if denial is not None:
            return denial
    if facts.unproven is not None and not request.reduces:
        return Denial("end_unproven", facts.unproven)
    if facts.open_orders >= limits.open_orders_max:
        return Denial("open_orders_max", f"{facts.open_orders} orders are open, {limits.open_orders_max} are allowed")
    denial = _deny_worth(request, facts, limits)
    denial = denial or (None if request.reduces else _deny_leverage(request, facts, limits))
    denial = denial or _deny_size(request, facts, limits)
    if denial is not None:
        return denial
    purse, needed = needs(request)
    if needed <= facts.available:
        return None
    if request.reduces:
        return Denial(
            "reduce_only",
            f"closes {plain(needed)} of {request.symbol} {request.position_leg},"
            f" {plain(facts.available)} is held and not being closed by live orders",
        )
    wallet, currency = purse_parts(purse)
    kept = "open orders" if wallet is Wallet.SPOT else "open orders and positions in the futures wallet"
    return Denial(
        "insufficient_funds",
        f"needs {plain(needed)} {currency}, {plain(facts.available)} is available after {kept}",
    )


def collared(request: OrderRequested, facts: Facts, limits: Limits) -> OrderRequested:
    """Return the request with the price that the collar holds it against, if one does."""
    quote = facts.quote
    if quote is None or request.trigger is not None or untrusted(quote, facts.at_ns, limits.collar_seconds):
        return request
    return replace(request, collar_price=opposite(quote, request.side))


def _deny_price(request: OrderRequested, facts: Facts, quote: Quote, limits: Limits) -> Denial | None:
    """Return how an order breaks the collar of its market. What can only close passes where nobody knows a price."""
    reason = untrusted(quote, facts.at_ns, limits.collar_seconds)
    if reason is not None:
        return None if request.reduces else Denial("collar", reason)
    best = opposite(quote, request.side)
    reason = None if best is None else outside(request, best, limits.collar[request.symbol])
    return None if reason is None else Denial("collar", reason)


def _deny_worth(request: OrderRequested, facts: Facts, limits: Limits) -> Denial | None:
    """Return whether an order is worth too much, with what has traded of it. What opens and nobody can value is."""
    most, value = limits.order_notional_max, _worth(request, facts.best)
    if most is None:
        return None
    if value is None and not request.reduces:
        return Denial(
            "order_notional_max", f"nobody can say what it is worth, {plain(most)} is allowed: give a limit price"
        )
    if value is None or EXACT.add(value, facts.spent) <= most:
        return None
    return Denial(
        "order_notional_max", f"worth {plain(EXACT.add(value, facts.spent))}, {plain(most)} is allowed for one order"
    )


def _deny_leverage(request: OrderRequested, facts: Facts, limits: Limits) -> Denial | None:
    """Return the limit of leverage that an order breaks which may add to its leg."""
    asked, held, most = request.leverage, facts.leg, limits.leverage_max
    backed = asked or request.margin_leverage
    if most is not None and backed is not None and backed > most:
        return Denial("leverage_max", f"leverage {plain(backed)}, {plain(most)} is allowed")
    if most is not None and backed is None and purses(request.symbol).base is None:
        return Denial(
            "leverage_max",
            f"{plain(most)} is allowed, and nobody knows what {request.symbol} is set to: name a leverage",
        )
    if asked is None:
        return None
    if held.quantity and held.leverage is not None and asked != held.leverage:
        return Denial("leverage", f"leverage {plain(asked)} differs from {plain(held.leverage)} of the open position")
    return None


def _deny_size(request: OrderRequested, facts: Facts, limits: Limits) -> Denial | None:
    """Return how large the leg could come to be, if that is too large.

    A one-way leg may be held on the other side: what opens on this side comes to less by as much, for as long as
    nothing closes that first. So what closes counts as well, until nothing is held there.
    """
    most = limits.position_max.get(request.symbol)
    contract = purses(request.symbol).base is None
    if most is None or (request.reduces and not (contract and facts.opening)):
        return None
    if request.quantity is None:
        return Denial(
            "position_max",
            f"{request.symbol} may come to {plain(most)}, and nobody can say how much an order by notional buys",
        )
    held = signed(request.side, facts.leg.quantity)
    opening, closing = facts.opening, facts.closing
    if request.reduces:
        closing = EXACT.add(closing, request.quantity)
    else:
        opening = EXACT.add(opening, request.quantity)
    size = EXACT.add(held if held > ZERO else min(EXACT.add(held, closing), ZERO), opening)
    if size <= most:
        return None
    return Denial(
        "position_max",
        f"{request.symbol} {request.position_leg} could come to {plain(size)}, {plain(most)} is allowed",
    )


def _worth(request: OrderRequested, best: Decimal | None) -> Decimal | None:
    if request.notional is not None:
        return request.notional
    price = request.price or request.reference_price or best
    if price is not None and best is not None and request.side is _SELL and request.trigger is None:
        price = max(price, best)  # the least that it asks for is not what it gets
    if price is not None and request.quantity is not None:
        return worth(request.quantity, price, request.contract_size)
    return None
