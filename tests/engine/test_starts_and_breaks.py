"""What a start has seen keeps it from opening anything, and no break ends without proof."""

import asyncio
from decimal import Decimal

from msgspec.structs import replace

from oms.breaks.decisions import ResolveBreak
from oms.order.state import Life
from oms.reports import PositionReport
from oms.values import PositionLeg, PositionMode
from tests.engine.desk import MAIN, Desk, play
from tests.engine.scripted_venue import Cut, Fate, ScriptedVenue
from tests.engine.test_lost import gone_by
from tests.order.story import BTC_PERPETUAL, FUTURES

PERPETUAL = BTC_PERPETUAL.symbol


def futures(desk: Desk) -> ScriptedVenue:
    desk.venue.can, desk.venue.mode, desk.venue.futures = FUTURES, PositionMode.ONE_WAY, Decimal(1000)
    return desk.venue


def test_a_break_of_a_price_does_not_end_because_a_change_is_on_its_way() -> None:
    async def story(desk: Desk) -> None:
        venue = futures(desk)
        await desk.start()
        await desk.place("c1", symbol=PERPETUAL, quantity=Decimal(1), price=Decimal(200), leverage=Decimal(10))
        await asyncio.sleep(1)
        venue.orders["c1"] = replace(venue.orders["c1"], price=Decimal(190))
        await asyncio.sleep(40)
        assert "price:c1" in desk.breaks()
        venue.fates.append(Fate.REQUEST_LOST)
        await desk.amend("c1", quantity="2")
        await asyncio.sleep(30)
        assert "price:c1" in desk.breaks()  # the venue works it at 190 as before

    play(story)


def test_a_start_that_sees_a_position_which_no_trade_explains_opens_nothing_in_its_market() -> None:
    async def story(desk: Desk) -> None:
        venue = futures(desk)
        await desk.start()
        await asyncio.sleep(120)
        desk.process.kill()
        venue.legs = [
            PositionReport(
                symbol=PERPETUAL,
                leg=PositionLeg.NET,
                quantity=Decimal(500),
                average_price=Decimal(200),
                cost=Decimal(100),
                leverage=Decimal(10),
            )
        ]
        await desk.start()
        await desk.place("c1", symbol=PERPETUAL, quantity=Decimal(1), price=Decimal(200), leverage=Decimal(10))
        await asyncio.sleep(60)
        assert "position:BTC/USDT:USDT/net" in desk.breaks()
        assert desk.life("c1") is Life.DENIED

    play(story)


def test_s17_a_start_whose_history_is_cut_opens_nothing() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Cut(desk.clock.now_ns)
        await desk.start()
        await asyncio.sleep(60)
        desk.process.kill()
        venue.whole = False
        await asyncio.sleep(3600)
        await desk.start()
        await desk.place("c1")
        await asyncio.sleep(60)
        assert "history:trades" in desk.breaks()
        assert desk.life("c1") is Life.DENIED

    play(story)


def test_s43_an_order_whose_missing_fills_a_person_accepted_is_not_asked_for_twice_a_second_for_ever() -> None:
    async def story(desk: Desk) -> None:
        await gone_by(desk, held=False, reach=True)
        await desk.start()
        await asyncio.sleep(120)
        accepting = ResolveBreak(account=MAIN, break_id="fills:c1", reason="the venue's support says so")
        await desk.engine.execute(accepting, actor="operator")
        await asyncio.sleep(600)
        asked = desk.venue.asked
        await asyncio.sleep(60)
        assert desk.venue.asked - asked < 100

    play(story)
