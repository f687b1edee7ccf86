"""What both hosts of the venue share: keys, knobs, faults, the wind-down, and how much a query may see yet."""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct, field

from adapters.simulator.faults import Faults
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.keys import Keys
from oms.values import EXACT

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000

Later = Callable[[int, Callable[[int], None]], None]


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An orderly wind-down (PROTOCOL 0.1): from when on, in UTC milliseconds by the venue's clock. None: never.

    `no_opens_ms`: whatever opens is refused, on spot every new order. `no_trading_ms`: every order is refused, and the
    open ones are canceled by the system; queries, cancels and transfers stay. `dark_ms`: nothing answers.
    """

    no_opens_ms: int | None = None
    no_trading_ms: int | None = None
    dark_ms: int | None = None

    def refuses_opens(self, now_ms: int) -> bool:
        return _passed(self.no_opens_ms, now_ms) or self.refuses_trading(now_ms)

    def refuses_trading(self, now_ms: int) -> bool:
        return _passed(self.no_trading_ms, now_ms)

    def dark(self, now_ms: int) -> bool:
        return _passed(self.dark_ms, now_ms)


class Retired(StrEnum):
    """How an endpoint that was switched off answers (PROTOCOL 4.1, 4.3, 9.10, 9.51)."""

    CODE = "30031"  # HTTP 200 and that code
    BARE = "404"  # no JSON at all
    SUCCESS = "1000"  # as if all were well, with nothing in it


class Settings(Struct, forbid_unknown_fields=True):
    """The wire's knobs; may be turned at any time. Defaults are what BitMart documents, or what was measured."""

    rate_limits: bool = True
    visibility_ms: tuple[int, int] = (0, 0)  # a new order is unknown to queries for so long; (0, 300) is life-like
    balance_lag_ms: tuple[int, int] = (0, 0)  # queries show a change of a balance so much later; (0, 1000) is life-like
    unfilled_memory_ms: int = 20 * MINUTE_MS
    list_window_ms: int = 7 * DAY_MS
    rows_max: int = 200  # of a list of orders or trades, whatever is asked for
    cancel_ms: tuple[int, int] = (1, 40)  # from the acknowledgement of a futures cancel to the cancel (PROTOCOL 9.3)
    coalesce_fills: bool = False  # futures orders push matches that come at once as one (PROTOCOL 9.31)
    gather_ms: tuple[int, int] = (0, 0)  # a push waits so long for more of its topic (PROTOCOL 9.34)
    strict_streams: bool = False  # futures streams enforce the idle rules that were measured not to be (PROTOCOL 3.5)
    book_interval_ms: int | None = None  # of futures books; None: as the topic says. The wind-down's were 1000 apart
    funding: bool = True  # is settled at its hours; else only on demand, so that a run at midnight is like any other
    forbidden_code: Literal[30012, 30019] = 30012  # what a missing permission is told by; 30019 comes with HTTP 200
    refusals: dict[str, int] = {}  # path -> the code of PROTOCOL 4 that it answers with, its checks passed
    retired: dict[str, Retired] = {}  # path -> how it answers; of either host
    schedule: Schedule = field(default_factory=Schedule)


class House:
    """The venue behind its hosts. `later` runs a piece of work after so many milliseconds."""

    def __init__(self, *, keys: Keys, faults: Faults, settings: Settings, later: Later) -> None:
        self.keys = keys
        self.faults = faults
        self.settings = settings
        self.later = later
        self._hidden: dict[str, bool] = {}  # order id -> its trades too; for 30 s at most

    def check_refusals(self, path: str) -> None:
        """Raise WireError where a path is to refuse whatever it is asked."""
        code = self.settings.refusals.get(path)
        if code is not None:
            raise WireError(code)

    def accepted(self, order_id: str) -> None:
        """Decide how long a new order, or what has begun to wait for a price, stays unseen."""
        low, high = self.settings.visibility_ms
        delay_ms = self.faults.between(low, high) if high else 0
        trades_too = True
        if self.faults.fires("stale_query"):
            delay_ms = self.faults.between(1, 1_500)
        elif self.faults.fires("stale_query_long"):
            delay_ms = self.faults.between(1_500, 30_000)
        elif self.faults.fires("fill_before_order"):
            delay_ms, trades_too = self.faults.between(1, 1_500), False
        if delay_ms:
            self._hidden[order_id] = trades_too
            self.later(delay_ms, lambda _: self._show(order_id))

    def cancel_later(self, cancel: Callable[[int], None]) -> None:
        """Have an acknowledged futures cancel done in a moment."""
        low, high = self.settings.cancel_ms
        if self.faults.fires("fill_after_cancel_ack"):
            low, high = 1, 1_000
        self.later(self.faults.between(low, high), cancel)

    def portion(self, size: Decimal, step: Decimal) -> Decimal:
        """Cut a match in two where that fault strikes."""
        steps = int(EXACT.divide_int(size, step))
        if steps > 1 and self.faults.fires("split_fill"):
            return EXACT.multiply(step, Decimal(self.faults.between(1, steps - 1)))
        return size

    def sees(self, order_id: str) -> bool:
        """Say whether queries know the order already."""
        return order_id not in self._hidden

    def sees_trades_of(self, order_id: str) -> bool:
        return not self._hidden.get(order_id, False)

    def _show(self, order_id: str) -> None:
        self._hidden.pop(order_id, None)


def _passed(limit_ms: int | None, now_ms: int) -> bool:
    return limit_ms is not None and now_ms >= limit_ms
