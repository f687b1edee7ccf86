"""A session as a log recorded it: what was asked for, what the market did with it, and what people were shown, pure.

Whoever drives a market by its steps, such as the exchange behind paper trading, brings the same orders about again;
what people were shown then, order by order, is what both must agree on (S70).
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from oms.order.events import (
    AmendRequested,
    CancelRequested,
    OrderEvent,
    OrderFilled,
    OrderRequested,
    PostOnlyRefused,
    VenueCanceled,
)
from oms.order.messages import AmendOrder, CancelOrder, PlaceOrder
from oms.order.state import Order, evolve, status
from oms.ports import StoredEvent
from oms.store.codec import decode, decode_meta
from oms.values import ClientOrderId, Liquidity, OrderStatus, Side, Symbol, TimeInForce

BEFORE_NS: Final = 500_000_000  # what an order is to meet has to be there before it comes


class Traded(Struct, frozen=True, kw_only=True):
    """Somebody else has to trade so much at `price` with an order of ours: `side` is theirs."""

    symbol: Symbol
    side: Side
    quantity: Decimal
    price: Decimal


class Ended(Struct, frozen=True, kw_only=True):
    """The venue has to end an order by its own hand."""

    symbol: Symbol
    client_order_id: ClientOrderId


Step = PlaceOrder | CancelOrder | AmendOrder | Traded | Ended


class Session(Struct, frozen=True, kw_only=True):
    """`steps` in order, each with nanoseconds since the first one; `shown` is each order's statuses, none twice in a
    row.
    """

    steps: Sequence[tuple[int, Step]]
    shown: Mapping[ClientOrderId, Sequence[OrderStatus]]


def session(log: Iterable[StoredEvent]) -> Session:
    """Return what one account's log tells of its orders that were asked for here. Raises CorruptStreamError."""
    orders: dict[str, Order] = {}
    placed_ns: dict[str, int] = {}
    shown: dict[ClientOrderId, list[OrderStatus]] = {}
    steps: list[tuple[int, Step]] = []
    for stored in log:
        if stored.stream[0] != "o":
            continue
        event: OrderEvent = decode(stored.topic, stored.state)  # type: ignore[assignment]  # an order's stream
        at_ns = decode_meta(stored.state).recorded_ns
        order = orders[stored.stream] = evolve(orders.get(stored.stream), event)
        if order.origin is not None:
            continue
        now, seen = status(order), shown.setdefault(order.request.client_order_id, [])
        if not seen or seen[-1] is not now:
            seen.append(now)
        if isinstance(event, OrderRequested):
            placed_ns[stored.stream] = at_ns
        steps += _steps(order, event, at_ns, placed_ns[stored.stream])
    refused = {
        order.request.client_order_id for order in orders.values() if order.would_take
    }  # by the market, not by hand
    steps = [each for each in steps if not isinstance(each[1], Ended) or each[1].client_order_id not in refused]
    steps.sort(key=lambda each: each[0])
    begins_ns = steps[0][0] if steps else 0
    return Session(steps=[(at_ns - begins_ns, step) for at_ns, step in steps], shown=shown)


def _steps(order: Order, event: OrderEvent, at_ns: int, placed_ns: int) -> Iterable[tuple[int, Step]]:
    request = order.original or order.request
    against = Side.SELL if request.side is Side.BUY else Side.BUY
    match event:
        case OrderRequested():
            yield at_ns, _placed(event)
        case CancelRequested():
            yield (
                at_ns,
                CancelOrder(
                    account=request.account, client_order_id=request.client_order_id, request_id=event.request_id
                ),
            )
        case AmendRequested():
            change = AmendOrder(
                account=request.account,
                client_order_id=request.client_order_id,
                request_id=event.request_id,
                price=event.price,
                quantity=event.quantity,
                trigger_price=event.trigger_price,
                take_profit=event.take_profit,
                stop_loss=event.stop_loss,
            )
            yield at_ns, change
        case OrderFilled():
            traded = Traded(symbol=request.symbol, side=against, quantity=event.quantity, price=event.price)
            took = event.liquidity is Liquidity.TAKER
            yield (placed_ns - BEFORE_NS if took else at_ns), traded
        case PostOnlyRefused() if request.price is not None and request.quantity is not None:
            there = Traded(symbol=request.symbol, side=against, quantity=request.quantity, price=request.price)
            yield placed_ns - BEFORE_NS, there
        case VenueCanceled() if not order.cancels_known and request.time_in_force is TimeInForce.GTC:
            if request.price is not None:
                yield at_ns, Ended(symbol=request.symbol, client_order_id=request.client_order_id)
        case _:
            pass


def _placed(request: OrderRequested) -> PlaceOrder:
    return PlaceOrder(
        account=request.account,
        client_order_id=request.client_order_id,
        strategy=request.strategy,
        symbol=request.symbol,
        side=request.side,
        type=request.order_type,
        quantity=request.quantity,
        notional=request.notional,
        price=request.price,
        time_in_force=request.time_in_force,
        post_only=request.post_only,
        reduce_only=request.reduce_only,
        position_leg=request.position_leg,
        tags=request.tags,
        leverage=request.leverage,
        margin_mode=request.margin_mode,
        trigger=request.trigger,
        take_profit=request.take_profit,
        stop_loss=request.stop_loss,
        expires_ns=request.expires_ns,
    )
