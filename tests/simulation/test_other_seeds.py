"""The worlds that follow those of `test_seeds`, to two thousand in all."""

import pytest

from tests.simulation.run import wrongs

pytestmark = pytest.mark.proof
CHUNK = 50


@pytest.mark.parametrize("first", range(501, 2001, CHUNK))
def test_no_invariant_is_ever_violated(first: int) -> None:
    assert wrongs(range(first, first + CHUNK)) == ""
