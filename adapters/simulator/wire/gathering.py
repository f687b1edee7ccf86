"""What waits to be pushed: what happened at once is told in one frame, and may wait for more (PROTOCOL 9.34)."""

from typing import Generic, TypeVar

from adapters.simulator.wire.house import House

E = TypeVar("E")


class Gathering(Generic[E]):
    """Events until they are pushed: with the next flush, or with all that follow within `Settings.gather_ms`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._events: list[E] = []
        self._due_ms: int | None = None

    def add(self, event: E) -> None:
        """Take one event. Bounded by what the calls of one wait can cause."""
        self._events.append(event)

    def due(self, now_ms: int) -> list[E]:
        """Return what is to be pushed now, in order."""
        low, high = self._house.settings.gather_ms
        if high and self._events:
            if self._due_ms is None:
                self._due_ms = now_ms + self._house.faults.between(low, high)
            if 0 < self._due_ms - now_ms <= high:  # a clock that is set back keeps nothing back
                return []
        self._due_ms = None
        events, self._events = self._events, []
        return events
