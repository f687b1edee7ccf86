"""S70: paper trading goes on where it was left: all that rested, waited and protected stands on the next exchange too.

The processes and the kill are in `tests/e2e/test_paper.py`.
"""

from decimal import Decimal

import pytest
from msgspec.structs import asdict, replace

from adapters.simulator.simulator import Simulator
from adapters.simulator.wire.keys import demo_credentials
from oms.__main__ import stand_again
from oms.book import order_stream
from oms.order.state import Life
from oms.values import ClientOrderId, Crossing, PositionLeg, PriceSource, Protection
from oms.venue import Trigger
from tests.scenarios.house import DESK, PERPETUAL, SEED, House, tell

STOP, PROFIT = Protection(price=Decimal(49_000), by=PriceSource.MARK), Protection(price=Decimal(61_000))


async def busy(house: House, *, hedge: bool) -> None:
    """Something of everything: it rests, waits, holds, and is protected by what came with an order."""
    leg = {"position_leg": PositionLeg.LONG} if hedge else {}
    await house.start()
    house.stranger("sell", "0.01", "60000")
    await house.place("bought", "buy", "0.01", "60000")
    await house.until(lambda: house.life("bought") is Life.FILLED)  # there is a last price now
    await house.place("rests", "buy", "0.01", "40000")
    dip, rise = (Trigger(price=Decimal(price), when=when) for price, when in ((50_000, FALLS), (70_000, RISES)))
    await house.place("dip", "buy", "0.01", "50100", trigger=dip)
    await house.place("out", "sell", "0.01", "69900", trigger=rise)
    spend = replace(house.order_for("rise", "buy", "1", None, trigger=rise), quantity=None, notional=Decimal(100))
    await house.give(spend)
    house.stranger("sell", "3", "50500", symbol=PERPETUAL)
    await house.place("long", "buy", "5", "50500", symbol=PERPETUAL, stop_loss=STOP, take_profit=PROFIT, **leg)
    await house.place(
        "later", "buy", "2", "45000", symbol=PERPETUAL, stop_loss=replace(STOP, price=Decimal(44_000)), **leg
    )
    await house.until(lambda: len(house.futures.plans) == 2)
    await house.until(lambda: len(house.book.open) == 8 and not house.book.unsettled)


FALLS, RISES = Crossing.FALLS_TO, Crossing.RISES_TO


def again(house: House) -> Simulator:
    """The next exchange: the account owns what the log says, and nothing else of it is known there."""
    simulated = Simulator(seed=SEED, traders=False)
    spot, futures = (
        {str(coin): total for coin, total in owned.items()}
        for owned in (
            {coin: each.available + each.frozen for coin, each in house.spot.balances.items()},
            {coin: each.total for coin, each in house.futures.wallets.items()},
        )
    )
    simulated.open_account(demo_credentials(DESK, SEED), spot, futures)
    return simulated


@pytest.mark.parametrize("hedge", [False, True])
def test_s70_what_rested_waited_and_protected_stands_again(hedge: bool) -> None:  # noqa: FBT001
    async def story(house: House) -> None:
        await busy(house, hedge=hedge)
        simulated = again(house)
        found = stand_again(simulated, DESK, house.replayed())
        assert (found.orders, found.positions, found.left) == (
            8,
            1,
            (),
        )  # 4 on spot, 2 and what protects the first one twice
        spot, futures = simulated.spot.exchange.accounts[DESK], simulated.futures.exchange.accounts[DESK]
        assert spot.open.keys() == house.spot.open.keys()
        assert waiting(simulated) == waiting(house.simulator)
        assert len(waiting(simulated)) == 3
        assert {name: each.frozen for name, each in spot.balances.items() if each.frozen} == {
            name: each.frozen for name, each in house.spot.balances.items() if each.frozen
        }
        plans = [asdict(each) for each in futures.plans.values()]
        for plan, was in zip(plans, map(asdict, house.futures.plans.values()), strict=True):
            differ = {name for name in plan if plan[name] != was[name]}
            assert differ <= {"created_ms", "updated_ms", "leverage", "margin_mode"}
        assert [(each.take_profit, each.stop_loss) for each in futures.open.values()] == [
            (each.take_profit, each.stop_loss) for each in house.futures.open.values()
        ]

    tell(story, lambda: House(hedge=hedge))


def waiting(simulator: Simulator) -> list[tuple[object, ...]]:
    """Every spot order that waits, by what it waits for and what it becomes."""
    orders = [order for order in simulator.spot.algo.of(DESK) if order.waits]
    return sorted((each.order_id, each.kind, each.trigger_price, each.rises, repr(each.new)) for each in orders)


def test_s70_a_protection_of_which_nobody_knows_what_it_waits_for_is_named() -> None:
    async def story(house: House) -> None:
        await busy(house, hedge=False)
        book = house.replayed()
        stops = [stream for stream, order in book.orders.items() if order.parent == ClientOrderId("long")]
        for stream in stops:  # as those are that an older log holds, or that somebody placed at the website
            order = book.orders[stream]
            book.restore(stream, replace(order, parent=None, request=replace(order.request, trigger=None)))
        found = stand_again(again(house), DESK, book)
        assert {order_stream(DESK, name) for name in found.left} == set(stops)
        assert len(stops) == 2

    tell(story)
