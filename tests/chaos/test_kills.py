"""Fifty kills of the OMS and ten of Postgres under load, with a past of 100,000 events to come back to."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.figures import KILLED_OMS, KILLED_POSTGRES
from tests.chaos.run import Run

EVENTS: Final = 100_000
OMS_KILLS: Final = 50
POSTGRES_KILLS: Final = 10
# The last kills are of Postgres: they leave few orders in doubt, whose absence takes a minute to prove.
KINDS: Final = [
    *(["kill -9 of the oms"] * 10 + ["kill -9 of postgres"]) * 5,
    *["kill -9 of postgres"] * 5,
]
SEED: Final = 5


@pytest.mark.postgres
@pytest.mark.proof
@pytest.mark.timeout(900)
async def test_no_kill_loses_or_doubles_an_order_and_the_oms_is_ready_again_within_three_seconds(
    tmp_path: Path,
) -> None:
    assert (KINDS.count("kill -9 of the oms"), KINDS.count("kill -9 of postgres")) == (OMS_KILLS, POSTGRES_KILLS)
    async with AsyncExitStack() as stack:
        run = Run(tmp_path, SEED)
        await run.open(stack, events=EVENTS)
        wrong = await run.play(KINDS)
    print("\n".join(run.figures.lines()))
    assert not wrong
    assert not run.figures.slow()
    assert len(run.figures.ready[KILLED_OMS]) == OMS_KILLS
    assert len(run.figures.ready[KILLED_POSTGRES]) == POSTGRES_KILLS
    assert run.figures.events > EVENTS
    assert run.figures.acknowledged > len(KINDS)  # there was load
