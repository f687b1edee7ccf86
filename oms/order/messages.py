"""What an order is told: commands, which may be refused, and reports, which may only be recorded.

What the venue shows of an order or a trade arrives as `oms.reports.OrderReport` and `oms.reports.TradeReport`; the
rest of what an exchange with it can bring is here.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from oms.order.events import Mark
from oms.reports import OrderReport, TradeReport
from oms.values import (
    AccountId,
    ClientOrderId,
    MarginMode,
    OrderType,
    PositionLeg,
    Protection,
    Side,
    StrategyId,
    Symbol,
    TimeInForce,
    VenueOrderId,
)
from oms.venue import Trigger


class PlaceOrder(Struct, frozen=True, kw_only=True, gc=False):
    """Place an order: `quantity` (base units or contracts) or `notional` (quote units, a market buy on spot), and a
    `price` for a limit.
    """

    account: AccountId
    client_order_id: ClientOrderId
    strategy: StrategyId
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
    tags: Mapping[str, str] | None = None
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    trigger: Trigger | None = None
    take_profit: Protection | None = None
    stop_loss: Protection | None = None
    expires_ns: int | None = None  # UTC: when a `gtd` order's time runs out


class CancelOrder(Struct, frozen=True, kw_only=True, gc=False):
    """Cancel an order. The same `request_id` again is the same request."""

    account: AccountId
    client_order_id: ClientOrderId
    request_id: str
    reason: str | None = None


class AmendOrder(Struct, frozen=True, kw_only=True, gc=False):
    """Change a working order. What is None stays; `quantity` is its new total, `trigger_price` what an order that waits
    is to wait for, `take_profit` and `stop_loss` what is to come into force with its fill. The same `request_id` is the
    same request.
    """

    account: AccountId
    client_order_id: ClientOrderId
    request_id: str
    price: Decimal | None = None
    quantity: Decimal | None = None
    trigger_price: Decimal | None = None
    take_profit: Protection | None = None
    stop_loss: Protection | None = None


class ClaimOrder(Struct, frozen=True, kw_only=True, gc=False):
    """Give an order that nobody here had asked for to a strategy, which may then cancel and change it."""

    account: AccountId
    client_order_id: ClientOrderId
    strategy: StrategyId
    reason: str


class SubmitAccepted(Struct, frozen=True, kw_only=True, gc=False):
    """The venue took the new order."""

    venue_order_id: VenueOrderId | None = None


class SubmitRefused(Struct, frozen=True, kw_only=True, gc=False):
    """The venue refused the new order and certainly did nothing."""

    reason: str
    code: str | None = None
    text: str | None = None


class SubmitUnknown(Struct, frozen=True, kw_only=True, gc=False):
    """Nothing settles what became of the new order; it may still execute until `valid_until_ns` (UTC)."""

    reason: str
    valid_until_ns: int


class SubmitRepeated(Struct, frozen=True, kw_only=True, gc=False):
    """The venue certainly did nothing and may be asked again: the same order, under the same id, is sent once more."""


class SubmitHalted(Struct, frozen=True, kw_only=True, gc=False):
    """What stops an order came after it was committed and before it left: nothing was sent."""

    reason: str
    limit: str = "trading_halted"


class SubmitWithdrawn(Struct, frozen=True, kw_only=True, gc=False):
    """The order's end was asked for while it waited for the venue's rates: nothing of it will be sent."""


class SubmitExpired(Struct, frozen=True, kw_only=True, gc=False):
    """The order's time ran out before it left: nothing was sent."""


class AbsenceReport(Struct, frozen=True, kw_only=True, gc=False):
    """Every place the venue would show the order was asked, and none has it; `evidence` names the answers.

    `remembered`: the venue would still know it, had it ever arrived. Else it may have come and gone. `version` is that
    of the order that was asked for: if the order has moved since, the search says nothing about it.
    """

    evidence: tuple[str, ...]
    marks: tuple[Mark, ...] = ()
    remembered: bool = True
    version: int | None = None


class CancelTaken(Struct, frozen=True, kw_only=True, gc=False):
    """The venue took the cancel request."""

    request_id: str


class CancelRejected(Struct, frozen=True, kw_only=True, gc=False):
    """The venue refused the cancel request."""

    request_id: str
    reason: str
    code: str | None = None
    text: str | None = None


class CancelUnanswered(Struct, frozen=True, kw_only=True, gc=False):
    """Nothing settles whether the cancel request arrived."""

    request_id: str
    reason: str


class AmendTaken(Struct, frozen=True, kw_only=True, gc=False):
    """The venue took the change; it shows by `valid_until_ns` (UTC), or was not applied."""

    request_id: str
    valid_until_ns: int
    venue_order_id: VenueOrderId | None = None


class AmendRejected(Struct, frozen=True, kw_only=True, gc=False):
    """The change was refused, or was not applied while it could be."""

    request_id: str
    reason: str
    code: str | None = None
    text: str | None = None


class AmendUnanswered(Struct, frozen=True, kw_only=True, gc=False):
    """Nothing settles whether the change arrived; it may still be applied until `valid_until_ns` (UTC)."""

    request_id: str
    reason: str
    valid_until_ns: int


class FillInferred(Struct, frozen=True, kw_only=True, gc=False):
    """The venue's record counts `cum_quantity` of an order at `average_price`, and what of it no trade here explains
    cannot be asked for any more.
    """

    cum_quantity: Decimal
    average_price: Decimal


class BustReport(Struct, frozen=True, kw_only=True, gc=False):
    """The venue took a trade back; `at_ms` is its time of the record that proves it (UTC)."""

    exec_id: str
    at_ms: int | None = None


class CountReport(Struct, frozen=True, kw_only=True, gc=False):
    """The venue counts no more than `cum_quantity` any more, all of it booked; `at_ms` as above."""

    cum_quantity: Decimal
    at_ms: int | None = None


OrderCommand = PlaceOrder | AmendOrder | CancelOrder | ClaimOrder
OrderNews = (
    OrderReport
    | TradeReport
    | SubmitAccepted
    | SubmitRefused
    | SubmitUnknown
    | SubmitRepeated
    | SubmitHalted
    | SubmitExpired
    | SubmitWithdrawn
    | AbsenceReport
    | CancelTaken
    | CancelRejected
    | CancelUnanswered
    | AmendTaken
    | AmendRejected
    | AmendUnanswered
    | BustReport
    | CountReport
    | FillInferred
)
