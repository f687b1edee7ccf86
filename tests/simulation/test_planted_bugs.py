"""The simulation finds what it is there to find."""

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.world import World

SEEDS_MAX = 2_000  # the promise; the bugs below are found within a few dozen


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found_and_the_product_is_clean_on_the_same_seed(name: str) -> None:
    planted = BUGS[name]
    for seed in range(1, SEEDS_MAX + 1):
        found = World(seed, planted.parts).play().violations
        if found:
            break
    else:
        pytest.fail(f"{SEEDS_MAX} seeds did not find: {name}")
    assert planted.noticed_by & {violation.partition(" ")[0] for violation in found}, found
    assert not World(seed).play().violations
