"""From the bytes behind a report to the rows that keep them beside the events they caused, and back; from the events
of an order to what they moved.
"""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from msgspec.structs import replace

from oms.decide import Addressed, Said
from oms.moves import MOVING
from oms.ports import Clock, EventLog, Ids, Meta, StoredEvent, VenueMessage
from oms.position.events import CommissionBooked, FillBooked, FillReversed, LegTakenOver
from oms.reports import OrderReport
from oms.store.codec import decode_meta
from oms.values import Provenance
from oms.venue import Evidence

_OUT: Final = "0"
_IN: Final = "1"
_MOVES: Final = frozenset(str(kind.__struct_config__.tag).partition("/")[0] for kind in MOVING)
_MOVED: Final = frozenset(
    str(kind.__struct_config__.tag).partition("/")[0]
    for kind in (FillBooked, FillReversed, CommissionBooked, LegTakenOver)
)
_MOVED_MAX: Final = 3  # by one event of an order
BODY_MAX: Final = 256 * 1024  # bytes of one message kept; what is longer is cut and says so


def kept(evidence: Evidence, ids: Ids, clock: Clock) -> tuple[VenueMessage, ...]:
    """Return what went out and what came in, in that order; the last one's id is the cause of what follows from it.

    Both share one id but for its last character, so that whoever has the answer finds the request (`exchange`).
    """
    messages = []
    name = ids.next()
    if evidence.request:
        at_ns = evidence.sent_ns or clock.now_ns()
        messages.append(VenueMessage(name + _OUT, at_ns, "out", evidence.channel, _cut(evidence.request)))
    if evidence.response or not messages:
        at_ns = evidence.received_ns or clock.now_ns()
        messages.append(VenueMessage(name + _IN, at_ns, "in", evidence.channel, _cut(evidence.response)))
    return tuple(messages)


def reported(reports: Sequence[Addressed], source: Provenance, evidence: Sequence[VenueMessage]) -> Said:
    """Return reports as the engine decides them, caused by the last of the messages that they came in."""
    return Said(
        message=tuple(reports),
        actor="oms" if source is Provenance.INFERRED or not evidence else "venue",
        cause=evidence[-1].message_id if evidence else None,
        source=source,
        evidence=tuple(evidence),
    )


def concluded(reports: Sequence[Addressed], evidence: Sequence[VenueMessage]) -> Sequence[Addressed]:
    """Return `reports`, each order that no list shows with the messages that say so."""
    seen = tuple(message.message_id for message in evidence)
    return [
        (stream, replace(each, absent=seen) if isinstance(each, OrderReport) and each.absent is not None else each)
        for stream, each in reports
    ]


def exchange(cause: str) -> tuple[str, ...]:
    """Return the ids of the messages behind `cause`, the request first; some, or all, may not exist."""
    return (cause[:-1] + _OUT, cause) if cause.endswith(_IN) else (cause,)


def behind(meta: Meta, body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ids of the messages behind an event, as they were exchanged: of the answers that its `body` names as
    proof, and of what caused it. A command's cause is a name that its sender gave it, and names no message.
    """
    marks = [str(mark["message_id"]) for mark in body.get("marks", ())]
    caused = () if meta.source is Provenance.COMMAND else (meta.cause,)
    named = (*marks, *body.get("evidence", ()), *caused)
    return tuple(dict.fromkeys(name for answer in named for name in exchange(answer)))


def _cut(body: bytes) -> bytes:
    if len(body) <= BODY_MAX:
        return body
    return body[:BODY_MAX] + b" ... cut, %d bytes in all" % len(body)


async def effects(log: EventLog, history: Sequence[StoredEvent]) -> Mapping[int, Sequence[StoredEvent]]:
    """Return the position events that an order's events caused, by the position of the order's event. They stand right
    behind it in the log: two where a trade turned a leg round, and one more where the opening held it. Raises
    LogUnavailableError.
    """
    found: dict[int, Sequence[StoredEvent]] = {}
    for event in history:
        if _kind(event) in _MOVES:
            behind_it = await log.page(after=event.position, limit=_MOVED_MAX)
            found[event.position] = _moved(decode_meta(event.state).cause, behind_it)
    return found


def _moved(cause: str, events: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
    return list(takewhile(lambda each: _kind(each) in _MOVED and decode_meta(each.state).cause == cause, events))


def _kind(event: StoredEvent) -> str:
    return event.topic.partition("/")[0]
