"""S10, S12, S25 to S30, S40, S62: learned by the stream, by a poll, or by whoever starts after it; on either leg."""

import asyncio
from decimal import Decimal, localcontext
from typing import Any

import pytest

from adapters.bitmart.perp import codec as perp
from adapters.simulator.exchange.futures import booking
from adapters.simulator.exchange.futures import orders as futures
from adapters.simulator.exchange.futures.contracts import Status
from adapters.simulator.exchange.futures.events import Action
from oms.order.state import Life, status
from oms.values import (
    EXACT,
    Crossing,
    Currency,
    Liquidity,
    OrderStatus,
    Origin,
    PositionLeg,
    PriceSource,
    Side,
    Symbol,
    Wallet,
    purse,
)
from oms.venue import Trigger
from tests.scenarios.house import DESK, PERPETUAL, SPOT, House, tell
from tests.scenarios.test_figures import bookings
from tests.scenarios.test_s09_to_s17_trades import DAY_SECONDS
from tests.scenarios.test_s18_to_s27_limits_and_positions import hold, long
from tests.scenarios.test_s27_to_s29_triggers import arrive, fire, leave_it_to_us, one_side_is_left_of_none, protected

LONG, SHORT, NET = PositionLeg.LONG, PositionLeg.SHORT, PositionLeg.NET
WAYS = ["heard", "unheard", "restarted"]


async def while_it(house: House, way: str) -> None:
    """From now on nobody hears the stream, or nobody runs."""
    if way == "unheard":
        house.faults(frame_dropped=1)
    if way == "restarted":
        house.kill()


async def after_it(house: House, way: str) -> None:
    if way == "restarted":
        await house.start()


@pytest.mark.parametrize("seconds", [60, 3 * DAY_SECONDS])
@pytest.mark.parametrize("heard", [True, False])
def test_s12_on_perpetuals_too_a_trade_long_after_the_cancel_is_booked_and_somebody_is_told(
    seconds: int,
    heard: bool,  # noqa: FBT001
) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "5", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.cancel("c1")
        await house.until(lambda: house.life("c1") is Life.CANCELED)
        await house.rests()
        house.kill()
        house.leap(seconds)
        await house.start()
        house.faults(**({} if heard else {"frame_dropped": 1.0}))
        trade_late(house, "c1", "2")
        await house.until(lambda: house.order("c1").cum_quantity == 2)
        house.faults()
        await house.until(lambda: not house.order("c1").trades_missing)
        assert house.position().quantity == 2
        assert status(house.order("c1")) is OrderStatus.CANCELED
        assert house.order("c1").flagged
        await house.until(lambda: "order:c1" in house.breaks())
        await asyncio.sleep(60)
        assert set(house.breaks()) == {"order:c1"}

    tell(story)


def trade_late(house: House, name: str, size: str) -> None:
    """Have the venue say of a perpetual's order, long over, that it traded after all."""
    order, exchange = house.futures.order_by_client_id(name), house.simulator.futures.exchange
    assert order is not None
    assert not order.live
    house.futures.open[order.order_id] = house.futures.closed.pop(order.order_id)
    with localcontext(EXACT):
        booking.book(
            exchange._state,
            order,
            Decimal(size),
            order.price,
            role=Liquidity.MAKER,
            action=Action.MATCHED,
            now_ms=house.now_ms,
        )
    if order.order_id in house.futures.open:
        house.futures.ended(order)
    order.state = futures.OrderState.PARTIALLY_CANCELED if order.leaves else futures.OrderState.FILLED


