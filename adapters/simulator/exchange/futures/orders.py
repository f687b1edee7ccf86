"""The perpetual exchange's nouns: what is ordered, what is refused, what was traded.

BitMart's side codes 1-4 are two facts here: `side`, and `reduce_only` (2 and 3: close in hedge mode, reduce only in
one-way mode; PROTOCOL 6.0). Sizes are whole contracts.
"""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from oms.values import EXACT, ZERO, Liquidity, PositionLeg, Side


class PositionMode(StrEnum):
    """Account wide: one position per contract, or a long and a short one apart."""

    ONE_WAY = "one_way"
    HEDGE = "hedge"


class MarginMode(StrEnum):
    """What a position can lose: the coin's whole balance, or the margin it was given."""

    CROSS = "cross"
    ISOLATED = "isolated"


class OrderType(StrEnum):
    """What a trader sends is LIMIT or MARKET; the rest the venue makes by itself, without a client order id."""

    LIMIT = "limit"
    MARKET = "market"
    LIQUIDATE = "liquidate"  # sells what was taken over, at the bankruptcy price or better
    BANKRUPTCY = "bankruptcy"  # the rest of it, at the insurance fund's cost
    ADL = "adl"  # a profitable position, closed because nothing else was left
    SETTLEMENT = "settlement"  # the end of a delisted contract


class Mode(StrEnum):
    """How long it may wait, and as what."""

    GTC = "gtc"
    FOK = "fok"
    IOC = "ioc"
    MAKER_ONLY = "maker_only"  # canceled by the system, silently, where it would take


class SelfTrade(StrEnum):
    """What ends when an account meets itself; the taker's word counts, and there is no letting it trade."""

    CANCEL_MAKER = "cancel_maker"
    CANCEL_TAKER = "cancel_taker"
    CANCEL_BOTH = "cancel_both"


class OrderState(StrEnum):
    """PENDING until the engine took it up (BitMart's 1), then working (2), then ended (4)."""

    PENDING = "pending"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    PARTIALLY_CANCELED = "partially_canceled"


class CancelSource(StrEnum):
    """Who ended the order."""

    NOBODY = ""
    USER = "user"
    SYSTEM = "system"
    STP = "stp"
    LIQUIDATION = "liquidation"
    ADL = "adl"


class PlanKind(StrEnum):
    """PLAN opens or closes; TAKE_PROFIT and STOP_LOSS close what a position holds; TRAILING follows the price."""

    PLAN = "plan"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"
    TRAILING = "trailing"


class PriceType(StrEnum):
    """Which price a trigger watches."""

    LAST = "last"
    MARK = "mark"


class Refusal(StrEnum):
    """Why the exchange does not do it. Nothing has happened then."""

    UNKNOWN_SYMBOL = "unknown_symbol"
    CONTRACT_DELISTED = "contract_delisted"
    CONTRACT_PAUSED = "contract_paused"
    INVERSE_NOT_TRADED = "inverse_not_traded"
    PRICE_REQUIRED = "price_required"
    PRICE_OFF_STEP = "price_off_step"
    PRICE_TOO_LOW = "price_too_low"
    PRICE_TOO_HIGH = "price_too_high"
    SIZE_NOT_WHOLE = "size_not_whole"
    SIZE_TOO_SMALL = "size_too_small"
    SIZE_TOO_LARGE = "size_too_large"
    MAKER_ONLY_MARKET = "maker_only_market"
    WOULD_TAKE = "would_take"  # a maker-only order that crosses, where the rules refuse it
    LEVERAGE_TOO_LARGE = "leverage_too_large"  # above the contract's, or above the tier's
    LEVERAGE_TOO_SMALL = "leverage_too_small"
    LEVERAGE_CONFLICT = "leverage_conflict"  # a position or an order of another leverage or margin mode is open
    DUPLICATE_CLIENT_ORDER_ID = "duplicate_client_order_id"
    BALANCE_NOT_ENOUGH = "balance_not_enough"
    POSITION_MISSING = "position_missing"  # nothing to close or reduce
    POSITION_NOT_ENOUGH = "position_not_enough"  # less than that is held, or not yet promised to other orders
    POSITION_MODE_IN_USE = "position_mode_in_use"  # positions or orders are open
    ORDER_UNKNOWN = "order_unknown"
    ORDER_CANCELED = "order_canceled"
    ORDER_FILLED = "order_filled"
    NOTHING_TO_AMEND = "nothing_to_amend"
    PLAN_UNKNOWN = "plan_unknown"
    PLAN_ENDED = "plan_ended"
    PLANS_TOO_MANY = "plans_too_many"
    TRIGGER_REQUIRED = "trigger_required"
    TRIGGER_PASSED = "trigger_passed"  # it would fire at once
    CALLBACK_OUT_OF_RANGE = "callback_out_of_range"
    PRESET_ON_CLOSE = "preset_on_close"
    TIMEOUT_TOO_SHORT = "timeout_too_short"


