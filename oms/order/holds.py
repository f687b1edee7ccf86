"""What an order keeps from being spent twice while it may still trade: coins, margin, or contracts to close."""

from decimal import Decimal
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from oms.order.events import OrderRequested
from oms.order.state import CLOSED, Life, Order
from oms.values import EXACT, RATIO, ZERO, PositionLeg, Purse, Side, Symbol, purses

_SELL: Final = Side.SELL  # bound once, as in `oms.order.state`
WHOLE: Final = Decimal("Infinity")  # what an order without a quantity closes: all that is held by then


def hold(order: Order) -> tuple[Purse, Decimal]:
    """Return the purse and the amount that an order keeps from being spent twice, its commission included.

    An order in doubt holds as if it worked: it may. One that is over holds what traded and was not told: it is spent.
    """
    if order.life in CLOSED and order.untold_quantity:
        order = _as_traded(order)
    elif order.amends:
        order = widest(order)
    request = order.request
    base, quote = purses(request.symbol)
    if base is None:
        return _contract_hold(order, quote)
    sells = request.side is _SELL
    if order.life in CLOSED:
        return (base if sells else quote), ZERO
    return (base, order.leaves_quantity) if sells else (quote, reservation(request, order.cum_quantity, order.cum_cost))


def widest(order: Order) -> Order:
    """Return the order at the highest price and the largest quantity that a change still on its way could give it."""
    request = order.request
    prices = [each.price for each in order.amends if each.price is not None]
    quantities = [each.quantity for each in order.amends if each.quantity is not None]
    triggers = [each.trigger_price for each in order.amends if each.trigger_price is not None]
    valued_at = request.reference_price
    return replace(
        order,
        request=replace(
            request,
            reference_price=valued_at if valued_at is None else max((valued_at, *triggers)),
            price=None if request.price is None else max((request.price, *prices)),
            quantity=None if request.quantity is None else max((request.quantity, *quantities)),
        ),
    )


def together(asked: OrderRequested, order: Order) -> OrderRequested:
    """Return what a change asks for at the most that it, and those still on their way, could make of what is left."""
    ahead = widest(order)
    price, valued_at = ahead.request.price, ahead.request.reference_price
    return replace(
        asked,
        reference_price=valued_at if asked.reference_price is None else max(asked.reference_price, valued_at or ZERO),
        price=None if asked.price is None else max(asked.price, price or ZERO),
        quantity=None if asked.quantity is None else max(asked.quantity, ahead.leaves_quantity),
    )


def _as_traded(order: Order) -> Order:
    """Return an order that is over as one that asked for no more than it traded, and still has to."""
    asked = None if order.request.quantity is None else order.venue_cum
    return replace(order, life=Life.WORKING, request=replace(order.request, quantity=asked))


def may_move(order: Order) -> Decimal:
    """Return how much an order may still move its leg: what may trade, and what has traded and was not told yet, though
    the order may be over. One that closes whatever is held by then has no quantity: it may move any.
    """
    if order.request.reduces and order.request.quantity is None and order.life not in CLOSED:
        return WHOLE
    return max(widest(order).leaves_quantity, order.untold_quantity)


def guards(order: Order) -> bool:
    """Whether a take-profit or a stop-loss comes with an order that may still trade."""
    request = order.request
    return order.life not in CLOSED and (request.take_profit is not None or request.stop_loss is not None)


def _contract_hold(order: Order, settle: Purse) -> tuple[Purse, Decimal]:
    """A perpetual's order holds margin if it may open, and contracts of its leg if it can only close.

    One that closes once its price comes holds nothing until then: a take-profit and a stop-loss stand for one position.
    """
    request = order.request
    purse = contracts(request.symbol, request.position_leg, request.side) if request.reduces else settle
    if order.life in CLOSED or (order.waits and request.reduces):
        return purse, ZERO
    return purse, order.leaves_quantity if request.reduces else margin(request, order.cum_quantity)


@lru_cache(maxsize=4096)
def contracts(symbol: Symbol, leg: PositionLeg, side: Side) -> Purse:
    """Return the name under which closing orders hold contracts of a leg, so that two never close the same one.

    A one-way leg has one for each side: which of them can close follows from the sign of what is held.
    """
    return Purse(f"{symbol}/{leg}/{side}")


def margin(request: OrderRequested, cum_quantity: Decimal = ZERO) -> Decimal:
    """Return what the unfilled part of a perpetual's order takes of its wallet: initial margin and the taker's
    commission (PROTOCOL 6.8; the venue's exact freeze is not known). A market order without any price holds nothing:
    what it costs is the venue's to check.
    """
    price = request.price or request.reference_price
    if price is None or request.quantity is None:
        return ZERO
    left = EXACT.multiply(EXACT.subtract(request.quantity, cum_quantity), request.contract_size)
    if left <= ZERO:
        return ZERO
    worth = EXACT.multiply(left, price)
    initial = worth if request.margin_leverage is None else RATIO.divide(worth, request.margin_leverage)
    return EXACT.fma(worth, request.fee_rate, initial)


def reservation(request: OrderRequested, cum_quantity: Decimal = ZERO, cum_cost: Decimal = ZERO) -> Decimal:
    """Return what the unfilled part of a spot buy may still cost in quote units, the taker's commission on top.

    BitMart charges a spot buy's fee in the quote coin on top of the notional (PROTOCOL 5.8).
    """
    if request.notional is not None:
        left = EXACT.subtract(request.notional, cum_cost)
    elif request.price is not None and request.quantity is not None:
        left = EXACT.multiply(EXACT.subtract(request.quantity, cum_quantity), request.price)
    else:
        left = ZERO
    return EXACT.fma(left, request.fee_rate, left) if left > ZERO else ZERO
