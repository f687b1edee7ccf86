"""Doubt: what the venue did not answer is asked about until it is known, and never guessed."""

import asyncio
from collections import deque
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.absence import LISTS
from oms.errors import LogUnavailableError
from oms.order.events import AbsenceProven, OrderVanished, VenueSearched
from oms.order.state import Life, status
from oms.ports import AppendOutcome, Batch
from oms.reports import VenueOrderStatus
from oms.store.memory import Fault, MemoryLog, Trouble
from oms.survey import UNANSWERED_IN_ALL
from oms.values import OrderStatus, Purse, Symbol
from oms.venue import Answer, NoAnswerError, OrderRef
from tests.engine.desk import Desk, begin, play, stream
from tests.engine.scripted_venue import Capped, Cut, Fate, ScriptedVenue
from tests.order.story import BTC_PERPETUAL, BTC_USDT, SPOT

USDT = Purse("USDT")
PERPETUAL = BTC_PERPETUAL.symbol


def test_s01_an_outage_leaves_live_orders_open_and_books_what_filled_meanwhile_once() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        names = [f"c{n}" for n in range(6)]
        for name in names:
            await desk.place(name, quantity=Decimal("0.5"))
        await asyncio.sleep(1)
        desk.venue.cut = True
        filled = names[:4]
        trades = [desk.venue.fill(name, "0.5") for name in filled]
        for _ in range(600):
            await asyncio.sleep(1)
            assert {desk.life(name) for name in names} == {Life.WORKING}
        desk.venue.cut = False
        await asyncio.sleep(30)
        desk.venue.push(*trades[0])  # and once more by the stream
        await asyncio.sleep(1)
        assert [desk.life(name) for name in names] == [Life.FILLED] * 4 + [Life.WORKING] * 2
        assert sum(desk.told(name).count("order-filled") for name in names) == 4
        assert [position.quantity for position in desk.engine.book.positions.values()] == [Decimal(2)]
        assert not any("absence-proven" in desk.told(name) for name in names)

    play(story)


def test_s02_a_submit_whose_answer_is_lost_is_found_and_never_doubled() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.append(Fate.ANSWER_LOST)
        await desk.place()
        await asyncio.sleep(0.1)
        assert desk.life() is Life.IN_DOUBT
        await asyncio.sleep(5)
        assert desk.life() is Life.WORKING
        assert desk.order().venue_order_id == "v1"
        assert len(desk.venue.submitted) == 1

    play(story)


def test_s02_what_was_certainly_not_executed_goes_out_again_under_its_own_id_and_not_for_ever() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.extend([Fate.BUSY, Fate.NOT_SENT, Fate.ACCEPTED])
        await desk.place()
        await asyncio.sleep(10)
        assert desk.life() is Life.WORKING
        assert [order.client_order_id for order in desk.venue.submitted] == ["c1"] * 3
        assert desk.told().count("send-started") == 3
        desk.venue.fates.extend([Fate.BUSY] * 9)
        await desk.place("c2", quantity=Decimal(1))
        await asyncio.sleep(10)
        assert desk.life("c2") is Life.REJECTED
        assert sum(order.client_order_id == "c2" for order in desk.venue.submitted) == 3

    play(story)


@pytest.mark.parametrize("arrived", [True, False])
def test_s03_after_a_crash_the_unanswered_send_is_in_doubt_and_settled_by_asking(arrived: bool) -> None:  # noqa: FBT001
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.held = asyncio.Event()
        desk.venue.fates.append(Fate.ACCEPTED if arrived else Fate.REQUEST_LOST)
        await desk.place()
        await asyncio.sleep(1)
        desk.process.kill()
        if arrived:
            desk.venue.take(desk.venue.submitted[0])
        desk.venue.held = None
        starting = begin(desk.start())
        await asyncio.sleep(0.005)
        assert desk.in_log() is not None
        await starting
        assert "outcome-unknown" in desk.told()
        await asyncio.sleep(120)
        assert desk.life() is (Life.WORKING if arrived else Life.REJECTED)
        assert len(desk.venue.submitted) == 1
        assert desk.agrees()

    play(story)


