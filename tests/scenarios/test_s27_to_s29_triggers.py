"""S29: what a plan order sends when its price comes is our order, and so are its fills. S10: one id for two trades."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from oms.order.state import CLOSED, Life, Order
from oms.values import Crossing, PriceSource, Protection, Symbol, plain
from oms.venue import Trigger
from tests.scenarios.house import PERPETUAL, SPOT, House, tell

AMENDED = "order-amended"
ENDS = {
    Life.CANCELED: "venue-canceled",
    Life.VANISHED: "order-vanished",
}  # the venue took a cancel of it, or nobody knows


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("heard", [True, False])
def test_s29_a_plan_order_fires_under_a_new_id_and_stays_our_order(restarted: bool, heard: bool) -> None:  # noqa: FBT001
    async def story(house: House) -> None:
        await planned(house)
        assert len(house.futures.plans) == 1
        plan_id = house.order("p1").venue_order_id
        if restarted:
            await house.restart()
            await house.rests()
        house.faults(**({} if heard else {"frame_dropped": 1.0}))
        house.stranger("sell", "3", "61010", symbol=PERPETUAL)
        arrive(house, "61000")  # the plan fires and buys that
        await house.until(lambda: house.life("p1") is Life.FILLED, seconds=30)
        house.faults()
        await house.rests()
        [child] = {fill.order_id for fill in house.futures.fills}
        assert child != plan_id
        assert [each.exec_id for each in house.order("p1").trades] == [fill.trade_id for fill in house.futures.fills]
        assert house.order("p1").cum_quantity == 3
        assert house.position().quantity == 3
        assert [each.request.strategy for each in house.book.orders.values()] == ["maker"], "nothing is somebody else's"

    tell(story)


@pytest.mark.parametrize("restarted", [False, True])
def test_s29_a_trailing_order_that_fires_stays_our_order(restarted: bool) -> None:  # noqa: FBT001
    async def story(house: House) -> None:
        await house.start()
        arrive(house, "60000")
        wait = Trigger(
            price=Decimal(61_000), when=Crossing.RISES_TO, by=PriceSource.LAST, callback_rate=Decimal("0.01")
        )
        await house.place("t1", "sell", "3", None, symbol=PERPETUAL, trigger=wait)
        assert house.life("t1") is not Life.DENIED, house.order("t1").reason
        await house.until(lambda: house.life("t1") is Life.WORKING)
        waiting_id = house.order("t1").venue_order_id
        if restarted:
            await house.restart()
            await house.rests()
        for price in ("61000", "62000"):
            arrive(house, price)  # from here on it follows
        await asyncio.sleep(2)
        assert house.life("t1") is Life.WORKING
        house.stranger("buy", "3", "61000", symbol=PERPETUAL)
        arrive(house, "61300")  # more than a hundredth back: it sells
        await house.until(lambda: house.life("t1") is Life.FILLED, seconds=30)
        await house.rests()
        [child] = {fill.order_id for fill in house.futures.fills}
        assert child != waiting_id
        assert house.position().quantity == -3
        assert [each.request.strategy for each in house.book.orders.values()] == ["maker"], "nothing is somebody else's"

    tell(story)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("profit", [False, True])
def test_s28_when_one_side_of_a_bracket_fills_the_other_is_cancelled_once_restart_or_not(
    restarted: bool,  # noqa: FBT001
    profit: bool,  # noqa: FBT001
) -> None:
    async def story(house: House) -> None:
        await protected(house)
        leave_it_to_us(house)
        if restarted:
            house.kill()
        fire(house, profit=profit)
        if restarted:
            await house.start()
        await one_side_is_left_of_none(house, profit=profit)
        assert len(house.network.cancels()) == 1

    tell(story)


def test_s28_killed_at_any_step_between_the_fill_and_the_end_of_its_sibling_that_ends_once() -> None:
    ended: list[int] = []

    async def story(house: House, step: int) -> None:
        await protected(house)
        leave_it_to_us(house)
        process = house.oms.process
        fire(house, profit=True)
        process.doom(process.steps + step)
        await asyncio.sleep(3)
        if process.alive:  # all was done before that step came
            ended.append(step)
            process.spare()
        else:
            house.kill()
            await house.start()
        await one_side_is_left_of_none(house, profit=True)
        assert {each.body["order_id"] for each in house.network.cancels()} <= {house.order("sl").venue_order_id}

    step = 0
    while not ended:
        step += 3
        assert step < 1_000, "it never ends"
        tell(lambda house, at=step: story(house, at))  # type: ignore[misc]  # one world a step
    assert step > 30, "it takes more steps than that"


def leave_it_to_us(house: House) -> None:
    """Let a protection wait on at the venue when its position is gone: nobody knows whether BitMart ends it."""
    house.simulator.futures.exchange.rules.flat_ends_protection = False


def fire(house: House, *, profit: bool) -> None:
    """Have the price come that the profit, or the loss, waits for; somebody buys what fires."""
    price = 61_000 if profit else 59_000
    house.stranger("buy", "9", str(price - 10), symbol=PERPETUAL)
    arrive(house, str(price))


async def one_side_is_left_of_none(house: House, *, profit: bool) -> None:
    """See that one side of the bracket filled, and that the other was ended once by our asking once."""
    winner, loser = ("tp", "sl") if profit else ("sl", "tp")
    await house.until(lambda: house.life(winner) is Life.FILLED, seconds=30)
    await house.until(lambda: house.life(loser) in ENDS, seconds=60)
    await house.rests()
    assert house.position().quantity == 0
    assert house.told(loser).count("cancel-requested") == 1
    assert [each for each in house.told(loser) if each in ENDS.values()] == [ENDS[house.life(loser)]]
    assert not house.futures.plans


def test_s27_the_protection_of_a_position_that_a_human_closed_is_cancelled() -> None:
    async def story(house: House) -> None:
        await protected(house)
        house.stranger("buy", "4", "60000", symbol=PERPETUAL)
        house.by_hand("sell", "4", "60000", symbol=PERPETUAL, reduce_only=True)
        await house.until(lambda: {house.life("tp"), house.life("sl")} <= ENDS.keys(), seconds=60)
        await house.rests()
        assert house.position().quantity == 0
        for name in ("tp", "sl"):
            assert "cancel-requested" in house.told(name), "the OMS asks, whatever the venue does by itself"

    tell(story)


@pytest.mark.parametrize("heard", [True, False])
def test_what_the_venue_makes_of_a_preset_is_its_orders_child_and_its_strategys(heard: bool) -> None:  # noqa: FBT001
    async def story(house: House) -> None:
        await house.start()
        arrive(house, "60000")
        house.faults(**({} if heard else {"frame_dropped": 1.0}))
        presets = {"take_profit": Protection(price=Decimal(61_000)), "stop_loss": Protection(price=Decimal(59_000))}
        await house.place("p1", "buy", "3", "60000", symbol=PERPETUAL, **presets)
        await house.place("p2", "buy", "1", "50000", symbol=PERPETUAL, stop_loss=Protection(price=Decimal(49_000)))
        house.stranger("sell", "3", "60000", symbol=PERPETUAL)
        await house.until(lambda: len(made(house)) == 2, seconds=60)
        assert {(each.request.strategy, each.parent) for each in made(house)} == {("maker", "p1")}
        house.stranger("buy", "3", "60990", symbol=PERPETUAL)
        arrive(house, "61000")  # the profit fires
        await house.until(lambda: house.position().quantity == 0, seconds=60)
        house.faults()
        await house.rests()
        sent = [each for each in made(house) if each.trades]
        assert [(each.cum_quantity, each.request.strategy) for each in sent] == [(3, "maker")]
        assert {each.request.strategy for each in house.book.orders.values()} == {"maker"}

    tell(story)


def test_what_protects_by_an_orders_own_word_is_changed_and_read_back_from_what_the_venue_made_of_it() -> None:
    async def story(house: House) -> None:
        await house.start()
        arrive(house, "60000")
        presets = {
            "stop_loss": Protection(price=Decimal(59_000), by=PriceSource.MARK),
            "take_profit": Protection(price=Decimal(61_000)),
        }
        await house.place("p1", "buy", "3", "60000", symbol=PERPETUAL, **presets)
        house.stranger("sell", "3", "60000", symbol=PERPETUAL)
        await house.until(lambda: len(made(house)) == 2)
        changes = {True: "58000.0", False: "62000.0"}
        for child in made(house):
            await house.amend(child.request.client_order_id, trigger_price=changes[child.stops])
        await house.until(lambda: all(house.told(each.request.client_order_id)[-1] == AMENDED for each in made(house)))
        assert {each.request.trigger for each in made(house)} == {
            Trigger(price=Decimal(58_000), when=Crossing.FALLS_TO, by=PriceSource.MARK),
            Trigger(price=Decimal(62_000), when=Crossing.RISES_TO, by=PriceSource.LAST),
        }
        plans = {(plan.trigger_price, plan.price_type.value) for plan in house.futures.plans.values()}
        assert plans == {(58_000, "mark"), (62_000, "last")}
        assert {plan.type.value for plan in house.futures.plans.values()} == {"market"}
        await house.rests()
        arrive(house, "61500")
        await asyncio.sleep(5)
        assert house.position().quantity == 3, "the old price is nothing to it"
        house.stranger("buy", "3", "61990", symbol=PERPETUAL)
        arrive(house, "62000")
        await house.until(lambda: house.position().quantity == 0)
        await house.rests()

    tell(story)


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("lost", [{}, {"answer_lost": 1.0}, {"request_lost": 1.0}])
def test_what_is_to_protect_an_order_is_changed_before_its_fill(lost: dict[str, float], waits: bool) -> None:  # noqa: FBT001
    async def story(house: House) -> None:
        await house.start()
        arrive(house, "60000")
        trigger = Trigger(price=Decimal(60_500), when=Crossing.RISES_TO) if waits else None
        profit, loss = Protection(price=Decimal(62_000)), Protection(price=Decimal(59_000), by=PriceSource.MARK)
        presets = {"take_profit": profit, "stop_loss": loss, "trigger": trigger}
        await house.place("p1", "buy", "3", "60500", symbol=PERPETUAL, **presets)
        await house.until(lambda: house.life("p1") is Life.WORKING)
        house.faults(**lost)
        higher = Protection(price=Decimal(63_000))
        await house.amend("p1", take_profit=higher)
        told = "amend-unknown" if lost else "amend-accepted"
        await house.until(lambda: told in house.told("p1"))
        house.faults()
        await house.until(lambda: not house.order("p1").amends, seconds=120)
        applied = "request_lost" not in lost
        assert house.told("p1")[-1] == (AMENDED if applied else "amend-refused")
        expected = higher if applied else profit
        assert (house.order("p1").request.take_profit, house.order("p1").request.stop_loss) == (expected, loss)
        house.stranger("sell", "3", "60500", symbol=PERPETUAL)
        if waits:
            arrive(house, "60500")
        await house.until(lambda: house.position().quantity == 3, seconds=60)
        await house.until(lambda: len(made(house)) == 2, seconds=60)
        plans = {(plan.trigger_price, plan.price_type.value) for plan in house.futures.plans.values()}
        assert plans == {(expected.price, "last"), (59_000, "mark")}
        assert {(each.request.strategy, each.parent) for each in made(house)} == {("maker", "p1")}
        await house.rests()

    tell(story)


def test_what_protects_a_fill_that_is_faster_than_the_change_is_its_orders_all_the_same() -> None:
    async def story(house: House) -> None:
        await house.start()
        arrive(house, "60000")
        await house.place("p1", "buy", "3", "60000", symbol=PERPETUAL, take_profit=Protection(price=Decimal(62_000)))
        await house.until(lambda: house.life("p1") is Life.WORKING)
        house.stranger("sell", "1", "60000", symbol=PERPETUAL)  # this one keeps the old price
        await house.until(lambda: len(made(house)) == 1, seconds=60)
        await house.amend("p1", take_profit=Protection(price=Decimal(63_000)))
        await house.until(lambda: "amend-accepted" in house.told("p1"))
        house.stranger("sell", "2", "60000", symbol=PERPETUAL)  # faster than any picture of the change
        await house.until(lambda: house.life("p1") is Life.FILLED, seconds=60)
        await house.rests()
        assert {(each.request.strategy, each.parent) for each in made(house)} == {("maker", "p1")}
        assert {each.request.strategy for each in house.book.orders.values()} == {"maker"}

    tell(story)


def made(house: House) -> list[Order]:
    """What the venue made by itself."""
    return [each for each in house.book.orders.values() if each.origin is not None]


def arrive(house: House, price: str) -> None:
    """Have others trade at that price."""
    house.simulator.move_market("BTCUSDT", Decimal(price), house.now_ms)


async def planned(house: House) -> None:
    """Start at 60000, and have a plan wait for 61000 to buy three contracts."""
    await house.start()
    arrive(house, "60000")
    wait = Trigger(price=Decimal(61_000), when=Crossing.RISES_TO, by=PriceSource.LAST)
    await house.place("p1", "buy", "3", "61500", symbol=PERPETUAL, trigger=wait)
    await house.until(lambda: house.life("p1") is Life.WORKING)


async def protected(house: House) -> None:
    """Start, buy four contracts at 60000, and have a profit wait at 61000 and a loss at 59000."""
    await house.start()
    await house.place("c1", "buy", "4", "60000", symbol=PERPETUAL)
    await house.until(lambda: house.life("c1") is Life.WORKING)
    house.stranger("sell", "4", "60000", symbol=PERPETUAL)
    await house.rests()
    for name, price, when in (("tp", 61_000, Crossing.RISES_TO), ("sl", 59_000, Crossing.FALLS_TO)):
        wait = Trigger(price=Decimal(price), when=when, by=PriceSource.LAST)
        limit = str(price - 500)
        await house.place(name, "sell", "4", limit, symbol=PERPETUAL, reduce_only=True, trigger=wait)
        lives = [house.life(name), house.order(name).reason]
        assert house.life(name) is not Life.DENIED, lives
        await house.until(lambda each=name: house.life(each) is Life.WORKING)  # type: ignore[misc]  # bound now


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
@pytest.mark.parametrize("quantity", ["0.01", "0.02"])  # the two fill it, or it works on
@pytest.mark.parametrize("sizes", [("0.004", "0.006"), ("0.005", "0.005")])
def test_s10_two_partial_fills_under_one_trade_id_are_told_apart_or_a_break_says_what_is_missing(
    sizes: tuple[str, str], quantity: str, symbol: Symbol
) -> None:
    scale = 1000 if symbol == PERPETUAL else 1  # contracts
    first_size, second_size, whole = (Decimal(each) * scale for each in (*sizes, quantity))

    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", plain(whole), "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.rests()
        house.faults(frame_dropped=1)
        house.stranger("sell", plain(first_size), "50000", symbol=symbol)
        await asyncio.sleep(1)  # alike or not, they are two: each has its own time
        house.stranger("sell", plain(second_size), "50000", symbol=symbol)
        first, second = fills(house, symbol)
        assert first.at_ms < second.at_ms
        listed(house, symbol, second, trade_id=first.trade_id)
        await house.until(lambda: "fills:c1" in house.breaks(), seconds=120)
        ours, theirs = house.breaks()["fills:c1"]
        booked = house.order("c1").cum_quantity
        assert booked in {first_size, second_size}, "one is booked, and not twice"
        assert ours == f"{plain(booked)} traded"
        assert Decimal(theirs.split()[0]) == first_size + second_size
        assert ("order:c1" in house.breaks()) is (sizes[0] != sizes[1]), "nobody can tell two that are alike by a row"
        house.faults()
        listed(house, symbol, second, trade_id=second.trade_id)  # the venue mends its list
        await house.until(lambda: house.order("c1").cum_quantity == first_size + second_size)
        await house.until(lambda: not set(house.breaks()) - {"order:c1"})
        assert house.position(symbol).quantity == first_size + second_size

    tell(story)


def fills(house: House, symbol: Symbol) -> list[Any]:
    """The trades of our account as the exchange of `symbol` has them."""
    account = house.spot if symbol == SPOT else house.futures
    return account.fills  # type: ignore[return-value]  # of either kind


def listed(house: House, symbol: Symbol, fill: Any, *, trade_id: str) -> None:
    """Have the venue list the second of two trades under an id."""
    told = replace(fill, trade_id=trade_id)
    account = house.spot if symbol == SPOT else house.futures
    fills(house, symbol)[1] = told
    account.fills_of[told.order_id][1] = told


async def dipping(house: House) -> None:
    """Start at 60000, and have an order wait for 55000 to buy at 54000."""
    await house.start()
    house.stranger("buy", "0.01", "60000")
    house.stranger("sell", "0.01", "60000")
    wait = Trigger(price=Decimal(55_000), when=Crossing.FALLS_TO)
    await house.place("dip", "buy", "0.01", "54000", trigger=wait)
    await house.until(lambda: house.life("dip") is Life.WORKING)
    await house.rests()


def fires(house: House) -> None:
    """The price comes; what the order has become rests at 54000, under another id."""
    house.stranger("buy", "0.02", "55000")
    house.stranger("sell", "0.01", "55000")


def still_waiting(ask: Callable[..., Any]) -> Callable[..., Any]:
    def asked(*by: object) -> Any:
        found = ask(*by)
        return found if found is not None and found.waits else None

    return asked


@pytest.mark.parametrize("forgotten", [False, True])
def test_s29_a_spot_order_that_fired_while_nobody_ran_is_known_as_such_after_a_restart(
    forgotten: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(house: House) -> None:
        await dipping(house)
        waited = house.order("dip").venue_order_id
        house.kill()
        fires(house)
        await asyncio.sleep(5)
        algo = house.simulator.spot.algo
        if forgotten:  # no source says that the venue shows what no longer waits (PROTOCOL 5.11)
            monkeypatch.setattr(algo, "by_client_id", still_waiting(algo.by_client_id))
            monkeypatch.setattr(algo, "by_id", still_waiting(algo.by_id))
        await house.restart()
        await asyncio.sleep(60)
        (there,) = house.spot.open.values()
        assert there.order_id != waited
        assert (house.order("dip").venue_order_id, house.order("dip").waits) == (there.order_id, False)
        await house.cancel("dip")
        await asyncio.sleep(60)
        assert house.life("dip") in CLOSED, house.told("dip")

    tell(story)


@pytest.mark.parametrize("heard", [True, False])
def test_s29_a_cancel_that_meets_an_order_which_has_just_fired_ends_what_it_has_become(heard: bool) -> None:  # noqa: FBT001
    """Whether its refusal or the news that the order has fired comes first."""

    async def story(house: House) -> None:
        await dipping(house)
        house.faults(**({} if heard else {"frame_dropped": 1.0}))
        fires(house)
        await house.cancel("dip")
        await asyncio.sleep(120)
        assert house.life("dip") in CLOSED, (house.told("dip"), house.order("dip").end_unproven)

    tell(story)
