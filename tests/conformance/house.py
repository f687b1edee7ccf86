"""What the conformance kit needs of a venue beside its adapter: a market that can be moved, and trouble on demand.

To have an adapter conform: write a House for it, add it to HOUSES in `houses.py`, and run the tests of this folder.
Quantities are in the market's own unit. Everything runs on a virtual clock.
"""

from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Protocol

from oms.values import Symbol
from oms.venue import Venue


class House(Protocol):
    """One account at one venue, and power over the venue."""

    name: str
    venue: Venue
    symbol: Symbol  # a market that trades
    quantity: Decimal  # what an ordinary order asks for

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Run the venue while the context lasts."""
        ...

    def now_ms(self) -> int:
        """The venue's clock."""
        ...

    def price(self) -> Decimal:
        """The market's price, on its grid."""
        ...

    def move(self, price: Decimal) -> None:
        """Bring the market to `price` through its book."""
        ...

    def lose_answers(self, *, on: bool) -> None:
        """From now on, execute every request and let nobody hear of it."""
        ...

    def lose_requests(self, *, on: bool) -> None:
        """From now on, let no request arrive."""
        ...

    def cut_streams(self) -> None:
        """Break every stream of the account; new ones may be opened."""
        ...
