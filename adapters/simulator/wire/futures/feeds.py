"""Public channels that show a state rather than an event (PROTOCOL 8.2): each is sent when it has changed and its
interval has passed, and at once to whoever subscribes.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct

from adapters.simulator.exchange.futures.contracts import Status
from adapters.simulator.exchange.futures.events import Printed
from adapters.simulator.exchange.futures.exchange import FuturesExchange
from adapters.simulator.exchange.futures.prices import FUNDING_CAP
from adapters.simulator.wire.futures.frames import data_frame, levels
from adapters.simulator.wire.futures.topics import Channel, Topic, read_topic
from adapters.simulator.wire.futures.words import figure
from adapters.simulator.wire.house import House
from adapters.simulator.wire.tape import Candle, Tape
from oms.values import ZERO, Side

Levels = Mapping[Decimal, Decimal]  # price -> contracts
ANSWERING: Final = frozenset({Channel.DEPTH_INCREASE, Channel.FUNDING})  # to the action `request`
STAMP: Final = "ms_t"


class Quote(Struct, frozen=True):
    """A mark price, for the tape that makes candles of them."""

    symbol: str
    price: Decimal
    at_ms: int
    size: Decimal = ZERO


class _Published(Struct):
    """What subscribers of one incremental book have been told."""

    version: int
    asks: Levels
    bids: Levels
    at_ms: int


class Feeds:
    """The states of all public channels. A book's version counts the pushes of its topic."""

    def __init__(self, exchange: FuturesExchange, tape: Tape[Printed], marks: Tape[Quote], house: House) -> None:
        self._exchange = exchange
        self._tape = tape
        self._marks = marks
        self._house = house
        self._sent: dict[str, tuple[int, object]] = {}  # topic -> when, what
        self._books: dict[str, _Published] = {}

    def knows(self, text: str) -> bool:
        """Say whether there is such a topic; of a delisted contract there is none."""
        topic = read_topic(text)
        if topic is None or (topic.symbol and topic.symbol not in self._exchange.contracts):
            return False
        return not topic.symbol or self._exchange.status(topic.symbol) is not Status.DELISTED

    def answers(self, text: str) -> bool:
        """Say whether the topic answers a single `request`."""
        topic = read_topic(text)
        return topic is not None and topic.channel in ANSWERING

    def current(self, text: str, now_ms: int) -> list[str]:
        """Return the frames a new subscriber gets at once."""
        topic = _known(text)
        if topic.channel is Channel.DEPTH_INCREASE:
            return [self._increase(text, topic, self._published(text, topic, now_ms), "snapshot", now_ms)]
        elements = self._elements(topic, now_ms)
        self._sent.setdefault(text, (now_ms, elements))  # the first subscriber has now seen it
        return [data_frame(text, _stamped(topic, element, now_ms)) for element in elements]

    def due(self, texts: Iterable[str], now_ms: int) -> list[tuple[str, str]]:
        """Return (topic, frame) of each of `texts` (all that have a subscriber) that has something new to say."""
        frames: list[tuple[str, str]] = []
        sent: dict[str, tuple[int, object]] = {}
        books: dict[str, _Published] = {}
        for text in texts:
            topic = _known(text)
            if topic.channel is Channel.DEPTH_INCREASE:
                frames += self._update(text, topic, now_ms)
                books[text] = self._books[text]
            elif topic.channel not in {Channel.TRADE, Channel.NOTHING}:
                frames += self._change(text, topic, now_ms)
                sent[text] = self._sent[text]
        self._sent, self._books = sent, books  # what nobody listens to is forgotten
        return frames

    # -------------------------------------------------------------------------------------------- whole states

    def _interval_ms(self, topic: Topic) -> int:
        """Books are pushed as fast as the topic says, or as slowly as the venue was measured to."""
        slow = self._house.settings.book_interval_ms
        books = topic.channel in {Channel.DEPTH, Channel.DEPTH_ALL, Channel.DEPTH_INCREASE, Channel.BOOKTICKER}
        return topic.interval_ms if slow is None or not books else slow

    def _change(self, text: str, topic: Topic, now_ms: int) -> Iterable[tuple[str, str]]:
        interval_ms = self._interval_ms(topic)
        at_ms, shown = self._sent.setdefault(text, (now_ms - interval_ms, None))
        if 0 <= now_ms - at_ms < interval_ms:
            return []
        elements = self._elements(topic, now_ms)
        if elements == shown and topic.channel is not Channel.FUNDING:
            return []
        self._sent[text] = (now_ms, elements)
        before = shown if isinstance(shown, list) else []
        changed = [element for element in elements if element not in before]
        return [(text, data_frame(text, _stamped(topic, element, now_ms))) for element in changed]

    def _elements(self, topic: Topic, now_ms: int) -> list[dict[str, object]]:
        """Return what the topic shows now; each element is a frame of its own."""
        symbol = topic.symbol
        match topic.channel:
            case Channel.TICKER:
                symbols = [symbol] if symbol else list(self._exchange.contracts)
                return [self._ticker(one) for one in symbols]
            case Channel.FUNDING:
                return [self._funding(symbol, now_ms)]
            case Channel.BOOKTICKER:
                return self._bookticker(symbol)
            case Channel.DEPTH:
                asks, bids = self._sides(topic)
                return [
                    {"symbol": symbol, "way": 1, "depths": levels(tuple(bids.items()))},
                    {"symbol": symbol, "way": 2, "depths": levels(tuple(asks.items()))},
                ]
            case Channel.DEPTH_ALL:
                asks, bids = self._sides(topic)
                return [{"symbol": symbol, "asks": levels(tuple(asks.items())), "bids": levels(tuple(bids.items()))}]
            case Channel.KLINE:
                return _klines(symbol, self._tape.candle(symbol, topic.minutes), now_ms)
            case Channel.MARK_KLINE:
                return _klines(symbol, self._marks.candle(symbol, topic.minutes), now_ms)
            case Channel.DEPTH_INCREASE | Channel.TRADE | Channel.NOTHING:
                return []

    def _ticker(self, symbol: str) -> dict[str, object]:
        prices, day = self._exchange.prices(symbol), self._tape.day(symbol)
        (bid, bid_size), (ask, ask_size) = self.best(symbol, Side.BUY), self.best(symbol, Side.SELL)
        return {
            "symbol": symbol,
            "last_price": figure(prices.last),
            "volume_24": "0" if day is None else figure(day.volume),
            "range": "0" if day is None else figure(day.fluctuation),
            "mark_price": figure(prices.mark),
            "index_price": figure(prices.index),
            "ask_price": figure(ask),
            "ask_vol": figure(ask_size),
            "bid_price": figure(bid),
            "bid_vol": figure(bid_size),
        }

    def _funding(self, symbol: str, now_ms: int) -> dict[str, object]:
        """`fundingRate` was settled last, `fundingTime` is about now (measured, PROTOCOL 10.16)."""
        prices = self._exchange.prices(symbol)
        return {
            "symbol": symbol,
            "fundingRate": figure(prices.settled_rate),
            "fundingTime": now_ms // 1000 * 1000,
            "nextFundingRate": figure(prices.expected_rate),
            "nextFundingTime": prices.funding_at_ms,
            "funding_upper_limit": figure(FUNDING_CAP),
            "funding_lower_limit": figure(-FUNDING_CAP),
            "ts": now_ms,
        }

    def _bookticker(self, symbol: str) -> list[dict[str, object]]:
        (bid, bid_size), (ask, ask_size) = self.best(symbol, Side.BUY), self.best(symbol, Side.SELL)
        if not bid and not ask:
            return []
        return [
            {
                "symbol": symbol,
                "best_bid_price": figure(bid),
                "best_bid_vol": figure(bid_size),
                "best_ask_price": figure(ask),
                "best_ask_vol": figure(ask_size),
            }
        ]

    def best(self, symbol: str, side: Side) -> tuple[Decimal, Decimal]:
        """Return price and contracts of the best level of a side; zeros for an empty one."""
        return next(iter(self._exchange.book(symbol).own(side).depth(1)), (ZERO, ZERO))

    def _sides(self, topic: Topic) -> tuple[Levels, Levels]:
        book = self._exchange.book(topic.symbol)
        return dict(book.asks.depth(topic.levels)), dict(book.bids.depth(topic.levels))

    # -------------------------------------------------------------------------------------------- incremental books

    def _update(self, text: str, topic: Topic, now_ms: int) -> list[tuple[str, str]]:
        """An update each interval, also an empty one: it advances the version (measured, unlike spot)."""
        before = self._published(text, topic, now_ms)
        if 0 <= now_ms - before.at_ms < self._interval_ms(topic):
            return []
        asks, bids = self._sides(topic)
        self._books[text] = _Published(before.version + 1, asks, bids, now_ms)
        difference = _Published(
            before.version + 1, _difference(before.asks, asks), _difference(before.bids, bids), now_ms
        )
        return [(text, self._increase(text, topic, difference, "update", now_ms))]

    def _published(self, text: str, topic: Topic, now_ms: int) -> _Published:
        published = self._books.get(text)
        if published is None:
            version = self._exchange.book(topic.symbol).version + 1
            published = self._books[text] = _Published(version, *self._sides(topic), now_ms)
        return published

    @staticmethod
    def _increase(text: str, topic: Topic, shown: _Published, kind: str, now_ms: int) -> str:
        element = {
            "symbol": topic.symbol,
            "asks": levels(tuple(shown.asks.items())),
            "bids": levels(tuple(shown.bids.items())),
            STAMP: now_ms,
            "version": shown.version,
            "type": kind,
        }
        return data_frame(text, element)


def _known(text: str) -> Topic:
    topic = read_topic(text)
    assert topic is not None
    return topic


def _klines(symbol: str, bar: Candle | None, now_ms: int) -> list[dict[str, object]]:
    """The newest bar. Its `ts` is a second into the minute of the push, and no key of the bar (PROTOCOL 8.2)."""
    if bar is None:
        return []
    figures = {"o": bar.open, "h": bar.high, "l": bar.low, "c": bar.close, "v": bar.volume}
    item: dict[str, object] = {name: figure(value) for name, value in figures.items()}
    return [{"symbol": symbol, "items": [{**item, "ts": now_ms // 60_000 * 60 + 1}]}]


def _difference(before: Levels, after: Levels) -> Levels:
    """Return the levels whose size is another now; one that is gone has size zero."""
    changed = {price: size for price, size in after.items() if before.get(price) != size}
    gone = {price: ZERO for price in before if price not in after}
    return {**changed, **gone}


def _stamped(topic: Topic, element: Mapping[str, object], now_ms: int) -> Mapping[str, object]:
    stamped = topic.channel in {Channel.BOOKTICKER, Channel.DEPTH, Channel.DEPTH_ALL}
    return {**element, STAMP: now_ms} if stamped else element