class RefusedError(Exception):
    """The exchange says no; nothing changed."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Preset(Struct, frozen=True):
    """A take-profit or stop-loss that comes to life with the fills of the order that carries it."""

    price: Decimal
    price_type: PriceType = PriceType.LAST


class NewOrder(Struct, frozen=True, kw_only=True):
    """An order on its way in. Without leverage or margin mode the account's last of the contract count."""

    account: str
    symbol: str
    side: Side
    size: Decimal
    reduce_only: bool = False
    type: OrderType = OrderType.LIMIT
    mode: Mode = Mode.GTC
    price: Decimal | None = None
    leverage: int | None = None
    margin_mode: MarginMode | None = None
    client_order_id: str = ""
    stp: SelfTrade = SelfTrade.CANCEL_MAKER
    take_profit: Preset | None = None
    stop_loss: Preset | None = None
    plan_id: str = ""  # of the plan that became this order
    plan_kind: PlanKind | None = None


class Order(Struct, kw_only=True):
    """One order as it stands; the exchange alone changes it."""

    order_id: str
    client_order_id: str  # "" without one of the client's; "PLAN_<plan id>" of a plan's child
    account: str
    symbol: str
    side: Side
    reduce_only: bool
    leg: PositionLeg  # NET in one-way mode, as of the time it was accepted
    type: OrderType
    mode: Mode
    stp: SelfTrade
    price: Decimal  # of a market order, the worst it may trade at
    size: Decimal
    leverage: int
    margin_mode: MarginMode
    created_ms: int
    updated_ms: int
    opens: Decimal = ZERO  # contracts of it for which margin is frozen: those that did not close something, when sent
    unit_hold: Decimal = ZERO  # margin and fee frozen for each of them, in the margin coin
    state: OrderState = OrderState.PENDING
    cancel_source: CancelSource = CancelSource.NOBODY
    filled_size: Decimal = ZERO
    filled_value: Decimal = ZERO  # the sum of size x price, without the contract's size
    take_profit: Preset | None = None
    stop_loss: Preset | None = None
    plan_id: str = ""
    plan_kind: PlanKind | None = None

    @property
    def held(self) -> Decimal:
        """What is frozen for it."""
        return EXACT.multiply(self.opens, self.unit_hold)

    @property
    def leaves(self) -> Decimal:
        return EXACT.subtract(self.size, self.filled_size)

    @property
    def sent(self) -> bool:
        """Whether somebody sent it, and not the venue by itself."""
        return self.type is OrderType.LIMIT or self.type is OrderType.MARKET

    @property
    def live(self) -> bool:
        return self.state in _LIVE


_LIVE = (OrderState.PENDING, OrderState.NEW, OrderState.PARTIALLY_FILLED)


class Fill(Struct, frozen=True, kw_only=True):
    """One side of one match, with its own `trade_id`. `fee` positive is paid, `realised` is without it.

    A one-way order may flip a position: `closed` and `opened` are then both positive, and sum to `size`.
    """

    trade_id: str
    order_id: str
    client_order_id: str
    account: str
    symbol: str
    side: Side
    reduce_only: bool
    leg: PositionLeg
    type: OrderType
    price: Decimal
    size: Decimal
    closed: Decimal
    opened: Decimal
    fee: Decimal
    fee_coin: str
    realised: Decimal
    role: Liquidity
    at_ms: int
    against: "Order | None" = None  # the other side's order; none of what the venue books by itself
