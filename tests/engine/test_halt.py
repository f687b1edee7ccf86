"""A halt stops what was committed before it and has not left yet; what closes and cancels pass."""

import asyncio

import pytest
from msgspec.structs import replace

from oms.account.state import HALTS_MAX, HaltTrading, ResumeTrading
from oms.errors import IntakeFullError
from oms.intake import ROOM
from oms.order.events import OrderDenied
from oms.order.messages import CancelOrder
from oms.order.state import Life
from oms.store.memory import Fault, Trouble
from oms.values import ClientOrderId, StrategyId, Symbol
from tests.engine.desk import MAIN, Desk, begin, play
from tests.engine.scripted_venue import Fate
from tests.order.story import SPOT


def halting(**scope: str) -> HaltTrading:
    named = {"strategy": StrategyId(scope["strategy"])} if "strategy" in scope else {}
    if "symbol" in scope:
        named["symbol"] = Symbol(scope["symbol"])  # type: ignore[assignment]
    return HaltTrading(account=MAIN, reason="drill", halt_id="h1", **named)  # type: ignore[arg-type]


def test_s18_orders_that_have_not_left_when_the_halt_is_committed_are_denied_with_its_id() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        offers = [desk.engine.offer(desk.asking(f"c{n}"), actor="maker") for n in range(5)]
        offers.append(desk.engine.offer(halting(), actor="operator"))  # the same commit: none has left
        await asyncio.gather(*offers)
        await asyncio.sleep(2)
        assert not desk.venue.submitted
        for n in range(5):
            assert desk.life(f"c{n}") is Life.DENIED
            assert desk.story(f"c{n}")[-1] == OrderDenied(limit="trading_halted", detail="drill (halt h1)")
        assert desk.held() == 0
        assert desk.agrees()

    play(story)


def test_s18_cancels_pass_and_what_works_stays() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        await desk.engine.execute(halting(), actor="operator")
        assert desk.life() is Life.WORKING
        await desk.cancel()
        await asyncio.sleep(5)
        assert desk.life() is Life.CANCELED

    play(story)


def test_a_halt_of_another_strategy_or_market_stops_nobody_else() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        for scope in ({"strategy": "taker"}, {"symbol": "ETH/USDT"}):
            await desk.engine.execute(halting(**scope), actor="operator")
        await desk.place("c1")
        await asyncio.sleep(1)
        assert desk.life("c1") is Life.WORKING
        await desk.engine.execute(halting(strategy="maker"), actor="operator")
        await desk.place("c2")
        assert desk.life("c2") is Life.DENIED
        resume = ResumeTrading(account=MAIN, reason="over", strategy=StrategyId("maker"))
        await desk.engine.execute(resume, actor="operator")
        await desk.place("c3")
        await asyncio.sleep(1)
        assert desk.life("c3") is Life.WORKING

    play(story)


def test_a_change_that_has_not_left_when_the_halt_is_committed_is_refused() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, amend=True)
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        amending = begin(desk.amend(price="90"))
        await asyncio.sleep(0)
        await desk.engine.execute(halting(), actor="operator")
        await amending
        await asyncio.sleep(2)
        assert not desk.venue.amended
        assert desk.told()[-1] == "amend-refused"

    play(story)


def test_i20_a_halt_stops_an_order_that_waits_in_the_adapter_for_its_turn() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.turn = asyncio.Event()
        placed = begin(desk.place())
        await asyncio.sleep(1)
        assert desk.life() is Life.SENDING
        await desk.engine.execute(halting(), actor="operator")
        desk.venue.turn.set()  # its turn has come, and the halt was faster
        await placed
        await asyncio.sleep(1)
        assert not desk.venue.submitted
        assert desk.story()[-1] == OrderDenied(limit="trading_halted", detail="drill (halt h1)")
        assert desk.held() == 0

    play(story)


def test_i20_a_change_that_waits_for_its_turn_is_stopped_too() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, amend=True)
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.turn = asyncio.Event()
        await desk.amend(price="90")
        await asyncio.sleep(1)
        await desk.engine.execute(halting(), actor="operator")
        desk.venue.turn.set()
        await asyncio.sleep(1)
        assert not desk.venue.amended
        assert desk.told()[-1] == "amend-refused"

    play(story)


async def held_back(desk: Desk) -> None:
    """An order that waits two seconds for the venue's rates."""
    await desk.start()
    desk.venue.fates.append(Fate.HELD_BACK)
    await desk.place()
    await asyncio.sleep(0.1)


