"""Follows the log into the read models: page by page, rows and checkpoint in one transaction.

There is one way out of every trouble: forget everything, read the tables again and go on at their checkpoint, as after
a restart. A commit whose answer was lost needs nothing more than that, and a kill at any statement nothing less.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import psycopg
import structlog
from msgspec import Struct

from oms.book import CLOSED_KEPT
from oms.errors import CorruptStreamError, LogUnavailableError
from oms.ports import Clock, EventLog, Spawn, Task
from projections import checkpoint
from projections.accounts import Accounts, Recorded, recorded
from projections.checkpoint import CheckpointMovedError
from projections.connection import Connect, Connection, connect_to_write
from projections.fold import Fold, projectors
from projections.projector import Projector
from projections.table import Table

LIVE_ROWS: Final = 500  # events in a page while the log grows: a few milliseconds
CATCH_UP_ROWS: Final = 5_000  # in a page once a live one was full: fewer commits, and rows written once
SLICE_ROWS: Final = 100  # events folded before others on the loop get their turn: a millisecond
WAIT_SECONDS: Final = 5.0  # for the log to grow, before it is looked at again
STILL_SECONDS: Final = 60.0  # a restart of Postgres, or a rebuild that swaps its tables in, is over by then
RETRY_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # after trouble; the last one repeats

_TROUBLE: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.DataError,  # a row that its table cannot hold: nothing but the read models is to wait for whoever mends it
    psycopg.errors.ReadOnlySqlTransaction,  # a standby, behind an address that has failed over and not to the end
    LogUnavailableError,
    CheckpointMovedError,
)

log = structlog.get_logger()


class Lag(Struct, frozen=True, kw_only=True):
    """How far the rows are behind: events not yet in them, and how long ago the first of these was recorded."""

    position: int
    events: int
    seconds: float


class _Page(Struct, frozen=True):
    """What is to be written at once: the rows that the log touched up to `position`."""

    position: int
    touched: Sequence[tuple[Table[Any], Sequence[Any]]]


class Runner:
    """Keeps one set of projectors, all at one position, in step with the log.

    Their tables and checkpoints may be pointed elsewhere (`into`), to build beside the live ones; `last` is a position
    behind which nothing is folded. `connect` is how their database is reached.
    """

    def __init__(
        self,
        event_log: EventLog,
        url: str,
        *,
        clock: Clock,
        spawn: Spawn,
        into: Sequence[Projector[Any]] = (),
        last: int | None = None,
        live_rows: int = LIVE_ROWS,
        closed_kept: int = CLOSED_KEPT,
        connect: Connect = connect_to_write,
    ) -> None:
        self.position = 0  # what the rows are known to reflect
        self.trouble: str | None = None  # why nothing moves, if nothing does
        self._log = event_log
        self._url = url
        self._clock = clock
        self._spawn = spawn
        self._projectors = into or projectors()
        self._last = last
        self._names = [projector.table.name for projector in self._projectors]
        self._live_rows = live_rows
        self._closed_kept = closed_kept
        self._connect = connect
        self._stopped = False
        self._moved = asyncio.Event()
        self._kept_up_at = clock.monotonic()  # when a page was last written, or there was none to write
        self._task: Task | None = None

    def start(self) -> None:
        """Begin to follow. A log that contradicts itself, or tables that do not fit it, end the task with an error."""
        self._task = self._spawn(self.follow(), name="projections")

    def stop(self) -> None:
        """Stop at once; a page that is half written is rolled back, and folded again by whoever comes next."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    def broken(self) -> str | None:
        """Return that the rows have stood still for long, and why; None while they follow."""
        seconds = self._clock.monotonic() - self._kept_up_at
        if seconds <= STILL_SECONDS:
            return None
        return f"at position {self.position} for {seconds:.0f} seconds: {self.trouble or 'a page hangs'}"

    async def lag(self) -> Lag:
        """Ask the log how far the rows are behind. Raises LogUnavailableError."""
        position = self.position
        events = max(await self._log.head() - position, 0)
        waiting = await self._log.page(after=position, limit=1) if events else ()
        seconds = (self._clock.now_ns() - recorded(waiting[0]).meta.recorded_ns) / 1e9 if waiting else 0.0
        return Lag(position=position, events=events, seconds=max(seconds, 0.0))

    async def follow(self) -> None:
        """Follow the log until cancelled.

        Raises:
            CorruptStreamError: the log contradicts itself, or is shorter than what the tables reflect.
            CheckpointsDifferError: the tables do not stand at one position.
            psycopg.Error: the tables are not what this program knows.
        """
        failures = 0
        while True:
            started = self.position
            try:
                async with await self._connect(self._url, "oms_projector") as connection:
                    await self._keep_up(connection, to_end=False)
            except _TROUBLE as error:
                if self._stopped:  # the word to stop is lost where a write fails at that moment
                    return
                failures = 0 if self.position > started else failures
                seconds = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
                failures += 1
                self.trouble = str(error).strip()
                log.warning("projections wait", cause=self.trouble, position=self.position, seconds=seconds)
                await asyncio.sleep(seconds)

    async def run_to_end(self) -> int:
        """Follow the log until nothing follows, and return the position reached. Raises as `follow` does, and
        psycopg.OperationalError and LogUnavailableError where that would wait.
        """
        async with await self._connect(self._url, "oms_projector") as connection:
            await self._keep_up(connection, to_end=True)
        return self.position

    async def catch_up(self, position: int, seconds: float) -> bool:
        """Wait until the rows reflect `position`, for so long at most; whether they do."""
        try:
            async with asyncio.timeout(seconds):
                while self.position < position:
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

    # ------------------------------------------------------------------------------------------------ one connection

    async def _keep_up(self, connection: Connection, *, to_end: bool) -> None:
        """Write each page while the next one is read and folded: Postgres works beside us, one page behind."""
        fold = await self._resume(connection)
        folded = await self._ahead(fold, self._live_rows, wait=not to_end)
        while folded or not to_end:
            page = _Page(fold.position, [(projector.table, projector.drain()) for projector in self._projectors])
            fold.accounts.trim()
            rows = CATCH_UP_ROWS if folded >= self._live_rows else self._live_rows
            # In a task of its own: a group that failed leaves the one it is in marked as canceled (until Python 3.13),
            # and the next timeout ends that one without a word (until 3.11.4).
            (folded,) = await asyncio.gather(self._write_beside(connection, page, fold, rows, wait=not to_end))

    async def _write_beside(self, connection: Connection, page: _Page, fold: Fold, rows: int, *, wait: bool) -> int:
        """Write `page` while the next one is folded; return as `_ahead`."""
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._write(connection, page))
                ahead = both.create_task(self._ahead(fold, rows, wait=wait))
        except ExceptionGroup as troubles:
            raise troubles.exceptions[0] from troubles
        return ahead.result()

    async def _resume(self, connection: Connection) -> Fold:
        """Return the fold at the checkpoint, with everything that only the tables remember."""
        accounts = Accounts(closed_kept=self._closed_kept)
        await checkpoint.begin(connection, self._names)
        async with connection.transaction(), connection.cursor(binary=True) as cursor:
            await cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            for projector in self._projectors:  # before the moment that is seen is chosen: the rows of a table that was
                if projector.recalls:  # swapped since are none that it has
                    await projector.table.keep(cursor)
            position = await checkpoint.read(cursor, self._names)
            for projector in self._projectors:
                projector.drain()
                if projector.recalls:
                    projector.recall(await projector.table.rows(cursor), accounts)
        if await self._log.head() < position:
            raise CorruptStreamError(
                f"the read models reflect position {position}, and the log ends before it",
                next_step="if the log was restored from a backup, run: oms projections rebuild",
            )
        self.trouble = None
        self._reach(position)
        return Fold(self._projectors, accounts, position)

    async def _ahead(self, fold: Fold, rows: int, *, wait: bool) -> int:
        """Fold the next page; return the number of its events, 0 if the log did not grow."""
        if self._last is not None:
            rows = min(rows, self._last - fold.position)
        page = await self._log.page(after=fold.position, limit=rows)
        if wait and not page:
            await self._log.changed(after=fold.position, seconds=WAIT_SECONDS)
            page = await self._log.page(after=fold.position, limit=rows)
        for start in range(0, len(page), SLICE_ROWS):
            for stored in page[start : start + SLICE_ROWS]:
                told = recorded(stored)
                if fold.accounts.lacks(told):
                    fold.accounts.restore(await self._history(told))
                fold.apply(told)
            await asyncio.sleep(0)
        return len(page)

    async def _history(self, told: Recorded) -> Sequence[Recorded]:
        """Return what the log says of an order before `told`."""
        return [recorded(stored) for stored in await self._log.read(told.stream) if stored.version < told.version]

    async def _write(self, connection: Connection, page: _Page) -> None:
        if page.position == self.position:
            self._kept_up_at = self._clock.monotonic()
            return
        async with connection.transaction(), connection.cursor() as cursor:
            await checkpoint.move(cursor, self._names, before=self.position, after=page.position)
            for table, rows in page.touched:
                await table.write(cursor, rows)
        self._reach(page.position)

    def _reach(self, position: int) -> None:
        self.position, self._kept_up_at = position, self._clock.monotonic()
        self._moved.set()
        self._moved = asyncio.Event()
