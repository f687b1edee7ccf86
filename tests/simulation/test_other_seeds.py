"""The second thousand worlds: see `test_seeds`."""

import pytest

from tests.simulation.run import wrongs

CHUNK = 50


@pytest.mark.parametrize("first", range(1001, 2001, CHUNK))
def test_no_invariant_is_ever_violated(first: int) -> None:
    assert wrongs(range(first, first + CHUNK)) == ""
