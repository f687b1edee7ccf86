"""One leg: quantity, cost and profit, exact on any path."""

from decimal import Decimal

from hypothesis import given as forall
from hypothesis import strategies as st
from msgspec.structs import replace

from oms.position.events import ClearanceBooked, CommissionBooked, FundingBooked, LeverageSet, PositionEvent
from oms.position.state import FLAT, FLOWS_KEPT, Fill, Position, back, book, evolve, flow, reverse
from oms.values import EXACT, ClientOrderId, Currency, ExecId, MarginMode

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


def contracts(quantity: str, price: str, exec_id: str = "t1", leverage: str | None = "10") -> Fill:
    backed = None if leverage is None else Decimal(leverage)
    return replace(fill(quantity, price, exec_id), contract_size=Decimal("0.001"), leverage=backed)


def after(*trades: Fill) -> Position:
    position = FLAT
    for trade in trades:
        position = told(position, *book(trade, position))
    return position


def told(position: Position, *events: PositionEvent) -> Position:
    for event in events:
        position = evolve(position, event)
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
    long = after(fill("3", "100"))
    close, opened = book(fill("-5", "110", "flip", commission="0.55"), long)
    assert (close.exec_id, close.quantity, close.realized, close.commission) == ("flip", -3, 30, Decimal("0.55"))
    assert (opened.exec_id, opened.quantity, opened.realized, opened.commission) == ("flip", -2, 0, None)
    assert figures(told(long, close, opened)) == (-2, -220, 30)


def test_s40_a_bust_of_a_flip_flips_back() -> None:
    short = after(fill("3", "100"), fill("-5", "110"))
    parts = reverse(fill("-5", "110"), short)
    assert [part.quantity for part in parts] == [2, 3]
    assert figures(told(short, *parts)) == (3, 330, 30)  # what it had realized shows in the cost


def test_contracts_are_worth_their_size() -> None:
    position = after(contracts("10", "27000"), contracts("-4", "27100"))
    assert figures(position) == (6, 162, Decimal("0.4"))
    assert position.average_price == 27000
    assert position.unrealized(Decimal("27500.5")) == Decimal("3.003")
    assert position.margin == Decimal("16.2")


def test_without_a_known_leverage_the_whole_cost_backs_the_leg() -> None:
    assert after(contracts("-10", "27000", leverage=None)).margin == 270


def test_s38_a_funding_payment_is_booked_once() -> None:
    payment = FundingBooked(ledger_id="9689322392", amount=Decimal("-0.012"), at_ms=1_764_000_000_000)
    position = told(after(contracts("10", "27000")), *flow(payment, FLAT))
    assert position.funding == Decimal("-0.012")
    assert flow(payment, position) == ()
    later = FundingBooked(ledger_id="9689322392", amount=Decimal("0.02"), at_ms=1_764_028_800_000)
    assert told(position, *flow(later, position)).funding == Decimal("0.008")  # the venue's id alone is not unique


def test_s38_what_is_older_than_all_payments_kept_is_known() -> None:
    position = FLAT
    for hour in range(FLOWS_KEPT + 1):
        payment = FundingBooked(ledger_id="1", amount=Decimal(1), at_ms=hour)
        position = told(position, *flow(payment, position))
    assert position.funding == FLOWS_KEPT + 1
    assert flow(FundingBooked(ledger_id="1", amount=Decimal(1), at_ms=0), position) == ()


def test_s38_one_id_in_two_kinds_of_flow_is_two_payments() -> None:
    funded = FundingBooked(ledger_id="7", amount=Decimal("-0.5"), at_ms=1)
    cleared = ClearanceBooked(ledger_id="7", amount=Decimal(-2), currency=Currency("USDT"), at_ms=1)
    position = told(FLAT, *flow(funded, FLAT))
    position = told(position, *flow(cleared, position))
    assert (position.funding, dict(position.commissions)) == (Decimal("-0.5"), {"USDT": 2})
    assert flow(cleared, position) == flow(funded, position) == ()


def test_what_backs_a_leg_is_told_once() -> None:
    (told_first,) = back(Decimal(10), MarginMode.CROSS, FLAT)
    position = evolve(FLAT, told_first)
    assert (position.leverage, position.margin_mode) == (10, MarginMode.CROSS)
    assert back(Decimal(10), None, position) == ()
    assert back(Decimal(20), None, position) == (LeverageSet(leverage=Decimal(20), margin_mode=MarginMode.CROSS),)


def test_s36_a_tiny_price_keeps_every_digit() -> None:
    position = after(fill("1000000", "0.00000123"))
    assert position.open_cost == Decimal("1.23")
    assert position.unrealized(Decimal("0.00000124")) == Decimal("0.01")


def test_s37_commissions_stand_beside_by_currency_and_a_rebate_lowers_them() -> None:
    position = after(fill("1", "100", commission="0.10"), fill("1", "100", "t2", commission="-0.02"))
    paid_in_bmx = CommissionBooked(exec_id=ExecId("t3"), commission=Decimal("1.5"), commission_currency=Currency("BMX"))
    assert dict(evolve(position, paid_in_bmx).commissions) == {"USDT": Decimal("0.08"), "BMX": Decimal("1.5")}


@forall(trades=fills, mark=prices, size=st.sampled_from(["1", "0.001", "100"]))
def test_the_identity_holds_on_any_path(trades: list[tuple[Decimal, Decimal]], mark: Decimal, size: str) -> None:
    sized = [replace(fill(quantity, price), contract_size=Decimal(size)) for quantity, price in trades]
    position = after(*sized)
    expected = Decimal(0)
    for quantity, price in trades:
        worth = EXACT.multiply(EXACT.multiply(quantity, Decimal(size)), EXACT.subtract(mark, price))
        expected = EXACT.add(expected, worth)
    assert EXACT.add(position.realized, position.unrealized(mark)) == expected
    assert position.quantity == sum(quantity for quantity, _ in trades)


@forall(trades=fills)
def test_a_flat_leg_has_no_cost_left(trades: list[tuple[Decimal, Decimal]]) -> None:
    position = after(*(fill(quantity, price) for quantity, price in trades))
    if position.quantity:
        flat = told(position, *book(fill(-position.quantity, "100"), position))
        assert (flat.quantity, flat.open_cost) == (0, 0)
    else:
        assert position.open_cost == 0


@forall(trades=fills, quantity=quantities, price=prices, mark=prices)
def test_s52_a_bust_takes_back_what_the_trade_was_worth(
    trades: list[tuple[Decimal, Decimal]], quantity: Decimal, price: Decimal, mark: Decimal
) -> None:
    before = after(*(fill(q, p) for q, p in trades))
    busted = fill(quantity, price, "bust", commission="0.5")
    booked = told(before, *book(busted, before))
    back = told(booked, *reverse(busted, booked))
    assert back.quantity == before.quantity
    assert EXACT.add(back.realized, back.unrealized(mark)) == EXACT.add(before.realized, before.unrealized(mark))
    assert back.commissions.get(Currency("USDT"), Decimal(0)) == 0


def test_s39_the_average_of_37_fills_is_the_rational_one() -> None:
    position = after(*(fill("0.1", str(100 + n), f"t{n}") for n in range(37)))
    assert position.quantity == Decimal("3.7")
    assert position.average_price == Decimal(118)
