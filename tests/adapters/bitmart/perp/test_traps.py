"""Traps of PROTOCOL 9 that concern perpetuals and are told nowhere else; README.md lists where each of all is told."""

import asyncio

import pytest

from adapters.bitmart.perp import codec
from adapters.bitmart.perp.spelling import symbol
from oms.reports import OrderReport, PositionReport, TradeReport, Unreadable
from oms.values import PositionLeg, PositionMode, Side
from tests.adapters.bitmart.fakes import ok, virtual
from tests.adapters.bitmart.perp.desk import NOW_MS, ORDER, Desk, fill, row
from tests.adapters.bitmart.perp.test_exchange import Market
from tests.adapters.bitmart.perp.test_stream import live, order_push


@virtual
async def test_trap_9_14_an_order_without_a_client_id_shows_an_empty_one() -> None:
    desk = Desk()
    desk.link.on(codec.OPEN_ORDERS, ok([row("77", "")]))
    (report,) = (await desk.venue.open_orders()).reports
    assert isinstance(report, OrderReport)
    assert report.client_order_id is None


@virtual
async def test_trap_9_28_an_order_whose_plan_is_a_dash_was_sent_by_none() -> None:
    desk = Desk()
    heard, socket = await live(desk)
    socket.push(order_push(row("99", "oms1", plan_order_id="-"), 2))
    await asyncio.sleep(0.5)
    assert [(report.client_order_id, report.triggered_by) for report in heard.reports] == [("oms1", None)]


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


@pytest.mark.parametrize("name", ["A/BUSDT", "BTC/USDT", "BTC:USDT", "BTC_USD", "BTC-USDC", " BTCUSDT", "/USD"])
def test_a_name_that_could_not_be_said_again_is_no_perpetuals(name: str) -> None:
    with pytest.raises(ValueError, match="no perpetual's"):
        symbol(name)


@virtual
async def test_trap_9_51_a_strange_symbol_in_a_push_costs_that_push_alone() -> None:
    desk = Desk()
    heard, socket = await live(desk)
    socket.push(order_push(row("99", "oms1", symbol="A/BUSDT", type="liquidate"), 7))  # whose end is looked up by name
    socket.push(order_push(row("98", "oms2"), 2))
    await asyncio.sleep(0.5)
    strange, plain = heard.reports
    assert isinstance(strange, Unreadable)
    assert isinstance(plain, OrderReport)
    assert plain.client_order_id == "oms2"


@virtual
async def test_trap_9_51_a_strange_symbol_among_trades_keeps_the_list_from_being_whole() -> None:
    desk = Desk()
    desk.link.on(codec.TRADES, ok([fill(1, NOW_MS - 100, "99", symbol="BTC/USDT"), fill(2, NOW_MS - 90)]))
    desk.link.on(codec.ORDER, ok(row()))
    answer = await desk.venue.trades(since_ms=NOW_MS - 60_000, until_ms=NOW_MS)
    assert [report.exec_id for report in answer.reports if isinstance(report, TradeReport)] == ["2"]
    assert not answer.complete
