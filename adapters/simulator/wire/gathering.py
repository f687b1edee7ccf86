"""What waits to be pushed: what happened at once is told in one frame, and may wait for more (PROTOCOL 9.34)."""

from typing import Final, Generic, TypeVar

from adapters.simulator.wire.house import House

JOINED_MS: Final = 500  # the longest that the fault holds a push back for others
E = TypeVar("E")


class Gathering(Generic[E]):
    """Events until they are pushed: with the next flush, or with all that follow within `Settings.gather_ms`, or until
    the fault `frames_joined` lets them go.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._events: list[E] = []
        self._since_ms: int | None = None
        self._wait_ms = 0

    def add(self, event: E) -> None:
        """Take one event. Bounded by what the calls of one wait can cause."""
        self._events.append(event)

    def due(self, now_ms: int) -> list[E]:
        """Return what is to be pushed now, in order."""
        if not self._events:
            return []
        if self._since_ms is None:
            self._since_ms, self._wait_ms = now_ms, self._patience_ms()
        if 0 <= now_ms - self._since_ms < self._wait_ms:  # a clock that is set back keeps nothing back
            return []
        events, self._events, self._since_ms = self._events, [], None
        return events

    def _patience_ms(self) -> int:
        low, high = self._house.settings.gather_ms
        faults = self._house.faults
        gathered_ms = faults.between(low, high) if high else 0
        return max(gathered_ms, faults.between(1, JOINED_MS)) if faults.fires("frames_joined") else gathered_ms
