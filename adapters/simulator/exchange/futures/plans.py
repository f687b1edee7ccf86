"""Orders that wait for a price: plan orders, take-profits, stop-losses, trailing ones (PROTOCOL 6.5)."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from adapters.simulator.exchange.futures.orders import MarginMode, Mode, OrderType, PlanKind, Preset, PriceType
from oms.values import ZERO, PositionLeg, Side


class PriceWay(StrEnum):
    """From which side the price has to come."""

    RISES = "rises"
    FALLS = "falls"


class PlanState(StrEnum):
    """FAILED: the price came, and the order it became was refused."""

    WAITING = "waiting"
    TRIGGERED = "triggered"
    CANCELED = "canceled"
    FAILED = "failed"


class NewPlan(Struct, frozen=True, kw_only=True):
    """A plan on its way in.

    PLAN needs `trigger_price`, `way` and `size`. TAKE_PROFIT and STOP_LOSS need a position and `trigger_price`, are
    always reduce-only, and without `size` close all of the position. TRAILING needs `size`, `trigger_price` (from
    where on it follows) and `callback_percent`. `price` None: a market order once triggered.
    """

    account: str
    symbol: str
    kind: PlanKind
    side: Side
    reduce_only: bool = False
    size: Decimal | None = None
    trigger_price: Decimal | None = None
    way: PriceWay | None = None
    price_type: PriceType = PriceType.LAST
    price: Decimal | None = None
    mode: Mode = Mode.GTC
    leverage: int | None = None
    margin_mode: MarginMode | None = None
    callback_percent: Decimal | None = None
    client_order_id: str = ""
    take_profit: Preset | None = None
    stop_loss: Preset | None = None


class Plan(Struct, kw_only=True):
    """One plan as it stands; the exchange alone changes it."""

    plan_id: str
    client_order_id: str
    account: str
    symbol: str
    kind: PlanKind
    side: Side
    reduce_only: bool
    leg: PositionLeg
    size: Decimal | None  # None: all of the position
    trigger_price: Decimal
    way: PriceWay
    price_type: PriceType
    type: OrderType
    price: Decimal  # zero for a market order
    mode: Mode
    leverage: int
    margin_mode: MarginMode
    created_ms: int
    updated_ms: int
    callback_percent: Decimal = ZERO
    take_profit: Preset | None = None
    stop_loss: Preset | None = None
    parent_order_id: str = ""  # of the order whose preset this was
    following: bool = False  # a trailing plan that reached its trigger price
    extreme: Decimal = ZERO  # the best price it has followed
    state: PlanState = PlanState.WAITING
    child_order_id: str = ""  # what it became

    @property
    def live(self) -> bool:
        return self.state is PlanState.WAITING
