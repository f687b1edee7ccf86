"""A recorded BitMart payload, as the adapter understands it: what `oms decode` prints."""

import codecs
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec

from adapters.bitmart import shapes
from adapters.bitmart.perp import codec as perp
from adapters.bitmart.perp.spelling import symbol as perp_symbol
from adapters.bitmart.spot import codec as spot
from adapters.bitmart.spot.translate import symbol as spot_symbol
from oms.reports import CandleReport, Report, Unreadable
from oms.values import PositionMode, Symbol

Market = Literal["spot", "futures"]
Kind = Literal["rest", "ws-public", "ws-private"]

STEPS: Final = {  # minutes, as REST is asked for bars: named as the streams name them
    "1": "1m", "3": "3m", "5": "5m", "15": "15m", "30": "30m", "60": "1H", "120": "2H", "240": "4H", "360": "6H",
    "720": "12H", "1440": "1D", "4320": "3D", "10080": "1W", "43200": "1M",
}  # fmt: skip
QUERY_MAX: Final = 50  # fields


def decode(
    market: Market,
    kind: Kind,
    path: str | None,
    payload: bytes,
    *,
    mode: PositionMode | None = PositionMode.HEDGE,
) -> tuple[Report, ...]:
    """Return the reports of one payload: the body of a REST answer, or one frame of a stream as it came (on spot, text
    or raw deflate). `path` is the REST path; without one the payload's shape says what it is. A query after the path
    tells whose bars they are, and how long, which bars do not say themselves. What cannot be read at all is one
    `Unreadable`, or for REST a `Refusal` that proves nothing.

    A futures payload that does not say the account's position mode is read in `mode`: unless told otherwise as the
    documentation explains its codes, in hedge mode, the only one there was before 2025. None: what no mode says is left
    out.
    """
    known, query = _called(path or "")
    payload = _unframed(payload)
    match market:
        case "spot":
            return _spot(kind, known, query, payload)
        case "futures" if kind == "rest":
            reports = perp.answer(known or shapes.perp_path(payload), payload, mode=mode)
            return _asked_for(reports, market, query)
        case "futures":
            return perp.frame(payload, mode=mode)[1]


def _called(path: str) -> tuple[str, str]:
    """Return path and query of a call, however it is told: also as a whole address, behind its method, or half bare."""
    try:
        address = urlsplit(path.strip().rpartition(" ")[2])
    except ValueError:  # no address: no call has such a path
        return path, ""
    bare = address.path.strip("/")
    return f"/{bare}" if bare else "", address.query


def _unframed(payload: bytes) -> bytes:
    """Return a payload without what an editor puts around a text: a mark of its encoding, empty lines. Deflated bytes,
    which may begin or end with the same, stay as they are.
    """
    told = payload.removeprefix(codecs.BOM_UTF8).strip()
    return told if told[:1] in (b"{", b"[") or told == spot.PONG else payload


def _spot(kind: Kind, path: str, query: str, payload: bytes) -> tuple[Report, ...]:
    if kind == "rest":
        return _asked_for(spot.answer(path or shapes.spot_path(payload), payload), "spot", query)
    try:
        data = spot.inflated(payload)
    except ValueError as error:
        return (Unreadable(cause=str(error)),)
    return spot.frame(data)[1]


def _asked_for(reports: tuple[Report, ...], market: Market, query: str) -> tuple[Report, ...]:
    """Return the reports, bars with the symbol and the interval that the query has."""
    if not any(isinstance(report, CandleReport) for report in reports):
        return reports
    try:
        fields = dict(parse_qsl(query, max_num_fields=QUERY_MAX))
        symbol, interval = _symbol(market, fields), STEPS.get(fields.get("step", ""))
    except ValueError:  # a query that makes no sense says nothing
        return reports
    return tuple(
        msgspec.structs.replace(report, symbol=report.symbol or symbol, interval=report.interval or interval)
        if isinstance(report, CandleReport)
        else report
        for report in reports
    )


def _symbol(market: Market, fields: Mapping[str, str]) -> Symbol | None:
    if "symbol" not in fields:
        return None
    return spot_symbol(fields["symbol"]) if market == "spot" else perp_symbol(fields["symbol"])
