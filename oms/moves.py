"""How an order's trades move positions: the account's leg, and the virtual leg of whoever asked for the order."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from oms.order.events import (
    CommissionReported,
    InferredFillReplaced,
    OrderClaimed,
    OrderEvent,
    OrderFilled,
    TradeBusted,
)
from oms.order.state import Order, Trade
from oms.position.events import CommissionBooked, PositionEvent, ShareClaimed
from oms.position.state import FLAT, Fill, Position, book, evolve, reverse
from oms.values import (
    EXACT,
    ZERO,
    ClientOrderId,
    Currency,
    ExecId,
    PositionLeg,
    StrategyId,
    Symbol,
    purse_parts,
    purses,
    signed,
)

# What of an order moves its position leg.
MOVING: Final = frozenset({OrderFilled, TradeBusted, InferredFillReplaced, CommissionReported})
SHARING: Final = MOVING | {OrderClaimed}  # what of an order moves the virtual leg of whoever it belongs to

ShareName = tuple[StrategyId, Symbol, PositionLeg]


def moved(leg: Position, order: Order, event: OrderEvent) -> Sequence[PositionEvent]:
    """Return how an order's event, one of MOVING, moves a leg of its market."""
    if isinstance(event, OrderFilled):
        return book(_fill(order, event), leg)
    match event:
        case TradeBusted():
            return reverse(_fill(order, event), leg)
        case InferredFillReplaced():
            stood_for = OrderFilled(exec_id=event.exec_id, quantity=event.quantity, price=event.price)
            return reverse(_fill(order, stood_for), leg)
        case CommissionReported():
            return (
                CommissionBooked(
                    exec_id=event.exec_id,
                    commission=event.commission,
                    commission_currency=event.commission_currency,
                ),
            )
        case _:
            raise AssertionError(f"{type(event).__name__} is not MOVING")


def _again(trade: Trade) -> OrderFilled:
    return OrderFilled(
        exec_id=trade.exec_id,
        quantity=trade.quantity,
        price=trade.price,
        commission=trade.commission,
        commission_currency=trade.commission_currency,
    )


def _fill(order: Order, trade: OrderFilled | TradeBusted) -> Fill:
    request = order.request
    return Fill(
        exec_id=trade.exec_id,
        client_order_id=request.client_order_id,
        quantity=signed(request.side, trade.quantity),
        price=trade.price,
        commission=trade.commission,
        commission_currency=trade.commission_currency,
        contract_size=request.contract_size,
        leverage=request.margin_leverage,
        margin_mode=request.margin_mode,
    )


def share_name(order: Order) -> ShareName:
    """Return which virtual leg an order moves."""
    request = order.request
    return request.strategy, request.symbol, request.position_leg


def shared(share: Position | None, order: Order, event: OrderEvent) -> Position:
    """Return a strategy's virtual leg after an event, one of SHARING, of an order that is its own. With an order that
    is given to it comes everything that traded so far.
    """
    leg = share or FLAT
    if isinstance(event, OrderClaimed):
        for trade in order.trades:
            leg = shared(leg, order, _again(trade))
        return leg
    for change in moved(leg, order, event):
        leg = evolve(leg, change)
    return leg


def given_away(share: Position | None, order: Order) -> Position:
    """Return nobody's virtual leg after an order was given to a strategy, with everything that it traded so far."""
    leg = share or FLAT
    for trade in order.trades:
        for change in reverse(_fill(order, _again(trade)), leg):
            leg = evolve(leg, change)
    return leg


def claimed(share: Position | None, event: ShareClaimed, *, gives: bool = False) -> Position:
    """Return the virtual leg of who gets a share, or (`gives`) nobody's, after it was given."""
    leg = share or FLAT
    quantity = event.quantity.copy_negate() if gives else event.quantity
    moves = Fill(
        exec_id=ExecId(""),
        client_order_id=ClientOrderId(""),
        quantity=quantity,
        price=event.price,
        contract_size=event.contract_size,
    )
    for change in book(moves, leg):
        leg = evolve(leg, change)
    return leg


def loss(shares: Mapping[ShareName, Position], strategy: StrategyId) -> Decimal:
    """Return what the trades of `strategy` have lost so far, negative for a gain: realized by its virtual legs, less
    commissions charged in the currency that profit is in. What is open counts when it is closed. Of several such
    currencies the worst counts: no gain of one makes good a loss of another.
    """
    lost: dict[Currency, Decimal] = {}
    for (owner, symbol, _), leg in shares.items():
        if owner == strategy:
            quote = purse_parts(purses(symbol).quote)[1]
            own = EXACT.subtract(leg.commissions.get(quote, ZERO), leg.realized)
            lost[quote] = EXACT.add(lost.get(quote, ZERO), own)
    return max(lost.values(), default=ZERO)
