"""One market's public stream, followed: books, tickers, trades and candles of some symbols, in bounded memory."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from adapters.bitmart.connection import Dialect
from adapters.bitmart.market_data.books import Applied, Book
from adapters.bitmart.market_data.candles import Candles
from adapters.bitmart.market_data.source import ANONYMOUS, Source
from adapters.bitmart.rest import ServerClock
from adapters.bitmart.stream import VenueStream
from oms.market_data import BookState, Kind, Quote
from oms.ports import Clock, Ids, Link, Spawn
from oms.reports import (
    BookReport,
    CandleReport,
    Control,
    FundingReport,
    PublicTradeReport,
    Report,
    TickerReport,
)
from oms.values import Symbol
from oms.venue import Answer

TRADES_MAX: Final = 1_000  # remembered of one symbol
TOPICS_MAX: Final = 100  # of one connection (PROTOCOL 3.4: 115 on spot)
FIGURES: Final = ("bid", "ask", "last", "mark", "at_ms")  # of a ticker
SNAPSHOT_SECONDS: Final = 1.0  # between two requests for the same book


class Follow(Struct, frozen=True, kw_only=True):
    """What is followed of one symbol. `ticker` has the mark of a perpetual in it, `funding` only a perpetual has."""

    symbol: Symbol
    book: bool = False
    trades: bool = False
    ticker: bool = False
    funding: bool = False
    intervals: tuple[str, ...] = ()


Change = BookReport | TickerReport | FundingReport | CandleReport | PublicTradeReport
Heard = Callable[[Symbol, Kind, Change | None], None]  # None: of a book that is not whole any more


def _nobody(symbol: Symbol, kind: Kind, change: Change | None) -> None:
    """Whom a feed tells that nobody listens to."""


def dialect_of(source: Source, follow: Sequence[Follow]) -> Dialect:
    """Return the dialect of a stream of all that is followed; the venue may refuse any of it by its name.

    Raises:
        ValueError: one connection does not carry so much.
    """
    topics = [topic for one in follow for topic in _topics(source, one)]
    if len(topics) > TOPICS_MAX:
        raise ValueError(f"{len(topics)} topics are too many for one connection")
    return msgspec.structs.replace(source.dialect, topics=tuple(topics), optional=frozenset(topics))


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
    candles: Candles | None = None,
    heard: Heard = _nobody,
) -> "MarketFeed":
    """Return a feed over the public stream at `url`, not yet running. `heard` is told of every change."""
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
    candles = candles or Candles(source, clock=clock, spawn=spawn)
    return MarketFeed(source, follow, stream=stream, candles=candles, clock=clock, heard=heard)


class MarketFeed:
    """The state of the followed symbols. `candles` also answers for what is not followed, by asking the venue."""

    def __init__(
        self,
        source: Source,
        follow: Sequence[Follow],
        *,
        stream: VenueStream,
        candles: Candles,
        clock: Clock,
        heard: Heard = _nobody,
    ) -> None:
        self.candles = candles
        self._source = source
        self._stream = stream
        self._clock = clock
        self._heard = heard
        self._books = {one.symbol: Book(one.symbol) for one in follow if one.book}
        self._book_ns: dict[Symbol, int] = {}  # when each was last heard of
        self._trades: dict[Symbol, deque[PublicTradeReport]] = {
            one.symbol: deque(maxlen=TRADES_MAX) for one in follow if one.trades
        }
        self._tickers: dict[Symbol, TickerReport | None] = {one.symbol: None for one in follow if one.ticker}
        self._told_ns: dict[tuple[Symbol, str], int] = {}  # when a ticker's figure was last told
        self._funding: dict[Symbol, FundingReport | None] = {one.symbol: None for one in follow if one.funding}
        self._requested_at: dict[Symbol, float] = {}

    def book(self, symbol: Symbol, depth: int = 20) -> BookReport | None:
        """Return a followed book's best levels; None while it is not whole."""
        book = self._books.get(symbol)
        return None if book is None else book.view(depth)

    def state(self, symbol: Symbol, depth: int) -> BookState:
        """Return a followed book as it stands, and whether it may be relied on."""
        view, heard_ns = self.book(symbol, depth), self._book_ns.get(symbol)
        if view is None:
            return BookState(symbol=symbol, valid=False, heard_ns=heard_ns)
        return BookState(
            symbol=symbol,
            valid=True,
            bids=view.bids or (),
            asks=view.asks or (),
            version=view.version,
            at_ms=view.at_ms,
            heard_ns=heard_ns,
        )

    def quote(self, symbol: Symbol) -> Quote:
        """Return what a followed symbol is worth."""
        book, ticker = self._books.get(symbol), self._tickers.get(symbol)
        valid = book is not None and book.valid
        bid, ask = book.best if book is not None and valid else (None, None)
        return Quote(
            symbol=symbol,
            valid=valid,
            bid=bid,
            ask=ask,
            book_ns=self._book_ns.get(symbol),
            mark=None if ticker is None else ticker.mark,
            mark_ns=self._told_ns.get((symbol, "mark")),
            last=None if ticker is None else ticker.last,
            last_ns=self._told_ns.get((symbol, "last")),
        )

    def ticker(self, symbol: Symbol) -> TickerReport | None:
        """Return the last ticker of a followed symbol; it may be from before a gap: `quote` says how old it is."""
        return self._tickers.get(symbol)

    def funding(self, symbol: Symbol) -> FundingReport | None:
        """Return the last funding rate of a followed symbol."""
        return self._funding.get(symbol)

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
                self._take_ticker(report)
            case FundingReport() if report.symbol in self._funding:
                self._funding[report.symbol] = report
                self._heard(report.symbol, Kind.FUNDING, report)
            case PublicTradeReport() if report.symbol in self._trades:
                self._trades[report.symbol].append(report)
                self._heard(report.symbol, Kind.TRADES, report)
            case CandleReport():
                self.candles.push(report)
                if report.symbol is not None:
                    self._heard(report.symbol, Kind.CANDLES, report)
            case Control(event="connected"):
                self.candles.repair()
            case Control(event="disconnected"):
                for book in self._books.values():
                    book.invalidate()
                    self._heard(book.symbol, Kind.BOOK, None)
            case _:
                pass  # acknowledgements, what nobody follows, what could not be read

    def _take_ticker(self, report: TickerReport) -> None:
        """Keep each figure until it is told anew: perpetuals tell the best prices and the mark on two channels.

        The best prices are told together: the one that is missing has nobody on its side.
        """
        before, now_ns = self._tickers[report.symbol], self._clock.now_ns()
        told = {name: value for name in FIGURES if (value := getattr(report, name)) is not None}
        if "bid" in told or "ask" in told:
            told |= {"bid": report.bid, "ask": report.ask}
        for name in told:
            self._told_ns[report.symbol, name] = now_ns
        self._tickers[report.symbol] = report if before is None else msgspec.structs.replace(before, **told)
        self._heard(report.symbol, Kind.TICKER, self._tickers[report.symbol])

    async def _take_book(self, book: Book, report: BookReport) -> None:
        was_valid, outcome = book.valid, book.apply(report)
        self._book_ns[book.symbol] = self._clock.now_ns()
        if book.valid and outcome is Applied.CHANGED:
            self._heard(book.symbol, Kind.BOOK, report)
        elif was_valid and not book.valid:
            self._heard(book.symbol, Kind.BOOK, None)
        if outcome is not Applied.GAP:
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
    if follow.ticker and source.mark is not None:
        topics.append(source.mark(symbol))
    if follow.funding and source.funding is not None:
        topics.append(source.funding(symbol))
    return topics
