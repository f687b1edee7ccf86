"""What a venue reports, in our words: what `oms decode` prints, under the same names.

Times are UTC integers that say their unit; decimals keep the value the venue sent; what it did not say is None.
"""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from oms.values import (
    ClientOrderId,
    Currency,
    ExecId,
    Liquidity,
    MarginMode,
    Origin,
    PositionEffect,
    PositionLeg,
    PositionMode,
    PriceSource,
    Protection,
    Side,
    Symbol,
    VenueOrderId,
    Wallet,
)


class VenueOrderStatus(StrEnum):
    """FIX 39 as a venue reports it."""

    PENDING_NEW = "pending_new"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


class RefusalClass(StrEnum):
    """What a refusal proves. All but UNKNOWN prove that the request had no effect."""

    CERTAIN = "certain"  # refused for what it is: do not repeat unchanged
    TRANSIENT = "transient"  # not executed; may be repeated with the same id
    RATE_LIMIT = "rate_limit"  # not executed; back off
    AUTH = "auth"  # not executed; key, permission or account state: stop and tell a person
    UNKNOWN = "unknown"  # proves nothing: ask again by client id


class _Report(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """Absent values are None and left out of JSON."""


class OrderReport(_Report, frozen=True, kw_only=True, tag="order", gc=False):
    """The state of one order as the venue shows it: cumulative, so a later one replaces an earlier one.

    `quantity`, `cum_quantity` in the venue's unit (base on spot, contracts on perpetuals); `notional` in quote units,
    set for a market buy. FILLED on an order by notional means: nothing more will trade, the leftover is released.
    `client_order_id` is None for an order without one of its sender's.
    """

    symbol: Symbol
    status: VenueOrderStatus | None = None  # None: the venue said something unknown; `raw_status` has it
    venue_order_id: VenueOrderId | None = None
    client_order_id: ClientOrderId | None = None
    side: Side | None = None
    position_leg: PositionLeg | None = None
    effect: PositionEffect | None = None
    order_type: str | None = None
    quantity: Decimal | None = None
    notional: Decimal | None = None
    cum_quantity: Decimal | None = None
    cum_notional: Decimal | None = None
    price: Decimal | None = None
    average_price: Decimal | None = None
    leverage: Decimal | None = None
    margin_mode: str | None = None
    cancel_reason: str | None = None  # who ended it, if the venue says: user, system, stp, liquidation, adl
    trigger_price: Decimal | None = None  # it waits for this price
    take_profit: Protection | None = None  # comes into force with its fill
    stop_loss: Protection | None = None
    origin: Origin | None = None  # the venue made it itself: liquidation, adl, settlement
    triggered_by: VenueOrderId | None = None  # the conditional order that sent this one when its price came
    raw_status: str | None = None
    created_ms: int | None = None
    updated_ms: int | None = None
    absent: tuple[str, ...] | None = (
        None  # canceled is concluded: no list shows it; by the messages that are kept of it
    )


class TradeReport(_Report, frozen=True, kw_only=True, tag="trade", gc=False):
    """One fill. `commission` is a cost when positive, a rebate when negative; None when this channel does not say it
    (then the REST trade has it), or not in which coin (`oms.values.cost`).
    """

    exec_id: ExecId
    symbol: Symbol
    price: Decimal
    quantity: Decimal
    venue_order_id: VenueOrderId | None = None
    client_order_id: ClientOrderId | None = None
    side: Side | None = None
    position_leg: PositionLeg | None = None
    effect: PositionEffect | None = None
    commission: Decimal | None = None
    commission_currency: Currency | None = None
    liquidity: Liquidity | None = None
    realized_pnl: Decimal | None = None
    at_ms: int | None = None


class PositionReport(_Report, frozen=True, kw_only=True, tag="position"):
    """One leg as the venue shows it; `quantity` in contracts, negative for a net position that is short. `cost` is what
    was paid for it, never negative, in the margin coin.
    """

    symbol: Symbol
    leg: PositionLeg | None = None
    quantity: Decimal | None = None
    average_price: Decimal | None = None
    cost: Decimal | None = None
    mark_price: Decimal | None = None
    margin_mode: str | None = None
    leverage: Decimal | None = None
    liquidation_price: Decimal | None = None
    at_ms: int | None = None


class PositionModeReport(_Report, frozen=True, kw_only=True, tag="position_mode"):
    """Whether the account's perpetuals are one-way or hedged, as the venue read it back."""

    mode: PositionMode


class LeverageReport(_Report, frozen=True, kw_only=True, tag="leverage"):
    """The leverage and margin mode set for one symbol."""

    symbol: Symbol
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None


class BalanceReport(_Report, frozen=True, kw_only=True, tag="balance"):
    """One currency of one wallet. On spot `held` is what open orders lock; available + held = total. On perpetuals
    `held` is what orders and positions lock and `equity` has the unrealized profit in it: total = equity - unrealized.
    """

    currency: Currency
    wallet: Wallet = Wallet.SPOT
    available: Decimal | None = None
    held: Decimal | None = None
    total: Decimal | None = None
    equity: Decimal | None = None
    at_ms: int | None = None


class Ack(_Report, frozen=True, kw_only=True, tag="ack"):
    """The venue took the request. For a submit it is the gateway's word, not the matching engine's."""

    venue_order_id: VenueOrderId | None = None
    client_order_id: ClientOrderId | None = None


class Refusal(_Report, frozen=True, kw_only=True, tag="refusal", rename={"klass": "class"}):
    """The venue said no. `reason` is ours (insufficient_funds, order_not_found, duplicate_id, …); code, text theirs."""

    klass: RefusalClass
    reason: str
    code: str | None = None
    text: str | None = None
    client_order_id: ClientOrderId | None = None


class CandleReport(_Report, frozen=True, kw_only=True, tag="candle"):
    """One bar; `open_ms` is the start of its interval. `symbol` is None where the payload does not say it. `closed`
    once nothing can change it any more; a payload alone never says that.
    """

    symbol: Symbol | None = None
    interval: str | None = None
    of: PriceSource = PriceSource.LAST  # whether trades made it, or the mark price
    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: bool = False


class PublicTradeReport(_Report, frozen=True, kw_only=True, tag="public_trade"):
    """One trade of the market, anybody's. `in_base`: perpetuals' contracts are counted in base units here."""

    symbol: Symbol
    price: Decimal
    quantity: Decimal
    side: Side | None = None  # the taker's
    trade_id: str | None = None
    in_base: bool = False
    at_ms: int | None = None


class BookReport(_Report, frozen=True, kw_only=True, tag="book"):
    """Levels are (price, quantity), best first. An update with quantity zero deletes the level. None: this report says
    nothing of that side.
    """

    symbol: Symbol
    bids: tuple[tuple[Decimal, Decimal], ...] | None = None
    asks: tuple[tuple[Decimal, Decimal], ...] | None = None
    update: bool = False  # False: the whole book
    version: int | None = None
    at_ms: int | None = None


class TickerReport(_Report, frozen=True, kw_only=True, tag="ticker"):
    """Best prices, the last trade, and on perpetuals the mark price."""

    symbol: Symbol
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    mark: Decimal | None = None
    at_ms: int | None = None


class InstrumentReport(_Report, frozen=True, kw_only=True, tag="instrument"):
    """One market of the venue's catalogue, before the account's fees are known. Quantities in the market's unit."""

    symbol: Symbol
    venue_symbol: str
    base: Currency
    quote: Currency
    price_step: Decimal
    quantity_step: Decimal
    quantity_min: Decimal
    notional_min: Decimal
    tradable: bool
    settle: Currency | None = None  # perpetuals: the coin of margin and profit
    contract_size: Decimal | None = None  # perpetuals: base units per contract (FIX 231)
    inverse: bool = False  # perpetuals: contracts are worth a fixed amount of quote, settled in base
    quantity_max: Decimal | None = None
    leverage_max: Decimal | None = None


class LedgerReport(_Report, frozen=True, kw_only=True, tag="ledger"):
    """One movement of money that is not a trade: funding, fee, transfer. Signed: negative left the account.

    `flow` in our words: transfer, realized_pnl, funding, commission, liquidation. `ledger_id` is the venue's; it is
    unique only together with `flow`, `symbol` and `at_ms`.
    """

    currency: Currency
    amount: Decimal
    flow: str
    symbol: Symbol | None = None
    ledger_id: str | None = None
    at_ms: int | None = None


class FundingReport(_Report, frozen=True, kw_only=True, tag="funding"):
    """A funding rate of a perpetual: `rate` as last settled, `expected_rate` for the settlement at `next_ms`."""

    symbol: Symbol
    rate: Decimal | None = None
    expected_rate: Decimal | None = None
    next_ms: int | None = None
    at_ms: int | None = None


class Control(_Report, frozen=True, kw_only=True, tag="control"):
    """What a stream says of itself: ``login``, ``subscribed``, ``pong``, ``error``, ``connected``, ``disconnected``."""

    event: str
    text: str | None = None


class Unreadable(_Report, frozen=True, kw_only=True, tag="unreadable"):
    """One element that could not be understood; its neighbours were. The bytes are in the evidence."""

    cause: str


Report = (
    OrderReport
    | TradeReport
    | PositionReport
    | PositionModeReport
    | LeverageReport
    | BalanceReport
    | Ack
    | Refusal
    | CandleReport
    | PublicTradeReport
    | BookReport
    | TickerReport
    | InstrumentReport
    | LedgerReport
    | FundingReport
    | Control
    | Unreadable
)


def occurred_ns(report: object) -> int | None:
    """Return when what a report tells of happened, as the venue says (UTC ns); None where it does not say."""
    match report:
        case TradeReport(at_ms=int(at_ms)) | LedgerReport(at_ms=int(at_ms)) | OrderReport(updated_ms=int(at_ms)):
            return at_ms * 1_000_000
        case _:
            return None
