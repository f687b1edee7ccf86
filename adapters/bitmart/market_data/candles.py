"""Candles: the venue's memory for what is over, its stream for the bar that is open.

A push never closes a bar: the last one before its end may lack the last trades (there is no closed flag, PROTOCOL 7.3).
So when a new bar begins, and after every gap of the stream, what is not closed yet is asked for again, and only an
answer from after a bar's end makes it final.
"""

import asyncio
from typing import Final

import msgspec

from adapters.bitmart.market_data.source import Source
from oms.errors import UnknownSymbolError
from oms.market_data import INTERVALS, CandleStore
from oms.ports import Clock, Spawn
from oms.reports import CandleReport
from oms.values import PriceSource, Symbol
from oms.venue import NoAnswerError

SETTLED_SECONDS: Final = 2.0  # after a bar's end the venue has counted its last trade
NS_PER_MS: Final = 1_000_000
PAGES_MAX: Final = 10  # of one question


class Candles:
    """The candles of one market's symbols, as `oms.market_data.MarketData`."""

    def __init__(self, source: Source, *, clock: Clock, spawn: Spawn, store: CandleStore | None = None) -> None:
        self._source = source
        self._clock = clock
        self._spawn = spawn
        self._store = store or CandleStore()
        self._repairing: set[tuple[Symbol, str]] = set()

    def intervals(self, symbol: Symbol) -> tuple[str, ...]:  # noqa: ARG002 -- every symbol of a market has the same
        return self._source.intervals

    async def candles(self, symbol: Symbol, interval: str, *, since_ms: int, until_ms: int) -> tuple[CandleReport, ...]:
        if interval not in self._source.intervals:
            raise UnknownSymbolError(f"{symbol} has no candles of {interval}: there are {self._source.intervals}")
        now_ms = self._now_ms()
        until_ms = min(until_ms, now_ms)
        since_ms = max(since_ms, until_ms - PAGES_MAX * self._page_ms(interval))
        if since_ms > until_ms:
            return ()
        if not self._known(symbol, interval, since_ms, until_ms):
            await self._fetch(symbol, interval, self._missing_from(symbol, interval, since_ms), until_ms)
        return self._store.window(symbol, interval, since_ms=since_ms, until_ms=until_ms)

    def push(self, candle: CandleReport) -> None:
        """Take in what the stream says of the open bar; one that begins has the one before looked up."""
        symbol, interval = candle.symbol, candle.interval
        if symbol is None or interval is None or candle.of is not PriceSource.LAST:
            return  # not a bar of this memory
        if self._store.push(symbol, interval, candle):
            self._repair_later(symbol, interval)

    def repair(self) -> None:
        """Ask for all that the stream may have missed."""
        for symbol, interval in self._store.kept():
            self._repair_later(symbol, interval)

    # -------------------------------------------------------------------------------------------- how

    def _known(self, symbol: Symbol, interval: str, since_ms: int, until_ms: int) -> bool:
        """Return whether memory answers: all of the window was settled, and every bar that is over by now is closed."""
        if not self._store.covers(symbol, interval, since_ms=since_ms, until_ms=until_ms):
            return False
        bars = self._store.window(symbol, interval, since_ms=since_ms, until_ms=until_ms)
        return all(bar.closed or not self._over(bar, interval) for bar in bars)

    def _missing_from(self, symbol: Symbol, interval: str, since_ms: int) -> int:
        """Return from where on memory does not answer a question that begins at `since_ms`."""
        settled_ms = self._store.settled_until(symbol, interval)
        if settled_ms is None or settled_ms < since_ms:
            return since_ms
        known = self._store.covers(symbol, interval, since_ms=since_ms, until_ms=settled_ms)
        return settled_ms if known else since_ms

    def _repair_later(self, symbol: Symbol, interval: str) -> None:
        if (symbol, interval) not in self._repairing:
            self._repairing.add((symbol, interval))
            self._spawn(self._repair(symbol, interval), name=f"candles {symbol} {interval}")

    async def _repair(self, symbol: Symbol, interval: str) -> None:
        try:
            await asyncio.sleep(SETTLED_SECONDS)
            since_ms = self._store.settled_until(symbol, interval)
            if since_ms is not None:
                await self._fetch(symbol, interval, since_ms, self._now_ms())
        except NoAnswerError:
            pass  # what is missing is asked for when somebody wants it, or when the next bar begins
        finally:
            self._repairing.discard((symbol, interval))

    async def _fetch(self, symbol: Symbol, interval: str, since_ms: int, until_ms: int) -> None:
        """Ask in pages that no cap can cut, oldest first, and settle each."""
        for _ in range(PAGES_MAX):
            end_ms = min(since_ms + self._page_ms(interval), until_ms)
            bars = await self._source.history(symbol, interval, since_ms, end_ms)
            judged = [msgspec.structs.replace(bar, closed=self._over(bar, interval)) for bar in bars]
            self._store.settle(symbol, interval, judged, since_ms=since_ms, until_ms=end_ms)
            if end_ms >= until_ms:
                return
            since_ms = end_ms + 1

    def _page_ms(self, interval: str) -> int:
        """Return a stretch in which no more bars open than the venue gives at once."""
        return (self._source.bars_max - 1) * INTERVALS[interval]

    def _over(self, bar: CandleReport, interval: str) -> bool:
        return bar.open_ms + INTERVALS[interval] + SETTLED_SECONDS * 1000 <= self._now_ms()

    def _now_ms(self) -> int:
        return self._clock.now_ns() // NS_PER_MS
