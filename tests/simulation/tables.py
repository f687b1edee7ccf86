"""The database of the read models, as far as their follower sees it: transactions that happen whole or not at all.

It understands the handful of statements that projections send, holds rows as what they were sent as, locks the
checkpoints as Postgres does, and loses connections from a seed: before a commit, and after it.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random  # noqa: TID251 - the simulation's chance comes from its seed
from types import GenericAlias
from typing import Any, Final, Self

import msgspec
import psycopg

from projections import checkpoint
from projections.projector import Projector
from projections.table import Key, Table

RATES: Final[Mapping[str, float]] = {
    "tables lost before": 0.03,  # the connection breaks, and nothing of the transaction happened
    "tables lost after": 0.03,  # it happened, and its client does not know
    "tables unreachable": 0.05,  # no connection
    "tables slow": 0.02,
}
COMMIT_SECONDS: Final = 0.001
SLOW_SECONDS: Final = 3.0


class TableFaults:
    """What befalls the read models' database, from a seed; nothing until `strike`."""

    def __init__(self, chance: Random) -> None:
        self.fired: Counter[str] = Counter()
        self._chance = chance
        self._rates: Mapping[str, float] = {}

    def strike(self, scale: float, without: frozenset[str] = frozenset()) -> None:
        """Let every fault happen at `scale` times its rate, but for those `without`; zero ends them."""
        self._rates = {name: rate * scale for name, rate in RATES.items() if name not in without and scale}

    def lose(self, name: str) -> None:
        """Break the connection, if that fault happens now."""
        if self.fires(name):
            raise psycopg.OperationalError("the connection was lost")

    def fires(self, name: str) -> bool:
        fires = name in self._rates and self._chance.random() < self._rates[name]
        self.fired[name] += fires
        return fires

    def seconds(self) -> float:
        """Return how long a commit takes."""
        return self._chance.uniform(0, SLOW_SECONDS) if self.fires("tables slow") else COMMIT_SECONDS


Seen = tuple[Mapping[str, int], Mapping[str, Mapping[Key, Any]]]  # checkpoints, rows by table and key


class Tables:
    """What is committed: `rows` by table and key, `checkpoints` by name. `moved` is told of every commit that wrote."""

    def __init__(self, faults: TableFaults, moved: Callable[[], None]) -> None:
        self.rows: dict[str, dict[Key, Any]] = {}
        self.checkpoints: dict[str, int] = {}
        self.faults = faults
        self.lock = asyncio.Lock()
        self._moved = moved

    @property
    def position(self) -> int:
        """Where every checkpoint stands; -1 if they differ."""
        found = set(self.checkpoints.values())
        return found.pop() if len(found) == 1 else -1

    async def connect(self, into: Sequence[Projector[Any]], held: set["TablesConnection"]) -> "TablesConnection":
        """Return a connection for the tables of `into`; it stands in `held` for as long as it is open."""
        await asyncio.sleep(COMMIT_SECONDS)
        self.faults.lose("tables unreachable")
        return TablesConnection(self, [projector.table for projector in into], held)

    def commit(self, checkpoints: Mapping[str, int], rows: Sequence[tuple[str, dict[Key, Any]]]) -> None:
        """Let a transaction happen."""
        self.checkpoints.update(checkpoints)
        for name, written in rows:
            self.rows.setdefault(name, {}).update(written)
        self._moved()


class TablesConnection:
    """One connection."""

    def __init__(self, tables: Tables, known: Sequence[Table[Any]], held: set["TablesConnection"]) -> None:
        self.tables = tables
        self.checkpoints: dict[str, int] = {}
        self.rows: list[tuple[str, dict[Key, Any]]] = []
        self.seen: Seen | None = None  # by a transaction that sees one moment
        self.selects = {id(table.select): table for table in known}
        self.holds = {id(table.hold) for table in known}
        self.upserts = {id(table._upsert): table for table in known}
        self._held = held
        self._locked = False
        self._dead = False
        held.add(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.break_off()
        self._held.discard(self)

    def die(self) -> None:
        """Its client is no more: roll back what is open, and hear nothing that a dead process still says."""
        self._dead = True
        self.break_off()

    async def said(self) -> None:
        """Let one statement arrive, if somebody is there to send it."""
        while self._dead:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0)

    def break_off(self) -> None:
        """Roll back what is open."""
        self.checkpoints, self.rows, self.seen = {}, [], None
        if self._locked:
            self._locked = False
            self.tables.lock.release()

    async def execute(self, query: object, parameters: Sequence[Any]) -> None:
        """Outside a transaction only one statement is ever sent: it makes the checkpoints."""
        assert query is checkpoint._BEGIN
        await self.said()
        for name in parameters[0]:
            self.tables.checkpoints.setdefault(name, 0)

    async def locked(self) -> None:
        """Hold everybody else off until the transaction ends."""
        if not self._locked:
            await self.tables.lock.acquire()
            if self._dead:
                self.tables.lock.release()
                await self.said()
            self._locked = True

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        try:
            yield
            if self.checkpoints or self.rows:
                await asyncio.sleep(self.tables.faults.seconds())
                await self.said()
                self.tables.faults.lose("tables lost before")
                self.tables.commit(self.checkpoints, self.rows)
                self.tables.faults.lose("tables lost after")
        finally:
            self.break_off()

    @asynccontextmanager
    async def cursor(self, *, binary: bool = False) -> AsyncIterator["_Cursor"]:
        yield _Cursor(self)


class _Cursor:
    """Statements of one transaction."""

    def __init__(self, connection: TablesConnection) -> None:
        self.rowcount = 0
        self._connection = connection
        self._found: list[tuple[Any, ...]] = []

    async def execute(self, query: object, parameters: Sequence[Any] = (), *, prepare: bool = False) -> None:
        connection, tables = self._connection, self._connection.tables
        await connection.said()
        checkpoints, stored = connection.seen or (tables.checkpoints, tables.rows)
        if query is checkpoint._READ:
            self._found = [(name, checkpoints[name]) for name in sorted(parameters[0])]
        elif query is checkpoint._MOVE:
            after, names, before = parameters
            await connection.locked()
            stand = [name for name in names if tables.checkpoints[name] == before]
            self.rowcount = len(stand)
            connection.checkpoints.update(dict.fromkeys(stand, after))
        elif (table := connection.selects.get(id(query))) is not None:
            rows = stored.get(table.name, {}).values()
            self._found = [tuple(map(_values(row).__getitem__, table.columns)) for row in rows]
        elif (table := connection.upserts.get(id(query))) is not None:
            sent = msgspec.json.decode(parameters[0], type=GenericAlias(list, (table._row,)))
            connection.rows.append((table.name, {table.key_of(row): row for row in sent}))
        elif id(query) in connection.holds:
            return  # nobody swaps tables here
        else:
            assert query == "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", query
            connection.seen = dict(checkpoints), {name: dict(rows) for name, rows in stored.items()}

    async def __aiter__(self) -> AsyncIterator[tuple[Any, ...]]:
        for row in self._found:
            yield row


def _values(row: Any) -> Mapping[str, Any]:
    """Return a row as psycopg reads it: words as text, figures as Decimal, JSON as what it holds."""
    values: Mapping[str, Any] = msgspec.to_builtins(row, builtin_types=(Decimal,))
    return values
