"""S23: BitMart's four side codes in both position modes, at the simulated exchange: what each makes of a position.

The grid has a row for every code, mode and case; it is drawn by hand, apart from `requests` and from the exchange.
"""

import asyncio
from decimal import Decimal
from itertools import product

import pytest

from adapters.bitmart.perp import requests
from oms.errors import CommandRefusedError
from oms.reports import Refusal
from oms.values import PositionLeg, PositionMode, Side
from tests.adapters.bitmart.fakes import virtual
from tests.adapters.bitmart.perp.test_exchange import Market, Trader

CASES = ("open", "close", "partial", "flip", "reduce-only")
CODES = {  # mode -> code -> side and leg; in one-way mode 2 and 3 are what reduces only
    "hedge": {1: ("buy", "long"), 2: ("buy", "short"), 3: ("sell", "long"), 4: ("sell", "short")},
    "one_way": {1: ("buy", "net"), 2: ("buy", "net"), 3: ("sell", "net"), 4: ("sell", "net")},
}
GRID = """
mode     code  case         held before       order   held after, or why not
hedge    1     open         -                 5       long=5
hedge    1     close        short=5           5       long=5 short=5
hedge    1     partial      long=5            2       long=7
hedge    1     flip         short=2           5       long=5 short=2
hedge    1     reduce-only  long=5            2 r     not-sent
hedge    2     open         -                 5       position
hedge    2     close        short=5           5       -
hedge    2     partial      short=5           2       short=3
hedge    2     flip         short=2           5       position
hedge    2     reduce-only  long=5            2 r     position
hedge    3     open         -                 5       position
hedge    3     close        long=5            5       -
hedge    3     partial      long=5            2       long=3
hedge    3     flip         long=2            5       position
hedge    3     reduce-only  short=5           2 r     position
hedge    4     open         -                 5       short=5
hedge    4     close        long=5            5       long=5 short=5
hedge    4     partial      short=5           2       short=7
hedge    4     flip         long=2            5       long=2 short=5
hedge    4     reduce-only  short=5           2 r     not-sent
one_way  1     open         -                 5       net=5
one_way  1     close        net=-5            5       -
one_way  1     partial      net=-5            2       net=-3
one_way  1     flip         net=-2            5       net=3
one_way  1     reduce-only  net=5             2       net=7
one_way  2     open         -                 5 r     position
one_way  2     close        net=-5            5 r     -
one_way  2     partial      net=-5            2 r     net=-3
one_way  2     flip         net=-2            5 r     position
one_way  2     reduce-only  net=5             2 r     position
one_way  3     open         -                 5 r     position
one_way  3     close        net=5             5 r     -
one_way  3     partial      net=5             2 r     net=3
one_way  3     flip         net=2             5 r     position
one_way  3     reduce-only  net=-5            2 r     position
one_way  4     open         -                 5       net=-5
one_way  4     close        net=5             5       -
one_way  4     partial      net=5             2       net=3
one_way  4     flip         net=2             5       net=-3
one_way  4     reduce-only  net=-5            2       net=-7
"""
LINES = GRID.strip().splitlines()[1:]


def test_s23_every_code_mode_and_case_has_its_row() -> None:
    rows = [tuple(line.split()[:3]) for line in LINES]
    assert len(rows) == len(set(rows)) == 2 * 4 * 5
    assert set(rows) == set(product(CODES, "1234", CASES))


@pytest.mark.parametrize("line", LINES)
@virtual
async def test_s23_what_a_side_code_makes_of_a_position(line: str) -> None:
    mode, code, _case, *words = line.split()
    market = await Market.opened(PositionMode(mode))
    ann, bob = market.ann, market.bob
    for side, price in ((Side.BUY, "59000.0"), (Side.SELL, "61000.0")):
        await bob.send(bob.order(side, 50, price))
    await asyncio.sleep(1)
    held, quantity, *after = words
    if held != "-":
        await opened(ann, PositionMode(mode), held)
    reduce_only = after[0] == "r"
    after = after[1:] if reduce_only else after
    coded, leg = CODES[mode][int(code)]
    order = ann.order(Side(coded), int(quantity), position_leg=PositionLeg(leg), reduce_only=reduce_only)
    if after == ["not-sent"]:
        with pytest.raises(CommandRefusedError):
            requests.side_code(order, PositionMode(mode))
        (refusal,) = (await ann.venue.submit(order)).reports
        assert isinstance(refusal, Refusal)
        assert await ann.legs() == amounts([held])
        return
    assert requests.side_code(order, PositionMode(mode)) == int(code)
    if after == ["position"]:
        (refusal,) = (await ann.venue.submit(order)).reports
        assert isinstance(refusal, Refusal)
        assert refusal.reason == "position"
        assert await ann.legs() == amounts([held])
        return
    await ann.ended(await ann.send(order), "filled")
    assert await ann.legs() == amounts(after)


async def opened(ann: Trader, mode: PositionMode, held: str) -> None:
    """Have the position that the row begins with."""
    leg, _, size = held.partition("=")
    sells = leg == "short" or size.startswith("-")
    side = Side.SELL if sells else Side.BUY
    order = ann.order(side, abs(int(size)), position_leg=PositionLeg(leg))
    assert requests.side_code(order, mode) == (4 if sells else 1)
    await ann.ended(await ann.send(order), "filled")


def amounts(words: list[str]) -> dict[str, Decimal]:
    return {leg: Decimal(size) for leg, _, size in (word.partition("=") for word in words) if size}
