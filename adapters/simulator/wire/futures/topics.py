"""The public channels of BitMart futures, and how a subscriber names them (PROTOCOL 8.2)."""

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from msgspec import Struct

KLINES: Final = {
    "1m": 1, "5m": 5, "15m": 15, "30m": 30, "1H": 60, "2H": 120, "4H": 240, "12H": 720, "1D": 1440, "1W": 10080,
}  # fmt: skip
TICKER_MS: Final = 1_000
FUNDING_MS: Final = 60_000
KLINE_MS: Final = 500  # not documented
DEPTH_MS: Final = 200  # without a speed in the topic; not documented
BOOKTICKER_MS: Final = 100  # documented as real time
TOPIC: Final = re.compile(
    r"futures/(?:"
    r"(?P<single>ticker|fundingRate|bookticker|trade)"
    r"|(?P<old>v2/)?(?P<book>depth|depthAll|depthIncrease)(?P<levels>5|20|50)"
    r"|(?P<kline>klineBin|markPriceKlineBin)(?P<bar>[0-9]+[mHDW])"
    r")(?::(?P<symbol>[A-Z0-9]+))?(?P<speed>@(?:100|200)ms)?"
)


class Channel(Enum):
    """What a topic shows."""

    TICKER = auto()
    FUNDING = auto()
    BOOKTICKER = auto()
    TRADE = auto()
    DEPTH = auto()
    DEPTH_ALL = auto()
    DEPTH_INCREASE = auto()
    NOTHING = auto()  # acknowledged, and nothing ever comes
    KLINE = auto()
    MARK_KLINE = auto()


class Topic(Struct, frozen=True, kw_only=True):
    """A topic, read. `symbol` "" is every contract; `levels` of a book per side, `minutes` of a bar."""

    channel: Channel
    symbol: str
    interval_ms: int
    levels: int = 0
    minutes: int = 0


_SINGLES: Final = {
    "ticker": (Channel.TICKER, TICKER_MS),
    "fundingRate": (Channel.FUNDING, FUNDING_MS),
    "bookticker": (Channel.BOOKTICKER, BOOKTICKER_MS),
    "trade": (Channel.TRADE, 0),
}
_BOOKS: Final = {
    "depth": Channel.DEPTH,
    "depthAll": Channel.DEPTH_ALL,
    "depthIncrease": Channel.DEPTH_INCREASE,
}


@lru_cache(maxsize=10_000)
def read_topic(text: str) -> Topic | None:
    """Return what `text` names, or None if there is no such channel; whether the contract exists is not looked at."""
    found = TOPIC.fullmatch(text)
    if found is None:
        return None
    single, book, kline = found["single"], found["book"], found["kline"]
    symbol, speed = found["symbol"] or "", found["speed"]
    if not symbol and single != "ticker":
        return None
    if book:
        if found["old"] and book == "depth":
            return None
        interval_ms = int(speed[1:4]) if speed else DEPTH_MS
        channel = Channel.NOTHING if found["old"] else _BOOKS[book]
        return Topic(channel=channel, symbol=symbol, interval_ms=interval_ms, levels=int(found["levels"]))
    if speed:
        return None
    if kline:
        minutes = KLINES.get(found["bar"])
        channel = Channel.KLINE if kline == "klineBin" else Channel.MARK_KLINE
        return None if minutes is None else Topic(channel=channel, symbol=symbol, interval_ms=KLINE_MS, minutes=minutes)
    channel, interval_ms = _SINGLES[single]
    return Topic(channel=channel, symbol=symbol, interval_ms=interval_ms)
