"""An order as the log tells it: three independent facts, so that nothing overwrites anything.

*Life* walks one table. *Pending requests* are the cancels still unanswered. *Quantities* come from unique trades.
The status people read (FIX 39) is derived from the three.

The table allows what happens in the real world, where a fill outruns its ack, a cancel loses its race and a venue shows
on Monday what it denied on Friday. A fill is money: every life has a row for it.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from oms.errors import CorruptStreamError
from oms.order.events import (
    AbsenceProven,
    CancelAccepted,
    CancelRefused,
    CancelRequested,
    CancelUnknown,
    CommissionReported,
    ExternalOrderSeen,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderRequested,
    OrderVanished,
    OutcomeUnknown,
    ProgressReported,
    ReportContradicted,
    SendStarted,
    TradeBusted,
    VenueAccepted,
    VenueCanceled,
    VenueRefused,
    VenueSearched,
)
from oms.values import (
    EXACT,
    ONE,
    RATIO,
    ZERO,
    ClientOrderId,
    Currency,
    ExecId,
    OrderStatus,
    Origin,
    Side,
    StrategyId,
    VenueOrderId,
)

EXTERNAL: Final = StrategyId("external")  # who "asked" for an order that this log never saw asked for


class Life(StrEnum):  # text, whose hash costs nothing where a table is walked for every event
    """Where an order is between being asked for and being over."""

    NEW = "new"
    DENIED = "denied"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    WORKING = "working"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    VANISHED = "vanished"  # over by a proof of absence, not by the venue's word; people read: canceled


# A member is looked up through its class's metaclass, which takes as long as a function call: bound once, since every
# event asks.
NEW, DENIED, SENDING, IN_DOUBT, WORKING, FILLED, CANCELED, EXPIRED, REJECTED, VANISHED = Life
_SELL: Final = Side.SELL

CLOSED: Final = frozenset({DENIED, FILLED, CANCELED, EXPIRED, REJECTED, VANISHED})

_STAYS: Final = (CommissionReported, CancelAccepted, CancelRefused, CancelUnknown, ReportContradicted, VenueSearched)


def _row(life: Life, moves: Mapping[type[OrderEvent], Life]) -> Mapping[type[OrderEvent], Life]:
    """One row: `moves`, and the facts that may be learned in any life and move none."""
    return {**dict.fromkeys(_STAYS, life), **moves}


TRANSITIONS: Final[Mapping[Life, Mapping[type[OrderEvent], Life]]] = {
    NEW: _row(
        NEW,
        {
            OrderDenied: DENIED,
            SendStarted: SENDING,
            CancelRequested: NEW,
            OrderFilled: WORKING,  # never sent by us, yet money moved under its id
        },
    ),
    DENIED: _row(DENIED, {OrderFilled: WORKING}),
    SENDING: _row(
        SENDING,
        {
            SendStarted: SENDING,  # a refusal that certainly did nothing: the same id goes out once more
            VenueAccepted: WORKING,
            VenueRefused: REJECTED,
            OutcomeUnknown: IN_DOUBT,
            OrderFilled: WORKING,  # the fill outran the ack
            VenueCanceled: CANCELED,  # IOC, or post-only that would have taken: over before its ack
            OrderExpired: EXPIRED,
            CancelRequested: SENDING,
        },
    ),
    IN_DOUBT: _row(
        IN_DOUBT,
        {
            OutcomeUnknown: IN_DOUBT,
            VenueAccepted: WORKING,
            VenueRefused: REJECTED,
            AbsenceProven: REJECTED,
            OrderVanished: VANISHED,
            OrderFilled: WORKING,
            VenueCanceled: CANCELED,
            OrderExpired: EXPIRED,
            CancelRequested: IN_DOUBT,
        },
    ),
    WORKING: _row(
        WORKING,
        {
            VenueAccepted: WORKING,  # the ack behind the fill only adds the venue's id
            VenueRefused: REJECTED,  # accepted by the gateway, refused by the matching engine (BitMart `failed`)
            OrderVanished: VANISHED,
            OrderFilled: WORKING,
            TradeBusted: WORKING,
            ProgressReported: WORKING,
            VenueCanceled: CANCELED,
            OrderExpired: EXPIRED,
            CancelRequested: WORKING,
        },
    ),
    FILLED: _row(
        FILLED,
        {
            VenueAccepted: FILLED,
            OrderFilled: FILLED,  # more than was asked: the venue's word, booked and flagged
            TradeBusted: WORKING,  # whether the rest works again is the venue's to say
            ProgressReported: FILLED,
        },
    ),
    CANCELED: _row(
        CANCELED,
        {
            VenueAccepted: CANCELED,  # the ack was slower than the end
            OrderFilled: CANCELED,  # matched before the cancel, reported after
            TradeBusted: CANCELED,
            ProgressReported: CANCELED,
        },
    ),
    EXPIRED: _row(
        EXPIRED,
        {
            VenueAccepted: EXPIRED,
            OrderFilled: EXPIRED,
            TradeBusted: EXPIRED,
            ProgressReported: EXPIRED,
        },
    ),
    REJECTED: _row(
        REJECTED,
        {
            VenueAccepted: WORKING,  # called dead, and there it is
            OrderFilled: WORKING,
            TradeBusted: REJECTED,
            VenueCanceled: CANCELED,
            OrderExpired: EXPIRED,
        },
    ),
    VANISHED: _row(
        VANISHED,
        {
            VenueAccepted: WORKING,  # it was somewhere after all
            OrderFilled: WORKING,
            TradeBusted: VANISHED,
            VenueCanceled: CANCELED,
            OrderExpired: EXPIRED,
        },
    ),
}


class Trade(Struct, frozen=True, gc=False):
    """What of a fill is needed to know it again, to add its commission and to take it back."""

    exec_id: ExecId
    quantity: Decimal
    price: Decimal
    commission: Decimal | None
    commission_currency: Currency | None


class Order(Struct, frozen=True, kw_only=True, gc=False):
    """One order. Quantities in base units or contracts, `cum_cost` in quote units; both exact sums over `trades`."""

    request: OrderRequested
    life: Life
    version: int  # of its stream
    venue_order_id: VenueOrderId | None = None
    attempts: int = 0
    valid_until_ns: int = 0  # a request in doubt may still execute until then
    trades: tuple[Trade, ...] = ()
    cum_quantity: Decimal = ZERO
    cum_cost: Decimal = ZERO
    uncharged: int = 0  # trades whose commission the venue has not told yet
    venue_cum: Decimal = ZERO  # the most the venue ever said was filled
    done: bool = False  # the venue said nothing more will trade
    cancels: tuple[str, ...] = ()  # requests still unanswered
    cancels_known: tuple[str, ...] = ()  # every request ever, for repeats
    reason: str | None = None  # why it was denied, refused, in doubt or ended
    flagged: bool = False  # the venue contradicted itself or us: a person should look
    origin: Origin | None = None  # who made it, where nobody asked for it here
    parent: ClientOrderId | None = None  # the conditional order that it came from

    @property
    def leaves_quantity(self) -> Decimal:
        """FIX 151: still working, zero when closed or when the order is by notional (see `leaves_notional`)."""
        if self.life in CLOSED or self.request.quantity is None:
            return ZERO
        return max(EXACT.subtract(self.request.quantity, self.cum_quantity), ZERO)

    @property
    def average_price(self) -> Decimal | None:
        """FIX 6: quote per base over all trades, rounded to 40 digits; None before the first."""
        if not self.cum_quantity:
            return None
        return RATIO.divide(self.cum_cost, EXACT.multiply(self.cum_quantity, self.request.contract_size))

    @property
    def trades_missing(self) -> bool:
        """Whether the venue's own figures say that trades exist which we do not hold, or hold without commission."""
        return self.uncharged > 0 or self.venue_cum > self.cum_quantity

    @property
    def unsettled(self) -> bool:
        """Whether the venue is to be asked about it: it is in doubt, trades are missing, or a cancel is pending."""
        return self.life is IN_DOUBT or self.venue_cum > self.cum_quantity or self.uncharged > 0 or bool(self.cancels)


