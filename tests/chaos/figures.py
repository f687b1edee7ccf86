"""What a run came to, in figures: how often what happened, and how long it took to be ready again."""

from collections import Counter, defaultdict
from pathlib import Path
from statistics import median
from typing import Final

from msgspec import Struct, field

READY_SECONDS_MAX: Final = 3.0
TAKEN_OVER_SECONDS_MAX: Final = 5.0
TICKS: Final = 100  # of `/proc/<pid>/stat`, a second


class Start(Struct, frozen=True):
    """One start of the OMS, from its spawn to its ready line, in seconds.

    `waited`: how long its main thread was ready to run and had no processor, since the machine had other work. So
    `seconds - waited` is what it takes where nothing else runs, and what it waits for is counted, not estimated.
    """

    seconds: float
    cpu: float
    waited: float

    @property
    def quiet(self) -> float:
        return self.seconds - self.waited


def start_of(pid: int, seconds: float) -> Start:
    """Read what a process that has just become ready has cost."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cpu = sum(int(each) for each in fields[11:13]) / TICKS
    return Start(seconds, cpu, waited(pid))


def waited(pid: int) -> float:
    """Return for how many seconds the main thread of a process was kept from a processor so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


class Figures(Struct):
    """Counted while it runs."""

    faults: Counter[str] = field(default_factory=Counter)
    starts: list[Start] = field(default_factory=list)  # after a kill -9 of the OMS
    ready: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # seconds by what happened
    takeovers: list[tuple[float, float]] = field(default_factory=list)  # of a dead leader: seconds, and where quiet
    acknowledged: int = 0
    repeated: int = 0  # orders that were asked for more than once until somebody answered
    events: int = 0

    def lines(self) -> list[str]:
        """Return the figures, for people."""
        counted = ", ".join(f"{count} x {what}" for what, count in sorted(self.faults.items()))
        load = f"{self.acknowledged} orders acknowledged, {self.repeated} of them asked for more than once"
        lines = [f"{sum(self.faults.values())} cycles: {counted}", f"{load}; the log holds {self.events} events"]
        if self.starts:
            for name, of in (
                ("spawn to ready", [each.seconds for each in self.starts]),
                ("less the wait for a processor", [each.quiet for each in self.starts]),
                ("its CPU", [each.cpu for each in self.starts]),
            ):
                lines.append(f"start after kill -9, {name}: {_spread(of)}")
        if self.takeovers:
            lines.append(f"a standby leads after its leader's death: {_spread([each for each, _ in self.takeovers])}")
        lines += [f"ready again after {what}: {_spread(times)}" for what, times in sorted(self.ready.items())]
        return lines

    def slow(self) -> list[str]:
        """Return the bars that were missed, where the wait for a processor is not counted."""
        missed = []
        if self.starts and (middle := median(each.quiet for each in self.starts)) > READY_SECONDS_MAX:
            missed.append(f"ready {middle:.2f} s after a kill -9, at the median: {READY_SECONDS_MAX} s are allowed")
        missed += [
            f"a standby took {quiet:.2f} s to lead: {TAKEN_OVER_SECONDS_MAX} s are allowed"
            for _, quiet in self.takeovers
            if quiet > TAKEN_OVER_SECONDS_MAX
        ]
        return missed


def _spread(seconds: list[float]) -> str:
    return f"median {median(seconds):.2f} s, max {max(seconds):.2f} s ({len(seconds)} times)"
