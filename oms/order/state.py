"""An order as the log tells it: three independent facts, so that nothing overwrites anything.

*Life* walks one table (`oms.order.life`). *Pending requests* are the cancels and changes still open. *Quantities* come
from unique trades. The status people read (FIX 39) is derived from the three.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from oms.errors import CorruptStreamError
from oms.order.amends import Amend, answered, left
from oms.order.events import (
    INFERRED,
    AbsenceProven,
    AmendAccepted,
    AmendRefused,
    AmendRequested,
    AmendUnknown,
    CancelAccepted,
    CancelRefused,
    CancelRequested,
    CancelUnknown,
    CommissionReported,
    CountLowered,
    ExternalOrderSeen,
    InferredFillReplaced,
    LiquidityReported,
    OrderAmended,
    OrderClaimed,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderRequested,
    OrderTriggered,
    OrderVanished,
    OutcomeUnknown,
    PostOnlyRefused,
    ProgressReported,
    ReportContradicted,
    SendStarted,
    TradeBusted,
    VenueAccepted,
    VenueCanceled,
    VenueRefused,
    VenueSearched,
)
from oms.order.life import CLOSED, FILLED, IN_DOUBT, NEW, REJECTED, TRANSITIONS, VANISHED, WORKING, Life
from oms.values import (
    EXACT,
    RATIO,
    ZERO,
    ClientOrderId,
    Currency,
    ExecId,
    Liquidity,
    OrderStatus,
    Origin,
    StrategyId,
    VenueOrderId,
    cost,
    holdable,
    worth,
)

__all__ = ["CLOSED", "EXTERNAL", "TRANSITIONS", "Amend", "Life", "Order", "Trade", "evolve", "fold", "status"]

BUSTED_KEPT: Final = 20  # trades of one order that were taken back and are known as such

NEVER_ARRIVED: Final = "never arrived"  # the reason of what is proven absent
EXTERNAL: Final = StrategyId("external")  # who "asked" for an order that this log never saw asked for


# Why a venue refuses a cancel of an order that may be over: it proves neither that it is, nor how it ended.
MAYBE_OVER: Final = frozenset({"order_not_found", "order_closed", "already_canceled", "already_filled"})


class Trade(Struct, frozen=True, gc=False):
    """What of a fill is needed to know it again, to add its commission and to take it back."""

    exec_id: ExecId
    quantity: Decimal
    price: Decimal
    commission: Decimal | None
    commission_currency: Currency | None
    liquidity: Liquidity | None


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
    venue_cum: Decimal = ZERO  # the most the venue ever said was filled, but for what it took back
    done: bool = False  # the venue said nothing more will trade
    revived: bool = False  # it was called dead, and then the venue showed it alive
    fate_ms: int | None = None  # the venue's time of the record that last ended it, or brought it back
    cancels: tuple[str, ...] = ()  # requests still unanswered; wanted all the same if it is called dead and lives
    cancels_known: tuple[str, ...] = ()  # every request ever, for repeats
    amends: tuple[Amend, ...] = ()  # changes not yet shown or refused, in the order they were asked for
    amends_known: tuple[str, ...] = ()  # every change ever asked for
    amended_ms: int | None = None  # the venue's time of the picture that last showed one applied
    presets: tuple[Amend, ...] = ()  # of these, the ones of what protects it: what the venue makes of one comes later
    original: OrderRequested | None = None  # what was asked at first, once a change was applied
    conditional: bool = False  # it began as one that waits for a price
    triggered: bool = False  # the price it waited for has come
    reason: str | None = None  # why it was denied, refused, in doubt or ended
    flags: int = 0  # how often the venue contradicted itself or us: each time a person should look
    contradictions: tuple[str, ...] = ()  # why, of those that are kept by themselves
    origin: Origin | None = None  # who made it, where nobody asked for it here
    parent: ClientOrderId | None = None  # the order that it came from, as what protects it or what that sent
    end_doubted: bool = False  # its cancel had no answer, or was refused as if it were over: whether it works is open
    stops: bool = False  # the venue calls it a stop-loss: what it waits for, only the venue knows
    would_take: bool = False  # post-only, and ended for that
    busted: tuple[ExecId, ...] = ()  # trades that the venue took back, the last ones
    busted_ms: int | None = None  # the venue's time of the record that last proved one gone

    @property
    def leaves_quantity(self) -> Decimal:
        """FIX 151: still working, zero when closed or when the order is by notional (see `leaves_notional`)."""
        if self.life in CLOSED or self.request.quantity is None:
            return ZERO
        return max(EXACT.subtract(self.request.quantity, self.cum_quantity), ZERO)

    @property
    def flagged(self) -> bool:
        """Whether a person should look."""
        return self.flags > 0

    @property
    def average_price(self) -> Decimal | None:
        """FIX 6: quote per base over all trades, rounded to 40 digits; None before the first."""
        if not self.cum_quantity:
            return None
        return RATIO.divide(self.cum_cost, EXACT.multiply(self.cum_quantity, self.request.contract_size))

    @property
    def untold_quantity(self) -> Decimal:
        """How much the venue says has traded of which we hold no trade yet."""
        return max(EXACT.subtract(self.venue_cum, self.cum_quantity), ZERO)

    @property
    def trades_missing(self) -> bool:
        """Whether the venue's own figures say that trades exist which we do not hold, or hold without commission."""
        return self.uncharged > 0 or self.venue_cum > self.cum_quantity

    @property
    def end_unproven(self) -> bool:
        """Whether it was to be canceled, and nobody can say yet whether it still works, or how much of it traded."""
        return self.end_doubted and (self.life not in CLOSED or self.venue_cum > self.cum_quantity)

    @property
    def unsettled(self) -> bool:
        """Whether the venue is to be asked about it: in doubt, short of trades, or waiting for a cancel or a change."""
        return (
            self.life is IN_DOUBT
            or self.venue_cum > self.cum_quantity
            or self.uncharged > 0
            or (bool(self.cancels) and self.life not in CLOSED)
            or bool(self.amends)
        )

    @property
    def waits(self) -> bool:
        """Whether it still waits for its trigger: the venue keeps it apart from the orders of the book."""
        return self.conditional and not self.triggered


