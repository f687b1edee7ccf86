"""BitMart spot's requests: each body is built once, as the exact bytes that are signed and sent (PROTOCOL 2.2).

A misspelt field is silently ignored by the venue (PROTOCOL 5.0), so the spelling stands in Structs and nowhere else:
v1 to v3 snake case with `stpMode` as the exception, v4 camel case.
"""

# ruff: noqa: N815 -- the venue mixes camel and snake case, and so must whoever writes to it

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from adapters.bitmart.scalars import VENUE_ORDER_ID
from adapters.bitmart.spot.translate import venue_symbol
from oms.errors import InvalidOrderError
from oms.values import CLIENT_ORDER_ID, OrderType, PriceSource, Side, Symbol, TimeInForce, plain
from oms.venue import NewOrder, OrderRef

RECV_WINDOW_MS: Final = 5000
WINDOW_MAX_MS: Final = 60_000
ROWS_MAX: Final = 200
BATCH_MAX: Final = 10  # elements of one batch, of submits or of cancels
SPOT: Final = "spot"


class SelfTrade(StrEnum):
    """What happens when an account meets itself; the taker's mode decides (PROTOCOL 5.4). Always sent, as the sources
    disagree about the default (10.1).
    """

    NONE = "none"
    CANCEL_MAKER = "cancel_maker"
    CANCEL_TAKER = "cancel_taker"
    CANCEL_BOTH = "cancel_both"


class AlgoKind(StrEnum):
    """The two kinds of waiting orders (PROTOCOL 5.11): one that opens or closes, and one that only takes out."""

    TRIGGER = "trigger"
    TP_SL = "tp/sl"


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


class BatchOrder(Struct, omit_defaults=True):
    """One element of a batch: a submit in v4's camel case. The id is the only way to tell the elements apart."""

    side: str
    type: str
    clientOrderId: str
    size: str | None = None
    price: str | None = None
    notional: str | None = None
    stpMode: str | None = None


class BatchOrders(Struct):
    """`/spot/v4/batch_orders`, of one symbol. `recvWindow` is a JSON integer, in ms: a request that arrives later than
    that is refused whole (PROTOCOL 2.4).
    """

    symbol: str
    orderParams: list[BatchOrder]
    recvWindow: int


class CancelOrder(Struct, omit_defaults=True):
    """`/spot/v3/cancel_order`: exactly one of the two ids."""

    symbol: str
    order_id: str | None = None
    client_order_id: str | None = None


class CancelOrders(Struct, omit_defaults=True):
    """`/spot/v4/cancel_orders`, of one symbol: exactly one of the two lists."""

    symbol: str
    orderIds: list[str] | None = None
    clientOrderIds: list[str] | None = None
    recvWindow: int | None = None


class CancelAll(Struct, omit_defaults=True):
    """`/spot/v4/cancel_all`: without a field, everything the account has."""

    symbol: str | None = None
    side: str | None = None


class SubmitAlgo(Struct, omit_defaults=True):
    """`/spot/v4/algo/submit_order`: snake case, although v4 (PROTOCOL 5.0, 5.11)."""

    symbol: str
    side: str
    type: str
    trigger_price: str
    trigger_type: str
    client_order_id: str
    price: str | None = None
    size: str | None = None
    notional: str | None = None


class CancelAlgo(Struct):
    """`/spot/v4/algo/cancel_order`: by the venue's id alone."""

    symbol: str
    order_id: str
    type: str


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


# ------------------------------------------------------------------------------------------------ submits


def submit(order: NewOrder, self_trade: SelfTrade = SelfTrade.NONE) -> bytes:
    """Return the body of a submit.

    Raises:
        InvalidOrderError: the venue has no such order, or the order contradicts itself.
        UnknownSymbolError: it is not for a spot market.
    """
    kind, size, price, notional = _terms(order)
    body = SubmitOrder(
        symbol=venue_symbol(order.symbol),
        side=order.side.value,
        type=kind,
        size=size,
        price=price,
        notional=notional,
        client_order_id=order.client_order_id,
        stpMode=self_trade.value,
    )
    return msgspec.json.encode(body)


