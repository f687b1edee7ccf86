"""The whole log folded into books, as fast as it can be read: what `oms replay` and its benchmark run. And the log from
a snapshot on, as a start folds it, to be compared with that.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, Final

import msgspec
import psycopg

from oms.book import Book
from oms.errors import CorruptStreamError
from oms.order.state import Order, fold
from oms.ports import EventLog
from oms.runtime import uncollected
from oms.snapshot import Memory, decoded, kept, program
from oms.store.codec import CODEC
from oms.store.database import connect
from oms.store.scan import Row, scan
from oms.values import AccountId

_EARLIER: Final = """
SELECT topic, state FROM public.stored_events WHERE originator_id = %s AND originator_version < %s
ORDER BY originator_version
"""

Earlier = Callable[[str, int], Order | None]  # a stream and a version: the order as it was right before it


class Replay:
    """Every account's book, one page after the other. `earlier` reads back an order that closed long ago and left
    memory, when the log speaks of it again: a late trade, a bust.
    """

    def __init__(self, earlier: Earlier) -> None:
        self.books: dict[str, Book] = {}
        self._earlier = earlier

    def fold(self, page: Sequence[Row]) -> None:
        """Fold the next rows of the log.

        Raises:
            CorruptStreamError: a body is not what its topic promises, or the history is not legal.
        """
        books, decoders, position, topic = self.books, CODEC.decoders, 0, ""
        try:
            for position, stream, version, topic, state in page:  # noqa: B007  # the error names it
                account = stream.split("/", 2)[1]
                book = books.get(account)
                if book is None:
                    book = books[account] = Book(AccountId(account))
                decoder = decoders.get(topic)
                event = CODEC.decode(topic, state) if decoder is None else decoder(state)
                if stream[0] == "o":
                    if version > 1 and stream not in book.orders:
                        self._bring_back(book, stream, version)
                    book.order(stream, event)  # type: ignore[arg-type]  # an order's stream holds an order's events
                else:
                    book.apply(stream, event)
        except msgspec.MsgspecError as error:
            raise CorruptStreamError(
                f"the body at position {position} is not what its topic promises: {error}"
            ) from error
        for book in books.values():
            book.trim()

    def _bring_back(self, book: Book, stream: str, version: int) -> None:
        order = self._earlier(stream, version)
        if order is not None:
            book.restore(stream, order)


def fold_log(url: str, *, upto: int | None = None, seen: Callable[[int], None] = lambda _: None) -> Mapping[str, Book]:
    """Return every account's book as of position `upto`, or as of now; `seen` is told how many events each page had.

    Raises:
        LogUnavailableError: the log cannot be read.
        CorruptStreamError: it contradicts itself.
    """
    with closing(connect(url, role="oms_reader")) as connection, uncollected():
        folding = Replay(partial(earlier, connection))
        for page in scan(url, upto=upto):
            folding.fold(page)
            seen(len(page))
    return folding.books


async def usable(account: AccountId, log: EventLog) -> tuple[Memory, int] | None:
    """Return the memory that a start of this program would begin with, and its position; None where it would begin with
    nothing. Raises LogUnavailableError.
    """
    snapshot = await log.snapshot(account)
    if snapshot is None or snapshot.program != program() or not snapshot.parts:
        return None
    try:
        own = decoded(snapshot.parts).image
    except msgspec.MsgspecError:
        return None
    return await kept(account, log, closed_kept=own.closed_kept, tallied=own.tallied)


def fold_on(url: str, account: AccountId, memory: Memory, *, after: int, upto: int) -> Book:
    """Return what a start makes of `memory`, kept at position `after`, and of what the log brought through `upto`.

    Raises:
        LogUnavailableError: the log cannot be read.
        CorruptStreamError: the log does not go on from that memory.
    """
    with closing(connect(url, role="oms_reader")) as connection, uncollected():
        folding = Replay(partial(earlier, connection))
        folding.books[account] = Book.of_image(account, memory.image)
        for page in scan(url, after=after, upto=upto):
            folding.fold([row for row in page if row[1].split("/", 2)[1] == account])
    return folding.books[account]


def earlier(connection: psycopg.Connection[Any], stream: str, version: int) -> Order | None:
    """Return an order as its stream tells it before `version`."""
    rows = connection.execute(_EARLIER, (stream, version), binary=True).fetchall()
    return fold(CODEC.decode(topic, state) for topic, state in rows)  # type: ignore[misc]  # an order's stream
