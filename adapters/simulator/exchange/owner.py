"""Who trades on an exchange, spot or perpetual: fees, live orders, and as much of the past as memory holds."""

from collections import deque
from decimal import Decimal
from typing import Final, Generic, Protocol, TypeVar

from msgspec import Struct

from oms.values import ZERO

HISTORY_MAX: Final = 200_000  # closed orders, and fills, kept per account; likewise whatever else an account keeps


class Terms(Struct, frozen=True, kw_only=True):
    """On what terms somebody trades. Fees are fractions of the notional. An unwatched one causes no events and has no
    past: background traders, whose story nobody asks for.
    """

    maker_fee: Decimal
    taker_fee: Decimal
    watched: bool = True
    history_max: int = HISTORY_MAX


class AnOrder(Protocol):
    """What an owner looks at in an order."""

    order_id: str
    client_order_id: str  # "" without one


class AFill(Protocol):
    """What an owner looks at in a fill."""

    @property
    def order_id(self) -> str: ...


Ord = TypeVar("Ord", bound=AnOrder)
Trade = TypeVar("Trade", bound=AFill)


class Owner(Generic[Ord, Trade]):
    """One account's orders. Client order ids are remembered for ever (the venue's promise, PROTOCOL 12.5); the rest
    forgets its oldest.
    """

    def __init__(self, name: str, terms: Terms) -> None:
        self.name = name
        self.maker_fee = terms.maker_fee
        self.taker_fee = terms.taker_fee
        self.hold_rate = max(terms.maker_fee, terms.taker_fee, ZERO)
        self.watched = terms.watched
        self.open: dict[str, Ord] = {}
        self.closed: dict[str, Ord] = {}
        self.fills: deque[Trade] = deque(maxlen=terms.history_max)
        self.fills_of: dict[str, list[Trade]] = {}
        self._ids: dict[str, str] = {}  # client order id -> the newest id under it
        self._history_max = terms.history_max

    def order(self, order_id: str) -> Ord | None:
        return self.open.get(order_id) or self.closed.get(order_id)

    def order_by_client_id(self, client_order_id: str) -> Ord | None:
        """Return the newest order under the id, live or past; None also where the id is of something else."""
        order_id = self._ids.get(client_order_id)
        return None if order_id is None else self.order(order_id)

    def knows(self, client_order_id: str) -> bool:
        return client_order_id in self._ids

    def opened(self, order: Ord) -> None:
        self.open[order.order_id] = order
        if order.client_order_id:
            self._ids[order.client_order_id] = order.order_id

    def filled(self, fill: Trade) -> None:
        self.fills.append(fill)
        self.fills_of.setdefault(fill.order_id, []).append(fill)

    def ended(self, order: Ord) -> None:
        """Move the order from the open ones into the past, which forgets its oldest when full."""
        del self.open[order.order_id]
        if not self.watched:
            return
        self.closed[order.order_id] = order
        if len(self.closed) > self._history_max:
            oldest = next(iter(self.closed))
            del self.closed[oldest]
            self.fills_of.pop(oldest, None)
