"""How an order, a change and a cancel look as they leave, what the answer to a cancel means, and what is left in doubt
where nobody awaits an answer any more. Pure.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypeVar

from msgspec.structs import replace

from oms.book import Book
from oms.order.admission import sent_as
from oms.order.decisions import external_id
from oms.order.messages import AmendUnanswered, CancelRejected, CancelTaken, CancelUnanswered, SubmitUnknown
from oms.order.state import Amend, Life, Order
from oms.reports import Ack, Refusal, RefusalClass, Report, TradeReport
from oms.values import Symbol
from oms.venue import Amendment, Capabilities, NewOrder, OrderRef

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
    for each in order.amends:
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


def plain_refs(orders: Iterable[Order]) -> Iterator[OrderRef]:
    """Yield how the venue knows those of our own that never waited for a price: such an order has one id there."""
    for order in orders:
        if order.origin is None and order.request.trigger is None and not order.conditional:
            yield order_ref(order)


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


def unanswered(
    book: Book,
    capabilities: Callable[[Symbol], Capabilities],
    now_ns: int,
    *,
    reason: str,
    sending: Collection[str],
    changing: Collection[str],
) -> Iterator[tuple[str, AmendUnanswered | SubmitUnknown]]:
    """Yield the doubts about what may have left and is answered for by nobody: orders being sent that are not among the
    streams `sending`, and the changes of those that are among neither.
    """
    for stream in book.open:
        order = book.orders[stream]
        unsent = order.life is Life.SENDING and stream not in sending
        amends = () if stream in sending or stream in changing else order.amends
        if not (unsent or amends):
            continue
        until_ns = now_ns + int(capabilities(order.request.symbol).submit_validity * 1e9)
        for each in amends:
            if not each.valid_until_ns:
                yield stream, AmendUnanswered(request_id=each.request_id, reason=reason, valid_until_ns=until_ns)
        if unsent:
            yield stream, SubmitUnknown(reason=reason, valid_until_ns=until_ns)


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
