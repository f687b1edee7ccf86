"""What an order answers to what it is told: events, or a refusal. No clock, no network, no randomness.

Commands may be refused; reports may only be recorded. A report that says nothing new causes nothing, so that any
repetition and any order of arrival tells the same story.
"""

from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from oms.errors import (
    DuplicateOrderError,
    InvalidOrderError,
    LimitExceededError,
    OrderClosedError,
    UnknownOrderError,
)
from oms.order.admission import changed, checked, room_for, same
from oms.order.busted import bust, gone, lowered, outdated
from oms.order.changes import applied, fired, outgrown
from oms.order.events import (
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
    ExternalOrderSeen,
    LiquidityReported,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderVanished,
    OutcomeUnknown,
    PostOnlyRefused,
    ProgressReported,
    ReportContradicted,
    SendStarted,
    VenueAccepted,
    VenueCanceled,
    VenueRefused,
    VenueSearched,
)
from oms.order.holds import together
from oms.order.inferred import infer, replaced
from oms.order.messages import (
    AbsenceReport,
    AmendOrder,
    AmendRejected,
    AmendTaken,
    AmendUnanswered,
    BustReport,
    CancelOrder,
    CancelRejected,
    CancelTaken,
    CancelUnanswered,
    CountReport,
    FillInferred,
    OrderNews,
    PlaceOrder,
    SubmitAccepted,
    SubmitExpired,
    SubmitHalted,
    SubmitRefused,
    SubmitRepeated,
    SubmitUnknown,
    SubmitWithdrawn,
)
from oms.order.presets import STOP_LOSS, waits_for
from oms.order.state import CLOSED, TRANSITIONS, Life, Order, Trade, evolve
from oms.reports import OrderReport, TradeReport, VenueOrderStatus
from oms.risk import Facts, Limits, collared, deny
from oms.values import (
    ONE,
    ZERO,
    AccountId,
    ClientOrderId,
    OrderType,
    Origin,
    PositionEffect,
    PositionLeg,
    Provenance,
    Side,
    VenueOrderId,
    cost,
    plain,
)

ATTEMPTS_MAX: Final = 3  # sends of one order, all under its one id, before a transient refusal is final
CONTRADICTIONS_MAX: Final = 20  # kept of one order: a person knows by then, and a venue may have ever new words
UNHEARD: Final = frozenset(
    {Life.SENDING, Life.IN_DOUBT, Life.REJECTED, Life.VANISHED}
)  # lives in which "the venue has it" is news
# No key that a caller gives has a space.
FLAT: Final = "oms flat "  # requests that cancel an order whose position is gone begin so
EXPIRY: Final = "oms expiry"  # the first request that cancels an order whose time has run out
EXTERNAL_PREFIX: Final = "external"
WOULD_TAKE_MS: Final = 100  # a post-only order that the venue ends sooner than that was crossing when it arrived
BY_VENUE: Final = frozenset({None, "system"})  # who ended an order, where that can be the venue: streams do not say


def place(command: PlaceOrder, order: Order | None, facts: Facts, limits: Limits) -> tuple[OrderEvent, ...]:
    """Return the events of a new order: asked and sent, or asked and denied; none for a retry.

    Raises:
        DuplicateOrderError: the id was used before with another body.
        CommandRefusedError: the order is malformed for its market; nothing is recorded.
    """
    if order is not None:
        if same(command, order.original or order.request):
            return ()
        raise DuplicateOrderError(f"{command.client_order_id} was used before for another order")
    request = checked(command, facts)
    if facts.quote is not None:
        request = collared(request, facts, limits)
    denial = deny(request, facts, limits)
    if denial is not None:
        return (request, OrderDenied(limit=denial.limit, detail=denial.detail))
    return (request, SendStarted(attempt=1))


def cancel(command: CancelOrder, order: Order | None) -> tuple[OrderEvent, ...]:
    """Return the events of a cancel request; none if it was made before. One that finds another one on its way is kept
    as well: the venue may refuse that one.

    Raises:
        UnknownOrderError: the order was never placed.
        OrderClosedError: nothing is left to cancel.
        LimitExceededError: as many wait for the venue as anybody needs.
    """
    if order is None:
        raise UnknownOrderError(f"no order {command.client_order_id} on account {command.account}")
    if command.request_id in order.cancels_known:
        return ()
    if order.life in CLOSED:
        raise OrderClosedError(f"{command.client_order_id} is {order.life.value}")
    room_for(order.cancels, command.client_order_id)
    return (CancelRequested(request_id=command.request_id, reason=command.reason),)