@pytest.mark.parametrize("restarted", [False, True])
def test_s25_a_reduce_in_doubt_and_what_is_left_of_one_count(restarted: bool) -> None:  # noqa: FBT001
    async def story(house: House) -> None:
        await long(house, "3")
        house.network.lost_answers.add(perp.SUBMIT_ORDER)
        house.network.lost_requests |= {perp.ORDER, perp.OPEN_ORDERS, perp.ORDER_HISTORY}
        house.faults(frame_dropped=1)
        await house.place("r1", "sell", "2", "60000", symbol=PERPETUAL, reduce_only=True)
        await house.until(lambda: house.life("r1") is Life.IN_DOUBT)
        if restarted:
            house.kill()
            house.network.mend()
            house.network.lost_requests.add(perp.ORDER)
            await house.start()
        await house.place("r2", "sell", "2", "60000", symbol=PERPETUAL, reduce_only=True)
        assert house.life("r2") is Life.DENIED
        await house.place("r3", "sell", "1", "60000", symbol=PERPETUAL, reduce_only=True)
        assert house.life("r3") is not Life.DENIED
        house.network.mend()
        house.faults()
        await house.until(lambda: house.life("r1") is house.life("r3") is Life.WORKING)
        house.stranger("buy", "1", "60000", symbol=PERPETUAL)
        await house.rests()
        await house.place("r4", "sell", "1", "60000", symbol=PERPETUAL, reduce_only=True)
        assert house.life("r4") is Life.DENIED
        house.stranger("buy", "5", "60000", symbol=PERPETUAL)
        await house.rests()
        assert house.position().quantity == 0

    tell(story)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("hedge", [False, True])
@pytest.mark.parametrize(("befall", "origin"), [("liquidate", Origin.LIQUIDATION), ("deleverage", Origin.ADL)])
def test_s26_what_the_venue_seizes_is_known_for_that_however_it_is_learned(
    befall: str,
    origin: Origin,
    hedge: bool,  # noqa: FBT001
    way: str,
) -> None:
    leg = LONG if hedge else NET

    async def story(house: House) -> None:
        await house.start()
        await hold(house, 10, leg)
        await house.rests()
        house.stranger("buy", "50", "59000", symbol=PERPETUAL)
        await while_it(house, way)
        getattr(house.simulator.futures.exchange, befall)(DESK, "BTCUSDT", leg, house.now_ms)
        await after_it(house, way)
        await house.until(lambda: house.position(leg=leg).quantity == 0)
        assert [each.origin for each in house.book.orders.values() if each.origin is not None] == [origin]
        await house.place("c9", "buy", "1", "50000", symbol=PERPETUAL, position_leg=leg)
        assert house.life("c9") is Life.DENIED
        assert origin.value in (house.order("c9").reason or "")
        house.faults()
        await house.rests()

    tell(story, lambda: House(hedge=hedge))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("befall", ["human", "liquidate", "deleverage"])
def test_s27_what_protects_a_position_ends_with_it_whoever_ends_it_and_however_it_is_learned(
    befall: str, way: str
) -> None:
    async def story(house: House) -> None:
        await protected(house)
        leave_it_to_us(house)
        house.stranger("buy", "50", "59500", symbol=PERPETUAL)
        await while_it(house, way)
        if befall == "human":
            house.by_hand("sell", "4", "59500", symbol=PERPETUAL, reduce_only=True)
        else:
            getattr(house.simulator.futures.exchange, befall)(DESK, "BTCUSDT", NET, house.now_ms)
        await after_it(house, way)
        await house.until(lambda: {house.life("tp"), house.life("sl")} == {Life.CANCELED})
        house.faults()
        await house.rests()
        assert not house.futures.plans
        assert [house.told(name).count("cancel-requested") for name in ("tp", "sl")] == [1, 1]

    tell(story)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("profit", [False, True])
def test_s28_and_s29_a_side_that_fires_is_ours_and_the_other_ends_once_however_it_is_learned(
    profit: bool,  # noqa: FBT001
    way: str,
) -> None:
    async def story(house: House) -> None:
        await protected(house)
        leave_it_to_us(house)
        waiting = {house.order(name).venue_order_id for name in ("tp", "sl")}
        await while_it(house, way)
        fire(house, profit=profit)
        await after_it(house, way)
        winner, loser = ("tp", "sl") if profit else ("sl", "tp")
        await house.until(lambda: house.life(winner) is Life.FILLED)
        await house.until(lambda: house.life(loser) is Life.CANCELED)
        house.faults()
        await one_side_is_left_of_none(house, profit=profit)
        assert len(house.network.cancels()) == 1
        fill = house.futures.fills[-1]
        assert fill.order_id not in waiting
        assert [each.exec_id for each in house.order(winner).trades] == [fill.trade_id]
        assert {each.request.strategy for each in house.book.orders.values()} == {"maker"}

    tell(story)


