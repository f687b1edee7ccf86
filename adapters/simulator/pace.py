"""Steps a simulator as time goes by, on whatever loop and clock it runs."""

import asyncio
from typing import Final

from adapters.simulator.simulator import Simulator
from oms.ports import Clock

STEP_SECONDS: Final = 0.05


def now_ms(clock: Clock) -> int:
    """UTC milliseconds by `clock`."""
    return clock.now_ns() // 1_000_000


async def keep_stepping(simulator: Simulator, clock: Clock, *, seconds: float = STEP_SECONDS) -> None:
    """Step `simulator` every `seconds` until canceled."""
    while True:
        simulator.step(now_ms(clock))
        await asyncio.sleep(seconds)