def status(order: Order) -> OrderStatus:
    """Return what people read: derived from life, pending requests and quantities."""
    match order.life:
        case Life.WORKING if order.cancels:
            return OrderStatus.PENDING_CANCEL
        case Life.WORKING if order.amends:
            return OrderStatus.PENDING_AMEND
        case Life.WORKING:
            return OrderStatus.PARTIALLY_FILLED if order.cum_quantity else OrderStatus.OPEN
        case Life.VANISHED:
            return OrderStatus.CANCELED
        case Life.CANCELED if order.would_take and not order.cum_quantity:
            return OrderStatus.REJECTED
        case life:
            return OrderStatus(life.value)


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
        after = replace(order, life=life, venue_order_id=known, reason=None, version=version)
        dead = order.life is REJECTED or order.life is VANISHED
        return replace(_flagged(after), revived=True, fate_ms=event.at_ms) if dead else after
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
        case PostOnlyRefused():
            return replace(order, life=life, reason="would take", would_take=True, version=version)
        case CancelRefused():
            doubted = order.end_doubted or event.reason in MAYBE_OVER
            cancels = _without(order.cancels, event.request_id)
            return replace(order, cancels=cancels, end_doubted=doubted, version=version)
        case CancelUnknown():
            return replace(order, end_doubted=True, version=version)
        case CancelAccepted() | VenueSearched():
            return replace(order, version=version)
        case VenueRefused():
            ended = replace(order, life=life, reason=event.reason, amends=(), version=version)
            return replace(ended, fate_ms=event.at_ms)
        case OutcomeUnknown():
            return replace(order, life=life, reason=event.reason, valid_until_ns=event.valid_until_ns, version=version)
        case AbsenceProven():
            return replace(order, life=life, reason=NEVER_ARRIVED, amends=(), version=version)
        case OrderVanished():
            return replace(order, life=life, reason="proof: absence", amends=(), version=version)
        case OrderDenied():
            return replace(order, life=life, reason=f"{event.limit}: {event.detail}", amends=(), version=version)
        case CommissionReported():
            trades = tuple(_commissioned(order.trades, event))
            return replace(order, trades=trades, uncharged=_uncharged(trades), version=version)
        case LiquidityReported(exec_id=name, liquidity=made):
            trades = tuple(replace(each, liquidity=made) if each.exec_id == name else each for each in order.trades)
            return replace(order, trades=trades, version=version)
        case TradeBusted():
            return _busted(order, event, life, version)
        case CountLowered():
            busted_ms = event.at_ms or order.busted_ms
            after = replace(order, life=life, venue_cum=event.cum_quantity, done=False, version=version)
            return replace(_flagged(after), busted_ms=busted_ms)
        case InferredFillReplaced():
            return _taken_back(order, event, version)
        case AmendRequested() | AmendAccepted() | AmendUnknown() | AmendRefused() | OrderAmended():
            return _amended(order, event, version)
        case OrderTriggered():
            fired = replace(
                order, life=life, venue_order_id=event.venue_order_id, triggered=True, reason=None, version=version
            )
            if event.quantity is not None:
                less = replace(order.request, quantity=event.quantity)
                fired = _finished(replace(fired, request=less, original=order.original or order.request))
            dead = order.life is REJECTED or order.life is VANISHED
            return _flagged(fired) if dead else fired  # what it became has a record of its own
        case ReportContradicted():
            return replace(_flagged(order), contradictions=(*order.contradictions, event.why), version=version)
        case OrderClaimed():
            return replace(order, request=replace(order.request, strategy=event.strategy), version=version)
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
            until_ns = holdable(event.expires_ns)  # an older log may have a time that nothing made from it could hold
            asked = event if until_ns == event.expires_ns else replace(event, expires_ns=until_ns)
            return Order(request=asked, life=NEW, version=1, conditional=event.trigger is not None)
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
                trigger=event.trigger,
            )
            return Order(
                request=request,
                life=WORKING,
                version=1,
                venue_order_id=event.venue_order_id,
                origin=event.origin,
                conditional=event.conditional,
                stops=event.stops,
                parent=event.parent,
            )
        case _:
            raise CorruptStreamError(f"an order's history begins with {type(event).__name__}")


