"""S50: what is left of a position and too small for any order is called dust, with its value, and nags nobody."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.errors import BelowMinimumError
from oms.gateway.prices import now_of, priced
from oms.gateway.views import PositionView
from oms.ledger import Ledger
from oms.order.state import Life
from oms.protection import Protected
from oms.store.codec import decode
from oms.values import PositionLeg, Symbol
from tests.scenarios.house import DESK, PERPETUAL, SPOT, House, tell


def test_s50_a_remainder_below_the_minimum_is_dust_with_its_value_and_the_ledger_balances() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", "0.01", "50000")
        await house.place("c1", "buy", "0.01", "50000")
        await house.until(lambda: house.life("c1") is Life.FILLED)
        assert shown(house, SPOT)["dust"] is False
        house.stranger("buy", "0.00995", "50000")
        await house.place("c2", "sell", "0.00995", "50000")
        await house.until(lambda: house.life("c2") is Life.FILLED)
        with pytest.raises(BelowMinimumError):  # two and a half dollars, where five are the least
            await house.place("c3", "sell", "0.00005", "50000")
        assert house.position(SPOT).quantity == Decimal("0.00005")
        assert shown(house, SPOT) == {"dust": True, "value": Decimal("2.5")}
        await house.rests()
        assert balanced(house)
        house.stranger("sell", "0.01", "50000")
        await house.place("c4", "buy", "0.01", "50000")  # and it is none any more
        await house.until(lambda: house.life("c4") is Life.FILLED)
        assert shown(house, SPOT) == {"dust": False, "value": Decimal("502.5")}
        await house.rests()
        assert balanced(house)

    tell(story)


@pytest.mark.parametrize("minimum", ["1", "4"])
def test_s50_dust_needs_no_stop_and_what_can_be_closed_does(minimum: str) -> None:
    """The venue has raised the least order of the contract above what is held, in one of two stories."""

    async def story(house: House) -> None:
        await house.start()
        markets = dict(house.engine.decider.instruments)
        markets[PERPETUAL] = replace(markets[PERPETUAL], quantity_min=Decimal(minimum))
        house.engine.decider.instruments = markets
        house.stranger("sell", "5", "50000", symbol=PERPETUAL)
        await house.place("p1", "buy", "5", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.life("p1") is Life.FILLED)
        house.by_hand("sell", "2", "49000", symbol=PERPETUAL, reduce_only=True)  # at the website, where more is allowed
        house.stranger("buy", "2", "49000", symbol=PERPETUAL)
        await house.until(lambda: house.position().quantity == 3)
        await asyncio.sleep(20)
        dust = minimum == "4"
        assert shown(house, PERPETUAL)["dust"] is dust
        assert bool(house.breaks()) is not dust
        assert balanced(house)

    tell(story, lambda: House(protection=Protected(must="*", seconds=5)))


def shown(house: House, symbol: Symbol) -> dict[str, object]:
    """Return what whoever reads positions is shown of a leg's size."""
    leg = house.position(symbol)
    view = PositionView(
        account=DESK,
        symbol=symbol,
        leg=PositionLeg.NET,
        quantity=leg.quantity,
        open_cost=leg.open_cost,
        average_price=leg.average_price,
        realized=leg.realized,
        commissions={},
        contract_size=leg.contract_size,
        funding=leg.funding,
        shares={},
    )
    fields = priced(view, now_of([house.engine]))
    return {"dust": fields["dust"], "value": fields["value"]}


def balanced(house: House) -> bool:
    """Whether the double-entry books are even, and add up to what the account has."""
    ledger = Ledger()
    for each in house.log._events:
        ledger.book(each.stream, decode(each.topic, each.state))
    return ledger.unbalanced == {} and dict(ledger.totals) == {k: v for k, v in house.replayed().totals.items() if v}
