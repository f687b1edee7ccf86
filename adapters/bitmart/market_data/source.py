"""What a market's public wire has to say of itself, for the rest of this package to work on it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from adapters.bitmart.answers import Reading
from adapters.bitmart.connection import Dialect
from adapters.bitmart.rest import Rest
from adapters.bitmart.sign import Credentials
from oms.reports import CandleReport, Report
from oms.values import Symbol

Read = Callable[[bytes], tuple[str, tuple[Report, ...]]]
Bars = Callable[
    [Symbol, str, int, int], Awaitable[tuple[CandleReport, ...]]
]  # of a market and an interval, within two ms

SECOND_MS: Final = 1000
ANONYMOUS: Final = Credentials("", "", "")  # public calls and streams take no key


class Source(Struct, frozen=True, kw_only=True):
    """One market's public wire. Intervals are spelled as in `oms.market_data`, here and in the reports of `dialect`.

    `history` returns every bar that opens in the window, in any order, of which there are `bars_max` at most; it raises
    NoAnswerError.
    """

    dialect: Dialect  # its topics are filled in by who listens
    intervals: tuple[str, ...]
    pushed: tuple[str, ...]  # those of which the stream tells
    bars_max: int
    history: Bars
    book: Callable[[Symbol], str]  # the topics of one symbol
    trades: Callable[[Symbol], str]
    ticker: Callable[[Symbol], str]
    mark: Callable[[Symbol], str] | None  # None: there is no such thing on this market
    funding: Callable[[Symbol], str] | None
    candles: Callable[[Symbol, str], str]
    request: Callable[[str], str]  # the frame that asks for a fresh snapshot of a topic


def spelled_as_ours(read: Read, ours: Mapping[str, str]) -> Read:
    """Return `read` with the intervals of its candles in our spelling; one that is not ours is left out."""

    def respelled(report: Report) -> tuple[Report, ...]:
        if not isinstance(report, CandleReport):
            return (report,)
        interval = ours.get(report.interval or "")
        return () if interval is None else (replace(report, interval=interval),)

    def read_ours(data: bytes) -> tuple[str, tuple[Report, ...]]:
        channel, reports = read(data)
        return channel, tuple(ours for report in reports for ours in respelled(report))

    return read_ours


def bars(
    rest: Rest,
    answer: Callable[[str, bytes, int | None], tuple[Report, ...]],
    path: str,
    query: Callable[[Symbol, str, int, int], Mapping[str, str | int]],
) -> Bars:
    """Return what asks `path` for the bars of a window; `query` is told the whole seconds inside of it (9.23), and one
    more on either side: whether the bounds are in it no source says (10.11), and bars open on whole minutes.
    """
    reading = Reading(rest, answer)

    async def history(symbol: Symbol, interval: str, since_ms: int, until_ms: int) -> tuple[CandleReport, ...]:
        since_s, until_s = -(-since_ms // SECOND_MS), until_ms // SECOND_MS
        if since_s > until_s:
            return ()
        evidence = await rest.public(path, query(symbol, interval, max(since_s - 1, 0), until_s + 1))
        found = reading.listed(path, evidence)
        return tuple(report for report in found if isinstance(report, CandleReport))

    return history
