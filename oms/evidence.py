"""From the bytes behind a report to the rows that keep them beside the events they caused."""

from oms.ports import Clock, Ids, VenueMessage
from oms.venue import Evidence

BODY_MAX = 256 * 1024  # bytes of one message kept; what is longer is cut and says so


def kept(evidence: Evidence, ids: Ids, clock: Clock) -> tuple[VenueMessage, ...]:
    """Return what went out and what came in, in that order; the last one's id is the cause of what follows from it."""
    messages = []
    if evidence.request:
        at_ns = evidence.sent_ns or clock.now_ns()
        messages.append(VenueMessage(ids.next(), at_ns, "out", evidence.channel, _cut(evidence.request)))
    if evidence.response or not messages:
        at_ns = evidence.received_ns or clock.now_ns()
        messages.append(VenueMessage(ids.next(), at_ns, "in", evidence.channel, _cut(evidence.response)))
    return tuple(messages)


def _cut(body: bytes) -> bytes:
    if len(body) <= BODY_MAX:
        return body
    return body[:BODY_MAX] + b" ... cut, %d bytes in all" % len(body)
