"""Orders of awaits before the wire."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.account.modes import SetPositionMode
from oms.errors import DuplicateOrderError
from oms.order.state import Life
from oms.position.settings import SetLeverage
from oms.store.memory import Fault, Trouble
from oms.values import MarginMode, PositionMode, Side
from oms.venue import Answer, LastLook, nothing_holds
from oms.winddown import WindDown
from tests.engine.desk import MAIN, Desk, begin, play
from tests.engine.scripted_venue import Fate, ScriptedVenue
from tests.engine.test_perpetuals import MARKET, PERPETUAL, TEN, opened
from tests.order.story import SPOT


def test_an_order_whose_end_is_asked_for_while_it_waits_for_its_turn_never_leaves() -> None:
    """`Limiter.turn` lets a call wait up to WAIT_MAX inside `submit`; the last look asks for halts and time alone."""

    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.turn = asyncio.Event()
        await desk.place()
        await asyncio.sleep(0.5)
        await desk.cancel()  # durable, and acknowledged
        await asyncio.sleep(0.5)
        desk.venue.turn.set()
        await asyncio.sleep(5)
        assert not desk.venue.submitted
        assert desk.life() is Life.DENIED

    play(story)


def test_a_change_of_an_order_whose_end_is_asked_for_never_leaves() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, amend=True)
        await desk.start()
        await desk.place(quantity=Decimal(1))
        await asyncio.sleep(1)
        desk.venue.turn = asyncio.Event()
        await desk.amend(quantity="3")
        await asyncio.sleep(0.1)
        desk.venue.fates.extend([Fate.REQUEST_LOST, Fate.ACCEPTED])  # the cancel is lost, the change is not
        await desk.cancel()
        await asyncio.sleep(0.5)
        desk.venue.turn.set()
        await asyncio.sleep(1)
        assert not desk.venue.amended

    play(story)


def test_a_cancel_that_the_venue_turned_away_for_its_rates_is_no_doubt() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place("c1", quantity=Decimal(1))
        await asyncio.sleep(1)
        desk.venue.fates.append(Fate.BUSY)  # 429: certainly not executed
        await desk.cancel("c1")
        await asyncio.sleep(0.1)
        desk.venue.shut = "wait"
        await desk.place("c2", quantity=Decimal(1))
        assert desk.life("c2") is Life.SENDING, desk.order("c2").reason
        assert "cancel-unknown" not in desk.told("c1")

    play(story)


class Slow(ScriptedVenue):
    """Its positions take a while to be told."""

    slow = False

    async def positions(self) -> Answer:
        answer = await super().positions()
        if self.slow:
            await asyncio.sleep(0.5)
        return answer


def test_a_look_that_was_asked_before_a_switch_of_the_mode_says_nothing_of_it() -> None:
    async def story(desk: Desk) -> None:
        desk.venue = venue = Slow(desk.clock.now_ns)
        await opened(desk, held=False)
        venue.slow = True
        asyncio.get_running_loop().create_task(desk.watcher.compare())
        await asyncio.sleep(0.2)  # the venue has said which mode it is in, and the answer is on its way
        await desk.engine.execute(SetPositionMode(account=MAIN, mode=PositionMode.HEDGE), actor="operator")
        await asyncio.sleep(5)
        assert venue.mode is PositionMode.HEDGE
        assert desk.engine.book.account.position_mode is PositionMode.HEDGE
        assert not desk.engine.book.account.halts

    play(story)


def test_nor_does_one_whose_comparison_takes_longer_than_the_switch() -> None:
    """Found by the simulation (seed 4005075): the account was taken over between that look and its last use."""

    class Slow(ScriptedVenue):
        async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:
            await asyncio.sleep(1)
            return await super().ledger(since_ms=since_ms, until_ms=until_ms)

    async def story(desk: Desk) -> None:
        desk.venue = venue = Slow(desk.clock.now_ns)
        venue.mode = PositionMode.ONE_WAY
        starting = begin(desk.start())
        await asyncio.sleep(0.5)  # the mode is known, and what was paid is being asked for
        assert desk.engine.book.account.position_mode is PositionMode.ONE_WAY
        assert not desk.engine.book.account.opened_ms
        await desk.engine.execute(SetPositionMode(account=MAIN, mode=PositionMode.HEDGE), actor="operator")
        await starting
        await asyncio.sleep(0.1)
        assert desk.engine.book.account.opened_ms
        assert desk.engine.book.account.position_mode is PositionMode.HEDGE
        assert not desk.engine.book.account.halts

    play(story)


def test_a_look_says_nothing_of_a_switch_that_is_still_under_way() -> None:
    class Late(ScriptedVenue):
        async def set_position_mode(self, mode: PositionMode, *, last_look: LastLook = nothing_holds) -> Answer:
            await asyncio.sleep(3)
            return await super().set_position_mode(mode, last_look=last_look)

    async def story(desk: Desk) -> None:
        desk.venue = Late(desk.clock.now_ns)
        await opened(desk, held=False)
        await desk.engine.execute(SetPositionMode(account=MAIN, mode=PositionMode.HEDGE), actor="operator")
        await asyncio.sleep(0.1)
        await desk.watcher.compare()
        assert desk.engine.book.account.mode_requested is PositionMode.HEDGE
        await asyncio.sleep(5)
        assert desk.engine.book.account.position_mode is PositionMode.HEDGE
        assert not desk.engine.book.account.halts

    play(story)


def test_a_switch_of_the_mode_that_never_left_is_refused_and_halts_nobody() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        desk.venue.fates.append(Fate.NOT_SENT)
        await desk.engine.execute(SetPositionMode(account=MAIN, mode=PositionMode.HEDGE), actor="operator")
        await asyncio.sleep(20)
        assert not desk.engine.book.account.halts

    play(story)


def test_the_same_request_for_a_leverage_again_later_is_the_same_request() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)

        async def ask(request_id: str, leverage: int) -> None:
            command = SetLeverage(
                account=MAIN,
                symbol=PERPETUAL,
                request_id=request_id,
                leverage=Decimal(leverage),
                margin_mode=MarginMode.CROSS,
            )
            await desk.engine.execute(command, actor="maker", cause=request_id)

        await ask("k1", 50)
        await asyncio.sleep(1)
        await ask("k2", 5)
        await asyncio.sleep(1)
        await ask("k1", 50)  # the client had no answer to it, and says it again
        await asyncio.sleep(1)
        asked = [(PERPETUAL, Decimal(leverage), MarginMode.CROSS) for leverage in (50, 5)]
        assert desk.venue.settings == asked
        with pytest.raises(DuplicateOrderError, match="asked for another leverage before"):
            await ask("k1", 20)

    play(story)


def test_a_leverage_that_was_taken_and_never_left_is_sent_or_told_as_refused_after_a_kill() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        command = SetLeverage(
            account=MAIN, symbol=PERPETUAL, request_id="k1", leverage=Decimal(5), margin_mode=MarginMode.CROSS
        )
        await desk.engine.execute(command, actor="maker", cause="k1")  # durable, and acknowledged
        desk.process.kill()
        assert not desk.venue.settings
        await desk.start()
        await asyncio.sleep(120)
        told = [stored.topic for stored in await desk.log.read(MARKET)]
        assert told != ["leverage-requested/1"] or desk.venue.settings

    play(story)


def test_an_order_is_not_sent_long_after_it_was_wanted_as_the_log_was_gone_meanwhile() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.fates.append(Fate.BUSY)  # certainly not executed: once more
        await desk.place()
        desk.faults.appends.extend([Fault(Trouble.REFUSED)] * 2_000)
        await asyncio.sleep(600)
        desk.faults.appends.clear()
        await asyncio.sleep(10)
        assert len(desk.venue.submitted) == 1
        assert (desk.life(), desk.order().reason, desk.held()) == (Life.REJECTED, "not_sent", 0)

    play(story)


def test_an_order_that_waits_for_its_turn_for_too_long_never_leaves() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.turn = asyncio.Event()
        await desk.place()
        await asyncio.sleep(SPOT.submit_validity + 1)
        desk.venue.turn.set()
        await asyncio.sleep(10)
        assert not desk.venue.submitted
        assert (desk.life(), desk.held()) == (Life.REJECTED, 0)

    play(story)


def nothing_opens(desk: Desk, *, in_seconds: float) -> None:
    soon = datetime.fromtimestamp(desk.clock.now_ns() / 1e9 + in_seconds, UTC)
    desk.engine.decider.wind_down = WindDown(no_opens_at=soon)


@pytest.mark.parametrize("where", ["turned away", "waiting for its turn"])
def test_s61_an_order_that_waits_does_not_leave_once_nothing_opens(where: str) -> None:
    """It was decided before the date, and would have been placed after it."""

    async def story(desk: Desk) -> None:
        await desk.start()
        nothing_opens(desk, in_seconds=1)
        if where == "turned away":
            desk.venue.fates.append(Fate.HELD_BACK)  # for two seconds
        else:
            desk.venue.turn = asyncio.Event()
            asyncio.get_running_loop().call_later(2, desk.venue.turn.set)
        await desk.place()
        await asyncio.sleep(30)
        assert not desk.venue.submitted
        assert desk.life() is Life.DENIED
        assert (desk.order().reason or "").startswith("wind_down: the venue winds down: since")
        assert desk.agrees()

    play(story)


def test_s61_a_change_that_waits_does_not_leave_once_nothing_opens() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.can = replace(SPOT, amend=True)
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        nothing_opens(desk, in_seconds=1)
        desk.venue.turn = asyncio.Event()
        asyncio.get_running_loop().call_later(2, desk.venue.turn.set)
        await desk.amend(price="90")
        await asyncio.sleep(30)
        assert not desk.venue.amended
        assert desk.told()[-1] == "amend-refused"
        await desk.cancel()
        await asyncio.sleep(5)
        assert desk.life() is Life.CANCELED, "cancels pass"

    play(story)


def test_s61_what_only_closes_leaves_until_nothing_trades() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        nothing_opens(desk, in_seconds=1)
        desk.venue.fates.append(Fate.HELD_BACK)
        await desk.place(
            "c2", symbol=PERPETUAL, side=Side.SELL, quantity=TEN, price=Decimal(30000), leverage=TEN, reduce_only=True
        )
        await asyncio.sleep(30)
        assert desk.venue.submitted[-1].client_order_id == "c2"

    play(story)
