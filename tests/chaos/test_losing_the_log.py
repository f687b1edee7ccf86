"""The log is lost with orders on their way: sending stops within two seconds, and work resumes by itself."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final

import pytest

import oms
from oms.client import Client, ClientError
from tests.chaos.load import PERPETUAL, RESTING, SPOT
from tests.chaos.run import Run
from tests.chaos.stage import READY_SECONDS, Stage

STOPPED_SECONDS: Final = 2.0
AWAY_SECONDS: Final = 7.0  # the venue's rate limit holds an order for five at most
BURST: Final = 60  # orders on each market: the venue takes twenty of one and twelve of the other in a second

Loss = Callable[[Stage], Awaitable[None]]


async def stalled(stage: Stage) -> None:
    stage.proxy.stall()


async def unreachable(stage: Stage) -> None:
    stage.proxy.down = True
    stage.proxy.cut()


async def killed(stage: Stage) -> None:
    os.kill(stage.postmaster, signal.SIGKILL)


async def back(stage: Stage) -> None:
    if stage.proxy.down or not stage.proxy.flowing:
        stage.proxy.down = False
        stage.proxy.flow()
    else:
        await stage.revive_postgres()


@pytest.mark.postgres
@pytest.mark.timeout(300)
@pytest.mark.parametrize("lose", [stalled, unreachable, killed])
async def test_no_new_order_reaches_the_venue_later_than_two_seconds_after_the_log_was_lost(
    lose: Loss, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        run = Run(tmp_path, seed=1)
        stage = run.stage
        await run.open(stack, events=0)
        async with oms.connect(stage.gateway, token=stage.token, timeout=2.0) as client:
            await asyncio.gather(*(burst(client, f"b{n}x", order) for n, order in enumerate(RESTING)))
            await lose(stage)
            lost_ms = now_ms()
            stored = await until_refused(client)
            await asyncio.sleep(AWAY_SECONDS)
            orders = (await stage.truth()).orders
            after = sorted(order.created_ms - lost_ms for order in orders if order.created_ms > lost_ms)
            print(f"{len(orders)} of {2 * BURST} sent, {len(after)} after the loss, the last {after[-1:]} ms after it")
            assert len(orders) < 2 * BURST, "nothing waited: there was nothing to stop"
            assert all(each <= STOPPED_SECONDS * 1000 for each in after)
            await back(stage)
            await stage.until_ready()
            await again(client)
        run.strategy.acknowledged |= {
            "again",
            *stored,
            *(f"b{n}x{m}" for n in range(len(RESTING)) for m in range(BURST)),
        }
        assert not await run.settled()


async def burst(client: Client, name: str, order: dict[str, Any]) -> None:
    """Place so many orders at once; return when all are acknowledged."""
    await asyncio.gather(*(client.place(**order, client_order_id=f"{name}{number}") for number in range(BURST)))


async def until_refused(client: Client) -> set[str]:
    """Place orders until one is not acknowledged; return those that were: a server that dies may still store one."""
    stored: set[str] = set()
    async with asyncio.timeout(READY_SECONDS):
        with suppress(ClientError):
            while True:
                name = f"away{len(stored)}"
                await client.place(**SPOT, side="buy", type="market", notional="20", client_order_id=name)
                stored.add(name)
    return stored


async def again(client: Client) -> None:
    """Place an order until it is acknowledged."""
    async with asyncio.timeout(READY_SECONDS):
        while True:
            with suppress(ClientError):
                await client.place(**PERPETUAL, side="buy", type="market", client_order_id="again")
                return


def now_ms() -> int:
    return time.time_ns() // 1_000_000  # noqa: TID251 - the exchange's clock is the machine's
