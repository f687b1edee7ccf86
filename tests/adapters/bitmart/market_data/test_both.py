"""Both markets by one name, over the simulated exchange, without a key: candles by asking, the rest by the stream."""

import asyncio
from contextlib import suppress
from decimal import Decimal

import pytest

from adapters.bitmart.market_data import board
from adapters.bitmart.market_data.both import BitmartMarkets, Hosts
from adapters.simulator.chance import chance
from adapters.simulator.link import SimulatedLink
from adapters.simulator.pace import keep_stepping
from adapters.simulator.simulator import Simulator
from oms.errors import UnknownSymbolError
from oms.market_data import (
    INTERVALS,
    UNREAD_MAX,
    BookState,
    Kind,
    MarketData,
    News,
    Subscription,
    TooManyMarketsError,
    Topic,
)
from oms.reports import PublicTradeReport, TickerReport
from oms.values import Symbol
from oms.venue import NoAnswerError
from tests.adapters.bitmart.fakes import EPOCH_NS, LoopClock, PlainIds, spawn, virtual

NOW_MS = EPOCH_NS // 1_000_000
SPOT, PERP = Symbol("BTC/USDT"), Symbol("BTC/USDT:USDT")
WHOLE = Hosts(
    spot="http://spot.test",
    spot_ws="ws://spot.test",
    futures="http://futures.test/futures",
    futures_ws="ws://futures.test/futures",
)


class Street:
    """Both markets over one simulated exchange that runs by itself."""

    def __init__(self) -> None:
        self.clock = LoopClock()
        self.simulator = Simulator(seed=4)
        link = SimulatedLink(self.simulator, self.clock, chance(4, "link"))
        self.markets: MarketData = BitmartMarkets(WHOLE, link=link, clock=self.clock, ids=PlainIds(), spawn=spawn)
        spawn(keep_stepping(self.simulator, self.clock), name="steps")

    @property
    def connections(self) -> int:
        return len(self.simulator.connections)


async def told(subscription: Subscription, kind: Kind) -> object:
    """Return the next news of `kind`."""
    async with asyncio.timeout(120):
        while True:
            for news in await subscription.next():
                if news.topic.kind is kind:
                    return news.told


@virtual
async def test_what_is_followed_has_a_quote_that_says_whether_and_when() -> None:
    street = Street()
    marks: dict[Symbol, object] = {}
    street.markets.on_mark(marks.__setitem__)
    assert not street.markets.quote(SPOT).valid, "nobody follows it"
    street.markets.follow([SPOT, PERP])
    assert not street.markets.quote(SPOT).valid, "nothing was heard yet"
    await asyncio.sleep(30)
    for symbol in (SPOT, PERP):
        quote, now_ns = street.markets.quote(symbol), street.clock.now_ns()
        assert quote.valid
        assert quote.bid is not None
        assert quote.ask is not None
        assert quote.bid < quote.ask
        assert (quote.bid, quote.ask) == (
            street.markets.book(symbol).bids[0][0],
            street.markets.book(symbol).asks[0][0],
        )
        assert quote.book_ns is not None
        assert 0 <= now_ns - quote.book_ns < 10_000_000_000
    quote = street.markets.quote(PERP)
    assert quote.mark is not None
    assert marks == {PERP: quote.mark}, "spot has no mark"
    assert quote.mark_ns is not None
    for connection in list(street.simulator.connections):
        connection.close()
    await asyncio.sleep(0.2)
    lost = street.markets.quote(SPOT)
    assert (lost.valid, lost.bid, lost.ask) == (False, None, None)
    assert lost.book_ns is not None, "when it was last heard of is still known"


@virtual
async def test_trap_9_51_a_symbol_that_is_gone_costs_those_that_share_its_connection_nothing() -> None:
    street = Street()
    gone = (Symbol("GONE/USDT"), Symbol("GONE/USDT:USDT"))
    street.markets.follow([SPOT, PERP, *gone])
    await asyncio.sleep(30)
    before = list(street.simulator.connections)
    await asyncio.sleep(300)
    assert street.simulator.connections == before, "they last"
    assert street.connections == 2
    assert [street.markets.quote(symbol).valid for symbol in (SPOT, PERP, *gone)] == [True, True, False, False]


@virtual
async def test_a_reader_gets_what_he_asks_for_of_either_market() -> None:
    street = Street()
    topics = frozenset(Topic(kind=kind, symbol=symbol) for kind in (Kind.BOOK, Kind.TRADES) for symbol in (SPOT, PERP))
    more = {Topic(kind=Kind.FUNDING, symbol=PERP), Topic(kind=Kind.CANDLES, symbol=SPOT, interval="1m")}
    subscription = street.markets.subscribe(topics | more)
    first = await told(subscription, Kind.BOOK)
    assert isinstance(first, BookState)
    assert not first.valid, "it begins with what is known: nothing yet"
    seen: set[Topic] = set()
    async with asyncio.timeout(200):
        while seen != subscription.topics:
            seen |= {news.topic for news in await subscription.next()}
    assert street.connections == 3, "two markets, and the candles apart"
    street.markets.unsubscribe(subscription)
    await asyncio.sleep(5)
    with suppress(TimeoutError):
        await asyncio.wait_for(subscription.next(), 5)  # what had come before
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(subscription.next(), 5)


