"""How a futures stream's data is spelled: JSON text, ``{"group", "data"}`` (PROTOCOL 8)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from adapters.simulator.exchange.futures.contracts import Contract
from adapters.simulator.exchange.futures.events import OrderChanged, Printed, WalletChanged
from adapters.simulator.exchange.futures.orders import Fill, MarginMode, PlanKind
from adapters.simulator.exchange.futures.plans import Plan, PlanState
from adapters.simulator.exchange.futures.positions import Position
from adapters.simulator.wire.futures.words import (
    ACTIONS,
    PLAN_STATES,
    PRICE_TYPE_CODES,
    PUSHED_PLAN_TYPES,
    SIDE_CODES,
    figure,
    order_fields,
    position_mode,
    short,
)
from adapters.simulator.wire.spoiled import Element, spoiled
from oms.values import ZERO, Side

ABSENT: Final = "-"
NO_TRIGGERS: Final = {
    "trigger_price": ABSENT,
    "trigger_price_type": ABSENT,
    "execution_price": ABSENT,
    "activation_price_type": ABSENT,
    "activation_price": ABSENT,
    "callback_rate": ABSENT,
}
JITTER_MS: Final = 7  # an order's first update is up to so much before its creation (PROTOCOL 9.33)
SUBMIT: Final = 2
CANCEL: Final = 3


def data_frame(group: str, data: object) -> str:
    """One push."""
    return msgspec.json.encode({"group": group, "data": data}).decode()


def order_element(event: OrderChanged) -> dict[str, object]:
    """An order as `futures/order` pushes it: cumulative figures, and the one trade if this event is one."""
    order, action = event.order, ACTIONS[event.action]
    early_ms = int(order.order_id) % JITTER_MS if action == SUBMIT else 0
    return {
        "action": action,
        "order": {
            **order_fields(order),  # the price of a market order is the worst it takes (PROTOCOL 8.3)
            "update_time": order.updated_ms - early_ms,
            "plan_order_id": order.plan_id,
            "last_trade": None if event.fill is None else _last_trade(event.fill),
            **NO_TRIGGERS,
            "position_mode": position_mode(order.leg),
        },
    }


def _last_trade(fill: Fill) -> dict[str, object]:
    return {
        "lastTradeID": int(fill.trade_id),
        "fillQty": figure(fill.size),
        "fillPrice": figure(fill.price),
        "fee": figure(-fill.fee),  # negative is paid
        "feeCcy": fill.fee_coin,
    }


def plan_element(plan: Plan) -> dict[str, object]:
    """A plan on the same channel: submitted, or no longer there (triggered, canceled, failed)."""
    trailing = plan.kind is PlanKind.TRAILING
    price_type = PRICE_TYPE_CODES[plan.price_type]
    trigger = {
        "trigger_price": ABSENT if trailing else figure(plan.trigger_price),
        "trigger_price_type": ABSENT if trailing else price_type,
        "execution_price": figure(plan.price),
        "activation_price_type": price_type if trailing else ABSENT,
        "activation_price": figure(plan.trigger_price) if trailing else ABSENT,
        "callback_rate": figure(plan.callback_percent) if trailing else ABSENT,
    }
    return {
        "action": SUBMIT if plan.state is PlanState.WAITING else CANCEL,
        "order": {
            "order_id": plan.plan_id,
            "client_order_id": plan.client_order_id,
            "price": figure(plan.price),
            "size": figure(plan.size or ZERO),
            "symbol": plan.symbol,
            "state": PLAN_STATES[plan.state],
            "side": SIDE_CODES[plan.side, plan.reduce_only],
            "type": PUSHED_PLAN_TYPES[plan.kind],
            "leverage": str(plan.leverage),
            "open_type": plan.margin_mode.value,
            "deal_avg_price": "0",
            "deal_size": "0",
            "create_time": plan.created_ms,
            "update_time": plan.updated_ms,
            "plan_order_id": "",
            "last_trade": None,
            **trigger,
            "position_mode": position_mode(plan.leg),
        },
    }


def position_element(
    position: Position, contract: Contract, promised: Decimal, liquidation: Decimal
) -> dict[str, object]:
    """A position as `futures/position` pushes it; a flat one shows zeros. `liquidation` is zero for none."""
    return {
        "symbol": position.symbol,
        "hold_volume": figure(position.size),
        "position_type": 1 if position.direction is Side.BUY else 2,
        "open_type": 1 if position.margin_mode is MarginMode.ISOLATED else 2,
        "frozen_volume": figure(promised),
        "close_volume": figure(position.closed_size),
        "hold_avg_price": short(position.average_price(contract)),
        "close_avg_price": short(position.close_average(contract)),
        "open_avg_price": short(position.open_average(contract)),
        "liquidate_price": short(liquidation),
        "create_time": position.opened_ms,
        "update_time": position.updated_ms,
        "position_mode": position_mode(position.leg),
    }


def wallet_element(event: WalletChanged) -> dict[str, str]:
    """Absolute figures of one coin, without a time."""
    return {
        "currency": event.coin,
        "available_balance": figure(event.available),
        "position_deposit": figure(event.deposit),
        "frozen_balance": figure(event.frozen),
    }


def trade_element(event: Printed) -> dict[str, object]:
    """A public trade: `m` says that the buyer was there first."""
    at = datetime.fromtimestamp(event.at_ms / 1000, UTC)
    return {
        "trade_id": int(event.trade_id),
        "symbol": event.symbol,
        "deal_price": figure(event.price),
        "deal_vol": figure(event.size),
        "m": event.side is Side.SELL,
        "created_at": f"{at:%Y-%m-%dT%H:%M:%S}.{event.at_ms % 1000:03d}000000Z",
    }


def levels(depth: Sequence[tuple[Decimal, Decimal]]) -> list[dict[str, str]]:
    """Spell book levels as streams do."""
    return [{"price": figure(price), "vol": figure(size)} for price, size in depth]


class _Push(Struct):
    group: str
    data: list[Element] | Element


def novel_frame(frame: str | bytes) -> str:
    """Return a data frame with a field, and in orders an action, that no document names."""
    push = msgspec.json.decode(frame, type=_Push)
    for element in push.data if isinstance(push.data, list) else [push.data]:
        element["novelty"] = {"since": "today"}
        if "action" in element:
            element["action"] = 99
    return msgspec.json.encode(push).decode()


def spoiled_frame(frame: str | bytes) -> str:
    """Return a data frame whose first element has values of no type that it could have."""
    push = msgspec.json.decode(frame, type=_Push)
    if isinstance(push.data, dict):
        push.data = spoiled(push.data)
    else:
        push.data[0] = spoiled(push.data[0])
    return msgspec.json.encode(push).decode()


def empty_frame(frame: str | bytes) -> str:
    """Return a frame of the same group with nothing in it, as the venue spells that (PROTOCOL 7.1)."""
    return data_frame(msgspec.json.decode(frame, type=_Push).group, "")
