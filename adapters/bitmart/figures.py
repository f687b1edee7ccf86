"""What a row of money must show to be counted, of either market.

Fields vanish without a version bump (PROTOCOL 9.51), or come as "-" (9.28). In a list that is called whole a figure
that is missing would count as zero: a coin without its total as one that is not there, a position without its quantity
as flat. So such a row of an answer is Unreadable, which keeps its list from being whole. Pushes show changes, of which
nobody takes silence for zero: they are read as they come.
"""

from oms.reports import BalanceReport, PositionReport


def counted(report: BalanceReport) -> BalanceReport:
    """Return a coin whose total can be told; raises ValueError for any other."""
    if report.total is None and (report.available is None or report.held is None):
        raise ValueError(f"{report.currency} without what its total is made of")
    return report


def placed(report: PositionReport) -> PositionReport:
    """Return a position that says how much and which way; raises ValueError for any other."""
    if report.quantity is None or report.leg is None:
        missing = "quantity" if report.quantity is None else "side"
        raise ValueError(f"a position of {report.symbol} without its {missing}")
    return report
