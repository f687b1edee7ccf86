"""Play many worlds and say what happened in them: `make simulate SEEDS=10000 FROM=1 WORKERS=2`.

Every slice of the seeds ends with its row of counts and the seed to go on from, so that a run may be broken off.
Exit status 1 and the seeds to reproduce if anything was ever wrong.
"""

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final

import structlog

from adapters.simulator.faults import DEFAULT_RATES
from tests.simulation.storage import RATES as LOG_RATES
from tests.simulation.tables import RATES as TABLE_RATES
from tests.simulation.tally import Tally
from tests.simulation.world import Outcome, World

CHUNK: Final = 25  # worlds that one worker plays in a row
COLLECTED: Final = 4  # worlds after which their garbage is collected
SLICE: Final = 5_000  # worlds after which the counts are told
SHOWN_MAX: Final = 20  # failing seeds told in full
SHRUNK_MAX: Final = 3  # of which this many are shrunk: each takes as long as a hundred worlds
TOLD_MAX: Final = 300  # characters of one line of a trace
ACTORS: Final = (
    "crash",
    "overtake",
    "before",
    "money",
    "claim",
    "hand",
    "meeting",
    "halt",
    "wall clock",
    "lasting",
    "short lists",
)  # who else can be left out of a world
PARTS: Final = (*ACTORS, *LOG_RATES, *TABLE_RATES, *DEFAULT_RATES)
SEEDS_MAX: Final = 10_000_000
WORKERS_MAX: Final = 256
CRITICAL: Final = 50


def quiet() -> None:
    """Keep what the OMS logs out of what is told."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(CRITICAL))


def play(seeds: Sequence[int]) -> list[Outcome]:
    """Play the worlds of `seeds`, quietly.

    Garbage is collected between worlds and never within one: what it unwinds would be part of a history, and when it
    runs depends on everything that ran before. After every single one: memory that is used again is still near the
    core, which saves more than the collection costs, as what is no world's is not looked through each time.
    """
    quiet()
    outcomes: list[Outcome] = []
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        for number, seed in enumerate(seeds):
            if number % COLLECTED == 0:
                gc.collect()
            outcomes.append(World(seed).play())
    finally:
        gc.enable()
        gc.unfreeze()
    return outcomes


def timed(seeds: Sequence[int]) -> tuple[list[Outcome], float]:
    """Play the worlds of `seeds`; return the seconds of CPU, too."""
    started = time.process_time()
    return play(seeds), time.process_time() - started


def reproduce(seed: int) -> str:
    """Return the command that plays one seed again."""
    return f"make simulate SEEDS=1 FROM={seed}"


def wrongs(seeds: Sequence[int]) -> str:
    """Play the worlds of `seeds`; return what was wrong in them, each with its command; nothing if nothing was."""
    return "\n".join(
        f"{reproduce(outcome.seed)}\n  " + "\n  ".join(outcome.violations)
        for outcome in play(seeds)
        if outcome.violations
    )


def shrunk(outcome: Outcome, again: Callable[..., World] = World) -> Iterator[str]:
    """Yield what is left of a failing world once everything is gone that it does not need, and what happened last;
    `again` makes its world.
    """
    invariants = {violation.partition(" ")[0] for violation in outcome.violations}

    def fails(without: set[str]) -> World | None:
        world = again(outcome.seed, without=without)
        found = {violation.partition(" ")[0] for violation in world.play().violations}
        return world if found & invariants else None

    without: set[str] = set()
    smallest = fails(without)
    before = -1
    while before < len(without):  # what one part needed may be needless once another is gone
        before = len(without)
        for part in PARTS:
            smaller = None if part in without else fails(without | {part})
            if smaller is not None:
                without.add(part)
                smallest = smaller
    needed = [part for part in PARTS if part not in without]
    yield f"it needs only: {', '.join(needed) or 'nothing'}; the last that happened:"
    if smallest is not None:
        for seconds, what, details in smallest.notes:
            yield f"  {seconds:9.3f} {what} {' '.join(map(str, details))}"[:TOLD_MAX]


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="how many worlds")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first seed")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes, one for each core if not said")
    asked = parser.parse_args(arguments)
    quiet()
    if not 0 < asked.seeds <= SEEDS_MAX:
        parser.error(f"--seeds is between 1 and {SEEDS_MAX}")
    if not 0 < asked.workers <= WORKERS_MAX:
        parser.error(f"--workers is between 1 and {WORKERS_MAX}")
    seeds = range(asked.first, asked.first + asked.seeds)
    total = Tally(asked.first)
    for each in _slices(seeds, asked.workers, total):
        if len(seeds) > SLICE:
            print(f"{each.row} go on with FROM={total.following}", flush=True)
    print(total.story())
    return 1 if total.failed else 0


def _slices(seeds: range, workers: int, total: Tally) -> Iterator[Tally]:
    """Play all seeds; yield the tally of each slice once it is in `total`. Failures are told as they come."""
    tally = Tally(seeds.start)
    for outcomes, cpu_seconds in _chunks(seeds, workers):
        tally.cpu_seconds += cpu_seconds
        for outcome in outcomes:
            tally.take(outcome)
            if outcome.violations:
                _tell(outcome, len(total.failed) + len(tally.failed))
        if tally.worlds >= SLICE or total.worlds + tally.worlds == len(seeds):
            total.add(tally)
            yield tally
            tally = Tally(total.following)


def _chunks(seeds: range, workers: int) -> Iterator[tuple[list[Outcome], float]]:
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    if workers == 1 or len(chunks) == 1:
        yield from map(timed, chunks)
        return
    with ProcessPoolExecutor(max_workers=workers) as pool:
        yield from pool.map(timed, chunks)


def _tell(outcome: Outcome, failed: int) -> None:
    """Tell what was wrong in a world, the `failed`th of its kind."""
    if failed <= SHOWN_MAX:
        print(f"seed {outcome.seed} ({reproduce(outcome.seed)}):")
        for violation in outcome.violations:
            print(f"  {violation}")
    if failed <= SHRUNK_MAX:
        for line in shrunk(outcome):
            print(f"  {line}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
