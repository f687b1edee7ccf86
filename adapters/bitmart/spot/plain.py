"""Pushes of limit orders as nearly all of them come, read at once: the hot path of the private stream.

What is not of these types and words is left to `codec`, which reads whatever comes, element by element; the two never
differ (`tests/fuzz`). The decoder has seen to the types here, and names and figures that come again are kept.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec
from msgspec import Struct

from adapters.bitmart.elements import Reports, all_plain
from adapters.bitmart.envelope import MALFORMED
from adapters.bitmart.scalars import VENUE_ORDER_ID, millis, millis_of, positive_of, unsigned_of
from adapters.bitmart.spot.translate import ISOLATED, LIQUIDITIES, SIDES, symbol
from oms.reports import OrderReport, TradeReport, VenueOrderStatus
from oms.values import ClientOrderId, ExecId, VenueOrderId


class PlainPush(Struct, gc=False):
    """An `OrderPush` with the types that it nearly always has."""

    order_id: VenueOrderId
    symbol: str
    client_order_id: ClientOrderId
    side: str
    type: str
    entrust_type: str
    order_state: str
    price: str
    size: str
    filled_size: str
    filled_notional: str
    last_fill_price: str
    last_fill_count: str
    exec_type: str
    detail_id: ExecId
    create_time: str
    update_time: str
    last_fill_time: str = "0"
    order_mode: str = "spot"


class PlainPushes(Struct, gc=False):
    """A whole frame of them."""

    table: Literal["spot/user/orders", "spot/user/order"]
    data: list[PlainPush]


# What they say: states, with the word that stays raw, and the kinds of limit order.
STATES: Final[Mapping[str, tuple[VenueOrderStatus, str | None]]] = {
    "new": (VenueOrderStatus.NEW, None),
    "partially_filled": (VenueOrderStatus.PARTIALLY_FILLED, None),
    "filled": (VenueOrderStatus.FILLED, None),
    "canceled": (VenueOrderStatus.CANCELED, None),
    "partially_canceled": (VenueOrderStatus.CANCELED, "partially_canceled"),
}
KINDS: Final[Mapping[str, str]] = {
    "normal": "limit",
    "NORMAL": "limit",
    "LIMIT_MAKER": "limit_maker",
    "limit_maker": "limit_maker",
    "IOC": "ioc",
    "ioc": "ioc",
}
BEGIN: Final = b'{"table":"spot/user/order'
END: Final = (b'"table":"spot/user/orders"}', b'"table":"spot/user/order"}')
_decode: Final = msgspec.json.Decoder(PlainPushes).decode


def read(data: bytes) -> tuple[str, Reports] | None:
    """Return the table and the reports of a frame that is nothing but plain pushes, None for any other."""
    if not (data.endswith(END) or data.startswith(BEGIN)):
        return None
    try:
        pushes = _decode(data)
        reports = all_plain(pushes.data, _reports)
    except MALFORMED:
        return None
    return None if reports is None else (pushes.table, reports)


def _reports(push: PlainPush) -> tuple[OrderReport] | tuple[OrderReport, TradeReport] | None:
    order_id, client_id, detail_id = push.order_id, push.client_order_id, push.detail_id
    side, kind, words = SIDES.get(push.side), KINDS.get(push.entrust_type), STATES.get(push.order_state)
    if words is None or kind is None or side is None or push.type != "limit" or push.order_mode == ISOLATED:
        return None
    if not (VENUE_ORDER_ID.fullmatch(order_id) and client_id.isalnum()) or str(order_id) == client_id:
        return None
    created_ms, updated_ms = millis_of(push.create_time), millis(push.update_time)
    if created_ms is None:
        return None
    status, raw = words
    market, cum_quantity = symbol(push.symbol), unsigned_of(push.filled_size)
    order = OrderReport(
        symbol=market,
        status=status,
        raw_status=raw,
        venue_order_id=order_id,
        client_order_id=client_id,
        side=side,
        order_type=kind,
        quantity=positive_of(push.size),
        cum_quantity=cum_quantity,
        cum_notional=unsigned_of(push.filled_notional),
        price=positive_of(push.price),
        created_ms=created_ms,
        updated_ms=updated_ms,
    )
    quantity, price = positive_of(push.last_fill_count), positive_of(push.last_fill_price)
    if not cum_quantity or detail_id == "":
        return (order,)
    if not detail_id.isalnum() or detail_id == "0" or quantity is None or price is None:
        return None
    trade = TradeReport(
        exec_id=detail_id,
        symbol=market,
        price=price,
        quantity=quantity,
        venue_order_id=order_id,
        client_order_id=client_id,
        side=side,
        liquidity=LIQUIDITIES.get(push.exec_type.strip().lower()),
        at_ms=millis(push.last_fill_time) or updated_ms,
    )
    return (order, trade)
