"""What an answer of the venue proves about one order, and what it does not, pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from oms.order.state import Order
from oms.reports import OrderReport, Refusal, TradeReport, VenueOrderStatus
from oms.values import EXACT, ZERO, ExecId
from oms.venue import Answer, Capabilities

NOT_FOUND: Final = "order_not_found"
OVER: Final = frozenset({VenueOrderStatus.FILLED, VenueOrderStatus.CANCELED, VenueOrderStatus.EXPIRED})


def found(answer: Answer) -> bool | None:
    """Return whether the venue has the order it was asked for; None when the answer settles neither."""
    for report in answer.reports:
        match report:
            case OrderReport():
                return True
            case Refusal(reason=reason):
                return False if reason == NOT_FOUND else None
            case _:
                continue
    return None


class Traces:
    """What orders a list of orders or trades shows any trace of: `order in traces`, by either of its ids."""

    def __init__(self, answer: Answer) -> None:
        rows = [report for report in answer.reports if isinstance(report, OrderReport | TradeReport)]
        self._ours = {row.client_order_id for row in rows}
        self._theirs = {row.venue_order_id for row in rows} - {None}

    def __contains__(self, order: Order) -> bool:
        return order.request.client_order_id in self._ours or order.venue_order_id in self._theirs


class Sought:
    """Orders that are looked for: `report in sought` where it is about one of them, by either id."""

    def __init__(self, orders: Iterable[Order]) -> None:
        wanted = list(orders)
        self._ours = {each.request.client_order_id for each in wanted}
        self._theirs = {each.venue_order_id for each in wanted} - {None}

    def __contains__(self, report: OrderReport | TradeReport) -> bool:
        return report.client_order_id in self._ours or report.venue_order_id in self._theirs


def names(report: OrderReport | TradeReport, order: Order) -> bool:
    """Whether `report` is about `order`, by either of its ids."""
    by_venue = order.venue_order_id is not None and report.venue_order_id == order.venue_order_id
    return by_venue or report.client_order_id == order.request.client_order_id


def taken_back(order: Order, record: OrderReport, traded: Answer, booked_ms: Mapping[str, int]) -> tuple[ExecId, ...]:
    """Return the trades of `order` that the venue no longer has: its record counts less than is booked here, a whole
    list of what was traded in its time lacks them, and what that shows of the order, booked here or not, is what the
    record counts. Where `booked_ms` says when a trade happened, the record must be no older. Else nobody can tell, and
    none are returned.
    """
    counted = record.cum_quantity
    if counted is None or counted >= order.cum_quantity or not traded.complete:
        return ()
    shown = {each.exec_id for each in traded.reports if isinstance(each, TradeReport)}
    gone = [trade for trade in order.trades if trade.exec_id not in shown]
    more = sum((each.quantity for each in unbooked(order, traded)), ZERO)
    left = EXACT.subtract(EXACT.add(order.cum_quantity, more), sum((trade.quantity for trade in gone), ZERO))
    said_ms = record.updated_ms or 0
    if left != counted or any(booked_ms.get(trade.exec_id, 0) > said_ms for trade in gone):
        return ()
    return tuple(trade.exec_id for trade in gone)


def unbooked(order: Order, traded: Answer) -> Sequence[TradeReport]:
    """Return what `traded` shows of `order` that is not booked: what came meanwhile, or from before there was a log."""
    booked = {trade.exec_id for trade in order.trades}
    rows = [each for each in traded.reports if isinstance(each, TradeReport) and each.exec_id not in booked]
    return [each for each in rows if names(each, order)]


def told_too_much(order: Order, record: OrderReport, traded: Answer) -> bool:
    """Whether more of `order` was told than the venue counts now that it is over: its record counts what is booked
    here, and a whole list of what was traded in its time has just that. An older record would not say that it is over.
    """
    if record.status not in OVER or not traded.complete:
        return False
    shown = {each.exec_id for each in traded.reports if isinstance(each, TradeReport) and names(each, order)}
    booked = {trade.exec_id for trade in order.trades}
    return shown == booked and record.cum_quantity == order.cum_quantity < order.venue_cum


def settled(seconds: float, can: Capabilities) -> bool:
    """Whether "not found" proves anything of an order that has been in doubt for so long: the request can no longer
    execute, and had it been accepted, it would show; also where it expires sooner than queries may lag.

    For an order that the venue once showed, whoever asks has to be patient (`oms.absence`).
    """
    return seconds > max(can.submit_validity + can.visibility_delay, can.lag)


def remembered(began_ns: int, can: Capabilities, now_ns: int) -> bool:
    """Whether the venue would still know an order that was first sent at `began_ns`, had it ever arrived: it forgets an
    order a while after it ended without a fill. One yet to come was noted before a clock was set back.
    """
    return began_ns <= now_ns < began_ns + ns(can.unfilled_memory)


def ns(seconds: float) -> int:
    """Return a duration in nanoseconds."""
    return int(seconds * 1_000_000_000)
