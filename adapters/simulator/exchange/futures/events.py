"""What the perpetual exchange tells: copies as of the moment, in the order in which things happened."""

from decimal import Decimal
from enum import Enum, auto

from msgspec import Struct

from adapters.simulator.exchange.futures.orders import Fill, Order
from adapters.simulator.exchange.futures.plans import Plan
from adapters.simulator.exchange.futures.positions import Position
from oms.values import Side


class Action(Enum):
    """What happened to an order: the nine of PROTOCOL 8.3, in its order."""

    MATCHED = auto()
    SUBMITTED = auto()
    CANCELED = auto()
    CANCELED_BY_LIQUIDATION = auto()
    CANCELED_BY_ADL = auto()
    LIQUIDATED = auto()  # a match of a liquidation order
    BANKRUPT = auto()  # a match of a bankruptcy order
    PASSIVE_ADL = auto()  # the counterparty's side
    ACTIVE_ADL = auto()  # the side that was taken over


class OrderChanged(Struct, frozen=True, kw_only=True):
    """An order was taken, matched, amended (SUBMITTED again) or ended; `fill` is what changed it, if a match did."""

    action: Action
    order: Order
    fill: Fill | None = None


class PlanChanged(Struct, frozen=True, kw_only=True):
    """A plan was taken, amended, triggered or ended; `new` when it has just begun to wait."""

    plan: Plan
    new: bool = False


class PositionChanged(Struct, frozen=True, kw_only=True):
    """A position, also one that has just become flat. `promised` contracts wait in orders that close it."""

    position: Position
    promised: Decimal
    at_ms: int


class WalletChanged(Struct, frozen=True, kw_only=True):
    """What an account has of a coin. Equity is the sum of the three and what positions would make."""

    account: str
    coin: str
    available: Decimal
    frozen: Decimal
    deposit: Decimal
    at_ms: int


class Printed(Struct, frozen=True, kw_only=True):
    """A public trade; `side` is the taker's, `size` in contracts."""

    trade_id: str
    symbol: str
    price: Decimal
    size: Decimal
    side: Side
    at_ms: int


class FundingSettled(Struct, frozen=True, kw_only=True):
    """Longs paid shorts `rate` of their value at `mark` (a negative rate: shorts paid)."""

    symbol: str
    rate: Decimal
    mark: Decimal
    at_ms: int


Event = OrderChanged | PlanChanged | PositionChanged | WalletChanged | Printed | FundingSettled
