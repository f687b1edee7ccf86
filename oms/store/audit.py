"""The log as an auditor takes it out of Postgres: every commit with its seal, and the head of the chain."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import starmap
from typing import Any, Final, Generic, TypeVar

import psycopg

from oms.errors import LogUnavailableError
from oms.ports import StoredEvent, VenueMessage
from oms.store.database import connect
from oms.store.seals import GENESIS, Anchor, Seal, SealedBatch

_SEALS: Final = "SELECT first, last, digest, checks, seal FROM public.seals ORDER BY last"
_EVENTS: Final = """
SELECT notification_id, originator_id, originator_version, topic, state FROM public.stored_events
ORDER BY notification_id
"""
_MESSAGES: Final = """
SELECT position, message_id, at_ns, direction, channel, body FROM public.venue_messages
WHERE position IS NOT NULL ORDER BY position, message_id
"""
_HEAD: Final = "SELECT last, seal FROM public.seals ORDER BY last DESC LIMIT 1"

_Item = TypeVar("_Item")


class _Run(Generic[_Item]):
    """Takes items off an ordered run up to a position."""

    def __init__(self, items: Iterable[tuple[int, _Item]]) -> None:
        self._items = iter(items)
        self._next = next(self._items, None)

    def upto(self, position: int) -> Sequence[_Item]:
        taken: list[_Item] = []
        while self._next is not None and self._next[0] <= position:
            taken.append(self._next[1])
            self._next = next(self._items, None)
        return taken

    @property
    def over(self) -> bool:
        return self._next is None


def sealed(url: str) -> Iterator[SealedBatch]:
    """Yield every commit in order, for `seals.verify`; what no seal covers comes last. One snapshot.

    Raises:
        LogUnavailableError: the database is not there.
    """
    with closing(connect(url, role="oms_reader")) as connection:
        try:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            events = _Run((event.position, event) for event in starmap(StoredEvent, _rows(connection, "e", _EVENTS)))
            messages = _Run((row[0], VenueMessage(*row[1:])) for row in _rows(connection, "m", _MESSAGES))
            for seal in starmap(Seal, _rows(connection, "s", _SEALS)):
                yield SealedBatch(seal, events.upto(seal.last), messages.upto(seal.last))
            if not (events.over and messages.over):
                yield SealedBatch(None, (), ())
        except psycopg.Error as error:
            raise LogUnavailableError(f"the log cannot be read: {error}".strip()) from error


def head(url: str) -> Anchor:
    """Return the head of the chain, to be kept elsewhere; position 0 for an empty log. Raises LogUnavailableError."""
    with closing(connect(url, role="oms_reader")) as connection:
        row = connection.execute(_HEAD, binary=True).fetchone()
    if row is None:
        return Anchor(0, GENESIS.hex())
    position, seal = row
    assert isinstance(position, int)
    assert isinstance(seal, bytes)
    return Anchor(position, seal.hex())


def _rows(connection: psycopg.Connection[tuple[object, ...]], name: str, query: str) -> Iterator[tuple[Any, ...]]:
    with connection.cursor(name) as cursor:
        cursor.itersize = 2_000
        cursor.execute(query, binary=True)
        yield from cursor
