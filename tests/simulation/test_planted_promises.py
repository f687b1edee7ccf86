"""The simulation finds what breaks a promise, too: see `test_planted_bugs`."""

import pytest

from tests.simulation.promise_bugs import PROMISE_BUGS
from tests.simulation.test_planted_bugs import sought


@pytest.mark.parametrize("name", PROMISE_BUGS)
def test_a_planted_bug_is_found_and_the_product_is_clean_on_the_same_seed(name: str) -> None:
    sought(PROMISE_BUGS[name], every=1)
