"""How an order, a change and a cancel look as they leave, and what the answers mean. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from msgspec.structs import replace

from oms.order.admission import sent_as
from oms.order.amends import Amend
from oms.order.decisions import ATTEMPTS_MAX, external_id
from oms.order.messages import (
    AmendRejected,
    AmendTaken,
    AmendUnanswered,
    CancelRejected,
    CancelTaken,
    CancelUnanswered,
    OrderNews,
    SubmitAccepted,
    SubmitRefused,
    SubmitRepeated,
    SubmitUnknown,
)
from oms.order.state import Order
from oms.reports import Ack, Refusal, RefusalClass, Report, TradeReport
from oms.values import VenueOrderId
from oms.venue import Amendment, NewOrder, OrderRef

_T = TypeVar("_T")

UNSAID: Final = "the answer says neither yes nor no"
FIRED: Final = "triggered_meanwhile"

CancelNews = CancelTaken | CancelRejected | CancelUnanswered


def new_order(order: Order) -> NewOrder:
    """Return the order as it leaves: what was asked, under its one id."""
    request = order.request
    return NewOrder(
        client_order_id=request.client_order_id,
        symbol=request.symbol,
        side=request.side,
        type=request.order_type,
        quantity=request.quantity,
        notional=request.notional,
        price=request.price,
        time_in_force=sent_as(request.time_in_force),
        post_only=request.post_only,
        reduce_only=request.reduce_only,
        position_leg=request.position_leg,
        leverage=request.leverage,
        margin_mode=request.margin_mode,
        trigger=request.trigger,
        take_profit=request.take_profit,
        stop_loss=request.stop_loss,
    )


def amendment(order: Order, change: Amend) -> Amendment:
    """Return a change as it leaves. Of what venues take whole, what changes before it asked for stays."""
    whole = _as_changed(order, change)
    return Amendment(
        order=order_ref(order),
        price=change.price,
        quantity=change.quantity,
        waiting=whole if order.waits and not change.protects else None,
        take_profit=whole.take_profit if change.protects else None,
        stop_loss=whole.stop_loss if change.protects else None,
    )


def _as_changed(order: Order, change: Amend) -> NewOrder:
    """Return an order as a change, and those on their way before it, would have it."""
    asked = new_order(order)
    for each in [change for change in order.amends if not change.overtaken]:
        trigger = asked.trigger
        if trigger is not None and each.trigger_price is not None:
            trigger = replace(trigger, price=each.trigger_price)
        asked = replace(
            asked,
            price=each.price or asked.price,
            trigger=trigger,
            take_profit=each.take_profit or asked.take_profit,
            stop_loss=each.stop_loss or asked.stop_loss,
        )
        if each.request_id == change.request_id:
            break
    return asked


def order_ref(order: Order) -> OrderRef:
    """Return how the venue knows the order."""
    request = order.request
    return OrderRef(
        client_order_id=request.client_order_id,
        symbol=request.symbol,
        venue_order_id=order.venue_order_id,
        conditional=order.waits,
    )


def order_behind(trade: TradeReport) -> OrderRef:
    """Return how the venue knows the order behind a trade that nobody here knows."""
    return OrderRef(client_order_id=external_id(trade), symbol=trade.symbol, venue_order_id=trade.venue_order_id)


def recalled(orders: Iterable[Order]) -> Iterator[OrderRef]:
    """Yield how the venue knows those of our own that never waited for a price, which have one id there, and those that
    still wait, which are known again by that id once they have fired under another.
    """
    for order in orders:
        if order.origin is None and (order.waits or (order.request.trigger is None and not order.conditional)):
            yield order_ref(order)


def submit_verdict(order: Order, reports: Iterable[Report], until_ns: int) -> OrderNews:
    """Return what the answer to a submit says of it; until `until_ns` what it leaves open may still be executed."""
    for report in reports:
        match report:
            case Ack():
                return SubmitAccepted(venue_order_id=report.venue_order_id)
            case Refusal(klass=RefusalClass.CERTAIN | RefusalClass.AUTH):
                return SubmitRefused(reason=report.reason, code=report.code, text=report.text)
            case Refusal(klass=RefusalClass.TRANSIENT | RefusalClass.RATE_LIMIT):
                return not_sent(order, report.reason, report.text or "", report.code)
            case Refusal(klass=RefusalClass.UNKNOWN):
                return unknown(report.reason, until_ns)
            case _:
                continue
    return unknown(UNSAID, until_ns)


def unknown(reason: str, until_ns: int) -> SubmitUnknown:
    """Return that nobody knows what became of a submit."""
    return SubmitUnknown(reason=reason[:200], valid_until_ns=until_ns)


def not_sent(order: Order, reason: str, text: str, code: str | None = None) -> OrderNews:
    """The venue certainly did nothing: once more under the same id, or, after the last try, refused."""
    if order.attempts < ATTEMPTS_MAX:
        return SubmitRepeated()
    return SubmitRefused(reason=reason, code=code, text=text[:200])


def fired(order: Order, change: Amend) -> str | None:
    """Return why a change must not leave: the order no longer waits for the price that it is about."""
    return FIRED if change.trigger_price is not None and not order.waits else None


def amend_verdict(
    request_id: str, reports: Iterable[Report], until_ns: int, sent_under: VenueOrderId | None
) -> OrderNews:
    """Return what the answer to a change says of it; until `until_ns` it may still be applied. The id that it was sent
    under is no news: by now the order may have fired, and have another one.
    """
    for report in reports:
        match report:
            case Ack():
                other = None if report.venue_order_id == sent_under else report.venue_order_id
                return AmendTaken(request_id=request_id, valid_until_ns=until_ns, venue_order_id=other)
            case Refusal(klass=RefusalClass.UNKNOWN):
                break
            case Refusal():
                return AmendRejected(request_id=request_id, reason=report.reason, code=report.code, text=report.text)
            case _:
                continue
    return AmendUnanswered(request_id=request_id, reason=UNSAID, valid_until_ns=until_ns)


def cancel_verdict(request_id: str, report: Report | None) -> CancelNews:
    """Return what an answer to a cancel says of it; None: the answer says nothing of it."""
    match report:
        case Ack():
            return CancelTaken(request_id=request_id)
        case Refusal(klass=RefusalClass.CERTAIN | RefusalClass.AUTH):
            return CancelRejected(request_id=request_id, reason=report.reason, code=report.code, text=report.text)
        case Refusal():
            return CancelUnanswered(request_id=request_id, reason=report.reason)
        case _:
            return CancelUnanswered(request_id=request_id, reason=UNSAID)


def batched(items: Iterable[_T], most: int) -> Iterator[list[_T]]:
    """Yield the items in parts of `most` at the most."""
    part: list[_T] = []
    for item in items:
        part.append(item)
        if len(part) >= most:
            yield part
            part = []
    if part:
        yield part
