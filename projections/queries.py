"""The read models as they are asked: every answer of one snapshot, with the position of the log that it reflects."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Generic, Self, TypeVar

import msgspec
import psycopg
from msgspec import Struct
from psycopg import IsolationLevel
from psycopg.sql import SQL, Composable, Composed, Identifier
from psycopg_pool import AsyncConnectionPool

from oms.errors import CursorError, LogUnavailableError
from oms.store.database import conninfo
from oms.values import AccountId, ClientOrderId, StrategyId, Symbol
from projections import checkpoint
from projections.balances import Balances
from projections.breaks import BreaksTable
from projections.connection import Connection, act_as
from projections.fills import Fills
from projections.ledger import LedgerBalances, LedgerTable
from projections.orders import Orders
from projections.positions import Positions
from projections.rows import BalanceRow, BreakRow, FillRow, LedgerBalanceRow, LedgerRow, OrderRow, PositionRow
from projections.table import Cursor, Table

R = TypeVar("R", bound=Struct)

CONNECTIONS_MAX: Final = 4
WAITING_MAX: Final = 200  # questions that wait for a connection; more are refused
CONNECTION_SECONDS: Final = 3.0  # that a question waits for one
RECONNECT_SECONDS: Final = 1.0  # then the pool gives up, and the next question tries anew: else it waits ever longer
LOOK_SECONDS: Final = 0.02  # between looks at the checkpoint while somebody waits for a position
LIMIT_MAX: Final = 1_000  # rows in one answer

_NAMES: Final = ("orders", "fills", "positions", "balances", "breaks", "ledger", "ledger_balances")
_decoder: Final = msgspec.json.Decoder(list[bool | int])
_Condition = tuple[Composable, Sequence[object]]  # SQL, and the values of its parameters


class Listing(Struct, Generic[R], frozen=True):
    """Some rows, as of one position; `next_cursor` asks for more, None at the end."""

    position: int
    rows: Sequence[R]
    next_cursor: str | None = None


class Queries:
    """Asks the read models, as a reader. Every question raises LogUnavailableError when the database is not there."""

    def __init__(self, url: str) -> None:
        self._pool = AsyncConnectionPool[Connection](
            conninfo(url),
            min_size=1,
            max_size=CONNECTIONS_MAX,
            max_waiting=WAITING_MAX,
            timeout=CONNECTION_SECONDS,
            reconnect_timeout=RECONNECT_SECONDS,
            kwargs={"autocommit": True},
            configure=_reader,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )
        self._orders = Orders().table
        self._fills = Fills().table
        self._positions = Positions().table
        self._balances = Balances().table
        self._breaks = BreaksTable().table
        self._ledger = LedgerTable().table
        self._ledger_balances = LedgerBalances().table

    async def __aenter__(self) -> Self:
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    async def position(self) -> int:
        """Return the position that every table reflects."""
        async with self._snapshot() as (_, position):
            return position

    async def wait_for(self, position: int, seconds: float) -> bool:
        """Wait until every table reflects `position`, for so long at most; whether they do."""
        if await self.position() >= position:
            return True
        try:
            async with asyncio.timeout(seconds):
                while await self.position() < position:  # noqa: ASYNC110 - another process moves it
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            return False
        return True

    async def orders(
        self,
        *,
        accounts: Sequence[AccountId] | None = None,
        strategy: StrategyId | None = None,
        symbols: Sequence[Symbol] | None = None,
        open_only: bool = False,
        open_first: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Listing[OrderRow]:
        """Return orders, the latest placed first; with `open_first` the open ones before the others.

        Orders placed meanwhile move nothing. With `open_first`, one that closes while the list is read may show a
        second time, closed, and one that opens again behind the cursor is not shown.

        Raises:
            CursorError: `cursor` is not from such a list.
        """
        order = ("open", "opened") if open_first else ("opened",)
        conditions = [*_of(accounts, strategy, symbols), *([(SQL("open = %s"), (True,))] if open_only else [])]
        return await self._list(self._orders, conditions, order, limit, cursor)

    async def order(self, account: AccountId, client_order_id: ClientOrderId) -> Listing[OrderRow]:
        """Return one order, or no row where there is none."""
        one = (SQL("client_order_id = %s"), (client_order_id,))
        return await self._list(self._orders, [*_of([account]), one], ("opened",), 1, None)

    async def fills(
        self,
        *,
        accounts: Sequence[AccountId] | None = None,
        strategy: StrategyId | None = None,
        symbols: Sequence[Symbol] | None = None,
        client_order_id: ClientOrderId | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Listing[FillRow]:
        """Return fills, the latest booked first.

        Raises:
            CursorError: `cursor` is not from such a list.
        """
        one_order = [] if client_order_id is None else [(SQL("client_order_id = %s"), (client_order_id,))]
        conditions = [*_of(accounts, strategy, symbols), *one_order]
        return await self._list(self._fills, conditions, ("position",), limit, cursor)

    async def positions(self, *, accounts: Sequence[AccountId] | None = None) -> Listing[PositionRow]:
        """Return every leg, also the flat ones, in order of account and symbol."""
        return await self._all(self._positions, _of(accounts))

    async def balances(self, *, accounts: Sequence[AccountId] | None = None) -> Listing[BalanceRow]:
        """Return every balance in order of account and currency."""
        return await self._all(self._balances, _of(accounts))

    async def breaks(
        self, *, accounts: Sequence[AccountId] | None = None, open_only: bool = False, limit: int = 100,
        cursor: str | None = None,
    ) -> Listing[BreakRow]:  # fmt: skip
        """Return disagreements with the venue, the latest opened first. Raises CursorError."""
        conditions = [*_of(accounts), *([(SQL("open = %s"), (True,))] if open_only else [])]
        return await self._list(self._breaks, conditions, ("opened",), limit, cursor)

    async def ledger(
        self,
        *,
        accounts: Sequence[AccountId] | None = None,
        symbols: Sequence[Symbol] | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Listing[LedgerRow]:
        """Return transactions of the ledger, the latest first. Raises CursorError."""
        return await self._list(self._ledger, _of(accounts, symbols=symbols), ("position",), limit, cursor)

    async def ledger_balances(self, *, accounts: Sequence[AccountId] | None = None) -> Listing[LedgerBalanceRow]:
        """Return every account of the ledger with its sums, in order of account and name."""
        return await self._all(self._ledger_balances, _of(accounts))

    # ------------------------------------------------------------------------------------------------ how

    async def _list(
        self,
        table: Table[R],
        conditions: Sequence[_Condition],
        order: Sequence[str],
        limit: int,
        cursor: str | None,
    ) -> Listing[R]:
        """Return the rows behind `cursor`, those with the highest `order` first."""
        limit = max(1, min(limit, LIMIT_MAX))
        after = [] if cursor is None else [_behind(order, cursor)]
        ending = SQL("ORDER BY {} LIMIT %s").format(_joined(SQL("{} DESC").format(Identifier(name)) for name in order))
        async with self._snapshot() as (rows, position):
            found = await _select(rows, table, [*conditions, *after], ending, limit + 1)
        more = len(found) > limit
        return Listing(position, found[:limit], cursor_of(found[limit - 1], order) if more else None)

    async def _all(self, table: Table[R], conditions: Sequence[_Condition]) -> Listing[R]:
        ending = SQL("ORDER BY {}").format(_joined(map(Identifier, table.key)))
        async with self._snapshot() as (rows, position):
            return Listing(position, await _select(rows, table, conditions, ending))

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[tuple[Cursor, int]]:
        try:
            async with (
                self._pool.connection() as connection,
                connection.transaction(),
                connection.cursor(binary=True) as cursor,
            ):
                yield cursor, await checkpoint.reached(cursor, _NAMES)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:  # the pool's own errors are of these too
            raise LogUnavailableError(
                f"the read models cannot be read: {error}".strip(), next_step="ask again once the database is back"
            ) from error


async def _reader(connection: Connection) -> None:
    await act_as(connection, "oms_reader")
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    await connection.set_read_only(True)


async def _select(
    cursor: Cursor, table: Table[R], conditions: Sequence[_Condition], ending: Composable, *limit: int
) -> Sequence[R]:
    """Return the rows of `table` that fulfil all of `conditions`."""
    where = SQL("WHERE {}").format(SQL(" AND ").join(sql for sql, _ in conditions)) if conditions else SQL("")
    question = SQL(" ").join((table.select, where, ending))
    await cursor.execute(question, (*(value for _, values in conditions for value in values), *limit))
    return [table.read(values) async for values in cursor]


def _of(
    accounts: Sequence[AccountId] | None, strategy: StrategyId | None = None, symbols: Sequence[Symbol] | None = None
) -> Sequence[_Condition]:
    conditions: list[_Condition] = []
    if accounts is not None:
        conditions.append((SQL("account = ANY(%s)"), (list(accounts),)))
    if strategy is not None:
        conditions.append((SQL("strategy = %s"), (strategy,)))
    if symbols is not None:
        conditions.append((SQL("symbol = ANY(%s)"), (list(symbols),)))
    return conditions


def _behind(order: Sequence[str], cursor: str) -> _Condition:
    """Return the condition that a row comes after the one that `cursor` was made from. Raises CursorError."""
    values = read_cursor(order, cursor)
    places = SQL(", ").join(SQL("%s") * len(values))
    return SQL("({}) < ({})").format(_joined(map(Identifier, order)), places), values


def read_cursor(order: Sequence[str], cursor: str) -> Sequence[bool | int]:
    """Return the place in a list by `order` that `cursor` stands for. Raises CursorError."""
    try:
        values = _decoder.decode(urlsafe_b64decode(cursor.encode()))
    except (msgspec.MsgspecError, ValueError) as error:
        raise CursorError("the cursor cannot be read") from error
    if [type(value) for value in values] != [bool if name == "open" else int for name in order]:
        raise CursorError("the cursor belongs to another list")
    return values


def cursor_of(row: Struct, order: Sequence[str]) -> str:
    """Return what asks for the rows behind `row` in a list by `order`."""
    return urlsafe_b64encode(msgspec.json.encode([getattr(row, name) for name in order])).decode()


def _joined(parts: Iterable[Composable]) -> Composed:
    return SQL(", ").join(parts)
