"""How long this process has known of something, by the monotonic clock: every other clock may step, and what an earlier
process noted by its own proves nothing about how long ago it was.
"""

from collections.abc import Collection

from oms.ports import Clock

Key = tuple[str, str | int]


class Elapsed:
    """Counts for each thing from when it was first asked about."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[Key, float] = {}
        self._marked: dict[Key, float] = {}

    def seconds(self, key: Key) -> float:
        """Return for how long `key` has been asked about."""
        now = self._clock.monotonic()
        return now - self._since.setdefault(key, now)

    def mark(self, key: Key) -> None:
        """Remember for how long `key` has been asked about now: what is asked next is as good as that."""
        self._marked[key] = self.seconds(key)

    def marked(self, key: Key) -> float:
        """Return for how long `key` had been asked about when it was marked last; 0: never."""
        return self._marked.get(key, 0.0)

    def keep(self, keys: Collection[Key]) -> None:
        """Forget all but `keys`."""
        self._since = {key: since for key, since in self._since.items() if key in keys}
        self._marked = {key: marked for key, marked in self._marked.items() if key in keys}
