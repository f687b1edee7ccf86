"""S45: one frame tells of several orders, and each of them is told."""

import asyncio

import pytest
from msgspec import json

from oms.order.state import Life
from oms.values import Provenance, Symbol
from tests.scenarios.house import PERPETUAL, SPOT, House, stream, tell

NAMES = ("c1", "c2", "c3")


@pytest.mark.parametrize(("symbol", "size"), [(SPOT, "0.01"), (PERPETUAL, "2")])
def test_s45_one_frame_with_three_fills_is_three_updates(symbol: Symbol, size: str) -> None:
    async def story(house: House) -> None:
        await working(house, symbol, size)
        house.simulator.settings.gather_ms = (500, 500)
        for price in ("50002", "50001", "50000"):
            house.stranger("sell", size, price, symbol=symbol)
        await house.until(lambda: all(house.life(name) is Life.FILLED for name in NAMES), seconds=5)
        assert frames(house, "order-filled") == 1, "the venue told of them in several frames"
        assert [source for source, _ in house.heard] == [Provenance.STREAM] * 3
        await house.rests()

    tell(story)


@pytest.mark.parametrize(("symbol", "size"), [(SPOT, "0.01"), (PERPETUAL, "2")])
def test_s45_one_frame_with_a_fill_a_cancel_and_a_part_is_three_updates(symbol: Symbol, size: str) -> None:
    async def story(house: House) -> None:
        await working(house, symbol, size)
        house.simulator.settings.gather_ms = (500, 500)
        house.stranger("sell", size, "50002", symbol=symbol)
        house.venue_cancels("c2", symbol=symbol)
        part = "0.004" if symbol == SPOT else "1"
        house.stranger("sell", part, "50000", symbol=symbol)
        await house.until(lambda: house.order("c1").cum_quantity > 0, seconds=5)
        assert [house.life(name) for name in NAMES] == [Life.WORKING, Life.CANCELED, Life.FILLED]
        assert frames(house, "order-filled", "venue-canceled") == 1, "the venue told of them in several frames"
        await house.rests()

    tell(story)


async def working(house: House, symbol: Symbol, size: str) -> None:
    """Three orders rest at the venue, at three prices."""
    await house.start()
    for number, name in enumerate(NAMES):
        await house.place(name, "buy", size, str(50_000 + number), symbol=symbol)
    await house.until(lambda: all(house.life(name) is Life.WORKING for name in NAMES))
    await asyncio.sleep(3)  # the first comparison is over, and the next one, which would tell of everything, not due


def frames(house: House, *topics: str) -> int:
    """Return how many messages of the venue caused the events of these topics."""
    stored = [each for name in NAMES for each in house.log._streams[stream(name)].values()]
    return len({json.decode(each.state)["cause"] for each in stored if each.topic.partition("/")[0] in topics})
