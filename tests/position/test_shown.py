"""What a venue shows of a leg as the log begins: taken over at what it cost there."""

from decimal import Decimal

import pytest

from oms.position.shown import take_over
from oms.position.state import FLAT, Position, evolve
from oms.reports import PositionReport
from oms.values import PositionLeg, Symbol

SIZE = Decimal("0.001")
PRICE, COST = Decimal("60021.3333"), Decimal("180.064")  # of three contracts: the price is rounded


def shown(quantity: str, cost: Decimal | None = COST) -> PositionReport:
    return PositionReport(
        symbol=Symbol("BTC/USDT:USDT"),
        leg=PositionLeg.NET,
        quantity=Decimal(quantity),
        average_price=PRICE,
        cost=cost,
    )


def taken_over(report: PositionReport, leg: Position = FLAT) -> Position:
    for event in take_over(report, SIZE, leg):
        leg = evolve(leg, event)
    return leg


@pytest.mark.parametrize("quantity", ["3", "-3"])
def test_a_leg_costs_what_the_venue_says_and_no_multiple_of_a_rounded_price(quantity: str) -> None:
    """Found by the simulation: closing it earned what no venue paid, in the twelfth digit, and a break was open."""
    leg = taken_over(shown(quantity))
    assert (leg.quantity, leg.open_cost) == (Decimal(quantity), COST.copy_sign(Decimal(quantity)))
    assert not take_over(shown(quantity), SIZE, leg)


def test_a_leg_of_the_right_size_is_taken_over_where_it_cost_something_else() -> None:
    """Found by the simulation: trades that were booked in another order than they happened left another share of what
    they cost, and what the leg earned in the end was not what the venue said.
    """
    booked = Position(quantity=Decimal(3), open_cost=Decimal("180.072"), contract_size=SIZE)
    (event,) = take_over(shown("3"), SIZE, booked)
    assert (event.quantity, event.cost_change) == (0, Decimal("-0.008"))
    assert taken_over(shown("3"), booked).open_cost == COST


def test_without_its_cost_a_leg_of_the_right_size_stays_and_another_goes_by_its_price() -> None:
    assert not take_over(shown("3", cost=None), SIZE, Position(quantity=Decimal(3), open_cost=Decimal("180.072")))
    assert taken_over(shown("3", cost=None)).open_cost == 3 * PRICE * SIZE
