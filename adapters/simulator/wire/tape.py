"""What the market has seen: last trades, minute candles and the day's figures, from the printed trades."""

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import groupby
from types import MappingProxyType
from typing import Final, Generic, Protocol, TypeVar

from msgspec import Struct

from oms.values import EXACT, RATIO, ZERO

DAY_S: Final = 86_400
TRADES_MAX: Final = 50  # what spot's GET trades gives at most
CANDLES_MAX: Final = 10_080  # a week of minutes
_FRACTION: Final = Decimal("0.00001")
_COINS: Final[Mapping[str, Decimal]] = MappingProxyType({})


class Print(Protocol):
    """What the tape has to know of a trade."""

    @property
    def symbol(self) -> str: ...
    @property
    def price(self) -> Decimal: ...
    @property
    def size(self) -> Decimal: ...
    @property
    def at_ms(self) -> int: ...


P = TypeVar("P", bound=Print)


class Candle(Struct):
    """One bar from `open_s` (seconds since 1970); `volume` in units of size, `turnover` in quote units."""

    open_s: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    turnover: Decimal

    def add(self, later: "Candle") -> None:
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close = later.close
        self.volume = EXACT.add(self.volume, later.volume)
        self.turnover = EXACT.add(self.turnover, later.turnover)


class Day(Struct, frozen=True):
    """The last 24 hours, to the minute."""

    last: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    turnover: Decimal

    @property
    def fluctuation(self) -> Decimal:
        """The change as a fraction of the opening price."""
        change = EXACT.subtract(self.last, self.open)
        return RATIO.divide(change, self.open).quantize(_FRACTION, ROUND_HALF_EVEN)


class _Strip(Generic[P]):
    """One market's."""

    def __init__(self, trades_max: int, unit: Decimal) -> None:
        self.trades: deque[P] = deque(maxlen=trades_max)
        self.minutes: deque[Candle] = deque(maxlen=CANDLES_MAX)
        self.unit = unit
        self.day: Day | None = None  # of the newest trade; forgotten with the next


class Tape(Generic[P]):
    """All markets' strips. Memory is bounded: `trades_max` trades and a week of minutes each. `units` says how many
    coins a size of one is, where it is not one.
    """

    def __init__(
        self, symbols: Iterable[str], *, trades_max: int = TRADES_MAX, units: Mapping[str, Decimal] = _COINS
    ) -> None:
        self._strips: dict[str, _Strip[P]] = {
            symbol: _Strip(trades_max, units.get(symbol, Decimal(1))) for symbol in symbols
        }

    def record(self, trade: P) -> None:
        strip = self._strips[trade.symbol]
        strip.trades.append(trade)
        strip.day = None
        notional = EXACT.multiply(EXACT.multiply(trade.price, trade.size), strip.unit)
        bar = Candle(
            trade.at_ms // 60_000 * 60, trade.price, trade.price, trade.price, trade.price, trade.size, notional
        )
        if strip.minutes and strip.minutes[-1].open_s >= bar.open_s:  # later: the clock was set back
            strip.minutes[-1].add(bar)
        else:
            strip.minutes.append(bar)

    def trades(self, symbol: str) -> tuple[P, ...]:
        """Return the last trades, oldest first."""
        return tuple(self._strips[symbol].trades)

    def last(self, symbol: str) -> Decimal | None:
        """Return the price of the last trade; None before the first."""
        strip = self._strips[symbol]
        return strip.trades[-1].price if strip.trades else None

    def day(self, symbol: str) -> Day | None:
        """Return the figures of the 24 hours before the last trade; None before the first."""
        strip = self._strips[symbol]
        if strip.day is None and strip.minutes:
            newest = strip.minutes[-1]
            bars = [bar for bar in strip.minutes if bar.open_s > newest.open_s - DAY_S]
            total = _joined(bars, newest.open_s)
            strip.day = Day(total.close, total.open, total.high, total.low, total.volume, total.turnover)
        return strip.day

    def candles(self, symbol: str, minutes: int) -> list[Candle]:
        """Return the bars of `minutes` each, oldest first; a bar without a trade is not there."""
        seconds = minutes * 60
        bars = groupby(self._strips[symbol].minutes, lambda bar: bar.open_s // seconds * seconds)
        return [_joined(list(group), open_s) for open_s, group in bars]

    def candle(self, symbol: str, minutes: int) -> Candle | None:
        """Return the newest bar of `minutes`."""
        strip = self._strips[symbol]
        if not strip.minutes:
            return None
        open_s = strip.minutes[-1].open_s // (minutes * 60) * (minutes * 60)
        bars = []
        for bar in reversed(strip.minutes):
            if bar.open_s < open_s:
                break
            bars.append(bar)
        return _joined(bars[::-1], open_s)


def _joined(bars: list[Candle], open_s: int) -> Candle:
    first = bars[0]
    joined = Candle(open_s, first.open, first.high, first.low, first.close, ZERO, ZERO)
    for bar in bars:
        joined.add(bar)
    return joined
