"""What the simulator asks of each of the venue's hosts. BitMart has two, with nothing in common but their keys
(PROTOCOL 1): other paths, other codes, another stream dialect, wallets of their own.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final, Protocol

from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.gateway import Reply, Request
from adapters.simulator.wire.line import Stream

FUTURES_PREFIX: Final = "/futures"  # of paths, where both hosts share one address
BUSTABLE_MAX: Final = 100  # trades of an account that the fault may strike: its last
FUTURES_HOSTS: Final = frozenset({"api-cloud-v2.bitmart.com", "openapi-ws-v2.bitmart.com"})


class Product(StrEnum):
    """Which host: spot, or futures V2."""

    SPOT = "spot"
    FUTURES = "futures"


def product_of(host: str | None, path: str) -> tuple[Product, str]:
    """Return which host an address means, and the path there."""
    if path.startswith(f"{FUTURES_PREFIX}/"):
        return Product.FUTURES, path.removeprefix(FUTURES_PREFIX)
    return (Product.FUTURES if host in FUTURES_HOSTS else Product.SPOT), path


class Host(Protocol):
    """One host: its exchange, its traders, its REST and its streams. `venue_ms` is the venue's own clock."""

    def handle(self, request: Request, venue_ms: int) -> Reply:
        """Answer one request; never raises for what a client sends."""
        ...

    def refuse(self, error: WireError) -> Reply:
        """Spell an error as this host does."""
        ...

    def open_stream(self, *, private: bool, venue_ms: int) -> Stream: ...

    def connections_max(self, *, private: bool) -> int:
        """How many streams of a kind one address may have."""
        ...

    @property
    def arrivals_max(self) -> int | None:
        """How many streams one address may open in a minute; None: as many as it likes."""
        ...

    def step(self, elapsed_ms: int, venue_ms: int) -> None:
        """Let the others trade and the exchange's own timers run; `elapsed_ms` is a time that never steps."""
        ...

    def flush(self, streams: Sequence[Stream], venue_ms: int) -> None:
        """Push what has happened since, and the public states that are due, to this host's streams."""
        ...

    def open_account(self, name: str, deposits: Mapping[str, Decimal]) -> None: ...

    def fund(self, name: str, coins: Mapping[str, Decimal]) -> None:
        """Put coins into an account that has none. Nobody is told: it is no news. Raises KeyError."""
        ...

    def trades(self, symbol: str) -> bool:
        """Say whether `symbol` is a market here."""
        ...

    def move(self, symbol: str, price: Decimal, venue_ms: int) -> None:
        """Bring a market to `price` through its book. Raises ValueError for a bad symbol or price."""
        ...

    def live(self, accounts: Iterable[str]) -> list[tuple[str, str]]:
        """Return (account, order id) of every live order of `accounts`."""
        ...

    def end_trading(self, accounts: Iterable[str], venue_ms: int) -> None:
        """End all that `accounts` still have in the market, and what waits to come there."""
        ...

    def traded(self, accounts: Iterable[str]) -> list[str]:
        """Return the ids of the last trades of `accounts`."""
        ...

    def bust(self, trade_id: str, venue_ms: int) -> None:
        """Take a trade back. Raises ValueError where it is nobody's, or can no longer be taken back."""
        ...

    def cancel(self, account: str, order_id: str, venue_ms: int) -> None:
        """End a live order by the system's hand."""
        ...