@pytest.mark.parametrize("gone", [LONG, SHORT])
@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("fires", [False, True])
def test_s28_in_hedge_mode_a_legs_protection_ends_with_its_leg_and_no_others_does(
    gone: PositionLeg,
    restarted: bool,  # noqa: FBT001
    fires: bool,  # noqa: FBT001
) -> None:
    kept = SHORT if gone is LONG else LONG
    out, into, size = (Side.SELL, "buy", "5") if gone is LONG else (Side.BUY, "sell", "3")

    async def story(house: House) -> None:
        await house.start()
        leave_it_to_us(house)
        arrive(house, "60000")
        await hold(house, 5, LONG)
        await hold(house, -3, SHORT)
        for leg, side, much, loss, profit in ((LONG, "sell", "5", 59_000, 61_000), (SHORT, "buy", "3", 61_500, 59_500)):
            for name, at in ((f"sl{leg}", loss), (f"tp{leg}", profit)):
                when = Crossing.FALLS_TO if at < 60_000 else Crossing.RISES_TO
                wait = Trigger(price=Decimal(at), when=when, by=PriceSource.LAST)
                await house.place(name, side, much, None, symbol=PERPETUAL, position_leg=leg, trigger=wait)
                await house.until(lambda each=name: house.life(each) is Life.WORKING)  # type: ignore[misc]  # bound now
        await house.rests()
        if restarted:
            house.kill()
        if fires:
            house.stranger(into, "9", "60990" if gone is LONG else "59510", symbol=PERPETUAL)
            arrive(house, "61000" if gone is LONG else "59500")
        else:
            house.stranger(into, size, "60000", symbol=PERPETUAL)
            by_hand = futures.NewOrder(
                account=DESK,
                symbol="BTCUSDT",
                side=out,
                size=Decimal(size),
                price=Decimal(60_000),
                reduce_only=True,
            )
            house.simulator.futures.exchange.submit(by_hand, house.now_ms)
        if restarted:
            await house.start()
        await house.until(lambda: house.position(leg=gone).quantity == 0)
        await house.until(lambda: len(house.futures.plans) == 2)
        await house.rests()
        assert {house.life(f"{name}{kept}") for name in ("sl", "tp")} == {Life.WORKING}
        assert house.position(leg=kept).quantity != 0

    tell(story, lambda: House(hedge=True))


@pytest.mark.parametrize("way", ["unheard", "restarted"])
def test_s29_a_trailing_order_that_fired_unheard_stays_our_order(way: str) -> None:
    async def story(house: House) -> None:
        await house.start()
        arrive(house, "60000")
        back = Decimal("0.01")
        wait = Trigger(price=Decimal(61_000), when=Crossing.RISES_TO, by=PriceSource.LAST, callback_rate=back)
        await house.place("t1", "sell", "3", None, symbol=PERPETUAL, trigger=wait)
        await house.until(lambda: house.life("t1") is Life.WORKING)
        await while_it(house, way)
        for price in ("61000", "62000"):
            arrive(house, price)
        house.stranger("buy", "3", "61000", symbol=PERPETUAL)
        arrive(house, "61300")
        await after_it(house, way)
        await house.until(lambda: house.life("t1") is Life.FILLED)
        house.faults()
        await house.rests()
        assert [each.request.strategy for each in house.book.orders.values()] == ["maker"]

    tell(story)


@pytest.mark.parametrize("way", WAYS)
def test_s29_what_a_plan_sent_and_rests_is_our_order_under_its_new_id_and_can_be_ended(way: str) -> None:
    async def story(house: House) -> None:
        await house.start()
        arrive(house, "60000")
        wait = Trigger(price=Decimal(61_000), when=Crossing.RISES_TO, by=PriceSource.LAST)
        await house.place("p1", "buy", "3", "60500", symbol=PERPETUAL, trigger=wait)
        await house.until(lambda: house.life("p1") is Life.WORKING)
        plan = house.order("p1").venue_order_id
        await while_it(house, way)
        arrive(house, "61000")  # it fires, and rests below the market
        await asyncio.sleep(1)
        await after_it(house, way)
        await house.until(lambda: "order-triggered" in house.told("p1"))
        house.faults()
        await house.rests()
        [child] = house.futures.open
        assert house.order("p1").venue_order_id == child != plan
        assert house.order("p1").triggered
        assert len(house.book.orders) == 1
        await house.cancel("p1")
        await house.until(lambda: house.life("p1") is Life.CANCELED)
        await house.rests()
        assert not house.futures.open

    tell(story)


