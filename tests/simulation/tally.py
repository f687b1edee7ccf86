"""What many worlds together went through, told so that it can be copied into docs/runs.md."""

import subprocess
from collections import Counter
from pathlib import Path
from typing import Final

from tests.simulation.world import Outcome

ROOT: Final = Path(__file__).parents[2]
AMBIGUOUS: Final = ("log answer lost", "log request lost", "log silent, done", "log silent, lost", "log silent, late")
COLUMNS: Final = (
    "commit",
    "seeds",
    "violations",
    "events",
    "steps",
    "crashes",
    "take-overs",
    "pauses",
    "standbys",
    "ambiguous commits",
    "faults",
    "virtual days",
    "CPU hours",
)
SECONDS_PER_HOUR: Final = 3_600
SECONDS_PER_DAY: Final = 86_400


class Tally:
    """Counts of the worlds from seed `first` on."""

    def __init__(self, first: int) -> None:
        self.worlds = 0
        self.failed: list[int] = []  # seeds
        self.cpu_seconds = 0.0
        self._first = first
        self._counts: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._seconds = 0.0
        self._slowest = 0.0

    def take(self, outcome: Outcome) -> None:
        """Count one world."""
        self.worlds += 1
        self._counts.update(
            crashes=outcome.crashes,
            takeovers=outcome.overtaken,
            pauses=outcome.paused,
            standbys=outcome.stood_by,
            events=outcome.events,
            steps=outcome.steps,
        )
        self._faults.update(outcome.faults)
        self._answers.update(outcome.answers)
        self._seconds += outcome.seconds
        self._slowest = max(self._slowest, outcome.settled_after)
        if outcome.violations:
            self.failed.append(outcome.seed)

    def add(self, other: "Tally") -> None:
        """Count what another tally counted."""
        self.worlds += other.worlds
        self.failed += other.failed
        self.cpu_seconds += other.cpu_seconds
        self._counts += other._counts
        self._faults += other._faults
        self._answers += other._answers
        self._seconds += other._seconds
        self._slowest = max(self._slowest, other._slowest)

    @property
    def following(self) -> int:
        """The seed to go on from."""
        return self._first + self.worlds

    @property
    def row(self) -> str:
        """The row of the table."""
        counts = self._counts
        return _row(
            commit(),
            f"{self._first:,} to {self._first + self.worlds - 1:,}",
            f"{len(self.failed):,}",
            f"{counts['events']:,}",
            f"{counts['steps']:,}",
            f"{counts['crashes']:,}",
            f"{counts['takeovers']:,}",
            f"{counts['pauses']:,}",
            f"{counts['standbys']:,}",
            f"{sum(self._faults[name] for name in AMBIGUOUS):,}",
            f"{sum(self._faults.values()):,}",
            f"{self._seconds / SECONDS_PER_DAY:,.1f}",
            f"{self.cpu_seconds / SECONDS_PER_HOUR:.2f}",
        )

    def story(self) -> str:
        """Return everything, for people and for the page."""
        failed = f"; make simulate SEEDS=1 FROM= each of {self.failed}" if self.failed else ""
        return "\n".join(
            (
                f"{self.worlds} worlds, {len(self.failed)} with violations{failed}",
                f"{self.cpu_seconds:.0f} s of CPU, {self.worlds / max(self.cpu_seconds, 0.001):.1f} worlds each second",
                f"at rest {self._slowest:.0f} s after the last fault at the latest",
                f"faults: {_listed(self._faults)}",
                f"answers: {_listed(self._answers)}",
                "",
                _row(*COLUMNS),
                _row(*("---" for _ in COLUMNS)),
                self.row,
            )
        )


def commit() -> str:
    """Return which state of the project is played; with a plus where files differ from that commit."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common() if count)
