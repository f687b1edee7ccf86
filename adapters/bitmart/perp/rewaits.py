"""The calls that change what an order waits for, or what comes into force with its fill (PROTOCOL 6.5): they take the
whole of it.
"""

import msgspec
from msgspec import Struct

from adapters.bitmart.perp.requests import AT_MARKET, FOR_A_QUANTITY, PRICES, CancelOrder, linear, price_text
from oms.errors import InvalidOrderError
from oms.values import plain
from oms.venue import Amendment, NewOrder, OrderRef, Trigger


class ModifyPlanOrder(Struct, omit_defaults=True):
    """`modify-plan-order`, which knows the venue's id alone, as text."""

    symbol: str
    order_id: str
    trigger_price: str
    price_type: int
    type: str
    executive_price: str | None = None


class ModifyTpSlOrder(Struct, omit_defaults=True):
    """`modify-tp-sl-order`, of one that stands for a quantity: by either id."""

    symbol: str
    trigger_price: str
    executive_price: str
    price_type: int
    plan_category: int
    category: str
    order_id: str | None = None
    client_order_id: str | None = None


class ModifyPresets(Struct, omit_defaults=True):
    """`modify-preset-plan-order`, of an order or a plan order: by the venue's id alone, as text."""

    symbol: str
    order_id: str
    preset_take_profit_price_type: int | None = None
    preset_take_profit_price: str | None = None
    preset_stop_loss_price_type: int | None = None
    preset_stop_loss_price: str | None = None


def modify_plan(order: OrderRef, wanted: NewOrder, trigger: Trigger) -> bytes:
    """Return the body that changes what a plan order waits for; `wanted` is the whole of it as it is to be.

    Raises:
        InvalidOrderError: the venue's id is not known, and no other is taken.
    """
    if not order.venue_order_id:
        raise InvalidOrderError(
            f"{order.client_order_id}: a plan order is changed by the venue's id, which is not known"
        )
    body = ModifyPlanOrder(
        symbol=linear(order.symbol),
        order_id=order.venue_order_id,
        trigger_price=plain(trigger.price),
        price_type=PRICES[trigger.by],
        type=wanted.type.value,
        executive_price=price_text(wanted),
    )
    return msgspec.json.encode(body)


def modify_tp_sl(order: OrderRef, wanted: NewOrder, trigger: Trigger) -> bytes:
    """Return the body that changes a take-profit or stop-loss for a quantity; `wanted` as above."""
    known = order.venue_order_id
    named = CancelOrder(symbol="", order_id=known) if known else CancelOrder("", None, order.client_order_id)
    body = ModifyTpSlOrder(
        symbol=linear(order.symbol),
        order_id=named.order_id,
        client_order_id=named.client_order_id,
        trigger_price=plain(trigger.price),
        executive_price=price_text(wanted) or AT_MARKET,
        price_type=PRICES[trigger.by],
        plan_category=FOR_A_QUANTITY,
        category=wanted.type.value,
    )
    return msgspec.json.encode(body)


def modify_presets(change: Amendment) -> bytes:
    """Return the body that changes what comes into force with an order's fill. Whether what it leaves out stays is
    nowhere said, so both are sent as they are to be.

    Raises:
        InvalidOrderError: it changes something else too, or the venue's id is not known, and no other is taken.
    """
    order, profit, loss = change.order, change.take_profit, change.stop_loss
    if change.price is not None or change.quantity is not None or change.waiting is not None:
        raise InvalidOrderError(f"{order.client_order_id}: what protects it is changed by a call of its own")
    if not order.venue_order_id:
        raise InvalidOrderError(f"{order.client_order_id}: presets are changed by the venue's id, which is not known")
    body = ModifyPresets(
        symbol=linear(order.symbol),
        order_id=order.venue_order_id,
        preset_take_profit_price_type=None if profit is None else PRICES[profit.by],
        preset_take_profit_price=None if profit is None else plain(profit.price),
        preset_stop_loss_price_type=None if loss is None else PRICES[loss.by],
        preset_stop_loss_price=None if loss is None else plain(loss.price),
    )
    return msgspec.json.encode(body)
