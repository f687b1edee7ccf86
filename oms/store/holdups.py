"""Who holds up whom in the database: which server process keeps others of it waiting, and what it is doing.

A transaction that somebody left open, at a prompt or in a program that hangs, is invisible from outside: appends wait,
read models stand still, and nothing fails. This looks for it, and names the process, so that somebody can end it.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import psycopg
import structlog
from msgspec import Struct
from psycopg.rows import class_row

from oms.ports import Spawn
from oms.store.database import conninfo

LOOK_SECONDS: Final = 1.0
LONG_SECONDS: Final = 1.0  # what waits for less than that is work; and a silent writer is named before it is ended

# Waits of this database alone. What a process does is shown to members of pg_read_all_stats; its pid always is. What it
# said is nobody's business here: it may hold a password.
_BLOCKERS: Final = """
SELECT holder.pid, coalesce(holder.usename, '') AS user, coalesce(holder.application_name, '') AS application,
       coalesce(holder.state, '') AS state, array_agg(DISTINCT waiting.pid) AS waiting,
       max(extract(epoch FROM clock_timestamp() - waiting.query_start))::float8 AS seconds
FROM pg_stat_activity AS waiting
CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocking (pid)
JOIN pg_stat_activity AS holder ON holder.pid = blocking.pid
WHERE waiting.datname = current_database() AND waiting.wait_event_type = 'Lock'
  AND waiting.query_start < clock_timestamp() - make_interval(secs => %s)
  AND cardinality(pg_blocking_pids(holder.pid)) = 0  -- the root of the matter, not the queue behind it
GROUP BY holder.pid, holder.usename, holder.application_name, holder.state
ORDER BY seconds DESC
"""

log = structlog.get_logger()


class Holdup(Struct, frozen=True):
    """One server process that keeps others waiting, for so many seconds by now. Empty where nobody may tell us."""

    pid: int
    user: str
    application: str
    state: str  # as Postgres names it: active, idle in transaction, ...
    waiting: Sequence[int]  # the server processes that it keeps waiting
    seconds: float

    def __str__(self) -> str:
        who = f"server process {self.pid} ({self.application or 'unnamed'}, user {self.user})"
        doing = self.state or "in a transaction"
        kept = ", ".join(map(str, self.waiting))
        return f"{who}, {doing}, has kept {kept} waiting for {self.seconds:.0f} s"


class Holdups:
    """Looks every second; `now` is what was seen last. A database that is away holds nobody up."""

    def __init__(self, url: str, *, spawn: Spawn) -> None:
        self.now: Sequence[Holdup] = ()
        self._url = url
        self._spawn = spawn
        self._told: frozenset[int] = frozenset()

    def start(self) -> None:
        """Begin to look."""
        self._spawn(self._look_for_ever(), name="holdups")

    def broken(self) -> str | None:
        """Return who holds up the database and how to end it, None if nobody does."""
        if not self.now:
            return None
        first = self.now[0]
        return f"{first}; end it with: SELECT pg_terminate_backend({first.pid})"

    async def _look_for_ever(self) -> None:
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    conninfo(self._url), autocommit=True, application_name="oms holdups"
                )
                async with connection:
                    while True:
                        self._tell(await self._look(connection))
                        await asyncio.sleep(LOOK_SECONDS)
            except psycopg.Error:
                self._tell(())
                await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> Sequence[Holdup]:
        async with connection.cursor(row_factory=class_row(Holdup)) as cursor:
            return await (await cursor.execute(_BLOCKERS, (LONG_SECONDS,))).fetchall()

    def _tell(self, found: Sequence[Holdup]) -> None:
        """Keep what was found; say each process once."""
        for each in found:
            if each.pid not in self._told:
                log.warning("the database is held up", pid=each.pid, by=str(each))
        for pid in self._told - {each.pid for each in found}:
            log.info("the database is held up no more", pid=pid)
        self.now, self._told = found, frozenset(each.pid for each in found)
