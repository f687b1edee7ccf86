"""Orders that are good till a time: not sent after it, canceled at it, and called expired."""

import asyncio

import pytest
from msgspec.structs import replace

from oms.errors import InvalidOrderError
from oms.expiry import Expiry
from oms.order.state import Life, status
from oms.values import OrderStatus, TimeInForce
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import Fate
from tests.order.story import SPOT

SECOND_NS = 1_000_000_000


async def timed(desk: Desk, seconds: float, name: str = "c1") -> None:
    """A bid for 2 BTC at 100 that is good for so long."""
    until_ns = desk.clock.now_ns() + int(seconds * SECOND_NS)
    await desk.place(name, time_in_force=TimeInForce.GTD, expires_ns=until_ns)


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
