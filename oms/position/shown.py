"""What a venue shows of a leg, against what the log holds: taken over at the opening, compared ever after, pure."""

from decimal import Decimal

from oms.position.events import LegTakenOver
from oms.position.state import Position
from oms.reports import PositionReport
from oms.values import EXACT, ZERO, MarginMode, PositionLeg, worth

OPENING = "opening"


def quantity_of(report: PositionReport) -> Decimal:
    """Return the leg's quantity with the sign that it has here: a long is positive, a short negative."""
    quantity = report.quantity or ZERO
    match report.leg:
        case PositionLeg.LONG:
            return quantity.copy_abs()
        case PositionLeg.SHORT:
            return quantity.copy_abs().copy_negate()
        case _:
            return quantity


def take_over(report: PositionReport, contract_size: Decimal, leg: Position) -> tuple[LegTakenOver, ...]:
    """Return what brings the leg to the one that the venue shows; none if it is that one, or if the venue does not say
    at which price it was opened: then nobody knows what closing it will earn. What it cost is the venue's figure where
    there is one: an average price is rounded, and of trades that were booked in another order than they happened
    another share may be left.
    """
    total, price, shown = quantity_of(report), report.average_price, report.cost
    change = EXACT.subtract(total, leg.quantity)
    if total and not price:
        return ()
    cost = worth(total, price, contract_size) if total and price else ZERO
    if total and shown is not None:
        cost = shown.copy_sign(total)
    cost_change = EXACT.subtract(cost, leg.open_cost)
    if not change and not (cost_change and shown is not None):
        return ()
    return (
        LegTakenOver(
            quantity=change,
            total=total,
            cost_change=cost_change,
            reason=OPENING,
            price=price if total else None,
            contract_size=contract_size,
            leverage=report.leverage,
            margin_mode=None if report.margin_mode is None else MarginMode(report.margin_mode),
        ),
    )


def given_back(before: Position, after: Position) -> tuple[LegTakenOver, ...]:
    """Return what takes out of a leg again what it moved by from `before`: the leg had been taken over with it."""
    change = EXACT.subtract(before.quantity, after.quantity)
    cost_change = EXACT.subtract(before.open_cost, after.open_cost)
    if not change and not cost_change:
        return ()
    return (
        LegTakenOver(
            quantity=change,
            total=before.quantity,
            cost_change=cost_change,
            reason=OPENING,
            price=before.average_price,
            contract_size=after.contract_size,
        ),
    )


def contradicts(report: PositionReport, leg: Position) -> bool:
    """Whether the venue backs a leg otherwise than the log says; what either does not say contradicts nothing."""
    leverage, mode = report.leverage, report.margin_mode
    return bool(
        (leverage and leg.leverage is not None and leverage != leg.leverage)
        or (mode is not None and leg.margin_mode is not None and mode != leg.margin_mode)
    )
