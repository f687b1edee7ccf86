"""Lists that are longer than one answer: in some worlds the venue lists few rows, and an answer is made of few lists.

Both bounds are facts of the venue and of its adapter, and knobs of nobody: while a world that has others is played, the
adapter believes in those.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from random import Random  # noqa: TID251 - the simulation's chance comes from its seed
from typing import Final, NamedTuple
from unittest.mock import patch

from adapters.bitmart import answers
from adapters.bitmart.perp import queries
from adapters.bitmart.spot import requests

SHORT_RATE: Final = 0.15  # worlds with such bounds
ROWS: Final = (6, 8, 12)
CALLS: Final = (20, 24, 32)  # enough to halve some minutes down to a millisecond, and read on from there


class Lengths(NamedTuple):
    """How many rows one list has at most, and how many lists one answer is made of."""

    rows: int
    calls: int


class Kept(NamedTuple):
    """What a market of the venue keeps of us: when trades happened and orders came, in UTC ms, and how many orders are
    open; and by which unit of time its lists are asked for.
    """

    traded_ms: Iterable[int]
    placed_ms: Iterable[int]
    open: int = 0
    unit_ms: int = 1

    def crowded(self, rows: int) -> bool:
        """Whether a list cannot be read to its end, by however many calls: what is asked for at least, an instant and
        the next, has as many rows as an answer, so that nobody can tell whether there are more. Or whether it takes
        more calls than an answer is made of: what is open is looked for from years ago on, however short the world was.
        """
        return max(self.open, self._most(self.traded_ms), self._most(self.placed_ms)) >= rows

    def _most(self, times_ms: Iterable[int]) -> int:
        held = Counter(at_ms // self.unit_ms for at_ms in times_ms)
        return max((count + held[instant + 1] for instant, count in list(held.items())), default=0)


def lengths_of(dice: Random) -> Lengths | None:
    """Return the bounds of a world, None for those of BitMart."""
    short, drawn = dice.random() < SHORT_RATE, Lengths(dice.choice(ROWS), dice.choice(CALLS))
    return drawn if short else None


@contextmanager
def bounded(lengths: Lengths | None) -> Iterator[None]:
    """Let the adapter know of these bounds."""
    if lengths is None:
        yield
        return
    rows, calls = lengths
    with (
        patch.object(requests, "ROWS_MAX", rows),
        patch.object(queries, "ROWS_MAX", rows),
        patch.object(answers, "CALLS_MAX", calls),
    ):
        yield
