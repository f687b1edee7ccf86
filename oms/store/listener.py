"""Hears from Postgres that the log has grown, on the event loop, without a thread or a task of its own."""

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg

from oms.store.database import connect


class Listener:
    """One connection that listens; `heard` is called on the loop with the last position of every commit."""

    def __init__(self, url: str, heard: Callable[[int], None]) -> None:
        self._url = url
        self._heard = heard
        self._connection: psycopg.Connection[Any] | None = None
        self._socket = -1

    @property
    def listening(self) -> bool:
        return self._connection is not None

    def open(self) -> psycopg.Connection[Any]:
        """Return a connection that listens; it blocks, so call it off the loop. Raises OmsError, psycopg.Error."""
        connection = connect(self._url, role="oms_writer")
        try:
            connection.execute("LISTEN stored_events")
        except psycopg.Error:
            connection.close()
            raise
        return connection

    def attach(self, connection: psycopg.Connection[Any]) -> None:
        """Watch `connection` from the running loop; it takes the place of an earlier one."""
        self.close()
        self._connection, self._socket = connection, connection.fileno()
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Stop listening."""
        if self._connection is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._connection.close()
            self._connection = None

    def _readable(self) -> None:
        assert self._connection is not None
        wire = self._connection.pgconn
        try:
            wire.consume_input()
            while (notice := wire.notifies()) is not None:
                self._heard(int(notice.extra))
        except psycopg.OperationalError:  # the connection is gone; whoever waits polls until it is opened again
            self.close()
