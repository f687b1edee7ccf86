"""Leases in Postgres, on a connection of their own: a long commit must not keep a leader from renewing.

The connection also holds a session lock for each lease. The server drops it when the process dies, so that a standby
need not wait for the whole lease then; a paused process keeps it, and there the renewals tell.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import psycopg

from oms.errors import LogUnavailableError, OmsError
from oms.lease import Seen
from oms.store.database import connect
from oms.values import AccountId

TIMEOUT_MS: Final = 1_500  # of one statement: a lease that cannot be renewed in time is as good as lost
_LOOK: Final = """
SELECT holder, renewals, NOT pg_try_advisory_xact_lock(hashtextextended(account, 465557353317))
FROM public.leases WHERE account = %s
"""
_TAKE: Final = """
INSERT INTO public.leases (account, holder, renewals) VALUES (%s, %s, 0)
ON CONFLICT (account) DO UPDATE SET holder = excluded.holder, renewals = 0, renewed_at = clock_timestamp()
WHERE leases.holder = %s AND leases.renewals = %s
"""
_RENEW: Final = """
UPDATE public.leases SET renewals = renewals + 1, renewed_at = clock_timestamp() WHERE account = %s AND holder = %s
"""
_RELEASE: Final = "DELETE FROM public.leases WHERE account = %s AND holder = %s"
# The key spells "lease"; Postgres reads hexadecimal numbers only from 16 on.
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended(%s, 465557353317))"
_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtextextended(%s, 465557353317))"

_Result = TypeVar("_Result")
_Connection = psycopg.Connection[tuple[object, ...]]


class PostgresLeases:
    """`oms.lease.Leases` over PostgreSQL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._thread = ThreadPoolExecutor(1, "oms-leases")
        self._connection: _Connection | None = None
        self._locked: set[AccountId] = set()

    async def look(self, account: AccountId) -> Seen | None:
        """Return the lease of `account`, None if nobody holds it. Raises LogUnavailableError."""

        def ask(connection: _Connection) -> Seen | None:
            row = connection.execute(_LOOK, (account,)).fetchone()
            if row is None:
                return None
            holder, renewals, connected = row
            return Seen(str(holder), int(str(renewals)), bool(connected))

        return await self._ask(ask)

    async def seize(self, account: AccountId, holder: str, seen: Seen | None) -> bool:
        """Take the lease if it still is as `seen`; whether it was. Raises LogUnavailableError."""
        before = ("", -1) if seen is None else (seen.holder, seen.renewals)

        def ask(connection: _Connection) -> bool:
            taken = connection.execute(_TAKE, (account, holder, *before)).rowcount == 1
            if taken:
                self._lock(connection, account)
            return taken

        return await self._ask(ask)

    async def renew(self, account: AccountId, holder: str) -> bool:
        """Renew the lease; whether `holder` still has it. Raises LogUnavailableError."""

        def ask(connection: _Connection) -> bool:
            self._lock(connection, account)
            return connection.execute(_RENEW, (account, holder)).rowcount == 1

        return await self._ask(ask)

    async def release(self, account: AccountId, holder: str) -> None:
        """Give the lease up. Raises LogUnavailableError."""

        def ask(connection: _Connection) -> None:
            connection.execute(_RELEASE, (account, holder))
            if account in self._locked:
                self._locked.discard(account)
                connection.execute(_UNLOCK, (account,))

        await self._ask(ask)

    async def close(self) -> None:
        """Close the connection; what is held is left to run out."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    def _lock(self, connection: _Connection, account: AccountId) -> None:
        """Hold the session lock; a look of somebody else may have it for a moment, then the next renewal gets it."""
        if account not in self._locked and connection.execute(_LOCK, (account,)).fetchone() == (True,):
            self._locked.add(account)

    async def _ask(self, question: Callable[[_Connection], _Result]) -> _Result:
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, self._answer, question))

    def _answer(self, question: Callable[[_Connection], _Result]) -> _Result:
        try:
            if self._connection is None:
                self._connection = connect(self._url, role="oms_writer")
                self._connection.execute(f"SET statement_timeout = {TIMEOUT_MS}")
            return question(self._connection)
        except (psycopg.Error, OmsError) as error:
            self._drop()
            raise LogUnavailableError(f"the lease cannot be asked for: {error}".strip()) from error

    def _drop(self) -> None:
        self._locked.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
