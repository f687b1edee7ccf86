"""Five hundred worlds in which everything goes wrong that can, and nothing is ever wrong afterwards."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.run import play, reproduce
from tests.simulation.world import World

CHUNKS = 25
WORLDS = 20  # per chunk
ROOT = Path(__file__).parents[2]
HASHED = """
from tests.simulation.run import play
print(*[outcome.trace for outcome in play(range(1, 9))])
"""


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_invariant_is_ever_violated(chunk: int) -> None:
    first = chunk * WORLDS + 1
    wrong = [
        f"{reproduce(outcome.seed)}\n  " + "\n  ".join(outcome.violations)
        for outcome in play(range(first, first + WORLDS))
        if outcome.violations
    ]
    assert not wrong, "\n".join(wrong)


def test_the_worlds_are_as_bad_as_they_should_be() -> None:
    outcomes = play(range(1, 61))
    faults = sum((outcome.faults for outcome in outcomes), start=Counter[str]())
    for fault in ("answer_lost", "request_lost", "frame_dropped", "frame_duplicated", "frame_reordered", "stale_query"):
        assert faults[fault], fault
    for fault in (
        "log refused",
        "log silent, done",
        "log silent, lost",
        "log silent, late",
        "log slow",
        "log unreadable",
    ):
        assert faults[fault], fault
    assert sum(outcome.crashes for outcome in outcomes) > 20
    assert sum(outcome.overtaken for outcome in outcomes) > 5
    assert sum(outcome.paused for outcome in outcomes) > 5
    assert sum(outcome.stood_by for outcome in outcomes) > 5
    assert sum(outcome.answers["acknowledged"] for outcome in outcomes) > 300
    for answer in ("denied", "duplicate_client_order_id", "gone", "order_closed"):
        assert sum(outcome.answers[answer] for outcome in outcomes), answer


def test_one_seed_is_one_history_to_the_byte() -> None:
    assert World(7).play() == World(7).play()
    assert World(7).play().trace != World(8).play().trace


def test_no_history_hangs_on_the_order_of_a_set() -> None:
    traces = {
        subprocess.run(
            [sys.executable, "-c", HASHED],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "4242")
    }
    assert len(traces) == 1
