"""Orders that are good till a time: not sent after it, canceled at it, and called expired."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.errors import InvalidOrderError, LogUnavailableError
from oms.expiry import Expiry
from oms.order.decisions import EXPIRY
from oms.order.messages import BustReport
from oms.order.state import Life, status
from oms.reports import Refusal, RefusalClass, VenueOrderStatus
from oms.store.memory import Fault, Trouble
from oms.values import LATEST_NS, ZERO, OrderStatus, TimeInForce
from oms.venue import Answer, LastLook, OrderRef, nothing_holds
from tests.engine.desk import Desk, play, stream
from tests.engine.scripted_venue import Fate, ScriptedVenue
from tests.order.story import SPOT

SECOND_NS = 1_000_000_000


async def timed(desk: Desk, seconds: float, name: str = "c1", price: int = 100) -> None:
    """A bid for 2 BTC that is good for so long."""
    until_ns = desk.clock.now_ns() + int(seconds * SECOND_NS)
    await desk.place(name, price=Decimal(price), time_in_force=TimeInForce.GTD, expires_ns=until_ns)


async def opened(desk: Desk) -> None:
    await desk.start()
    Expiry(desk.engine, clock=desk.clock, spawn=desk.process.spawn).start()


def test_an_order_is_canceled_when_its_time_runs_out_and_holds_nothing_more() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        await timed(desk, 30)
        await timed(desk, 90, "c2")
        await asyncio.sleep(29)
        assert desk.life() is Life.WORKING
        assert desk.venue.submitted[0].time_in_force is TimeInForce.GTC, "the venue keeps no time for us"
        assert not desk.venue.canceled
        await asyncio.sleep(15)
        assert [ref.client_order_id for ref in desk.venue.canceled] == ["c1"]
        assert status(desk.order()) is OrderStatus.EXPIRED
        assert desk.told()[-1] == "order-expired"
        assert desk.life("c2") is Life.WORKING
        await asyncio.sleep(60)
        assert status(desk.order("c2")) is OrderStatus.EXPIRED
        assert desk.held() == 0
        assert desk.agrees()

    play(story)


def test_an_order_that_filled_before_its_time_is_left_alone() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        await timed(desk, 30)
        await asyncio.sleep(1)
        desk.venue.push(*desk.venue.fill("c1", "2"))
        await asyncio.sleep(60)
        assert status(desk.order()) is OrderStatus.FILLED
        assert not desk.venue.canceled

    play(story)


def test_an_order_whose_time_has_run_out_is_not_sent() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        await timed(desk, -1)
        await asyncio.sleep(1)
        assert status(desk.order()) is OrderStatus.EXPIRED
        assert not desk.venue.submitted
        assert desk.held() == 0

    play(story)


def test_an_order_whose_time_runs_out_while_the_venue_holds_it_back_never_leaves() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.venue.fates.extend([Fate.HELD_BACK, Fate.HELD_BACK])
        await timed(desk, 3)
        await asyncio.sleep(20)
        assert status(desk.order()) is OrderStatus.EXPIRED
        assert not desk.venue.submitted

    play(story)


def test_an_order_in_doubt_is_canceled_once_it_is_found() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.venue.fates.append(Fate.ANSWER_LOST)
        desk.venue.blind = True
        await timed(desk, 10)
        await asyncio.sleep(20)
        assert desk.life() is Life.IN_DOUBT, "nothing is concluded from a time of ours"
        desk.venue.blind = False
        await asyncio.sleep(60)
        assert status(desk.order()) is OrderStatus.EXPIRED
        assert desk.agrees()

    play(story)


def test_a_time_that_passed_while_nobody_ran_is_made_up_for() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        await timed(desk, 30)
        await asyncio.sleep(1)
        desk.process.kill()
        await asyncio.sleep(60)
        await opened(desk)
        await asyncio.sleep(20)
        assert status(desk.order()) is OrderStatus.EXPIRED
        assert len(desk.venue.canceled) == 1

    play(story)


async def called_dead(desk: Desk, seconds: int) -> None:
    """Given an order that is good for so long, whose request was lost, and which was proven to be nowhere."""
    await opened(desk)
    desk.venue.fates.append(Fate.REQUEST_LOST)
    await timed(desk, seconds)
    await asyncio.sleep(120)
    assert desk.life() is Life.REJECTED


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("seconds", [30, 100], ids=["in doubt", "dead"])
def test_an_order_that_was_called_dead_and_lives_after_its_time_is_canceled(seconds: int, *, restarted: bool) -> None:
    async def story(desk: Desk) -> None:
        await called_dead(desk, seconds)
        if restarted:
            desk.process.kill()
            await opened(desk)
        desk.venue.take(desk.venue.submitted[0])  # it was somewhere after all
        await asyncio.sleep(60)
        assert desk.venue.orders["c1"].status is VenueOrderStatus.CANCELED
        assert status(desk.order()) is OrderStatus.EXPIRED
        assert desk.agrees()

    play(story)


def test_an_order_that_was_called_dead_and_lives_before_its_time_is_canceled_at_it() -> None:
    async def story(desk: Desk) -> None:
        await called_dead(desk, 300)
        desk.venue.take(desk.venue.submitted[0])
        await asyncio.sleep(170)
        assert desk.life() is Life.WORKING
        await asyncio.sleep(30)
        assert status(desk.order()) is OrderStatus.EXPIRED

    play(story)


def test_a_filled_order_whose_trade_is_taken_back_after_its_time_is_canceled() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        await timed(desk, 30)
        await asyncio.sleep(1)
        desk.venue.push(*desk.venue.fill("c1", "2"))
        await asyncio.sleep(60)
        assert desk.life() is Life.FILLED
        desk.venue.trades_done.clear()
        desk.venue.orders["c1"] = replace(desk.venue.orders["c1"], status=VenueOrderStatus.NEW, cum_quantity=ZERO)
        await desk.engine.report([(stream("c1"), BustReport(exec_id="t1"))])
        await asyncio.sleep(5)
        assert status(desk.order()) is OrderStatus.EXPIRED

    play(story)


def test_orders_that_ended_long_before_their_time_are_let_go_and_known_again_when_one_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("oms.expiry.CLOSED_MAX", 3)

    async def story(desk: Desk) -> None:
        await desk.start()
        expiry = Expiry(desk.engine, clock=desk.clock, spawn=desk.process.spawn)
        expiry.start()
        for number in range(1, 11):
            await timed(desk, 3600, f"c{number}", price=10)
            await asyncio.sleep(1)
            desk.venue.push(*desk.venue.fill(f"c{number}", "2", price="10"))
            await asyncio.sleep(1)
        assert len(expiry._due) == len(expiry._watched) <= 5
        desk.venue.trades_done.clear()
        desk.venue.orders["c1"] = replace(desk.venue.orders["c1"], status=VenueOrderStatus.NEW, cum_quantity=ZERO)
        await desk.engine.report([(stream("c1"), BustReport(exec_id="t1"))])
        assert desk.life() is not Life.FILLED
        await asyncio.sleep(3600)
        assert status(desk.order()) is OrderStatus.EXPIRED

    play(story)


class Unwilling(ScriptedVenue):
    """Refuses every cancel for good until a moment."""

    until_ns = 0

    async def cancel(self, order: OrderRef, *, last_look: LastLook = nothing_holds) -> Answer:
        if self._now_ns() >= self.until_ns:
            return await super().cancel(order, last_look=last_look)
        self.canceled.append(order)
        return self._answer((Refusal(klass=RefusalClass.CERTAIN, reason="order_not_found", code="50005"),))


async def refused_for_a_day(desk: Desk, seconds: float) -> Unwilling:
    """An order that is good for so long, at a venue that refuses every cancel for a day."""
    venue = desk.venue = Unwilling(desk.clock.now_ns)
    await opened(desk)
    venue.until_ns = desk.clock.now_ns() + 86_400 * SECOND_NS
    await timed(desk, seconds)
    return venue


@pytest.mark.parametrize("restarted", [False, True])
def test_an_end_that_was_refused_is_asked_for_again(*, restarted: bool) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Unwilling(desk.clock.now_ns)
        await opened(desk)
        venue.until_ns = desk.clock.now_ns() + (20 if restarted else 2) * SECOND_NS
        await timed(desk, 1)
        if restarted:
            await asyncio.sleep(10)
            desk.process.kill()
            await asyncio.sleep(60)
            await opened(desk)
        await asyncio.sleep(15)
        assert status(desk.order()) is OrderStatus.EXPIRED
        assert desk.told().count("cancel-requested") == desk.told().count("cancel-refused") + 1
        assert len(set(desk.order().cancels_known)) == desk.told().count("cancel-requested")
        assert desk.agrees()

    play(story)


def test_a_clock_that_is_set_back_meanwhile_puts_no_further_try_off() -> None:
    """Found by the simulation, seed 9029195: a venue's clock was ahead by minutes as the end was refused."""

    async def story(desk: Desk) -> None:
        venue = await refused_for_a_day(desk, 30)
        await asyncio.sleep(1)
        desk.clock.ahead_ns = 270 * SECOND_NS
        await asyncio.sleep(5)
        assert venue.canceled
        desk.clock.ahead_ns = 0
        venue.until_ns = 0
        await asyncio.sleep(20)
        assert desk.life() is Life.EXPIRED

    play(story)


