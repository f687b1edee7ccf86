"""Whether a batch is in the log, when its answer was lost: asked once nothing of it can still happen.

Taking the writers' lock is not enough. A server process that has our call in its socket buffer takes the lock after us
and commits what we just found absent. So that process has to be gone first.
"""

from typing import Any, Final

import psycopg
from psycopg.rows import tuple_row

from oms.ports import AlreadyThere, Batch, Conflict, NotCommitted
from oms.store.recorder import Backend

# An idle process has nothing of ours in work, and ending it drops what it has not read. A busy one is left to finish: a
# commit is never cancelled. Its row goes only after its transaction has ended.
_OVER: Final = """
SELECT CASE WHEN state = 'idle' THEN pg_terminate_backend(pid) END
FROM pg_stat_activity WHERE pid = %s AND backend_start = %s
"""
_EVENTS: Final = """
SELECT stream, version, log.topic, log.state, log.notification_id
FROM unnest(%s::text[], %s::bigint[]) AS asked (stream, version)
JOIN public.stored_events AS log ON log.originator_id = stream AND log.originator_version = version
"""
_MESSAGES: Final = "SELECT count(*) FROM public.venue_messages WHERE message_id = ANY(%s::text[])"
_HEAD: Final = "SELECT coalesce(max(last), 0) FROM public.seals"


def is_over(connection: psycopg.Connection[Any], backend: Backend) -> bool:
    """Return whether `backend` is gone, having ended it if it stood idle. Raises psycopg.Error."""
    return connection.execute(_OVER, (backend.pid, backend.started)).fetchone() is None


def read_back(connection: psycopg.Connection[Any], batch: Batch, reason: str) -> AlreadyThere | Conflict | NotCommitted:
    """Return what became of `batch`, read under the writers' lock; `reason` is told if nothing of it is there.

    Raises psycopg.Error.
    """
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("SELECT public.lock_log()")
        if batch.events:
            return _events(cursor, batch, reason)
        cursor.execute(_MESSAGES, ([message.message_id for message in batch.messages],))
        if cursor.fetchone() != (len(batch.messages),):
            return NotCommitted(reason)
        row = cursor.execute(_HEAD).fetchone()
        assert row is not None
        return AlreadyThere(int(row[0]) + 1, int(row[0]))


def _events(cursor: psycopg.Cursor[Any], batch: Batch, reason: str) -> AlreadyThere | Conflict | NotCommitted:
    asked = [event.stream for event in batch.events], [event.version for event in batch.events]
    recorded = {(row[0], row[1]): row[2:] for row in cursor.execute(_EVENTS, asked, binary=True)}
    return judge(batch, recorded, reason)


def judge(
    batch: Batch, recorded: dict[tuple[str, int], tuple[str, bytes, int]], reason: str
) -> AlreadyThere | Conflict | NotCommitted:
    """Compare `batch` with what the log holds of it: (stream, version) to (topic, state, position)."""
    if not recorded:
        return NotCommitted(reason)
    found = [recorded.get((event.stream, event.version)) for event in batch.events]
    same = [
        there is not None and there[:2] == (event.topic, event.state)
        for there, event in zip(found, batch.events, strict=True)
    ]
    if all(same):
        positions = [there[2] for there in found if there is not None]
        return AlreadyThere(min(positions), max(positions))
    return Conflict(_streams(recorded))


def _streams(recorded: dict[tuple[str, int], tuple[str, bytes, int]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(stream for stream, _ in recorded))
