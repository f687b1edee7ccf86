"""What can happen to an order. Each tag is the stored name of its event for ever: never reuse one, never edit one."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct

from oms.values import (
    ONE,
    AccountId,
    ClientOrderId,
    Currency,
    ExecId,
    Liquidity,
    MarginMode,
    OrderType,
    Origin,
    PositionLeg,
    Protection,
    Side,
    StrategyId,
    Symbol,
    TimeInForce,
    VenueOrderId,
    reduces,
)
from oms.venue import Trigger


class _Event(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="type"):
    """Absent values are None and left out of the body."""


class OrderRequested(_Event, frozen=True, tag="order-requested/1"):
    """Somebody asked for an order. `fee_rate` is the taker's, read when the order was checked: it sizes the hold.

    On perpetuals the hold is sized as well by `margin_leverage` (as asked, else as it was set; None: unknown, so that
    the whole worth is held) and, for a market order, by `reference_price`, the mark at that moment.
    """

    account: AccountId
    client_order_id: ClientOrderId
    strategy: StrategyId
    symbol: Symbol
    side: Side
    order_type: OrderType
    quantity: Decimal | None = None  # base units or contracts; None for an order by notional
    notional: Decimal | None = None  # quote units to spend; a market buy
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    position_leg: PositionLeg = PositionLeg.NET
    fee_rate: Decimal = Decimal(0)
    tags: Mapping[str, str] | None = None
    contract_size: Decimal = ONE  # base units in one of `quantity`
    leverage: Decimal | None = None  # as asked; None: as it is set for the symbol
    margin_mode: MarginMode | None = None  # likewise
    margin_leverage: Decimal | None = None
    reference_price: Decimal | None = None
    trigger: Trigger | None = None
    take_profit: Protection | None = None
    stop_loss: Protection | None = None
    collar_price: Decimal | None = None  # the best opposite price that a limit held it against, where one did
    expires_ns: int | None = None  # UTC: when a `gtd` order's time runs out

    @property
    def reduces(self) -> bool:
        """Whether it can only close."""
        return reduces(self.side, self.position_leg, reduce_only=self.reduce_only)


class ExternalOrderSeen(_Event, frozen=True, tag="external-order-seen/1"):
    """The venue shows an order that this log never asked for; `origin` says who made it, as far as the venue tells.

    `parent` is the order of ours that it came from, as what protects it, and `strategy` who had asked for that one.
    """

    account: AccountId
    client_order_id: ClientOrderId  # made from the venue's id, so that the same order is found again
    venue_order_id: VenueOrderId
    symbol: Symbol
    side: Side
    order_type: OrderType
    quantity: Decimal | None = None
    notional: Decimal | None = None
    price: Decimal | None = None
    contract_size: Decimal = ONE
    position_leg: PositionLeg = PositionLeg.NET
    reduce_only: bool = False
    leverage: Decimal | None = None
    origin: Origin = Origin.EXTERNAL
    conditional: bool = False  # it waits for a price
    stops: bool = False  # the venue calls it a stop-loss
    strategy: StrategyId | None = None
    parent: ClientOrderId | None = None
    trigger: Trigger | None = None  # what it waits for, where the order that it came with says so


class OrderDenied(_Event, frozen=True, tag="order-denied/1"):
    """A limit of ours said no before anything was sent; `limit` names it."""

    limit: str
    detail: str


class SendStarted(_Event, frozen=True, tag="send-started/1"):
    """From the moment this is committed the request may reach the venue. `attempt` counts from 1."""

    attempt: int


class VenueAccepted(_Event, frozen=True, tag="venue-accepted/1"):
    """The venue has the order: its answer, a query, its stream or a trade said so. `at_ms` is the venue's time of the
    picture that brought back an order which was called dead.
    """

    venue_order_id: VenueOrderId | None = None
    at_ms: int | None = None


class VenueRefused(_Event, frozen=True, tag="venue-refused/1"):
    """The venue said no, and certainly did nothing. `reason` in our words, `code` and `text` in the venue's. `at_ms`
    is the venue's time where its record says so, and not the answer to the request.
    """

    reason: str
    code: str | None = None
    text: str | None = None
    at_ms: int | None = None


class OutcomeUnknown(_Event, frozen=True, tag="outcome-unknown/1"):
    """A request left and no answer settles what became of it. It may still execute until `valid_until_ns` (UTC)."""

    reason: str
    valid_until_ns: int


class AbsenceProven(_Event, frozen=True, tag="absence-proven/1"):
    """The request never arrived: it can no longer execute, and the venue, asked inside its memory, shows no trace.

    `evidence` names the answers (venue_messages ids) that prove it.
    """

    evidence: tuple[str, ...]


class Mark(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How far one answer of the venue reaches: `message_id` names it, `what` was asked (order, open_orders, trades,
    order_history), for which window (UTC ms; None: no window). `complete`: below its row cap and every row read.
    """

    message_id: str
    what: str
    since_ms: int | None = None
    until_ms: int | None = None
    complete: bool = True
    memory_ms: int | None = None  # this long it remembers an order that ended without a fill; None: for ever