def _filled(order: Order, event: OrderFilled, life: Life, version: int) -> Order:
    quantity, price, trade = event.quantity, event.price, _trade(event)
    asked = order.request.quantity if not order.amends else _asked(order)
    cum_quantity = EXACT.add(order.cum_quantity, quantity)
    after = replace(
        order,
        life=life,
        trades=(*order.trades, trade),
        cum_quantity=cum_quantity,
        cum_cost=EXACT.add(order.cum_cost, worth(quantity, price, order.request.contract_size)),
        venue_cum=max(order.venue_cum, cum_quantity),
        version=version,
    )
    if trade.commission is None and not event.exec_id.startswith(INFERRED):
        after = replace(after, uncharged=order.uncharged + 1)
    # Never sent, more than was asked, or over for the venue with less traded than this: a person should look.
    late = order.life in CLOSED and order.life is not FILLED and cum_quantity > order.venue_cum
    if order.life is NEW or late or (asked is not None and cum_quantity > asked):
        after = _flagged(after)
    return _finished(after)


def _finished(order: Order) -> Order:
    """The one rule outside the table: where nothing is left to trade, the order is FILLED, whatever it was before.

    Nothing is left at what was asked, or at what the venue called final; an order by notional has the latter alone.
    """
    target = order.venue_cum if order.done else order.request.quantity
    if order.amends and not order.done:
        target = _asked(order)
    if not target or order.cum_quantity < target or order.life is FILLED:
        return order
    return replace(order, life=FILLED, cancels=(), amends=(), reason=None)


def _flagged(order: Order) -> Order:
    return replace(order, flags=order.flags + 1)


def _asked(order: Order) -> Decimal | None:
    """Return the quantity that was asked for, the largest that a change on its way may make it."""
    asked = order.request.quantity
    if order.amends and asked is not None:
        return max(asked, *(each.quantity for each in order.amends if each.quantity is not None), ZERO)
    return asked


