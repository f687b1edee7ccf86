"""Play many worlds and say what happened in them: `make simulate SEEDS=10000 FROM=1`.

Exit status 1 and the seeds to reproduce if anything was ever wrong.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final

import structlog

from adapters.simulator.faults import DEFAULT_RATES
from tests.simulation.storage import RATES
from tests.simulation.world import Outcome, World

CHUNK: Final = 10  # worlds that one worker plays in a row
SHOWN_MAX: Final = 20  # failing seeds told in full
SHRUNK_MAX: Final = 3  # of which this many are shrunk: each takes as long as fifty worlds
TOLD_MAX: Final = 300  # characters of one line of a trace
ACTORS: Final = ("crash", "overtake", "hand", "halt")  # who else can be left out of a world
SEEDS_MAX: Final = 10_000_000
CRITICAL: Final = 50


def quiet() -> None:
    """Keep what the OMS logs out of what is told."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(CRITICAL))


def play(seeds: Sequence[int]) -> list[Outcome]:
    """Play the worlds of `seeds`, quietly."""
    quiet()
    return [World(seed).play() for seed in seeds]


def reproduce(seed: int) -> str:
    """Return the command that plays one seed again."""
    return f"make simulate SEEDS=1 FROM={seed}"


def shrunk(outcome: Outcome) -> Iterator[str]:
    """Yield what is left of a failing world once everything is gone that it does not need, and what happened last."""
    invariants = {violation.partition(" ")[0] for violation in outcome.violations}

    def fails(without: set[str]) -> World | None:
        world = World(outcome.seed, without=without)
        found = {violation.partition(" ")[0] for violation in world.play().violations}
        return world if found & invariants else None

    without: set[str] = set()
    smallest = fails(without)
    for part in (*ACTORS, *RATES, *DEFAULT_RATES):
        smaller = fails(without | {part})
        if smaller is not None:
            without.add(part)
            smallest = smaller
    needed = [part for part in (*ACTORS, *RATES, *DEFAULT_RATES) if part not in without]
    yield f"it needs only: {', '.join(needed) or 'nothing'}; the last that happened:"
    if smallest is not None:
        yield from (f"  {note[:TOLD_MAX]}" for note in smallest.notes)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="how many worlds")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first seed")
    asked = parser.parse_args(arguments)
    quiet()
    if not 0 < asked.seeds <= SEEDS_MAX:
        parser.error(f"--seeds is between 1 and {SEEDS_MAX}")
    started = time.perf_counter()  # noqa: TID251 - how long it took on this machine
    tally = Tally()
    for outcome in _outcomes(range(asked.first, asked.first + asked.seeds)):
        tally.take(outcome)
        if tally.worlds % 100 == 0:
            print(f"{tally.worlds} of {asked.seeds} worlds", file=sys.stderr)
    tally.tell(time.perf_counter() - started)  # noqa: TID251 - as above
    return 1 if tally.failed else 0


def _outcomes(seeds: range) -> Iterator[Outcome]:
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    if len(chunks) == 1:
        yield from play(chunks[0])
        return
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as workers:
        for outcomes in workers.map(play, chunks):
            yield from outcomes


class Tally:
    """What all worlds together went through."""

    def __init__(self) -> None:
        self.worlds = 0
        self.failed = 0
        self._counts: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._seconds = 0.0
        self._slowest = 0.0

    def take(self, outcome: Outcome) -> None:
        """Count one world; tell at once if something was wrong in it."""
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
        if not outcome.violations:
            return
        self.failed += 1
        if self.failed <= SHOWN_MAX:
            print(f"seed {outcome.seed} ({reproduce(outcome.seed)}):")
            for violation in outcome.violations:
                print(f"  {violation}")
        if self.failed <= SHRUNK_MAX:
            for line in shrunk(outcome):
                print(f"  {line}")

    def tell(self, took: float) -> None:
        """Print the sum of it."""
        counts = self._counts
        print(
            f"{self.worlds} worlds, {self.failed} with violations; {took:.1f} s, {self.worlds / took:.1f} worlds/s, "
            f"{self._seconds / took:.0f} x real time"
        )
        print(
            f"{counts['events']} events, {counts['steps']} scheduling steps, {counts['crashes']} crashes, "
            f"{counts['takeovers']} take-overs by force, {counts['pauses']} pauses, {counts['standbys']} standbys, "
            f"at rest {self._slowest:.0f} s after the last fault at the latest"
        )
        print(f"faults: {_listed(self._faults)}")
        print(f"answers: {_listed(self._answers)}")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common() if count)


if __name__ == "__main__":
    sys.exit(main())