class VenueSearched(_Event, frozen=True, tag="venue-searched/1"):
    """The venue was asked everywhere for a trace of the order and showed none; `marks` say how far each answer reaches.

    What follows from it is the next event. A question that could not be asked leaves no mark, and nothing follows.
    """

    marks: tuple[Mark, ...]


class OrderVanished(_Event, frozen=True, tag="order-vanished/1"):
    """The order is over, and nobody can say any more how: the venue shows it nowhere, and its memory of unfilled orders
    does not reach back to when it may have ended. Nothing of it traded that is not booked. `evidence` as above.
    """

    evidence: tuple[str, ...]


INFERRED: Final = "inferred:"


class OrderFilled(_Event, frozen=True, tag="order-filled/1"):
    """One trade (FIX 31, 32). `commission` is a cost when positive; None until the venue says it.

    An `exec_id` that begins with ``inferred:`` is of no trade that the venue shows: its record of the order counts the
    quantity, at that average price, and the trades cannot be asked for any more. Its commission nobody knows.
    """

    exec_id: ExecId
    quantity: Decimal
    price: Decimal
    commission: Decimal | None = None
    commission_currency: Currency | None = None
    liquidity: Liquidity | None = None


class CommissionReported(_Event, frozen=True, tag="commission-reported/1"):
    """The commission of a trade that was booked before the venue told it."""

    exec_id: ExecId
    commission: Decimal
    commission_currency: Currency


class LiquidityReported(_Event, frozen=True, tag="liquidity-reported/1"):
    """Which side made the market in a trade that was booked before the venue told it: of perpetuals, streams do not."""

    exec_id: ExecId
    liquidity: Liquidity


class TradeBusted(_Event, frozen=True, tag="trade-busted/1"):
    """The venue took a booked trade back; the figures are those of the trade, to be reversed. `at_ms` is the moment, by
    the venue's time (UTC), of the record that proved it.
    """

    exec_id: ExecId
    quantity: Decimal
    price: Decimal
    commission: Decimal | None = None
    commission_currency: Currency | None = None
    at_ms: int | None = None


class CountLowered(_Event, frozen=True, tag="count-lowered/1"):
    """The venue counts less of the order than it once told, and has no trade of it that is not booked: what it took
    back never was. `at_ms` is the moment, by the venue's time (UTC), of the record that proved it.
    """

    cum_quantity: Decimal
    at_ms: int | None = None


class InferredFillReplaced(_Event, frozen=True, tag="inferred-fill-replaced/1"):
    """A fill that was inferred is taken back, since the trade that it stood for is booked right after. The figures are
    those of the inferred one, to be reversed; where the order stands does not change.
    """

    exec_id: ExecId
    quantity: Decimal
    price: Decimal


class ProgressReported(_Event, frozen=True, tag="progress-reported/1"):
    """The venue shows more filled than the trades we hold, or calls the order done. The trades are still to be fetched.

    `done` means that nothing more will trade and `cum_quantity` is final.
    """

    cum_quantity: Decimal
    done: bool = False


class VenueCanceled(_Event, frozen=True, tag="venue-canceled/1"):
    """The venue ended the order; `cum_quantity` is what it says was filled before. `reason`: user, system, stp."""

    reason: str | None = None
    cum_quantity: Decimal | None = None


class PostOnlyRefused(_Event, frozen=True, tag="post-only-refused/1"):
    """What the end before this meant: a post-only order that would have taken. The venue acknowledged it and ended it
    unfilled `lived_ms` later by its own clock, and nobody had asked for that.
    """

    lived_ms: int


