"""The exchange's nouns: markets, orders, fills and the events that tell of them. Spellings are BitMart's own."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from oms.values import EXACT, ZERO, Liquidity, Side


class OrderType(StrEnum):
    """What BitMart spot trades (PROTOCOL 5.4): `limit` is good till canceled; there is no fill-or-kill."""

    LIMIT = "limit"
    LIMIT_MAKER = "limit_maker"
    MARKET = "market"
    IOC = "ioc"


class SelfTrade(StrEnum):
    """What happens when an account meets itself; the taker's mode decides."""

    NONE = "none"
    CANCEL_MAKER = "cancel_maker"
    CANCEL_TAKER = "cancel_taker"
    CANCEL_BOTH = "cancel_both"


class OrderState(StrEnum):
    """PROTOCOL 5.9. A market buy that spent all it could ends PARTIALLY_CANCELED: its residue buys no further step."""

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


class Refusal(StrEnum):
    """Why an order or a cancel is not taken. Nothing has happened then."""

    UNKNOWN_SYMBOL = "unknown_symbol"
    SIZE_REQUIRED = "size_required"
    PRICE_REQUIRED = "price_required"
    NOTIONAL_REQUIRED = "notional_required"
    SIZE_INSTEAD_OF_NOTIONAL = "size_instead_of_notional"
    SIZE_OFF_STEP = "size_off_step"
    SIZE_TOO_SMALL = "size_too_small"
    MARKET_SELL_TOO_SMALL = "market_sell_too_small"
    PRICE_TOO_LOW = "price_too_low"
    NOTIONAL_TOO_SMALL = "notional_too_small"
    MARKET_BUY_TOO_SMALL = "market_buy_too_small"
    DUPLICATE_CLIENT_ORDER_ID = "duplicate_client_order_id"
    BALANCE_NOT_ENOUGH = "balance_not_enough"
    WOULD_BUY_AT_ONCE = "would_buy_at_once"  # a limit_maker buy that crosses, where the rules refuse it
    WOULD_SELL_AT_ONCE = "would_sell_at_once"
    ORDER_UNKNOWN = "order_unknown"
    ORDER_CANCELED = "order_canceled"
    ORDER_FILLED = "order_filled"


class RefusedError(Exception):
    """The exchange says no; nothing changed."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Market(Struct, frozen=True, kw_only=True):
    """One market's grid. `size_step` and `size_min` in base units, `notional_min` in quote units."""

    symbol: str
    symbol_id: int
    base: str
    quote: str
    price_places: int  # decimals of a price; the tick is 10^-price_places
    size_step: Decimal
    size_min: Decimal
    notional_min: Decimal
    opening: Decimal  # where background traders begin to quote


class NewOrder(Struct, frozen=True, kw_only=True):
    """An order on its way in. A market buy carries `notional` (quote units to spend), everything else `size`."""

    account: str
    symbol: str
    side: Side
    type: OrderType
    size: Decimal | None = None
    price: Decimal | None = None
    notional: Decimal | None = None
    client_order_id: str = ""
    stp: SelfTrade = SelfTrade.NONE


class Order(Struct, kw_only=True):
    """One order as it stands; the exchange alone changes it. What a type does not have is zero."""

    order_id: str
    client_order_id: str  # "" without one of the client's
    account: str
    symbol: str
    side: Side
    type: OrderType
    stp: SelfTrade
    price: Decimal
    size: Decimal
    notional: Decimal  # what a market buy may spend
    created_ms: int
    updated_ms: int
    held: Decimal = ZERO  # still frozen for it: quote coins for a buy, base coins for a sell
    state: OrderState = OrderState.NEW
    cancel_source: CancelSource = CancelSource.NOBODY
    filled_size: Decimal = ZERO
    filled_notional: Decimal = ZERO
    undone: bool = False  # a trade of it was taken back

    @property
    def by_notional(self) -> bool:
        """A market buy: sized by what it may spend."""
        return self.type is OrderType.MARKET and self.side is Side.BUY

    @property
    def leaves(self) -> Decimal:
        """What is still to trade: quote units for a market buy, base units for the rest."""
        if self.by_notional:
            return EXACT.subtract(self.notional, self.filled_notional)
        return EXACT.subtract(self.size, self.filled_size)

    @property
    def live(self) -> bool:
        return self.state is OrderState.NEW or self.state is OrderState.PARTIALLY_FILLED


class Fill(Struct, frozen=True, kw_only=True):
    """One side of one match. Every side has its own `trade_id`, so a self-trade shows two. `fee` positive is paid."""

    trade_id: str
    order_id: str
    client_order_id: str
    account: str
    symbol: str
    side: Side
    type: OrderType
    stp: SelfTrade
    price: Decimal
    size: Decimal
    notional: Decimal
    fee: Decimal
    fee_coin: str
    role: Liquidity
    at_ms: int


# ------------------------------------------------------------------------------------------------ events


class OrderChanged(Struct, frozen=True, kw_only=True):
    """An order was accepted, filled or ended; `order` is a copy as of then, `fill` what changed it, if a match did."""

    order: Order
    fill: Fill | None = None


class BalanceChanged(Struct, frozen=True, kw_only=True):
    """What an account has now, as (coin, available, frozen), of the coins one thing changed."""

    account: str
    coins: tuple[tuple[str, Decimal, Decimal], ...]
    at_ms: int


class Printed(Struct, frozen=True, kw_only=True):
    """A public trade; `side` is the taker's."""

    symbol: str
    price: Decimal
    size: Decimal
    side: Side
    at_ms: int


Event = OrderChanged | BalanceChanged | Printed
