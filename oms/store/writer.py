"""Who appends to the log, off the event loop: one append after the other, and one whose answer was lost is settled by
asking the log. In a thread here; `oms.store.process` does the same in a process of its own.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, Protocol

import psycopg
from eventsourcing.persistence import PersistenceError

from oms.errors import OmsError
from oms.ports import AlreadyThere, AppendOutcome, Batch, Committed, Conflict, Fenced, NotCommitted, Unknown
from oms.store.database import act_as, connect
from oms.store.recorder import AnswerLostError, Backend, LogDatastore, LogRecorder
from oms.store.settle import is_over, read_back

FENCED: Final = "OMS01"  # raised by append_events
SETTLE_SECONDS: Final = 15.0
END_SECONDS: Final = 20.0  # how long an append that is under way may take when the writer is to end
_RETRY_SECONDS: Final = 0.1


class Appender(Protocol):
    """Appends one batch after the other, off the event loop."""

    def __init__(self, url: str, settle_seconds: float) -> None: ...

    async def prepare(self) -> None:
        """Get ready to append, so that the first batch need not wait for it."""
        ...

    async def append(self, batch: Batch) -> AppendOutcome:
        """As `oms.ports.EventLog.append`; the next one may be asked for once this one has answered."""
        ...

    async def close(self) -> None:
        """Finish what is being written and end."""
        ...


# ---------------------------------------------------------------------------------------------------- the work


class Writer:
    """Appends and says what became of it. Blocks: one thread at a time.

    `told` is called with the server process that an append goes to before it goes there. After a lost answer the log is
    asked for at most `settle_seconds` before the outcome is Unknown.
    """

    def __init__(self, url: str, settle_seconds: float, told: Callable[[Backend], None] = lambda _: None) -> None:
        self._url = url
        self._settle_seconds = settle_seconds
        self._told = told
        self.recorder = LogRecorder(LogDatastore(url, connections=1))

    def prepare(self) -> None:
        """Open a connection; where none is to be had now, the first append will say so."""
        with suppress(PersistenceError), self.recorder.datastore.get_connection():
            pass

    def append(self, batch: Batch) -> AppendOutcome:
        """Write `batch` in one transaction and seal it."""
        try:
            before = self.recorder.append(
                batch.events, batch.messages, account=batch.account, epoch=batch.epoch, told=self._told
            )
        except AnswerLostError as lost:
            return settle(self._url, batch, lost, self._settle_seconds)
        except PersistenceError as error:
            return self._refused(batch, error)
        return Committed(before + 1, before + len(batch.events))

    def _refused(self, batch: Batch, error: PersistenceError) -> AppendOutcome:
        """Return what a refusal means; the transaction was rolled back, or never begun."""
        cause = error.__cause__
        assert isinstance(cause, psycopg.Error)
        reason = str(cause.diag.message_primary or cause).strip()
        if cause.sqlstate == FENCED:
            return Fenced(int(cause.diag.message_detail or 0))
        if not isinstance(cause, psycopg.errors.UniqueViolation):
            return NotCommitted(reason)
        try:
            with self.recorder.datastore.get_connection() as connection:
                return read_back(connection, batch, reason)
        except PersistenceError as unanswered:
            return Unknown(f"{reason}, and the log cannot be asked which: {unanswered}".strip())

    def close(self) -> None:
        self.recorder.datastore.close()


def settle(
    url: str, batch: Batch, lost: AnswerLostError, seconds: float
) -> AlreadyThere | Conflict | NotCommitted | Unknown:
    """Ask the log what became of `batch` until it answers, on a connection of its own; no append may overtake this."""
    deadline = time.monotonic() + seconds  # noqa: TID251 - off the loop, as all of this
    trouble = "the server process that has the batch is still busy"
    while (left := deadline - time.monotonic()) > 0:  # noqa: TID251 - as above
        try:
            with connect(url) as connection:
                if is_over(connection, lost.backend):
                    act_as(connection, "oms_writer")
                    connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{left:.3f}s",))
                    return read_back(connection, batch, f"the connection was lost before the commit: {lost}")
        except (OmsError, psycopg.Error) as error:
            trouble = str(error).strip()
        time.sleep(_RETRY_SECONDS)  # noqa: TID251 - as above
    return Unknown(f"the connection was lost while committing ({lost}), and the log cannot be asked: {trouble}")


# ---------------------------------------------------------------------------------------------------- in a thread


class ThreadAppender:
    """Appends in a thread of this process."""

    def __init__(self, url: str, settle_seconds: float) -> None:
        self.writer = Writer(url, settle_seconds)
        self._thread = ThreadPoolExecutor(1, "oms-log-writer")

    async def prepare(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self.writer.prepare)

    async def append(self, batch: Batch) -> AppendOutcome:
        """As `Appender`; a caller that is cancelled meanwhile cancels no commit."""
        work = asyncio.get_running_loop().run_in_executor(self._thread, self.writer.append, batch)
        return await asyncio.shield(work)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)
        self.writer.close()