def batch(
    orders: Sequence[NewOrder], *, window_ms: int = RECV_WINDOW_MS, self_trade: SelfTrade = SelfTrade.NONE
) -> bytes:
    """Return the body of a batch that the venue refuses once it is older than `window_ms`.

    Raises:
        InvalidOrderError: one of the orders is none the venue has, or they are not of one symbol.
        UnknownSymbolError: it is not for a spot market.
        ValueError: too many or no orders, or a window the venue does not take.
    """
    if not 1 <= len(orders) <= BATCH_MAX:
        raise ValueError(f"a batch of {len(orders)} orders")
    if not 0 < window_ms <= WINDOW_MAX_MS:
        raise ValueError(f"a window of {window_ms} ms")
    symbol = orders[0].symbol
    if any(order.symbol != symbol for order in orders):
        raise InvalidOrderError("a batch is of one symbol")
    body = BatchOrders(
        symbol=venue_symbol(symbol),
        orderParams=[_element(order, self_trade) for order in orders],
        recvWindow=window_ms,
    )
    return msgspec.json.encode(body)


def _element(order: NewOrder, self_trade: SelfTrade) -> BatchOrder:
    kind, size, price, notional = _terms(order)
    return BatchOrder(
        side=order.side.value,
        type=kind,
        clientOrderId=order.client_order_id,
        size=size,
        price=price,
        notional=notional,
        stpMode=self_trade.value,
    )


def _terms(order: NewOrder) -> tuple[str, str | None, str | None, str | None]:
    """Return the venue's type, and size, price and notional as they are spelled; None where the type has none."""
    kind = _kind(order)
    by_notional = order.type is OrderType.MARKET and order.side is Side.BUY
    size, price, notional = order.quantity, order.price, order.notional
    if (notional is None) is by_notional or (size is None) is not by_notional:
        asked = "notional" if by_notional else "quantity"
        raise InvalidOrderError(f"{order.client_order_id}: a spot {order.type} {order.side} is sized by {asked} alone")
    if (price is None) is (order.type is OrderType.LIMIT):
        raise InvalidOrderError(f"{order.client_order_id}: a limit order has a price, a market order has none")
    return (
        kind,
        None if size is None else plain(size),
        None if price is None else plain(price),
        None if notional is None else plain(notional),
    )


def _kind(order: NewOrder) -> str:
    if order.reduce_only and (order.trigger is None or order.side is Side.BUY):
        raise InvalidOrderError(f"{order.client_order_id}: of spot orders only a triggered sell can be reduce-only")
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


def algo(order: NewOrder) -> bytes:
    """Return the body of an order that waits for its trigger, as a limit or a market order.

    From which side the price has to come is not said on this wire: the venue takes it from where the market is. A
    reduce-only one is a take-profit or a stop-loss.

    Raises:
        InvalidOrderError: the venue has no such order, or the order contradicts itself.
        UnknownSymbolError: it is not for a spot market.
    """
    trigger = order.trigger
    kind, size, price, notional = _terms(order)
    if trigger is None or trigger.callback_rate is not None or trigger.by is not PriceSource.LAST:
        raise InvalidOrderError(f"{order.client_order_id}: a spot trigger watches the last price and does not trail")
    if kind not in ("limit", "market"):
        raise InvalidOrderError(f"{order.client_order_id}: what a spot trigger releases is no {kind} order")
    body = SubmitAlgo(
        symbol=venue_symbol(order.symbol),
        side=order.side.value,
        type=(AlgoKind.TP_SL if order.reduce_only else AlgoKind.TRIGGER).value,
        trigger_price=plain(trigger.price),
        trigger_type=kind,
        client_order_id=order.client_order_id,
        price=price,
        size=size,
        notional=notional,
    )
    return msgspec.json.encode(body)


