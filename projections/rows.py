"""The rows of the read models: field for field the columns of their tables, and what whoever asks gets to see.

Names and states are those of the gateway's orders; quantities in base units, prices and costs in quote units, all
exact. `*_ns` are UTC nanoseconds. `position` is a place in the log.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct

from oms.breaks.events import BreakKind, Resolution
from oms.ledger import Kind, Name
from oms.order.state import Life
from oms.values import (
    AccountId,
    ClientOrderId,
    Currency,
    ExecId,
    Liquidity,
    MarginMode,
    OrderStatus,
    OrderType,
    Origin,
    PositionLeg,
    Protection,
    Provenance,
    Side,
    StrategyId,
    Symbol,
    TimeInForce,
    VenueOrderId,
    Wallet,
    holdable,
)
from oms.venue import Trigger

_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")  # no backslash that was escaped itself begins it
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class OrderRow(Struct, frozen=True, kw_only=True, gc=False):
    """One order as it stands. `position` is its latest event's, `opened` its first one's."""

    account: AccountId
    client_order_id: ClientOrderId
    strategy: StrategyId
    symbol: Symbol
    side: Side
    type: OrderType
    quantity: Decimal | None
    notional: Decimal | None
    price: Decimal | None
    time_in_force: TimeInForce
    post_only: bool
    reduce_only: bool
    position_leg: PositionLeg
    tags: Mapping[str, str]
    status: OrderStatus
    life: Life
    open: bool
    venue_order_id: VenueOrderId | None
    cum_quantity: Decimal
    cum_cost: Decimal
    average_price: Decimal | None
    leaves_quantity: Decimal
    reason: str | None
    flagged: bool
    created_ns: int
    updated_ns: int
    opened: int
    position: int
    leverage: Decimal | None
    margin_mode: MarginMode | None
    trigger: Trigger | None
    take_profit: Protection | None
    stop_loss: Protection | None
    origin: Origin | None
    parent: ClientOrderId | None
    expires_ns: int | None

    @property
    def created_at(self) -> datetime:
        """When we first heard of it, to the microsecond."""
        return moment(self.created_ns)

    @property
    def updated_at(self) -> datetime:
        """When we last did."""
        return moment(self.updated_ns)


class FillRow(Struct, frozen=True, kw_only=True, gc=False):
    """One trade of an order. `commission` is a cost when positive, None until the venue says it.

    `occurred_ns` is the venue's time, `source` how we learned of it. A busted trade stays, marked; booked once more
    under the same id it is a trade again. `position` is that of the booking.
    """

    account: AccountId
    client_order_id: ClientOrderId
    exec_id: ExecId
    strategy: StrategyId
    symbol: Symbol
    side: Side
    quantity: Decimal
    price: Decimal
    commission: Decimal | None
    commission_currency: Currency | None
    liquidity: Liquidity | None
    source: Provenance
    busted: bool
    occurred_ns: int | None
    recorded_ns: int
    position: int

    @property
    def at(self) -> datetime:
        """When we recorded it, to the microsecond."""
        return moment(self.recorded_ns)


class PositionRow(Struct, frozen=True, kw_only=True, gc=False):
    """One leg: signed `quantity` and `open_cost`; `commissions` paid so far by currency, `realized` before them.

    `shares` is how much of it each strategy's trades moved; they add up to `quantity`.
    `margin` backs the leg and is None on spot; `funding` is what was received less what was paid.
    """

    account: AccountId
    symbol: Symbol
    leg: PositionLeg
    version: int  # of the leg's stream
    quantity: Decimal
    open_cost: Decimal
    average_price: Decimal | None
    realized: Decimal
    commissions: Mapping[Currency, Decimal]
    updated_ns: int
    position: int
    contract_size: Decimal
    leverage: Decimal | None
    margin_mode: MarginMode | None
    margin: Decimal | None
    funding: Decimal
    shares: Mapping[str, Decimal]

    @property
    def position_leg(self) -> PositionLeg:
        """The leg, by the name that whoever asks knows it under."""
        return self.leg

    @property
    def mark_price(self) -> Decimal | None:
        """None: the mark is market data and in no log; whoever has it values the leg."""
        return None

    @property
    def unrealized(self) -> Decimal | None:
        """None, as `mark_price`."""
        return None

    @property
    def liquidation_price(self) -> Decimal | None:
        """None, as `mark_price`."""
        return None

    @property
    def venue_liquidation_price(self) -> Decimal | None:
        """None, as `mark_price`."""
        return None

    @property
    def value(self) -> Decimal | None:
        """None, as `mark_price`."""
        return None

    @property
    def dust(self) -> bool | None:
        """None: it follows from the market's grid of now, which is in no log."""
        return None


class BalanceRow(Struct, frozen=True, kw_only=True, gc=False):
    """One currency in a wallet of an account: total = available + held."""

    account: AccountId
    wallet: Wallet
    currency: Currency
    total: Decimal
    held: Decimal
    available: Decimal
    updated_ns: int
    position: int


class BreakRow(Struct, frozen=True, kw_only=True, gc=False):
    """One disagreement with the venue; `difference` is theirs less ours, where they are amounts."""

    account: AccountId
    break_id: str
    kind: BreakKind
    subject: str
    symbol: Symbol | None
    ours: str
    theirs: str
    difference: Decimal | None
    explanation: str | None
    resolution: Resolution | None
    reason: str | None
    open: bool
    evidence: tuple[str, ...]
    until_ms: int | None
    opened_ns: int
    updated_ns: int
    opened: int
    position: int


class LedgerRow(Struct, frozen=True, kw_only=True, gc=False):
    """One transaction of the ledger: what the event at `position` moved. Entries sum to zero in every asset.

    `reference` is what it goes back to: a trade's or a payment's id at the venue, a person's reason.
    """

    account: AccountId
    position: int
    kind: Kind
    symbol: Symbol | None
    reference: str | None
    client_order_id: ClientOrderId | None
    entries: Mapping[str, Mapping[str, Decimal]]  # by account of the ledger, and by asset
    occurred_ns: int | None
    recorded_ns: int

    @property
    def at(self) -> datetime:
        """When we recorded it, to the microsecond."""
        return moment(self.recorded_ns)


class LedgerBalanceRow(Struct, frozen=True, kw_only=True, gc=False):
    """What all entries of one asset in one account of the ledger add up to."""

    account: AccountId
    name: Name
    asset: str
    amount: Decimal
    position: int


Row = OrderRow | FillRow | PositionRow | BalanceRow | BreakRow | LedgerRow | LedgerBalanceRow


def moment(ns: int) -> datetime:
    """Return nanoseconds since 1970 as a UTC time, to the microsecond."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def readable(body: bytes) -> bytes:
    """Return a stored event as Postgres can hold its texts: they have no NUL, which JSON, and so a tag or a venue's
    word, may bring. Done before it is folded, so that a name is the same in the books, in the rows, and read back.
    """
    return _NUL.sub(rb"\1\\ufffd", body) if rb"\u0000" in body else body


def instant(ns: int | None) -> int | None:
    """Return a venue's time, None if it is none that a bigint could hold: a wild one must not stop the reading."""
    return ns if ns == holdable(ns) else None
