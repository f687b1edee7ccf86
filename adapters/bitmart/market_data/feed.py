"""One market's public stream, followed: books, tickers, trades and candles of some symbols, in bounded memory."""

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from adapters.bitmart.connection import Dialect
from adapters.bitmart.market_data.books import Applied, Book
from adapters.bitmart.market_data.candles import Candles
from adapters.bitmart.market_data.source import ANONYMOUS, Source
from adapters.bitmart.rest import ServerClock
from adapters.bitmart.stream import VenueStream
from oms.ports import Clock, Ids, Link, Spawn
from oms.reports import BookReport, CandleReport, Control, PublicTradeReport, Report, TickerReport
from oms.values import Symbol
from oms.venue import Answer

TRADES_MAX: Final = 1_000  # remembered of one symbol
TOPICS_MAX: Final = 100  # of one connection (PROTOCOL 3.4: 115 on spot)
SNAPSHOT_SECONDS: Final = 1.0  # between two requests for the same book


class Follow(Struct, frozen=True, kw_only=True):
    """What is followed of one symbol."""

    symbol: Symbol
    book: bool = False
    trades: bool = False
    ticker: bool = False
    intervals: tuple[str, ...] = ()


def dialect_of(source: Source, follow: Sequence[Follow]) -> Dialect:
    """Return the dialect of a stream of all that is followed.

    Raises:
        ValueError: one connection does not carry so much.
    """
    topics = [topic for one in follow for topic in _topics(source, one)]
    if len(topics) > TOPICS_MAX:
        raise ValueError(f"{len(topics)} topics are too many for one connection")
    return msgspec.structs.replace(source.dialect, topics=tuple(topics))


def market_feed(
    source: Source,
    follow: Sequence[Follow],
    *,
    url: str,
    link: Link,
    clock: Clock,
    server_clock: ServerClock,
    ids: Ids,
    spawn: Spawn,
) -> "MarketFeed":
    """Return a feed over the public stream at `url`, not yet running."""
    stream = VenueStream(
        dialect_of(source, follow),
        credentials=ANONYMOUS,
        url=url,
        link=link,
        clock=clock,
        server_clock=server_clock,
        ids=ids,
        spawn=spawn,
    )
    candles = Candles(source, clock=clock, spawn=spawn)
    return MarketFeed(source, follow, stream=stream, candles=candles, clock=clock)


class MarketFeed:
    """The state of the followed symbols. `candles` also answers for what is not followed, by asking the venue."""

    def __init__(
        self, source: Source, follow: Sequence[Follow], *, stream: VenueStream, candles: Candles, clock: Clock
    ) -> None:
        self.candles = candles
        self._source = source
        self._stream = stream
        self._clock = clock
        self._books = {one.symbol: Book(one.symbol) for one in follow if one.book}
        self._trades: dict[Symbol, deque[PublicTradeReport]] = {
            one.symbol: deque(maxlen=TRADES_MAX) for one in follow if one.trades
        }
        self._tickers: dict[Symbol, TickerReport | None] = {one.symbol: None for one in follow if one.ticker}
        self._requested_at: dict[Symbol, float] = {}

    def book(self, symbol: Symbol, depth: int = 20) -> BookReport | None:
        """Return a followed book's best levels; None while it is not whole."""
        book = self._books.get(symbol)
        return None if book is None else book.view(depth)

    def ticker(self, symbol: Symbol) -> TickerReport | None:
        """Return the last ticker of a followed symbol; it may be from before a gap: `at_ms` says how old it is."""
        return self._tickers.get(symbol)

    def trades(self, symbol: Symbol) -> tuple[PublicTradeReport, ...]:
        """Return the last trades of a followed symbol, as they came; those of a gap are missing."""
        return tuple(self._trades.get(symbol, ()))

    async def run(self) -> None:
        """Follow for ever."""
        async for answer in self._stream.answers():
            await self.take(answer)

    async def take(self, answer: Answer) -> None:
        """Take in what one frame brought."""
        for report in answer.reports:
            await self._take(report)

    async def _take(self, report: Report) -> None:
        match report:
            case BookReport() if report.symbol in self._books:
                await self._take_book(self._books[report.symbol], report)
            case TickerReport() if report.symbol in self._tickers:
                self._tickers[report.symbol] = report
            case PublicTradeReport() if report.symbol in self._trades:
                self._trades[report.symbol].append(report)
            case CandleReport():
                self.candles.push(report)
            case Control(event="connected"):
                self.candles.repair()
            case Control(event="disconnected"):
                for book in self._books.values():
                    book.invalidate()
            case _:
                pass  # acknowledgements, what nobody follows, what could not be read

    async def _take_book(self, book: Book, report: BookReport) -> None:
        if book.apply(report) is not Applied.GAP:
            return
        now = self._clock.monotonic()
        if now - self._requested_at.get(book.symbol, -SNAPSHOT_SECONDS) >= SNAPSHOT_SECONDS:
            self._requested_at[book.symbol] = now
            await self._stream.say(self._source.request(self._source.book(book.symbol)))


def _topics(source: Source, follow: Follow) -> list[str]:
    symbol = follow.symbol
    topics = [source.candles(symbol, interval) for interval in follow.intervals]
    if follow.book:
        topics.append(source.book(symbol))
    if follow.trades:
        topics.append(source.trades(symbol))
    if follow.ticker:
        topics.append(source.ticker(symbol))
    return topics
