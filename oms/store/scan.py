"""Reads a whole log fast: one snapshot, a binary cursor on the server, pages of plain tuples."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, cast

import psycopg

from oms.errors import LogUnavailableError
from oms.store.database import Role, connect

Row = tuple[int, str, int, str, bytes]  # position, stream, version, topic, state
PAGE_ROWS: Final = 5_000

_ROWS: Final = """
SELECT notification_id, originator_id, originator_version, topic, state FROM public.stored_events
WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id
"""
_END: Final = 2**63 - 1


class Scan:
    """One reading of the log after `after`, through `upto` or to its end as it is now; blocks, so use it in a thread.

    Raises:
        LogUnavailableError: from here and from `next_page`, when the database is not there.
    """

    def __init__(
        self, url: str, after: int = 0, upto: int | None = None, rows: int = PAGE_ROWS, role: Role = "oms_writer"
    ) -> None:
        self._rows = rows
        self._connection = connect(url, role=role)
        try:
            self._connection.autocommit = False
            self._cursor = self._connection.cursor("scan")
            self._cursor.execute(_ROWS, (after, _END if upto is None else upto), binary=True)
        except psycopg.Error as error:
            self._connection.close()
            raise LogUnavailableError(f"the log cannot be read: {error}".strip()) from error

    def next_page(self) -> Sequence[Row]:
        """Return the next rows in order of position; none at the end."""
        try:
            return cast("Sequence[Row]", self._cursor.fetchmany(self._rows))
        except psycopg.Error as error:
            raise LogUnavailableError(f"the log cannot be read: {error}".strip()) from error

    def close(self) -> None:
        """Close the connection; nothing of the reading is left on the server."""
        self._cursor.close()
        self._connection.close()


def scan(url: str, *, after: int = 0, upto: int | None = None, rows: int = PAGE_ROWS) -> Iterator[Sequence[Row]]:
    """Yield pages of rows in order of position, read by a thread one page ahead. Raises LogUnavailableError."""
    reading = Scan(url, after, upto, rows)
    with ThreadPoolExecutor(1, "oms-log-scan") as ahead:
        try:
            coming = ahead.submit(reading.next_page)
            while page := coming.result():
                coming = ahead.submit(reading.next_page)
                yield page
        finally:
            ahead.submit(reading.close).result()