def amend(command: AmendOrder, order: Order | None, facts: Facts, limits: Limits) -> tuple[OrderEvent, ...]:
    """Return the events of a change request; none if it was made before. Several may be on their way at once.

    Raises:
        UnknownOrderError: the order was never placed.
        OrderClosedError: it can no longer change.
        CommandRefusedError: the change makes no sense for the order, or a limit forbids it; nothing is recorded.
    """
    if order is None:
        raise UnknownOrderError(f"no order {command.client_order_id} on account {command.account}")
    if command.request_id in order.amends_known:
        return ()
    if order.life in CLOSED or order.cancels:
        state = order.life.value if order.life in CLOSED else "being canceled"
        raise OrderClosedError(f"{command.client_order_id} is {state}")
    if order.life not in {Life.SENDING, Life.WORKING}:
        raise InvalidOrderError(
            f"{command.client_order_id} does not work at the venue yet", next_step="amend it once it is open"
        )
    room_for(order.amends, command.client_order_id)
    asked = changed(command, order, facts)
    denial = deny(asked, facts, limits)
    if denial is None and order.amends:  # each of two may be within a limit that both break; a price stands for itself
        denial = deny(together(asked, order), replace(facts, quote=None), limits)
    if denial is not None:
        raise LimitExceededError(f"{denial.limit}: {denial.detail}")
    return (
        AmendRequested(
            request_id=command.request_id,
            price=command.price,
            quantity=command.quantity,
            trigger_price=command.trigger_price,
            take_profit=command.take_profit,
            stop_loss=command.stop_loss,
        ),
    )


def record(news: OrderNews, order: Order, source: Provenance = Provenance.RESPONSE) -> tuple[OrderEvent, ...]:
    """Return what `news` adds to what is known of `order`; none when it says nothing new."""
    if isinstance(news, TradeReport):
        return _traded(news, order, source)
    if isinstance(news, OrderReport):
        return _shown(news, order)
    if isinstance(news, SubmitAccepted):
        return _heard(order, news.venue_order_id)
    match news:
        case SubmitRefused():
            return _refused(news, order)
        case SubmitUnknown():
            unknown = OutcomeUnknown(reason=news.reason, valid_until_ns=news.valid_until_ns)
            return (unknown,) if order.life is Life.SENDING else ()
        case SubmitRepeated():
            again = order.life is Life.SENDING and order.attempts < ATTEMPTS_MAX
            return (SendStarted(attempt=order.attempts + 1),) if again else ()
        case SubmitHalted():
            denied = OrderDenied(limit=news.limit, detail=news.reason)
            return (denied,) if order.life is Life.SENDING else ()
        case SubmitExpired():
            return (OrderExpired(),) if order.life is Life.SENDING else ()
        case SubmitWithdrawn():
            denied = OrderDenied(limit="canceled", detail="while it waited for the venue's rates")
            return (denied,) if order.life is Life.SENDING else ()
        case AbsenceReport():
            return _absent(news, order)
        case CancelTaken():
            return (CancelAccepted(request_id=news.request_id),) if news.request_id in order.cancels else ()
        case CancelRejected():
            if news.request_id not in order.cancels:
                return ()
            return (CancelRefused(request_id=news.request_id, reason=news.reason, code=news.code, text=news.text),)
        case CancelUnanswered():
            if news.request_id not in order.cancels:
                return ()
            return (CancelUnknown(request_id=news.request_id, reason=news.reason),)
        case AmendTaken():
            taken = AmendAccepted(
                request_id=news.request_id, valid_until_ns=news.valid_until_ns, venue_order_id=news.venue_order_id
            )
            return (taken,) if _is_pending(order, news.request_id) else ()
        case AmendRejected():
            refused = AmendRefused(request_id=news.request_id, reason=news.reason, code=news.code, text=news.text)
            return (refused,) if _is_pending(order, news.request_id) else ()
        case AmendUnanswered():
            lost = AmendUnknown(request_id=news.request_id, reason=news.reason, valid_until_ns=news.valid_until_ns)
            return (lost,) if _is_pending(order, news.request_id) else ()
        case FillInferred():
            return infer(news, order)
        case BustReport():
            return bust(news, order)
        case CountReport():
            return lowered(news, order)


