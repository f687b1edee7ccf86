"""The public stream, followed over the simulated exchange: books that mend themselves, candles that close."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from adapters.bitmart.market_data.feed import Follow, dialect_of, market_feed
from adapters.bitmart.perp.market import perp_source
from adapters.bitmart.spot import codec
from adapters.bitmart.spot.market import spot_source
from adapters.simulator.chance import chance
from adapters.simulator.link import SimulatedLink
from adapters.simulator.pace import keep_stepping
from adapters.simulator.simulator import Simulator
from oms.reports import BookReport
from oms.values import Symbol
from tests.adapters.bitmart.fakes import EPOCH_NS, FakeLink, LoopClock, PlainIds, spawn, virtual

NOW_MS = EPOCH_NS // 1_000_000
MARKETS = {
    "spot": (Symbol("BTC/USDT"), Symbol("ETH/USDT")),
    "perpetuals": (Symbol("BTC/USDT:USDT"), Symbol("ETH/USDT:USDT")),
}


class Street:
    """A feed over a simulated exchange, and the exchange. `first` is followed whole, of `second` the book alone."""

    def __init__(self, market: str) -> None:
        self.clock = LoopClock()
        self.first, self.second = MARKETS[market]
        self.follow = (
            Follow(symbol=self.first, book=True, trades=True, ticker=True, intervals=("1m", "1h")),
            Follow(symbol=self.second, book=True),
        )
        self.simulator = Simulator(seed=3)
        link = SimulatedLink(self.simulator, self.clock, chance(3, "link"))
        source, rest = spot_source("http://spot.test", link=link, clock=self.clock, spawn=spawn)
        server_clock = rest.server_clock
        ws = "ws://spot.test"
        if market == "perpetuals":
            url, ws = "http://futures.test/futures", "ws://futures.test/futures"
            source, _ = perp_source(url, link=link, clock=self.clock, spawn=spawn, server_clock=server_clock)
        self.feed = market_feed(
            source,
            self.follow,
            url=f"{ws}/api?protocol=1.1",
            link=link,
            clock=self.clock,
            server_clock=server_clock,
            ids=PlainIds(),
            spawn=spawn,
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        work = [spawn(keep_stepping(self.simulator, self.clock), name="steps"), spawn(self.feed.run(), name="feed")]
        try:
            yield
        finally:
            for task in work:
                task.cancel()

    async def mends(self, symbol: Symbol) -> bool:
        """Whether the book is shown whole within a few seconds; at a moment takers may have emptied a side."""
        for _ in range(50):
            if self.agrees(symbol):
                return True
            await asyncio.sleep(0.2)
        return False

    def agrees(self, symbol: Symbol) -> bool:
        """Whether the book that is shown was the exchange's a moment ago: it does not cross and has some depth."""
        shown = self.feed.book(symbol, 100)
        if shown is None or not shown.bids or not shown.asks:
            return False
        return shown.bids[0][0] < shown.asks[0][0] and len(shown.bids) >= 2


@pytest.mark.parametrize("market", MARKETS)
@virtual
async def test_books_trades_tickers_and_candles_come_by_the_stream(market: str) -> None:
    street = Street(market)
    async with street.open():
        assert street.feed.book(street.first) is None, "nothing is shown before a snapshot"
        await asyncio.sleep(90)
        assert await street.mends(street.first)
        assert await street.mends(street.second)
        ticker = street.feed.ticker(street.first)
        assert ticker is not None
        assert ticker.bid is not None
        assert ticker.ask is not None
        assert ticker.bid < ticker.ask
        trades = street.feed.trades(street.first)
        assert len(trades) > 10
        assert street.feed.trades(street.second) == (), "nobody follows those"
        found = await street.feed.candles.candles(street.first, "1m", since_ms=NOW_MS, until_ms=NOW_MS + 90_000)
        first, second = found
        assert (first.closed, second.closed) == (True, False)
        volume = sum(trade.quantity for trade in trades if (trade.at_ms or 0) < NOW_MS + 60_000)
        assert first.volume >= volume > 0, "the stream began a moment after the market"
        assert first.low <= first.close <= first.high


@virtual
async def test_trap_9_37_a_book_that_is_pushed_far_less_often_than_documented_is_not_called_stale() -> None:
    street = Street("perpetuals")
    street.simulator.settings.book_interval_ms = 15_000  # the topic says 200
    async with street.open():
        await asyncio.sleep(60)
        for _ in range(60):
            assert street.feed.book(street.first) is not None
            await asyncio.sleep(1)


