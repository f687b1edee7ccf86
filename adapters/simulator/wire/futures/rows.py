"""Orders, plans, trades, positions and flows as futures REST shows them (PROTOCOL 6.5 to 6.7)."""

from decimal import Decimal
from typing import Final

from adapters.simulator.exchange.futures.accounts import Flow
from adapters.simulator.exchange.futures.contracts import Contract
from adapters.simulator.exchange.futures.orders import Fill, MarginMode, Order, OrderType, Preset
from adapters.simulator.exchange.futures.plans import Plan
from adapters.simulator.exchange.futures.positions import Position
from adapters.simulator.wire.futures.words import (
    ACCOUNT,
    FLOWS,
    MODE_CODES,
    PLAN_STATES,
    PLAN_TYPES,
    PRICE_TYPE_CODES,
    SIDE_CODES,
    WAY_CODES,
    figure,
    order_fields,
    position_mode,
    short,
)
from oms.values import EXACT, ZERO, Liquidity, PositionLeg, Side

SIDE_NAMES: Final = {PositionLeg.LONG: "long", PositionLeg.SHORT: "short", PositionLeg.NET: "both"}
PADDED: Final = Decimal("0.00000001")  # amounts of the transaction history have eight decimals


def order_row(order: Order) -> dict[str, object]:
    """One order. There is no fee, no time in force and no reason of a cancel."""
    return {
        **order_fields(order),
        **({"price": "0"} if order.type is OrderType.MARKET else {}),
        "position_mode": position_mode(order.leg),
        "account": ACCOUNT,
        "trigger_price": "0",
        "execution_price": "0",
        "activation_price_type": 0,
        "activation_price": "",
        "callback_rate": "",
        **_presets(order.take_profit, order.stop_loss),
    }


def trailing_row(plan: Plan) -> dict[str, object]:
    """A trailing order among the open orders: it waits for its price, and has one more order id to come."""
    return {
        **_waiting(plan),
        "price": "0",
        "state": PLAN_STATES[plan.state],
        "type": "trailing",
        "deal_avg_price": "0",
        "deal_size": "0",
        "account": ACCOUNT,
        "activation_price_type": PRICE_TYPE_CODES[plan.price_type],
        "activation_price": figure(plan.trigger_price),
        "callback_rate": figure(plan.callback_percent),
    }


def plan_row(plan: Plan) -> dict[str, object]:
    """One waiting plan of `current-plan-order`."""
    whole = plan.size is None
    return {
        **_waiting(plan),
        "executive_price": figure(plan.price),
        "trigger_price": figure(plan.trigger_price),
        "state": PLAN_STATES[plan.state],
        "mode": MODE_CODES[plan.mode],
        "price_way": WAY_CODES[plan.way],
        "price_type": PRICE_TYPE_CODES[plan.price_type],
        "plan_category": 2 if whole else 1,
        "type": PLAN_TYPES[plan.kind],
        **_presets(plan.take_profit, plan.stop_loss),
    }


def _waiting(plan: Plan) -> dict[str, object]:
    return {
        "order_id": plan.plan_id,
        "client_order_id": plan.client_order_id,
        "size": figure(plan.size or ZERO),
        "symbol": plan.symbol,
        "side": SIDE_CODES[plan.side, plan.reduce_only],
        "position_mode": position_mode(plan.leg),
        "leverage": str(plan.leverage),
        "open_type": plan.margin_mode.value,
        "create_time": plan.created_ms,
        "update_time": plan.updated_ms,
    }


def _presets(take_profit: Preset | None, stop_loss: Preset | None) -> dict[str, object]:
    return {
        "preset_take_profit_price_type": 0 if take_profit is None else PRICE_TYPE_CODES[take_profit.price_type],
        "preset_stop_loss_price_type": 0 if stop_loss is None else PRICE_TYPE_CODES[stop_loss.price_type],
        "preset_take_profit_price": "" if take_profit is None else figure(take_profit.price),
        "preset_stop_loss_price": "" if stop_loss is None else figure(stop_loss.price),
    }


