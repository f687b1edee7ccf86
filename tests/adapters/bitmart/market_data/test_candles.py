"""Candles: asked for once, kept in bounds, final when closed, whole after a gap."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal

import msgspec
import pytest

from adapters.bitmart.connection import Dialect
from adapters.bitmart.market_data.candles import Candles
from adapters.bitmart.market_data.source import Source, bars
from adapters.bitmart.spot.dialect import SPOT
from oms.errors import UnknownSymbolError
from oms.market_data import INTERVALS, CandleStore, MarketData
from oms.reports import CandleReport
from oms.values import Symbol
from oms.venue import Evidence, NoAnswerError
from tests.adapters.bitmart.fakes import EPOCH_NS, LoopClock, spawn, virtual

BTC = Symbol("BTC/USDT")
MINUTE = 60_000
START = EPOCH_NS // 1_000_000  # on a minute
DIALECT: Dialect = SPOT


def bar(minute: int, close: int = 1, symbol: Symbol | None = None) -> CandleReport:
    """A bar so many minutes from the start."""
    return CandleReport(
        symbol=symbol,
        interval=None if symbol is None else "1m",
        open_ms=START + minute * MINUTE,
        open=Decimal(1),
        high=Decimal(9),
        low=Decimal(1),
        close=Decimal(close),
        volume=Decimal(1),
    )


@pytest.mark.parametrize("inclusive", [True, False])
async def test_the_bars_at_both_ends_of_a_window_come_whether_or_not_the_venue_counts_its_bounds_in(
    inclusive: bool,  # noqa: FBT001
) -> None:
    class Host:
        async def public(self, path: str, query: Mapping[str, int]) -> Evidence:
            first, last = query["after"] + (not inclusive), query["before"] - (not inclusive)
            held = [one for one in map(bar, range(10)) if first <= one.open_ms // 1000 <= last]
            return Evidence(channel=path, response=msgspec.json.encode(held), status=200)

    history = bars(
        Host(),  # type: ignore[arg-type]
        lambda _path, body, _status: msgspec.json.decode(body, type=tuple[CandleReport, ...]),
        "klines",
        lambda _symbol, _interval, since_s, until_s: {"after": since_s, "before": until_s},
    )
    found = await history(BTC, "1m", START + 2 * MINUTE, START + 5 * MINUTE)
    assert found == tuple(map(bar, range(2, 6)))


class Venue:
    """A venue's memory of bars, and what was asked of it."""

    def __init__(self, *bars: CandleReport) -> None:
        self.bars = {one.open_ms: one for one in bars}
        self.asked: list[tuple[int, int]] = []
        self.unreachable = False

    async def history(self, symbol: Symbol, interval: str, since_ms: int, until_ms: int) -> tuple[CandleReport, ...]:
        assert (symbol, interval) == (BTC, "1m")
        self.asked.append(((since_ms - START) // MINUTE, (until_ms - START) // MINUTE))
        if self.unreachable:
            raise NoAnswerError("no", Evidence(channel="test"))
        await asyncio.sleep(0.05)
        found = [one for open_ms, one in self.bars.items() if since_ms <= open_ms <= until_ms]
        assert len(found) <= 200, "asked for more than the venue gives at once"
        return tuple(reversed(found))

    def candles(self, store: CandleStore | None = None) -> Candles:
        def topic(*_: object) -> str:
            return "topic"

        source = Source(
            dialect=DIALECT,
            intervals=("1m",),
            pushed=("1m",),
            mark=None,
            funding=None,
            bars_max=200,
            history=self.history,
            book=topic,
            trades=topic,
            ticker=topic,
            candles=topic,
            request=topic,
        )
        return Candles(source, clock=LoopClock(), spawn=spawn, store=store)


def shown(bars: tuple[CandleReport, ...]) -> list[tuple[int, int, bool]]:
    return [((one.open_ms - START) // MINUTE, int(one.close), one.closed) for one in bars]


async def asked(candles: Candles | MarketData, since: int, until: int) -> list[tuple[int, int, bool]]:
    found = await candles.candles(BTC, "1m", since_ms=START + since * MINUTE, until_ms=START + until * MINUTE)
    return shown(found)


@virtual
async def test_what_is_over_is_closed_and_asked_for_once() -> None:
    venue = Venue(*(bar(minute, minute) for minute in range(-5, 1)))
    candles = venue.candles()
    await asyncio.sleep(30)
    assert await asked(candles, -3, -1) == [(-3, -3, True), (-2, -2, True), (-1, -1, True)]
    assert await asked(candles, -2, -1) == [(-2, -2, True), (-1, -1, True)]
    assert venue.asked == [(-3, -1)]
    assert await asked(candles, -2, 5) == [(-2, -2, True), (-1, -1, True), (0, 0, False)], "the last one is still open"
    assert venue.asked[1:] == [(-1, 0)], "only what memory could not answer"


@virtual
async def test_closed_candles_are_final() -> None:
    venue = Venue(bar(-1, 7), bar(0, 1))
    candles = venue.candles()
    await asyncio.sleep(10)
    await asked(candles, -1, 0)
    candles.push(bar(-1, 8, BTC))
    venue.bars[bar(-1).open_ms] = bar(-1, 9)
    candles.push(bar(0, 2, BTC))
    assert await asked(candles, -1, -1) == [(-1, 7, True)]
    candles.repair()
    await asyncio.sleep(5)
    assert (await asked(candles, -1, 0))[0] == (-1, 7, True)


@virtual
async def test_a_bar_that_begins_has_the_one_before_looked_up_once_it_is_counted() -> None:
    venue = Venue(bar(0, 3))
    candles = venue.candles()
    await asyncio.sleep(59)
    await asked(candles, 0, 0)
    candles.push(bar(0, 4, BTC))
    venue.bars[bar(0).open_ms] = bar(0, 5)  # the trades of its last moment were pushed to nobody
    await asyncio.sleep(1.2)
    venue.bars[bar(1).open_ms] = bar(1, 6)
    candles.push(bar(1, 6, BTC))
    assert shown(candles._store.window(BTC, "1m", since_ms=START, until_ms=START + MINUTE)) == [
        (0, 4, False),
        (1, 6, False),
    ]
    await asyncio.sleep(3)
    assert shown(candles._store.window(BTC, "1m", since_ms=START, until_ms=START + MINUTE)) == [
        (0, 5, True),
        (1, 6, False),
    ]


@virtual
async def test_a_gap_of_the_stream_is_repaired_from_the_venues_memory() -> None:
    venue = Venue(bar(0, 1))
    candles = venue.candles()
    await asyncio.sleep(1)
    await asked(candles, 0, 0)
    for minute in range(1, 6):
        venue.bars[bar(minute).open_ms] = bar(minute, minute)
    await asyncio.sleep(5 * 60)
    candles.repair()
    await asyncio.sleep(4)
    found = candles._store.window(BTC, "1m", since_ms=START, until_ms=START + 9 * MINUTE)
    assert shown(found) == [(0, 1, True), *[(minute, minute, True) for minute in range(1, 5)], (5, 5, False)]


@virtual
async def test_a_repair_that_finds_nobody_is_made_up_for_when_somebody_asks() -> None:
    venue = Venue(bar(0, 1), bar(1, 2))
    candles = venue.candles()
    await asyncio.sleep(1)
    await asked(candles, 0, 0)
    venue.unreachable = True
    await asyncio.sleep(90)
    candles.repair()
    await asyncio.sleep(5)
    with pytest.raises(NoAnswerError):
        await asked(candles, 0, 1)
    venue.unreachable = False
    assert await asked(candles, 0, 1) == [(0, 1, True), (1, 2, False)]


@virtual
async def test_a_long_question_goes_in_pages_that_no_cap_can_cut() -> None:
    venue = Venue(*(bar(minute) for minute in range(-900, 0)))
    candles = venue.candles()
    await asyncio.sleep(10)
    assert len(await asked(candles, -900, -1)) == 900
    assert venue.asked[0] == (-900, -701)
    assert len(venue.asked) == 5


@virtual
async def test_a_question_without_end_is_answered_with_what_is_kept() -> None:
    venue = Venue(*(bar(minute) for minute in range(-3_000, 0)))
    candles = venue.candles(CandleStore(candles_max=500))
    await asyncio.sleep(10)
    found = await asked(candles, -1_000_000, 0)
    assert (len(found), found[0][0], found[-1][0]) == (500, -500, -1)
    assert len(venue.asked) <= 10


@virtual
async def test_an_interval_that_is_not_offered_is_refused() -> None:
    with pytest.raises(UnknownSymbolError, match="3m"):
        await Venue().candles().candles(BTC, "3m", since_ms=0, until_ms=1)


def test_series_that_nobody_asks_for_are_forgotten() -> None:
    store = CandleStore(series_max=2)
    for name in ("A/B", "C/D", "A/B", "E/F"):
        store.settle(Symbol(name), "1m", [bar(0)], since_ms=START, until_ms=START)
        assert len(store.kept()) <= 2
    assert set(store.kept()) == {("A/B", "1m"), ("E/F", "1m")}
    assert not store.push(Symbol("C/D"), "1m", bar(0))


def test_a_word_that_joins_nothing_begins_anew() -> None:
    store = CandleStore()
    store.settle(BTC, "1m", [bar(0)], since_ms=START, until_ms=START + MINUTE)
    store.settle(BTC, "1m", [bar(9)], since_ms=START + 9 * MINUTE, until_ms=START + 9 * MINUTE)
    assert not store.covers(BTC, "1m", since_ms=START, until_ms=START + 9 * MINUTE)
    assert shown(store.window(BTC, "1m", since_ms=START, until_ms=START + 9 * MINUTE)) == [(9, 1, False)]


def test_every_interval_has_a_length() -> None:
    assert list(INTERVALS) == ["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "1d", "1w", "1M"]
    assert sorted(INTERVALS.values()) == list(INTERVALS.values())
