"""What all background traders do alike, in a spot market as in a perpetual one: a street is a market as they see it."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, Protocol

from msgspec import Struct

from adapters.simulator.exchange.owner import Owner
from oms.values import EXACT, Side

MAKERS: Final = "~makers"
TAKERS: Final = "~takers"
FUNDS: Final = Decimal(10) ** 15  # of every coin: they never run dry

BASIS: Final = 10_000  # parts of a price: half the spread and the steps between levels are one of these
REACH: Final = 3  # of them, that a taker goes beyond the best price: a few levels, no further


class Street(Struct, kw_only=True):
    """Prices are counted in `step`, the grid of the market, so that chance never makes a decimal."""

    step: Decimal
    mid: int = 0
    quotes: list[str] = []
    quoted_ms: int | None = None
    take_at_ms: int = 0

    @property
    def middle(self) -> Decimal:
        """The middle price."""
        return EXACT.multiply(self.step, Decimal(self.mid))

    def steps(self, price: Decimal) -> int:
        return int(EXACT.divide_int(price, self.step))

    def ladder(self, levels: int) -> Iterator[tuple[Side, Decimal]]:
        """Yield where the makers quote around the middle price, level by level."""
        gap = max(self.mid // BASIS, 1)
        for level in range(1, levels + 1):
            for side, steps in ((Side.BUY, self.mid - gap * level), (Side.SELL, self.mid + gap * level)):
                yield side, EXACT.multiply(self.step, Decimal(max(steps, 1)))

    def reach(self, side: Side, best: Decimal) -> Decimal:
        """Return the worst price that a taker takes, `best` being the best."""
        far = EXACT.multiply(self.step, Decimal(max(self.mid // BASIS * REACH, 1)))
        return EXACT.add(best, far) if side is Side.BUY else max(EXACT.subtract(best, far), self.step)


class Exchange(Protocol):
    """What withdrawing needs of an exchange."""

    @property
    def accounts(self) -> Mapping[str, Owner[Any, Any]]: ...
    def cancel(self, account: str, order_id: str, now_ms: int) -> object: ...


def withdraw(exchange: Exchange, street: Street, now_ms: int) -> None:
    """Cancel what is left of the makers' quotes."""
    live = exchange.accounts[MAKERS].open
    for order_id in street.quotes:
        if order_id in live:
            exchange.cancel(MAKERS, order_id, now_ms)
    street.quotes.clear()
