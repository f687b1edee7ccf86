"""The wall clocks of our machines: in some worlds somebody sets them wrong by minutes, and right again, at any moment
and between two processes. Nobody sets the monotonic ones.
"""

import asyncio
from collections import Counter
from random import Random  # noqa: TID251 - the simulation's chance comes from its seed
from typing import Final

from tests.simulation.running import Gap, WorldClock

WRONG_RATE: Final = 1 / 6  # worlds in which clocks are set
RIGHT_RATE: Final = 0.3  # of what they are set to
AHEAD_NS: Final = 300_000_000_000
EVERY_SECONDS: Final = (0.5, 5.0)


class WallClock(WorldClock):
    """What a process takes for the time."""

    ahead_ns = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.ahead_ns


class Walls:
    """One clock for each process: the next one may run on another machine. `fired` counts how often one was set."""

    def __init__(self, chance: Random, epoch_ns: int, gap: Gap, *, wrong: bool) -> None:
        self.fired = Counter[str]()
        self._chance = chance
        self._epoch_ns, self._gap = epoch_ns, gap
        self._wrong = wrong and chance.random() < WRONG_RATE
        self._clocks: list[WallClock] = []

    def another(self) -> WallClock:
        """Return the clock of a process that starts."""
        clock = WallClock(self._epoch_ns, self._gap)
        self._clocks.append(clock)
        if self._wrong:
            self._set(clock)
        return clock

    async def step(self, seconds: float) -> None:
        """Set clocks for so long."""
        until = asyncio.get_running_loop().time() + seconds
        while self._wrong and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(self._chance.uniform(*EVERY_SECONDS))
            for clock in self._clocks:
                self._set(clock)

    def _set(self, clock: WallClock) -> None:
        self.fired["wall clock"] += 1
        right = self._chance.random() < RIGHT_RATE
        clock.ahead_ns = 0 if right else self._chance.randint(-AHEAD_NS, AHEAD_NS)
