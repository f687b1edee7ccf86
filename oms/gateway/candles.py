"""What the markets did, bar by bar: the venue's memory through the door, no part of the log."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from oms.asof import AsOfError, read_as_of
from oms.errors import CursorError
from oms.gateway.auth import Accounts, Caller
from oms.gateway.bodies import LIST_MAX, NameQuery
from oms.gateway.problems import ForbiddenError, InvalidQueryError, UnsupportedError
from oms.gateway.views import View, moment, shown
from oms.market_data import INTERVALS, MarketData
from oms.ports import Clock
from oms.values import AccountId, Symbol

NS_PER_MS: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class CandlesQuery(NameQuery, frozen=True, kw_only=True):
    """Which bars: those that open from `start` to `end` (times; by default the newest), oldest first."""

    symbol: str
    interval: str = "1m"
    start: str | None = None
    end: str | None = None
    limit: int = LIST_MAX
    cursor: str | None = None


class CandleView(View, frozen=True, kw_only=True):
    """One bar; `open_at` begins its interval, `volume` is in the market's unit. Nothing changes a `closed` one."""

    open_at: datetime | None
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: bool


class Candles(View, frozen=True, kw_only=True):
    """Bars of one market, without those in which nothing traded; `next_cursor` asks for later ones."""

    position: int
    symbol: str
    interval: str
    items: Sequence[CandleView]
    next_cursor: str | None = None


class CandleQuestions:
    """Answers about bars, from whoever knows each account's markets."""

    def __init__(self, accounts: Accounts, markets: Mapping[AccountId, MarketData], clock: Clock) -> None:
        self._accounts = accounts
        self._markets = markets
        self._clock = clock

    async def candles(self, caller: Caller, query: CandlesQuery) -> Candles:
        """Return bars.

        Raises:
            ForbiddenError: the token is not for that market.
            UnsupportedError: nobody here knows its bars.
            NoAnswerError: the venue could not be asked.
        """
        if not caller.trades(query.symbol):
            raise ForbiddenError(f"the token is not for the symbol {query.symbol[:64]!r}")
        if query.interval not in INTERVALS:
            raise InvalidQueryError(f"interval is one of {', '.join(INTERVALS)}")
        account, symbol = self._accounts.one(caller, query.account).account, Symbol(query.symbol)
        markets = self._markets.get(account)
        if markets is None or query.interval not in markets.intervals(symbol):
            raise UnsupportedError(
                f"{query.symbol[:64]} has no bars of {query.interval} here", next_step="ask for another interval"
            )
        step_ms = INTERVALS[query.interval]
        until_ms = _ms(query.end, self._clock.now_ns() // NS_PER_MS)
        since_ms = _ms(query.start, until_ms - query.limit * step_ms)
        if query.cursor is not None:
            since_ms = max(since_ms, _after(query.cursor))
        bars = await markets.candles(symbol, query.interval, since_ms=since_ms, until_ms=until_ms)
        page = bars[: query.limit]
        return Candles(
            position=self._accounts.position,
            symbol=symbol,
            interval=query.interval,
            items=[shown(CandleView, bar, open_at=moment(bar.open_ms * NS_PER_MS)) for bar in page],
            next_cursor=str(page[-1].open_ms + 1) if len(bars) > len(page) else None,
        )


def _ms(text: str | None, otherwise: int) -> int:
    """Return a time in ms. Raises InvalidQueryError."""
    if text is None:
        return max(otherwise, 0)
    try:
        meant = read_as_of(text)
    except AsOfError as error:
        raise InvalidQueryError(error.cause) from error
    if isinstance(meant, int):
        raise InvalidQueryError(f"{text[:40]!r} is no time")
    return max((meant - _EPOCH) // timedelta(milliseconds=1), 0)


def _after(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):  # noqa: PLR2004 - of milliseconds
        raise CursorError("the cursor is none that this list gave out")
    return int(cursor)
