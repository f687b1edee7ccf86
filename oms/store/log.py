"""The log in Postgres, as the port `EventLog` asks for it: one writer thread, one round trip and one commit a batch."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import starmap
from typing import Any, Final, TypeVar

import msgspec
import psycopg
from eventsourcing.persistence import PersistenceError
from psycopg.rows import tuple_row

from oms.errors import FencedError, LogUnavailableError, OmsError
from oms.ports import (
    AlreadyThere,
    AppendOutcome,
    Batch,
    Committed,
    Snapshot,
    StoredEvent,
    VenueMessage,
)
from oms.store.listener import Listener
from oms.store.recorder import LogDatastore, LogRecorder
from oms.store.scan import PAGE_ROWS, Row, Scan
from oms.store.writer import FENCED, SETTLE_SECONDS, Appender, ThreadAppender
from oms.values import AccountId

READERS: Final = 2  # threads for reads; more wait their turn
POLL_SECONDS: Final = 0.5  # how late a reader learns of a commit whose notice was lost

_Result = TypeVar("_Result")

_STREAM: Final = """
SELECT notification_id, originator_id, originator_version, topic, state FROM public.stored_events
WHERE originator_id = %s AND originator_version > %s ORDER BY originator_version
"""
_PAGE: Final = """
SELECT notification_id, originator_id, originator_version, topic, state FROM public.stored_events
WHERE notification_id > %s ORDER BY notification_id LIMIT %s
"""
_EPOCH: Final = "SELECT coalesce(max(epoch), 0) FROM public.epochs WHERE account = %s"
_HEAD: Final = "SELECT coalesce(max(notification_id), 0) FROM public.stored_events"
_EXISTING: Final = """
SELECT stream FROM unnest(%s::text[]) AS asked (stream)
WHERE EXISTS (SELECT FROM public.stored_events WHERE originator_id = stream)
"""
_MESSAGES: Final = """
SELECT message_id, at_ns, direction, channel, body FROM public.venue_messages WHERE message_id = ANY(%s::text[])
ORDER BY message_id
"""
_SNAPSHOT: Final = "SELECT position, program, digest, parts FROM public.snapshots WHERE account = %s"
_KEEP: Final = """
INSERT INTO public.snapshots (account, position, program, digest, parts) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (account) DO UPDATE SET position = excluded.position, program = excluded.program,
    digest = excluded.digest, parts = excluded.parts, made_at = clock_timestamp()
