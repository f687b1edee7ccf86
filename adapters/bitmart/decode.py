"""A recorded BitMart payload, as the adapter understands it: what `oms decode` prints."""

from typing import Literal

from adapters.bitmart import shapes
from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from oms.reports import Report, Unreadable
from oms.values import PositionMode

Market = Literal["spot", "futures"]
Kind = Literal["rest", "ws-public", "ws-private"]


def decode(market: Market, kind: Kind, path: str | None, payload: bytes) -> tuple[Report, ...]:
    """Return the reports of one payload: the body of a REST answer, or one frame of a stream as it came (on spot, text
    or raw deflate). `path` is the REST path, with or without its query; without one the payload's shape says what it
    is. What cannot be read at all is one `Unreadable`, or for REST a `Refusal` that proves nothing.

    A futures payload that does not say the account's position mode is read as the documentation explains its codes: in
    hedge mode, the only one there was before 2025.
    """
    known = path.partition("?")[0] if path else None
    match market:
        case "spot":
            return _spot(kind, known, payload)
        case "futures" if kind == "rest":
            return perp.answer(known or shapes.perp_path(payload), payload, mode=PositionMode.HEDGE)
        case "futures":
            return perp.frame(payload, mode=PositionMode.HEDGE)[1]


def _spot(kind: Kind, path: str | None, payload: bytes) -> tuple[Report, ...]:
    if kind == "rest":
        return spot.answer(path or shapes.spot_path(payload), payload)
    try:
        data = spot.inflated(payload)
    except ValueError as error:
        return (Unreadable(cause=str(error)),)
    return spot.frame(data)[1]
