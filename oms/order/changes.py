"""Which changes of an order a picture of it, or a fill, shows to be applied, pure."""

from collections.abc import Iterable
from decimal import Decimal
from itertools import takewhile
from typing import TypeVar

from oms.order.amends import Amend, shows
from oms.order.events import OrderAmended, OrderEvent, OrderRequested, OrderTriggered
from oms.order.state import Life, Order
from oms.reports import OrderReport, TradeReport
from oms.values import EXACT, ZERO, Protection, VenueOrderId

_Figure = TypeVar("_Figure", Decimal, Protection)


def applied(report: OrderReport, order: Order) -> tuple[OrderEvent, ...]:
    """Return the last change on its way that the picture shows applied, with what it shows of those before it.

    A picture from before the last change that was applied shows none of those after it, whatever its figures are. And
    the order as it was before a change shows no later one that takes it back: what the venue has made of both shows
    when it can change no more.
    """
    if order.amended_ms is not None and report.updated_ms is not None and report.updated_ms < order.amended_ms:
        return ()
    left = _left(order)
    for index, each in reversed(list(enumerate(left))):
        if shows(report, each) and not (index and _takes_back(each, order.request)):
            asked = left[: index + 1]
            shown = OrderAmended(
                request_id=each.request_id,
                price=_latest(report.price, (one.price for one in asked)),
                quantity=_latest(report.quantity, (one.quantity for one in asked)),
                trigger_price=_latest(report.trigger_price, (one.trigger_price for one in asked)),
                take_profit=_latest(report.take_profit, (one.take_profit for one in asked)),
                stop_loss=_latest(report.stop_loss, (one.stop_loss for one in asked)),
                at_ms=report.updated_ms,
            )
            return (shown,)
    return ()


def fired(venue_order_id: VenueOrderId, report: OrderReport, order: Order) -> OrderTriggered:
    """Return that the order has become what the picture shows; for less, where it closes and less is held by now."""
    asked, quantity = order.request.quantity, report.quantity
    less = order.request.reduces and asked is not None and quantity is not None and ZERO < quantity < asked
    return OrderTriggered(venue_order_id=venue_order_id, quantity=quantity if less else None)


def outgrown(trade: TradeReport, order: Order) -> tuple[OrderEvent, ...]:
    """Return the change that a trade proves: with it more has traded than the order was for, and one change on its way
    alone allowed that. The order may be over with it, and then no picture says so any more.
    """
    asked, cum_quantity = order.request.quantity, EXACT.add(order.cum_quantity, trade.quantity)
    if order.life is not Life.WORKING or asked is None or cum_quantity <= asked:
        return ()
    changes = [each for each in _left(order) if each.quantity is not None and each.quantity >= cum_quantity]
    if len(changes) != 1:
        return ()
    (change,) = changes
    grown = OrderAmended(
        request_id=change.request_id,
        price=change.price,
        quantity=change.quantity,
        trigger_price=change.trigger_price,
        take_profit=change.take_profit,
        stop_loss=change.stop_loss,
    )
    return (grown,)


def _left(order: Order) -> tuple[Amend, ...]:
    """Return the changes that may have left: one leaves after the answer to the one before it, so those after the first
    that has none are still here, and nothing shows them.
    """
    answered = tuple(takewhile(lambda each: each.valid_until_ns, order.amends))
    return order.amends[: len(answered) + 1]


def _takes_back(change: Amend, request: OrderRequested) -> bool:
    """Whether a change asks for nothing but what the order is already."""
    trigger = None if request.trigger is None else request.trigger.price
    return (
        change.price in {None, request.price}
        and change.quantity in {None, request.quantity}
        and change.trigger_price in {None, trigger}
        and change.take_profit in (None, request.take_profit)
        and change.stop_loss in (None, request.stop_loss)
    )


def _latest(shown: _Figure | None, asked: Iterable[_Figure | None]) -> _Figure | None:
    """Return the figure that the picture shows, where a change asked for it."""
    return shown if shown is not None and any(each == shown for each in asked) else None
