"""Traps of PROTOCOL 9 that concern perpetuals and are told nowhere else; README.md lists where each of all is told."""

import asyncio

from adapters.bitmart.perp import codec
from oms.reports import OrderReport, PositionReport
from oms.values import PositionLeg, PositionMode, Side
from tests.adapters.bitmart.fakes import ok, virtual
from tests.adapters.bitmart.perp.desk import ORDER, Desk, row
from tests.adapters.bitmart.perp.test_exchange import Market


@virtual
async def test_trap_9_14_an_order_without_a_client_id_shows_an_empty_one() -> None:
    desk = Desk()
    desk.link.on(codec.OPEN_ORDERS, ok([row("77", "")]))
    (report,) = (await desk.venue.open_orders()).reports
    assert isinstance(report, OrderReport)
    assert report.client_order_id is None


@virtual
async def test_trap_9_38_a_position_that_is_pushed_every_ten_seconds_says_the_same_each_time() -> None:
    market = await Market.opened()
    ann, bob = market.ann, market.bob
    await bob.send(bob.order(Side.SELL, 5, "60000.0"))
    await ann.ended(await ann.send(ann.order(Side.BUY, 5, "60000.0")), "filled")
    await asyncio.sleep(1)
    ann.heard.clear()
    await asyncio.sleep(35)
    told = [each for each in ann.heard if isinstance(each, PositionReport)]
    assert len(told) == 3
    assert len(set(told)) == 1, "a push that repeats is no change"


@virtual
async def test_trap_9_49_where_an_account_meets_itself_the_resting_order_dies_and_nobody_says_why() -> None:
    market = await Market.opened(PositionMode.HEDGE)
    ann = market.ann
    resting = await ann.send(ann.order(Side.BUY, 3, "60000.0", position_leg=PositionLeg.LONG))
    await ann.ended(resting, "new")
    await ann.send(ann.order(Side.SELL, 3, "60000.0", position_leg=PositionLeg.SHORT))
    report = await ann.ended(resting, "canceled")
    assert (report.cum_quantity, report.cancel_reason) == (0, None)
    desk = Desk()
    await desk.venue.submit(ORDER)
    assert "stp_mode" not in desk.fields(codec.SUBMIT_ORDER)  # none of the modes lets an account meet itself
