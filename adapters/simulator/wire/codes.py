"""BitMart's error codes with the HTTP status each comes with (PROTOCOL 4.3 to 4.8). Texts are ours where no
capture shows the venue's.
"""

from collections.abc import Mapping
from typing import Final

from adapters.simulator.exchange.orders import Refusal

_BAD: Final = 400
_DENIED: Final = 401
_LOCKED: Final = 403
_FINE: Final = 200  # an error all the same: market data and maintenance answer 200

ERRORS: Final[Mapping[int, tuple[int, str]]] = {
    30000: (404, "Not found"),
    30001: (_DENIED, "Header X-BM-KEY is empty"),
    30002: (_DENIED, "Header X-BM-KEY not found"),
    30003: (_DENIED, "Header X-BM-KEY has frozen"),
    30004: (_DENIED, "Header X-BM-SIGN is empty"),
    30005: (_DENIED, "Header X-BM-SIGN is wrong"),
    30006: (_DENIED, "Header X-BM-TIMESTAMP is empty or not a long"),
    30007: (_DENIED, "Header X-BM-TIMESTAMP range. Within a minute"),
    30010: (_LOCKED, "IP is forbidden"),
    30011: (_LOCKED, "Header X-BM-KEY over expire time"),
    30012: (_LOCKED, "Header X-BM-KEY is forbidden to request it"),
    30013: (429, "Request too many requests"),
    30014: (503, "Service unavailable"),
    30016: (_FINE, "Service maintenance, the function is temporarily unavailable"),
    30017: (418, "Your account request is temporarily rejected due to violation of limits"),
    30018: (503, "Request Body requires JSON format"),
    30019: (_FINE, "You do not have permission to do this operation, please contact support"),
    30030: (_FINE, "Futures V1 API has been deprecated. Please use the V2 API"),
    30031: (_FINE, "This service has been retired"),
    40003: (_BAD, "Out trade no exists"),
    40011: (_BAD, "Invalid request"),
    40012: (_BAD, "System error"),
    40014: (_BAD, "Contract is offline"),
    40015: (_BAD, "Contract trading is paused"),
    40020: (_BAD, "Position volume is insufficient"),
    40021: (_BAD, "Position does not exist"),
    40027: (_BAD, "You contract account available balance not enough"),
    40028: (_BAD, "Too many plan orders"),
    40029: (_BAD, "Leverage is too large"),
    40030: (_BAD, "Leverage is too small"),
    40034: (_BAD, "Symbol Not Exist"),
    40035: (_BAD, "The order does not exist"),
    40036: (_BAD, "The order status is invalid"),
    40037: (_BAD, "The order id does not exist"),
    40038: (_BAD, "Invalid step"),
    40039: (_BAD, "Invalid timestamp"),
    40040: (_BAD, "Invalid Leverage"),
    40041: (_BAD, "Invalid side"),
    40042: (_BAD, "Invalid type"),
    40043: (_BAD, "Invalid precision"),
    40044: (_BAD, "Invalid range"),
    40045: (_BAD, "Invalid open_type"),
    40048: (_LOCKED, "client_order_id takes letters and digits only"),
    40049: (_LOCKED, "client_order_id is longer than 32 characters"),
    40050: (_LOCKED, "client_order_id is duplicated with existing orders"),
    40059: (_BAD, "Some positions exist and the mode switching fails."),
    42000: (_FINE, "Insufficient balance"),
    50000: (_BAD, "Bad Request"),
    50001: (_BAD, "Symbol not found"),
    50005: (_BAD, "Order Id not found"),
    50006: (_BAD, "The size is less than the minimum"),
    50008: (_BAD, "The price is less than the minimum"),
    50010: (_BAD, "size is required"),
    50011: (_BAD, "price is required"),
    50012: (_BAD, "notional is required"),
    50020: (_BAD, "Balance not enough"),
    50021: (_BAD, "Invalid {detail}"),
    50023: (_BAD, "This symbol cannot be traded by API"),
    50028: (_BAD, "Parameters are missing: {detail}"),
    50030: (_BAD, "Order is already canceled"),
    50031: (_BAD, "Order is already completed"),
    50033: (_BAD, "The batch size must be between 1 and 10"),
    50034: (_BAD, "The price is high and there is no matching depth"),
    50035: (_BAD, "The price is low and there is no matching depth"),
    50037: (_BAD, "clientOrderId is longer than 32 characters"),
    50038: (_BAD, "clientOrderId takes letters and digits only"),
    50039: (_BAD, "order_id and clientOrderId are both empty"),
    50041: (_BAD, "Outside the time range that can be queried"),
    50042: (_BAD, "clientOrderId is duplicate"),
    51001: (_BAD, "The margin account is not opened"),
    51011: (_BAD, "param not match : size * price >={detail}"),
    51012: (_BAD, "The order amount is less than the minimum of {detail}"),
    51014: (_BAD, "The market sell size is less than the minimum of {detail}"),
    52000: (_BAD, "Unsupported OrderMode type"),
    52001: (_BAD, "Unsupported trade type"),
    52002: (_BAD, "Unsupported side"),
    52003: (_BAD, "Unsupported query state"),
    52004: (_BAD, "End time is before start time"),
    57001: (405, "Method not allowed"),
    58001: (415, "Unsupported media type"),
    59002: (500, "Internal server error"),
    60000: (_BAD, "Invalid request (maybe the body is empty, or the int parameter passes string data)"),
    60002: (_BAD, "Currency does not exist"),
    60003: (_BAD, "Deposits of this currency are closed"),
    60004: (_BAD, "Withdrawals of this currency are closed"),
    60005: (_BAD, "The amount is less than the minimum"),
    60010: (_BAD, "The withdrawal or deposit does not exist"),
    60012: (_BAD, "This operation is not supported"),
    60030: (405, "Method not allowed"),
    60031: (415, "Unsupported media type"),
    61003: (_BAD, "The sub-account does not exist"),
    70000: (_FINE, "no data"),
    70001: (_FINE, "request parameter cannot be null"),
    70002: (_FINE, "symbol is invalid"),
    71001: (_FINE, "after is invalid"),
    71002: (_FINE, "before is invalid"),
    71003: (_FINE, "after or before is invalid"),
    71004: (_FINE, "the kline count limit is exceeded"),
    71005: (_FINE, "step is invalid"),
}