def test_s30_on_perpetuals_too_a_late_balance_takes_nothing_back_and_a_lasting_difference_is_a_break() -> None:
    name = purse(Wallet.FUTURES, Currency("USDT"))

    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "5", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.network.slow_answers[perp.ASSETS] = 5.0
        await house.until(lambda: house.network.sent[-1].path == perp.ASSETS)
        house.stranger("sell", "5", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.life("c1") is Life.FILLED)
        after = house.book.funds(name).total
        for _ in range(600):
            await asyncio.sleep(0.1)
            assert house.book.funds(name).total <= after
            assert house.breaks() == {}
        house.network.mend()
        await house.rests()
        house.futures.wallets["USDT"].available += 7
        await house.until(lambda: bool(house.breaks()))
        (opened,) = house.book.account.breaks.open.values()
        assert opened.difference == 7

    tell(story)


@pytest.mark.parametrize("way", WAYS)
def test_s40_a_flip_is_a_close_and_an_open_however_it_is_learned(way: str) -> None:
    async def story(house: House) -> None:
        await house.start()
        await hold(house, 3, NET)
        await house.place("c2", "sell", "5", "60200", symbol=PERPETUAL)
        await house.until(lambda: house.life("c2") is Life.WORKING)
        await house.rests()
        await while_it(house, way)
        house.stranger("buy", "5", "60200", symbol=PERPETUAL)
        await after_it(house, way)
        await house.until(lambda: house.position().quantity == -2)
        house.faults()
        await house.rests()
        _, close, opened = bookings(house)
        assert (close.quantity, close.realized) == (-3, Decimal("0.6"))
        assert (opened.quantity, opened.realized, opened.exec_id) == (-2, 0, close.exec_id)

    tell(story)


@pytest.mark.parametrize("way", ["unheard", "restarted"])
def test_s62_a_settlement_is_known_for_that_however_it_is_learned(way: str) -> None:
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", "5", "50000", symbol=PERPETUAL)
        await house.place("p1", "buy", "5", "50000", symbol=PERPETUAL)
        await house.place("p2", "buy", "5", "40000", symbol=PERPETUAL)
        await house.until(lambda: house.life("p1") is Life.FILLED and house.life("p2") is Life.WORKING)
        await house.rests()
        await while_it(house, way)
        house.simulator.futures.set_status("BTCUSDT", Status.DELISTED, house.now_ms)
        if way == "restarted":
            house.leap(600)
        await after_it(house, way)
        await house.until(lambda: house.position().quantity == 0, seconds=120)
        await house.until(lambda: house.life("p2") is Life.CANCELED, seconds=120)
        house.faults()
        await house.rests()
        made = [each for each in house.book.orders.values() if each.origin is not None]
        assert [(each.origin, each.cum_quantity) for each in made] == [(Origin.SETTLEMENT, 5)]
        assert not house.book.account.halts
        assert not any(house.book.held.values())
        assert len(house.network.submits()) == 2

    tell(story)


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
def test_s10_two_partial_fills_that_the_stream_tells_under_one_id_are_never_silently_one(symbol: Symbol) -> None:
    whole, first, second = ("0.02", "0.004", "0.006") if symbol == SPOT else ("20", "4", "6")

    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", whole, "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.rests()
        exchange: Any = house.simulator.spot.exchange if symbol == SPOT else house.simulator.futures.exchange._state
        fills = house.spot.fills if symbol == SPOT else house.futures.fills
        house.stranger("sell", first, "50000", symbol=symbol)
        used, rising = fills[-1].trade_id, exchange.next_id
        await asyncio.sleep(1)
        exchange.next_id = lambda _: used  # the venue counts wrong once
        house.stranger("sell", second, "50000", symbol=symbol)
        exchange.next_id = rising
        assert [each.trade_id for each in fills] == [used, used]
        await house.until(lambda: "order:c1" in house.breaks())
        await house.until(lambda: "fills:c1" in house.breaks(), seconds=240)
        ours, theirs = house.breaks()["fills:c1"]
        assert Decimal(ours.split()[0]) == Decimal(first)
        assert Decimal(theirs.split()[0]) == Decimal(first) + Decimal(second)

    tell(story)
