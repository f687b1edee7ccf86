"""What of a venue's ledger concerns a market's positions and is no trade."""

from oms.position.events import ClearanceBooked, FundingBooked
from oms.reports import LedgerReport


def payment_of(report: LedgerReport) -> FundingBooked | ClearanceBooked | None:
    """Return the payment; None for another flow, or for one that nobody could know again."""
    if report.ledger_id is None or report.at_ms is None:
        return None
    match report.flow:
        case "funding":
            return FundingBooked(ledger_id=report.ledger_id, amount=report.amount, at_ms=report.at_ms)
        case "liquidation":
            return ClearanceBooked(
                ledger_id=report.ledger_id, amount=report.amount, currency=report.currency, at_ms=report.at_ms
            )
        case _:
            return None
