"""What the markets show, apart from any account: the contract with whoever knows, and two bounded memories: what a
reader has not taken yet, and candles.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from oms.errors import OmsError
from oms.reports import CandleReport, FundingReport, PublicTradeReport, TickerReport
from oms.values import Symbol

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
# How long a bar lasts at most; a month is over after 31 days at the latest.
INTERVALS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "1m": MINUTE_MS,
        "3m": 3 * MINUTE_MS,
        "5m": 5 * MINUTE_MS,
        "15m": 15 * MINUTE_MS,
        "30m": 30 * MINUTE_MS,
        "1h": 60 * MINUTE_MS,
        "2h": 120 * MINUTE_MS,
        "4h": 240 * MINUTE_MS,
        "1d": DAY_MS,
        "1w": 7 * DAY_MS,
        "1M": 31 * DAY_MS,
    }
)


DEPTH: Final = 20  # levels of each side that a reader is shown
UNREAD_MAX: Final = 1_000  # trades of one reader that he has not taken; then the oldest go, and he is told how many


class TooManyMarketsError(OmsError):
    """No further market can be followed now."""

    code = "too_many_markets"
    retryable = True
    next_step = "end a subscription, or follow fewer markets"


class Kind(StrEnum):
    """What can be followed of a market."""

    BOOK = "book"
    TRADES = "trades"
    TICKER = "ticker"  # with the mark price of a perpetual
    FUNDING = "funding"
    CANDLES = "candles"


class Topic(Struct, frozen=True, kw_only=True):
    """One thing of one market; `interval` of candles, as in INTERVALS."""

    kind: Kind
    symbol: Symbol
    interval: str | None = None


class BookState(Struct, frozen=True, kw_only=True):
    """A market's best levels, (price, quantity), best first, as last told at `heard_ns` (ours, UTC; None: never).

    While the book is not whole (`valid` is False: no snapshot yet, a gap, a lost stream) there are none.
    """

    symbol: Symbol
    valid: bool
    bids: tuple[tuple[Decimal, Decimal], ...] = ()
    asks: tuple[tuple[Decimal, Decimal], ...] = ()
    version: int | None = None
    at_ms: int | None = None
    heard_ns: int | None = None


class Quote(Struct, frozen=True, kw_only=True):
    """What a market is worth now, for whoever must not act on a wrong price.

    `bid` and `ask` are the best of a book that is whole, else None with `valid` False; a side without orders is None as
    well. `mark` and `last` are the newest that were told. Each `*_ns` says when by our clock (UTC); None: never.
    """

    symbol: Symbol
    valid: bool = False
    bid: Decimal | None = None
    ask: Decimal | None = None
    book_ns: int | None = None
    mark: Decimal | None = None
    mark_ns: int | None = None
    last: Decimal | None = None
    last_ns: int | None = None


def unquoted(symbol: Symbol) -> Quote:
    """Return the quote of a market that nobody follows."""
    return Quote(symbol=symbol)


Told = BookState | TickerReport | FundingReport | CandleReport | tuple[PublicTradeReport, ...]


class News(Struct, frozen=True, kw_only=True):
    """What became of a topic, heard at `heard_ns` (ours, UTC). `missed`: trades before these that the reader lost."""

    topic: Topic
    told: Told
    heard_ns: int
    missed: int = 0


class Subscription:
    """What one reader has not taken yet: of a state the newest, of trades the last of them. Never more."""

    def __init__(self, topics: frozenset[Topic]) -> None:
        self.topics = topics
        self._news: dict[Topic, News] = {}
        self._trades: dict[Topic, deque[PublicTradeReport]] = {}
        self._missed: dict[Topic, int] = {}
        self._come = asyncio.Event()

    def put(self, news: News) -> None:
        """Take in what is of one of the topics."""
        topic = news.topic
        if topic not in self.topics:
            return
        if isinstance(news.told, tuple):
            kept = self._trades.setdefault(topic, deque(maxlen=UNREAD_MAX))
            lost = max(len(kept) + len(news.told) - UNREAD_MAX, 0)
            self._missed[topic] = self._missed.get(topic, 0) + lost + news.missed
            kept.extend(news.told)
        self._news[topic] = news
        self._come.set()

    async def next(self) -> Sequence[News]:
        """Return what came since the last call; waits until something does."""
        await self._come.wait()
        self._come.clear()
        news, trades, missed = self._news, self._trades, self._missed
        self._news, self._trades, self._missed = {}, {}, {}
        return tuple(
            each
            if topic not in trades
            else msgspec.structs.replace(each, told=tuple(trades[topic]), missed=missed[topic])
            for topic, each in news.items()
        )


class MarketData(Protocol):
    """The markets of one venue."""

    def intervals(self, symbol: Symbol) -> tuple[str, ...]:
        """Which of INTERVALS the market of `symbol` offers."""
        ...

    async def candles(self, symbol: Symbol, interval: str, *, since_ms: int, until_ms: int) -> tuple[CandleReport, ...]:
        """Return the bars that open in the window, oldest first, at most as many as are kept of one series: the newest.

        A bar without a trade is not there. One that is `closed` never changes again.

        Raises:
            NoAnswerError: the venue could not be asked for what is missing.
            UnknownSymbolError: there is no such market, or it does not offer the interval.
        """
        ...

    def follow(self, symbols: Iterable[Symbol]) -> None:
        """Follow markets from now on, for as long as the system runs: their quotes become valid soon.

        Raises:
            UnknownSymbolError: one is of a market that is not here.
            TooManyMarketsError: every place is taken.
        """
        ...

    def quote(self, symbol: Symbol) -> Quote:
        """Return what a market is worth now; not valid where nobody follows it. Asks nobody and never waits."""
        ...

    def book(self, symbol: Symbol, depth: int = DEPTH) -> BookState:
        """Return a market's book as it is known now; not valid where nobody follows it."""
        ...

    def subscribe(self, topics: frozenset[Topic]) -> Subscription:
        """Follow what is asked for until `unsubscribe`; the subscription begins with what is known already.

        Raises:
            UnknownSymbolError: a market or an interval is not offered here.
            TooManyMarketsError: every place is taken.
        """
        ...

    def unsubscribe(self, subscription: Subscription) -> None:
        """End it; a market that nobody follows any more makes room for others."""
        ...

    def on_mark(self, heard: Callable[[Symbol, Decimal], None]) -> None:
        """Have every mark price of a followed perpetual told to `heard`."""
        ...


