"""No fill is inferred where the list of trades could not be asked for: that is not "out of reach"."""

import asyncio
from decimal import Decimal

from msgspec.structs import replace

from oms.order.state import Life
from oms.venue import Answer
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import ScriptedVenue


class HalfAsked(ScriptedVenue):
    """As the two hosts of BitMart together: while `away`, the host that has the trades does not answer for lists, and
    what the other one lists (nothing) is told, with the reason.
    """

    away = False

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        answer = await super().trades(since_ms=since_ms, until_ms=until_ms)
        if self.away:
            return replace(answer, reports=(), complete=False, proven=(), unasked="spot: HTTP 502")
        return answer

    async def order_trades(self, order: object) -> Answer:
        answer = await super().order_trades(order)  # type: ignore[arg-type]
        return replace(answer, reports=()) if self.away else answer  # lags, as its queries may


def test_nothing_is_inferred_while_the_list_of_trades_cannot_be_asked_for() -> None:
    async def story(desk: Desk) -> None:
        venue = HalfAsked(desk.clock.now_ns)
        desk.venue = venue
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        began_ms = desk.clock.now_ns() // 1_000_000
        venue.away = True  # and the push of the fill is lost
        venue.fill("c1", "2", price="99")
        venue.totals |= {"BTC": Decimal(7), "USDT": Decimal("801.9")}
        ended_ms = desk.clock.now_ns() // 1_000_000
        venue.orders["c1"] = replace(
            venue.orders["c1"], average_price=Decimal(99), created_ms=began_ms, updated_ms=ended_ms
        )
        await asyncio.sleep(150)
        assert [each.exec_id for each in desk.order().trades] == []
        venue.away = False
        await asyncio.sleep(40)
        assert desk.life() is Life.FILLED
        assert [each.exec_id for each in desk.order().trades] == ["t1"]

    play(story)
