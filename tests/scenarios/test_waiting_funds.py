"""A spot order that waits for its price: whether the venue freezes for it no source says (PROTOCOL 5.11).

Ours holds what it may need from the start, as it may become due at any moment; totals are compared, so both agree.
"""

import asyncio
from decimal import Decimal

import pytest

from adapters.simulator.exchange.algo import Kind
from oms.order.state import Life
from oms.values import Crossing, Purse
from oms.venue import Trigger
from tests.scenarios.house import DESK, SPOT, House, tell

BTC = Purse("BTC")


@pytest.mark.parametrize("frozen", [False, True])
def test_what_waits_is_held_here_whether_the_venue_freezes_it_or_not(frozen: bool) -> None:  # noqa: FBT001
    async def story(house: House) -> None:
        house.simulator.exchange.rules.waiting_holds = frozen
        await house.start()
        house.stranger("sell", "0.001", "60000", symbol=SPOT)
        house.stranger("buy", "0.001", "60000", symbol=SPOT)
        free = house.book.available(BTC)
        waits = Trigger(price=Decimal(55_000), when=Crossing.FALLS_TO)
        await house.place("s1", "sell", "0.01", "54000", trigger=waits)
        await house.until(lambda: house.life("s1") is Life.WORKING)
        assert house.book.available(BTC) == free - Decimal("0.01")
        assert house.spot.balance("BTC").frozen == (Decimal("0.01") if frozen else 0)
        await asyncio.sleep(60)  # several comparisons
        assert not house.breaks()
        await house.cancel("s1")
        await house.until(lambda: house.life("s1") is Life.CANCELED)
        assert house.spot.balance("BTC").frozen == 0
        await house.rests()
        assert house.book.available(BTC) == free

    tell(story)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_sell_that_only_takes_out_waits_as_the_venues_stop_and_fires(restarted: bool) -> None:  # noqa: FBT001
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", "0.001", "60000", symbol=SPOT)
        house.stranger("buy", "0.001", "60000", symbol=SPOT)
        before = house.book.totals[BTC]
        await house.place(
            "s1",
            "sell",
            "0.01",
            "54000",
            trigger=Trigger(price=Decimal(55_000), when=Crossing.FALLS_TO),
            reduce_only=True,
        )
        await house.until(lambda: house.life("s1") is Life.WORKING)
        (waiting,) = house.simulator.spot.algo.of(DESK)
        assert waiting.kind is Kind.TP_SL
        if restarted:
            await house.restart()
        house.stranger("buy", "0.02", "55000", symbol=SPOT)
        house.stranger("sell", "0.001", "55000", symbol=SPOT)
        await house.until(lambda: house.life("s1") is Life.FILLED)
        await house.rests()
        assert house.book.totals[BTC] == before - Decimal("0.01")
        assert not house.breaks()

    tell(story)
