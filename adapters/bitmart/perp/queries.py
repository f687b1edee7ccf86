"""BitMart futures' queries: what follows the question mark, in each endpoint's own unit of time (PROTOCOL 6.6)."""

from typing import Final

from adapters.bitmart.perp.spelling import venue_symbol
from oms.reports import OrderReport, Report, TradeReport
from oms.values import Symbol

RATES_MAX: Final = 100  # of a history of funding rates
ROWS_MAX: Final = 200  # of `trades` and `order-history`, which have no pages
OPEN_MAX: Final = 100  # of `get-open-orders` and `current-plan-order`
PAGE_MAX: Final = 1000  # of `transaction-history`
SPAN_MAX_S: Final = 90 * 86_400

Query = dict[str, str | int]


def query_order(symbol: Symbol, venue_order_id: str) -> Query:
    """Return the query of `order`, which knows the venue's id alone."""
    return {"symbol": venue_symbol(symbol), "order_id": venue_order_id}


def query_open(market: str | None = None) -> Query:
    """Return the query of `get-open-orders` and `current-plan-order`, of all or of one market by the venue's name."""
    return {"limit": OPEN_MAX} if market is None else {"symbol": market, "limit": OPEN_MAX}


def query_window(
    start_s: int,
    end_s: int,
    symbol: Symbol | None = None,
    *,
    venue_order_id: str | None = None,
    client_order_id: str | None = None,
) -> Query:
    """Return the query of `trades` and `order-history`. Their bounds are in SECONDS (PROTOCOL 9.23)."""
    query: Query = {} if symbol is None else {"symbol": venue_symbol(symbol)}
    if venue_order_id is not None:
        query["order_id"] = venue_order_id
    if client_order_id is not None:
        query["client_order_id"] = client_order_id
    return query | {"start_time": start_s, "end_time": end_s}


def query_ledger(start_ms: int, end_ms: int) -> Query:
    """Return the query of `transaction-history`. Its bounds are in MILLISECONDS (PROTOCOL 9.23)."""
    return {"flow_type": 0, "start_time": start_ms, "end_time": end_ms, "page_size": PAGE_MAX}


def seconds(since_ms: int, until_ms: int) -> tuple[int, int]:
    """Return the window in whole seconds that holds all of one in milliseconds."""
    return since_ms // 1000, -(-until_ms // 1000)


def spans(start: int, end: int, span: int) -> list[tuple[int, int]]:
    """Return a window in parts of at most `span`, whose seams overlap."""
    return [(at, min(at + span, end)) for at in range(start, max(end, start + 1), span)]


def within(report: Report, since_ms: int, until_ms: int) -> bool:
    """Whether anything that a row says happened lies in the window; what says no time may do so."""
    match report:
        case TradeReport(at_ms=int() as at_ms):
            return since_ms <= at_ms <= until_ms
        case OrderReport(created_ms=int() as created_ms, updated_ms=int() as updated_ms):
            return created_ms <= until_ms and updated_ms >= since_ms
        case _:
            return True
