"""S18 to S27: what may leave, whose it is, and what becomes of positions that somebody else moves."""

import asyncio

import pytest

from oms.account.modes import PositionModeError, SetPositionMode
from oms.account.state import HaltTrading
from oms.order.state import Life
from oms.ports import LinkAnswer
from oms.values import Origin, PositionLeg, PositionMode
from tests.scenarios.house import DESK, PERPETUAL, House, beside, tell

LONG, SHORT, NET = PositionLeg.LONG, PositionLeg.SHORT, PositionLeg.NET
SET_MODE = "/contract/private/set-position-mode"


def test_s18_orders_that_have_not_left_when_trading_halts_never_leave_and_cancels_pass() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c0", "buy", "0.01", "40000")
        await house.until(lambda: house.life("c0") is Life.WORKING)
        before = len(house.network.submits())
        engine = house.engine
        halt = engine.execute(HaltTrading(account=DESK, reason="stop", halt_id="h1"), actor="operator")
        orders = [house.order_for(f"c{n}", "buy", "0.01", "41000", strategy=f"s{n % 3}") for n in range(1, 6)]
        waiting = [beside(engine.execute(order, actor=order.strategy)) for order in orders]
        await beside(halt)
        await asyncio.gather(*waiting)
        await asyncio.sleep(2)
        assert len(house.network.submits()) == before
        for order in orders:
            assert house.life(order.client_order_id) is Life.DENIED
            assert "h1" in (house.order(order.client_order_id).reason or "")
        await house.cancel("c0")
        await house.until(lambda: house.life("c0") is Life.CANCELED)
        await house.rests()

    tell(story)


def test_s19_stopping_one_strategy_cancels_its_orders_and_nobody_elses() -> None:
    async def story(house: House) -> None:
        await house.start()
        for number in range(3):
            await house.place(f"a{number}", "buy", "0.01", str(50_000 + number), strategy="a")
            await house.place(f"b{number}", "buy", "0.01", str(49_000 + number), strategy="b")
        by_hand = house.by_hand("buy", "0.01", "48000")
        await house.rests()
        mine = [order for order in house.book.orders.values() if order.request.strategy == "a"]
        for order in mine:
            await house.cancel(order.request.client_order_id)
        await house.rests()
        assert [house.life(f"a{number}") for number in range(3)] == [Life.CANCELED] * 3
        assert [house.life(f"b{number}") for number in range(3)] == [Life.WORKING] * 3
        assert by_hand in house.spot.open
        assert len(house.network.cancels()) == 3

    tell(story)


def test_s20_every_cancel_that_leaves_names_one_order_and_spares_the_rest_of_the_symbol() -> None:
    async def story(house: House) -> None:
        await house.start()
        for number in range(4):
            await house.place(f"c{number}", "buy", "2", str(50_000 + number), symbol=PERPETUAL)
        await house.until(lambda: len(house.futures.open) == 4)
        await house.rests()
        await house.restart()
        await house.cancel("c1")
        await house.until(lambda: house.life("c1") is Life.CANCELED)
        await house.rests()
        assert len(house.futures.open) == 3
        for each in house.network.cancels():
            assert each.body.get("order_id") or each.body.get("client_order_id")

    tell(story)


def test_s21_twenty_buys_of_a_hundred_at_once_spend_a_thousand_at_most() -> None:
    async def story(house: House) -> None:
        await house.start()
        orders = [house.order_for(f"c{n}", "buy", "0.002", "50000", strategy=f"s{n}") for n in range(20)]
        await asyncio.gather(*(house.engine.execute(order, actor=order.strategy) for order in orders))
        assert house.held() <= 1000
        await house.until(lambda: len(house.spot.open) == 9)  # with commission, a hundred needs a little more
        await house.rests()
        assert sum(house.life(order.client_order_id) is Life.DENIED for order in orders) == 11
        assert len(house.network.submits()) == 9
        house.stranger("sell", "0.008", "50000")
        await house.rests()
        for name in [order.client_order_id for order in orders if house.life(order.client_order_id) is Life.WORKING]:
            await house.cancel(name)
        await house.rests()
        assert house.held() == 0

    tell(story, house=lambda: House(funds={"USDT": "1000"}))


def test_s22_a_leader_that_was_paused_past_its_lease_wakes_in_the_middle_of_a_send_and_sends_nothing() -> None:
    async def story(house: House) -> None:
        old = await house.start()
        engine = old.engine
        # It is stopped between the commit of the intent and the send.
        engine.on_commit.insert(0, lambda _: old.process.pause(30))
        placing = beside(house.place("c1", "buy", "0.01", "50000"))
        await house.until(lambda: bool(house.told("c1")), seconds=5)
        assert not house.network.submits()
        new = await house.start()
        assert new.engine.epoch > engine.epoch
        await asyncio.sleep(60)
        assert not old.process.alive
        assert not house.network.submits(), "it woke and sent"
        await house.until(lambda: house.life("c1") is Life.REJECTED, seconds=120)  # never arrived, and proven
        await house.rests()
        assert not house.spot.open
        placing.cancel()

    tell(story)