def test_an_end_that_is_always_refused_is_asked_for_ever_more_rarely_and_never_given_up() -> None:
    async def story(desk: Desk) -> None:
        venue = await refused_for_a_day(desk, 1)
        await asyncio.sleep(60)
        assert len(venue.canceled) == 6
        await asyncio.sleep(3_600)
        before = len(venue.canceled)
        await asyncio.sleep(3_600)
        assert len(venue.canceled) - before == 14
        venue.until_ns = 0
        await asyncio.sleep(310)
        assert status(desk.order()) is OrderStatus.EXPIRED

    play(story)


def test_a_request_of_somebody_elses_that_has_the_name_of_ours_stops_nothing() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Unwilling(desk.clock.now_ns)
        await opened(desk)
        await timed(desk, 30)
        venue.until_ns = desk.clock.now_ns() + 40 * SECOND_NS
        await asyncio.sleep(1)
        for name in (f"{EXPIRY}2", f"{EXPIRY}3"):
            await desk.cancel(request_id=name)
            await asyncio.sleep(1)
        await asyncio.sleep(60)
        assert status(desk.order()) is OrderStatus.EXPIRED

    play(story)


def test_an_order_whose_commit_was_answered_by_nobody_is_canceled_at_its_time() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.faults.appends.append(Fault(Trouble.SILENT_DONE))
        with pytest.raises(LogUnavailableError):
            await timed(desk, 100)
        await asyncio.sleep(1)
        desk.venue.by_hand("c1", "2")  # what the OMS cannot know: it did leave
        await asyncio.sleep(95)
        assert desk.life() is Life.WORKING
        await asyncio.sleep(30)
        assert status(desk.order()) is OrderStatus.EXPIRED

    play(story)


def test_a_time_and_gtd_go_together() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC}))
        await desk.start()
        for wrong in (
            {"time_in_force": TimeInForce.GTD},
            {"time_in_force": TimeInForce.GTC, "expires_ns": SECOND_NS},
            {"time_in_force": TimeInForce.IOC, "expires_ns": SECOND_NS},
        ):
            with pytest.raises(InvalidOrderError, match="gtd and expires_at go together"):
                await desk.place("c9", **wrong)

    play(story)


def test_a_time_that_no_table_can_hold_is_refused_whoever_asks() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        for wrong in (-1, LATEST_NS + 1):
            with pytest.raises(InvalidOrderError, match="expires_at is from 1970-01-01 to 2262-04-11"):
                await desk.place("c9", time_in_force=TimeInForce.GTD, expires_ns=wrong)
        await desk.place("c1", time_in_force=TimeInForce.GTD, expires_ns=LATEST_NS)

    play(story)
