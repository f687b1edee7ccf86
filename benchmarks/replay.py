"""Cold replay: from nothing but Postgres to the full state of the account, as `oms replay` folds it."""

import time
import tracemalloc

from msgspec import Struct

from oms.book import Book
from oms.store.codec import decode
from oms.store.scan import scan
from oms.values import AccountId


class Replayed(Struct, frozen=True, kw_only=True):
    """One reading of a whole log."""

    events: int
    seconds: float
    orders_kept: int

    @property
    def rate(self) -> float:
        return self.events / self.seconds


def replay(url: str, account: AccountId) -> Replayed:
    """Read, decode and fold every event of the log into a new book."""
    begun, events = time.perf_counter(), 0  # noqa: TID251  # measuring is this file's job
    book = Book(account)
    for page in scan(url):
        for _, stream, _, topic, state in page:
            book.apply(stream, decode(topic, state))
        events += len(page)
        book.trim()
    took = time.perf_counter() - begun  # noqa: TID251  # as above
    return Replayed(events=events, seconds=took, orders_kept=len(book.orders))


def peak_megabytes(url: str, account: AccountId) -> float:
    """Return the most memory that one replay's Python objects took, in MB; traced, so not to be timed."""
    tracemalloc.start()
    replay(url, account)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6