@pytest.mark.parametrize("kept", [True, False])
def test_no_order_leaves_on_a_resume_before_the_log_holds_it(kept: bool) -> None:  # noqa: FBT001
    async def story(desk: Desk) -> None:
        await held_back(desk)
        await desk.engine.execute(halting(), actor="operator")
        desk.faults.appends.append(Fault(Trouble.NONE if kept else Trouble.REFUSED, seconds_before=5))
        resuming = begin(desk.engine.execute(ResumeTrading(account=MAIN, reason="over"), actor="operator"))
        await asyncio.sleep(4)  # its turn has come
        assert not desk.venue.submitted
        await asyncio.sleep(10)
        assert (resuming.exception() is None) is kept
        assert desk.life() is (Life.WORKING if kept else Life.DENIED)
        assert len(desk.venue.submitted) == (1 if kept else 0)
        assert desk.agrees()

    play(story)


@pytest.mark.parametrize("kept", [True, False])
def test_a_halt_denies_no_order_before_the_log_holds_it_and_none_leaves_meanwhile(kept: bool) -> None:  # noqa: FBT001
    async def story(desk: Desk) -> None:
        await held_back(desk)
        desk.faults.appends.append(Fault(Trouble.NONE if kept else Trouble.REFUSED, seconds_before=5))
        begun = begin(desk.engine.execute(halting(), actor="operator"))
        await asyncio.sleep(4)
        assert (desk.life(), desk.venue.submitted) == (Life.SENDING, [])
        await asyncio.sleep(10)
        assert (begun.exception() is None) is kept
        assert desk.life() is (Life.DENIED if kept else Life.WORKING)
        assert desk.agrees()

    play(story)


def test_an_order_is_refused_where_the_log_does_not_say_in_time_whether_trading_is_halted() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, submit_validity=4.0)
        await held_back(desk)
        desk.faults.appends.append(Fault(seconds_before=10))
        begun = begin(desk.engine.execute(halting(), actor="operator"))
        await asyncio.sleep(15)
        await begun
        assert not desk.venue.submitted
        assert desk.life() is Life.REJECTED

    play(story)


async def behind_a_slow_log(desk: Desk) -> None:
    """Given as many orders as the intake takes, while a commit lasts."""
    desk.intake_max = 5
    await desk.start()
    desk.faults.appends.append(Fault(seconds_before=5))
    for number in range(5):
        desk.engine.offer(desk.asking(f"c{number}"), actor="maker")
    await asyncio.sleep(1)
    with pytest.raises(IntakeFullError):
        await desk.place("c5")


def test_s18_a_halt_is_taken_while_the_intake_is_full() -> None:
    """The kill switch is asked for just then, and what waits there would leave as soon as it is durable."""

    async def story(desk: Desk) -> None:
        await behind_a_slow_log(desk)
        await desk.engine.execute(halting(), actor="operator")
        await asyncio.sleep(20)
        assert not desk.venue.submitted
        assert {desk.life(f"c{number}") for number in range(5)} == {Life.DENIED}
        assert desk.agrees()

    play(story)


def test_s18_cancels_are_taken_while_the_intake_is_full_and_leave_a_halt_its_room() -> None:
    async def story(desk: Desk) -> None:
        await behind_a_slow_log(desk)
        asked = [CancelOrder(account=MAIN, client_order_id=ClientOrderId("c0"), request_id="r0")] * ROOM[CancelOrder]
        for command in asked:
            desk.engine.offer(command, actor="maker")
        with pytest.raises(IntakeFullError):
            desk.engine.offer(asked[0], actor="maker")
        desk.engine.offer(halting(), actor="operator")
        await asyncio.sleep(20)
        assert not desk.venue.submitted
        assert desk.agrees()

    play(story)


def test_s18_a_halt_has_a_bound_too() -> None:
    async def story(desk: Desk) -> None:
        await behind_a_slow_log(desk)
        for _ in range(ROOM[HaltTrading]):
            desk.engine.offer(halting(), actor="operator")
        with pytest.raises(IntakeFullError):
            desk.engine.offer(halting(), actor="operator")
        await asyncio.sleep(20)

    play(story)


def test_s18_the_whole_account_can_be_halted_however_many_of_its_scopes_are() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        for number in range(HALTS_MAX):
            await desk.engine.execute(halting(strategy=f"s{number}"), actor="operator")
        await desk.engine.execute(halting(), actor="operator")
        await desk.place()
        assert desk.life() is Life.DENIED

    play(story)
