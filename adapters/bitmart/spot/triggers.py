"""Orders that wait at the venue for a price (PROTOCOL 5.11): their own calls, and an order like any other once fired.

What these calls answer is shown by no source: success is read as elsewhere on spot, and where a list of them cannot be
read, that list is not whole. An order that fired has another venue id and is found by our own; whoever is told of it
here is told which waiting order it came from.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from adapters.bitmart.answers import Reports
from adapters.bitmart.limits import Purpose
from adapters.bitmart.refusals import ORDER_CLOSED, ORDER_NOT_FOUND
from adapters.bitmart.spot import codec, requests
from adapters.bitmart.spot.calls import CAPABILITY_OF, Calls
from adapters.bitmart.spot.requests import AlgoKind
from oms.reports import Ack, OrderReport, Refusal, Report, VenueOrderStatus
from oms.values import ClientOrderId, Symbol, VenueOrderId
from oms.venue import Answer, Evidence, LastLook, NewOrder, NoAnswerError, OrderRef

WAITING: Final = (VenueOrderStatus.NEW, VenueOrderStatus.PENDING_NEW)
WAITED_MAX: Final = 10_000  # remembered
NOT_THERE: Final = (ORDER_NOT_FOUND, ORDER_CLOSED, "already_canceled", "already_filled")  # how it ended is not said


class Triggers:
    """The waiting orders of one account, and the venue's ids of the last ones, to know them again when they fired."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._waited: OrderedDict[ClientOrderId, VenueOrderId] = OrderedDict()

    async def submit(self, order: NewOrder, last_look: LastLook) -> tuple[Evidence, Reports]:
        """Leave an order waiting; raises like any command."""
        body = requests.algo(order)
        evidence, reports = await self._calls.command(codec.ALGO_SUBMIT, body, Purpose.OPENING, last_look)
        for report in reports:
            if isinstance(report, Ack):
                self._remember(order.client_order_id, report.venue_order_id)
        return evidence, reports

    async def cancel(self, order: OrderRef, last_look: LastLook) -> tuple[Evidence, Reports]:
        """Cancel one whose venue id is known, whichever kind it is of."""
        for kind in AlgoKind:
            evidence, reports = await self._calls.command(
                codec.ALGO_CANCEL, requests.cancel_algo(order, kind), Purpose.CANCELING, last_look
            )
            if not gone(reports):
                break
        return evidence, reports

    async def order(self, order: OrderRef) -> tuple[Evidence, Reports]:
        """Look one up by our id, or find that there is none."""
        self.recall([order])  # once it is not shown here any more, only who asks knows how it was called
        body = requests.query_client_order(order.client_order_id)
        evidence, reports = await self._calls.query(codec.QUERY_ALGO_CLIENT_ORDER, body, tolerated=(ORDER_NOT_FOUND,))
        (report,) = reports
        if isinstance(report, OrderReport) and report.client_order_id != order.client_order_id:
            raise NoAnswerError(f"{evidence.channel} answered with another order, {report.venue_order_id}", evidence)
        self._learn(reports)
        return evidence, reports

    async def waiting(self, only: Symbol | None = None) -> Answer:
        """Return all that wait, in all markets, which is what is asked for, or in `only` one; raises like any query."""
        answer = await self._calls.living(codec.QUERY_ALGO_OPEN_ORDERS, mode=None)
        self._learn(answer.reports)
        if only is None:
            return answer
        inside = (each for each in answer.reports if not isinstance(each, OrderReport) or each.symbol == only)
        return replace(answer, reports=tuple(inside))

    def recall(self, orders: Iterable[OrderRef]) -> None:
        """Know waiting orders that somebody else remembers."""
        for order in orders:
            if order.conditional:
                self._remember(order.client_order_id, order.venue_order_id)

    @property
    def retired(self) -> bool:
        """Whether the venue has no waiting orders any more."""
        return CAPABILITY_OF[codec.QUERY_ALGO_OPEN_ORDERS] in self._calls.lost

    def marked(self, reports: Reports) -> Reports:
        """Return reports of ordinary orders, those that come from a waiting one saying so."""
        return tuple(self._marked(report) for report in reports) if self._waited else reports

    def _marked(self, report: Report) -> Report:
        if not isinstance(report, OrderReport) or report.client_order_id is None:
            return report
        came_from = self._waited.get(report.client_order_id)
        return report if came_from in {None, report.venue_order_id} else replace(report, triggered_by=came_from)

    def _learn(self, reports: Reports) -> None:
        for report in reports:
            if isinstance(report, OrderReport) and report.client_order_id is not None:
                self._remember(report.client_order_id, report.venue_order_id)

    def _remember(self, name: ClientOrderId, venue_order_id: VenueOrderId | None) -> None:
        if venue_order_id is not None:
            self._waited[name] = venue_order_id
            self._waited.move_to_end(name)
        while len(self._waited) > WAITED_MAX:
            self._waited.popitem(last=False)


def waits(reports: Reports) -> bool:
    """Return whether the order that was looked up still waits for its price."""
    return any(isinstance(report, OrderReport) and report.status in WAITING for report in reports)


def gone(reports: Reports) -> bool:
    """Return whether a cancel was refused since nothing of that id waits any more."""
    return any(isinstance(report, Refusal) and report.reason in NOT_THERE for report in reports)
