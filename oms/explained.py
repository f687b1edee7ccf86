"""Which of some suspects explain a difference together."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TypeVar

T = TypeVar("T")


def combined(suspects: Sequence[T], most: int) -> Iterator[tuple[T, ...]]:
    """Yield what may explain it: the fewest of the first `most`, then all of them, as an order that swept a market, and
    what is paid in every market, come at once.
    """
    first = suspects[:most]
    for count in range(1, len(first) + 1):
        yield from combinations(first, count)
    if len(suspects) > most:
        yield tuple(suspects)