class OrderExpired(_Event, frozen=True, tag="order-expired/1"):
    """The order's time ran out: at the venue, before it was sent, or so that we had it canceled."""

    cum_quantity: Decimal | None = None


class CancelRequested(_Event, frozen=True, tag="cancel-requested/1"):
    """Somebody asked for the order's end. From this commit on a cancel may reach the venue."""

    request_id: str
    reason: str | None = None


class CancelAccepted(_Event, frozen=True, tag="cancel-accepted/1"):
    """The venue took the cancel request. It is asked for, not done."""

    request_id: str


class CancelRefused(_Event, frozen=True, tag="cancel-refused/1"):
    """The venue would not cancel. What became of the order is to be proven, never concluded from this."""

    request_id: str
    reason: str
    code: str | None = None
    text: str | None = None


class CancelUnknown(_Event, frozen=True, tag="cancel-unknown/1"):
    """No answer settles whether the cancel arrived; it stays pending."""

    request_id: str
    reason: str


class AmendRequested(_Event, frozen=True, tag="amend-requested/1"):
    """Somebody asked for another price or quantity. From this commit on the change may reach the venue.

    What is None stays; `quantity` is the order's new total, filled part included, `trigger_price` that of an order that
    still waits, `take_profit` and `stop_loss` what is to come into force with its fill.
    """

    request_id: str
    price: Decimal | None = None
    quantity: Decimal | None = None
    trigger_price: Decimal | None = None
    take_profit: Protection | None = None
    stop_loss: Protection | None = None


class AmendAccepted(_Event, frozen=True, tag="amend-accepted/1"):
    """The venue took the change: asked for, not done. `venue_order_id` is the order's from then on.

    If the venue does not show it by `valid_until_ns` (UTC), it was not applied.
    """

    request_id: str
    valid_until_ns: int
    venue_order_id: VenueOrderId | None = None


class AmendRefused(_Event, frozen=True, tag="amend-refused/1"):
    """The order stays as it was: the venue would not change it, or never did. Or it was `overtaken`: a later change
    shows, and nobody can tell whether this one was applied before that.
    """

    request_id: str
    reason: str
    code: str | None = None
    text: str | None = None


class AmendUnknown(_Event, frozen=True, tag="amend-unknown/1"):
    """No answer settles whether the change arrived; it may still be applied until `valid_until_ns` (UTC)."""

    request_id: str
    reason: str
    valid_until_ns: int


class OrderAmended(_Event, frozen=True, tag="order-amended/1"):
    """The venue shows the order as the change `request_id` asked for. What is None stayed. `at_ms` is the moment, by
    the venue's time (UTC), of the picture that shows it.
    """

    request_id: str
    price: Decimal | None = None
    quantity: Decimal | None = None
    trigger_price: Decimal | None = None
    take_profit: Protection | None = None
    stop_loss: Protection | None = None
    at_ms: int | None = None


class OrderTriggered(_Event, frozen=True, tag="order-triggered/1"):
    """The price that a conditional order waited for has come: the venue works it under another id from here on, and for
    `quantity` in all, where it closes a position that has less by now than it was asked to close.
    """

    venue_order_id: VenueOrderId
    quantity: Decimal | None = None


class OrderClaimed(_Event, frozen=True, tag="order-claimed/1"):
    """An order that nobody here had asked for was given to a strategy: what it traded, and what it still will, is its.

    `reason` is a person's word.
    """

    strategy: StrategyId
    reason: str


class ReportContradicted(_Event, frozen=True, tag="report-contradicted/1"):
    """The venue said what our history does not allow, or what we cannot read: kept, flagged, never lost."""

    report: str
    why: str


OrderEvent = (
    OrderRequested
    | ExternalOrderSeen
    | OrderDenied
    | SendStarted
    | VenueAccepted
    | VenueRefused
    | OutcomeUnknown
    | VenueSearched
    | AbsenceProven
    | OrderVanished
    | OrderFilled
    | CommissionReported
    | LiquidityReported
    | TradeBusted
    | CountLowered
    | InferredFillReplaced
    | ProgressReported
    | VenueCanceled
    | PostOnlyRefused
    | OrderExpired
    | CancelRequested
    | CancelAccepted
    | CancelRefused
    | CancelUnknown
    | AmendRequested
    | AmendAccepted
    | AmendRefused
    | AmendUnknown
    | OrderAmended
    | OrderTriggered
    | OrderClaimed
    | ReportContradicted
)