@pytest.mark.parametrize("step", [*range(1, 60, 3), 80, 120, 200])
def test_s03_killed_at_any_step_an_acknowledged_order_is_neither_lost_nor_doubled(step: int) -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        desk.process.doom(desk.process.steps + step)
        acknowledged = begin(desk.inside(desk.place))
        await asyncio.sleep(3)
        desk.process.kill()
        await desk.start()
        await asyncio.sleep(120)
        told = desk.in_log()
        if acknowledged.exception() is None:
            assert told is not None
        assert len(desk.venue.submitted) <= 1
        assert (told is not None and told.life is Life.WORKING) == ("c1" in desk.venue.orders)
        assert desk.agrees()

    play(story)


def test_absence_is_proven_only_after_the_request_can_no_longer_execute() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await desk.place()
        await asyncio.sleep(60)
        assert desk.life() is Life.IN_DOUBT
        assert desk.held() > 0
        await asyncio.sleep(20)
        assert desk.life() is Life.REJECTED
        assert desk.told()[-1] == "absence-proven"
        assert not desk.held()

    play(story)


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize("minutes", [5, -5])
def test_a_clock_that_is_set_by_minutes_ends_no_doubt_early_and_none_late(minutes: int, restarted: bool) -> None:  # noqa: FBT001
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await desk.place()
        await asyncio.sleep(5)
        if restarted:
            desk.process.kill()
        desk.clock.ahead_ns = minutes * 60_000_000_000
        if restarted:
            await desk.start()
        await asyncio.sleep(54)
        assert desk.life() is Life.IN_DOUBT
        await asyncio.sleep(30)
        # The story's venue goes by that clock, too. Set back, it cannot tell how long ago it may have forgotten.
        assert desk.life() is (Life.VANISHED if minutes < 0 else Life.REJECTED)

    play(story)


@pytest.mark.parametrize(
    "trouble", [Trouble.REFUSED, Trouble.REQUEST_LOST, Trouble.ANSWER_LOST, Trouble.SILENT_LOST, Trouble.SILENT_DONE]
)
def test_the_proof_of_an_absence_names_what_the_log_holds_whatever_befalls_its_commit(trouble: Trouble) -> None:
    class Troubled(MemoryLog):
        async def append(self, batch: Batch) -> AppendOutcome:
            if not troubles and any(event.topic.startswith("absence-proven") for event in batch.events):
                troubles.append(trouble)
                desk_faults.append(Fault(trouble))
            return await super().append(batch)

    troubles: list[Trouble] = []
    desk_faults: deque[Fault] = deque()

    async def story(desk: Desk) -> None:
        desk.faults.appends = desk_faults
        desk.log = Troubled(desk.faults)
        await desk.start()
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await desk.place()
        await asyncio.sleep(200)
        assert (desk.life(), troubles) == (Life.REJECTED, [trouble])
        (proof,) = (each for each in desk.story() if isinstance(each, AbsenceProven))
        searched = [mark.message_id for each in desk.story() if isinstance(each, VenueSearched) for mark in each.marks]
        assert proof.evidence
        for names in (proof.evidence, searched):
            assert {each.message_id for each in await desk.log.messages(names)} == set(names)

    play(story)


def test_s01_not_being_able_to_ask_never_proves_absence() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.cut = True
        await asyncio.sleep(900)
        assert desk.life() is Life.IN_DOUBT
        assert desk.held() > 0
        desk.venue.cut = False
        await asyncio.sleep(30)
        assert desk.life() is Life.REJECTED

    play(story)


@pytest.mark.parametrize(("minutes", "direct"), [(19, True), (25, False)])
def test_s16_an_unfilled_order_that_ended_while_we_were_down_is_closed_as_canceled(
    minutes: int,
    direct: bool,  # noqa: FBT001
) -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.process.kill()
        desk.venue.set_status("c1", VenueOrderStatus.CANCELED)
        await asyncio.sleep(minutes * 60)
        await desk.start()
        assert (desk.life() is Life.CANCELED) is direct  # at minute 19 the venue says so itself
        await asyncio.sleep(120)
        assert status(desk.order()) is OrderStatus.CANCELED
        assert "venue-refused" not in desk.told()
        assert "absence-proven" not in desk.told()
        if not direct:
            assert desk.order().reason == "proof: absence"
            assert desk.told()[-2:] == ["venue-searched", "order-vanished"]
            searched, vanished = desk.story()[-2:]
            assert isinstance(searched, VenueSearched)
            assert isinstance(vanished, OrderVanished)
            assert [mark.what for mark in searched.marks] == ["order", "open_orders", "order_history", "trades"]
            assert all(mark.complete for mark in searched.marks)
            assert [mark.memory_ms for mark in searched.marks] == [1_200_000, None, 1_200_000, None]
            assert vanished.evidence == tuple(mark.message_id for mark in searched.marks)
            assert set(vanished.evidence) <= set(desk.log._messages)
        assert not desk.held()
        assert desk.agrees()

    play(story)


