"""Reads a whole log fast: one snapshot, a binary cursor on the server, pages of plain tuples."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, cast

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
    """One reading of the log after `after`, through `upto` or to its end at the first page. Blocks: use one thread."""

    def __init__(
        self, url: str, after: int = 0, upto: int | None = None, rows: int = PAGE_ROWS, role: Role = "oms_writer"
    ) -> None:
        self._url, self._role, self._rows = url, role, rows
        self._range = (after, _END if upto is None else upto)
        self._open: tuple[psycopg.Connection[Any], psycopg.ServerCursor[Any]] | None = None

    def next_page(self) -> Sequence[Row]:
        """Return the next rows in order of position; none at the end. Raises LogUnavailableError."""
        try:
            if self._open is None:
                connection = connect(self._url, role=self._role)
                self._open = connection, connection.cursor("scan")
                connection.autocommit = False
                self._open[1].execute(_ROWS, self._range, binary=True)
            return cast("Sequence[Row]", self._open[1].fetchmany(self._rows))
        except psycopg.Error as error:
            raise LogUnavailableError(f"the log cannot be read: {error}".strip()) from error

    def close(self) -> None:
        """Close the connection; nothing of the reading is left on the server."""
        if self._open is not None:
            for part in reversed(self._open):
                part.close()
            self._open = None


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
