"""Candles of both markets by one call, over the simulated exchange, without a stream and without a key."""

import asyncio

import pytest

from adapters.bitmart.market_data.both import BitmartCandles
from adapters.simulator.chance import chance
from adapters.simulator.link import SimulatedLink
from adapters.simulator.pace import keep_stepping
from adapters.simulator.simulator import Simulator
from oms.errors import UnknownSymbolError
from oms.market_data import INTERVALS, MarketData
from oms.values import Symbol
from oms.venue import NoAnswerError
from tests.adapters.bitmart.fakes import EPOCH_NS, LoopClock, spawn, virtual

NOW_MS = EPOCH_NS // 1_000_000


@virtual
async def test_a_symbol_says_whose_candles_they_are() -> None:
    clock = LoopClock()
    simulator = Simulator(seed=4)
    link = SimulatedLink(simulator, clock, chance(4, "link"))
    both: MarketData = BitmartCandles(
        "http://spot.test", "http://futures.test/futures", link=link, clock=clock, spawn=spawn
    )
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
    alone = BitmartCandles("http://spot.test", None, link=link, clock=clock, spawn=spawn)
    assert alone.intervals(Symbol("BTC/USDT:USDT")) == ()
    with pytest.raises(UnknownSymbolError):
        await alone.candles(Symbol("BTC/USDT:USDT"), "1m", since_ms=0, until_ms=1)
    with pytest.raises(NoAnswerError):
        await both.candles(Symbol("NO/SUCH"), "1m", since_ms=NOW_MS, until_ms=NOW_MS + 1)
    stepping.cancel()