class _Series(Struct):
    """One market's bars of one interval, by opening time. Of [`since_ms`, `until_ms`] every bar is here."""

    bars: dict[int, CandleReport]
    since_ms: int
    until_ms: int


class CandleStore:
    """The newest candles of the series that were asked for last. Closed candles are final: what is told of one later
    changes nothing.

    Args:
        candles_max: of one series; the oldest go.
        series_max: of all; the one that was used least recently goes.
    """

    def __init__(self, *, candles_max: int = 2_000, series_max: int = 256) -> None:
        self._candles_max = candles_max
        self._series_max = series_max
        self._series: OrderedDict[tuple[Symbol, str], _Series] = OrderedDict()

    def settle(
        self, symbol: Symbol, interval: str, candles: Iterable[CandleReport], *, since_ms: int, until_ms: int
    ) -> None:
        """Take in every bar that opens in the window, from whoever remembers them all."""
        series = self._used(symbol, interval)
        if series is None or series.until_ms < since_ms - 1 or until_ms < series.since_ms - 1:
            series = _Series({}, since_ms, until_ms)  # nothing joins the two: the newer word stays
            self._series[symbol, interval] = series
        series.since_ms, series.until_ms = min(series.since_ms, since_ms), max(series.until_ms, until_ms)
        for candle in candles:
            _put(series, symbol, interval, candle)
        self._trim(series)

    def push(self, symbol: Symbol, interval: str, candle: CandleReport) -> bool:
        """Take in a bar as it stands; return whether it is the first word of a new one.

        A series that nobody asked for yet remembers nothing of it.
        """
        series = self._series.get((symbol, interval))
        if series is None:
            return False
        newest = max(series.bars, default=None)
        if newest is not None and candle.open_ms < newest:
            return False  # of a bar that is over: its last word is the venue's memory, not a late push
        _put(series, symbol, interval, candle)
        self._trim(series)
        return newest is None or candle.open_ms > newest

    def covers(self, symbol: Symbol, interval: str, *, since_ms: int, until_ms: int) -> bool:
        """Return whether every bar that opens in the window is here."""
        series = self._used(symbol, interval)
        return series is not None and series.since_ms <= since_ms and until_ms <= series.until_ms

    def settled_until(self, symbol: Symbol, interval: str) -> int | None:
        """Return from which opening time on bars may be missing or open; None for a series that is not kept."""
        series = self._series.get((symbol, interval))
        if series is None:
            return None
        still_open = (open_ms for open_ms, candle in series.bars.items() if not candle.closed)
        return min([*still_open, series.until_ms])

    def window(self, symbol: Symbol, interval: str, *, since_ms: int, until_ms: int) -> tuple[CandleReport, ...]:
        """Return the bars that open in the window, oldest first."""
        series = self._used(symbol, interval)
        if series is None:
            return ()
        return tuple(series.bars[open_ms] for open_ms in sorted(series.bars) if since_ms <= open_ms <= until_ms)

    def kept(self) -> tuple[tuple[Symbol, str], ...]:
        """Return the series that are kept."""
        return tuple(self._series)

    def _used(self, symbol: Symbol, interval: str) -> _Series | None:
        series = self._series.get((symbol, interval))
        if series is not None:
            self._series.move_to_end((symbol, interval))
        return series

    def _trim(self, series: _Series) -> None:
        for open_ms in sorted(series.bars)[: -self._candles_max]:
            del series.bars[open_ms]
            series.since_ms = open_ms + 1
        while len(self._series) > self._series_max:
            self._series.popitem(last=False)


def _put(series: _Series, symbol: Symbol, interval: str, candle: CandleReport) -> None:
    known = series.bars.get(candle.open_ms)
    if known is None or not known.closed:
        series.bars[candle.open_ms] = msgspec.structs.replace(candle, symbol=symbol, interval=interval)
