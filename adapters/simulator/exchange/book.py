"""One market's resting orders in price-time priority."""

from bisect import bisect_left
from collections.abc import Iterator
from decimal import Decimal
from typing import Generic, Protocol, TypeVar

from oms.values import EXACT, ZERO, Side

Level = tuple[Decimal, Decimal]  # price, size


class Resting(Protocol):
    """What a book has to know of an order: spot's and a contract's alike."""

    order_id: str
    side: Side
    price: Decimal

    @property
    def leaves(self) -> Decimal: ...


R = TypeVar("R", bound=Resting)


class Ladder(Generic[R]):
    """One side. Prices are ranked so that the best is always last: reaching and removing it costs nothing.

    A level is a dict by order id: it keeps the order of arrival, and a cancel finds its order at once.
    """

    def __init__(self, side: Side) -> None:
        self._side = side
        self._ranks: list[Decimal] = []
        self._levels: dict[Decimal, dict[str, R]] = {}

    def add(self, order: R) -> None:
        rank = self._rank(order.price)
        level = self._levels.get(rank)
        if level is None:
            self._ranks.insert(bisect_left(self._ranks, rank), rank)
            level = self._levels[rank] = {}
        level[order.order_id] = order

    def remove(self, order: R) -> None:
        rank = self._rank(order.price)
        level = self._levels[rank]
        del level[order.order_id]
        if not level:
            del self._levels[rank]
            del self._ranks[bisect_left(self._ranks, rank)]

    def best(self) -> R | None:
        """Return the order that trades next: best price, then first come."""
        if not self._ranks:
            return None
        return next(iter(self._levels[self._ranks[-1]].values()))

    def __contains__(self, order: R) -> bool:
        return order.order_id in self._levels.get(self._rank(order.price), {})

    def depth(self, limit: int) -> tuple[Level, ...]:
        """Return up to `limit` levels, best first."""
        return tuple(self._level(rank) for rank in reversed(self._ranks[-limit:]))

    def __iter__(self) -> Iterator[R]:
        for rank in reversed(self._ranks):
            yield from self._levels[rank].values()

    def _level(self, rank: Decimal) -> Level:
        size = ZERO
        for order in self._levels[rank].values():
            size = EXACT.add(size, order.leaves)
        return self._rank(rank), size

    def _rank(self, price: Decimal) -> Decimal:
        """Its own inverse: a price's rank, a rank's price."""
        return price if self._side is Side.BUY else price.copy_negate()


class Book(Generic[R]):
    """Both sides; `version` rises with every change, so that a feed knows when to look again."""

    def __init__(self) -> None:
        self.bids: Ladder[R] = Ladder(Side.BUY)
        self.asks: Ladder[R] = Ladder(Side.SELL)
        self.version = 0

    def own(self, side: Side) -> Ladder[R]:
        return self.bids if side is Side.BUY else self.asks

    def against(self, side: Side) -> Ladder[R]:
        return self.asks if side is Side.BUY else self.bids

    def add(self, order: R) -> None:
        self.own(order.side).add(order)
        self.version += 1

    def remove(self, order: R) -> None:
        self.own(order.side).remove(order)
        self.version += 1

    def touched(self) -> None:
        """Note that a resting order shrank in place."""
        self.version += 1

    def crosses(self, side: Side, price: Decimal) -> bool:
        """Say whether a limit at `price` would trade at once."""
        best = self.against(side).best()
        if best is None:
            return False
        return best.price <= price if side is Side.BUY else best.price >= price
