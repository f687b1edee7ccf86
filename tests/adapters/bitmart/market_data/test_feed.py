"""The public stream, followed over the simulated exchange: books that mend themselves, candles that close."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from adapters.bitmart.market_data.candles import Candles
from adapters.bitmart.market_data.feed import Follow, MarketFeed, dialect_of
from adapters.bitmart.market_data.source import ANONYMOUS
from adapters.bitmart.spot import codec
from adapters.bitmart.spot.market import spot_source
from adapters.bitmart.stream import VenueStream
from adapters.simulator.chance import chance
from adapters.simulator.link import SimulatedLink
from adapters.simulator.pace import keep_stepping
from adapters.simulator.simulator import Simulator
from oms.reports import BookReport
from oms.values import Symbol
from tests.adapters.bitmart.fakes import EPOCH_NS, LoopClock, PlainIds, spawn, virtual

BTC = Symbol("BTC/USDT")
ETH = Symbol("ETH/USDT")
ALL = (
    Follow(symbol=BTC, book=True, trades=True, ticker=True, intervals=("1m", "1h")),
    Follow(symbol=ETH, book=True),
)
NOW_MS = EPOCH_NS // 1_000_000


class Street:
    """A feed over a simulated exchange, and the exchange."""

    def __init__(self, follow: tuple[Follow, ...] = ALL) -> None:
        clock = LoopClock()
        self.simulator = Simulator(seed=3)
        link = SimulatedLink(self.simulator, clock, chance(3, "link"))
        source, rest = spot_source("http://spot.test", link=link, clock=clock, spawn=spawn)
        stream = VenueStream(
            dialect_of(source, follow),
            credentials=ANONYMOUS,
            url="ws://spot.test/api?protocol=1.1",
            link=link,
            clock=clock,
            server_clock=rest.server_clock,
            ids=PlainIds(),
            spawn=spawn,
        )
        candles = Candles(source, clock=clock, spawn=spawn)
        self.feed = MarketFeed(source, follow, stream=stream, candles=candles, clock=clock)
        self._clock = clock

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        work = [spawn(keep_stepping(self.simulator, self._clock), name="steps"), spawn(self.feed.run(), name="feed")]
        try:
            yield
        finally:
            for task in work:
                task.cancel()

    def agrees(self, symbol: Symbol) -> bool:
        """Whether the book that is shown was the exchange's a moment ago: it never crosses and is as deep as there."""
        shown = self.feed.book(symbol, 100)
        if shown is None or not shown.bids or not shown.asks:
            return False
        return shown.bids[0][0] < shown.asks[0][0] and len(shown.bids) >= 5


@virtual
async def test_books_trades_tickers_and_candles_come_by_the_stream() -> None:
    street = Street()
    async with street.open():
        assert street.feed.book(BTC) is None, "nothing is shown before a snapshot"
        await asyncio.sleep(90)
        assert street.agrees(BTC)
        assert street.agrees(ETH)
        ticker = street.feed.ticker(BTC)
        assert ticker is not None
        assert ticker.bid is not None
        assert ticker.ask is not None
        assert ticker.bid < ticker.ask
        trades = street.feed.trades(BTC)
        assert len(trades) > 10
        assert street.feed.trades(ETH) == (), "nobody follows those"
        found = await street.feed.candles.candles(BTC, "1m", since_ms=NOW_MS, until_ms=NOW_MS + 90_000)
        first, second = found
        assert (first.closed, second.closed) == (True, False)
        volume = sum(trade.quantity for trade in trades if (trade.at_ms or 0) < NOW_MS + 60_000)
        assert first.volume >= volume > 0, "the stream began a moment after the market"
        assert first.low <= first.close <= first.high


@virtual
async def test_a_lost_stream_hides_the_books_and_the_next_one_mends_all() -> None:
    street = Street()
    async with street.open():
        await asyncio.sleep(30)
        await street.feed.candles.candles(BTC, "1m", since_ms=NOW_MS, until_ms=NOW_MS + 30_000)
        for connection in street.simulator.connections:
            connection.close()
        await asyncio.sleep(0.2)
        assert street.feed.book(BTC) is None
        await asyncio.sleep(180)
        assert street.agrees(BTC)
        found = street.feed.candles._store.window(BTC, "1m", since_ms=NOW_MS, until_ms=NOW_MS + 240_000)
        assert [bar.closed for bar in found] == [True, True, True, False]


@virtual
async def test_s59_a_gap_is_mended_by_a_snapshot_that_was_asked_for() -> None:
    street = Street()
    async with street.open():
        await asyncio.sleep(10)
        shown = street.feed.book(BTC, 5)
        assert shown is not None
        assert shown.version is not None
        missed = BookReport(
            symbol=BTC, bids=((Decimal(1), Decimal(1)),), asks=(), version=shown.version + 9, update=True
        )
        await street.feed._take(missed)
        assert street.feed.book(BTC) is None
        await asyncio.sleep(8)  # until snapshots have passed the version that was made up
        assert street.agrees(BTC)


@virtual
async def test_frames_that_get_lost_doubled_or_late_never_show_a_wrong_book() -> None:
    street = Street()
    async with street.open():
        await asyncio.sleep(5)
        street.simulator.set_faults(
            seed=5, rates={"frame_dropped": 0.1, "frame_duplicated": 0.1, "frame_reordered": 0.2, "frame_garbage": 0.02}
        )
        whole = 0
        for _ in range(300):
            await asyncio.sleep(0.37)
            shown = street.feed.book(BTC, 100)
            if shown is not None and shown.bids and shown.asks:
                whole += 1
                assert shown.bids[0][0] < shown.asks[0][0]
        street.simulator.set_faults(seed=5, rates={})
        await asyncio.sleep(5)
        assert street.agrees(BTC)
        assert whole > 30, "it mends itself again and again"


@virtual
async def test_the_markets_memory_of_candles_is_read_in_our_words() -> None:
    street = Street()
    async with street.open():
        await asyncio.sleep(30)
        for interval in street.feed.candles.intervals(BTC):
            (bar,) = await street.feed.candles.candles(BTC, interval, since_ms=0, until_ms=NOW_MS + 30_000)
            assert (bar.symbol, bar.interval, bar.closed) == (BTC, interval, False)


def test_more_than_a_connection_carries_is_refused() -> None:
    source, _ = spot_source("http://spot.test", link=None, clock=LoopClock(), spawn=spawn)  # type: ignore[arg-type]
    crowd = [Follow(symbol=Symbol(f"C{number}/USDT"), book=True, ticker=True) for number in range(60)]
    with pytest.raises(ValueError, match="too many"):
        dialect_of(source, crowd)
    assert {topic.partition(":")[0] for topic in dialect_of(source, ALL).topics} <= set(codec.TABLES)
