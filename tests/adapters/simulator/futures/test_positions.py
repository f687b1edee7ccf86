"""Given what an account holds, when it sends one of the four side codes, then this is what it holds (S23)."""

from decimal import Decimal

import pytest

from adapters.simulator.exchange.futures.orders import MarginMode, PositionMode, Refusal, RefusedError
from tests.adapters.simulator.futures.pit import SYMBOL, Pit

# BitMart's codes: 1 buy / open long, 2 buy / close short or reduce only, 3 sell / close long or reduce only, 4 sell /
# open short (PROTOCOL 6.0). A number is what is held then (in one-way mode signed); a word is why it is refused.
HEDGE = """
            1 x 2               2 x 2                3 x 2                4 x 2               2 x 9                3 x 9
flat        long 2              position_missing     position_missing     short 2             position_missing     position_missing
long 5      long 7              position_missing     long 3               long 5, short 2     position_missing     position_not_enough
short 3     long 2, short 3     short 1              position_missing     short 5             position_not_enough  position_missing
both        long 7, short 3     long 5, short 1      long 3, short 3      long 5, short 5     position_not_enough  position_not_enough
"""  # noqa: E501
ONE_WAY = """
            1 x 2               2 x 2                3 x 2                4 x 2               2 x 9                3 x 9
flat        net 2               position_missing     position_missing     net -2              position_missing     position_missing
long 5      net 7               position_missing     net 3                net 3               position_missing     position_not_enough
short 3     net -1              net -1               position_missing     net -5              position_not_enough  position_missing
"""  # noqa: E501
FLIPS = """
            1 x 9               4 x 9                1 x 3                4 x 5
long 5      net 14              net -4               net 8                flat
short 3     net 6               net -12              flat                 net -8
"""
WHOLE = """
            2 x 3               3 x 5
long 5      position_missing    flat
short 3     flat                position_missing
"""


def rows(table: str) -> list[tuple[str, str, str]]:
    """Read a table: (what is held, what is sent, what follows); columns are two spaces or more apart."""
    lines = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in table.strip("\n").splitlines()]
    return [(held, sent, then) for held, *cells in lines[1:] for sent, then in zip(lines[0], cells, strict=True)]


def holding(mode: PositionMode, held: str) -> Pit:
    """A pit where dan holds what was said, at 100, and bob is ready to trade with him at 100."""
    pit = Pit(mode)
    for name, code, size in (("long 5", 1, 5), ("both", 1, 5), ("short 3", 4, 3), ("both", 4, 3)):
        if held == name:
            pit.place(f"ann {5 - code} {size} @ 100")
            pit.place(f"dan {code} {size} @ 100")
    return pit


@pytest.mark.parametrize(
    ("mode", "held", "sent", "then"),
    [(PositionMode.HEDGE, *row) for row in rows(HEDGE)]
    + [(PositionMode.ONE_WAY, *row) for table in (ONE_WAY, FLIPS, WHOLE) for row in rows(table)],
)
@pytest.mark.parametrize("taking", [True, False], ids=["takes", "rests"])
def test_s23_each_side_code_does_what_its_mode_says(
    *, mode: PositionMode, held: str, sent: str, then: str, taking: bool
) -> None:
    pit = holding(mode, held)
    code, _, size = sent.split()
    before = pit.held("dan")
    against = f"bob {1 if code in '34' else 4} {size} @ 100"
    if taking:
        pit.place(against)

    refused = pit.refusal(f"dan {code} {size} @ 100")

    if refused is not None:
        assert (refused.value, pit.held("dan")) == (then, before)
        return
    if not taking:
        assert pit.held("dan") == before
        pit.place(against)
    assert pit.held("dan") == then


def test_s23_hedge_closing_long_leaves_the_short_leg_alone_in_every_part() -> None:
    pit = holding(PositionMode.HEDGE, "both")
    pit.place("dan 3 5 @ 100")

    for left in ("long 4, short 3", "long 3, short 3", "long 2, short 3", "long 1, short 3", "short 3"):
        pit.place("bob 1 1 @ 100")
        assert pit.held("dan") == left


def test_a_flip_is_one_trade_that_closes_and_opens_anew() -> None:
    pit = holding(PositionMode.ONE_WAY, "long 5")
    pit.place("bob 1 9 @ 110")

    pit.place("dan 4 9 @ 110")

    fill = pit.account("dan").fills[-1]
    assert (fill.size, fill.closed, fill.opened, fill.realised) == (9, 5, 4, 5)  # (110 - 100) x 5 x 0.1
    position = next(pit.account("dan").held_positions())
    assert (position.signed_size, position.cost, position.margin, position.realised) == (-4, 44, Decimal("4.4"), 0)


