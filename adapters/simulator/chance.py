"""Randomness of the simulated world: always from a seed, so that a run can be had again."""

import random  # noqa: TID251 -- the one place of the simulator where chance is made, and it is made from a seed
from typing import Protocol


class Chance(Protocol):
    """What the simulator draws from."""

    def random(self) -> float: ...
    def randint(self, low: int, high: int, /) -> int: ...
    def gauss(self, mean: float, deviation: float, /) -> float: ...


def chance(seed: int, purpose: str) -> Chance:
    """Return a generator of its own for `purpose`, so that drawing for one thing does not shift another."""
    return random.Random(f"{seed}/{purpose}")  # noqa: S311 -- a simulation wants to be predictable
