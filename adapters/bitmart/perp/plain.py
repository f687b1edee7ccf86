"""Pushes of limit and market orders as nearly all of them come, read at once: the hot path of the private stream.

What is not of these types and words, such as what waits for a price or what the venue does by itself, is left to
`codec`, which reads whatever comes, element by element; the two never differ (`tests/fuzz`).
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from adapters.bitmart.elements import Reports, all_plain
from adapters.bitmart.envelope import MALFORMED
from adapters.bitmart.perp.spelling import symbol
from adapters.bitmart.perp.translate import MARGIN_MODES, MODES, PLACEMENTS, Placement, status
from adapters.bitmart.scalars import LATEST_MS, SECONDS_BELOW, VENUE_ORDER_ID, positive_of, signed_of, unsigned_of
from oms.reports import OrderReport, TradeReport
from oms.values import ClientOrderId, Currency, ExecId, VenueOrderId

Millis = Annotated[int, Meta(gt=SECONDS_BELOW, le=LATEST_MS)]


class PlainTrade(Struct, gc=False):
    """The last trade of a push."""

    lastTradeID: Annotated[int, Meta(ge=1, le=2**63 - 1)]  # noqa: N815 -- the venue's spelling
    fillQty: str  # noqa: N815 -- likewise
    fillPrice: str  # noqa: N815 -- likewise
    fee: str
    feeCcy: Currency  # noqa: N815 -- likewise


class PlainOrder(Struct, gc=False):
    """A `PushedOrder` with the types that it nearly always has."""

    order_id: VenueOrderId
    symbol: str
    client_order_id: ClientOrderId
    side: int
    type: Literal["limit", "market"]
    position_mode: str
    state: int
    price: str
    size: str
    deal_avg_price: str
    deal_size: str
    leverage: str
    open_type: Literal["cross", "isolated"]
    create_time: Millis
    update_time: Millis
    trigger_price: Literal["-", ""] = "-"
    activation_price: Literal["-", ""] = "-"
    plan_order_id: Literal[""] = ""
    preset_take_profit_price: Literal["-", "", "0"] | None = None
    preset_take_profit_price_type: int | None = None
    preset_stop_loss_price: Literal["-", "", "0"] | None = None
    preset_stop_loss_price_type: int | None = None
    last_trade: PlainTrade | None = None


class PlainPush(Struct, gc=False):
    """An element: submitted, matched, or canceled."""

    order: PlainOrder
    action: Literal[1, 2, 3]


class PlainPushes(Struct, gc=False):
    """A whole frame of them."""

    group: Literal["futures/order"]
    data: list[PlainPush]


PLACED: Final[Mapping[str, Mapping[int, Placement]]] = {
    word: {int(code): placement for code, placement in PLACEMENTS[mode].items()} for word, mode in MODES.items()
}
STATES: Final = {1: "1", 2: "2", 4: "4"}
ACTIONS: Final = {1: "1", 2: "2", 3: "3"}
BEGIN: Final = b'{"group":"futures/order",'
END: Final = b'"group":"futures/order"}'
_decode: Final = msgspec.json.Decoder(PlainPushes).decode


def read(data: bytes) -> tuple[str, Reports] | None:
    """Return the group and the reports of a frame that is nothing but plain pushes, None for any other."""
    if not (data.startswith(BEGIN) or data.endswith(END)):
        return None
    try:
        pushes = _decode(data)
        reports = all_plain(pushes.data, _reports)
    except MALFORMED:
        return None
    return None if reports is None else (pushes.group, reports)


def _reports(push: PlainPush) -> tuple[OrderReport] | tuple[OrderReport, TradeReport] | None:
    order = push.order
    order_id, client_id = order.order_id, order.client_order_id
    placement = PLACED.get(order.position_mode, {}).get(order.side)
    size, filled = positive_of(order.size), unsigned_of(order.deal_size)
    now = status(STATES.get(order.state), size, filled, ACTIONS[push.action], conditional=False)
    if placement is None or now is None or not (VENUE_ORDER_ID.fullmatch(order_id) and client_id.isalnum()):
        return None
    side, leg, effect = placement
    market = symbol(order.symbol)
    report = OrderReport(
        symbol=market,
        status=now,
        venue_order_id=order_id,
        client_order_id=client_id,
        side=side,
        position_leg=leg,
        effect=effect,
        order_type=order.type,
        quantity=size,
        cum_quantity=filled,
        price=None if order.type == "market" else positive_of(order.price),
        average_price=positive_of(order.deal_avg_price),
        leverage=positive_of(order.leverage),
        margin_mode=MARGIN_MODES[order.open_type],
        created_ms=order.create_time,
        updated_ms=order.update_time,
    )
    last = order.last_trade
    if last is None:
        return (report,)
    quantity, price, fee = positive_of(last.fillQty), positive_of(last.fillPrice), signed_of(last.fee)
    if quantity is None or price is None or not last.feeCcy.isalnum():
        return None
    trade = TradeReport(
        exec_id=ExecId(str(last.lastTradeID)),
        symbol=market,
        price=price,
        quantity=quantity,
        venue_order_id=order_id,
        client_order_id=client_id,
        side=side,
        position_leg=leg,
        effect=effect,
        commission=fee.copy_negate() if fee else fee,
        commission_currency=last.feeCcy,
        at_ms=order.update_time,
    )
    return (report, trade)
