"""BitMart's answer to a REST call, opened: the payload of a success, or what its refusal proves (PROTOCOL 4.1, 4.2).

The status alone settles nothing: refusals come with 200, successes never without code 1000, and code 1000 has been
served by a retired endpoint with "This service is down". So a success also needs the payload its caller expects.
"""

from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from adapters.bitmart import refusals
from adapters.bitmart.scalars import Wire, decoder, text, whole
from oms.reports import Refusal, RefusalClass

M = TypeVar("M")

SUCCESS: Final = 1000
HTTP_OK: Final = 200
NO_PAYLOAD: Final = "no_payload"  # the reason of a success that does not hold what was asked for
EMPTY: Final = (b"", b"null", b'""', b"{}", b"[]")
PLEASANTRIES: Final = ("ok", "success")  # the texts that success has come with
# Whatever foreign bytes make decoding and translating raise; arithmetic, where a sum of theirs cannot be exact.
MALFORMED: Final = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)


class Envelope(Struct):
    """What stands around every payload. The gateway's own errors use `msg`; some answers quote the code."""

    code: Wire = None
    message: Wire = None
    msg: Wire = None
    data: Raw = Raw()


_envelope: Final = decoder(Envelope)


def opened(body: bytes, status: int | None = None) -> bytes | Refusal:
    """Return the payload, or the refusal. `status` is None where only the body is known (a recorded payload)."""
    try:
        envelope = _envelope.decode(body)
        code = whole(envelope.code, "code")
        words = text(envelope.message) or text(envelope.msg)
    except MALFORMED:
        return refusals.by_status(status, body[: refusals.TEXT_MAX].decode("utf-8", "replace"))
    if code != SUCCESS:
        return refusals.by_code(code, words, status)
    payload = bytes(envelope.data)
    if status not in (None, HTTP_OK) or (payload in EMPTY and (words or "").lower() not in PLEASANTRIES):
        return Refusal(klass=RefusalClass.UNKNOWN, reason="contradiction", code=str(code), text=words)
    return payload


def without_payload(payload: bytes) -> Refusal:
    """Return what a success proves that lacks what was asked for: nothing."""
    shown = payload[: refusals.TEXT_MAX].decode("utf-8", "replace")
    return Refusal(klass=RefusalClass.UNKNOWN, reason=NO_PAYLOAD, code=str(SUCCESS), text=shown or None)


def payload(kind: type[M], body: bytes, status: int | None = None) -> M | Refusal:
    """Return the payload of a success as its message: for answers that hold no report (server time, fees, services)."""
    found = opened(body, status)
    if isinstance(found, Refusal):
        return found
    try:
        return decoder(kind).decode(found)
    except MALFORMED:
        return without_payload(found)