def test_s16_a_send_that_may_be_older_than_the_venues_memory_is_never_called_rejected() -> None:
    """Whether it arrived and was canceled, or never arrived, nobody can say any more."""

    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.held = asyncio.Event()
        await desk.place()
        await asyncio.sleep(1)
        desk.process.kill()
        desk.venue.held = None
        await asyncio.sleep(25 * 60)
        await desk.start()
        await asyncio.sleep(120)
        assert status(desk.order()) is OrderStatus.CANCELED
        assert desk.order().reason == "proof: absence"

    play(story)


def test_s16_a_list_that_was_cut_proves_nothing() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Cut(desk.clock.now_ns)
        await desk.start()
        venue.whole = False
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await desk.place()
        await asyncio.sleep(300)
        assert desk.life() is Life.IN_DOUBT
        assert desk.held() > 0
        venue.whole = True
        await asyncio.sleep(30)
        assert desk.life() is Life.REJECTED

    play(story)


def test_s43_an_order_absent_everywhere_for_days_is_closed_with_evidence_and_stays_in_history() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.process.kill()
        del desk.venue.orders["c1"]
        desk.clock._epoch_ns += 10 * 86_400 * 10**9
        await desk.start()
        await asyncio.sleep(120)
        assert status(desk.order()) is OrderStatus.CANCELED
        asked = desk.venue.asked
        await asyncio.sleep(30)
        assert desk.venue.asked - asked < 20  # the comparisons' own questions: it is not polled for ever
        assert desk.in_log() is not None

    play(story)


def test_s13_an_order_that_vanished_and_shows_up_again_lives_again() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        gone = desk.venue.orders.pop("c1")
        await asyncio.sleep(100)
        assert desk.order().reason == "proof: absence"
        desk.venue.orders["c1"] = gone
        await asyncio.sleep(15)
        assert desk.life() is Life.WORKING
        assert desk.held() > 0
        assert desk.told()[-2:] == ["order-vanished", "venue-accepted"]

    play(story)


def test_a_working_order_that_the_venue_forgets_for_a_while_is_not_given_up() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        for _ in range(5):
            desk.venue.blind = True
            await asyncio.sleep(30)
            assert desk.life() is Life.WORKING
            desk.venue.blind = False
            await asyncio.sleep(15)
        assert desk.told() == ["order-requested", "send-started", "venue-accepted"]

    play(story)


@pytest.mark.parametrize("hours", [1])
def test_s14_a_cancel_in_flight_through_an_outage_stays_pending_and_nothing_is_made_up(hours: int) -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.fates.extend([Fate.REQUEST_LOST] * 10_000)
        desk.venue.cut = True
        await desk.cancel()
        await asyncio.sleep(hours * 3_600)
        assert status(desk.order()) is OrderStatus.PENDING_CANCEL
        assert desk.held() > 0
        assert {*desk.told()} == {
            "order-requested", "send-started", "venue-accepted", "cancel-requested", "cancel-unknown",
        }  # fmt: skip
        desk.venue.fates.clear()
        desk.venue.cut = False
        await asyncio.sleep(30)
        assert desk.life() is Life.CANCELED

    play(story)


def test_s15_an_order_that_left_the_open_list_is_asked_for_itself_and_for_its_trades() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        for name in ("c1", "c2"):
            await desk.place(name)
        await asyncio.sleep(1)
        desk.venue.fates.extend([Fate.ANSWER_LOST, Fate.ANSWER_LOST])
        for name in ("c1", "c2"):
            desk.venue.fill(name, "0.5")
            await desk.cancel(name)
        await asyncio.sleep(15)
        assert [desk.life(name) for name in ("c1", "c2")] == [Life.CANCELED] * 2
        assert [desk.order(name).cum_quantity for name in ("c1", "c2")] == [Decimal("0.5")] * 2

    play(story)


