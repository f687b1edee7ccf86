"""Whether the private stream still tells of orders, held against what the poll finds.

A stream may answer its pings, bring balances, and yet say nothing of orders: a subscription that was acknowledged and
forgotten looks like a quiet market. Only the other witness can tell: what happened while the stream was subscribed, was
found by asking, and is not told of within a while either, was lost by a stream that is silent for that market.
"""

from collections.abc import Sequence
from typing import Final

from oms.decide import Addressed
from oms.reports import OrderReport, TradeReport
from oms.values import Symbol

PATIENCE_SECONDS: Final = 10.0  # for what the poll was first to tell: with the time between two polls, a keep-alive
SLACK_SECONDS: Final = 5.0  # by which the venue's dates may be off, and what came with a subscription may be missing


class Witness:
    """What one subscription has told of each market, and what it owes. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._since: float | None = None  # when it was subscribed; None: it is not
        self._told: dict[Symbol, float] = {}  # when it last told of an order or a trade
        self._owed: dict[Symbol, float] = {}  # since when it lacks what the poll knows

    def began(self, now: float) -> None:
        """A new subscription is alive: it owes nothing yet."""
        self._since = now
        self._told.clear()
        self._owed.clear()

    def ended(self) -> None:
        """There is none, and nobody expects a word of it."""
        self._since = None
        self._owed.clear()

    def told(self, symbol: Symbol, now: float) -> None:
        """The stream told something of an order or a trade."""
        self._told[symbol] = now
        self._owed.pop(symbol, None)

    def found(self, news: Sequence[Addressed], now: float, now_ms: int) -> None:
        """The poll found news of orders and trades; what the venue does not date proves nothing of the stream."""
        if self._since is None:
            return
        for _, report in news:
            match report:
                case TradeReport(symbol=symbol, at_ms=int(at_ms)) | OrderReport(symbol=symbol, updated_ms=int(at_ms)):
                    happened = now - max(now_ms - at_ms, 0) / 1000
                case _:
                    continue
            if happened - SLACK_SECONDS > self._told.get(symbol, self._since):
                self._owed.setdefault(symbol, now)

    def silent(self, now: float) -> Symbol | None:
        """Return a market of which the stream should have told by now, None if there is none."""
        return next((symbol for symbol, since in self._owed.items() if now - since >= PATIENCE_SECONDS), None)
