"""BitMart futures' words and numbers for what the exchange knows (PROTOCOL 6.0, 6.5, 6.6, 8.3)."""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from adapters.simulator.exchange.futures.accounts import FlowKind
from adapters.simulator.exchange.futures.events import Action
from adapters.simulator.exchange.futures.orders import (
    MarginMode,
    Mode,
    Order,
    OrderState,
    OrderType,
    PlanKind,
    PositionMode,
    PriceType,
    SelfTrade,
)
from adapters.simulator.exchange.futures.plans import PlanState, PriceWay
from oms.values import EXACT, RATIO, ZERO, PositionLeg, Side

SIDES: Final[Mapping[int, tuple[Side, bool]]] = {  # code -> side, whether it only closes or reduces
    1: (Side.BUY, False),
    2: (Side.BUY, True),
    3: (Side.SELL, True),
    4: (Side.SELL, False),
}
SIDE_CODES: Final = {meaning: code for code, meaning in SIDES.items()}
MODES: Final = {1: Mode.GTC, 2: Mode.FOK, 3: Mode.IOC, 4: Mode.MAKER_ONLY}
MODE_CODES: Final = {mode: code for code, mode in MODES.items()}
SELF_TRADES: Final = {1: SelfTrade.CANCEL_MAKER, 2: SelfTrade.CANCEL_TAKER, 3: SelfTrade.CANCEL_BOTH}
TYPES: Final = {"limit": OrderType.LIMIT, "market": OrderType.MARKET}
OPEN_TYPES: Final = {"cross": MarginMode.CROSS, "isolated": MarginMode.ISOLATED}
POSITION_MODES: Final = {"hedge_mode": PositionMode.HEDGE, "one_way_mode": PositionMode.ONE_WAY}
PRICE_TYPES: Final = {1: PriceType.LAST, 2: PriceType.MARK}
PRICE_TYPE_CODES: Final = {price_type: code for code, price_type in PRICE_TYPES.items()}
WAYS: Final = {1: PriceWay.RISES, 2: PriceWay.FALLS}
WAY_CODES: Final = {way: code for code, way in WAYS.items()}
STATES: Final = {
    OrderState.PENDING: 1,
    OrderState.NEW: 2,
    OrderState.PARTIALLY_FILLED: 2,
    OrderState.FILLED: 4,
    OrderState.CANCELED: 4,
    OrderState.PARTIALLY_CANCELED: 4,
}
ORDER_TYPES: Final = {
    OrderType.LIMIT: "limit",
    OrderType.MARKET: "market",
    OrderType.LIQUIDATE: "liquidate",
    OrderType.BANKRUPTCY: "bankruptcy",
    OrderType.ADL: "adl",
    OrderType.SETTLEMENT: "liquidate",  # no word for a settlement is known
}
PLAN_TYPES: Final = {  # in current-plan-order; PROTOCOL 6.5 has the documents' words
    PlanKind.PLAN: "plan",
    PlanKind.TAKE_PROFIT: "take_profit",
    PlanKind.STOP_LOSS: "stop_loss",
    PlanKind.TRAILING: "trailing",
}
PUSHED_PLAN_TYPES: Final = {**PLAN_TYPES, PlanKind.PLAN: "plan_order", PlanKind.TRAILING: "trailing_order"}
PLAN_STATES: Final = {PlanState.WAITING: 1, PlanState.TRIGGERED: 4, PlanState.CANCELED: 4, PlanState.FAILED: 4}
ACTIONS: Final = {
    Action.MATCHED: 1,
    Action.SUBMITTED: 2,
    Action.CANCELED: 3,
    Action.CANCELED_BY_LIQUIDATION: 4,
    Action.CANCELED_BY_ADL: 5,
    Action.LIQUIDATED: 6,
    Action.BANKRUPT: 7,
    Action.PASSIVE_ADL: 8,
    Action.ACTIVE_ADL: 9,
}
FLOWS: Final = {
    FlowKind.TRANSFER: (1, "Transfer"),
    FlowKind.REALISED: (2, "Realized PNL"),
    FlowKind.FUNDING: (3, "Funding Fee"),
    FlowKind.COMMISSION: (4, "Commission Fee"),
    FlowKind.LIQUIDATION: (5, "Liquidation Clearance"),
}
ACCOUNT: Final = "futures"
COINS: Final = ("USDT", "BTC", "ETH")  # that an account may hold as margin, whatever trades here
AVERAGE_GRID: Final = Decimal("1e-18")  # as many decimals as captured averages have


def position_mode(leg: PositionLeg) -> str:
    """Return the account's mode as of a leg."""
    return "one_way_mode" if leg is PositionLeg.NET else "hedge_mode"


def average(value: Decimal, size: Decimal) -> str:
    """Spell value / size, zero for nothing."""
    return short(RATIO.divide(value, size) if size else ZERO)


def short(value: Decimal, grid: Decimal = AVERAGE_GRID) -> str:
    """Spell a quotient, cut to the digits that captures show."""
    return figure(value.quantize(grid, ROUND_HALF_EVEN, context=RATIO))


def figure(value: Decimal) -> str:
    """Spell a decimal without an exponent, without an idle zero and without losing a digit."""
    return format(value.normalize(EXACT), "f")


def order_fields(order: Order) -> dict[str, object]:
    """What REST and the stream both show of an order, in the venue's order of fields."""
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "price": figure(order.price),
        "size": figure(order.size),
        "symbol": order.symbol,
        "state": STATES[order.state],
        "side": SIDE_CODES[order.side, order.reduce_only],
        "type": ORDER_TYPES[order.type],
        "leverage": str(order.leverage),
        "open_type": order.margin_mode.value,
        "deal_avg_price": average(order.filled_value, order.filled_size),
        "deal_size": figure(order.filled_size),
        "create_time": order.created_ms,
        "update_time": order.updated_ms,
    }