STREAM_ERRORS: Final[Mapping[int, str]] = {
    90001: "Invalid message format",
    90002: "Invalid op",
    90003: "Invalid args",
    90004: "Invalid channel",
    90005: "More than 20 topics in one message",
    90006: "More topics than one connection takes",
    90007: "Messages are too frequent",
    90008: "Duplicate subscription",
    90009: "Invalid subscription",
    91001: "apiKey is empty",
    91002: "apiKey not found",
    91003: "apiKey has frozen",
    91004: "apiKey over expire time",
    91005: "Already logged in",
    91006: "Not logged in",
    91010: "sign is empty",
    91011: "sign is wrong",
    91021: "timestamp is empty",
    91022: "timestamp is outside a minute",
    91023: "timestamp is malformed",
    92001: "symbol is invalid",
    94001: "Reconnecting too often",
    94002: "Too many connections",
}

# What else PROTOCOL 4 lists, by the status it comes with: only said on demand (`refusals` of the settings).
_LISTED: Final[Mapping[int, tuple[range | tuple[int, ...], ...]]] = {
    _DENIED: ((30008,),),
    _BAD: (
        (25601, 49998, 59001),
        range(40001, 40046),
        range(50000, 50043),
        (*range(51000, 51016), 51024),
        range(52000, 52005),
        (*range(60000, 60016), 60052, *range(60054, 60063), 60064, 60066, 60067),
        range(61000, 61005),
    ),
    _LOCKED: (
        (40046, 40047),
        range(53000, 53012),
        (60020, 60021, 60022, 60026, 60027, 60028, 60029, 60053, 60057, 60058, 60063, 60065),
        range(61005, 61009),
    ),
    _FINE: ((70003,),),
    500: (range(59002, 59012), (60050, 60051)),
}
STATUSES: Final[Mapping[int, int]] = {
    **{code: status for status, groups in _LISTED.items() for codes in groups for code in codes},
    **{code: status for code, (status, _) in ERRORS.items()},
}

UNROUTED: Final = frozenset({30000, 30030, 30031})

REFUSALS: Final[Mapping[Refusal, int]] = {
    Refusal.UNKNOWN_SYMBOL: 50001,
    Refusal.SIZE_REQUIRED: 50010,
    Refusal.PRICE_REQUIRED: 50011,
    Refusal.NOTIONAL_REQUIRED: 50012,
    Refusal.SIZE_INSTEAD_OF_NOTIONAL: 50021,
    Refusal.SIZE_OFF_STEP: 50021,
    Refusal.SIZE_TOO_SMALL: 50006,
    Refusal.MARKET_SELL_TOO_SMALL: 51014,
    Refusal.PRICE_TOO_LOW: 50008,
    Refusal.NOTIONAL_TOO_SMALL: 51011,
    Refusal.MARKET_BUY_TOO_SMALL: 51012,
    Refusal.DUPLICATE_CLIENT_ORDER_ID: 50042,
    Refusal.BALANCE_NOT_ENOUGH: 50020,
    Refusal.WOULD_BUY_AT_ONCE: 50034,
    Refusal.WOULD_SELL_AT_ONCE: 50035,
    Refusal.ORDER_UNKNOWN: 50005,
    Refusal.ORDER_CANCELED: 50030,
    Refusal.ORDER_FILLED: 50031,
}


class WireError(Exception):
    """A request ends with an error code; `status` and `text` follow from it."""

    def __init__(self, code: int, detail: str = "", *, text: str | None = None) -> None:
        self.code = code
        status, pattern = ERRORS.get(code, (0, f"refused on demand: {code}"))
        self.status = status or STATUSES[code]
        self.text = pattern.format(detail=detail) if text is None else text
        super().__init__(f"{code} {self.text}")

    @property
    def gateway(self) -> bool:
        """Said by the gateway in front of the products, which spells its envelope otherwise (as captured: a wrong path
        and a retired one; what it says of keys and limits looks like the products' own).
        """
        return self.code in UNROUTED
