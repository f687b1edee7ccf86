"""Each kind of order that spot has, through the whole OMS against the exchange: what it becomes, by value."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.order.state import Life
from oms.values import TimeInForce
from tests.scenarios.house import SPOT, House, tell

IOC = {"time_in_force": TimeInForce.IOC}
POST_ONLY = {"post_only": True}


@pytest.mark.parametrize(
    ("kind", "price", "life", "traded"),
    [
        ({}, "49000", Life.WORKING, "0"),
        ({}, "50000", Life.WORKING, "0.004"),  # the rest of it waits
        (POST_ONLY, "49000", Life.WORKING, "0"),
        (POST_ONLY, "50000", Life.CANCELED, "0"),  # shown as rejected: it would have taken
        (IOC, "49000", Life.CANCELED, "0"),
        (IOC, "50000", Life.CANCELED, "0.004"),
    ],
)
def test_what_each_kind_of_limit_order_becomes(kind: dict[str, object], price: str, life: Life, traded: str) -> None:
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", "0.004", "50000")
        await house.place("c1", "buy", "0.01", price, **kind)
        await house.until(lambda: house.life("c1") is life and house.order("c1").cum_quantity == Decimal(traded))
        await house.rests()
        order = house.order("c1")
        assert (order.life, order.cum_quantity) == (life, Decimal(traded))
        assert house.position(SPOT).quantity == Decimal(traded)
        resting = [each.client_order_id for each in house.spot.open.values()]
        assert resting == (["c1"] if life is Life.WORKING else [])

    tell(story)


def test_a_market_buy_spends_its_notional_and_no_step_more_and_a_market_sell_its_quantity() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", "1", "50000")
        house.stranger("buy", "1", "49000")
        await house.give(replace(house.order_for("m1", "buy", "1", None), quantity=None, notional=Decimal(700)))
        await house.until(lambda: house.life("m1") is Life.FILLED)
        await house.place("m2", "sell", "0.005", None)
        await house.until(lambda: house.life("m2") is Life.FILLED)
        await house.rests()
        bought, sold = house.order("m1"), house.order("m2")
        assert (bought.cum_quantity, bought.cum_cost) == (Decimal("0.014"), 700)
        assert (sold.cum_quantity, sold.cum_cost) == (Decimal("0.005"), 245)

    tell(story)
