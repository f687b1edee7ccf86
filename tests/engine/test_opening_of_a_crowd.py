"""A trade that the opening held unlisted, of an account whose lists are longer than one answer."""

import asyncio
from decimal import Decimal

import pytest

from oms.venue import Answer
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import Capped


class HidesAndCaps(Capped):
    hides = True

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        kept = self.trades_done
        if self.hides:
            self.trades_done = kept[1:]
        answer = await super().trades(since_ms=since_ms, until_ms=until_ms)
        self.trades_done = kept if len(kept) >= len(self.trades_done) else self.trades_done
        return answer


@pytest.mark.parametrize("rows_max", [100, 3])
def test_a_trade_that_the_opening_held_is_taken_out_though_more_was_traded_than_one_answer_holds(rows_max: int) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = HidesAndCaps(desk.clock.now_ns)
        venue.rows_max = rows_max
        venue.totals = {"USDT": Decimal(1_000_000), "BTC": Decimal(5)}
        venue.by_hand("byhand", "1")
        told = venue.fill("byhand", "1")  # in the totals
        await asyncio.sleep(1)
        await desk.start()
        venue.by_hand("human", "10")
        for _ in range(6):
            await asyncio.sleep(15)
            venue.push(*venue.fill("human", "1"))
            venue.totals["BTC"] += 1
            venue.totals["USDT"] -= Decimal("100.1")
        await asyncio.sleep(60)
        assert not desk.breaks()
        venue.hides = False
        venue.push(*told)
        await asyncio.sleep(8000)
        assert desk.told("byhand").count("order-filled") == 1
        assert not desk.breaks()

    play(story)
