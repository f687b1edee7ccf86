"""What the commands are given by the composition root: everything outside `oms` that they can start or ask."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from msgspec import Struct

from oms.archive import Page
from oms.catalogue import Tell
from oms.config import Config, Secret
from oms.connected import Connected, VenueName, World
from oms.gateway.reads import Past, Reads
from oms.ports import Clock, EventLog, Spawn
from oms.recovery import Known
from oms.reports import Report
from oms.system import OpenProjections
from oms.values import AccountId, PositionMode
from oms.vault import Keys

Market = Literal["spot", "futures"]
Kind = Literal["rest", "ws-public", "ws-private"]


class SimulatorUrls(Protocol):
    """Where a simulated exchange listens; a Struct, which `oms simulator` prints whole."""

    @property
    def sim_url(self) -> str: ...


class WindDown(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a simulated venue ends, in UTC milliseconds: takes no more opens, no more orders, goes dark. None: never."""

    no_opens_ms: int | None = None
    no_trading_ms: int | None = None
    dark_ms: int | None = None


class Trouble(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong at a simulated venue from the start: the body of ``POST /sim/faults``, and with `schedule` that
    of ``POST /sim/schedule``.
    """

    seed: int = 0
    rates: dict[str, float] = {}
    schedule: WindDown = WindDown()


class ServeSimulator(Protocol):
    """Runs the simulated exchange while the context lasts.

    Raises:
        ValueError: a fault that does not exist, or a rate that is no probability.
        OSError: the port is taken.
    """

    def __call__(
        self, world: World, *, port: int, seed: int, trouble: Trouble
    ) -> AbstractAsyncContextManager[SimulatorUrls]: ...


class Decode(Protocol):
    """Reads a recorded payload as the adapter does; what hangs on the account's position mode in `mode`, None: not."""

    def __call__(
        self, market: Market, kind: Kind, path: str | None, payload: bytes, *, mode: PositionMode | None = ...
    ) -> Sequence[Report]: ...


class OpenVenuesWithKeys(Protocol):
    """`oms.connected.OpenVenues`, given the keys of the connected accounts."""

    def __call__(
        self, name: VenueName, config: Config, world: World, known: Known, tell: Tell, *, keys: Keys
    ) -> AbstractAsyncContextManager[Mapping[AccountId, Connected]]: ...


class AskHistory(Protocol):
    """Yields everything a venue says of an account, call by call; what could not be had is a page that says so."""

    def __call__(
        self,
        config: Config,
        world: World,
        fields: Mapping[str, Secret],
        markets: Sequence[Market],
        *,
        since_ms: int,
        until_ms: int,
    ) -> AsyncIterator[Page]: ...


class KeyReport(Protocol):
    """What a key may do, each ``yes``, ``no`` or ``unknown``."""

    @property
    def spot_read(self) -> str: ...
    @property
    def spot_trade(self) -> str: ...
    @property
    def futures_read(self) -> str: ...
    @property
    def futures_trade(self) -> str: ...
    @property
    def withdraw(self) -> str: ...


class CheckKey(Protocol):
    """Asks a venue what a key may do, by calls that change nothing.

    Raises:
        OmsError: the venue does not accept it, or could not be asked.
    """

    def __call__(self, config: Config, world: World, fields: Mapping[str, Secret]) -> Awaitable[KeyReport]: ...


class OpenPast(Protocol):
    """Folds the log to wherever it is asked about; `progress` is told how many events each page had."""

    def __call__(self, log: EventLog, *, progress: Callable[[int], None]) -> Past: ...


class Verdict(Protocol):
    """What a comparison of the projections with the log found; no differences if all is equal."""

    @property
    def position(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def differences(self) -> Sequence[object]: ...


class TableDifference(Protocol):
    """What one table said otherwise than the log."""

    @property
    def table(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def missing(self) -> int: ...
    @property
    def extra(self) -> int: ...
    @property
    def changed(self) -> int: ...
    @property
    def examples(self) -> Sequence[Sequence[str]]: ...


class Rebuilt(Protocol):
    """What a rebuild did; a Struct, which is printed whole."""

    @property
    def position(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def tables(self) -> Sequence[TableDifference]: ...


class Rebuild(Protocol):
    """Builds the read models beside the live ones, compares, and swaps the one of that `name` (None: all).

    Raises:
        OmsError: nothing was changed.
    """

    def __call__(
        self,
        log: EventLog,
        url: str,
        *,
        name: str | None,
        clock: Clock,
        spawn: Spawn,
        progress: Callable[[int, int], None],
    ) -> Awaitable[Rebuilt]: ...


class Compare(Protocol):
    """Folds the log from nothing to where the projections stand, and compares every row.

    Raises:
        psycopg.Error, LogUnavailableError: the database is not there.
        CorruptStreamError: the log contradicts itself.
    """

    def __call__(self, log: EventLog, url: str) -> Awaitable[Verdict]: ...


class Parts(Struct, frozen=True, kw_only=True):
    """The parts of this installation."""

    venues: OpenVenuesWithKeys
    check_key: CheckKey  # of BitMart
    history: AskHistory  # likewise
    simulator: ServeSimulator
    projections: OpenProjections
    reads: Callable[[str], AbstractAsyncContextManager[Reads]]  # over the database of that connection string
    past: OpenPast
    compare: Compare
    rebuild: Rebuild
    decode: Decode
