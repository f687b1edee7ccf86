"""The followed symbols of one market: those of the configuration for good, others for as long as somebody listens.

Symbols that are followed for good share connections; one that somebody subscribes to gets a connection of its own, and
another one for its candles, which stay when he leaves and end when their place is needed. So connections are bounded,
and a market that is asked for again and again is not connected again and again (the venue takes 30 new connections a
minute, PROTOCOL 3.4).
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from adapters.bitmart.market_data.feed import TOPICS_MAX, Change, Follow, Heard, MarketFeed
from oms.errors import UnknownSymbolError
from oms.market_data import (
    DEPTH,
    BookState,
    Kind,
    News,
    Quote,
    Subscription,
    Told,
    TooManyMarketsError,
    Topic,
)
from oms.ports import Clock, Spawn, Task
from oms.reports import BookReport, CandleReport, PublicTradeReport, TickerReport
from oms.values import Symbol

CONNECTIONS_MAX: Final = 12  # of 20 that the venue takes from one address on spot; the rest are for others there
TOPICS_EACH: Final = 5  # of a symbol, without candles
TOGETHER_MAX: Final = TOPICS_MAX // TOPICS_EACH  # symbols of one connection

OpenFeed = Callable[[Sequence[Follow], Heard], MarketFeed]


class _Followed(Struct):
    """One connection. `kept`: it ends with the system alone."""

    keys: tuple["_Key", ...]
    feed: MarketFeed
    task: Task
    kept: bool


_Key = tuple[Symbol, bool]  # a symbol, and whether it is about its candles


class Board:
    """What is known of one market's symbols now."""

    def __init__(
        self, open_feed: OpenFeed, intervals: Sequence[str], *, has_funding: bool, clock: Clock, spawn: Spawn
    ) -> None:
        self._open_feed = open_feed
        self._intervals = tuple(intervals)  # that the stream tells of
        self._has_funding = has_funding
        self._clock = clock
        self._spawn = spawn
        self._followed: list[_Followed] = []
        self._feeds: dict[_Key, _Followed] = {}
        self._subscriptions: list[Subscription] = []
        self._mark_heard: list[Callable[[Symbol, Decimal], None]] = []

    def on_mark(self, heard: Callable[[Symbol, Decimal], None]) -> None:
        self._mark_heard.append(heard)

    def follow(self, symbols: Iterable[Symbol]) -> None:
        """Follow `symbols` for good."""
        wanted = [(symbol, False) for symbol in sorted(set(symbols))]
        for key in wanted:
            if key in self._feeds:
                self._feeds[key].kept = True
        new = [key for key in wanted if key not in self._feeds]
        for start in range(0, len(new), TOGETHER_MAX):
            self._connect(tuple(new[start : start + TOGETHER_MAX]), kept=True)

    def quote(self, symbol: Symbol) -> Quote:
        followed = self._feeds.get((symbol, False))
        return Quote(symbol=symbol) if followed is None else followed.feed.quote(symbol)

    def book(self, symbol: Symbol, depth: int) -> BookState:
        followed = self._feeds.get((symbol, False))
        return BookState(symbol=symbol, valid=False) if followed is None else followed.feed.state(symbol, depth)

    def subscribe(self, subscription: Subscription, topics: Iterable[Topic]) -> None:
        """Follow `topics`, all of them or none, and put what is known into the subscription."""
        asked = [topic for topic in topics if self._offered(topic)]
        self._subscriptions.append(subscription)  # first: nobody's place is taken that it needs itself
        try:
            for key in sorted({_key(topic) for topic in asked}):
                if key not in self._feeds:
                    self._connect((key,), kept=False)
        except TooManyMarketsError:
            self._subscriptions.remove(subscription)
            raise
        for topic in asked:
            self._begin(subscription, topic)

    def unsubscribe(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    # -------------------------------------------------------------------------------------------- connections

    def _offered(self, topic: Topic) -> bool:
        """Return True. Raises UnknownSymbolError for what this market does not offer."""
        if topic.kind is Kind.CANDLES and topic.interval not in self._intervals:
            raise UnknownSymbolError(f"{topic.symbol} has no candles of {topic.interval}: there are {self._intervals}")
        if topic.kind is Kind.FUNDING and not self._has_funding:
            raise UnknownSymbolError(f"{topic.symbol} pays no funding: it is no perpetual")
        return True

    def _connect(self, keys: tuple[_Key, ...], *, kept: bool) -> None:
        if len(self._followed) >= CONNECTIONS_MAX and not self._make_room():
            raise TooManyMarketsError(f"{len(self._followed)} connections follow markets, and somebody needs each")
        feed = self._open_feed([self._follow(*key) for key in keys], self._heard)
        names = ", ".join(symbol for symbol, _ in keys)
        task = self._spawn(feed.run(), name=f"market data of {names[:80]}")
        followed = _Followed(keys, feed, task, kept)
        self._followed.append(followed)
        self._feeds.update(dict.fromkeys(keys, followed))

    def _follow(self, symbol: Symbol, bars: bool) -> Follow:  # noqa: FBT001  # a key, taken apart
        if bars:
            return Follow(symbol=symbol, intervals=self._intervals)
        return Follow(symbol=symbol, book=True, trades=True, ticker=True, funding=self._has_funding)

    def _make_room(self) -> bool:
        """End one connection that nobody needs, the oldest; whether there was one."""
        wanted = {_key(topic) for each in self._subscriptions for topic in each.topics}
        idle = next((each for each in self._followed if not each.kept and not wanted.intersection(each.keys)), None)
        if idle is None:
            return False
        idle.task.cancel()
        self._followed.remove(idle)
        for key in idle.keys:
            del self._feeds[key]
        return True

    # -------------------------------------------------------------------------------------------- news

    def _begin(self, subscription: Subscription, topic: Topic) -> None:
        """Put what is known of `topic` into a new subscription: a book also while it is not whole."""
        feed = self._feeds[_key(topic)].feed
        match topic.kind:
            case Kind.BOOK:
                self._put((subscription,), topic, feed.state(topic.symbol, DEPTH))
            case Kind.TICKER:
                self._put((subscription,), topic, feed.ticker(topic.symbol))
            case Kind.FUNDING:
                self._put((subscription,), topic, feed.funding(topic.symbol))
            case Kind.TRADES | Kind.CANDLES:
                pass  # what was is `/v1/candles`' to say; from now on

    def _heard(self, symbol: Symbol, kind: Kind, change: Change | None) -> None:
        if isinstance(change, TickerReport) and change.mark is not None:
            for heard in self._mark_heard:
                heard(symbol, change.mark)
        interval = change.interval if isinstance(change, CandleReport) else None
        topic = Topic(kind=kind, symbol=symbol, interval=interval)
        readers = [each for each in self._subscriptions if topic in each.topics]
        if readers:
            self._put(readers, topic, self._told(symbol, change))

    def _told(self, symbol: Symbol, change: Change | None) -> Told:
        match change:
            case PublicTradeReport():
                return (change,)
            case None | BookReport():
                return self.book(symbol, DEPTH)
            case _:
                return change

    def _put(self, readers: Iterable[Subscription], topic: Topic, told: Told | None) -> None:
        if told is not None:
            news = News(topic=topic, told=told, heard_ns=self._clock.now_ns())
            for reader in readers:
                reader.put(news)


def _key(topic: Topic) -> _Key:
    return topic.symbol, topic.kind is Kind.CANDLES
