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