# ------------------------------------------------------------------------------------------------ cancels


def cancel(order: OrderRef) -> bytes:
    """Return the body of a cancel: by the venue's id if it is known, else by ours.

    Raises:
        ValueError: it has neither; an id-less cancel must never leave (PROTOCOL 9.4).
    """
    symbol = venue_symbol(order.symbol)
    if order.venue_order_id:
        return msgspec.json.encode(CancelOrder(symbol=symbol, order_id=_theirs(order)))
    return msgspec.json.encode(CancelOrder(symbol=symbol, client_order_id=_ours(order)))


def cancel_many(orders: Sequence[OrderRef]) -> bytes:
    """Return the body of a cancel of up to ten orders of one symbol: by the venue's ids if all are known, else by ours.

    Raises:
        ValueError: too many or none of them, of more than one symbol, or one without an id (PROTOCOL 9.4).
    """
    if not 1 <= len(orders) <= BATCH_MAX or any(order.symbol != orders[0].symbol for order in orders):
        raise ValueError(f"a cancel of {len(orders)} orders, or of more than one symbol")
    symbol = venue_symbol(orders[0].symbol)
    if all(order.venue_order_id for order in orders):
        theirs = [_theirs(order) for order in orders]
        return msgspec.json.encode(CancelOrders(symbol=symbol, orderIds=theirs, recvWindow=RECV_WINDOW_MS))
    ours = [_ours(order) for order in orders]
    return msgspec.json.encode(CancelOrders(symbol=symbol, clientOrderIds=ours, recvWindow=RECV_WINDOW_MS))


def _theirs(order: OrderRef) -> str:
    """Return the venue's id. Raises ValueError: it is not known, or is none of one order."""
    if order.venue_order_id is None or not VENUE_ORDER_ID.fullmatch(order.venue_order_id):
        raise ValueError("a cancel without an id")
    return order.venue_order_id


def _ours(order: OrderRef) -> str:
    """Return our id. Raises ValueError: it is none."""
    if not CLIENT_ORDER_ID.fullmatch(order.client_order_id):
        raise ValueError("a cancel without an id")
    return order.client_order_id


def cancel_all(symbol: Symbol | None, side: Side | None) -> bytes:
    """Return the body that cancels every order of the account, or those of a symbol or side."""
    body = CancelAll(symbol=None if symbol is None else venue_symbol(symbol), side=None if side is None else side.value)
    return msgspec.json.encode(body)


# ------------------------------------------------------------------------------------------------ queries


def cancel_algo(order: OrderRef, kind: AlgoKind) -> bytes:
    """Return the body that cancels an order that waits for its trigger.

    Raises:
        ValueError: its venue id is not known; this call takes no other (PROTOCOL 9.4).
    """
    body = CancelAlgo(symbol=venue_symbol(order.symbol), order_id=_theirs(order), type=kind.value)
    return msgspec.json.encode(body)


def query_client_order(client_order_id: str) -> bytes:
    """Return the body of a look-up by our id."""
    return msgspec.json.encode(QueryClientOrder(clientOrderId=client_order_id))


def query_order(venue_order_id: str) -> bytes:
    """Return the body of a look-up by the venue's id, of an order or of its trades."""
    return msgspec.json.encode(QueryOrder(orderId=venue_order_id))


def query_list(
    start_ms: int | None = None,
    end_ms: int | None = None,
    symbol: Symbol | None = None,
    mode: str | None = SPOT,
) -> bytes:
    """Return the body of a list of orders or trades, of one market or all; without bounds the venue shows its last
    seven days.
    """
    body = QueryList(
        symbol=None if symbol is None else venue_symbol(symbol),
        orderMode=mode,
        startTime=start_ms,
        endTime=end_ms,
        limit=ROWS_MAX,
        recvWindow=RECV_WINDOW_MS,
    )
    return msgspec.json.encode(body)
