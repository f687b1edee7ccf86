"""Every way the door says no, as RFC 9457 problems: one table from errors to statuses."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from oms.asof import AsOfError
from oms.errors import (
    CommandRefusedError,
    CursorError,
    DuplicateOrderError,
    FencedError,
    IntakeFullError,
    LogUnavailableError,
    NotReadyError,
    OmsError,
    OrderClosedError,
    Outcome,
    StoppingError,
    UnknownOrderError,
    VenueError,
)
from oms.gateway.allowance import RateLimitedError
from oms.gateway.views import OrderView
from oms.market_data import TooManyMarketsError

RETRY_AFTER_SECONDS: Final = 1


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, for people and programs: the cause (`detail`), the outcome and the next step.

    `outcome` is ``none`` (nothing happened), ``recorded`` (a fact was written: see `order`) or ``unknown`` (it may have
    happened; reading again will tell). `incident` is the name under which an internal error was logged.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    outcome: Outcome
    next_step: str = ""
    position: int | None = None
    order: OrderView | None = None
    incident: str | None = None


class MalformedJsonError(OmsError):
    """The body is not JSON."""

    code = "malformed_json"
    next_step = "send one JSON object, UTF-8"


class InvalidBodyError(OmsError):
    """The body is JSON and not what this call takes."""

    code = "invalid_body"
    next_step = "GET /openapi.json shows what this call takes"


class InvalidQueryError(OmsError):
    """A query parameter is unknown here or has a value it cannot have."""

    code = "invalid_query"
    next_step = "GET /openapi.json shows what this call takes"


class BodyTooLargeError(OmsError):
    """The body, or the frame, is over the limit."""

    code = "body_too_large"
    next_step = "send less at once"


class IdempotencyKeyError(OmsError):
    """A request that changes an order names no key by which a repeat would be known, or an unusable one."""

    code = "idempotency_key_required"
    next_step = "send Idempotency-Key: 1 to 64 visible characters, a new one for a new request, the same for a repeat"


class TokenInQueryError(OmsError):
    """A secret in an address ends up in logs and histories."""

    code = "token_in_query"
    next_step = "send it as Authorization: Bearer, and revoke the one that was in the address"


class UnauthenticatedError(OmsError):
    """No token, or none that is valid."""

    code = "unauthenticated"
    next_step = "send Authorization: Bearer oms_<id>_<secret>; `oms token create` makes one"


class ForbiddenError(OmsError):
    """The token is valid and does not allow this."""

    code = "forbidden"
    next_step = "use a token that was made for it: `oms token list` shows scopes, strategies and accounts"


class ForeignOriginError(OmsError):
    """A web page of another site wants to act here."""

    code = "foreign_origin"
    next_step = "call from the gateway's own address, or from a program, which sends no Origin"


class MisdirectedError(OmsError):
    """The Host asked for is not this one: a name was pointed at our address."""

    code = "misdirected"
    next_step = "use the address that `oms up` shows, or add the name to the gateway's hosts"


class NotFoundError(OmsError):
    """Nothing is offered under this path."""

    code = "not_found"
    next_step = "GET /openapi.json lists what there is"


class MethodNotAllowedError(OmsError):
    """The path exists and does not take this method."""

    code = "method_not_allowed"
    next_step = "GET /openapi.json lists what there is"


class UpgradeRequiredError(OmsError):
    """A WebSocket is asked for as if it were a page."""

    code = "upgrade_required"
    next_step = "open it with a WebSocket client"


class UnsupportedError(OmsError):
    """What is asked for exists in general, and not here."""

    code = "unsupported"
    next_step = "cancel the order and place a new one"


class PositionNotReachedError(OmsError):
    """What was to be waited for has not come yet."""

    code = "position_not_reached"
    retryable = True
    next_step = "ask again; GET /health/ready shows how far the projections are"


class TooManyStreamsError(OmsError):
    """Every place at the stream is taken."""

    code = "too_many_streams"
    retryable = True
    next_step = "close a stream that is no longer read"


# From the type of an error to the status of its answer; the nearest ancestor counts.
STATUSES: Final[Mapping[type[OmsError], int]] = {
    OmsError: 500,
    CommandRefusedError: 422,
    UnknownOrderError: 404,
    OrderClosedError: 409,
    DuplicateOrderError: 409,
    IntakeFullError: 503,
    StoppingError: 503,
    NotReadyError: 503,
    LogUnavailableError: 503,
    FencedError: 503,
    VenueError: 502,
    MalformedJsonError: 400,
    InvalidBodyError: 422,
    InvalidQueryError: 422,
    RateLimitedError: 429,
    CursorError: 422,
    AsOfError: 422,
    BodyTooLargeError: 413,
    IdempotencyKeyError: 400,
    TokenInQueryError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    ForeignOriginError: 403,
    MisdirectedError: 421,
    NotFoundError: 404,
    MethodNotAllowedError: 405,
    UpgradeRequiredError: 426,
    UnsupportedError: 422,
    TooManyMarketsError: 503,
    PositionNotReachedError: 504,
    TooManyStreamsError: 503,
}


def problem_of(error: OmsError, *, position: int | None = None) -> Problem:
    """Return `error` in the words of RFC 9457."""
    status = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    return Problem(
        type=_type(error.code),
        title=_title(error.code),
        status=status,
        detail=error.cause,
        code=error.code,
        retryable=error.retryable,
        outcome=error.outcome,
        next_step=error.advice,
        position=position,
    )


def denial(order: OrderView, position: int) -> Problem:
    """Return the problem of an order that a limit denied: the request and the denial are in the log."""
    limit, _, detail = (order.reason or "denied").partition(": ")
    return Problem(
        type=_type(limit),
        title=_title(limit),
        status=422,
        detail=f"{order.client_order_id} was denied: {detail or limit}",
        code=limit,
        retryable=False,
        outcome="recorded",
        next_step="the limit is named by `code`; a new attempt needs a new client_order_id",
        position=position,
        order=order,
    )


def internal_problem(incident: str) -> Problem:
    """Return what a client is told when something broke here that nobody foresaw: no more than where to look."""
    return Problem(
        type=_type("internal"),
        title=_title("internal"),
        status=500,
        detail="something broke here, and was logged",
        code="internal",
        retryable=False,
        outcome="unknown",
        next_step="read before repeating; whoever runs this OMS finds the cause in its log under `incident`",
        incident=incident,
    )


def _type(code: str) -> str:
    return f"urn:oms:problem:{code}"


def _title(code: str) -> str:
    return code.replace("_", " ").capitalize()
