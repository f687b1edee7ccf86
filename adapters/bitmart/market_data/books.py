r"""Order books, kept from a snapshot and its updates, and shown only while they are whole (PROTOCOL 7.3, 8.2).

    INVALID --snapshot--> VALID --update, version + 1--> VALID
                            \__ a gap, a crossed book, a lost stream --> INVALID

There is no checksum. What proves a book is that no version is missing, and that nobody bids as much as another asks.
"""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum
from typing import Final

from oms.reports import BookReport
from oms.values import Symbol

LEVELS_MAX: Final = 500  # of one side; the venue sends 100, and forgets to say when one is out of its sight
EARLY_MAX: Final = 500  # updates kept that came before their snapshot

Level = tuple[Decimal, Decimal]  # price, quantity


class Applied(Enum):
    """What became of a report."""

    CHANGED = "changed"
    NOTHING_NEW = "nothing new"
    GAP = "gap"  # a fresh snapshot is needed


class Book:
    """One market's book."""

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        self.valid = False
        self.best: tuple[Decimal | None, Decimal | None] = (None, None)  # bid and ask, of a book that is valid
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._version: int | None = None
        self._at_ms: int | None = None
        self._early: deque[BookReport] = deque(maxlen=EARLY_MAX)

    def invalidate(self) -> None:
        """Show nothing until the next snapshot."""
        self.valid = False
        self._version = None
        self._early.clear()

    def apply(self, report: BookReport) -> Applied:
        """Take in a snapshot or an update."""
        if not report.update:
            return self._replace(report)
        if report.version is None:
            return Applied.NOTHING_NEW  # an update that says not of what
        if self._version is None:
            self._early.append(report)
            return Applied.GAP
        if report.version <= self._version:
            return Applied.NOTHING_NEW  # a heartbeat, or one that the snapshot has in it
        if report.version > self._version + 1:
            self.invalidate()
            self._early.append(report)
            return Applied.GAP
        return self._advance(report)

    def view(self, depth: int) -> BookReport | None:
        """Return the book's best levels; None while it is not whole."""
        if not self.valid:
            return None
        return BookReport(
            symbol=self.symbol,
            bids=tuple(sorted(self._bids.items(), reverse=True)[:depth]),
            asks=tuple(sorted(self._asks.items())[:depth]),
            version=self._version,
            at_ms=self._at_ms,
        )

    def _replace(self, report: BookReport) -> Applied:
        """Begin anew: whatever version a snapshot has, it is right, as versions restart with the venue's servers."""
        early = tuple(self._early)
        self.invalidate()
        self._bids = self._bids if report.bids is None else _levels(report.bids)  # None: the other side's frame
        self._asks = self._asks if report.asks is None else _levels(report.asks)
        self._version, self._at_ms = report.version, report.at_ms
        self.valid = not self._crossed()
        if not self.valid:
            self.invalidate()
            return Applied.GAP
        outcome = Applied.CHANGED
        for update in early:
            if self.apply(update) is Applied.GAP:
                outcome = Applied.GAP
        return outcome

    def _advance(self, report: BookReport) -> Applied:
        for side, levels in ((self._bids, report.bids), (self._asks, report.asks)):
            for price, quantity in levels or ():
                if quantity:
                    side[price] = quantity
                else:
                    side.pop(price, None)
        self._version, self._at_ms = report.version, report.at_ms
        if self._crossed():
            self.invalidate()
            return Applied.GAP
        for price in sorted(self._bids, reverse=True)[LEVELS_MAX:]:
            del self._bids[price]
        for price in sorted(self._asks)[LEVELS_MAX:]:
            del self._asks[price]
        return Applied.CHANGED

    def _crossed(self) -> bool:
        """Look the best prices up, and return whether they are none that can stand side by side."""
        bid, ask = max(self._bids, default=None), min(self._asks, default=None)
        self.best = (bid, ask)
        return bid is not None and ask is not None and bid >= ask


def _levels(levels: Iterable[Level]) -> dict[Decimal, Decimal]:
    return {price: quantity for price, quantity in levels if quantity}