@virtual
async def test_s59_a_reader_is_told_when_a_book_is_no_longer_whole() -> None:
    street = Street()
    subscription = street.markets.subscribe(frozenset({Topic(kind=Kind.BOOK, symbol=PERP)}))
    while not street.markets.quote(PERP).valid:  # noqa: ASYNC110 - the virtual loop ends it
        await asyncio.sleep(0.1)
    for connection in list(street.simulator.connections):
        connection.close()
    await asyncio.sleep(0.2)
    (news,) = await subscription.next()
    assert isinstance(news.told, BookState)
    assert (news.told.valid, news.told.bids) == (False, ())
    async with asyncio.timeout(60):
        while True:
            mended = await told(subscription, Kind.BOOK)
            if isinstance(mended, BookState) and mended.valid and mended.bids:
                break


@virtual
async def test_connections_are_bounded_and_who_left_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "CONNECTIONS_MAX", 2)
    street = Street()
    book = {symbol: frozenset({Topic(kind=Kind.BOOK, symbol=Symbol(f"{symbol}/USDT"))}) for symbol in ("BTC", "ETH")}
    first, second = street.markets.subscribe(book["BTC"]), street.markets.subscribe(book["ETH"])
    candles = frozenset({Topic(kind=Kind.CANDLES, symbol=SPOT, interval="1m")})
    with pytest.raises(TooManyMarketsError):
        street.markets.subscribe(candles)
    street.markets.unsubscribe(second)
    street.markets.subscribe(candles)
    await asyncio.sleep(20)
    assert street.connections == 2
    assert street.markets.quote(SPOT).valid
    assert not street.markets.quote(Symbol("ETH/USDT")).valid, "whose place was taken"
    street.markets.unsubscribe(first)


def test_a_slow_reader_gets_the_newest_state_and_is_told_of_the_trades_he_missed() -> None:
    ticker, trades = Topic(kind=Kind.TICKER, symbol=SPOT), Topic(kind=Kind.TRADES, symbol=SPOT)
    subscription = Subscription(frozenset({ticker, trades}))
    for number in range(UNREAD_MAX + 7):
        price = Decimal(number + 1)
        trade = PublicTradeReport(symbol=SPOT, price=price, quantity=Decimal(1))
        subscription.put(News(topic=trades, told=(trade,), heard_ns=number))
        subscription.put(News(topic=ticker, told=TickerReport(symbol=SPOT, last=price), heard_ns=number))
    subscription.put(News(topic=Topic(kind=Kind.BOOK, symbol=SPOT), told=(), heard_ns=0))
    news = {each.topic: each for each in asyncio.run(subscription.next())}
    assert news.keys() == {ticker, trades}
    assert news[ticker].told == TickerReport(symbol=SPOT, last=Decimal(UNREAD_MAX + 7))
    kept = news[trades].told
    assert isinstance(kept, tuple)
    assert (len(kept), kept[0].price, news[trades].missed) == (UNREAD_MAX, Decimal(8), 7)


@virtual
async def test_what_a_market_does_not_offer_is_refused() -> None:
    street = Street()
    for topic in (
        Topic(kind=Kind.FUNDING, symbol=SPOT),
        Topic(kind=Kind.CANDLES, symbol=SPOT, interval="3m"),
        Topic(kind=Kind.CANDLES, symbol=PERP, interval="1d"),  # nobody knows which bar the stream means
    ):
        with pytest.raises(UnknownSymbolError):
            street.markets.subscribe(frozenset({topic}))
    assert street.connections == 0


@virtual
async def test_a_symbol_says_whose_candles_they_are() -> None:
    clock = LoopClock()
    simulator = Simulator(seed=4)
    link = SimulatedLink(simulator, clock, chance(4, "link"))
    both: MarketData = BitmartMarkets(WHOLE, link=link, clock=clock, ids=PlainIds(), spawn=spawn)
    stepping = spawn(keep_stepping(simulator, clock), name="steps")
    await asyncio.sleep(130)
    for symbol in (Symbol("BTC/USDT"), Symbol("BTC/USDT:USDT")):
        assert set(both.intervals(symbol)) <= set(INTERVALS)
        bars = await both.candles(symbol, "1m", since_ms=NOW_MS, until_ms=NOW_MS + 130_000)
        assert [(bar.symbol, bar.interval, bar.closed) for bar in bars] == [
            (symbol, "1m", True),
            (symbol, "1m", True),
            (symbol, "1m", False),
        ]
        again = await both.candles(symbol, "1m", since_ms=NOW_MS, until_ms=NOW_MS + 119_000)
        assert again == bars[:2]
    assert "3m" not in both.intervals(Symbol("BTC/USDT")), "spot remembers no bars of three minutes"
    with pytest.raises(UnknownSymbolError):
        await both.candles(Symbol("BTC/USDT"), "3m", since_ms=0, until_ms=1)
    spot_alone = Hosts(spot="http://spot.test", spot_ws="ws://spot.test")
    alone = BitmartMarkets(spot_alone, link=link, clock=clock, ids=PlainIds(), spawn=spawn)
    assert alone.intervals(Symbol("BTC/USDT:USDT")) == ()
    with pytest.raises(UnknownSymbolError):
        await alone.candles(Symbol("BTC/USDT:USDT"), "1m", since_ms=0, until_ms=1)
    with pytest.raises(NoAnswerError):
        await both.candles(Symbol("NO/SUCH"), "1m", since_ms=NOW_MS, until_ms=NOW_MS + 1)
    stepping.cancel()
