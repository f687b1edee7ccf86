"""BitMart spot's requests: each body is built once, as the exact bytes that are signed and sent (PROTOCOL 2.2).

A misspelt field is silently ignored by the venue (PROTOCOL 5.0), so the spelling stands in Structs and nowhere else:
v1 to v3 snake case with `stpMode` as the exception, v4 camel case.
"""

# ruff: noqa: N815 -- the venue mixes camel and snake case, and so must whoever writes to it

from typing import Final

import msgspec
from msgspec import Struct

from adapters.bitmart.spot.translate import venue_symbol
from oms.errors import InvalidOrderError
from oms.values import OrderType, Side, Symbol, TimeInForce, plain
from oms.venue import NewOrder, OrderRef

RECV_WINDOW_MS: Final = 5000
ROWS_MAX: Final = 200
STP_NONE: Final = "none"  # explicit: the sources disagree about the default (PROTOCOL 10.1)
SPOT: Final = "spot"


class SubmitOrder(Struct, omit_defaults=True):
    """`/spot/v2/submit_order`; amounts are strings."""

    symbol: str
    side: str
    type: str
    size: str | None = None
    price: str | None = None
    notional: str | None = None
    client_order_id: str | None = None
    stpMode: str | None = None


class CancelOrder(Struct, omit_defaults=True):
    """`/spot/v3/cancel_order`: exactly one of the two ids."""

    symbol: str
    order_id: str | None = None
    client_order_id: str | None = None


class QueryClientOrder(Struct):
    """`/spot/v4/query/client-order`; without `queryState` it looks among open and finished orders."""

    clientOrderId: str
    recvWindow: int = RECV_WINDOW_MS


class QueryOrder(Struct):
    """`/spot/v4/query/order` and `/spot/v4/query/order-trades`."""

    orderId: str
    recvWindow: int = RECV_WINDOW_MS


class QueryList(Struct, omit_defaults=True):
    """`/spot/v4/query/open-orders`, `history-orders` and `trades`, for one symbol or all; times in ms."""

    symbol: str | None = None
    orderMode: str | None = None
    startTime: int | None = None
    endTime: int | None = None
    limit: int | None = None
    recvWindow: int | None = None


def submit(order: NewOrder) -> bytes:
    """Return the body of a submit.

    Raises:
        InvalidOrderError: the venue has no such order, or the order contradicts itself.
        UnknownSymbolError: it is not for a spot market.
    """
    kind = _kind(order)
    by_notional = order.type is OrderType.MARKET and order.side is Side.BUY
    size, price, notional = order.quantity, order.price, order.notional
    if (notional is None) is by_notional or (size is None) is not by_notional:
        asked = "notional" if by_notional else "quantity"
        raise InvalidOrderError(f"{order.client_order_id}: a spot {order.type} {order.side} is sized by {asked} alone")
    if (price is None) is (order.type is OrderType.LIMIT):
        raise InvalidOrderError(f"{order.client_order_id}: a limit order has a price, a market order has none")
    body = SubmitOrder(
        symbol=venue_symbol(order.symbol),
        side=order.side.value,
        type=kind,
        size=None if size is None else plain(size),
        price=None if price is None else plain(price),
        notional=None if notional is None else plain(notional),
        client_order_id=order.client_order_id,
        stpMode=STP_NONE,
    )
    return msgspec.json.encode(body)


def _kind(order: NewOrder) -> str:
    if order.reduce_only:
        raise InvalidOrderError(f"{order.client_order_id}: spot knows no reduce-only orders")
    match order.type, order.time_in_force, order.post_only:
        case OrderType.LIMIT, TimeInForce.GTC, False:
            return "limit"
        case OrderType.LIMIT, TimeInForce.GTC, True:
            return "limit_maker"
        case OrderType.LIMIT, TimeInForce.IOC, False:
            return "ioc"
        case OrderType.MARKET, TimeInForce.GTC | TimeInForce.IOC, False:
            return "market"
        case _:
            raise InvalidOrderError(
                f"{order.client_order_id}: BitMart spot has no {order.type} order that is {order.time_in_force}"
                f"{' and post-only' if order.post_only else ''}"
            )


def cancel(order: OrderRef) -> bytes:
    """Return the body of a cancel: by the venue's id if it is known, else by ours.

    Raises:
        ValueError: it has neither; an id-less cancel must never leave (PROTOCOL 9.4).
    """
    symbol = venue_symbol(order.symbol)
    if order.venue_order_id:
        return msgspec.json.encode(CancelOrder(symbol=symbol, order_id=order.venue_order_id))
    if order.client_order_id:
        return msgspec.json.encode(CancelOrder(symbol=symbol, client_order_id=order.client_order_id))
    raise ValueError("a cancel without an id")


def query_client_order(client_order_id: str) -> bytes:
    """Return the body of a look-up by our id."""
    return msgspec.json.encode(QueryClientOrder(clientOrderId=client_order_id))


def query_order(venue_order_id: str) -> bytes:
    """Return the body of a look-up by the venue's id, of an order or of its trades."""
    return msgspec.json.encode(QueryOrder(orderId=venue_order_id))


def query_list(start_ms: int | None = None, end_ms: int | None = None, symbol: Symbol | None = None) -> bytes:
    """Return the body of a list of orders or trades, of one market or all; without bounds the venue shows its last
    seven days.
    """
    body = QueryList(
        symbol=None if symbol is None else venue_symbol(symbol),
        orderMode=SPOT,
        startTime=start_ms,
        endTime=end_ms,
        limit=ROWS_MAX,
        recvWindow=RECV_WINDOW_MS,
    )
    return msgspec.json.encode(body)