def test_orders_that_close_may_not_promise_more_than_is_held() -> None:
    pit = holding(PositionMode.HEDGE, "long 5")
    pit.place("dan 3 3 @ 105")

    assert pit.refusal("dan 3 3 @ 106") is Refusal.POSITION_NOT_ENOUGH
    assert pit.refusal("dan 3 2 @ 106") is None
    assert pit.wallet("dan")[1] == 0  # closing freezes no money


def test_s25_two_reduce_only_orders_never_turn_a_position_round() -> None:
    pit = holding(PositionMode.ONE_WAY, "long 5")
    first = pit.place("dan 3 5 @ 101")
    assert pit.refusal("dan 3 5 @ 101") is Refusal.POSITION_NOT_ENOUGH

    pit.place("bob 1 3 @ 100")
    pit.place("dan 4 3 @ 100")  # a plain sell takes three of the five away

    assert first.state == "canceled"  # it promised more than there is now
    assert pit.held("dan") == "net 2"


def test_a_waiting_order_that_would_close_pays_for_opening_when_the_position_is_gone() -> None:
    pit = holding(PositionMode.ONE_WAY, "long 5")
    waiting = pit.place("dan 4 5 @ 105")
    assert waiting.held == 0

    pit.place("bob 1 5 @ 100")
    pit.place("dan 3 5 @ 100")

    assert pit.held("dan") == "flat"
    assert (waiting.opens, waiting.held) == (5, Decimal("5.2815"))  # 52.5 at 10x, and 0.06 % of it


def test_s24_the_position_mode_stays_while_anything_is_open() -> None:
    pit = Pit()
    order = pit.place("dan 1 1 @ 90")
    with pytest.raises(RefusedError, match="position_mode_in_use"):
        pit.exchange.set_position_mode("dan", PositionMode.ONE_WAY)

    pit.exchange.cancel("dan", order.order_id, pit.now)
    pit.place("ann 4 1 @ 100")
    pit.place("dan 1 1 @ 100")
    with pytest.raises(RefusedError, match="position_mode_in_use"):
        pit.exchange.set_position_mode("dan", PositionMode.ONE_WAY)
    pit.exchange.set_position_mode("dan", PositionMode.HEDGE)  # what it is already

    pit.place("ann 2 1 @ 100")
    pit.place("dan 3 1 @ 100")
    pit.exchange.set_position_mode("dan", PositionMode.ONE_WAY)
    assert pit.account("dan").mode is PositionMode.ONE_WAY
    assert not pit.account("dan").positions  # the legs of the other mode are forgotten


def test_leverage_and_margin_mode_stick_to_what_is_open() -> None:
    pit = holding(PositionMode.HEDGE, "long 5")

    assert pit.refusal("dan 1 1 @ 100", leverage=20) is Refusal.LEVERAGE_CONFLICT
    assert pit.refusal("dan 1 1 @ 100", margin_mode=MarginMode.ISOLATED) is Refusal.LEVERAGE_CONFLICT
    assert pit.refusal("dan 1 1 @ 90", leverage=10, margin_mode=MarginMode.CROSS) is None
    with pytest.raises(RefusedError, match="leverage_conflict"):
        pit.exchange.set_leverage("dan", SYMBOL, 20, MarginMode.CROSS)
    assert pit.refusal("dan 3 1 @ 110", leverage=20) is None  # ignored where something closes


def test_what_an_order_said_of_leverage_is_what_the_next_one_uses() -> None:
    pit = Pit()

    pit.place("dan 1 5 @ 100", leverage=20, margin_mode=MarginMode.ISOLATED)
    order = pit.place("dan 1 5 @ 100")

    assert (order.leverage, order.margin_mode, order.held) == (20, MarginMode.ISOLATED, Decimal("2.53"))


def test_a_position_counts_its_life_from_flat_to_flat() -> None:
    pit = holding(PositionMode.HEDGE, "long 5")
    for price in (110, 120):
        pit.place(f"bob 1 2 @ {price}")
        pit.place(f"dan 3 2 @ {price}")
    position = next(pit.account("dan").held_positions())
    contract = pit.exchange.contracts[SYMBOL]

    assert (position.size, position.closed_size, position.realised) == (1, 4, 6)
    assert position.close_average(contract) == 115
    assert position.open_average(contract) == position.average_price(contract) == 100

    pit.place("bob 1 1 @ 120")
    pit.place("dan 3 1 @ 120")
    pit.place("bob 4 1 @ 120")
    pit.place("dan 1 1 @ 120")
    assert (position.closed_size, position.realised, position.cost) == (0, 0, 12)
