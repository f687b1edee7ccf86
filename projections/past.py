"""The read models as they were: rows folded from the log alone, up to any position, asked as the tables are asked."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from heapq import nlargest
from itertools import islice
from operator import attrgetter
from typing import Any, Final

from oms.asof import TooFarBackError
from oms.ports import EventLog
from oms.values import AccountId, ClientOrderId, StrategyId, Symbol
from projections.fold import Twin
from projections.queries import LIMIT_MAX, Listing, cursor_of, read_cursor
from projections.rows import BalanceRow, BreakRow, FillRow, LedgerBalanceRow, LedgerRow, OrderRow, PositionRow

Rows = list[Any]

PAGE: Final = 2_000  # events read at once
SLICE: Final = 100  # events folded, and their rows built, before others on the loop get their turn: some milliseconds
ROWS_SLICE: Final = 500  # rows gone through before others get theirs: a millisecond
KEPT_SECONDS: Final = 600.0  # that a fold waits for the next question; half a million events are half a gigabyte


class Past:
    """Folds the log to wherever it is asked about. The last fold is kept: a question about a later moment goes on.

    One question folds at a time; `progress` is told of every page. A position beyond `events_max` is refused, also
    where only the last few events are not folded yet: what is kept has that bound, and no answer depends on who asked
    before. What nobody has asked for in `kept_seconds` is let go.
    """

    def __init__(
        self,
        log: EventLog,
        *,
        events_max: int | None = None,
        kept_seconds: float = KEPT_SECONDS,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._log = log
        self._events_max = events_max
        self._kept_seconds = kept_seconds
        self._progress = progress
        self._twin = Twin()
        self._turn = asyncio.Lock()
        self._unasked: asyncio.TimerHandle | None = None

    def at(self, position: int) -> "Then":
        """Return the read models as of `position`; nothing is read before they are asked."""
        return Then(self, position)

    async def chosen(
        self, position: int, table: str, choose: Callable[[Any], bool], best: Callable[[Rows], Rows] = list
    ) -> Rows:
        """Return the rows of `table` as of `position` that `choose` picks, and of those the `best`: it is asked ever
        and again on the way, of what it left and some more.

        Raises:
            TooFarBackError: that is more than may be folded.
            LogUnavailableError: the log cannot be read.
        """
        if self._events_max is not None and position > self._events_max:
            raise TooFarBackError(f"{position} events would be folded, and {self._events_max} are the most")
        async with self._turn:
            if self._unasked is not None:
                self._unasked.cancel()
            if position < self._twin.position:
                self._let_go()
            await self._fold(position)
            try:
                return await _picked(self._twin.rows()[table].values(), choose, best)
            finally:
                self._unasked = asyncio.get_running_loop().call_later(self._kept_seconds, self._let_go)

    async def _fold(self, position: int) -> None:
        twin, self._twin = self._twin, Twin()  # a fold that is broken off half-way is not gone on with
        while twin.position < position:
            page = await self._log.page(after=twin.position, limit=min(PAGE, position - twin.position))
            assert page, "the position was within the log"
            for start in range(0, len(page), SLICE):
                twin.apply(page[start : start + SLICE])
                twin.rows()  # those of the slice: of a whole log they would take a second at one go
                await asyncio.sleep(0)
            self._progress(len(page))
        self._twin = twin

    def _let_go(self) -> None:
        twin, self._twin = self._twin, Twin()
        _shrink(twin)


def _shrink(twin: Twin) -> None:
    """Free the memory of `twin` slice by slice: at one go others would wait for a third of a second."""
    if twin.shrink(ROWS_SLICE):
        asyncio.get_running_loop().call_soon(_shrink, twin)


async def _picked(rows: Iterable[Any], choose: Callable[[Any], bool], best: Callable[[Rows], Rows]) -> Rows:
    left, found = iter(rows), list[Any]()
    while some := list(islice(left, ROWS_SLICE)):
        found = best([*found, *filter(choose, some)])
        await asyncio.sleep(0)
    return found


class Then:
    """The read models at one position; answers as `projections.queries.Queries` does."""

    def __init__(self, past: Past, position: int) -> None:
        self._past = past
        self._position = position

    async def position(self) -> int:
        """Return the position, which never moves."""
        return self._position

    async def wait_for(self, position: int, seconds: float) -> bool:  # noqa: ARG002 - nothing is waited for
        """Return whether the position is not beyond this one."""
        return position <= self._position

    async def orders(
        self,
        *,
        accounts: Sequence[AccountId] | None = None,
        strategy: StrategyId | None = None,
        symbols: Sequence[Symbol] | None = None,
        open_only: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Listing[OrderRow]:
        """Return orders, the latest placed first. Raises CursorError."""

        def choose(row: OrderRow) -> bool:
            return _of(row, accounts, strategy, symbols) and (row.open or not open_only)

        return await self._page("orders", choose, "opened", limit, cursor)

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
        """Return fills, the latest booked first. Raises CursorError."""

        def choose(row: FillRow) -> bool:
            return _of(row, accounts, strategy, symbols) and client_order_id in {None, row.client_order_id}

        return await self._page("fills", choose, "position", limit, cursor)

    async def positions(self, *, accounts: Sequence[AccountId] | None = None) -> Listing[PositionRow]:
        """Return every leg, also the flat ones, in order of account and symbol."""
        rows = await self._past.chosen(
            self._position, "positions", lambda row: accounts is None or row.account in accounts
        )
        return Listing(self._position, sorted(rows, key=lambda row: (row.account, row.symbol, row.leg)))

    async def balances(self, *, accounts: Sequence[AccountId] | None = None) -> Listing[BalanceRow]:
        """Return every balance in order of account and currency."""
        rows = await self._past.chosen(
            self._position, "balances", lambda row: accounts is None or row.account in accounts
        )
        return Listing(self._position, sorted(rows, key=lambda row: (row.account, row.currency)))

    async def breaks(
        self, *, accounts: Sequence[AccountId] | None = None, open_only: bool = False, limit: int = 100,
        cursor: str | None = None,
    ) -> Listing[BreakRow]:  # fmt: skip
        """Return disagreements with the venue, the latest opened first. Raises CursorError."""

        def choose(row: BreakRow) -> bool:
            return (accounts is None or row.account in accounts) and (row.open or not open_only)

        return await self._page("breaks", choose, "opened", limit, cursor)

    async def ledger(
        self,
        *,
        accounts: Sequence[AccountId] | None = None,
        symbols: Sequence[Symbol] | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Listing[LedgerRow]:
        """Return transactions of the ledger, the latest first. Raises CursorError."""

        def choose(row: LedgerRow) -> bool:
            return (accounts is None or row.account in accounts) and (symbols is None or row.symbol in symbols)

        return await self._page("ledger", choose, "position", limit, cursor)

    async def ledger_balances(self, *, accounts: Sequence[AccountId] | None = None) -> Listing[LedgerBalanceRow]:
        """Return every account of the ledger with its sums, in order of account and name."""
        rows = await self._past.chosen(
            self._position, "ledger_balances", lambda row: accounts is None or row.account in accounts
        )
        return Listing(self._position, sorted(rows, key=lambda row: (row.account, row.name, row.asset)))

    async def _page(
        self, table: str, choose: Callable[[Any], bool], name: str, limit: int, cursor: str | None
    ) -> Listing[Any]:
        """Return the rows behind `cursor` that `choose` picks, those with the highest `name` first."""
        limit, place = max(1, min(limit, LIMIT_MAX)), attrgetter(name)
        below = None if cursor is None else read_cursor((name,), cursor)[0]

        found = await self._past.chosen(
            self._position,
            table,
            lambda row: choose(row) and (below is None or place(row) < below),
            lambda rows: nlargest(limit + 1, rows, key=place),
        )
        more = len(found) > limit
        return Listing(self._position, found[:limit], cursor_of(found[limit - 1], (name,)) if more else None)


def _of(
    row: OrderRow | FillRow,
    accounts: Sequence[AccountId] | None,
    strategy: StrategyId | None,
    symbols: Sequence[Symbol] | None,
) -> bool:
    return (
        (accounts is None or row.account in accounts)
        and strategy in {None, row.strategy}
        and (symbols is None or row.symbol in symbols)
    )
