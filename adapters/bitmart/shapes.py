"""What a REST payload is when nobody says where it came from: told by the fields that only its kind has."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from adapters.bitmart.envelope import MALFORMED, opened
from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from oms.reports import Refusal

UNRECOGNISED: Final = ""

SPOT_FIELDS: Final = {
    "order_id": spot.SUBMIT_ORDER,
    "result": spot.CANCEL_ORDER,
    "successIds": "/spot/v4/cancel_orders",
    "orderId": spot.QUERY_ORDER,
    "wallet": spot.WALLET,
    "last": "/spot/quotation/v3/ticker",
    "bids": "/spot/quotation/v3/books",
}
SPOT_ROW_FIELDS: Final = {"tradeId": spot.QUERY_TRADES, "orderId": spot.QUERY_OPEN_ORDERS}
SPOT_ROW_LENGTHS: Final = {
    13: "/spot/quotation/v3/tickers",
    7: "/spot/quotation/v3/klines",
    5: "/spot/quotation/v3/trades",
}
PERP_FIELDS: Final = {  # the first that is there decides
    "deal_size": perp.ORDER,
    "state": perp.ORDER,
    "order_id": perp.SUBMIT_ORDER,
    "cancel_time": perp.CANCEL_ALL_AFTER,
    "max_value": perp.SUBMIT_LEVERAGE,
    "position_mode": perp.GET_POSITION_MODE,
    "records": perp.TRANSFERS,
    "wallet": perp.SUB_WALLET,
    "symbols": perp.DETAILS,
    "rate_value": perp.FUNDING_RATE,
    "bids": perp.DEPTH,
    "amount": perp.TRANSFER,  # or `claim`: the same two fields
}
PERP_LISTED_FIELDS: Final = {"rate_value": perp.FUNDING_RATE_V2, "funding_rate": perp.FUNDING_RATE_HISTORY}
PERP_ROW_FIELDS: Final = {
    "trade_id": perp.TRADES,
    "executive_price": perp.PLAN_ORDERS,
    "plan_category": perp.PLAN_ORDERS,
    "order_id": perp.ORDER_HISTORY,
    "position_amt": perp.POSITION_RISK,
    "position_side": perp.POSITION_V2,
    "position_type": perp.POSITION,
    "available_balance": perp.ASSETS,
    "tran_id": perp.TRANSACTIONS,
    "is_buyer_maker": perp.MARKET_TRADE,
    "open_price": perp.KLINE,  # or `markprice-kline`: the same fields
}


def spot_path(payload: bytes) -> str:
    """Return the path whose answers have this payload's shape on spot."""
    found = _data(payload)
    first = found[0] if isinstance(found, list) and found else None
    match found, first:
        case bool(), _:
            return spot.CANCEL_ORDER
        case {"symbols": [{"quote_increment": _}, *_]}, _:
            return spot.SYMBOLS_DETAILS
        case {"symbols": [{"base": dict()}, *_]}, _:
            return "/spot/v1/margin/isolated/account"
        case {"code": _, "data": {"orderIds": _}}, _:
            return spot.BATCH_ORDERS
        case dict(), _:
            return _first(SPOT_FIELDS, found)
        case _, dict():
            return _first(SPOT_ROW_FIELDS, first)
        case _, list():
            return SPOT_ROW_LENGTHS.get(len(first), UNRECOGNISED)
        case _:
            return UNRECOGNISED


def perp_path(payload: bytes) -> str:
    """Return the path whose answers have this payload's shape on futures."""
    match _data(payload):
        case {} as found if found == {}:
            return perp.CANCEL_ORDER  # an empty object says that a command was taken, and nothing else does
        case {"list": list() as rows}:
            return _first(PERP_LISTED_FIELDS, _fields(rows))
        case dict() as found:
            return _first(PERP_FIELDS, found)
        case list() as rows:
            return _first(PERP_ROW_FIELDS, _fields(rows))
        case _:
            return UNRECOGNISED


def _fields(rows: list[Any]) -> set[str]:
    """Return the fields of all rows: the first may be the malformed one."""
    return {field for row in rows if isinstance(row, dict) for field in row}


def _data(payload: bytes) -> Any:  # noqa: ANN401 -- whatever JSON holds
    data = opened(payload)
    if isinstance(data, Refusal):
        return None
    try:
        return msgspec.json.decode(data)
    except MALFORMED:
        return None


def _first(paths: Mapping[str, str], fields: Collection[str]) -> str:
    return next((path for field, path in paths.items() if field in fields), UNRECOGNISED)
