"""What the markets show, apart from any account: the contract with whoever knows, and a bounded memory of candles."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from oms.reports import CandleReport
from oms.values import Symbol

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
# How long a bar lasts at most; a month is over after 31 days at the latest.
INTERVALS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "1m": MINUTE_MS,
        "3m": 3 * MINUTE_MS,
        "5m": 5 * MINUTE_MS,
        "15m": 15 * MINUTE_MS,
        "30m": 30 * MINUTE_MS,
        "1h": 60 * MINUTE_MS,
        "2h": 120 * MINUTE_MS,
        "4h": 240 * MINUTE_MS,
        "1d": DAY_MS,
        "1w": 7 * DAY_MS,
        "1M": 31 * DAY_MS,
    }
)


class MarketData(Protocol):
    """The markets of one venue."""

    def intervals(self, symbol: Symbol) -> tuple[str, ...]:
        """Which of INTERVALS the market of `symbol` offers."""
        ...

    async def candles(self, symbol: Symbol, interval: str, *, since_ms: int, until_ms: int) -> tuple[CandleReport, ...]:
        """Return the bars that open in the window, oldest first, at most as many as are kept of one series: the newest.

        A bar without a trade is not there. One that is `closed` never changes again.

        Raises:
            NoAnswerError: the venue could not be asked for what is missing.
            UnknownSymbolError: there is no such market, or it does not offer the interval.
        """
        ...


class _Series(Struct):
    """One market's bars of one interval, by opening time. Of [`since_ms`, `until_ms`] every bar is here."""

    bars: dict[int, CandleReport]
    since_ms: int
    until_ms: int


class CandleStore:
    """The newest candles of the series that were asked for last. Closed candles are final: what is told of one later
    changes nothing.

    Args:
        candles_max: of one series; the oldest go.
        series_max: of all; the one that was used least recently goes.
    """

    def __init__(self, *, candles_max: int = 2_000, series_max: int = 256) -> None:
        self._candles_max = candles_max
        self._series_max = series_max
        self._series: OrderedDict[tuple[Symbol, str], _Series] = OrderedDict()

    def settle(
        self, symbol: Symbol, interval: str, candles: Iterable[CandleReport], *, since_ms: int, until_ms: int
    ) -> None:
        """Take in every bar that opens in the window, from whoever remembers them all."""
        series = self._used(symbol, interval)
        if series is None or series.until_ms < since_ms - 1 or until_ms < series.since_ms - 1:
            series = _Series({}, since_ms, until_ms)  # nothing joins the two: the newer word stays
            self._series[symbol, interval] = series
        series.since_ms, series.until_ms = min(series.since_ms, since_ms), max(series.until_ms, until_ms)
        for candle in candles:
            _put(series, symbol, interval, candle)
        self._trim(series)

    def push(self, symbol: Symbol, interval: str, candle: CandleReport) -> bool:
        """Take in a bar as it stands; return whether it is the first word of a new one.

        A series that nobody asked for yet remembers nothing of it.
        """
        series = self._series.get((symbol, interval))
        if series is None:
            return False
        newest = max(series.bars, default=None)
        if newest is not None and candle.open_ms < newest:
            return False  # of a bar that is over: its last word is the venue's memory, not a late push
        _put(series, symbol, interval, candle)
        self._trim(series)
        return newest is None or candle.open_ms > newest

    def covers(self, symbol: Symbol, interval: str, *, since_ms: int, until_ms: int) -> bool:
        """Return whether every bar that opens in the window is here."""
        series = self._used(symbol, interval)
        return series is not None and series.since_ms <= since_ms and until_ms <= series.until_ms

    def settled_until(self, symbol: Symbol, interval: str) -> int | None:
        """Return from which opening time on bars may be missing or open; None for a series that is not kept."""
        series = self._series.get((symbol, interval))
        if series is None:
            return None
        still_open = (open_ms for open_ms, candle in series.bars.items() if not candle.closed)
        return min([*still_open, series.until_ms])

    def window(self, symbol: Symbol, interval: str, *, since_ms: int, until_ms: int) -> tuple[CandleReport, ...]:
        """Return the bars that open in the window, oldest first."""
        series = self._used(symbol, interval)
        if series is None:
            return ()
        return tuple(series.bars[open_ms] for open_ms in sorted(series.bars) if since_ms <= open_ms <= until_ms)

    def kept(self) -> tuple[tuple[Symbol, str], ...]:
        """Return the series that are kept."""
        return tuple(self._series)

    def _used(self, symbol: Symbol, interval: str) -> _Series | None:
        series = self._series.get((symbol, interval))
        if series is not None:
            self._series.move_to_end((symbol, interval))
        return series

    def _trim(self, series: _Series) -> None:
        for open_ms in sorted(series.bars)[: -self._candles_max]:
            del series.bars[open_ms]
            series.since_ms = open_ms + 1
        while len(self._series) > self._series_max:
            self._series.popitem(last=False)


def _put(series: _Series, symbol: Symbol, interval: str, candle: CandleReport) -> None:
    known = series.bars.get(candle.open_ms)
    if known is None or not known.closed:
        series.bars[candle.open_ms] = msgspec.structs.replace(candle, symbol=symbol, interval=interval)
