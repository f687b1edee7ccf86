"""What a market's public wire has to say of itself, for the rest of this package to work on it."""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from adapters.bitmart.connection import Dialect
from adapters.bitmart.sign import Credentials
from oms.reports import CandleReport
from oms.values import Symbol

ANONYMOUS: Final = Credentials("", "", "")  # public calls and streams take no key


class Source(Struct, frozen=True, kw_only=True):
    """One market's public wire. Intervals are spelled as in `oms.market_data`, here and in the reports of `dialect`.

    `history` returns every bar that opens in the window, in any order, of which there are `bars_max` at most; it raises
    NoAnswerError.
    """

    dialect: Dialect  # its topics are filled in by who listens
    intervals: tuple[str, ...]
    bars_max: int
    history: Callable[[Symbol, str, int, int], Awaitable[tuple[CandleReport, ...]]]
    book: Callable[[Symbol], str]  # the topics of one symbol
    trades: Callable[[Symbol], str]
    ticker: Callable[[Symbol], str]
    candles: Callable[[Symbol, str], str]
    request: Callable[[str], str]  # the frame that asks for a fresh snapshot of a topic