def external(
    report: OrderReport, account: AccountId, contract_size: Decimal = ONE, parent: Order | None = None
) -> tuple[OrderEvent, ...]:
    """Return the events of an order that the venue shows and this log never asked for; `parent` is what it came from.

    Raises:
        InvalidOrderError: the report does not say enough to know the order again.
    """
    if report.venue_order_id is None or report.side is None:
        raise InvalidOrderError(f"a report on {report.symbol} names neither an order of ours nor one of the venue's")
    leg = report.position_leg or PositionLeg.NET
    trigger = None if parent is None else waits_for(report, parent)
    at_market = trigger is not None or report.order_type == "market"
    seen = ExternalOrderSeen(
        account=account,
        client_order_id=external_id(report),
        venue_order_id=report.venue_order_id,
        symbol=report.symbol,
        side=report.side,
        order_type=OrderType.MARKET if at_market else OrderType.LIMIT,
        quantity=report.quantity or None,
        notional=report.notional,
        price=report.price or None,
        contract_size=contract_size,
        position_leg=leg,
        reduce_only=leg is PositionLeg.NET and report.effect is PositionEffect.CLOSE,
        leverage=report.leverage or None,
        origin=report.origin or Origin.EXTERNAL,
        conditional=report.trigger_price is not None and report.triggered_by is None,
        stops=report.order_type == STOP_LOSS,
        strategy=None if parent is None else parent.request.strategy,
        parent=None if parent is None else parent.request.client_order_id,
        trigger=trigger,
    )
    return (seen, *_shown(report, evolve(None, seen)))


def external_id(report: OrderReport | TradeReport) -> ClientOrderId:
    """Return the id under which an order that is not ours is known here: the same for the same order, for ever."""
    return report.client_order_id or ClientOrderId(f"{EXTERNAL_PREFIX}{report.venue_order_id}")


def is_namesake(report: OrderReport | TradeReport, order: Order) -> bool:
    """Return whether a report tells of another market's order that has the name of this one: spot and perpetuals are
    two hosts, and no source says that an id is used once on both.
    """
    return report.symbol != order.request.symbol and report.venue_order_id != order.venue_order_id


# ------------------------------------------------------------------------------------------------ reports


def _heard(order: Order, venue_order_id: VenueOrderId | None, at_ms: int | None = None) -> tuple[OrderEvent, ...]:
    """Return VenueAccepted where it is news: the order was not known to be there, or not under which id."""
    news = order.life in UNHEARD or (order.venue_order_id is None and venue_order_id is not None)
    if not news:
        return ()
    dead = order.life is Life.REJECTED or order.life is Life.VANISHED
    known = venue_order_id or order.venue_order_id
    return _if_possible(order, VenueAccepted(venue_order_id=known, at_ms=at_ms if dead else None))


def _refused(news: SubmitRefused, order: Order) -> tuple[OrderEvent, ...]:
    """Return the end of an order that was refused; one that the venue has shown alive cannot be."""
    match order.life:
        case Life.SENDING | Life.IN_DOUBT:
            return (VenueRefused(reason=news.reason, code=news.code, text=news.text),)
        case Life.REJECTED:
            return ()
        case life:
            return _contradicted(order, news, f"a refusal of an order that is {life.name}")


def _absent(news: AbsenceReport, order: Order) -> tuple[OrderEvent, ...]:
    """Return the end of an order of which the venue shows no trace: it never arrived, or it came and went."""
    if news.version not in {None, order.version}:
        return ()
    searched = (VenueSearched(marks=news.marks),) if news.marks else ()
    match order.life:
        case Life.IN_DOUBT if news.remembered:
            return (*searched, AbsenceProven(evidence=news.evidence))
        case Life.IN_DOUBT | Life.WORKING if not news.remembered:
            return (*searched, OrderVanished(evidence=news.evidence))
        case _:
            return ()


