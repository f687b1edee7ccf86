"""A contract's three prices: last traded, index, mark; and its funding."""

from decimal import Decimal
from typing import Final

from msgspec import Struct

from adapters.simulator.exchange.futures.contracts import Contract
from adapters.simulator.exchange.futures.money import on_grid, reasonable
from oms.values import EXACT, RATIO, ZERO

FUNDING_CAP: Final = Decimal("0.0375")  # of one interval, either way (PROTOCOL 6.8)
DEFAULT_FUNDING: Final = Decimal("0.0001")
HOUR_MS: Final = 3_600_000


class Prices(Struct):
    """One contract's. The index is the last traded price until it is pinned; the mark is the index and the funding
    that is still to come (PROTOCOL 6.8: index x (1 + rate x time left / interval)), on the grid, until it is pinned.
    """

    contract: Contract
    last: Decimal
    mark: Decimal
    funding_at_ms: int = 0  # the next settlement; zero until time has come in
    expected_rate: Decimal = DEFAULT_FUNDING  # of the next settlement
    settled_rate: Decimal = Decimal(0)  # of the last one
    pinned_index: Decimal | None = None
    pinned_mark: Decimal | None = None

    @property
    def index(self) -> Decimal:
        return self.last if self.pinned_index is None else self.pinned_index

    @property
    def interval_ms(self) -> int:
        return self.contract.funding_hours * HOUR_MS

    def pin_index(self, price: Decimal | None) -> None:
        """Hold the index, or with None let it follow the last trade again. Raises ValueError for no price."""
        self.pinned_index = _checked(price)

    def pin_mark(self, price: Decimal | None) -> None:
        """Hold the mark, or with None let it follow the index again. Raises ValueError for no price."""
        self.pinned_mark = _checked(price)

    def refresh(self, now_ms: int) -> bool:
        """Bring the mark up to date and say whether it moved."""
        before = self.mark
        if not self.funding_at_ms:
            self.schedule(now_ms)
        if self.pinned_mark is None:
            left = min(max(self.funding_at_ms - now_ms, 0), self.interval_ms)
            basis = RATIO.divide(EXACT.multiply(self.expected_rate, Decimal(left)), Decimal(self.interval_ms))
            self.mark = on_grid(RATIO.multiply(self.index, 1 + basis), self.contract.price_step)
        else:
            self.mark = self.pinned_mark
        return self.mark != before

    def schedule(self, now_ms: int) -> None:
        """Set the next settlement: 00, 08 and 16 UTC for eight hours."""
        self.funding_at_ms = (now_ms // self.interval_ms + 1) * self.interval_ms


def _checked(price: Decimal | None) -> Decimal | None:
    if price is not None and not (reasonable(price) and price > ZERO):
        raise ValueError(f"{price} is no price")
    return price
