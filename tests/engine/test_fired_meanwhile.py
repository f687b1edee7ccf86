"""What is asked of an order, or done about it, while it fires, is sent again, or loses the position that it closes."""

import asyncio
from decimal import Decimal

from msgspec.structs import replace

from oms.account.state import HaltTrading
from oms.order.state import Life
from oms.reports import Ack, PositionReport, Refusal, RefusalClass
from oms.store.memory import Fault
from oms.values import (
    Crossing,
    PositionLeg,
    StrategyId,
    VenueOrderId,
)
from oms.venue import Amendment, Answer, LastLook, OrderRef, Trigger, nothing_holds
from tests.engine.desk import MAIN, Desk, play
from tests.engine.scripted_venue import Fate, ScriptedVenue
from tests.engine.test_outlived import held_with_a_stop
from tests.engine.test_perpetuals import opened
from tests.order.story import BTC_PERPETUAL, SPOT

PERPETUAL = BTC_PERPETUAL.symbol


async def one_that_waits(desk: Desk) -> None:
    await opened(desk, held=False)
    trigger = Trigger(price=Decimal(28000), when=Crossing.RISES_TO)
    await desk.place(symbol=PERPETUAL, quantity=Decimal(1), price=Decimal(27000), leverage=Decimal(10), trigger=trigger)
    await asyncio.sleep(1)


def test_a_cancel_goes_to_what_an_order_has_become_though_the_answer_to_a_change_comes_late() -> None:
    """The price came while a change was on its way; its answer names the id that the order waited under."""

    class Fires(ScriptedVenue):
        async def amend(self, change: Amendment, *, last_look: LastLook = nothing_holds) -> Answer:
            self.amended.append(change)
            waited = change.order.venue_order_id
            shown = self.orders["c1"]
            fired = replace(
                shown,
                venue_order_id=VenueOrderId("v9"),
                triggered_by=waited,
                trigger_price=None,
                updated_ms=self._now_ms,
            )
            self.orders["c1"] = fired
            self.push(fired)
            await asyncio.sleep(0.2)
            return self._answer((Ack(venue_order_id=waited),))

        async def cancel(self, order: OrderRef, *, last_look: LastLook = nothing_holds) -> Answer:
            if order.venue_order_id != self.orders[order.client_order_id].venue_order_id:
                self.canceled.append(order)
                return self._answer((Refusal(klass=RefusalClass.CERTAIN, reason="order_not_found", code="40035"),))
            return await super().cancel(order, last_look=last_look)

    async def story(desk: Desk) -> None:
        venue = desk.venue = Fires(desk.clock.now_ns)
        await one_that_waits(desk)
        await desk.amend(trigger_price="28100")
        await asyncio.sleep(1)
        assert desk.told()[-2:] == ["order-triggered", "amend-accepted"]
        for n in range(5):
            await desk.cancel(request_id=f"r{n}")
            await asyncio.sleep(30)
            if desk.life() is Life.CANCELED:
                break
        assert [each.venue_order_id for each in venue.canceled] == ["v9"]
        assert desk.life() is Life.CANCELED

    play(story)


def test_a_stop_of_a_position_that_is_gone_ends_though_a_cancel_of_it_is_refused_meanwhile() -> None:
    class Unwilling(ScriptedVenue):
        slow = True

        async def cancel(self, order: OrderRef, *, last_look: LastLook = nothing_holds) -> Answer:
            if self.slow:
                self.slow = False
                self.canceled.append(order)
                await asyncio.sleep(2)
                return self._answer((Refusal(klass=RefusalClass.CERTAIN, reason="order_not_found", code="40035"),))
            return await super().cancel(order, last_look=last_look)

    async def story(desk: Desk) -> None:
        venue = desk.venue = Unwilling(desk.clock.now_ns)
        await held_with_a_stop(desk)
        await desk.cancel("stop")
        await asyncio.sleep(0.5)
        venue.push(*venue.fill("close", "10", price="27000"))
        venue.legs = [PositionReport(symbol=PERPETUAL, leg=PositionLeg.NET, quantity=Decimal(0))]
        await asyncio.sleep(600)
        assert desk.told("stop")[-1] == "venue-canceled", desk.told("stop")

    play(story)


def test_a_change_waits_for_the_second_send_though_the_answers_of_its_commit_are_a_crowd() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, amend=True)
        await desk.start()
        desk.venue.fates.append(Fate.BUSY)
        await desk.place(quantity=Decimal(1))
        await desk.amend(quantity="3")
        await asyncio.sleep(0.1)

        def halt(name: str) -> HaltTrading:
            return HaltTrading(account=MAIN, reason="x", halt_id=name, strategy=StrategyId(name))

        desk.faults.appends.append(Fault(seconds_before=1.0))
        desk.engine.offer(halt("h0"), actor="operator")
        await asyncio.sleep(0.4)  # the second send is asked for by now, and waits for the next commit
        for n in range(200):
            desk.engine.offer(halt(f"h{n}"), actor="operator")
        await asyncio.sleep(10)
        assert desk.told().count("send-started") == 2
        assert "amend-refused" not in desk.told(), desk.story()[-1]
        assert desk.order().request.quantity == 3

    play(story)


def test_a_change_of_what_an_order_waits_for_does_not_leave_once_it_has_fired() -> None:
    """It waited behind another change; its price would reach what the order has become, and its trigger never shows."""

    class Fires(ScriptedVenue):
        async def amend(self, change: Amendment, *, last_look: LastLook = nothing_holds) -> Answer:
            self.amended.append(change)
            shown = self.orders["c1"]
            if change.waiting is not None:
                fired = replace(
                    shown,
                    venue_order_id=VenueOrderId("v9"),
                    triggered_by=shown.venue_order_id,
                    trigger_price=None,
                    updated_ms=self._now_ms,
                )
                self.orders["c1"] = fired
                self.push(fired)
                await asyncio.sleep(0.2)
                return self._answer((Refusal(klass=RefusalClass.CERTAIN, reason="order_not_found", code="40035"),))
            if change.price is None and change.quantity is None:
                return self._answer((Refusal(klass=RefusalClass.CERTAIN, reason="invalid_order", code="0"),))
            self.orders["c1"] = replace(shown, price=change.price or shown.price, updated_ms=self._now_ms)
            return self._answer((Ack(venue_order_id=shown.venue_order_id),))

    async def story(desk: Desk) -> None:
        venue = desk.venue = Fires(desk.clock.now_ns)
        await one_that_waits(desk)
        await desk.amend(request_id="a1", trigger_price="28100")
        await desk.amend(request_id="a2", trigger_price="28200", price="27500")
        await asyncio.sleep(300)
        assert not desk.order().amends
        assert (venue.orders["c1"].price, desk.breaks()) == (desk.order().request.price, {}), desk.told()

    play(story)
