"""Whose an order is that the venue made of what ours had asked for: the take-profit and stop-loss that come with an
order, and what those send when their price comes.
"""

from collections.abc import Collection
from typing import Final

from oms.order.state import Life, Order
from oms.reports import OrderReport
from oms.values import Crossing, Protection, Side
from oms.venue import Trigger

STOP_LOSS: Final = "stop_loss"  # the type of an order that waits to close a position at a loss


def parent_of(report: OrderReport, known: Collection[Order]) -> Order | None:
    """Return the order that an order of the venue's came from; None unless it can be one only.

    What a conditional order has sent names it. A preset names no parent: the venue shows it when the parent trades, of
    the same market and leg, the other way, and at the very price that was asked for.
    """
    if report.triggered_by is not None:
        found = [each for each in known if each.venue_order_id == report.triggered_by]
    elif report.trigger_price is not None and report.client_order_id is None:
        found = [each for each in known if _asked_for(each, report)]
        if len(found) > 1:  # what the venue refused, or never had, can be it after all only where there is no other
            found = [each for each in found if each.life is not Life.REJECTED or each.trades]
    else:
        return None
    return found[0] if len(found) == 1 else None


def protected(order: Order) -> bool:
    """Whether a take-profit or a stop-loss was ever to come with it."""
    first = order.original or order.request
    return first.take_profit is not None or first.stop_loss is not None or bool(order.presets)


def waits_for(report: OrderReport, parent: Order) -> Trigger | None:
    """Return what an order waits for that the venue made of a preset of `parent`; it fires as a market order. None for
    what a conditional order has sent.
    """
    if report.triggered_by is not None or report.trigger_price is None:
        return None
    preset = _preset(parent, report)
    if preset is None:
        return None
    stops = report.order_type == STOP_LOSS
    rises = (report.side is Side.BUY) is stops
    return Trigger(price=preset.price, when=Crossing.RISES_TO if rises else Crossing.FALLS_TO, by=preset.by)


def _asked_for(order: Order, report: OrderReport) -> bool:
    request = order.request
    return (
        order.life is not Life.DENIED  # it never left
        and request.symbol == report.symbol
        and request.side is not report.side
        and report.position_leg in {None, request.position_leg}
        and _preset(order, report) is not None
    )


def _preset(order: Order, report: OrderReport) -> Protection | None:
    """Return the preset at whose price the venue's order waits: the one that was asked for at first, or by a change, of
    which nobody may know yet whether it was applied when the order traded.
    """
    first = order.original or order.request
    asked = [(first.take_profit, first.stop_loss), *((each.take_profit, each.stop_loss) for each in order.presets)]
    of_kind = [each[report.order_type == STOP_LOSS] for each in asked]
    return next((each for each in of_kind if each is not None and each.price == report.trigger_price), None)
