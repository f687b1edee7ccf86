"""Orders that wait at the venue for a price (PROTOCOL 5.11): their own calls, and an order like any other once fired.

What these calls answer is shown by no source: success is read as elsewhere on spot, and where a list of them cannot be
read, that list is not whole. An order that fired may have another venue id; our own id is what it is found by.
"""

from typing import Final

from adapters.bitmart.answers import Reports
from adapters.bitmart.limits import Purpose
from adapters.bitmart.refusals import ORDER_CLOSED, ORDER_NOT_FOUND
from adapters.bitmart.spot import codec, requests
from adapters.bitmart.spot.calls import CAPABILITY_OF, Calls
from adapters.bitmart.spot.requests import AlgoKind
from oms.reports import OrderReport, Refusal, VenueOrderStatus
from oms.venue import Evidence, NewOrder, NoAnswerError, OrderRef

WAITING: Final = (VenueOrderStatus.NEW, VenueOrderStatus.PENDING_NEW)
NOT_THERE: Final = (ORDER_NOT_FOUND, ORDER_CLOSED)


class Triggers:
    """The waiting orders of one account."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def submit(self, order: NewOrder) -> tuple[Evidence, Reports]:
        """Leave an order waiting; raises like any command."""
        return await self._calls.command(codec.ALGO_SUBMIT, requests.algo(order), Purpose.OPENING)

    async def cancel(self, order: OrderRef) -> tuple[Evidence, Reports]:
        """Cancel one whose venue id is known, whichever kind it is of."""
        for kind in AlgoKind:
            evidence, reports = await self._calls.command(
                codec.ALGO_CANCEL, requests.cancel_algo(order, kind), Purpose.CANCELING
            )
            if not any(isinstance(report, Refusal) and report.reason in NOT_THERE for report in reports):
                break
        return evidence, reports

    async def order(self, order: OrderRef) -> tuple[Evidence, Reports]:
        """Look one up by our id, or find that there is none."""
        body = requests.query_client_order(order.client_order_id)
        evidence, reports = await self._calls.query(codec.QUERY_ALGO_CLIENT_ORDER, body, tolerated=(ORDER_NOT_FOUND,))
        (report,) = reports
        if isinstance(report, OrderReport) and report.client_order_id != order.client_order_id:
            raise NoAnswerError(f"{evidence.channel} answered with another order, {report.venue_order_id}", evidence)
        return evidence, reports

    async def waiting(self) -> tuple[Evidence, Reports]:
        """Return all that wait; raises like any query."""
        return await self._calls.query(codec.QUERY_ALGO_OPEN_ORDERS, requests.query_list(mode=None))

    @property
    def retired(self) -> bool:
        """Whether the venue has no waiting orders any more."""
        return CAPABILITY_OF[codec.QUERY_ALGO_OPEN_ORDERS] in self._calls.lost


def waits(reports: Reports) -> bool:
    """Return whether the order that was looked up still waits for its price."""
    return any(isinstance(report, OrderReport) and report.status in WAITING for report in reports)
