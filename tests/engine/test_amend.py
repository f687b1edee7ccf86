"""Changes of working orders: sent once they are in the log, in their order, and believed once the venue shows them."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.account.state import HaltTrading
from oms.errors import LimitExceededError, LogUnavailableError, NotReadyError
from oms.order.state import Life, status
from oms.reports import OrderReport, VenueOrderStatus
from oms.risk import Limits
from oms.store.memory import Fault, Trouble
from oms.values import Crossing, OrderStatus, Symbol
from oms.venue import Answer, OrderRef, Trigger
from tests.engine.desk import MAIN, Desk, begin, play
from tests.engine.scripted_venue import Fate, ScriptedVenue
from tests.order.story import SPOT

CENT = Decimal("0.001")


class Late(ScriptedVenue):
    """While `late` is set, what it shows of orders is as of when it was asked, and comes once that lets it."""

    late: asyncio.Event | None = None

    async def order(self, order: OrderRef) -> Answer:
        return await self._later(await super().order(order))

    async def open_orders(self, symbol: Symbol | None = None) -> Answer:
        return await self._later(await super().open_orders(symbol))

    async def _later(self, answer: Answer) -> Answer:
        if self.late is not None:
            await self.late.wait()
        return answer


async def opened(desk: Desk) -> None:
    """A bid for 2 BTC at 100, at a venue that can change it."""
    desk.venue.can = replace(SPOT, amend=True)
    await desk.start()
    await desk.place()
    await asyncio.sleep(1)


def test_a_change_holds_the_larger_cost_until_the_venue_shows_it() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        await desk.amend(price="90", quantity="3")
        assert status(desk.order()) is OrderStatus.PENDING_AMEND
        assert desk.held() == 300 * (1 + CENT)
        await asyncio.sleep(5)
        assert status(desk.order()) is OrderStatus.OPEN
        assert desk.held() == 270 * (1 + CENT)
        assert desk.told()[-3:] == ["amend-requested", "amend-accepted", "order-amended"]
        assert desk.agrees()

    play(story)


def test_a_change_leaves_only_after_its_request_is_committed() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.faults.appends.append(Fault(seconds_before=10.0))
        amending = begin(desk.amend(price="90"))
        await asyncio.sleep(9)
        assert not desk.venue.amended
        await amending
        await asyncio.sleep(5)
        assert desk.order().request.price == 90

    play(story)


def test_a_send_that_is_in_the_log_and_nobodys_is_doubted_though_a_change_waits_for_it() -> None:
    """Found by the simulation, seed 24825: the change passed for the send, and the order was being sent for ever."""

    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, amend=True)
        await desk.start()
        desk.venue.fates.append(Fate.BUSY)
        await desk.place()
        await desk.amend(price="90")
        desk.faults.appends.append(Fault(Trouble.SILENT_DONE))  # of the second send
        await asyncio.sleep(150)
        assert desk.told().count("send-started") == 2
        assert (desk.life(), len(desk.venue.submitted)) == (Life.REJECTED, 1)

    play(story)


@pytest.mark.parametrize("before", ["a change", "the order"])
def test_a_change_that_is_in_the_log_and_nobodys_is_settled_though_another_call_is_under_way(before: str) -> None:
    """What was under way for the order passed for this change, too, and it was pending for ever."""

    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, amend=True)
        await desk.start()
        turn = asyncio.Event()
        if before == "the order":
            desk.venue.held = turn
        await desk.place()
        await asyncio.sleep(1)
        if before == "a change":
            desk.venue.turn = turn
            await desk.amend(request_id="a1", price="99")
        desk.faults.appends.append(Fault(Trouble.SILENT_DONE))
        with pytest.raises(LogUnavailableError):
            await desk.amend(request_id="a2", price="98")
        await asyncio.sleep(1)
        turn.set()
        await asyncio.sleep(2 * SPOT.submit_validity)
        assert desk.told()[-1] == "amend-refused"
        assert not desk.order().amends
        assert desk.order().request.price == (99 if before == "a change" else 100)

    play(story)


def test_changes_of_one_order_leave_one_after_the_other() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        await desk.amend(request_id="a1", price="90")
        await desk.amend(request_id="a2", price="95")
        await desk.amend(request_id="a1", price="90")  # the same request again
        await asyncio.sleep(5)
        assert [change.price for change in desk.venue.amended] == [90, 95]
        assert desk.order().request.price == 95
        assert not desk.order().amends

    play(story)


@pytest.mark.parametrize("arrives", [True, False])
def test_a_change_without_an_answer_may_come_after_a_later_one_and_is_over_if_it_does_not(arrives: bool) -> None:  # noqa: FBT001
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await desk.amend(request_id="a1", price="90")
        await desk.amend(request_id="a2", price="95")
        await asyncio.sleep(5)
        assert (desk.order().request.price, [each.request_id for each in desk.order().amends]) == (95, ["a1"])
        if arrives:
            now_ms = desk.clock.now_ns() // 1_000_000
            desk.venue.orders["c1"] = replace(desk.venue.orders["c1"], price=Decimal(90), updated_ms=now_ms)
        await asyncio.sleep(150)
        assert (desk.order().request.price, desk.order().amends) == (90 if arrives else 95, ())
        assert desk.told().count("order-amended") == (2 if arrives else 1)
        assert desk.told().count("amend-refused") == (0 if arrives else 1)
        assert desk.breaks() == {}

    play(story)


def test_a_change_of_an_order_that_is_still_being_sent_waits_for_its_answer() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, amend=True)
        await desk.start()
        desk.venue.held = asyncio.Event()
        await desk.place()
        await desk.amend(price="90")
        await asyncio.sleep(5)
        assert not desk.venue.amended
        desk.venue.held.set()
        await asyncio.sleep(5)
        assert desk.order().request.price == 90

    play(story)


def test_a_change_waits_for_the_second_send_too() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, amend=True)
        await desk.start()
        desk.venue.fates.append(Fate.BUSY)
        await desk.place(quantity=Decimal(1))
        await desk.amend(quantity="3")
        await asyncio.sleep(5)
        assert desk.told().count("send-started") == 2
        assert desk.order().request.quantity == 3

    play(story)


@pytest.mark.parametrize("again", [False, True])
def test_a_change_is_not_refused_for_a_halt_that_the_log_did_not_take(again: bool) -> None:  # noqa: FBT001
    """It had waited for its turn, or is about to, when the halt was asked for."""

    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.venue.turn = asyncio.Event()
        halt = HaltTrading(account=MAIN, reason="x", halt_id="h1")
        if again:
            await desk.amend(quantity="3")
            await asyncio.sleep(0.1)
        desk.faults.appends.extend([*([] if again else [Fault()]), Fault(Trouble.REFUSED, seconds_before=1.0)])
        amending = None if again else begin(desk.amend(quantity="3"))
        await asyncio.sleep(0)
        halting = begin(desk.engine.execute(halt, actor="operator"))
        await asyncio.sleep(0.1)
        desk.venue.turn.set()
        await asyncio.sleep(5)
        assert isinstance(halting.exception(), LogUnavailableError)
        assert amending is None or amending.exception() is None
        assert (desk.told()[-1], desk.order().request.quantity) == ("order-amended", 3)

    play(story)


def test_a_change_that_waits_for_its_turn_is_refused_for_a_halt_that_the_log_took() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.venue.turn = asyncio.Event()
        await desk.amend(quantity="3")
        await asyncio.sleep(0.1)
        await desk.engine.execute(HaltTrading(account=MAIN, reason="x", halt_id="h1"), actor="operator")
        desk.venue.turn.set()
        await asyncio.sleep(5)
        assert not desk.venue.amended
        assert (desk.told()[-1], desk.order().amends) == ("amend-refused", ())

    play(story)


def test_a_refused_change_leaves_the_order_as_it_was() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.venue.fates.append(Fate.REFUSED)
        await desk.amend(price="90")
        await asyncio.sleep(5)
        assert desk.told()[-1] == "amend-refused"
        assert status(desk.order()) is OrderStatus.OPEN
        assert desk.held() == 200 * (1 + CENT)

    play(story)


def test_a_change_whose_answer_was_lost_is_found_by_asking() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.venue.fates.append(Fate.ANSWER_LOST)
        await desk.amend(price="90")
        await asyncio.sleep(5)
        assert desk.told()[-2:] == ["amend-unknown", "order-amended"]

    play(story)


@pytest.mark.parametrize("fate", [Fate.ACCEPTED, Fate.ANSWER_LOST])
def test_a_change_of_what_an_order_waits_for_is_sent_whole_and_believed_when_shown(fate: Fate) -> None:
    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, amend=True, triggers=True, amend_triggers=True)
        await desk.start()
        trigger = Trigger(price=Decimal(110), when=Crossing.RISES_TO)
        await desk.place(trigger=trigger)
        await asyncio.sleep(1)
        desk.venue.fates.append(fate)
        await desk.amend(trigger_price="120")
        await asyncio.sleep(10)
        (sent,) = desk.venue.amended
        assert sent.order.conditional
        assert sent.waiting is not None
        assert sent.waiting.trigger == replace(trigger, price=Decimal(120))
        assert (sent.waiting.price, sent.waiting.quantity) == (100, 2), "all of it goes along"
        assert desk.told()[-1] == "order-amended"
        assert desk.order().request.trigger == replace(trigger, price=Decimal(120))
        assert desk.agrees()

    play(story)


def test_a_change_that_never_arrived_is_over_once_it_can_no_longer_be_applied() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await desk.amend(price="90")
        await asyncio.sleep(SPOT.submit_validity - 5)
        assert status(desk.order()) is OrderStatus.PENDING_AMEND
        await asyncio.sleep(15)
        assert status(desk.order()) is OrderStatus.OPEN
        assert desk.told()[-1] == "amend-refused"
        assert desk.order().request.price == 100

    play(story)


@pytest.mark.parametrize("after", [30.0, 59.9])
def test_a_change_that_was_applied_at_the_last_moment_and_shows_late_is_believed(after: float) -> None:
    class Lagging(ScriptedVenue):
        """Shows an order as it `was` for nearly as long as it says that it may."""

        was: OrderReport | None = None
        until_ns = 0

        async def order(self, order: OrderRef) -> Answer:
            answer = await super().order(order)
            lags = self.was is not None and self._now_ns() < self.until_ns
            return replace(answer, reports=(self.was,)) if lags else answer

    async def story(desk: Desk) -> None:
        venue = desk.venue = Lagging(desk.clock.now_ns)
        await opened(desk)
        venue.fates.append(Fate.REQUEST_LOST)
        await desk.amend(quantity="5")
        await asyncio.sleep(after)
        venue.was = venue.orders["c1"]
        venue.until_ns = desk.clock.now_ns() + int((SPOT.visibility_delay - 0.1) * 1e9)
        venue.orders["c1"] = replace(venue.was, quantity=Decimal(5))
        await asyncio.sleep(120)
        assert desk.told()[-1] == "order-amended"
        assert desk.held() == 500 * (1 + CENT)

    play(story)


def test_a_change_in_flight_at_a_crash_is_settled_by_asking_and_never_sent_again() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        await desk.amend(price="90")
        desk.process.kill()
        await desk.start()
        await asyncio.sleep(SPOT.submit_validity + 15)
        assert len(desk.venue.amended) <= 1
        assert not desk.order().amends
        assert desk.order().request.price == desk.venue.orders["c1"].price
        assert desk.agrees()

    play(story)


def test_an_order_that_ends_takes_its_changes_with_it() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        await desk.amend(price="90")
        await desk.cancel()
        await asyncio.sleep(10)
        assert desk.life() is Life.CANCELED
        assert not desk.order().amends
        assert desk.held() == 0

    play(story)


def test_no_change_leaves_before_the_account_was_reconciled_and_cancels_do() -> None:
    """An amend from 1 to 9 opens as much as an order for 8 does."""

    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.process.kill()
        desk.venue.cut = True  # no question has an answer: nothing is compared
        starting = begin(desk.start())
        await asyncio.sleep(20)
        with pytest.raises(NotReadyError):
            await desk.amend(quantity="9")
        await desk.cancel()
        await asyncio.sleep(5)
        assert desk.venue.amended == []
        assert [order.client_order_id for order in desk.venue.canceled] == ["c1"]
        desk.venue.cut = False
        await starting

    play(story)


def test_a_change_that_had_not_left_at_a_crash_is_sent_by_nobody_after_it() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.venue.turn = asyncio.Event()
        await desk.amend(quantity="9")
        await asyncio.sleep(1)
        desk.process.kill()  # the request is in the log, and its change waited for the venue's rates
        desk.venue.turn = None
        desk.venue.cut = True
        starting = begin(desk.start())
        await asyncio.sleep(20)
        assert desk.told()[-1] == "amend-unknown"
        desk.venue.cut = False
        await starting
        await asyncio.sleep(SPOT.submit_validity + 15)
        assert desk.venue.amended == []
        assert (desk.told()[-1], desk.order().request.quantity) == ("amend-refused", 2)

    play(story)


class Moving(ScriptedVenue):
    """While balances are on their way an order is moved by one step, and the stream tells of it."""

    desk: Desk
    moves = 0
    moving = False

    async def balances(self) -> Answer:
        answer = await super().balances()
        if self.moving:
            self.moves += 1
            await self.desk.amend(request_id=f"a{self.moves}", price=str(90 + self.moves))
            await asyncio.sleep(0.05)
            self.push(self.orders["c1"])
            await asyncio.sleep(0.05)
        return answer


def test_an_order_that_is_moved_by_a_tick_while_everything_is_compared_is_no_break() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Moving(desk.clock.now_ns)
        venue.desk = desk
        venue.can = replace(SPOT, amend=True)
        await desk.start()
        await desk.place(price=Decimal(90))
        await asyncio.sleep(1)
        venue.moving = True
        for _ in range(6):
            await asyncio.sleep(10)
            assert not desk.breaks()
        assert venue.moves >= 5
        venue.moving = False
        venue.orders["c1"] = replace(venue.orders["c1"], price=Decimal(50))
        await asyncio.sleep(25)
        assert set(desk.breaks()) == {"price:c1"}

    play(story)


def test_a_change_that_has_not_left_is_not_taken_for_applied() -> None:
    """10 to 11 is applied and not shown yet, 11 to 12 is on its way, and 12 to 11 waits: a picture shows 11."""

    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, amend=True)
        await desk.start()
        await desk.place(price=Decimal(10))
        await asyncio.sleep(2)
        await desk.amend(request_id="a1", price="11")
        await asyncio.sleep(0.05)
        desk.venue.turn = asyncio.Event()
        await desk.amend(request_id="a2", price="12")
        await desk.amend(request_id="a3", price="11")
        assert len(desk.order().amends) == 3
        await asyncio.sleep(2)
        desk.venue.turn.set()
        await asyncio.sleep(120)
        assert [each.price for each in desk.venue.amended] == [11, 12, 11]
        assert (desk.order().request.price, desk.order().amends) == (11, ())

    play(story)


async def _looked_at_before_a_change(desk: Desk, **change: str) -> Late:
    """A bid for 2 BTC at 100, and a change of it: what shows it is known, what was asked before it is on its way."""
    venue = desk.venue = Late(desk.clock.now_ns)
    await opened(desk)
    venue.late, venue.turn = asyncio.Event(), asyncio.Event()
    await desk.amend(request_id="a1", **change)
    await asyncio.sleep(0.7)
    venue.turn.set()
    await asyncio.sleep(0.1)
    venue.push(venue.orders["c1"])
    await asyncio.sleep(0.1)
    assert not desk.order().amends
    venue.turn = asyncio.Event()
    venue.fates.append(Fate.REFUSED)
    return venue


async def _then_it_comes(venue: Late) -> None:
    """What was asked before the first change comes before the second one leaves."""
    assert venue.late is not None
    assert venue.turn is not None
    await asyncio.sleep(0.1)
    venue.late.set()
    venue.late = None
    await asyncio.sleep(0.2)
    venue.turn.set()
    await asyncio.sleep(10)


def test_a_look_from_before_a_change_does_not_show_the_one_back_applied() -> None:
    async def story(desk: Desk) -> None:
        venue = await _looked_at_before_a_change(desk, price="90")
        await desk.amend(request_id="a2", price="100")
        await _then_it_comes(venue)
        await asyncio.sleep(60)
        assert venue.orders["c1"].price == 90
        assert (desk.order().request.price, desk.breaks()) == (90, {})

    play(story)


def test_a_look_from_before_a_change_does_not_fill_an_order_that_goes_on() -> None:
    async def story(desk: Desk) -> None:
        venue = await _looked_at_before_a_change(desk, quantity="3")
        venue.push(*venue.fill("c1", "1"))
        await desk.amend(request_id="a2", quantity="2")
        await _then_it_comes(venue)
        venue.push(*venue.fill("c1", "1"))  # two of three
        await asyncio.sleep(10)
        assert venue.orders["c1"].status is VenueOrderStatus.PARTIALLY_FILLED
        assert desk.life() is Life.WORKING

    play(story)


@pytest.mark.parametrize("limited", [False, True])
def test_a_change_counts_the_changes_that_are_on_their_way(limited: bool) -> None:  # noqa: FBT001
    """Of 1000 USDT an order for 200 is to be 9 BTC (900), and then to cost 450 each (900): both make it 4050."""

    async def story(desk: Desk) -> None:
        if limited:
            desk.venue.totals["USDT"] = Decimal(1_000_000)
        await opened(desk)
        if limited:
            desk.engine.decider.limits = Limits(order_notional_max=Decimal(1000))
        await desk.amend(request_id="a1", quantity="9")
        with pytest.raises(LimitExceededError, match="order_notional_max" if limited else "insufficient_funds"):
            await desk.amend(request_id="a2", price="450")
        await desk.amend(request_id="a3", price="105")
        await asyncio.sleep(20)
        assert (desk.order().request.price, desk.order().request.quantity) == (105, 9)

    play(story)


@pytest.mark.parametrize(
    "fates", [[], [Fate.REFUSED], [Fate.ACCEPTED, Fate.REFUSED], [Fate.ANSWER_LOST], [Fate.REQUEST_LOST]]
)
@pytest.mark.parametrize("pause", [0.0, 0.05, 5.0])
def test_a_change_may_be_taken_back_while_it_is_on_its_way(fates: list[Fate], pause: float) -> None:
    """And what is believed in the end is what the venue works, whatever becomes of both."""

    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.venue.fates.extend(fates)
        turn = desk.venue.turn = asyncio.Event()
        await desk.amend(request_id="a1", price="90")
        await desk.amend(request_id="a2", price="100")
        await asyncio.sleep(pause)
        turn.set()
        await asyncio.sleep(150)
        there = desk.venue.orders["c1"]
        assert len(desk.venue.amended) == 2
        assert there.price == (90 if fates[-1:] == [Fate.REFUSED] and len(fates) == 2 else 100)
        assert (desk.order().request.price, desk.order().amends, desk.breaks()) == (there.price, (), {})

    play(story)


def test_the_order_as_it_was_shows_no_change_back() -> None:
    """The first change is applied and does not show yet; the one back is refused."""

    class Lagging(ScriptedVenue):
        was: OrderReport | None = None

        async def order(self, order: OrderRef) -> Answer:
            answer = await super().order(order)
            return answer if self.was is None else replace(answer, reports=(self.was,))

    async def story(desk: Desk) -> None:
        venue = desk.venue = Lagging(desk.clock.now_ns)
        await opened(desk)
        venue.was = venue.orders["c1"]
        venue.fates.extend([Fate.ACCEPTED, Fate.REFUSED])
        await asyncio.gather(desk.amend(request_id="a1", price="90"), desk.amend(request_id="a2", price="100"))
        venue.push(venue.was)
        await asyncio.sleep(1.5)
        venue.was = None
        await asyncio.sleep(60)
        assert venue.orders["c1"].price == 90
        assert (desk.order().request.price, desk.order().amends, desk.breaks()) == (90, (), {})

    play(story)