def test_s44_one_order_that_cannot_be_read_keeps_nobody_from_the_others() -> None:
    class Garbled(ScriptedVenue):
        async def order(self, order: OrderRef) -> Answer:
            if order.client_order_id == "c1":
                raise NoAnswerError("the answer is not JSON", self._evidence())
            return await super().order(order)

    async def story(desk: Desk) -> None:
        desk.venue = Garbled(desk.clock.now_ns)
        await desk.start()
        for name in ("c1", "c2", "c3"):
            await desk.place(name)
        await asyncio.sleep(1)
        for name in ("c1", "c2", "c3"):
            desk.venue.set_status(name, VenueOrderStatus.CANCELED)
        await asyncio.sleep(15)
        assert [desk.life(name) for name in ("c1", "c2", "c3")] == [Life.WORKING, Life.CANCELED, Life.CANCELED]

    play(story)


def test_s11_a_fill_that_outruns_the_acknowledgement_is_booked_at_once() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.held = asyncio.Event()
        await desk.place()
        await asyncio.sleep(0.1)
        desk.venue.take(desk.venue.submitted[0])
        desk.venue.push(*desk.venue.fill("c1", "0.5"))
        await asyncio.sleep(0.1)
        assert (desk.life(), desk.order().cum_quantity) == (Life.WORKING, Decimal("0.5"))
        desk.venue.fates.append(Fate.REQUEST_LOST)
        desk.venue.held.set()
        await asyncio.sleep(1)
        assert desk.life() is Life.WORKING  # the lost answer has nothing more to say
        assert "outcome-unknown" not in desk.told()

    play(story)


def test_s12_a_late_fill_after_the_cancel_is_booked_and_moves_position_and_funds() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        await desk.cancel()
        await asyncio.sleep(2)
        assert desk.life() is Life.CANCELED
        before = desk.engine.book.funds(USDT).total
        _, trade = desk.venue.fill("c1", "0.5")
        await asyncio.sleep(60)
        desk.venue.push(trade)
        await asyncio.sleep(1)
        assert desk.order().cum_quantity == Decimal("0.5")
        assert desk.engine.book.funds(USDT).total == before - Decimal("50.1")
        assert desk.agrees()

    play(story)


def test_s13_an_order_called_absent_that_shows_up_lives_again_and_keeps_its_story() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await desk.place()
        await asyncio.sleep(100)
        assert desk.life() is Life.REJECTED
        desk.venue.take(desk.venue.submitted[0])
        await asyncio.sleep(30)
        assert desk.life() is Life.WORKING
        assert desk.held() > 0
        assert desk.told()[-2:] == ["absence-proven", "venue-accepted"]
        assert len(desk.venue.submitted) == 1

    play(story)


@pytest.mark.parametrize("restarted", [False, True])
def test_s13_a_cancel_of_an_order_that_was_called_absent_is_sent_when_the_order_shows_up(*, restarted: bool) -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await desk.place()
        await asyncio.sleep(1)
        await desk.cancel()
        await asyncio.sleep(119)
        assert desk.life() is Life.REJECTED
        assert not desk.venue.canceled
        assert stream("c1") not in desk.engine.book.unsettled, "of what is dead nothing is awaited"
        if restarted:
            desk.process.kill()
            await desk.start()
        desk.venue.take(desk.venue.submitted[0])
        await asyncio.sleep(30)
        assert [ref.client_order_id for ref in desk.venue.canceled] == ["c1"]
        assert desk.life() is Life.CANCELED
        assert desk.told().count("cancel-requested") == 1
        assert desk.agrees()

    play(story)


def test_a_second_start_of_a_killed_recovery_asks_again() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(0.005)
        desk.process.kill()
        desk.venue.take(desk.venue.submitted[0])
        for _ in range(3):
            desk.venue.cut = True
            starting = begin(desk.start())
            await asyncio.sleep(0.5)
            desk.process.kill()
            starting.cancel()
        desk.venue.cut = False
        await desk.start()
        await asyncio.sleep(5)
        assert desk.life() is Life.WORKING
        assert desk.told().count("outcome-unknown") == 1

    play(story)


def test_an_intent_whose_commit_nobody_answered_is_settled_by_asking_not_by_sending() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.faults.appends.append(Fault(Trouble.SILENT_DONE))
        placing = begin(desk.place())
        await asyncio.sleep(90)
        assert placing.exception() is not None
        assert desk.life() is Life.REJECTED
        assert not desk.venue.submitted
        assert stream("c1") not in desk.engine.book.open

    play(story)


