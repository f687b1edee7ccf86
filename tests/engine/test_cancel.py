"""Cancels: sent once they are in the log, again while nothing came of them, and never believed on their own word."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.errors import LogUnavailableError, OrderClosedError, UnknownOrderError
from oms.order.state import Life
from oms.store.memory import Fault, Trouble
from tests.engine.desk import Desk, begin, play
from tests.engine.scripted_venue import Fate
from tests.order.story import SPOT


def test_a_cancel_ends_its_order_only_when_the_venue_shows_it_canceled() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        await desk.place()
        await asyncio.sleep(1)
        await desk.cancel()
        await asyncio.sleep(60)
        assert desk.life() is Life.WORKING  # nobody looked
        assert desk.order().cancels

    play(story)


def test_a_cancel_leaves_only_after_its_request_is_committed() -> None:
    """Found by the simulation, seed 10: resuming read the request from a memory that runs ahead of the log."""

    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.blind = True  # what is found would wait for the commit too
        desk.faults.appends.append(Fault(seconds_before=10.0))
        canceling = begin(desk.cancel())
        await asyncio.sleep(9)
        assert not desk.venue.canceled
        await canceling
        desk.venue.blind = False
        await asyncio.sleep(5)
        assert desk.venue.canceled
        assert desk.life() is Life.CANCELED

    play(story)


def test_a_cancel_that_the_log_refused_is_not_sent_while_memory_still_shows_it() -> None:
    """Found by the simulation, seed 494: with the log unreadable, memory stays ahead of it for a while."""

    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        await desk.place()
        await asyncio.sleep(1)
        desk.faults.appends.append(Fault(Trouble.REFUSED))
        desk.faults.unreadable = True
        with pytest.raises(LogUnavailableError):
            await desk.cancel()
        desk.dispatcher.resume_cancels()  # the watcher does this once a second
        await asyncio.sleep(1)
        assert not desk.venue.canceled
        desk.faults.unreadable = False
        await asyncio.sleep(10)
        assert not desk.venue.canceled
        assert desk.agrees()
        await desk.cancel()
        await asyncio.sleep(1)
        assert [order.client_order_id for order in desk.venue.canceled] == ["c1"]

    play(story)


def test_a_cancel_of_an_order_that_is_still_being_sent_waits_for_its_answer() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.held = asyncio.Event()
        await desk.place()
        await desk.cancel()
        await asyncio.sleep(5)
        assert not desk.venue.canceled
        desk.venue.held.set()
        await asyncio.sleep(5)
        assert desk.life() is Life.CANCELED

    play(story)


@pytest.mark.parametrize("fate", [Fate.BUSY, Fate.NOT_SENT])
@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3])  # that the commit of the cancel takes: the repeat is due in 0.25 s
def test_an_order_whose_end_is_asked_for_is_not_sent_once_more(fate: Fate, seconds: float) -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.append(fate)
        await desk.place()
        await asyncio.sleep(0.1)
        sent = list(desk.venue.submitted)
        desk.faults.appends.append(Fault(seconds_before=seconds))
        await desk.cancel()
        await asyncio.sleep(10)
        assert desk.venue.submitted == sent
        assert desk.life() is Life.DENIED
        assert desk.held() == 0
        assert desk.agrees()

    play(story)


def test_an_order_whose_end_is_asked_for_in_one_commit_with_it_never_leaves() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await asyncio.gather(desk.place(), desk.cancel())
        await asyncio.sleep(10)
        assert not desk.venue.submitted
        assert desk.life() is Life.DENIED

    play(story)


def test_a_cancel_of_an_order_in_doubt_is_sent_as_soon_as_the_order_is_found() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.append(Fate.ANSWER_LOST)
        await desk.place()
        await asyncio.sleep(0.1)
        await desk.cancel()
        await asyncio.sleep(10)
        assert desk.life() is Life.CANCELED

    play(story)


def test_s04_a_cancel_that_lost_against_a_fill_is_refused_and_the_fill_is_booked() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.fill("c1", "2")
        await desk.cancel()
        await asyncio.sleep(0.1)
        assert "cancel-refused" in desk.told()
        await asyncio.sleep(15)
        assert desk.life() is Life.FILLED
        assert "venue-canceled" not in desk.told()
        assert desk.agrees()

    play(story)


def test_s14_in_an_outage_a_cancel_stays_pending_and_nothing_is_made_up() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.cut = True
        desk.venue.fates.extend([Fate.REQUEST_LOST] * 10_000)
        await desk.cancel()
        await asyncio.sleep(3_600)
        assert desk.life() is Life.WORKING
        assert desk.order().cancels == ("r1",)
        assert desk.held() > 0
        desk.venue.cut = False
        desk.venue.fates.clear()
        await asyncio.sleep(30)
        assert desk.life() is Life.CANCELED

    play(story)


def test_s15_a_cancel_whose_answer_is_lost_is_proven_by_asking_for_the_order() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.fates.append(Fate.ANSWER_LOST)
        await desk.cancel()
        await asyncio.sleep(5)
        assert desk.life() is Life.CANCELED

    play(story)


def test_the_same_request_twice_is_one_cancel_and_a_closed_order_takes_no_new_one() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        await asyncio.gather(desk.cancel(), desk.cancel(), desk.cancel(request_id="r2"))
        await asyncio.sleep(5)
        assert desk.told().count("cancel-requested") == 2
        assert len(desk.venue.canceled) == 1, "the end that one of them brought is that of both"
        await desk.cancel()  # each request once more: its first answer
        await desk.cancel(request_id="r2")
        with pytest.raises(OrderClosedError):
            await desk.cancel(request_id="r3")
        with pytest.raises(UnknownOrderError):
            await desk.cancel("never")

    play(story)


def test_a_restart_sends_the_cancel_that_its_predecessor_had_only_written_down() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await desk.cancel()
        await asyncio.sleep(0.005)
        desk.process.kill()
        desk.venue.canceled.clear()
        await desk.start()
        await asyncio.sleep(5)
        assert [order.client_order_id for order in desk.venue.canceled] == ["c1"]
        assert desk.life() is Life.CANCELED

    play(story)


@pytest.mark.parametrize("together", [False, True])
def test_a_cancel_that_certainly_never_left_is_no_doubt_and_is_sent_until_it_leaves(together: bool) -> None:  # noqa: FBT001
    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, cancels_at_once=10)
        await desk.start()
        names = ["c1", "c2"] if together else ["c1"]
        for name in names:
            await desk.place(name, quantity=Decimal(1))
        await asyncio.sleep(1)
        desk.venue.shut = "the lease on the account was not renewed"
        await asyncio.gather(*(desk.cancel(name) for name in names))
        await asyncio.sleep(60)
        assert {desk.told(name)[-1] for name in names} == {"cancel-requested"}, "nothing is known that was not before"
        assert (await desk.place("c3", quantity=Decimal(1))).state.life is Life.SENDING  # type: ignore[union-attr]  # it is an order
        desk.venue.shut = None
        await asyncio.sleep(15)
        assert {desk.life(name) for name in names} == {Life.CANCELED}
        assert desk.life("c3") is Life.WORKING

    play(story)


def test_a_cancel_that_was_taken_is_not_lost_with_the_refusal_of_an_earlier_one() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.fates.append(Fate.REFUSED)
        await desk.cancel(request_id="r1")
        await desk.cancel(request_id="r2")  # while the first one is on its way
        await asyncio.sleep(10)
        assert desk.told().count("cancel-refused") == 1
        assert desk.life() is Life.CANCELED

    play(story)


def test_every_cancel_is_refused_once_and_none_is_sent_for_ever() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.fates.extend([Fate.REFUSED] * 100)
        await asyncio.gather(*(desk.cancel(request_id=f"r{n}") for n in range(3)))
        await asyncio.sleep(60)
        assert len(desk.venue.canceled) == desk.told().count("cancel-refused") == 3
        assert (desk.life(), desk.order().cancels) == (Life.WORKING, ())

    play(story)