def _is_pending(order: Order, request_id: str) -> bool:
    return any(each.request_id == request_id for each in order.amends)


def _shown(report: OrderReport, order: Order) -> tuple[OrderEvent, ...]:
    """Return what a picture of the order adds: that its price came, that a change was applied, how far it is."""
    before: list[OrderEvent] = []
    if report.triggered_by is not None and not order.triggered and report.venue_order_id is not None:
        before.extend(_if_possible(order, fired(report.venue_order_id, report, order)))
        lives = bool(before) and evolve(order, before[0]).life is Life.WORKING
        if lives and order.end_doubted and not order.cancels:
            # Its cancel was refused as if it were over. It had fired, and what it has become is to end as well.
            again = f"{order.cancels_known[-1]} triggered"
            before.append(CancelRequested(request_id=again, reason="its price had come when it was canceled"))
    elif order.amends and order.life is Life.WORKING:
        before.extend(applied(report, order))
    for event in before:
        order = evolve(order, event)
    return (*before, *_progressed(report, order)) if before else _progressed(report, order)


def _progressed(report: OrderReport, order: Order) -> tuple[OrderEvent, ...]:
    """Return how far the picture shows the order to be. It is cumulative, so an older picture adds nothing."""
    cum_quantity = report.cum_quantity or ZERO
    if outdated(report, order):
        return ()
    if order.life in {Life.NEW, Life.DENIED}:
        return _contradicted(order, report, f"the venue shows an order that is {order.life.name} here")
    match report.status:
        case None:
            return _contradicted(order, report, f"unknown status {report.raw_status!r}")
        case VenueOrderStatus.PENDING_NEW | VenueOrderStatus.NEW | VenueOrderStatus.PARTIALLY_FILLED:
            if order.life is Life.REJECTED and _is_older(report, order):
                return ()
            accepted = _heard(order, report.venue_order_id, report.updated_ms)
            behind = cum_quantity > order.venue_cum
            return (*accepted, ProgressReported(cum_quantity=cum_quantity)) if behind else accepted
        case VenueOrderStatus.FILLED:
            accepted = _heard(order, report.venue_order_id)
            said = order.life is Life.FILLED or (order.done and cum_quantity <= order.venue_cum)
            return accepted if said else (*accepted, ProgressReported(cum_quantity=cum_quantity, done=True))
        case VenueOrderStatus.CANCELED if report.absent is not None:
            return _absent(AbsenceReport(evidence=report.absent, remembered=False), order)
        case VenueOrderStatus.CANCELED:
            if EXPIRY in order.cancels_known:  # we asked for it because its time had run out
                return _over(order, OrderExpired(cum_quantity=cum_quantity), report)
            return _over(order, VenueCanceled(reason=report.cancel_reason, cum_quantity=cum_quantity), report)
        case VenueOrderStatus.EXPIRED:
            return _over(order, OrderExpired(cum_quantity=cum_quantity), report)
        case VenueOrderStatus.REJECTED:
            return _rejected(report, order)


def _rejected(report: OrderReport, order: Order) -> tuple[OrderEvent, ...]:
    """Return the end of an order that the venue's record calls rejected.

    Of words that contradict each other a trade outranks every record, and the later record an earlier one. Of an order
    that was called dead before and shown alive since, only a record that is later for certain is believed: two views
    that disagree at every look must not end it and bring it back each time, and one that may live is counted as living.
    """
    if order.life in {Life.REJECTED, Life.DENIED}:
        return ()
    if order.revived:  # it is flagged for just this: called dead, shown alive
        untold = order.fate_ms is None or report.updated_ms is None  # which of them was said last
        if order.trades or untold or _is_older(report, order):
            return ()
    elif order.trades:
        return _contradicted(order, report, "the venue calls an order rejected that has traded")
    refused = VenueRefused(reason="refused_by_venue", text=report.raw_status, at_ms=report.updated_ms)
    return _if_possible(order, refused)


def _is_older(report: OrderReport, order: Order) -> bool:
    """Whether a picture is certainly no later than the record that last ended an order, or brought it back."""
    return order.fate_ms is not None and report.updated_ms is not None and report.updated_ms <= order.fate_ms