@pytest.mark.parametrize("fate", [Fate.BUSY, Fate.NOT_SENT, Fate.REFUSED, Fate.ACCEPTED])
def test_an_order_whose_answer_waits_for_the_log_is_not_doubted_when_memory_is_built_anew(fate: Fate) -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.append(fate)
        await desk.place()
        desk.faults.appends.append(Fault(Trouble.REFUSED, seconds_before=1.0))  # the answer comes in behind it
        lost = begin(desk.place("c2", quantity=Decimal(1)))
        await asyncio.sleep(10)
        assert isinstance(lost.exception(), LogUnavailableError)
        assert "outcome-unknown" not in desk.told()
        assert desk.life() is (Life.REJECTED if fate is Fate.REFUSED else Life.WORKING)
        assert desk.agrees()

    play(story)


def test_an_order_that_is_placed_the_moment_memory_is_back_is_not_doubted() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.faults.appends.append(Fault(Trouble.REFUSED))
        with pytest.raises(LogUnavailableError):
            await desk.place("c1")
        await desk.engine._ready.wait()
        await desk.place("c2")
        await asyncio.sleep(5)
        assert "outcome-unknown" not in desk.told("c2")
        assert desk.life("c2") is Life.WORKING

    play(story)


def test_a_post_only_order_that_the_venue_cancels_silently_ends_canceled() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place(post_only=True)
        await asyncio.sleep(1)
        desk.venue.set_status("c1", VenueOrderStatus.CANCELED)
        await asyncio.sleep(15)
        assert desk.life() is Life.CANCELED
        assert not desk.held()

    play(story)