def status(order: Order) -> OrderStatus:
    """Return what people read: derived from life, pending requests and quantities."""
    match order.life:
        case Life.WORKING if order.cancels:
            return OrderStatus.PENDING_CANCEL
        case Life.WORKING:
            return OrderStatus.PARTIALLY_FILLED if order.cum_quantity else OrderStatus.OPEN
        case Life.VANISHED:
            return OrderStatus.CANCELED
        case life:
            return OrderStatus(life.value)


def cost(quantity: Decimal, price: Decimal, contract_size: Decimal) -> Decimal:
    """Return what `quantity` is worth at `price`, in quote units."""
    worth = EXACT.multiply(quantity, price)
    return worth if contract_size is ONE else EXACT.multiply(worth, contract_size)


def evolve(order: Order | None, event: OrderEvent) -> Order:
    """Return the order after `event`. Moves data, decides nothing.

    Raises:
        CorruptStreamError: the event is not legal history; our own writing was wrong.
    """
    if order is None:
        return _opened(event)
    life = TRANSITIONS[order.life].get(type(event))
    if life is None:
        raise CorruptStreamError(f"{order.request.client_order_id}: {type(event).__name__} after {order.life.name}")
    version = order.version + 1
    # What every order goes through comes first, and by isinstance: each class pattern of a match costs three of those.
    if isinstance(event, OrderFilled):
        return _filled(order, event, life, version)
    if isinstance(event, SendStarted):
        return replace(order, life=life, attempts=event.attempt, version=version)
    if isinstance(event, VenueAccepted):
        known = event.venue_order_id or order.venue_order_id
        return replace(order, life=life, venue_order_id=known, reason=None, version=version)
    match event:
        case ProgressReported():
            venue_cum = max(order.venue_cum, event.cum_quantity)
            return _finished(replace(order, venue_cum=venue_cum, done=order.done or event.done, version=version))
        case CancelRequested():
            return replace(
                order,
                cancels=(*order.cancels, event.request_id),
                cancels_known=(*order.cancels_known, event.request_id),
                version=version,
            )
        case VenueCanceled() | OrderExpired():
            return _ended(order, event, life, version)
        case CancelRefused():
            return replace(order, cancels=_without(order.cancels, event.request_id), version=version)
        case CancelAccepted() | CancelUnknown() | VenueSearched():
            return replace(order, version=version)
        case VenueRefused():
            return replace(order, life=life, reason=event.reason, cancels=(), version=version)
        case OutcomeUnknown():
            return replace(order, life=life, reason=event.reason, valid_until_ns=event.valid_until_ns, version=version)
        case AbsenceProven():
            return replace(order, life=life, reason="never arrived", cancels=(), version=version)
        case OrderVanished():
            return replace(order, life=life, reason="proof: absence", cancels=(), version=version)
        case OrderDenied():
            return replace(order, life=life, reason=f"{event.limit}: {event.detail}", version=version)
        case CommissionReported():
            trades = tuple(_commissioned(order.trades, event))
            return replace(order, trades=trades, uncharged=_uncharged(trades), version=version)
        case TradeBusted():
            return _busted(order, event, life, version)
        case ReportContradicted():
            return replace(order, flagged=True, version=version)
        case OrderRequested() | ExternalOrderSeen():
            raise AssertionError("no row of the table lets an order be opened twice")


