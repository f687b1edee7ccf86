"""The contract with whoever connects an account's venue: what it is given, and what it gives."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from oms.book import Book
from oms.catalogue import Tell
from oms.config import Config
from oms.market_data import MarketData
from oms.ports import Clock, Ids, Spawn
from oms.recovery import Known
from oms.values import AccountId
from oms.venue import Venue, VenueClock


class VenueName(StrEnum):
    """What `oms up` can trade at."""

    BITMART = "bitmart"
    SIMULATOR = "simulator"
    PAPER = "paper"


class World(Struct, frozen=True):
    """Time, names and tasks of the running system."""

    clock: Clock
    ids: Ids
    spawn: Spawn

    def by(self, venue: Venue) -> "World":
        """Return this world by the time of `venue`: so lives an account that trades there."""
        return World(VenueClock(venue, self.clock), self.ids, self.spawn)


def stands_already(_: Book) -> None:
    """Nothing is to be done: the venue knows the account better than its book does."""


class Connected(Struct, frozen=True):
    """One account at its venue, and whoever knows what the markets there did, if anybody does.

    `stand` puts the account up there as its book says, where the venue has no memory of its own. It is called once the
    account is ours to lead, and before the venue is asked for anything of it: until then another OMS may move it.
    """

    venue: Venue
    markets: MarketData | None = None
    stand: Callable[[Book], None] = stands_already


class OpenVenues(Protocol):
    """Connects the accounts of a venue while the context lasts.

    `tell` says something to whoever started the OMS.
    Raises OmsError where there is no account to connect.
    """

    def __call__(
        self, name: VenueName, config: Config, world: World, known: Known, tell: Tell
    ) -> AbstractAsyncContextManager[Mapping[AccountId, Connected]]: ...
