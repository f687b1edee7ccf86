"""Events and messages as Postgres binary arrays: what one prepared call sends, and what the seals are taken over.

A column of n values is one array in the binary format of PostgreSQL ("array_recv" in its source): a header (dimensions,
null flag, element type, length, lower bound), then every value behind its length. Built by hand, since drivers spend
several times as long on lists.
"""

from collections.abc import Iterable, Sequence
from struct import Struct as Layout
from struct import pack
from typing import Final, NamedTuple
from zlib import adler32

from oms.ports import NewEvent, StoredEvent, VenueMessage

INT8: Final = 20  # type numbers of PostgreSQL's catalogue, fixed for ever
BYTEA: Final = 17
TEXT: Final = 25

_EMPTY: Final = Layout(">iii")
_HEADER: Final = Layout(">iiiii")
_INTEGER: Final = Layout(">iq")
_LENGTHS: Final = tuple(length.to_bytes(4, "big") for length in range(2048))
_SMALL: Final = tuple(_INTEGER.pack(8, value) for value in range(256))


class Columns(NamedTuple):
    """Events column by column, each a packed array; `checks` holds the Adler-32 of every event in turn."""

    streams: bytes
    versions: bytes
    topics: bytes
    states: bytes
    checks: bytes


def pack_events(events: Sequence[NewEvent] | Sequence[StoredEvent]) -> Columns:
    """Return `events` as columns."""
    streams = [event.stream.encode() for event in events]
    versions = [_integer(event.version) for event in events]
    topics = [event.topic.encode() for event in events]
    states = [event.state for event in events]
    checks = map(adler32, map(b"".join, zip(streams, versions, topics, states, strict=True)))
    return Columns(
        _array(TEXT, streams),
        b"".join((_header(INT8, len(versions)), *versions)),
        _array(TEXT, topics),
        _array(BYTEA, states),
        pack(f">{len(states)}I", *checks),
    )


def pack_messages(messages: Sequence[VenueMessage]) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Return ids, times, directions, channels and bodies of `messages`, each a packed array."""
    return (
        _array(TEXT, [message.message_id.encode() for message in messages]),
        integers([message.at_ns for message in messages]),
        _array(TEXT, [message.direction.encode() for message in messages]),
        _array(TEXT, [message.channel.encode() for message in messages]),
        _array(BYTEA, [message.body for message in messages]),
    )


def texts(values: Iterable[str]) -> bytes:
    """Return `values` as a packed text array."""
    return _array(TEXT, [value.encode() for value in values])


def integers(values: Sequence[int]) -> bytes:
    """Return `values` as a packed bigint array."""
    return b"".join((_header(INT8, len(values)), *map(_integer, values)))


def _integer(value: int) -> bytes:
    return _SMALL[value] if 0 <= value < len(_SMALL) else _INTEGER.pack(8, value)


def _header(kind: int, length: int) -> bytes:
    return _HEADER.pack(1, 0, kind, length, 1) if length else _EMPTY.pack(0, 0, kind)


def _array(kind: int, values: Sequence[bytes]) -> bytes:
    parts = [_header(kind, len(values))]
    for value in values:
        parts.append(_LENGTHS[len(value)] if len(value) < len(_LENGTHS) else len(value).to_bytes(4, "big"))
        parts.append(value)
    return b"".join(parts)
