"""An order that waited to close a position which is gone: its end is asked for until it has come (S28)."""

import asyncio
from decimal import Decimal
from typing import Any

from oms.expiry import Expiry
from oms.order.state import Life
from oms.reports import PositionReport, Refusal, RefusalClass, VenueOrderStatus
from oms.values import Crossing, OrderType, PositionLeg, Side
from oms.venue import Answer, LastLook, OrderRef, Trigger, nothing_holds
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import ScriptedVenue
from tests.engine.test_perpetuals import PERPETUAL, opened


async def held_with_a_stop(desk: Desk) -> None:
    await opened(desk)
    Expiry(desk.engine, clock=desk.clock, spawn=desk.process.spawn).start()
    sell: dict[str, Any] = {"symbol": PERPETUAL, "side": Side.SELL, "quantity": Decimal(10), "reduce_only": True}
    trigger = Trigger(price=Decimal(25000), when=Crossing.FALLS_TO)
    await desk.place("close", price=Decimal(27000), **sell)
    await desk.place("stop", type=OrderType.MARKET, price=None, trigger=trigger, **sell)
    await asyncio.sleep(1)


def test_the_end_of_a_stop_whose_position_is_gone_is_asked_for_until_it_has_come() -> None:
    """A venue refuses the cancel of an order that its queries do not show yet (PROTOCOL 9.1)."""

    class Lagging(ScriptedVenue):
        blind_to_cancels = 1

        async def cancel(self, order: OrderRef, *, last_look: LastLook = nothing_holds) -> Answer:
            if self.blind_to_cancels:
                self.blind_to_cancels -= 1
                return self._answer((Refusal(klass=RefusalClass.CERTAIN, reason="order_not_found", code="40035"),))
            return await super().cancel(order, last_look=last_look)

    async def story(desk: Desk) -> None:
        desk.venue = Lagging(desk.clock.now_ns)
        await held_with_a_stop(desk)
        desk.venue.push(*desk.venue.fill("close", "10", price="27000"))
        desk.venue.legs = [PositionReport(symbol=PERPETUAL, leg=PositionLeg.NET, quantity=Decimal(0))]
        await asyncio.sleep(300)
        assert desk.venue.orders["stop"].status is VenueOrderStatus.CANCELED
        assert desk.life("stop") is Life.CANCELED

    play(story)
