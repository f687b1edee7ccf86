"""What a run came to, in figures: how often what happened, and how long it took to be ready again."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Final

from msgspec import Struct, field

KILLED_OMS: Final = "kill -9 of the oms, from the spawn of the next one"
KILLED_POSTGRES: Final = "kill -9 of postgres, from its return"
LEADER_DIED: Final = "death of a leader, until the standby leads"
# Seconds that may pass: at the median, or in every case.
BARS: Final[Mapping[str, tuple[Callable[[Iterable[float]], float], float]]] = {
    KILLED_OMS: (median, 3.0),
    KILLED_POSTGRES: (median, 3.0),
    LEADER_DIED: (max, 5.0),
}
TICKS: Final = 100  # of `/proc/<pid>/stat`, a second


class Took(Struct, frozen=True):
    """How long the OMS took to be ready, in seconds, and how much of that its main thread was ready to run and had no
    processor, since the machine had other work. The kernel counts that; so `quiet` is what it takes where nothing else
    runs, but for what others than the OMS waited.
    """

    seconds: float
    waited: float = 0.0

    @property
    def quiet(self) -> float:
        return self.seconds - self.waited


def waited(pid: int) -> float:
    """Return for how many seconds the main thread of a process had no processor so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def worked(pid: int) -> float:
    """Return the CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(each) for each in fields[11:13]) / TICKS


class Figures(Struct):
    """Counted while it runs."""

    faults: Counter[str] = field(default_factory=Counter)
    ready: dict[str, list[Took]] = field(default_factory=lambda: defaultdict(list))  # by what happened
    cpu: list[float] = field(default_factory=list)  # seconds of each start
    acknowledged: int = 0
    repeated: int = 0  # orders that were asked for more than once until somebody answered
    events: int = 0

    def lines(self) -> list[str]:
        """Return the figures, for people."""
        counted = ", ".join(f"{count} x {what}" for what, count in sorted(self.faults.items()))
        load = f"{self.acknowledged} orders acknowledged, {self.repeated} of them asked for more than once"
        lines = [f"{sum(self.faults.values())} cycles: {counted}", f"{load}; the log holds {self.events} events"]
        if self.cpu:
            lines.append(f"a start costs {_spread(self.cpu)} of CPU")
        for what, times in sorted(self.ready.items()):
            lines.append(f"ready after {what}: {_spread([each.seconds for each in times])}")
            lines.append(f"  less the wait for a processor: {_spread([each.quiet for each in times])}")
        return lines

    def slow(self) -> list[str]:
        """Return the bars that were missed, where the wait for a processor is not counted."""
        missed = []
        for what, (measure, allowed) in BARS.items():
            if what in self.ready and (found := measure(each.quiet for each in self.ready[what])) > allowed:
                missed.append(f"ready {found:.2f} s ({measure.__name__}) after {what}: {allowed} s are allowed")
        return missed


def _spread(seconds: list[float]) -> str:
    return f"median {median(seconds):.2f} s, max {max(seconds):.2f} s ({len(seconds)} times)"
