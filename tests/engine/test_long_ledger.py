"""Payments: a ledger that is longer than one answer, and one that lags while an opening is taken over."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

from msgspec.structs import replace

from oms.reports import LedgerReport
from oms.venue import Answer, Window
from tests.engine.desk import Desk, begin, play
from tests.engine.scripted_venue import ScriptedVenue
from tests.engine.test_perpetuals import SETTLE, funding, leg, opened, shown_leg


class Capped(ScriptedVenue):
    """One answer holds so many rows of the ledger at most, the oldest of its window; it says how far it got."""

    rows_max = 3

    async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:
        answer = await super().ledger(since_ms=since_ms, until_ms=until_ms)
        rows = sorted(answer.reports, key=lambda row: row.at_ms or 0)  # type: ignore[union-attr]
        if len(rows) <= self.rows_max:
            return answer
        last = rows[self.rows_max - 1]
        assert isinstance(last, LedgerReport)
        return replace(
            answer, reports=tuple(rows[: self.rows_max]), complete=False, proven=(Window(since_ms, last.at_ms or 0),)
        )


def test_what_was_paid_is_booked_though_the_ledger_holds_more_than_one_answer_does() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Capped(desk.clock.now_ns)
        await opened(desk)
        for n in range(8):
            row = funding(desk, "-0.5")
            venue.flows[-1] = replace(row, ledger_id=f"{n}")
            await asyncio.sleep(70)
        await asyncio.sleep(4000)
        assert (leg(desk).funding, desk.breaks()) == (Decimal(-4), {})

    play(story)


class Lags(ScriptedVenue):
    """Its ledger hides what is not half a minute old."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        super().__init__(now_ns)
        self.lag_ms = 25_000

    async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:
        answer = await super().ledger(since_ms=since_ms, until_ms=until_ms)
        now_ms = self._now_ns() // 1_000_000
        rows = [each for each in answer.reports if (each.at_ms or 0) <= now_ms - self.lag_ms]  # type: ignore[union-attr]
        return replace(answer, reports=tuple(rows))


def test_a_payment_between_a_logs_beginning_and_its_opening_counts_once_though_the_ledger_lags() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Lags(desk.clock.now_ns)
        venue.legs = [shown_leg("10")]
        venue.cut = True
        starting = begin(opened(desk, held=False))
        await asyncio.sleep(5)
        funding(desk, "-0.5")
        await asyncio.sleep(5)
        venue.cut = False
        await starting
        await asyncio.sleep(4000)
        assert desk.engine.book.funds(SETTLE).total == venue.futures == Decimal("999.5")
        assert not desk.breaks()

    play(story)


class Asked(ScriptedVenue):
    """It keeps how long ago, in seconds, what each question asks for began; it may hide what is paid for a while."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        super().__init__(now_ns)
        self.back: list[float] = []
        self.hides = False

    async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:
        self.back.append((self._now_ns() // 1_000_000 - since_ms) / 1000)
        answer = await super().ledger(since_ms=since_ms, until_ms=until_ms)
        return replace(answer, reports=()) if self.hides else answer


def test_a_start_reads_the_ledger_on_from_where_the_log_knows_it() -> None:
    """It read a week, each time: of a busy account that takes more calls than there may be within a takeover."""

    async def story(desk: Desk) -> None:
        venue = desk.venue = Asked(desk.clock.now_ns)
        await opened(desk)
        funding(desk, "-0.5")
        await asyncio.sleep(7_200)
        desk.process.kill()
        venue.back.clear()
        await desk.start()
        await asyncio.sleep(90)
        first, *later = venue.back
        assert first < 250, "a look a minute, told as seldom, and what a list lags by"
        assert max(later) > 3_600, "what a payment may show late by, once nobody waits"
        assert (leg(desk).funding, desk.breaks()) == (Decimal("-0.5"), {})

    play(story)


def test_a_payment_that_shows_later_than_a_start_reads_back_is_booked() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Asked(desk.clock.now_ns)
        await opened(desk)
        await asyncio.sleep(600)
        venue.hides = True
        funding(desk, "-0.5")
        await asyncio.sleep(600)
        desk.process.kill()
        venue.hides = False
        await desk.start()
        await asyncio.sleep(90)
        assert (leg(desk).funding, desk.breaks()) == (Decimal("-0.5"), {})

    play(story)
