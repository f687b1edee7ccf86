"""BitMart spot's public wire, as a source of market data (PROTOCOL 5.3, 7.3)."""

from collections.abc import Mapping
from typing import Final

import msgspec

from adapters.bitmart.connection import Dialect
from adapters.bitmart.limits import SPOT_RATES
from adapters.bitmart.market_data.source import ANONYMOUS, Source, bars, spelled_as_ours
from adapters.bitmart.rest import Rest
from adapters.bitmart.spot import codec
from adapters.bitmart.spot.dialect import SPOT
from adapters.bitmart.spot.translate import venue_symbol
from oms.ports import Clock, Link, Spawn
from oms.values import Symbol

BARS_MAX: Final = 200
# Ours -> the stream's word, and the minutes that REST takes. REST offers no 3m.
WORDS: Final[Mapping[str, str]] = {
    "1m": "1m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1H", "2h": "2H", "4h": "4H", "1d": "1D", "1w": "1W",
    "1M": "1M",
}  # fmt: skip
STEPS: Final[Mapping[str, int]] = {
    "1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "1d": 1440, "1w": 10080, "1M": 43200,
}  # fmt: skip
OURS: Final = {word: interval for interval, word in WORDS.items()}


def spot_source(url: str, *, link: Link, clock: Clock, spawn: Spawn, callers: int = 1) -> tuple[Source, Rest]:
    """Return the public wire of the spot host at `url`, and the calls it makes."""
    rest = Rest(credentials=ANONYMOUS, url=url, rates=SPOT_RATES, link=link, clock=clock, spawn=spawn, callers=callers)

    def asked(symbol: Symbol, interval: str, since_s: int, until_s: int) -> Mapping[str, str | int]:
        return {
            "symbol": venue_symbol(symbol),
            "step": STEPS[interval],
            "after": since_s,
            "before": until_s,
            "limit": BARS_MAX,
        }

    source = Source(
        dialect=PUBLIC,
        intervals=tuple(WORDS),
        pushed=tuple(OURS.values()),
        bars_max=BARS_MAX,
        history=bars(rest, codec.answer, codec.KLINES, asked),
        book=lambda symbol: f"spot/depth/increase100:{venue_symbol(symbol)}",
        trades=lambda symbol: f"spot/trade:{venue_symbol(symbol)}",
        ticker=lambda symbol: f"spot/ticker:{venue_symbol(symbol)}",
        mark=None,
        funding=None,
        candles=lambda symbol, interval: f"spot/kline{WORDS[interval]}:{venue_symbol(symbol)}",
        request=lambda topic: msgspec.json.encode({"op": "request", "args": [topic]}).decode(),
    )
    return source, rest


PUBLIC: Final[Dialect] = msgspec.structs.replace(
    SPOT,
    topics=(),
    login=None,
    read=spelled_as_ours(codec.frame, OURS),
    unknown=frozenset({"92001"}),  # "symbol invalid": disable it (PROTOCOL 4.8)
)
