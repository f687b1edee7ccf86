"""What is asked of a venue beside orders: a position mode, a leverage; asked once, in turn, and believed in order."""

import asyncio
from decimal import Decimal

from oms.account.modes import SetPositionMode
from oms.position.settings import SetLeverage
from oms.store.memory import Fault
from oms.values import MarginMode, Symbol
from oms.venue import Answer, LastLook, nothing_holds
from tests.engine.desk import MAIN, Desk, begin, play
from tests.engine.scripted_venue import ScriptedVenue
from tests.engine.test_perpetuals import HEDGE, PERPETUAL, leg, opened


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
