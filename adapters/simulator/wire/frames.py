"""How a stream's messages are spelled: acknowledgements as text, data as raw DEFLATE (PROTOCOL 7.1, 7.2)."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from adapters.simulator.exchange.orders import BalanceChanged, OrderChanged, OrderState, OrderType, Printed
from adapters.simulator.wire.codes import STREAM_ERRORS
from adapters.simulator.wire.figures import text
from adapters.simulator.wire.spoiled import Element, spoiled
from oms.values import ZERO, Liquidity

RAW_DEFLATE: Final = -15
SMALL_DEFLATE: Final = -9  # the same, within a window of 512 bytes
PRICE_PLACES: Final = 10  # the venue pads its figures
FILLED_PLACES: Final = 30

STATE_CODES: Final = {
    OrderState.NEW: "4",
    OrderState.PARTIALLY_FILLED: "5",
    OrderState.FILLED: "6",
    OrderState.CANCELED: "8",
    OrderState.PARTIALLY_CANCELED: "12",
}
ENTRUST_TYPES: Final = {
    OrderType.LIMIT: ("NORMAL", "0"),
    OrderType.MARKET: ("NORMAL", "0"),
    OrderType.LIMIT_MAKER: ("LIMIT_MAKER", "1"),
    OrderType.IOC: ("IOC", "3"),
}


class _Push(Struct):
    table: str
    data: list[Element]


def data_frame(table: str, elements: Sequence[object]) -> bytes:
    """One push: every frame is a DEFLATE stream of its own."""
    return _deflated({"table": table, "data": elements})


def event_frame(event: str, topic: str | None = None) -> str:
    """Acknowledge a login or one topic."""
    said = {"event": event} if topic is None else {"event": event, "topic": topic}
    return msgspec.json.encode(said).decode()


def error_frame(event: str, code: int) -> str:
    """Refuse; an error names no topic."""
    said = {"event": event, "errorCode": str(code), "errorMessage": STREAM_ERRORS[code]}
    return msgspec.json.encode(said).decode()


def order_element(event: OrderChanged) -> dict[str, str]:
    """An order as the private channels push it: cumulative figures, and the last trade only if this event is one."""
    order, fill = event.order, event.fill
    entrust, order_type = ENTRUST_TYPES[order.type]
    return {
        "symbol": order.symbol,
        "side": order.side.value,
        "type": "market" if order.type is OrderType.MARKET else "limit",
        "notional": text(order.notional, PRICE_PLACES) if order.by_notional else "",
        "size": text(order.size, PRICE_PLACES),
        "price": text(order.price, PRICE_PLACES),
        "ms_t": str(order.created_ms),
        "create_time": str(order.created_ms),
        "update_time": str(order.updated_ms),
        "filled_notional": text(order.filled_notional, FILLED_PLACES),
        "filled_size": text(order.filled_size, FILLED_PLACES),
        "margin_trading": "0",
        "order_mode": "spot",
        "state": STATE_CODES[order.state],
        "order_state": order.state.value,
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "order_type": order_type,
        "entrust_type": entrust,
        "last_fill_time": "0" if fill is None else str(fill.at_ms),
        "last_fill_price": "0" if fill is None else text(fill.price, PRICE_PLACES),
        "last_fill_count": "0" if fill is None else text(fill.size, PRICE_PLACES),
        "exec_type": "" if fill is None else ("M" if fill.role is Liquidity.MAKER else "T"),
        "detail_id": "" if fill is None else fill.trade_id,
        "dealFee": text(ZERO if fill is None else fill.fee, PRICE_PLACES),
        "deal_fee_coin_name": "" if fill is None else fill.fee_coin,
    }


def balance_element(event: BalanceChanged) -> dict[str, object]:
    """Absolute figures of the coins that changed."""
    return {
        "event_type": "TRANSACTION_COMPLETED",
        "event_time": str(event.at_ms),
        "balance_details": [
            {"ccy": coin, "av_bal": text(available, PRICE_PLACES), "fz_bal": text(frozen, PRICE_PLACES)}
            for coin, available, frozen in event.coins
        ],
    }


def trade_element(event: Printed) -> dict[str, object]:
    """A public trade: no id, the taker's side."""
    return {
        "symbol": event.symbol,
        "price": text(event.price),
        "side": event.side.value,
        "size": text(event.size),
        "s_t": event.at_ms // 1000,
        "ms_t": event.at_ms,
    }


def levels(depth: Sequence[tuple[Decimal, Decimal]]) -> list[list[str]]:
    """Spell book levels."""
    return [[text(price), text(size)] for price, size in depth]


def novel_frame(frame: str | bytes) -> bytes:
    """Return a data frame with a field, and in orders a state, that no document names."""
    return _edited(frame, lambda elements: [_novel(element) for element in elements])


def spoiled_frame(frame: str | bytes) -> bytes:
    """Return a data frame whose first element has values of no type that it could have."""
    return _edited(frame, lambda elements: [spoiled(elements[0]), *elements[1:]])


def empty_frame(frame: str | bytes) -> bytes:
    """Return a frame of the same table with nothing in it, as the venue spells that (PROTOCOL 7.1)."""
    assert isinstance(frame, bytes)
    push = msgspec.json.decode(zlib.decompress(frame, wbits=RAW_DEFLATE), type=_Push)
    return _deflated({"table": push.table, "data": ""})


def _deflated(push: Mapping[str, object]) -> bytes:
    """Return a push as it goes over the wire. Compressing into the smallest window takes a tenth of the time, as no
    frame waits for a quarter of a megabyte to be cleared; whoever reads it cannot tell.
    """
    stream = zlib.compressobj(wbits=SMALL_DEFLATE, memLevel=1)
    return stream.compress(msgspec.json.encode(push)) + stream.flush()


def _novel(element: Element) -> Element:
    told = element | {"novelty": {"since": "today"}}
    return told | {"order_state": "under_review", "state": "99"} if "order_state" in element else told


def _edited(frame: str | bytes, edit: Callable[[list[Element]], list[Element]]) -> bytes:
    assert isinstance(frame, bytes)
    push = msgspec.json.decode(zlib.decompress(frame, wbits=RAW_DEFLATE), type=_Push)
    return data_frame(push.table, edit(push.data))