def _over(order: Order, end: VenueCanceled | OrderExpired, report: OrderReport) -> tuple[OrderEvent, ...]:
    """Return the events of an order's end at the venue; a known end only adds fills that we did not know of."""
    cum_quantity = end.cum_quantity or ZERO
    if order.life in {Life.CANCELED, Life.EXPIRED, Life.FILLED}:
        return (ProgressReported(cum_quantity=cum_quantity),) if cum_quantity > order.venue_cum else ()
    accepted = _heard(order, report.venue_order_id)
    ended = (*accepted, end) if accepted else _if_possible(order, end)
    lived_ms = _would_take(order, end, report)
    return (*ended, PostOnlyRefused(lived_ms=lived_ms)) if lived_ms is not None and ended[-1:] == (end,) else ended


def _would_take(order: Order, end: VenueCanceled | OrderExpired, report: OrderReport) -> int | None:
    """Return how long a post-only order lived that was ended because it would have taken, None for any other end: it is
    acknowledged all the same, and then ended without a word of the reason.
    """
    if not order.request.post_only or isinstance(end, OrderExpired) or end.reason not in BY_VENUE:
        return None
    if end.cum_quantity or order.cum_quantity or order.cancels_known:
        return None
    if report.created_ms is None or report.updated_ms is None:
        return None
    lived_ms = report.updated_ms - report.created_ms
    return lived_ms if 0 <= lived_ms < WOULD_TAKE_MS else None


def _traded(trade: TradeReport, order: Order, source: Provenance) -> tuple[OrderEvent, ...]:
    """Return the booking of a trade: once, by its id, from any life."""
    for known in order.trades:
        if known.exec_id == trade.exec_id:
            return _again(trade, known, order)
    if gone(trade, order, source):
        return ()
    accepted = _heard(order, trade.venue_order_id) if trade.venue_order_id is not None else ()
    commission, currency = cost(trade.commission, trade.commission_currency)
    filled = OrderFilled(
        exec_id=trade.exec_id,
        quantity=trade.quantity,
        price=trade.price,
        commission=commission,
        commission_currency=currency,
        liquidity=trade.liquidity,
    )
    before, after = replaced(trade, order)
    grown = () if before else outgrown(trade, order)
    return (*accepted, *grown, *before, filled, *after, *_beyond(trade, order))


def _beyond(trade: TradeReport, order: Order) -> tuple[OrderEvent, ...]:
    """Return that a trade is worse than the price that was asked for: the venue worked the order at another (S34)."""
    limit, changed = order.request.price, order.amends or order.amends_known
    if limit is None or changed or order.origin is not None:
        return ()
    worse = trade.price > limit if order.request.side is Side.BUY else trade.price < limit
    return _contradicted(order, trade, f"traded at {plain(trade.price)}, {plain(limit)} was asked for") if worse else ()


def _again(trade: TradeReport, known: Trade, order: Order) -> tuple[OrderEvent, ...]:
    if trade.quantity != known.quantity or trade.price != known.price:
        # Two trades under one id, or one trade told twice differently: money either way, so a person must see it.
        return _contradicted(order, trade, f"trade {trade.exec_id} was {plain(known.quantity)} at {plain(known.price)}")
    told: list[OrderEvent] = []
    commission, currency = trade.commission, trade.commission_currency
    if known.commission is None and commission is not None and currency is not None:
        told.append(CommissionReported(exec_id=trade.exec_id, commission=commission, commission_currency=currency))
    if known.liquidity is None and trade.liquidity is not None:
        told.append(LiquidityReported(exec_id=trade.exec_id, liquidity=trade.liquidity))
    return tuple(told)


def _if_possible(order: Order, fact: OrderEvent) -> tuple[OrderEvent, ...]:
    """Return `fact` if the table allows it after this life, else keep it as a contradiction."""
    if type(fact) in TRANSITIONS[order.life]:
        return (fact,)
    return _contradicted(order, fact, f"{type(fact).__name__} after {order.life.name}")


def _contradicted(order: Order, report: Struct, why: str) -> tuple[OrderEvent, ...]:
    """Keep what cannot be: each once an order, since a venue that contradicts itself does so at every poll."""
    if why in order.contradictions or len(order.contradictions) >= CONTRADICTIONS_MAX:
        return ()
    return (ReportContradicted(report=repr(report)[:500], why=why),)