def _amended(
    order: Order,
    event: AmendRequested | AmendAccepted | AmendUnknown | AmendRefused | OrderAmended,
    version: int,
) -> Order:
    """Return the order after a step of a change. Where one is refused, what it kept open may be over."""
    match event:
        case AmendRequested():
            amend = Amend(
                event.request_id, event.price, event.quantity, event.trigger_price, event.take_profit, event.stop_loss
            )
            known = (*order.amends_known, event.request_id)
            presets = (*order.presets, amend) if amend.protects else order.presets
            return replace(order, amends=(*order.amends, amend), amends_known=known, presets=presets, version=version)
        case AmendAccepted():
            venue_order_id = event.venue_order_id or order.venue_order_id
            amends = answered(order.amends, event)
            return replace(order, amends=amends, venue_order_id=venue_order_id, version=version)
        case AmendUnknown():
            return replace(order, amends=answered(order.amends, event), version=version)
        case AmendRefused():
            amends = tuple(each for each in order.amends if each.request_id != event.request_id)
            return _finished(replace(order, amends=amends, version=version))
        case OrderAmended():
            return _finished(_changed(order, event, version))


def _changed(order: Order, event: OrderAmended, version: int) -> Order:
    """What was asked before the change that shows is overtaken by it, and over, unless it may still arrive."""
    request = order.request
    changed = replace(
        request,
        price=event.price or request.price,
        quantity=event.quantity or request.quantity,
        take_profit=event.take_profit or request.take_profit,
        stop_loss=event.stop_loss or request.stop_loss,
    )
    if event.trigger_price is not None:
        changed = waiting_for(changed, event.trigger_price)
    amended_ms = order.amended_ms if event.at_ms is None else event.at_ms
    after = replace(order, request=changed, amends=left(order.amends, event), amended_ms=amended_ms, version=version)
    return replace(after, original=order.original or request)


def waiting_for(request: OrderRequested, trigger_price: Decimal) -> OrderRequested:
    """Return the request of an order that waits, waiting for another price; a market order is valued at it."""
    assert request.trigger is not None
    valued_at = request.reference_price if request.price is not None else trigger_price
    trigger = replace(request.trigger, price=trigger_price)
    return replace(request, trigger=trigger, reference_price=valued_at)


def _ended(order: Order, event: VenueCanceled | OrderExpired, life: Life, version: int) -> Order:
    reason = event.reason if isinstance(event, VenueCanceled) else "expired"
    venue_cum = max(order.venue_cum, event.cum_quantity or ZERO)
    return replace(order, life=life, reason=reason, venue_cum=venue_cum, cancels=(), amends=(), version=version)


def _taken_back(order: Order, event: InferredFillReplaced, version: int) -> Order:
    """What the venue counts stands as it stood: the real trade is booked right after."""
    return replace(
        order,
        trades=tuple(trade for trade in order.trades if trade.exec_id != event.exec_id),
        cum_quantity=EXACT.subtract(order.cum_quantity, event.quantity),
        cum_cost=EXACT.subtract(order.cum_cost, worth(event.quantity, event.price, order.request.contract_size)),
        version=version,
    )


def _busted(order: Order, event: TradeBusted, life: Life, version: int) -> Order:
    cum_quantity = EXACT.subtract(order.cum_quantity, event.quantity)
    trades = tuple(trade for trade in order.trades if trade.exec_id != event.exec_id)
    return replace(
        order,
        life=life,
        trades=trades,
        uncharged=_uncharged(trades),
        cum_quantity=cum_quantity,
        cum_cost=EXACT.subtract(order.cum_cost, worth(event.quantity, event.price, order.request.contract_size)),
        venue_cum=cum_quantity,
        done=False,
        flags=order.flags + 1,
        busted=(*order.busted, event.exec_id)[-BUSTED_KEPT:],
        busted_ms=event.at_ms or order.busted_ms,
        version=version,
    )


def _trade(event: OrderFilled) -> Trade:
    commission, currency = cost(event.commission, event.commission_currency)
    return Trade(event.exec_id, event.quantity, event.price, commission, currency, event.liquidity)


def _commissioned(trades: Iterable[Trade], event: CommissionReported) -> Iterable[Trade]:
    for trade in trades:
        if trade.exec_id == event.exec_id:
            yield replace(trade, commission=event.commission, commission_currency=event.commission_currency)
        else:
            yield trade


def _uncharged(trades: Iterable[Trade]) -> int:
    """An inferred fill is charged by nobody: what it cost shows in the balance."""
    return sum(trade.commission is None and not trade.exec_id.startswith(INFERRED) for trade in trades)


def _without(requests: tuple[str, ...], request_id: str) -> tuple[str, ...]:
    return tuple(known for known in requests if known != request_id)
