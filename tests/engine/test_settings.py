"""What is asked of a venue beside orders: a position mode, a leverage; asked once, in turn, and believed in order."""

import asyncio
from decimal import Decimal

from msgspec.structs import replace

from oms.account.modes import SetPositionMode
from oms.account.state import Account
from oms.position.settings import SetLeverage
from oms.store.memory import Fault
from oms.values import MarginMode, Symbol
from oms.venue import Answer, LastLook, nothing_holds
from tests.engine.desk import MAIN, Desk, begin, play
from tests.engine.scripted_venue import ScriptedVenue
from tests.engine.test_perpetuals import HEDGE, PERPETUAL, leg, opened
from tests.order.story import FUTURES


def test_a_look_between_the_decision_of_a_switch_and_its_commit_says_nothing_of_it() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        await asyncio.sleep(1)
        desk.faults.appends.append(Fault(seconds_before=1.0))
        switching = begin(desk.engine.execute(SetPositionMode(account=MAIN, mode=HEDGE), actor="operator"))
        await asyncio.sleep(0.1)
        begin(desk.watcher.compare())  # the venue has not been asked to switch yet
        await switching
        await asyncio.sleep(5)
        account = desk.engine.book.account
        assert (desk.venue.mode, account.position_mode) == (HEDGE, HEDGE)
        assert not account.halts, account.halts

    play(story)


def test_a_repeated_request_for_a_position_mode_is_answered_as_the_first() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        command = SetPositionMode(account=MAIN, mode=HEDGE)
        first = await desk.engine.execute(command, actor="operator", cause="k1")
        again = await desk.engine.execute(command, actor="operator", cause="k1")
        assert isinstance(first.state, Account)
        assert isinstance(again.state, Account)
        assert (again.state.mode_requested, again.events) == (first.state.mode_requested, 0)

    play(story)


def test_settings_of_one_market_leave_one_after_the_other() -> None:
    class Reordering(ScriptedVenue):
        """The first answer is on its way for longer than the second call takes."""

        real: Decimal | None = None

        async def set_leverage(
            self, symbol: Symbol, leverage: Decimal, margin_mode: MarginMode, *, last_look: LastLook = nothing_holds
        ) -> Answer:
            self.real = leverage  # the venue has done it
            answer = await super().set_leverage(symbol, leverage, margin_mode)
            if leverage == 5:
                await asyncio.sleep(1)
            return answer

    async def story(desk: Desk) -> None:
        desk.venue = venue = Reordering(desk.clock.now_ns)
        await opened(desk, held=False)
        for name, much in (("k1", 5), ("k2", 20)):
            await desk.engine.execute(
                SetLeverage(
                    account=MAIN,
                    symbol=PERPETUAL,
                    request_id=name,
                    leverage=Decimal(much),
                    margin_mode=MarginMode.CROSS,
                ),
                actor="operator",
            )
        await asyncio.sleep(3)
        assert leg(desk).leverage == venue.real, (leg(desk).leverage, venue.real)

    play(story)


def test_a_repeat_of_a_leverage_is_answered_though_the_call_was_lost_since() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        command = SetLeverage(
            account=MAIN, symbol=PERPETUAL, request_id="k1", leverage=Decimal(5), margin_mode=MarginMode.CROSS
        )
        await desk.engine.execute(command, actor="operator")
        await asyncio.sleep(1)
        desk.venue.can = replace(FUTURES, lost=frozenset({"set_leverage"}))
        receipt = await desk.engine.execute(command, actor="operator")
        assert receipt.events == 0

    play(story)
