"""A recorded BitMart payload, as the adapter understands it: what `oms decode` prints."""

from typing import Any, Final, Literal

import msgspec

from adapters.bitmart.envelope import MALFORMED, opened
from adapters.bitmart.spot import codec
from oms.errors import OmsError
from oms.reports import Refusal, Report, Unreadable

Market = Literal["spot", "futures"]
Kind = Literal["rest", "ws-public", "ws-private"]


class NotBuiltError(OmsError):
    """The adapter does not read this market yet."""

    code = "not_built"
    next_step = "decode spot payloads; futures are read once the perpetuals adapter is there"


def decode(market: Market, kind: Kind, path: str | None, payload: bytes) -> tuple[Report, ...]:
    """Return the reports of one payload: the body of a REST answer, or one frame of a stream as it came (text or raw
    deflate). `path` is the REST path, with or without its query; without one the payload's shape says what it is.
    What cannot be read at all is one `Unreadable`, or for REST a `Refusal` that proves nothing.

    Raises:
        NotBuiltError: `market` is ``futures``.
    """
    match market, kind:
        case "futures", _:
            raise NotBuiltError(f"BitMart futures payloads ({kind}) are not read yet")
        case "spot", "rest":
            known = path.partition("?")[0] if path else _recognised(payload)
            return codec.answer(known, payload)
        case "spot", "ws-public" | "ws-private":
            try:
                data = codec.inflated(payload)
            except ValueError as error:
                return (Unreadable(cause=str(error)),)
            return codec.frame(data)[1]


# What distinguishes a payload when nobody says where it came from: a field that only its kind has.
FIELDS: Final = {
    "order_id": codec.SUBMIT_ORDER,
    "result": codec.CANCEL_ORDER,
    "successIds": "/spot/v4/cancel_orders",
    "orderId": codec.QUERY_ORDER,
    "wallet": codec.WALLET,
    "last": "/spot/quotation/v3/ticker",
    "bids": "/spot/quotation/v3/books",
}
ROW_FIELDS: Final = {"tradeId": codec.QUERY_TRADES, "orderId": codec.QUERY_OPEN_ORDERS}
ROW_LENGTHS: Final = {
    13: "/spot/quotation/v3/tickers",
    7: "/spot/quotation/v3/klines",
    5: "/spot/quotation/v3/trades",
}
UNRECOGNISED: Final = ""


def _recognised(payload: bytes) -> str:
    """Return the path whose answers have this payload's shape."""
    data = opened(payload)
    if isinstance(data, Refusal):
        return UNRECOGNISED
    try:
        found: Any = msgspec.json.decode(data)
    except MALFORMED:
        return UNRECOGNISED
    if isinstance(found, bool):
        return codec.CANCEL_ORDER
    first = found[0] if isinstance(found, list) and found else None
    match found, first:
        case {"symbols": [{"quote_increment": _}, *_]}, _:
            return codec.SYMBOLS_DETAILS
        case dict(), _:
            return _first(FIELDS, found)
        case _, dict():
            return _first(ROW_FIELDS, first)
        case _, list():
            return ROW_LENGTHS.get(len(first), UNRECOGNISED)
        case _:
            return UNRECOGNISED


def _first(paths: dict[str, str], row: dict[str, Any]) -> str:
    return next((path for field, path in paths.items() if field in row), UNRECOGNISED)
