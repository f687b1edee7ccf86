"""Cold replay: from nothing but Postgres to the full state of every account, by the code that `oms replay` runs, and
as it runs: in a process that did nothing before.

    python benchmarks/replay.py URL [--memory]
"""

import subprocess
import sys
import time
import tracemalloc

import msgspec
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


def cold(url: str) -> Replayed:
    """Read, decode and fold every event of the log, in a new process."""
    return msgspec.json.decode(_asked(url), type=Replayed)


def peak_megabytes(url: str) -> float:
    """Return the most memory that one replay's Python objects took, in MB; traced, so not to be timed."""
    return float(_asked(url, "--memory"))


def _asked(*arguments: str) -> bytes:
    return subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE).stdout


def _replay(url: str) -> Replayed:
    pages: list[int] = []
    begun = time.perf_counter()  # noqa: TID251  # measuring is this file's job
    books = fold_log(url, seen=pages.append)
    took = time.perf_counter() - begun  # noqa: TID251  # as above
    return Replayed(events=sum(pages), seconds=took, orders_kept=sum(len(book.orders) for book in books.values()))


def _traced(url: str) -> float:
    tracemalloc.start()
    _replay(url)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6


if __name__ == "__main__":
    if "--memory" in sys.argv:
        print(_traced(sys.argv[1]))
    else:
        print(msgspec.json.encode(_replay(sys.argv[1])).decode())
