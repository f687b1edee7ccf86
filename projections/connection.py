"""Connections to the read models: asynchronous, and with no more rights than the work needs."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from oms.store.database import READ_COMMITTED, Role, conninfo

SILENT_SECONDS: Final = 3.0

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Connect = Callable[[str, Role], Awaitable[Connection]]


async def connect(url: str, role: Role) -> Connection:
    """Return an autocommit connection that acts as `role`, where the user may. Raises psycopg.OperationalError."""
    connection = await psycopg.AsyncConnection.connect(conninfo(url), autocommit=True)
    try:
        await connection.execute(READ_COMMITTED)
        await act_as(connection, role)
    except BaseException:
        await connection.close()
        raise
    return connection


async def connect_to_write(url: str, role: Role) -> Connection:
    """As `connect`, for pages: who falls silent in the middle of one, since its process was stopped, is ended by the
    server, and does not keep its rows and checkpoints from whoever follows the log in its place.
    """
    connection = await connect(url, role)
    try:
        await connection.execute(
            SQL("SET idle_in_transaction_session_timeout = {}").format(Literal(int(SILENT_SECONDS * 1000)))
        )
    except BaseException:
        await connection.close()
        raise
    return connection


async def act_as(connection: Connection, role: Role) -> None:
    """Give up every right but those of `role`, if the user may; otherwise the user's own rights decide."""
    asked = await connection.execute("SELECT pg_has_role(session_user, to_regrole(%s)::oid, 'MEMBER')", (role,))
    if await asked.fetchone() == (True,):
        await connection.execute(SQL("SET ROLE {}").format(Identifier(role)))
