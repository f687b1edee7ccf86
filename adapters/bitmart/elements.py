"""Reading payloads element by element, so that one malformed element never costs its neighbours.

A reader is total: whatever bytes it is given, it returns reports, an `Unreadable` among them for what made no sense.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from adapters.bitmart.envelope import EMPTY, HTTP_OK, MALFORMED, opened, without_payload
from adapters.bitmart.scalars import decoder
from oms.reports import Ack, Refusal, Report, Unreadable

M = TypeVar("M")
Reports = tuple[Report, ...]
Reader = Callable[[bytes | Raw], Reports]

NAMES: Final = ("orderId", "order_id", "tradeId", "trade_id", "symbol", "currency")  # what elements call themselves by
NAME_MAX: Final = 40  # characters of a name
CAUSE_MAX: Final = 200  # characters of what was wrong that are kept


def element(kind: type[M], translated: Callable[[M], Reports]) -> Reader:
    """Return a reader of one element: its reports, or an Unreadable that says what was wrong with it."""
    decode = decoder(kind).decode

    def read(raw: bytes | Raw) -> Reports:
        try:
            return translated(decode(raw))
        except MALFORMED as error:
            return (unreadable(error, _name(raw)),)

    return read


def all_plain(pushes: Sequence[M], translated: Callable[[M], Reports | None]) -> Reports | None:
    """Return the reports of all of `pushes`; None if one is not plain: then the whole frame is read otherwise."""
    if len(pushes) == 1:
        return translated(pushes[0])
    told: list[Report] = []
    for push in pushes:
        reports = translated(push)
        if reports is None:
            return None
        told += reports
    return tuple(told)


def _name(raw: bytes | Raw) -> str:
    """Return what tells an element that cannot be read from the others, as far as that can be read."""
    try:
        found = _fields.decode(raw)
    except MALFORMED:
        return ""
    names = ((field, bytes(found[field]).strip(b'"').decode("utf-8", "replace")) for field in NAMES if field in found)
    return " ".join(f"{field} {name[:NAME_MAX]}" for field, name in names if name)


def elements(kind: type[M], translated: Callable[[M], Reports]) -> Reader:
    """Return a reader of a list of elements. The venue sends "" where it has none, and an object where it has one.

    A list is decoded at once, and only if that fails element by element, which finds out what was wrong with which.
    """
    decode, read = decoder(list[kind]).decode, element(kind, translated)  # type: ignore[valid-type]

    def read_each(raw: bytes | Raw) -> Reports:
        data = bytes(raw)
        if data in EMPTY:
            return ()
        if data[:1] != b"[":
            return read(data)
        try:
            return translated_all(decode(data), translated)
        except MALFORMED:
            return _apart(read, data)

    return read_each


def translated_all(found: list[M], translated: Callable[[M], Reports]) -> Reports:
    """Return the reports of all elements, nearly always of one."""
    if len(found) == 1:
        return translated(found[0])
    return tuple(report for one in found for report in translated(one))


def _apart(read: Reader, data: bytes) -> Reports:
    try:
        found = _raws.decode(data)
    except MALFORMED as error:
        return (unreadable(error),)
    return tuple(report for raw in found for report in read(raw))


def unreadable(error: Exception, name: str = "") -> Unreadable:
    """Return what stands among the reports for an element that made no sense, `name` being what it calls itself."""
    why = str(error)[:CAUSE_MAX]
    return Unreadable(cause=f"{why}, of {name}" if name else why)


_fields: Final = msgspec.json.Decoder(dict[str, Raw])
_raws: Final = msgspec.json.Decoder(list[Raw])


def answered(
    path: str,
    body: bytes,
    status: int | None,
    *,
    lists: Mapping[str, Reader],
    objects: Mapping[str, Reader],
    accepted: Collection[str],
    market_data: Collection[str] = (),
) -> Reports:
    """Read the answer to a call of `path` with the reader that one of the tables has for it: its reports, or one
    Refusal. One element of a list may be unreadable; a payload that is one object and unreadable settles nothing.

    `accepted` are the paths whose success says that the venue took the request, and no more. A path that no table has
    is read for its refusals alone. Of the `market_data` "no data" is an empty list where it comes as they all do, with
    HTTP 200; said of anything else it proves nothing (PROTOCOL 4.5). `status` None: only the body is known.
    """
    payload = opened(body, status)
    if isinstance(payload, Refusal):
        nothing = payload.reason == "no_data" and path in market_data and status in (None, HTTP_OK)
        return () if nothing else (payload,)
    if read := lists.get(path):
        return read(payload) if payload[:1] == b"[" or payload in (b"", b"null", b'""') else (without_payload(payload),)
    if read := objects.get(path):
        reports = read(payload)
        whole_payload_lost = len(reports) == 1 and isinstance(reports[0], Unreadable)
        return (without_payload(payload),) if whole_payload_lost else reports
    return (Ack(),) if path in accepted else ()
