"""Public channels that show a state rather than an event: ticker, depth, candles (PROTOCOL 7.3). Each is sent when it
has changed and its interval has passed, and at once to whoever subscribes.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct

from adapters.simulator.exchange.matching import Exchange
from adapters.simulator.exchange.orders import Printed
from adapters.simulator.wire.figures import text
from adapters.simulator.wire.frames import data_frame, levels
from adapters.simulator.wire.tape import Tape
from oms.values import ZERO

DEPTHS: Final = {"spot/depth5": 5, "spot/depth20": 20, "spot/depth50": 50}
KLINES: Final = {
    f"spot/kline{name}": minutes
    for name, minutes in {
        "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1H": 60, "2H": 120, "4H": 240, "1D": 1440, "1W": 10080,
        "1M": 43200,
    }.items()
}  # fmt: skip
TICKER: Final = "spot/ticker"
BOOK_TICKER: Final = "spot/bookTicker"
INCREASE: Final = "spot/depth/increase100"
TRADE: Final = "spot/trade"
TABLES: Final = frozenset({TICKER, BOOK_TICKER, INCREASE, TRADE, *DEPTHS, *KLINES})
INTERVAL_MS: Final = 500
INCREASE_MS: Final = 100
HEARTBEAT_MS: Final = 1_000  # a quiet book repeats its version with empty sides
INCREASE_LEVELS: Final = 100

Levels = Mapping[Decimal, Decimal]  # price -> size


class _Published(Struct):
    """What subscribers of one incremental book have been told."""

    version: int
    asks: Levels
    bids: Levels
    book_version: int
    at_ms: int


class Feeds:
    """The states of all public channels. Versions are per symbol and rise by one with each update."""

    def __init__(self, exchange: Exchange, tape: Tape[Printed]) -> None:
        self._exchange = exchange
        self._tape = tape
        self._sent: dict[str, tuple[int, object]] = {}  # topic -> when, what
        self._books: dict[str, _Published] = {}

    def current(self, topic: str, now_ms: int) -> bytes | None:
        """Return the frame a new subscriber gets at once; None where there is nothing to show yet."""
        table, _, symbol = topic.partition(":")
        if table == INCREASE:
            return self._snapshot(symbol, now_ms)
        element = self._element(table, symbol)
        if element is None:
            return None
        self._sent.setdefault(topic, (now_ms, element))  # the first subscriber has now seen it
        return data_frame(table, [_stamped(table, element, now_ms)])

    def due(self, topics: Iterable[str], now_ms: int) -> list[tuple[str, bytes]]:
        """Return (topic, frame) for each of `topics` (all that have a subscriber) that has something new to say."""
        frames: list[tuple[str, bytes]] = []
        sent: dict[str, tuple[int, object]] = {}
        books: dict[str, _Published] = {}
        for topic in topics:
            table, _, symbol = topic.partition(":")
            if table == INCREASE:
                frame = self._update(symbol, now_ms)
                books[symbol] = self._books[symbol]
            else:
                frame = self._change(topic, table, symbol, now_ms)
                sent[topic] = self._sent[topic]
            if frame is not None:
                frames.append((topic, frame))
        self._sent, self._books = sent, books  # what nobody listens to is forgotten
        return frames

    # -------------------------------------------------------------------------------------------- whole states

    def _change(self, topic: str, table: str, symbol: str, now_ms: int) -> bytes | None:
        at_ms, shown = self._sent.setdefault(topic, (now_ms - INTERVAL_MS, None))
        if 0 <= now_ms - at_ms < INTERVAL_MS:
            return None
        element = self._element(table, symbol)
        if element is None or element == shown:
            return None
        self._sent[topic] = (now_ms, element)
        return data_frame(table, [_stamped(table, element, now_ms)])

    def _element(self, table: str, symbol: str) -> dict[str, object] | None:
        if table == TICKER:
            return self._ticker(symbol)
        if table == BOOK_TICKER:
            return self._best(symbol)
        if table in DEPTHS:
            book = self._exchange.book(symbol)
            limit = DEPTHS[table]
            return {
                "asks": levels(book.asks.depth(limit)),
                "bids": levels(book.bids.depth(limit)),
                "symbol": symbol,
            }
        if table in KLINES:
            bar = self._tape.candle(symbol, KLINES[table])
            if bar is None:
                return None
            figures = (bar.open, bar.high, bar.low, bar.close, bar.volume)
            return {"candle": [bar.open_s, *(text(figure) for figure in figures)], "symbol": symbol}
        return None  # trades are events, not a state

    def _ticker(self, symbol: str) -> dict[str, object] | None:
        day = self._tape.day(symbol)
        if day is None:
            return None
        return {
            **self._best(symbol),
            "base_volume_24h": text(day.volume),
            "fluctuation": text(day.fluctuation),
            "high_24h": text(day.high),
            "last_price": text(day.last),
            "low_24h": text(day.low),
            "open_24h": text(day.open),
            "quote_volume_24h": text(day.turnover),
        }

    def _best(self, symbol: str) -> dict[str, object]:
        book = self._exchange.book(symbol)
        bid, bid_size = next(iter(book.bids.depth(1)), (ZERO, ZERO))
        ask, ask_size = next(iter(book.asks.depth(1)), (ZERO, ZERO))
        return {
            "ask_px": text(ask),
            "ask_sz": text(ask_size),
            "bid_px": text(bid),
            "bid_sz": text(bid_size),
            "symbol": symbol,
        }

    # -------------------------------------------------------------------------------------------- incremental book

    def _snapshot(self, symbol: str, now_ms: int) -> bytes:
        """What has been published, so that the next update continues it."""
        published = self._published(symbol, now_ms)
        element = {
            "asks": levels(tuple(published.asks.items())),
            "bids": levels(tuple(published.bids.items())),
            "ms_t": now_ms,
            "symbol": symbol,
            "type": "snapshot",
            "version": published.version,
        }
        return data_frame(INCREASE, [element])

    def _update(self, symbol: str, now_ms: int) -> bytes | None:
        before = self._published(symbol, now_ms)
        book = self._exchange.book(symbol)
        elapsed = abs(now_ms - before.at_ms)
        quiet = book.version == before.book_version
        if elapsed < (HEARTBEAT_MS if quiet else INCREASE_MS):
            return None
        asks = before.asks if quiet else dict(book.asks.depth(INCREASE_LEVELS))
        bids = before.bids if quiet else dict(book.bids.depth(INCREASE_LEVELS))
        changed_asks, changed_bids = _difference(before.asks, asks), _difference(before.bids, bids)
        version = before.version + 1 if changed_asks or changed_bids else before.version
        self._books[symbol] = _Published(version, asks, bids, book.version, now_ms)
        element = {
            "asks": levels(changed_asks),
            "bids": levels(changed_bids),
            "ms_t": now_ms,
            "symbol": symbol,
            "type": "update",
            "version": version,
        }
        return data_frame(INCREASE, [element])

    def _published(self, symbol: str, now_ms: int) -> _Published:
        published = self._books.get(symbol)
        if published is None:
            book = self._exchange.book(symbol)
            asks, bids = dict(book.asks.depth(INCREASE_LEVELS)), dict(book.bids.depth(INCREASE_LEVELS))
            published = self._books[symbol] = _Published(book.version + 1, asks, bids, book.version, now_ms)
        return published


def _difference(before: Levels, after: Levels) -> list[tuple[Decimal, Decimal]]:
    """Return the levels whose size is another now; one that is gone has size zero."""
    changed = [(price, size) for price, size in after.items() if before.get(price) != size]
    gone = [(price, ZERO) for price in before if price not in after]
    return changed + gone


def _stamped(table: str, element: Mapping[str, object], now_ms: int) -> Mapping[str, object]:
    if table == TICKER:
        return {**element, "ms_t": now_ms, "s_t": now_ms // 1000}
    return element if table in KLINES else {**element, "ms_t": now_ms}
