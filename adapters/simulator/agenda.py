"""Work that the simulated venue does later: a hidden order shows, a late frame leaves, a held-up request arrives."""

from collections.abc import Callable
from heapq import heappop, heappush

Work = Callable[[int], None]


class Agenda:
    """Runs work in the order of its time. Time is whatever `due` says; it never goes back."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, Work]] = []
        self._number = 0
        self.now_ms = 0

    def later(self, delay_ms: int, work: Work) -> None:
        """Have `work` done `delay_ms` from now; it is called with the venue's clock."""
        self._number += 1
        heappush(self._waiting, (self.now_ms + delay_ms, self._number, work))

    def __len__(self) -> int:
        """How much waits."""
        return len(self._waiting)

    def due(self, now_ms: int, venue_ms: int) -> None:
        """Do what is due by `now_ms`."""
        self.now_ms = max(self.now_ms, now_ms)
        while self._waiting and self._waiting[0][0] <= self.now_ms:
            _, _, work = heappop(self._waiting)
            work(venue_ms)
