"""BitMart's perpetuals' public wire, as a source of market data (PROTOCOL 6.2, 8.2)."""

from collections.abc import Mapping
from typing import Final

import msgspec

from adapters.bitmart.connection import Dialect
from adapters.bitmart.limits import FUTURES_RATES
from adapters.bitmart.market_data.source import ANONYMOUS, Source, bars, spelled_as_ours
from adapters.bitmart.perp import codec
from adapters.bitmart.perp.dialect import PERP
from adapters.bitmart.perp.spelling import venue_symbol
from adapters.bitmart.rest import Rest, ServerClock
from oms.ports import Clock, Link, Spawn
from oms.values import Symbol

BARS_MAX: Final = 500
# Ours -> the stream's word, and the minutes that REST takes.
WORDS: Final[Mapping[str, str]] = {
    "1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1H", "2h": "2H", "4h": "4H", "1d": "1D",
    "1w": "1W",
}  # fmt: skip
STEPS: Final[Mapping[str, int]] = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "1d": 1440, "1w": 10080,
}  # fmt: skip
# Days and weeks of the stream are left out: the only capture of one begins at 08:00 and a second, so that nobody knows
# which bar of the venue's memory it is of.
OURS: Final = {word: interval for interval, word in WORDS.items() if interval not in ("1d", "1w")}


def perp_source(
    url: str, *, link: Link, clock: Clock, spawn: Spawn, server_clock: ServerClock, callers: int = 1
) -> tuple[Source, Rest]:
    """Return the public wire of the futures host at `url`, which tells no time of its own, and the calls it makes."""
    rest = Rest(
        credentials=ANONYMOUS,
        url=url,
        rates=FUTURES_RATES,
        link=link,
        clock=clock,
        spawn=spawn,
        server_clock=server_clock,
        callers=callers,
    )

    def asked(symbol: Symbol, interval: str, since_s: int, until_s: int) -> Mapping[str, str | int]:
        return {
            "symbol": venue_symbol(symbol),
            "step": STEPS[interval],
            "start_time": since_s,
            "end_time": until_s,
        }

    source = Source(
        dialect=PUBLIC,
        intervals=tuple(WORDS),
        pushed=tuple(OURS.values()),
        bars_max=BARS_MAX,
        history=bars(rest, codec.answer, codec.KLINE, asked),
        book=lambda symbol: f"futures/depthIncrease50:{venue_symbol(symbol)}@100ms",
        trades=lambda symbol: f"futures/trade:{venue_symbol(symbol)}",
        ticker=lambda symbol: f"futures/bookticker:{venue_symbol(symbol)}",
        mark=lambda symbol: f"futures/ticker:{venue_symbol(symbol)}",
        funding=lambda symbol: f"futures/fundingRate:{venue_symbol(symbol)}",
        candles=lambda symbol, interval: f"futures/klineBin{WORDS[interval]}:{venue_symbol(symbol)}",
        request=lambda topic: msgspec.json.encode({"action": "request", "args": [topic]}).decode(),
    )
    return source, rest


PUBLIC: Final[Dialect] = msgspec.structs.replace(
    PERP, topics=(), login=None, optional=frozenset(), read=spelled_as_ours(codec.frame, OURS)
)
