"""The contract with a venue, in our words: what we ask, what it reports, what it can do.

An adapter translates; nothing venue-shaped gets past it, and no aggregate gets into it. Reports are what `oms decode`
prints, under the same names. Times are UTC integers that say their unit; decimals keep the value the venue sent.
"""

from collections.abc import AsyncIterator
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from oms.errors import VenueUnreachableError
from oms.instrument import Instrument
from oms.values import (
    ClientOrderId,
    Currency,
    ExecId,
    Liquidity,
    OrderType,
    PositionEffect,
    PositionLeg,
    Provenance,
    Side,
    Symbol,
    TimeInForce,
    VenueOrderId,
)

# ------------------------------------------------------------------------------------------------ what we ask


class NewOrder(Struct, frozen=True, kw_only=True):
    """An order as it leaves. `quantity` in base units, or `notional` in quote units for a market buy, never both."""

    client_order_id: ClientOrderId
    symbol: Symbol
    side: Side
    type: OrderType
    quantity: Decimal | None = None
    notional: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    position_leg: PositionLeg = PositionLeg.NET


class OrderRef(Struct, frozen=True, kw_only=True):
    """An order to cancel or to look up. The client id is always there, so that an id-less cancel cannot be built."""

    client_order_id: ClientOrderId
    symbol: Symbol
    venue_order_id: VenueOrderId | None = None


# ------------------------------------------------------------------------------------------------ what it reports


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


class OrderReport(_Report, frozen=True, kw_only=True, tag="order"):
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
    cancel_reason: str | None = None  # who ended it, if the venue says: user, system, stp
    raw_status: str | None = None
    created_ms: int | None = None
    updated_ms: int | None = None


class TradeReport(_Report, frozen=True, kw_only=True, tag="trade"):
    """One fill. `commission` is a cost when positive, a rebate when negative; None when this channel does not say it
    (then the REST trade has it).
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
    """One leg as the venue shows it; `quantity` in contracts, signed only where the venue signs it."""

    symbol: Symbol
    leg: PositionLeg | None = None
    quantity: Decimal | None = None
    average_price: Decimal | None = None
    mark_price: Decimal | None = None
    margin_mode: str | None = None
    leverage: Decimal | None = None
    liquidation_price: Decimal | None = None
    at_ms: int | None = None


class BalanceReport(_Report, frozen=True, kw_only=True, tag="balance"):
    """One currency of the account. `held` is what open orders lock; available + held = total."""

    currency: Currency
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
    """One bar; `open_ms` is the start of its interval. `symbol` is None where the payload does not say it."""

    symbol: Symbol | None
    interval: str | None = None
    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class PublicTradeReport(_Report, frozen=True, kw_only=True, tag="public_trade"):
    """One trade of the market, anybody's."""

    symbol: Symbol
    price: Decimal
    quantity: Decimal
    side: Side | None = None  # the taker's
    trade_id: str | None = None
    at_ms: int | None = None


class BookReport(_Report, frozen=True, kw_only=True, tag="book"):
    """Levels are (price, quantity), best first. An update with quantity zero deletes the level."""

    symbol: Symbol
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    update: bool = False  # False: the whole book
    version: int | None = None
    at_ms: int | None = None


class TickerReport(_Report, frozen=True, kw_only=True, tag="ticker"):
    """Best prices and the last trade."""

    symbol: Symbol
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    at_ms: int | None = None


class InstrumentReport(_Report, frozen=True, kw_only=True, tag="instrument"):
    """One market of the venue's catalogue, before the account's fees are known."""

    symbol: Symbol
    venue_symbol: str
    base: Currency
    quote: Currency
    price_step: Decimal
    quantity_step: Decimal
    quantity_min: Decimal
    notional_min: Decimal
    tradable: bool


class LedgerReport(_Report, frozen=True, kw_only=True, tag="ledger"):
    """One movement of money that is not a trade: funding, fee, transfer. Signed: negative left the account."""

    currency: Currency
    amount: Decimal
    flow: str
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
    | BalanceReport
    | Ack
    | Refusal
    | CandleReport
    | PublicTradeReport
    | BookReport
    | TickerReport
    | InstrumentReport
    | LedgerReport
    | Control
    | Unreadable
)


# ------------------------------------------------------------------------------------------------ how it reaches us


class Evidence(Struct, frozen=True, kw_only=True):
    """The bytes behind a report, without secrets: keys and signatures travel in headers, which are not kept.

    `channel` is ``POST /path`` or ``ws <topic>``; times are UTC nanoseconds by our clock.
    """

    channel: str
    request: bytes = b""
    response: bytes = b""
    status: int | None = None
    sent_ns: int | None = None
    received_ns: int | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """What the venue said, decoded, with the bytes it came in."""

    reports: tuple[Report, ...]
    evidence: Evidence
    source: Provenance = Provenance.RESPONSE
    complete: bool = True  # False: a row cap or a time window may have cut the list


class NoAnswerError(VenueUnreachableError):
    """We could not ask, or the answer settles nothing. Never to be read as "not found".

    `sent` is False only if certainly no byte of the request left.
    """

    def __init__(self, cause: str, evidence: Evidence, *, sent: bool = True) -> None:
        super().__init__(cause)
        self.evidence = evidence
        self.sent = sent


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a venue can do, and how long its memory is. Durations in seconds."""

    name: str
    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    post_only: bool
    market_buy_by_notional: bool  # a market buy is sized in quote units
    reduce_only: bool = False
    hedge_mode: bool = False  # long and short legs apart
    submit_validity: float  # a submitted request may still execute this long after it was signed
    visibility_delay: float  # an accepted order may be unknown to queries this long
    unfilled_memory: float  # an order that ended without a fill can be looked up this long
    history_window: float  # how far back order and trade lists see without being asked for more


class Venue(Protocol):
    """One account at one venue.

    Every query and command returns an Answer; a refusal by the venue is a `Refusal` among its reports. When no answer
    settles it, NoAnswerError is raised: "could not ask" is another type than "not found".
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def instruments(self) -> tuple[Instrument, ...]:
        """The markets this account may see, with the account's fees."""
        ...

    async def submit(self, order: NewOrder) -> Answer:
        """Send a new order once: an Ack or a Refusal. Never repeats by itself."""
        ...

    async def cancel(self, order: OrderRef) -> Answer:
        """Ask for a cancel once: an Ack (asked for, not done) or a Refusal (then the final state is to be proven)."""
        ...

    async def order(self, order: OrderRef) -> Answer:
        """Look one order up: an OrderReport, or a Refusal with reason ``order_not_found``."""
        ...

    async def open_orders(self) -> Answer:
        """Every open order of the account, as OrderReports."""
        ...

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        """The account's trades in the window, bisected until whole, as TradeReports with their commissions."""
        ...

    async def order_trades(self, order: OrderRef) -> Answer:
        """One order's trades, as TradeReports; needs the venue's id."""
        ...

    async def balances(self) -> Answer:
        """Every balance of the account, as BalanceReports; a currency that is not listed is zero."""
        ...

    def stream(self) -> AsyncIterator[Answer]:
        """The private stream, reconnected for ever: reports as they come, and Control("connected") and
        Control("disconnected") around every gap, so that whoever listens knows when to close it by asking.
        """
        ...

    async def close(self) -> None: ...