"""
_Kept = tuple[int, bytes, bytes, tuple[bytes, ...]]  # a row of snapshots


class PostgresLog:
    """An `EventLog` over PostgreSQL. Construct and use it inside one running event loop.

    Appends go one after the other through a thread, or a process of its own where that is wanted, so that the loop
    never waits for a commit. After a lost answer the log is asked for at most `settle_seconds` before the outcome is
    Unknown.
    """

    def __init__(
        self, url: str, *, settle_seconds: float = SETTLE_SECONDS, appender: type[Appender] = ThreadAppender
    ) -> None:
        self.url = url
        self._appender = appender(url, settle_seconds)
        self.recorder = LogRecorder(LogDatastore(url, connections=1 + READERS))
        self._readers = ThreadPoolExecutor(READERS, "oms-log-reader")
        self._turn = asyncio.Lock()
        self._listener = Listener(url, self._reach)
        self._opening: asyncio.Future[psycopg.Connection[Any]] | None = None
        self._reached = 0
        self._grown = asyncio.Event()

    # ------------------------------------------------------------------------------------------------------ writing

    async def prepare(self) -> None:
        """Get ready to append; the first batch waits until it is done."""
        async with self._turn:
            await self._appender.prepare()

    async def append(self, batch: Batch) -> AppendOutcome:
        """Write `batch` in one transaction and seal it. A caller that is cancelled meanwhile cancels no commit."""
        async with self._turn:
            outcome = await self._appender.append(batch)
        if isinstance(outcome, Committed | AlreadyThere):
            self._reach(outcome.last)
        return outcome

    async def epoch(self, account: AccountId) -> int:
        """Return the epoch of the last writer that took `account` over, 0 if none did. Raises LogUnavailableError."""
        return await self._off_loop(lambda cursor: _only(cursor.execute(_EPOCH, (account,))))

    async def take_over(self, account: AccountId, *, after: int, taker: str) -> int:
        """Fence every earlier writer of `account`, if its epoch still is `after`. Raises FencedError,
        LogUnavailableError.
        """
        work = asyncio.get_running_loop().run_in_executor(self._readers, self._take_over, account, after, taker)
        return await asyncio.shield(work)

    def _take_over(self, account: AccountId, after: int, taker: str) -> int:
        try:
            with (
                self.recorder.datastore.get_connection() as connection,
                connection.cursor(binary=True, row_factory=tuple_row) as cursor,
            ):
                return _only(cursor.execute("SELECT public.take_over(%s, %s, %s)", (account, after, taker)))
        except PersistenceError as error:
            cause = error.__cause__
            if isinstance(cause, psycopg.Error) and cause.sqlstate == FENCED:
                raise FencedError(str(cause.diag.message_primary)) from error
            raise LogUnavailableError(f"the account cannot be taken over: {error}".strip()) from error

    # ------------------------------------------------------------------------------------------------------ reading

    async def read(self, stream: str, *, after_version: int = 0) -> Sequence[StoredEvent]:
        """Return one stream's events in version order. Raises LogUnavailableError."""
        return await self._off_loop(lambda cursor: _events(cursor.execute(_STREAM, (stream, after_version))))

    async def page(self, *, after: int, limit: int) -> Sequence[StoredEvent]:
        """Return up to `limit` events of the whole log after position `after`, in order. Raises LogUnavailableError."""
        return await self._off_loop(lambda cursor: _events(cursor.execute(_PAGE, (after, limit))))

    async def head(self) -> int:
        """Return the last position, 0 for an empty log. Raises LogUnavailableError."""
        head = await self._off_loop(lambda cursor: _only(cursor.execute(_HEAD)))
        self._reach(head)
        return head

    async def existing(self, streams: Sequence[str]) -> set[str]:
        """Return those of `streams` that hold at least one event. Raises LogUnavailableError."""
        return await self._off_loop(lambda cursor: {str(row[0]) for row in cursor.execute(_EXISTING, (list(streams),))})

    async def messages(self, message_ids: Sequence[str]) -> Sequence[VenueMessage]:
        """Return the venue messages of those ids, in order of id. Raises LogUnavailableError."""
        return await self._off_loop(
            lambda cursor: tuple(starmap(VenueMessage, cursor.execute(_MESSAGES, (list(message_ids),))))
        )

    async def scan(
        self, *, after: int = 0, upto: int | None = None, rows: int = PAGE_ROWS
    ) -> AsyncGenerator[Sequence[Row], None]:
        """Yield pages of (position, stream, version, topic, state) after `after`, through `upto` or to the end.

        One snapshot of the log, read by a thread one page ahead. Raises LogUnavailableError.
        """
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "oms-log-scan") as ahead:
            scan = Scan(self.url, after, upto, rows)
            try:
                coming = loop.run_in_executor(ahead, scan.next_page)
                while page := await coming:
                    coming = loop.run_in_executor(ahead, scan.next_page)
                    yield page
            finally:
                await asyncio.shield(loop.run_in_executor(ahead, scan.close))

    async def snapshot(self, account: AccountId) -> Snapshot | None:
        """Return the snapshot that was kept last. Raises LogUnavailableError."""

        def ask(cursor: psycopg.Cursor[tuple[object, ...]]) -> Snapshot | None:
            row = cursor.execute(_SNAPSHOT, (account,)).fetchone()
            return None if row is None else Snapshot(account, *msgspec.convert(row, _Kept))

        return await self._off_loop(ask)

    async def keep_snapshot(self, snapshot: Snapshot) -> None:
        """Keep it in the place of the one before. Raises LogUnavailableError: then it may be kept, or not."""
        values = (snapshot.account, snapshot.position, snapshot.program, snapshot.digest, list(snapshot.parts))
        await self._off_loop(lambda cursor: cursor.execute(_KEEP, values))

    # ------------------------------------------------------------------------------------------------------ waiting

    async def changed(self, *, after: int, seconds: float) -> None:
        """Return once the log is longer than `after`, or after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while self._reached <= after:
                    if self._listener.listening:
                        await self._notice()
                    else:
                        await self._listen()
        except TimeoutError:
            return

    async def close(self) -> None:
        """Finish what is being written, then close every connection."""
        if self._opening is not None:
            await asyncio.wait([self._opening])
        self._listener.close()
        await self._appender.close()
        await asyncio.get_running_loop().run_in_executor(None, self._readers.shutdown)
        self.recorder.datastore.close()

    async def _listen(self) -> None:
        """Listen, and look once: a commit before that gave its notice to nobody."""
        if self._opening is None:
            self._opening = asyncio.get_running_loop().run_in_executor(self._readers, self._listener.open)
            self._opening.add_done_callback(self._opened)
        try:
            await asyncio.shield(self._opening)  # who is tired of waiting leaves it to the next
            await self.head()
        except (OmsError, psycopg.Error):  # down: try again after a while
            await asyncio.sleep(POLL_SECONDS)

    def _opened(self, opening: asyncio.Future[psycopg.Connection[Any]]) -> None:
        self._opening = None
        if not opening.cancelled() and opening.exception() is None:
            self._listener.attach(opening.result())

    async def _notice(self) -> None:
        """Wait for the log to grow; look for ourselves every now and then."""
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._grown.wait()
        except TimeoutError:
            try:
                await self.head()
            except LogUnavailableError:
                return

    def _reach(self, position: int) -> None:
        if position > self._reached:
            self._reached = position
            self._grown.set()
            self._grown = asyncio.Event()

    async def _off_loop(self, question: Callable[[psycopg.Cursor[tuple[object, ...]]], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._query, question)

    def _query(self, question: Callable[[psycopg.Cursor[tuple[object, ...]]], _Result]) -> _Result:
        try:
            with (
                self.recorder.datastore.get_connection() as connection,
                connection.cursor(binary=True, row_factory=tuple_row) as cursor,
            ):
                return question(cursor)
        except PersistenceError as error:
            raise LogUnavailableError(f"the log cannot be read: {error}".strip()) from error


def _events(cursor: psycopg.Cursor[tuple[object, ...]]) -> Sequence[StoredEvent]:
    return tuple(starmap(StoredEvent, cursor))


def _only(cursor: psycopg.Cursor[tuple[object, ...]]) -> int:
    row = cursor.fetchone()
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]
