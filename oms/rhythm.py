"""How often one order is asked for: at every round while it is news, seldom once that was in vain for a while.

What was accepted may be unknown to queries for some seconds; whatever comes later than that, the stream tells or a look
every few seconds finds. A doubt lasts for a minute and more where the venue may execute so late: to ask for it twice a
second until then would use up what the account may ask for.
"""

from collections.abc import Collection, Sequence
from typing import Final

from oms.ports import Clock

NEWS_SECONDS: Final = 10.0  # for so long queries may not know what was accepted (PROTOCOL 9.1 of BitMart)
SELDOM_SECONDS: Final = 2.0

Key = tuple[str, int]  # an order's stream and version: what changed is news again


class Rhythm:
    """Whose turn it is to be asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[Key, float] = {}
        self._next: dict[Key, float] = {}

    def due(self, orders: Collection[Key]) -> Sequence[Key]:
        """Return which of `orders` are to be asked for now, first whoever waits longest. The others are forgotten."""
        now = self._clock.monotonic()
        self._since = {key: self._since.get(key, now) for key in orders}
        self._next = {key: self._next.get(key, float("-inf")) for key in orders}
        return sorted((key for key in orders if self._next[key] <= now), key=self._next.__getitem__)

    def asked(self, key: Key, *, answered: bool) -> None:
        """Note that one that was due had its turn. Whom nobody could ask for comes with the next round."""
        now = self._clock.monotonic()
        seldom = answered and now - self._since[key] >= NEWS_SECONDS
        self._next[key] = now + (SELDOM_SECONDS if seldom else 0.0)
