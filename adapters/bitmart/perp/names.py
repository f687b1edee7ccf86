"""Whose order it is: the client order id behind the venue's ids that do not say it.

Trades name no client id, and an order that a plan order of ours has sent comes with an id of its own and a client id
that is the venue's (PROTOCOL 9.15). What is known here is a memory, not a truth: bounded, the oldest go first, and all
of it can be had from the venue again (`orders.py` asks).
"""

from collections import OrderedDict
from collections.abc import Iterable
from enum import Enum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from oms.reports import OrderReport, Report
from oms.values import ClientOrderId, Symbol, VenueOrderId
from oms.venue import OrderRef

NAMES_MAX: Final = 50_000


class Kind(Enum):
    """Under which calls an order lives."""

    ORDER = "order"  # in the book, or ended
    PLAN = "plan"  # waits for its price: plan orders, take-profits, stop-losses
    TRAILING = "trailing"  # follows the price


# The venue's words for what waits; REST and stream differ (PROTOCOL 8.3).
KINDS: Final = {
    "plan": Kind.PLAN,
    "planorder": Kind.PLAN,
    "plan_order": Kind.PLAN,
    "take_profit": Kind.PLAN,
    "stop_loss": Kind.PLAN,
    "trailing": Kind.TRAILING,
    "trailing_order": Kind.TRAILING,
}


class Name(Struct, frozen=True):
    """What is known of one of the venue's ids. `client_order_id` is None for an order that is not ours."""

    client_order_id: ClientOrderId | None
    kind: Kind = Kind.ORDER
    child: VenueOrderId | None = None  # the order that it sent when its price came
    gone_at: float | None = None  # monotonic seconds: since when it does not wait, and nobody can say what became of it
    canceled: bool = False  # the venue took a cancel of it


class Names:
    """The last `size` ids, by symbol, as an id is unique only within one."""

    def __init__(self, size: int = NAMES_MAX) -> None:
        self._names: OrderedDict[tuple[Symbol, VenueOrderId], Name] = OrderedDict()
        self._size = size

    def get(self, symbol: Symbol, venue_order_id: VenueOrderId | None) -> Name | None:
        """Return what is known of an id."""
        return None if venue_order_id is None else self._names.get((symbol, venue_order_id))

    def put(self, symbol: Symbol, venue_order_id: VenueOrderId, name: Name) -> None:
        """Know an id, and forget the oldest one for it if need be."""
        key = (symbol, venue_order_id)
        self._names[key] = name
        self._names.move_to_end(key)
        if len(self._names) > self._size:
            self._names.popitem(last=False)

    def answered(self, symbol: Symbol, venue_order_id: VenueOrderId, name: Name) -> None:
        """Know the id that an answer to a command names. The order may have fired meanwhile: what is known of that
        stays.
        """
        known = self.get(symbol, venue_order_id)
        if known is not None and known.client_order_id == name.client_order_id:
            name = replace(name, child=known.child, gone_at=known.gone_at, canceled=known.canceled)
        self.put(symbol, venue_order_id, name)

    def learn(self, reports: Iterable[Report], *, kind: Kind | None = None) -> None:
        """Know the orders that say themselves whose they are; `kind` where the list that shows them says what they are,
        and they do not.

        A list may leave out a name that we gave: what is known is kept.
        """
        for report in reports:
            if not isinstance(report, OrderReport) or report.venue_order_id is None or report.triggered_by is not None:
                continue
            known, own = self.get(report.symbol, report.venue_order_id), KINDS.get(report.order_type or "")
            if known is None or report.client_order_id not in (None, known.client_order_id):
                self.put(report.symbol, report.venue_order_id, Name(report.client_order_id, own or kind or Kind.ORDER))
            elif own is not None and own is not known.kind:  # it was taken for a plan order while nothing showed it
                self.put(report.symbol, report.venue_order_id, replace(known, kind=own))

    def recall(self, orders: Iterable[OrderRef]) -> None:
        """Know plain orders of ours that somebody else remembers; what is known here is kept. Of which kind one is that
        waits, a reference does not say: the venue does.
        """
        for order in orders:
            if (
                order.venue_order_id is not None
                and not order.conditional
                and self.get(order.symbol, order.venue_order_id) is None
            ):
                self.put(order.symbol, order.venue_order_id, Name(order.client_order_id))

    def waiting(self, reports: Iterable[Report]) -> None:
        """Know that what a list of the living shows is not gone."""
        for report in reports:
            if isinstance(report, OrderReport) and report.venue_order_id is not None:
                known = self.get(report.symbol, report.venue_order_id)
                if known is not None and known.gone_at is not None:
                    self.put(report.symbol, report.venue_order_id, replace(known, gone_at=None))

    def gone(self, symbol: Symbol, venue_order_id: VenueOrderId, name: Name, now: float) -> float:
        """Know that an order no longer waits; return for how many seconds that is known. `name` for one not known yet.

        `now` is monotonic: the venue's own clock may be set by minutes, and would make them of a moment.
        """
        known = self.get(symbol, venue_order_id) or name
        since = now if known.gone_at is None else known.gone_at
        self.put(symbol, venue_order_id, replace(known, gone_at=since))
        return now - since

    def canceled(self, order: OrderRef) -> None:
        """Know that the venue took a cancel of an order that waits."""
        if order.venue_order_id is not None:
            known = self.get(order.symbol, order.venue_order_id) or Name(order.client_order_id, Kind.PLAN)
            self.put(order.symbol, order.venue_order_id, replace(known, canceled=True))

    def triggered(self, symbol: Symbol, plan: VenueOrderId, child: VenueOrderId) -> Name | None:
        """Know that `plan` has sent `child`, which is the same order of ours; return the child's name, None while the
        plan is not known.
        """
        parent = self.get(symbol, plan)
        if parent is None:
            return None
        self.put(symbol, plan, Name(parent.client_order_id, parent.kind, child))
        name = Name(parent.client_order_id)
        self.put(symbol, child, name)
        return name
