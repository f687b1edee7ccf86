"""What BitMart's codes prove, in one table (PROTOCOL 4.2 to 4.7): the class says what to do, the reason says why.

Where a code is not enough, the HTTP status decides, and where that is not enough either the answer proves nothing.
A code that says "not found" or "already finished" is CERTAIN about the request (it had no effect) and says nothing
about the order: the order's own state is to be read. A duplicate client id is UNKNOWN: an earlier attempt may be live.
One code, 40012, is a catch-all: only its words tell a refused order from an error inside the venue (9.11).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from oms.reports import Refusal, RefusalClass

CERTAIN = RefusalClass.CERTAIN
TRANSIENT = RefusalClass.TRANSIENT
RATE_LIMIT = RefusalClass.RATE_LIMIT
AUTH = RefusalClass.AUTH
UNKNOWN = RefusalClass.UNKNOWN

Verdict = tuple[RefusalClass, str]

# Reasons that something above this module reads.
DUPLICATE_ID: Final = "duplicate_id"
ORDER_NOT_FOUND: Final = "order_not_found"
ORDER_CLOSED: Final = "order_closed"  # filled or canceled already, the venue does not say which
CLOCK: Final = "clock"
OUT_OF_RANGE: Final = "time_range"
UNKNOWN_PATH: Final = "unknown_path"
RETIRED: Final = "retired"

_GROUPS: Final[tuple[tuple[Verdict, tuple[int, ...]], ...]] = (
    # PROTOCOL 4.3: the gateway and the key
    ((CERTAIN, UNKNOWN_PATH), (30000,)),
    ((AUTH, "key"), (30001, 30002, 30003, 30011)),
    ((AUTH, "signature"), (30004, 30005)),
    ((AUTH, CLOCK), (30006, 30007, 30008)),
    ((AUTH, "permission"), (30010, 30012, 30019)),
    ((RATE_LIMIT, "rate_limit"), (30013,)),
    ((RATE_LIMIT, "banned"), (30017,)),
    ((UNKNOWN, "unavailable"), (30014,)),  # "probably never executed, but not provable"
    ((TRANSIENT, "maintenance"), (30016,)),
    ((CERTAIN, "invalid_request"), (30018,)),
    ((CERTAIN, RETIRED), (30030, 30031)),
    # PROTOCOL 4.4: spot and margin
    ((CERTAIN, "invalid_request"), (50000, *range(50013, 50020), 50024, 50028, 50033, 50039)),
    ((CERTAIN, "bad_symbol"), (50001, 50023, 50040, 51008)),
    ((CERTAIN, "invalid_request"), (50002, 50003, 50004)),
    ((CERTAIN, ORDER_NOT_FOUND), (50005, 50032)),
    ((CERTAIN, "invalid_order"), (*range(50006, 50013), 50021, 50025, 50026, 50027, 50029)),
    ((CERTAIN, "insufficient_funds"), (50020,)),
    ((UNKNOWN, "unavailable"), (50022,)),
    ((CERTAIN, "already_canceled"), (50030,)),
    ((CERTAIN, "already_filled"), (50031,)),
    ((CERTAIN, "no_depth"), (50034, 50035)),
    ((CERTAIN, ORDER_CLOSED), (50036,)),
    ((CERTAIN, "invalid_client_order_id"), (50037, 50038)),
    ((CERTAIN, OUT_OF_RANGE), (50041, 52004)),
    ((UNKNOWN, DUPLICATE_ID), (50042,)),
    ((CERTAIN, "bad_currency"), (51000,)),
    ((AUTH, "account"), (51001, 51002)),
    ((CERTAIN, "loan"), (51003, 51004, 51005, 51006, 51024)),
    ((CERTAIN, "invalid_order"), (51007, *range(51009, 51016), 52000, 52001, 52002)),
    ((CERTAIN, "invalid_request"), (52003,)),
    ((AUTH, "account"), (53000,)),
    ((AUTH, "permission"), (*range(53001, 53012),)),
    ((CERTAIN, "invalid_request"), (57001, 58001)),
    ((AUTH, "account"), (59001, 59005)),
    ((UNKNOWN, "internal"), (59002, 59003, 59004, 59006, 59008)),
    ((TRANSIENT, "internal"), (59007, 59011)),
    ((UNKNOWN, "loan"), (59009,)),  # the loan stands, the order failed
    ((CERTAIN, "loan"), (59010,)),
    # PROTOCOL 4.5: market data, all with HTTP 200
    ((CERTAIN, "no_data"), (70000,)),
    ((CERTAIN, "invalid_request"), (70001, 71001, 71002, 71003, 71004, 71005)),
    ((CERTAIN, "bad_symbol"), (70002,)),
    ((TRANSIENT, "network"), (70003,)),
    # PROTOCOL 4.6: funding and transfers
    ((CERTAIN, "invalid_request"), (60000, 60060, 60030, 60031, 60066, 60067)),
    ((CERTAIN, "bad_currency"), (60001, 60002, 60055)),
    ((CERTAIN, "suspended"), (60003, 60004, 60056)),
    ((CERTAIN, "invalid_amount"), (60005, 60006, 60009, 60013, 60064, 61000)),
    ((CERTAIN, "invalid_address"), (60007, 60011, 60014, 60015, 60053, 60065, 61002, 61003)),
    ((CERTAIN, "insufficient_funds"), (60008, 61001)),
    ((CERTAIN, "transfer_not_found"), (60010,)),
    ((CERTAIN, "unsupported"), (60012, 60054, 60059, 60061, 60062)),
    ((AUTH, "account"), (60020, 60021, 60022, 60026, 60027, 60028, 60029, 60050, 60057, 60058, 60063)),
    ((UNKNOWN, "internal"), (60051, 60052)),
    ((UNKNOWN, DUPLICATE_ID), (61004,)),
    ((AUTH, "permission"), (61005, 61006, 61007, 61008)),
    # PROTOCOL 4.7: futures
    ((UNKNOWN, "unavailable"), (25601,)),
    ((AUTH, "account"), (40001, 40046)),
    ((CERTAIN, "invalid_request"), (40002, 40004, *range(40007, 40012), 40038, 40039, 49998)),
    ((UNKNOWN, DUPLICATE_ID), (40003, 40050)),
    ((CERTAIN, "invalid_amount"), (40005,)),
    ((AUTH, "permission"), (40006, 40047)),
    ((RATE_LIMIT, "rate_limit"), (40013,)),
    ((CERTAIN, "bad_symbol"), (40014, 40015, 40034)),
    ((CERTAIN, "liquidation"), (40016,)),  # the order would bring it about
    ((CERTAIN, "invalid_order"), (40017, 40031, 40032, 40033, *range(40041, 40046))),
    ((CERTAIN, "position"), (40018, 40020, 40021)),  # it is not what the request takes it for: read it again
    ((AUTH, "liquidation"), (40019, 40026)),  # it is under way: nothing of this account trades
    ((CERTAIN, "margin"), (40022, 40023, 40024, 40025)),
    ((CERTAIN, "insufficient_funds"), (40027, 42000)),
    ((CERTAIN, "too_many_orders"), (40028,)),
    ((CERTAIN, "leverage"), (40029, 40030, 40040)),
    ((CERTAIN, ORDER_NOT_FOUND), (40035, 40037)),
    ((CERTAIN, ORDER_CLOSED), (40036,)),
    ((CERTAIN, "invalid_client_order_id"), (40048, 40049)),
    ((CERTAIN, "position_mode"), (40059,)),  # positions or open orders exist
)
CODES: Final[Mapping[int, Verdict]] = MappingProxyType(
    {code: verdict for verdict, codes in _GROUPS for code in codes},
)

CATCH_ALL: Final = 40012
# The words it refuses requests with, as far as they are known; with any other words it proves nothing.
CAUGHT: Final[tuple[tuple[str, str], ...]] = (
    ("symbol_not_exist", "bad_symbol"),
    ("symbol not exist", "bad_symbol"),
    ("balance not enough", "insufficient_funds"),
    ("leverage", "leverage"),
    ("open_type", "leverage"),
    ("open type", "leverage"),
    ("position mode", "position_mode"),
    ("position_mode", "position_mode"),
    ("invalid order", "invalid_order"),
)
CATCH_ALL_UNKNOWN: Final[Verdict] = (UNKNOWN, "internal")

# For bodies that are not BitMart's: Cloudflare's pages, proxies, cut answers (4.2).
STATUSES: Final[Mapping[int, Verdict]] = MappingProxyType(
    {
        401: (AUTH, "key"),
        403: (TRANSIENT, "edge"),  # Cloudflare stopped it before BitMart saw it
        405: (CERTAIN, "invalid_request"),
        415: (CERTAIN, "invalid_request"),
        418: (RATE_LIMIT, "banned"),
        429: (RATE_LIMIT, "rate_limit"),
    },
)
FORBIDDEN_STATUS: Final = 403
EDGE_MARKS: Final = ("cloudflare", "error code: 1")  # what Cloudflare's own pages say
FORBIDDEN: Final[Verdict] = (AUTH, "permission")  # 403 with BitMart's own JSON comes from BitMart
UNLISTED: Final[Verdict] = (UNKNOWN, "unlisted")
UNREADABLE: Final[Verdict] = (UNKNOWN, "unreadable")

TEXT_MAX: Final = 200  # characters of the venue's words that are kept


def by_code(code: int, text: str | None, status: int | None) -> Refusal:
    """Return what an answer with a code other than success proves."""
    if code == CATCH_ALL:
        klass, reason = _caught(text or "")
    else:
        klass, reason = CODES.get(code) or (
            FORBIDDEN if status == FORBIDDEN_STATUS else STATUSES.get(status or 0, UNLISTED)
        )
    return Refusal(klass=klass, reason=reason, code=str(code), text=_short(text))


def by_status(status: int | None, text: str | None = None) -> Refusal:
    """Return what an answer proves whose body is not BitMart's JSON; `status` is None where only the body is known."""
    klass, reason = STATUSES.get(status or 0, UNREADABLE)
    if status == FORBIDDEN_STATUS and not any(mark in (text or "").lower() for mark in EDGE_MARKS):
        klass, reason = UNREADABLE  # some page in between: whether it came before or after the order, nobody knows
    return Refusal(klass=klass, reason=reason, text=_short(text))


def _caught(text: str) -> Verdict:
    """Return what the catch-all proves with these words."""
    words = text.lower()
    return next(((CERTAIN, reason) for known, reason in CAUGHT if known in words), CATCH_ALL_UNKNOWN)


def _short(text: str | None) -> str | None:
    """Return the venue's words on one line; the bytes stay whole in the evidence."""
    return " ".join(text.split())[:TEXT_MAX] if text else None
