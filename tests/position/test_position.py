"""One leg: quantity, cost and profit, exact on any path."""

from decimal import Decimal

from hypothesis import given as forall
from hypothesis import strategies as st

from oms.position.events import CommissionBooked
from oms.position.state import FLAT, Fill, Position, book, evolve, reverse
from oms.values import EXACT, ClientOrderId, Currency, ExecId

quantities = st.decimals(min_value="-1000", max_value="1000", places=8).filter(bool)
prices = st.decimals(min_value="0.00000001", max_value="200000", places=8)
fills = st.lists(st.tuples(quantities, prices), max_size=30)


def fill(quantity: Decimal | str, price: Decimal | str, exec_id: str = "t1", commission: str | None = None) -> Fill:
    return Fill(
        exec_id=ExecId(exec_id),
        client_order_id=ClientOrderId("c1"),
        quantity=Decimal(quantity),
        price=Decimal(price),
        commission=None if commission is None else Decimal(commission),
        commission_currency=None if commission is None else Currency("USDT"),
    )


def after(*trades: Fill) -> Position:
    position = FLAT
    for trade in trades:
        position = evolve(position, book(trade, position))
    return position


def figures(position: Position) -> tuple[Decimal, Decimal, Decimal]:
    return position.quantity, position.open_cost, position.realized


def test_adding_averages_the_cost() -> None:
    position = after(fill("1", "100"), fill("3", "104"))
    assert figures(position) == (4, 412, 0)
    assert position.average_price == 103
    assert position.unrealized(Decimal(110)) == 28


def test_closing_a_part_realizes_its_share() -> None:
    assert figures(after(fill("4", "103"), fill("-1", "110"))) == (3, 309, 7)


def test_a_short_earns_when_the_price_falls() -> None:
    position = after(fill("-2", "100"))
    assert figures(position) == (-2, -200, 0)
    assert position.unrealized(Decimal(90)) == 20
    assert figures(after(fill("-2", "100"), fill("2", "90"))) == (0, 0, 20)


def test_s40_a_flip_is_a_close_and_an_open() -> None:
    assert figures(after(fill("3", "100"), fill("-5", "110"))) == (-2, -220, 30)


def test_s36_a_tiny_price_keeps_every_digit() -> None:
    position = after(fill("1000000", "0.00000123"))
    assert position.open_cost == Decimal("1.23")
    assert position.unrealized(Decimal("0.00000124")) == Decimal("0.01")


def test_s37_commissions_stand_beside_by_currency_and_a_rebate_lowers_them() -> None:
    position = after(fill("1", "100", commission="0.10"), fill("1", "100", "t2", commission="-0.02"))
    paid_in_bmx = CommissionBooked(exec_id=ExecId("t3"), commission=Decimal("1.5"), commission_currency=Currency("BMX"))
    assert dict(evolve(position, paid_in_bmx).commissions) == {"USDT": Decimal("0.08"), "BMX": Decimal("1.5")}


@forall(trades=fills, mark=prices)
def test_the_identity_holds_on_any_path(trades: list[tuple[Decimal, Decimal]], mark: Decimal) -> None:
    position = after(*(fill(quantity, price) for quantity, price in trades))
    expected = Decimal(0)
    for quantity, price in trades:
        expected = EXACT.add(expected, EXACT.multiply(quantity, EXACT.subtract(mark, price)))
    assert EXACT.add(position.realized, position.unrealized(mark)) == expected
    assert position.quantity == sum(quantity for quantity, _ in trades)
    assert position.version == len(trades)


@forall(trades=fills)
def test_a_flat_leg_has_no_cost_left(trades: list[tuple[Decimal, Decimal]]) -> None:
    position = after(*(fill(quantity, price) for quantity, price in trades))
    if position.quantity:
        flat = evolve(position, book(fill(-position.quantity, "100"), position))
        assert (flat.quantity, flat.open_cost) == (0, 0)
    else:
        assert position.open_cost == 0


@forall(trades=fills, quantity=quantities, price=prices, mark=prices)
def test_s52_a_bust_takes_back_what_the_trade_was_worth(
    trades: list[tuple[Decimal, Decimal]], quantity: Decimal, price: Decimal, mark: Decimal
) -> None:
    before = after(*(fill(q, p) for q, p in trades))
    busted = fill(quantity, price, "bust", commission="0.5")
    booked = evolve(before, book(busted, before))
    back = evolve(booked, reverse(busted, booked))
    assert back.quantity == before.quantity
    assert EXACT.add(back.realized, back.unrealized(mark)) == EXACT.add(before.realized, before.unrealized(mark))
    assert back.commissions.get(Currency("USDT"), Decimal(0)) == 0


def test_s39_the_average_of_37_fills_is_the_rational_one() -> None:
    position = after(*(fill("0.1", str(100 + n), f"t{n}") for n in range(37)))
    assert position.quantity == Decimal("3.7")
    assert position.average_price == Decimal(118)
