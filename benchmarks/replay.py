"""Cold replay: from nothing but Postgres to the full state of every account, by the code that `oms replay` runs."""

import time
import tracemalloc

from msgspec import Struct

from oms.replay import fold_log


class Replayed(Struct, frozen=True, kw_only=True):
    """One reading of a whole log."""

    events: int
    seconds: float
    orders_kept: int

    @property
    def rate(self) -> float:
        return self.events / self.seconds


def replay(url: str) -> Replayed:
    """Read, decode and fold every event of the log."""
    pages: list[int] = []
    begun = time.perf_counter()  # noqa: TID251  # measuring is this file's job
    books = fold_log(url, seen=pages.append)
    took = time.perf_counter() - begun  # noqa: TID251  # as above
    return Replayed(events=sum(pages), seconds=took, orders_kept=sum(len(book.orders) for book in books.values()))


def peak_megabytes(url: str) -> float:
    """Return the most memory that one replay's Python objects took, in MB; traced, so not to be timed."""
    tracemalloc.start()
    replay(url)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6
