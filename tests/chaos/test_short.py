"""A few cycles of `make chaos`: enough to see that it runs, and that nothing is lost in them."""

import pytest

from tests.chaos.run import play

CYCLES = 3
SEED = 5


@pytest.mark.postgres
@pytest.mark.timeout(400)
async def test_a_few_cycles_of_kills_and_cuts_lose_nothing_and_double_nothing() -> None:
    assert await play(CYCLES, SEED) == 0