def test_a_long_doubt_is_asked_about_seldom_and_at_once_again_when_it_is_news_or_nobody_could_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the venue may execute a minute late would otherwise be asked for a hundred times, out of what is counted."""
    monkeypatch.setattr("oms.watcher.FULL_SECONDS", 10_000.0)  # the polls alone

    async def story(desk: Desk) -> None:
        await desk.start()
        asked: list[float] = []
        ask, began = desk.venue.order, asyncio.get_running_loop().time()

        async def counted(order: OrderRef) -> Answer:
            asked.append(asyncio.get_running_loop().time() - began)
            return await ask(order)

        def looks(since: float, until: float) -> int:
            return sum(since <= at < until for at in asked)

        desk.venue.order = counted  # type: ignore[method-assign]
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await desk.place()
        await asyncio.sleep(30)
        assert looks(0, 10) >= 18  # it may only be late to show
        assert 8 <= looks(12, 30) <= 10
        desk.venue.cut = True
        await asyncio.sleep(12)
        assert looks(32, 42) >= 9  # half a second's rest, and half a second to the next round
        desk.venue.cut = False
        await desk.cancel()
        await asyncio.sleep(5)
        assert looks(42, 47) >= 8

    play(story)


def test_an_absence_is_proven_by_a_look_after_the_request_could_execute_not_by_the_end_of_a_long_comparison(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("oms.watcher.POLL_SECONDS", 10_000.0)  # the comparisons alone
    names = [f"c{number}" for number in range(1, 4)]
    asked: dict[str, float] = {}

    class Slow(ScriptedVenue):
        seconds = 0.0

        async def order(self, order: OrderRef) -> Answer:
            asked[order.client_order_id] = asyncio.get_running_loop().time()
            await asyncio.sleep(self.seconds)
            return await super().order(order)

    async def story(desk: Desk) -> None:
        venue = desk.venue = Slow(desk.clock.now_ns)
        await desk.start()
        desk.venue.fates.extend([Fate.REQUEST_LOST] * len(names))
        for name in names:
            await desk.place(name, quantity=Decimal(1))
        doubted = asyncio.get_running_loop().time()
        venue.seconds = 50.0
        looks: dict[str, float] = {}
        while len(looks) < len(names):
            await asyncio.sleep(1)
            assert asyncio.get_running_loop().time() < doubted + 600
            looks |= {name: asked[name] for name in names if desk.life(name) is Life.REJECTED and name not in looks}
        assert all(at >= doubted + desk.venue.can.submit_validity for at in looks.values())

    play(story)


def test_no_absence_is_proven_while_queries_may_still_lag_however_soon_a_request_expires() -> None:
    """What the venue took was hidden from its queries for half a minute: longer than the request was valid, and longer
    than what is accepted usually takes to show (found by the simulation, seed 3033410).
    """

    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, submit_validity=3.0, visibility_delay=10.0, lag=40.0)
        await desk.start()
        desk.venue.fates.append(Fate.ANSWER_LOST)
        desk.venue.blind = True
        await desk.place()
        await asyncio.sleep(31)
        assert desk.life() is Life.IN_DOUBT
        desk.venue.blind = False
        await asyncio.sleep(5)
        assert desk.life() is Life.WORKING
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await desk.place("c2", quantity=Decimal("0.5"))
        await asyncio.sleep(39)
        assert desk.life("c2") is Life.IN_DOUBT
        await asyncio.sleep(22)
        assert desk.life("c2") is Life.REJECTED

    play(story)


def test_a_market_that_cannot_be_asked_about_keeps_no_other_in_doubt() -> None:
    """It has more open orders than its list shows: nothing there can be proven absent."""

    class Crowded(ScriptedVenue):
        async def order(self, order: OrderRef) -> Answer:
            if order.symbol == PERPETUAL:
                raise NoAnswerError("the list is cut", self._evidence())
            return await super().order(order)

        async def open_orders(self, symbol: Symbol | None = None) -> Answer:
            shown = await super().open_orders(symbol)
            return shown if symbol == BTC_USDT.symbol else replace(shown, complete=False)

    async def story(desk: Desk) -> None:
        desk.venue = Crowded(desk.clock.now_ns)
        desk.venue.futures = Decimal(100_000)
        await desk.start()
        crowd = [f"p{number}" for number in range(5)]
        desk.venue.fates.extend([Fate.REQUEST_LOST] * (len(crowd) + 1))
        for name in crowd:
            await desk.place(name, symbol=PERPETUAL, quantity=Decimal(1), price=Decimal(27_000), leverage=Decimal(10))
        await desk.place("c1")
        await asyncio.sleep(180)
        assert [desk.life(name) for name in crowd] == [Life.IN_DOUBT] * len(crowd)
        assert desk.life("c1") is Life.REJECTED

    play(story)


def test_a_venue_that_answers_nothing_is_not_asked_about_every_market_in_turn() -> None:
    """Each market has its own patience, so that one whose list is cut keeps nobody else waiting; and all have one."""

    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        markets = [Symbol(f"C{number}/USDT") for number in range(8)]
        for market in markets:
            desk.engine.decider.instruments[market] = replace(BTC_USDT, symbol=market, venue_symbol=market)  # type: ignore[index]
        desk.venue.fates.extend([Fate.REQUEST_LOST] * 16)
        for number, market in enumerate(markets * 2):
            await desk.place(f"c{number}", symbol=market, quantity=Decimal("0.5"), price=Decimal(10))
        await asyncio.sleep(0.1)
        desk.venue.cut = True
        asked: list[Symbol] = []
        order = desk.venue.order

        async def noticed(name: OrderRef) -> Answer:
            asked.append(name.symbol)
            return await order(name)

        desk.venue.order = noticed  # type: ignore[assignment]
        await desk.watcher.compare()
        assert len(asked) == UNANSWERED_IN_ALL

    play(story)


@pytest.mark.parametrize("cut", [True, False])
def test_what_lists_miss_before_and_after_a_time_in_which_nobody_could_look_is_not_missed_all_along(cut: bool) -> None:  # noqa: FBT001
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(20)
        desk.venue.blind = True  # queries lag
        await asyncio.sleep(11)
        desk.venue.blind, desk.venue.cut = False, cut
        await asyncio.sleep(600)
        desk.venue.blind, desk.venue.cut = True, False
        await asyncio.sleep(11)
        desk.venue.blind = False
        await asyncio.sleep(60)
        assert desk.life() is Life.WORKING
        assert "order-vanished" not in desk.told()

    play(story)


def test_an_order_that_the_stream_shows_alive_is_not_missed_from_before_that() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue
        await desk.start()
        await desk.place()
        await asyncio.sleep(15)
        venue.blind = True
        await asyncio.sleep(65)
        venue.push(*venue.fill("c1", "0.5"))  # alive now
        await asyncio.sleep(20)
        assert desk.life() is Life.WORKING, desk.told()
        await asyncio.sleep(90)
        assert desk.life() is Life.VANISHED, desk.told()  # and missed from then on

    play(story)


def test_a_late_frame_of_before_an_order_was_missed_does_not_show_it_alive() -> None:
    """Seed 18062561: such a frame made its patience begin anew."""

    async def story(desk: Desk) -> None:
        venue = desk.venue
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        late = venue.orders["c1"]
        await asyncio.sleep(14)
        venue.blind = True
        await asyncio.sleep(65)
        venue.push(late)
        await asyncio.sleep(30)
        assert desk.life() is Life.VANISHED, desk.told()

    play(story)


def test_an_order_is_proven_absent_though_its_market_traded_more_since_than_one_answer_holds() -> None:
    """An outage of an hour left doubts of which none ended any more: nobody went on where a list was cut."""

    async def story(desk: Desk) -> None:
        desk.venue = venue = Capped(desk.clock.now_ns)
        await desk.start()
        venue.fates.append(Fate.REQUEST_LOST)
        await desk.place()
        venue.by_hand("human", "10")
        for _ in range(10):
            await asyncio.sleep(2)
            venue.push(*venue.fill("human", "0.5"))
        await asyncio.sleep(180)
        assert desk.life() is Life.REJECTED, desk.told()

    play(story)


def test_a_young_order_is_proven_absent_beside_an_old_one_whose_time_is_too_long_to_be_read() -> None:
    """Found by a run of kills: one doubt of an hour ago kept all the others from ending."""

    async def story(desk: Desk) -> None:
        desk.venue = venue = Capped(desk.clock.now_ns)
        venue.rows_max, venue.totals = 8, {"USDT": Decimal(100_000), "BTC": Decimal(5)}
        await desk.start()
        venue.fates.append(Fate.REQUEST_LOST)
        await desk.place("old", quantity=Decimal("0.5"), price=Decimal(10))
        venue.by_hand("human", "100")
        for _ in range(100):  # more than eight answers hold, by the time that it may be searched for
            await asyncio.sleep(1)
            venue.push(*venue.fill("human", "0.5", price="1"))
        await asyncio.sleep(700)  # by so much our clock may have been out as an order was written down
        venue.fates.extend([Fate.REQUEST_LOST] * 3)
        for number in range(3):
            await desk.place(f"young{number}", quantity=Decimal("0.5"), price=Decimal(10))
        await asyncio.sleep(240)
        assert {desk.life(f"young{number}") for number in range(3)} == {Life.REJECTED}
        assert (desk.life("old"), "coverage:BTC/USDT" in desk.breaks()) == (Life.IN_DOUBT, True)

    play(story)


def test_what_one_search_brought_is_kept_once_for_all_the_orders_it_proves_absent() -> None:
    """Hundreds of doubts end at once after an outage, and the lists that prove them absent are long."""

    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.extend([Fate.REQUEST_LOST] * 12)
        for number in range(12):
            await desk.place(f"c{number}", quantity=Decimal("0.5"), price=Decimal(10))
        await asyncio.sleep(200)
        assert {desk.life(f"c{number}") for number in range(12)} == {Life.REJECTED}
        marks = [
            mark
            for number in range(12)
            for each in desk.story(f"c{number}")
            if isinstance(each, VenueSearched)
            for mark in each.marks
        ]
        named = {what: {mark.message_id for mark in marks if mark.what == what} for what in ("order", *LISTS)}
        assert [len(names) for names in named.values()] == [12, 1, 1, 1]
        assert set().union(*named.values()) <= set(desk.log._messages)

    play(story)


def test_a_list_that_stays_cut_is_told_where_it_keeps_orders_in_doubt() -> None:
    async def story(desk: Desk) -> None:
        desk.venue = venue = Cut(desk.clock.now_ns)
        await desk.start()
        venue.whole = False
        venue.fates.append(Fate.REQUEST_LOST)
        await desk.place()
        await asyncio.sleep(180)
        assert desk.life() is Life.IN_DOUBT
        (_, theirs) = desk.breaks()["coverage:BTC/USDT"]
        assert theirs == "trades: cut, so that none of them is proven absent"
        venue.whole = True
        await asyncio.sleep(30)
        assert (desk.life(), "coverage:BTC/USDT" in desk.breaks()) == (Life.REJECTED, False)

    play(story)
