"""An order that nobody can ask for, and a difference of another that the venue explains."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.reports import OrderReport
from oms.values import Symbol
from oms.venue import Answer
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import Mute


class Odd(Mute):
    """Wherever it shows it."""

    async def open_orders(self, symbol: Symbol | None = None) -> Answer:
        answer = await super().open_orders(symbol)
        rows: Sequence[OrderReport] = [each for each in answer.reports if each.client_order_id != self.mute]  # type: ignore[union-attr,misc]
        return replace(answer, reports=tuple(rows), complete=len(rows) == len(answer.reports))


@pytest.mark.parametrize("odd", ["", "c1"])
def test_a_difference_is_looked_for_though_one_order_cannot_be_asked_for(odd: str) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Odd(desk.clock.now_ns)
        await desk.start()
        await desk.place("c1")
        await asyncio.sleep(1000)
        venue.mute = odd
        await asyncio.sleep(60)
        venue.by_hand("human", "1")
        _, trade = venue.fill("human", "1")
        venue.trades_done = [replace(trade, at_ms=(trade.at_ms or 0) - 200_000)]  # out of the window
        venue.totals = {"USDT": Decimal("899.9"), "BTC": Decimal(6)}
        await asyncio.sleep(8000)
        assert not desk.breaks().keys() - {"coverage:open_orders"}

    play(story)