@pytest.mark.parametrize("market", MARKETS)
@virtual
async def test_a_lost_stream_hides_the_books_and_the_next_one_mends_all(market: str) -> None:
    street = Street(market)
    async with street.open():
        await asyncio.sleep(30)
        await street.feed.candles.candles(street.first, "1m", since_ms=NOW_MS, until_ms=NOW_MS + 30_000)
        for connection in street.simulator.connections:
            connection.close()
        await asyncio.sleep(0.2)
        assert street.feed.book(street.first) is None
        await asyncio.sleep(180)
        assert await street.mends(street.first)
        found = street.feed.candles._store.window(street.first, "1m", since_ms=NOW_MS, until_ms=NOW_MS + 240_000)
        assert [bar.closed for bar in found] == [True, True, True, False]


@virtual
async def test_a_book_is_hidden_too_when_a_connection_ends_of_which_not_every_topic_was_acknowledged() -> None:
    link, clock, btc = FakeLink(), LoopClock(), MARKETS["spot"][0]
    source, rest = spot_source("http://spot.test", link=link, clock=clock, spawn=spawn)
    feed = market_feed(
        source,
        [Follow(symbol=btc, book=True, trades=True)],
        url="ws://spot.test/user?protocol=1.1",
        link=link,
        clock=clock,
        server_clock=rest.server_clock,
        ids=PlainIds(),
        spawn=spawn,
    )
    spawn(feed.run(), name="feed")
    await asyncio.sleep(1)
    (socket,) = link.sockets
    socket.push('{"event":"subscribe","topic":"spot/depth/increase100:BTC_USDT"}')
    socket.push(
        '{"table":"spot/depth/increase100","data":[{"symbol":"BTC_USDT","type":"snapshot","version":4,"ms_t":1,'
        '"asks":[["101","1"]],"bids":[["100","1"]]}]}'
    )
    await asyncio.sleep(0.1)
    assert feed.state(btc, 5).valid
    link.refuse_connect = 10
    socket.drop()
    await asyncio.sleep(1)
    assert not feed.state(btc, 5).valid


@pytest.mark.parametrize("market", MARKETS)
@virtual
async def test_s59_a_gap_is_mended_by_a_snapshot_that_was_asked_for(market: str) -> None:
    street = Street(market)
    async with street.open():
        await asyncio.sleep(10)
        shown = street.feed.book(street.first, 5)
        assert shown is not None
        assert shown.version is not None
        missed = BookReport(
            symbol=street.first, bids=((Decimal(1), Decimal(1)),), asks=(), version=shown.version + 9, update=True
        )
        await street.feed._take(missed)
        assert street.feed.book(street.first) is None
        await asyncio.sleep(8)  # until snapshots have passed the version that was made up
        assert await street.mends(street.first)


@pytest.mark.parametrize("market", MARKETS)
@virtual
async def test_frames_that_get_lost_doubled_or_late_never_show_a_wrong_book(market: str) -> None:
    street = Street(market)
    async with street.open():
        await asyncio.sleep(5)
        street.simulator.set_faults(
            seed=5, rates={"frame_dropped": 0.1, "frame_duplicated": 0.1, "frame_reordered": 0.2, "frame_garbage": 0.02}
        )
        whole = 0
        for _ in range(150):
            await asyncio.sleep(0.37)
            shown = street.feed.book(street.first, 100)
            if shown is not None and shown.bids and shown.asks:
                whole += 1
                assert shown.bids[0][0] < shown.asks[0][0]
        street.simulator.set_faults(seed=5, rates={})
        await asyncio.sleep(5)
        assert await street.mends(street.first)
        assert whole > 15, "it mends itself again and again"


@pytest.mark.parametrize("market", MARKETS)
@virtual
async def test_the_markets_memory_of_candles_is_read_in_our_words(market: str) -> None:
    street = Street(market)
    async with street.open():
        await asyncio.sleep(30)
        for interval in street.feed.candles.intervals(street.first):
            (bar,) = await street.feed.candles.candles(street.first, interval, since_ms=0, until_ms=NOW_MS + 30_000)
            assert (bar.symbol, bar.interval, bar.closed) == (street.first, interval, False)


def test_more_than_a_connection_carries_is_refused() -> None:
    source, _ = spot_source("http://spot.test", link=None, clock=LoopClock(), spawn=spawn)  # type: ignore[arg-type]
    crowd = [Follow(symbol=Symbol(f"C{number}/USDT"), book=True, ticker=True) for number in range(60)]
    with pytest.raises(ValueError, match="too many"):
        dialect_of(source, crowd)
    everything = Follow(symbol=Symbol("A/B"), book=True, trades=True, ticker=True, intervals=source.intervals)
    assert {topic.partition(":")[0] for topic in dialect_of(source, [everything]).topics} <= set(codec.TABLES)
