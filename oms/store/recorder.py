"""The library's recorder, with an append of its own: one prepared call a batch, sealed, fenced, without holes.

What it keeps of `eventsourcing`: the table, the interface, the pool, stock selects and subscriptions. What it replaces:
the table lock (an insert-only role may not take it, and it waits for VACUUM), the sequence (holes after a rollback),
and the retry of a commit whose answer was lost (it reports recorded events as a conflict).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from eventsourcing.persistence import OperationalError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn
from psycopg.rows import DictRow

from oms.ports import NewEvent, VenueMessage
from oms.store.database import READ_COMMITTED, act_as, conninfo
from oms.store.packing import pack_events, pack_messages
from oms.store.seals import digest

_APPEND: Final = b"append_events"
_APPEND_SQL: Final = b"SELECT public.append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
_BACKEND_START: Final = "SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_PARAMETERS: Final = 13
_BINARY: Final = 1
# A pool tries again after 1, 2, 4, ... seconds, for five minutes if nobody says otherwise: after an outage that would
# leave the log away for as long again. Given up that soon, the next question connects at once; and while one waits for
# its five seconds, two more tries fall into them.
RECONNECT_SECONDS: Final = 3.0


class Backend(Struct, frozen=True):
    """One server process, told apart from a later one with the same number."""

    pid: int
    started: datetime


class AnswerLostError(Exception):
    """The connection broke while a batch was being committed: only the log knows whether it was."""

    def __init__(self, cause: str, backend: Backend) -> None:
        super().__init__(cause)
        self.backend = backend


class LogDatastore(PostgresDatastore):
    """A pool of connections that act as the log's writer and have the append prepared.

    `url` is any libpq connection string; at most `connections` are open at once.
    """

    def __init__(self, url: str, *, connections: int = 4) -> None:
        options = dict(conninfo_to_dict(conninfo(url)))
        named = {name: str(options.pop(name, "")) for name in ("dbname", "host", "port", "user", "password")}
        self.backends: WeakKeyDictionary[psycopg.Connection[Any], Backend] = WeakKeyDictionary()
        super().__init__(
            dbname=named["dbname"],
            host=named["host"],
            port=named["port"],
            user=named["user"],
            password=named["password"],
            pool_size=1,
            max_overflow=connections - 1,
            originator_id_type="text",
        )
        assert isinstance(self.pool.kwargs, dict)
        self.pool.kwargs.update(options)
        self.pool.reconnect_timeout = RECONNECT_SECONDS

    def after_connect_func(self) -> Callable[[psycopg.Connection[Any]], None]:
        """Return what a new connection goes through; it must not hold on to this datastore."""
        configure, backends = super().after_connect_func(), self.backends

        def after_connect(connection: psycopg.Connection[DictRow]) -> None:
            configure(connection)
            connection.execute(READ_COMMITTED)
            row = connection.execute(_BACKEND_START).fetchone()
            assert row is not None
            assert row["backend_start"] is not None, "asked as somebody who may not see it"
            backends[connection] = Backend(connection.info.backend_pid, row["backend_start"])
            act_as(connection, "oms_writer")  # from here on the server does not tell when it began
            prepared = connection.pgconn.prepare(_APPEND, _APPEND_SQL)
            if prepared.status != ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(prepared)

        return after_connect

    def register_type_adapters(self) -> None:
        """Do nothing: the append sends arrays of plain types, never the library's composite type."""


class LogRecorder(PostgresApplicationRecorder):
    """The library's application recorder over our log; Alembic owns the tables."""

    datastore: LogDatastore

    def create_table(self) -> None:
        """Create nothing."""

    def append(
        self,
        events: Sequence[NewEvent],
        messages: Sequence[VenueMessage] = (),
        *,
        account: str = "",
        epoch: int = 0,
        told: Callable[[Backend], None] = lambda _: None,
    ) -> int:
        """Write one batch in one transaction and seal it; return the position before its first event.

        Without an `account` no fence is looked at. `told` gets the server process before the batch goes to it.

        Raises:
            AnswerLostError: the connection broke before the answer came.
            eventsourcing.persistence.PersistenceError: nothing was written; its cause is psycopg's error.
        """
        parameters = _parameters(events, messages, account, epoch)
        with self.datastore.get_connection() as connection:
            told(self.datastore.backends[connection])
            try:
                return _append(connection.pgconn, parameters)
            except psycopg.Error as error:
                if connection.pgconn.status == ConnStatus.OK:
                    raise
                raise AnswerLostError(str(error).strip(), self.datastore.backends[connection]) from error

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: object) -> Sequence[int] | None:
        """Write the library's events in one batch; return their positions.

        Raises:
            IntegrityError: a stream already holds one of the versions; nothing was written.
            OperationalError: the connection broke; the events may or may not be recorded, so look before a retry.
        """
        events = [
            NewEvent(str(event.originator_id), event.originator_version, event.topic, event.state)
            for event in stored_events
        ]
        if not events:
            return []
        try:
            before = self.append(events)
        except AnswerLostError as error:
            raise OperationalError(f"the answer was lost, the events may be recorded: {error}") from error
        return list(range(before + 1, before + 1 + len(events)))


def _parameters(
    events: Sequence[NewEvent], messages: Sequence[VenueMessage], account: str, epoch: int
) -> tuple[bytes, ...]:
    columns = pack_events(events)
    return (
        account.encode(),
        epoch.to_bytes(8, "big"),
        *columns[:4],
        digest(columns, messages),
        columns.checks,
        *pack_messages(messages),
    )


def _append(connection: PGconn, parameters: tuple[bytes, ...]) -> int:
    result = connection.exec_prepared(_APPEND, parameters, (_BINARY,) * _PARAMETERS, _BINARY)
    if result.status != ExecStatus.TUPLES_OK:
        raise psycopg.errors.error_from_result(result)
    before = result.get_value(0, 0)
    assert before is not None
    return int.from_bytes(before, "big")
