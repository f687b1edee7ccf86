"""Which leverage and margin mode the venue's positions show to be set (PROTOCOL 6.7)."""

from collections.abc import Iterable
from decimal import Decimal

from oms.reports import LeverageReport, PositionReport, Report
from oms.values import MarginMode, Symbol


def leverage_of(symbol: Symbol, shown: Iterable[Report]) -> LeverageReport | None:
    """Return what the positions of a symbol show: a leg that is held counts before those that are flat, which may still
    show what they were held on. None where nothing is shown, or where legs differ.
    """
    held: set[LeverageReport] = set()
    flat: set[LeverageReport] = set()
    for report in shown:
        match report:
            case PositionReport(leverage=Decimal() as leverage, margin_mode=str() as margin_mode):
                said = LeverageReport(symbol=symbol, leverage=leverage, margin_mode=MarginMode(margin_mode))
                (held if report.quantity else flat).add(said)
            case _:
                continue
    legs = held or flat
    return legs.pop() if len(legs) == 1 else None
