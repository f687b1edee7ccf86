"""A spot order that waits for its price: whether the venue freezes for it no source says (PROTOCOL 5.11).

Ours holds what it may need from the start, as it may become due at any moment; totals are compared, so both agree.
"""

import asyncio
from decimal import Decimal

import pytest

from oms.order.state import Life
from oms.values import Crossing
from oms.venue import Trigger
from tests.scenarios.house import SPOT, House, tell


@pytest.mark.parametrize("frozen", [False, True])
def test_what_waits_is_held_here_whether_the_venue_freezes_it_or_not(frozen: bool) -> None:  # noqa: FBT001
    async def story(house: House) -> None:
        house.simulator.exchange.rules.waiting_holds = frozen
        await house.start()
        house.stranger("sell", "0.001", "60000", symbol=SPOT)
        house.stranger("buy", "0.001", "60000", symbol=SPOT)
        free = house.book.available("BTC")
        waits = Trigger(price=Decimal(55_000), when=Crossing.FALLS_TO)
        await house.place("s1", "sell", "0.01", "54000", trigger=waits)
        await house.until(lambda: house.life("s1") is Life.WORKING)
        assert house.book.available("BTC") == free - Decimal("0.01")
        assert house.spot.balance("BTC").frozen == (Decimal("0.01") if frozen else 0)
        await asyncio.sleep(60)  # several comparisons
        assert not house.breaks()
        await house.cancel("s1")
        await house.until(lambda: house.life("s1") is Life.CANCELED)
        assert house.spot.balance("BTC").frozen == 0
        await house.rests()
        assert house.book.available("BTC") == free

    tell(story)
