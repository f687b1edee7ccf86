"""Frames and rows of orders that say neither our name nor anybody else's (fields vanish, PROTOCOL 9.51): the venue's
own id says whose they are, so that a trade is booked once.
"""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.order.state import Life
from oms.reports import OrderReport, TradeReport
from oms.snapshot import Pace
from oms.values import ClientOrderId, Purse
from oms.venue import Answer, LastLook, NewOrder, nothing_holds
from tests.engine.desk import Desk, play, stream
from tests.engine.scripted_venue import Fate, ScriptedVenue


class AnswersLate(ScriptedVenue):
    """Takes an order, and answers only when it may."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        super().__init__(now_ns)
        self.answering = asyncio.Event()

    async def submit(self, order: NewOrder, *, last_look: LastLook = nothing_holds) -> Answer:
        try:
            return await super().submit(order, last_look=last_look)
        finally:
            await self.answering.wait()


def half_filled(desk: Desk, name: str = "c1", said: str | None = None) -> Sequence[OrderReport | TradeReport]:
    """Fill a part of an order; return what is pushed of it, which says another name, or none."""
    shown, trade = desk.venue.fill(name, "0.5")
    desk.venue.totals["BTC"] += Decimal("0.5")
    desk.venue.totals["USDT"] -= Decimal("50.1")
    told = None if said is None else ClientOrderId(said)
    return replace(shown, client_order_id=told), replace(trade, client_order_id=told)


async def booked_once(desk: Desk, *names: str) -> None:
    await asyncio.sleep(600)
    assert sorted(desk.engine.book.orders) == [stream(name) for name in names]
    assert desk.engine.book.totals[Purse("BTC")] == desk.venue.totals["BTC"]
    assert not desk.breaks()


@pytest.mark.parametrize("order_only", [False, True])
def test_s09_a_frame_without_our_name_is_of_the_order_that_the_venue_knows_by_its_id(
    order_only: bool,  # noqa: FBT001
) -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.push(*half_filled(desk)[: 1 if order_only else 2])
        await booked_once(desk, "c1")

    play(story)


def test_s09_rows_of_lists_without_our_name_are_of_the_order_that_the_venue_knows_by_its_id() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        half_filled(desk)  # nothing is pushed
        desk.venue.trades_done = [replace(each, client_order_id=None) for each in desk.venue.trades_done]
        desk.venue.orders["c1"] = replace(desk.venue.orders["c1"], client_order_id=None)
        await booked_once(desk, "c1")
        assert desk.order().cum_quantity == Decimal("0.5")

    play(story)


@pytest.mark.parametrize("fate", [Fate.ACCEPTED, Fate.ANSWER_LOST])
def test_s09_a_frame_without_our_name_that_comes_before_the_answer_is_nobody_elses(fate: Fate) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = AnswersLate(desk.clock.now_ns)
        await desk.start()
        venue.fates.append(fate)
        await desk.place()
        await asyncio.sleep(1)
        assert desk.life() is Life.SENDING
        venue.push(*half_filled(desk))
        await asyncio.sleep(1)
        venue.answering.set()
        await booked_once(desk, "c1")
        assert desk.order().cum_quantity == Decimal("0.5")

    play(story)


@pytest.mark.parametrize("pace", [Pace(10**9, 10.0**9), Pace(1, 0.0)])
def test_s09_the_venues_id_says_whose_a_frame_is_after_a_restart_too(pace: Pace) -> None:
    async def story(desk: Desk) -> None:
        desk.pace = pace
        await desk.start()
        await desk.place()
        await asyncio.sleep(3)
        desk.process.kill()
        await desk.start()
        desk.venue.push(*half_filled(desk))
        await booked_once(desk, "c1")

    play(story)


@pytest.mark.parametrize(("first", "then"), [(None, "human"), ("human", None)])
def test_s51_an_order_by_hand_is_one_order_whether_its_name_is_said_or_not(first: str | None, then: str | None) -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.by_hand("human", "2")
        desk.venue.orders["human"] = replace(
            desk.venue.orders["human"], client_order_id=None if first is None else ClientOrderId(first)
        )
        desk.venue.push(desk.venue.orders["human"])
        await asyncio.sleep(30)
        desk.venue.push(*half_filled(desk, "human", then))
        await booked_once(desk, "human" if first else "externalv1")

    play(story)


def test_s51_an_order_by_hand_like_one_of_ours_on_its_way_is_taken_over_once_a_query_shows_it() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = AnswersLate(desk.clock.now_ns)
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        venue.by_hand("human", "2")
        venue.orders["human"] = replace(venue.orders["human"], client_order_id=None)
        venue.push(venue.orders["human"])
        await asyncio.sleep(1)
        assert list(desk.engine.book.orders) == [stream("c1")]  # whose it is, nobody can tell yet
        venue.answering.set()
        await asyncio.sleep(60)
        assert desk.life() is Life.WORKING
        assert sorted(desk.engine.book.open) == [stream("c1"), stream("externalv2")]

    play(story)
