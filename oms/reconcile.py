"""Our orders and the venue's word, compared, pure: what has to be asked before anything may be concluded.

Nothing here concludes. An order missing from a list was asked about in the wrong place, or at the wrong moment, until
the venue was asked for that very order and for its trades.
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Final

from oms.book import Book, order_stream
from oms.order.decisions import external_id
from oms.order.state import Life, Order
from oms.reports import BalanceReport, OrderReport, Refusal, TradeReport
from oms.values import EXACT, ZERO, AccountId, Currency
from oms.venue import Answer, Capabilities

NOT_FOUND: Final = "order_not_found"


def address(account: AccountId, report: OrderReport | TradeReport) -> str:
    """Return the stream that a report is about: by our client order id, else by the venue's own."""
    return order_stream(account, external_id(report))


def unlisted(book: Book, listed: Collection[str]) -> Sequence[str]:
    """Return the streams of orders that we hold for working and the venue's list of open orders does not show."""
    return [stream for stream in book.open if book.orders[stream].life is Life.WORKING and stream not in listed]


def found(answer: Answer) -> bool | None:
    """Return whether the venue has the order it was asked for; None when the answer settles neither."""
    for report in answer.reports:
        match report:
            case OrderReport():
                return True
            case Refusal(reason=reason):
                return False if reason == NOT_FOUND else None
            case _:
                continue
    return None


def mentions(answer: Answer, order: Order) -> bool:
    """Whether a list of orders or trades shows any trace of `order`."""
    return any(
        isinstance(report, OrderReport | TradeReport) and report.client_order_id == order.request.client_order_id
        for report in answer.reports
    )


def may_prove_absence(order: Order, can: Capabilities, now_ns: int) -> bool:
    """Whether "not found" proves anything now: the request can no longer execute, an accepted order would be visible,
    and the venue would still remember one that ended without a fill.
    """
    settled_ns = order.valid_until_ns + _ns(can.visibility_delay)
    forgotten_ns = order.valid_until_ns - _ns(can.submit_validity) + _ns(can.unfilled_memory)
    return settled_ns < now_ns < forgotten_ns


def differences(book: Book, balances: Sequence[BalanceReport]) -> Mapping[Currency, tuple[Decimal, Decimal]]:
    """Return, by currency, our total and the venue's where they differ. A currency that is not listed is zero."""
    theirs = totals(balances)
    return {
        currency: (book.totals.get(currency, ZERO), theirs.get(currency, ZERO))
        for currency in sorted({*book.totals, *theirs})
        if book.totals.get(currency, ZERO) != theirs.get(currency, ZERO)
    }


def totals(balances: Sequence[BalanceReport]) -> Mapping[Currency, Decimal]:
    """Return the total by currency, from whichever figures the venue gave."""
    found: dict[Currency, Decimal] = {}
    for balance in balances:
        if balance.total is not None:
            found[balance.currency] = balance.total
        elif balance.available is not None and balance.held is not None:
            found[balance.currency] = EXACT.add(balance.available, balance.held)
    return found


def _ns(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
