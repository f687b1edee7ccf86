"""What a look back finds, where the lists lag while it looks."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.venue import Answer
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import Hides
from tests.engine.test_perpetuals import funding, leg, opened


@pytest.mark.parametrize("late_seconds", [0, 28])
def test_a_trade_that_a_clock_set_back_misdates_is_booked_though_lists_lag_by_half_a_minute(late_seconds: int) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Hides(desk.clock.now_ns)
        venue.hides = False
        await desk.start()
        await asyncio.sleep(1000)
        venue.hides = late_seconds > 0
        venue.by_hand("human", "1")
        _, trade = venue.fill("human", "1")
        venue.trades_done = [replace(trade, at_ms=(trade.at_ms or 0) - 200_000)]  # 200 s before: out of the window
        venue.totals = {"USDT": Decimal("899.9"), "BTC": Decimal(6)}
        await asyncio.sleep(late_seconds)
        venue.hides = False
        await asyncio.sleep(900)
        assert not desk.breaks()

    play(story)


class LateLedger(Hides):
    """Its ledger hides everything while it `lags`."""

    hides = False
    lags = False

    async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:
        answer = await super().ledger(since_ms=since_ms, until_ms=until_ms)
        return replace(answer, reports=()) if self.lags else answer


@pytest.mark.parametrize("late_seconds", [0, 28])
def test_a_payment_dated_from_before_the_log_is_booked_though_the_ledger_lags_by_half_a_minute(
    late_seconds: int,
) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = LateLedger(desk.clock.now_ns)
        await opened(desk)
        await asyncio.sleep(60)
        desk.clock.ahead_ns -= 300 * 10**9
        venue.lags = late_seconds > 0
        funding(desk, "-0.5")
        await asyncio.sleep(late_seconds)
        venue.lags = False
        await asyncio.sleep(900)
        assert (leg(desk).funding, desk.breaks()) == (Decimal("-0.5"), {})

    play(story)