def trade_row(fill: Fill) -> dict[str, object]:
    """One fill: the fee is positive when paid, the profit is without it. There is no client order id."""
    return {
        "order_id": fill.order_id,
        "trade_id": fill.trade_id,
        "symbol": fill.symbol,
        "side": SIDE_CODES[fill.side, fill.reduce_only],
        "price": figure(fill.price),
        "vol": figure(fill.size),
        "exec_type": "Maker" if fill.role is Liquidity.MAKER else "Taker",
        "profit": fill.realised > ZERO,
        "realised_profit": figure(fill.realised),
        "paid_fees": figure(fill.fee),
        "account": ACCOUNT,
        "create_time": fill.at_ms,
    }


def flow_row(flow: Flow) -> dict[str, object]:
    """One line of the transaction history."""
    number, name = FLOWS[flow.kind]
    return {
        "symbol": flow.symbol,
        "type": name,
        "flow_type": number,
        "amount": figure(flow.amount) if flow.amount % PADDED else f"{flow.amount:.8f}",
        "asset": flow.coin,
        "account": ACCOUNT,
        "time": str(flow.at_ms),
        "tran_id": flow.tran_id,
    }


class PositionView:
    """A position with what the market makes of it: all figures that the three endpoints show in their own spelling."""

    def __init__(self, position: Position, contract: Contract, mark: Decimal, last: Decimal) -> None:
        self.position = position
        self.contract = contract
        self.mark = mark
        self.maintenance = contract.maintenance(position.cost) if position.size else ZERO
        self.unrealised = position.unrealised(contract, mark)
        self.current_value = contract.value(position.size, last)
        self.mark_value = contract.value(position.size, mark)
        # with fees and funding, unlike the profit of trades (PROTOCOL 6.8)
        self.realised = EXACT.add(EXACT.subtract(position.realised, position.fees), position.funding)

    @property
    def notional_max(self) -> str:
        return figure(self.contract.notional_max(self.position.leverage))

    def _common(self, now_ms: int) -> dict[str, object]:
        position, contract = self.position, self.contract
        entry = short(position.average_price(contract))
        return {
            "symbol": position.symbol,
            "leverage": str(position.leverage),
            "timestamp": now_ms,
            "current_fee": figure(position.fees),
            "open_timestamp": position.opened_ms,
            "current_value": figure(self.current_value),
            "mark_price": figure(self.mark),
            "mark_value": figure(self.mark_value),
            "position_value": figure(position.cost),
            "position_cross": figure(position.margin),
            "maintenance_margin": short(self.maintenance),
            "close_vol": figure(position.closed_size),
            "close_avg_price": short(position.close_average(contract)),
            "open_avg_price": short(position.open_average(contract)),
            "entry_price": entry,
            "current_amount": figure(position.size),
            "realized_value": figure(self.realised),
            "account": ACCOUNT,
        }

    def v1(self, now_ms: int) -> dict[str, object]:
        position = self.position
        return {
            **self._common(now_ms),
            "unrealized_value": figure(self.unrealised),
            "position_type": 1 if position.direction is Side.BUY else 2,
            "margin_type": position.margin_mode.value.capitalize(),
            "position_mode": position_mode(position.leg),
        }

    def v2(self, now_ms: int, liquidation: Decimal) -> dict[str, object]:
        position = self.position
        signed = position.signed_size if position.leg is PositionLeg.NET else position.size
        return {
            **self._common(now_ms),
            "position_amount": figure(signed),
            "open_type": position.margin_mode.value,
            "position_side": SIDE_NAMES[position.leg],
            "unrealized_pnl": figure(self.unrealised),
            "liquidation_price": short(liquidation),
            "max_notional_value": self.notional_max,
            "initial_margin": figure(position.margin),
        }

    def risk(self, liquidation: Decimal) -> dict[str, object]:
        """The time is in seconds, whatever the documents say (PROTOCOL 6.7)."""
        position = self.position
        isolated = position.margin if position.margin_mode is MarginMode.ISOLATED else ZERO
        return {
            "symbol": position.symbol,
            "position_amt": figure(position.size),
            "mark_price": figure(self.mark),
            "unrealized_profit": figure(self.unrealised),
            "liquidation_price": short(liquidation),
            "leverage": str(position.leverage),
            "max_notional_value": self.notional_max,
            "margin_type": position.margin_mode.value.capitalize(),
            "isolated_margin": figure(isolated),
            "position_side": "Long" if position.direction is Side.BUY else "Short",
            "notional": figure(self.mark_value),
            "update_time": position.updated_ms // 1000,
            "account": ACCOUNT,
        }
