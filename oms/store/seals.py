"""Seals: a hash chained over every commit, so that a change of what was recorded shows, and where.

digest = sha256 over the batch's packed columns (stream, version, topic, state of every event, then its venue messages
by id); seal = sha256(seal before || digest || first || last), positions as 64-bit big-endian. Whoever holds an anchor
(the head's position and seal, kept elsewhere) also sees a tail that was cut off, or a chain that was made anew.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from operator import attrgetter
from typing import Final

import msgspec
from msgspec import Struct

from oms.ports import StoredEvent, VenueMessage
from oms.store.packing import Columns, pack_events, pack_messages

GENESIS: Final = bytes(32)  # the seal before the first
_CHECK_BYTES: Final = 4


class Seal(Struct, frozen=True, gc=False):
    """The seal of one commit, which wrote positions `first` .. `last`."""

    first: int
    last: int
    digest: bytes
    checks: bytes
    seal: bytes


class Anchor(Struct, frozen=True):
    """The head of the chain, to be kept away from the database. `seal` is hexadecimal."""

    position: int
    seal: str


class SealedBatch(Struct, frozen=True, gc=False):
    """What the log holds for one seal: all of it, for `verify` to judge. `seal` is None for rows that none covers."""

    seal: Seal | None
    events: Sequence[StoredEvent]
    messages: Sequence[VenueMessage]


def digest(columns: Columns, messages: Sequence[VenueMessage]) -> bytes:
    """Return the digest of one batch."""
    hashed = sha256()
    for part in (*columns[:4], *pack_messages(sorted(messages, key=attrgetter("message_id")))):
        hashed.update(part)
    return hashed.digest()


def chain(previous: bytes, batch_digest: bytes, first: int, last: int) -> bytes:
    """Return the seal that follows `previous`."""
    return sha256(previous + batch_digest + first.to_bytes(8, "big") + last.to_bytes(8, "big")).digest()


def verify(batches: Iterable[SealedBatch], anchor: Anchor | None = None) -> int | None:
    """Return the first position that is not what was recorded, or None if every one is.

    With an `anchor`, also a log that ends before it, or that does not pass through it, is found out.
    """
    previous, head = GENESIS, 0
    for batch in batches:
        wrong = _wrong(batch, previous, head + 1)
        if wrong is not None:
            return wrong
        assert batch.seal is not None
        previous, head = batch.seal.seal, batch.seal.last
        reaches_anchor = anchor is not None and batch.seal.first <= anchor.position <= head
        if reaches_anchor and anchor != Anchor(head, previous.hex()):
            return batch.seal.first
    if anchor is not None and head < anchor.position:
        return head + 1
    return None


def anchored(anchor: Anchor) -> bytes:
    """Return `anchor` as one JSON document."""
    return msgspec.json.encode(anchor)


def read_anchor(document: bytes) -> Anchor:
    """Return the anchor in `document`. Raises msgspec.MsgspecError if there is none."""
    return msgspec.json.decode(document, type=Anchor)


def _wrong(batch: SealedBatch, previous: bytes, due: int) -> int | None:
    seal, events = batch.seal, batch.events
    if seal is None or seal.first != due:
        return due
    for place, event in zip(range(seal.first, seal.last + 1), events, strict=False):
        if event.position != place:
            return place
    if len(events) != seal.last - seal.first + 1:
        return seal.first + len(events) if len(events) < seal.last - seal.first + 1 else seal.last + 1
    columns = pack_events(events)
    if digest(columns, batch.messages) != seal.digest:
        pairs = zip(_checks(columns.checks), _checks(seal.checks), strict=True)
        return next((seal.first + place for place, (now, then) in enumerate(pairs) if now != then), seal.first)
    if columns.checks != seal.checks or chain(previous, seal.digest, seal.first, seal.last) != seal.seal:
        return seal.first
    return None


def _checks(checks: bytes) -> Iterator[bytes]:
    return (checks[start : start + _CHECK_BYTES] for start in range(0, len(checks), _CHECK_BYTES))
