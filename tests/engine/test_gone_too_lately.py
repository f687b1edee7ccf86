"""Orders that no list shows any more, and of which nothing can be said yet: a comparison need not wait for a few."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.reconcile import Result
from oms.values import Symbol
from oms.venue import Answer, NoAnswerError, OrderRef
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import ScriptedVenue


class Gone(ScriptedVenue):
    """It lists none of its orders, and of each says that what it sent may not show yet."""

    gone = False

    async def open_orders(self, symbol: Symbol | None = None) -> Answer:
        answer = await super().open_orders(symbol)
        return replace(answer, reports=()) if self.gone else answer

    async def order(self, order: OrderRef) -> Answer:
        if self.gone:
            raise NoAnswerError("what it sent may not show yet", self._evidence(), early=True)
        return await super().order(order)


@pytest.mark.parametrize(("count", "result"), [(6, Result.COMPLETE), (7, Result.PARTIAL)])
def test_some_that_are_gone_too_lately_leave_a_comparison_whole(count: int, result: Result) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Gone(desk.clock.now_ns)
        await desk.start()
        for number in range(count):
            await desk.place(f"c{number}", quantity=Decimal("0.1"))
        await asyncio.sleep(30)
        venue.gone = True
        await asyncio.sleep(30)
        assert desk.watcher.standing is not None
        assert desk.watcher.standing.result is result, desk.watcher.standing.failures
        assert {desk.life(f"c{number}").value for number in range(count)} == {"working"}

    play(story)
