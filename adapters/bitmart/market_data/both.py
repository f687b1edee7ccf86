"""The candles of both of BitMart's markets as one `oms.market_data.MarketData`: a symbol says which it belongs to."""

from adapters.bitmart.market_data.candles import Candles
from adapters.bitmart.perp.market import perp_source
from adapters.bitmart.spot.market import spot_source
from oms.errors import UnknownSymbolError
from oms.ports import Clock, Link, Spawn
from oms.reports import CandleReport
from oms.values import Symbol


class BitmartCandles:
    """Asks the venue for what memory does not hold; no stream is needed, and no key. `futures_url` None: that host has
    no address, and perpetuals no candles.
    """

    def __init__(self, spot_url: str, futures_url: str | None, *, link: Link, clock: Clock, spawn: Spawn) -> None:
        spot, calls = spot_source(spot_url, link=link, clock=clock, spawn=spawn)
        self._spot = Candles(spot, clock=clock, spawn=spawn)
        self._perp: Candles | None = None
        if futures_url is not None:
            perp, _ = perp_source(futures_url, link=link, clock=clock, spawn=spawn, server_clock=calls.server_clock)
            self._perp = Candles(perp, clock=clock, spawn=spawn)

    def _of(self, symbol: Symbol) -> Candles | None:
        return self._perp if ":" in symbol else self._spot

    def intervals(self, symbol: Symbol) -> tuple[str, ...]:
        known = self._of(symbol)
        return () if known is None else known.intervals(symbol)

    async def candles(self, symbol: Symbol, interval: str, *, since_ms: int, until_ms: int) -> tuple[CandleReport, ...]:
        known = self._of(symbol)
        if known is None:
            raise UnknownSymbolError(f"nobody here knows the candles of {symbol}")
        return await known.candles(symbol, interval, since_ms=since_ms, until_ms=until_ms)
