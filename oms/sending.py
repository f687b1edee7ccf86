"""How an order, a change and a cancel look as they leave, and what the answer to a cancel means. Pure."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from msgspec.structs import replace

from oms.order.admission import sent_as
from oms.order.messages import CancelRejected, CancelTaken, CancelUnanswered
from oms.order.state import Amend, Order
from oms.reports import Ack, Refusal, RefusalClass, Report
from oms.venue import NewOrder, OrderRef

_T = TypeVar("_T")

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


def as_changed(order: Order, change: Amend) -> NewOrder:
    """Return an order that waits, as a change would have it."""
    asked = new_order(order)
    trigger = asked.trigger
    if trigger is not None and change.trigger_price is not None:
        trigger = replace(trigger, price=change.trigger_price)
    return replace(asked, price=change.price or asked.price, trigger=trigger)


def order_ref(order: Order) -> OrderRef:
    """Return how the venue knows the order."""
    request = order.request
    return OrderRef(
        client_order_id=request.client_order_id,
        symbol=request.symbol,
        venue_order_id=order.venue_order_id,
        conditional=order.waits,
    )


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
            return CancelUnanswered(request_id=request_id, reason="the answer says neither yes nor no")


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