def fold(history: Iterable[OrderEvent]) -> Order | None:
    """Return the order that `history` tells, or None for no history."""
    order = None
    for event in history:
        order = evolve(order, event)
    return order


def _opened(event: OrderEvent) -> Order:
    match event:
        case OrderRequested():
            return Order(request=event, life=NEW, version=1)
        case ExternalOrderSeen():
            request = OrderRequested(
                account=event.account,
                client_order_id=event.client_order_id,
                strategy=event.strategy or EXTERNAL,
                symbol=event.symbol,
                side=event.side,
                order_type=event.order_type,
                quantity=event.quantity,
                notional=event.notional,
                price=event.price,
                contract_size=event.contract_size,
                position_leg=event.position_leg,
                reduce_only=event.reduce_only,
                leverage=event.leverage,
                margin_leverage=event.leverage,
            )
            return Order(
                request=request,
                life=Life.WORKING,
                version=1,
                venue_order_id=event.venue_order_id,
                origin=event.origin,
                parent=event.parent,
            )
        case _:
            raise CorruptStreamError(f"an order's history begins with {type(event).__name__}")


def _filled(order: Order, event: OrderFilled, life: Life, version: int) -> Order:
    quantity, price, asked = event.quantity, event.price, order.request.quantity
    cum_quantity = EXACT.add(order.cum_quantity, quantity)
    after = replace(
        order,
        life=life,
        trades=(*order.trades, Trade(event.exec_id, quantity, price, event.commission, event.commission_currency)),
        cum_quantity=cum_quantity,
        cum_cost=EXACT.add(order.cum_cost, cost(quantity, price, order.request.contract_size)),
        venue_cum=max(order.venue_cum, cum_quantity),
        version=version,
    )
    if event.commission is None:
        after = replace(after, uncharged=order.uncharged + 1)
    if order.life is NEW or order.life is DENIED or (asked is not None and cum_quantity > asked):
        after = replace(after, flagged=True)
    return _finished(after)


def _finished(order: Order) -> Order:
    """The one rule outside the table: where nothing is left to trade, the order is FILLED, whatever it was before.

    Nothing is left at what was asked, or at what the venue called final; an order by notional has the latter alone.
    """
    target = order.venue_cum if order.done else order.request.quantity
    if not target or order.cum_quantity < target or order.life is FILLED:
        return order
    return replace(order, life=FILLED, cancels=(), reason=None)


def _ended(order: Order, event: VenueCanceled | OrderExpired, life: Life, version: int) -> Order:
    reason = event.reason if isinstance(event, VenueCanceled) else "expired"
    venue_cum = max(order.venue_cum, event.cum_quantity or ZERO)
    return replace(order, life=life, reason=reason, venue_cum=venue_cum, cancels=(), version=version)


def _busted(order: Order, event: TradeBusted, life: Life, version: int) -> Order:
    cum_quantity = EXACT.subtract(order.cum_quantity, event.quantity)
    trades = tuple(trade for trade in order.trades if trade.exec_id != event.exec_id)
    return replace(
        order,
        life=life,
        trades=trades,
        uncharged=_uncharged(trades),
        cum_quantity=cum_quantity,
        cum_cost=EXACT.subtract(order.cum_cost, cost(event.quantity, event.price, order.request.contract_size)),
        venue_cum=cum_quantity,
        done=False,
        flagged=True,
        version=version,
    )


def _commissioned(trades: Iterable[Trade], event: CommissionReported) -> Iterable[Trade]:
    for trade in trades:
        if trade.exec_id == event.exec_id:
            yield replace(trade, commission=event.commission, commission_currency=event.commission_currency)
        else:
            yield trade


def _uncharged(trades: Iterable[Trade]) -> int:
    return sum(trade.commission is None for trade in trades)


def _without(requests: tuple[str, ...], request_id: str) -> tuple[str, ...]:
    return tuple(known for known in requests if known != request_id)