@pytest.mark.parametrize("parts", [("5",), ("2", "3")])
def test_s23_closing_the_long_leg_in_hedge_mode_leaves_the_short_one_alone(parts: tuple[str, ...]) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("l1", "buy", "5", "60000", symbol=PERPETUAL, position_leg=LONG)
        await house.until(lambda: house.life("l1") is Life.WORKING)
        house.stranger("sell", "5", "60000", symbol=PERPETUAL)
        await house.place("s1", "sell", "3", "61000", symbol=PERPETUAL, position_leg=SHORT)
        await house.until(lambda: house.life("s1") is Life.WORKING)
        house.stranger("buy", "3", "61000", symbol=PERPETUAL)
        await house.rests()
        assert house.position(leg=LONG).quantity == 5
        assert house.position(leg=SHORT).quantity == -3
        await house.place("x1", "sell", "5", "60500", symbol=PERPETUAL, position_leg=LONG)
        await house.until(lambda: house.life("x1") is Life.WORKING)
        assert house.network.submits()[-1].body["side"] == 3
        for part in parts:
            house.stranger("buy", part, "60500", symbol=PERPETUAL)
            await house.rests()
            assert house.position(leg=SHORT).quantity == -3
        assert house.position(leg=LONG).quantity == 0

    tell(story, house=lambda: House(hedge=True))


def test_s24_a_mode_is_not_switched_under_open_orders_and_a_switch_that_only_says_so_halts() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "2", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.rests()
        switch = SetPositionMode(account=DESK, mode=PositionMode.HEDGE)
        with pytest.raises(PositionModeError):
            await house.give(switch)
        assert not [each for each in house.network.sent if each.path == SET_MODE]
        await house.cancel("c1")
        await house.rests()
        said = b'{"code":1000,"message":"Ok","trace":"t","data":{"position_mode":"hedge_mode"}}'
        house.network.answers[SET_MODE] = LinkAnswer(200, {"content-type": "application/json"}, said)
        await house.give(switch)
        await house.until(lambda: bool(house.book.account.halts), seconds=20)
        assert house.book.account.position_mode is PositionMode.ONE_WAY
        await house.place("c2", "buy", "2", "50000", symbol=PERPETUAL)
        assert house.life("c2") is Life.DENIED

    tell(story)


def test_s25_of_two_reduce_only_sells_at_once_one_is_denied_and_the_position_never_turns() -> None:
    async def story(house: House) -> None:
        await long(house, "1")
        orders = [house.order_for(f"r{n}", "sell", "1", "60000", symbol=PERPETUAL, reduce_only=True) for n in range(2)]
        await asyncio.gather(*(house.engine.execute(order, actor="maker") for order in orders))
        lives = sorted(house.life(f"r{n}") for n in range(2))
        assert Life.DENIED in lives
        house.stranger("buy", "2", "60000", symbol=PERPETUAL)
        await house.rests()
        assert house.position().quantity == 0
        assert len(house.network.submits()) == 2

    tell(story)


@pytest.mark.parametrize("befall", ["liquidate", "deleverage"])
def test_s26_what_the_venue_seizes_is_booked_as_that_and_nothing_opens_there_again(befall: str) -> None:
    async def story(house: House) -> None:
        await long(house, "10")
        house.stranger("buy", "50", "59000", symbol=PERPETUAL)  # somebody takes what is liquidated
        getattr(house.simulator.futures.exchange, befall)(DESK, "BTCUSDT", NET, house.now_ms)
        await house.until(lambda: house.position().quantity == 0)
        seized = [each for each in house.book.orders.values() if each.origin is not None]
        assert {each.origin for each in seized} <= {Origin.LIQUIDATION, Origin.ADL}
        assert seized
        await house.place("c9", "buy", "1", "50000", symbol=PERPETUAL)
        assert house.life("c9") is Life.DENIED
        await house.rests()

    tell(story)


@pytest.mark.parametrize("heard", [True, False])
def test_s27_a_position_that_a_human_closes_is_flat_here_and_nobody_goes_on_closing_it(heard: bool) -> None:  # noqa: FBT001
    async def story(house: House) -> None:
        await long(house, "4")
        house.faults(**({} if heard else {"frame_dropped": 1.0}))
        house.stranger("buy", "4", "60000", symbol=PERPETUAL)
        house.by_hand("sell", "4", "60000", symbol=PERPETUAL, reduce_only=True)
        await house.until(lambda: house.position().quantity == 0, seconds=15)
        house.faults()
        await house.rests()
        assert sum(each.request.strategy == "external" for each in house.book.orders.values()) == 1
        await house.place("r1", "sell", "4", "60000", symbol=PERPETUAL, reduce_only=True)
        assert house.life("r1") is Life.DENIED, "there is nothing left to close"
        assert len(house.network.submits()) == 1

    tell(story)


async def long(house: House, size: str) -> None:
    """Start, and buy so many contracts at 60000."""
    await house.start()
    await house.place("c1", "buy", size, "60000", symbol=PERPETUAL)
    await house.until(lambda: house.life("c1") is Life.WORKING)
    house.stranger("sell", size, "60000", symbol=PERPETUAL)
    await house.rests()
