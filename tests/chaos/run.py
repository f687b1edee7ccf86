"""`make chaos CYCLES=50`: real processes under load, killed, cut off and stopped; in the end all equals the exchange.

Each cycle does one thing (`faults.py`) while a strategy places and cancels on both markets, and asks again with the
same ids until it is answered. Exit status 1 if an acknowledged order is lost, one is doubled, or anything differs.
"""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from math import inf
from pathlib import Path
from random import Random  # noqa: TID251 - what happens comes from a seed
from typing import Final

import oms
from oms.client import Client
from oms.gateway.views import OrderView
from oms.values import AccountId
from tests.chaos.disk import Disk, small_disk
from tests.chaos.faults import Faults
from tests.chaos.figures import Figures
from tests.chaos.history import write_past
from tests.chaos.judge import Shown, doubled, lost, unequal
from tests.chaos.load import Strategy
from tests.chaos.stage import Stage, now

SETTLED_SECONDS: Final = 300.0  # a minute and ten seconds of them prove an absence
LAST_SECONDS: Final = 1.0  # of undisturbed work at the end
NO_DISK: Final = "NOT DONE: the full disk. No disk can be mounted here: run as root where that is allowed"


class Run:
    """One run, from an empty database to the comparison with the exchange."""

    def __init__(self, folder: Path, seed: int, disk: Disk | None = None) -> None:
        self.figures = Figures()
        self._dice = Random(seed)
        self._disk = disk
        self.stage = Stage(folder, self.figures)
        self.strategy = Strategy(self.stage, Random(seed + 1))
        self.faults = Faults(self.stage, self.strategy, self._dice, disk)

    async def open(self, stack: AsyncExitStack, *, events: int) -> None:
        """Start everything, with a log of at least so many `events`."""
        await self.stage.open(stack)
        if self._disk is not None:
            with self.stage.operator() as operator:
                self._disk.hold_the_log(operator)
        await self.stage.up()
        if events:
            await self.stage.stop()
            await write_past(self.stage.database, AccountId("main"), events)
            await self.stage.up()
        await self.stage.until_ready()
        self.figures.ready.clear()  # those were no restarts
        self.figures.cpu.clear()

    async def play(self, kinds: Sequence[str], *, seconds: float = inf) -> list[str]:
        """Let `kinds` happen under load, one after the other, none begun after so many seconds; return what is wrong in
        the end.
        """
        over, until = asyncio.Event(), now() + seconds
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.strategy.trade(over))
            for number, kind in enumerate(kinds, 1):
                if now() > until:
                    break
                await self.faults.befall(kind)
                print(f"{number} of {len(kinds)}: {kind}", file=sys.stderr, flush=True)
            await asyncio.sleep(LAST_SECONDS)
            over.set()
        wrong = await self.settled()
        replayed = await self.stage.replay()
        self.figures.events = replayed["events"]
        if not (replayed["equal"] and replayed["seals_intact"]) or any(replayed["snapshots"].values()):
            wrong.append(f"the replay differs: {replayed}")
        return wrong

    def mixed(self, cycles: int) -> list[str]:
        """Return so many faults: every kind in turn, in an order of chance, three quarters of them kills."""
        kinds = list(self.faults.kinds)
        heavy = ["kill -9 of the oms"] * 12 + ["kill -9 of postgres"] * 8
        wanted: list[str] = []
        while len(wanted) < cycles:
            pack = kinds + heavy
            self._dice.shuffle(pack)
            wanted += pack
        return wanted[:cycles]

    async def settled(self) -> list[str]:
        """Return what is wrong once everything has come to rest."""
        deadline = now() + SETTLED_SECONDS
        async with oms.connect(self.stage.gateway, token=self.stage.token) as client:
            while True:
                truth = await self.stage.truth()
                wrong = [*doubled(truth), *unequal(await _shown(client), truth)]
                if not wrong or now() > deadline:
                    return wrong + list(lost(self.strategy.acknowledged, await _names(client)))
                await asyncio.sleep(1.0)


async def _shown(client: Client) -> Shown:
    opened: list[OrderView] = []
    cursor = None
    while True:
        page = await client.orders(open=True, limit=500, cursor=cursor)
        opened += page.items
        cursor = page.next_cursor
        if cursor is None:
            broken = (await client.breaks(open=True, limit=500)).items
            return Shown(opened, await client.positions(), await client.balances(), broken)


async def _names(client: Client) -> set[str]:
    """Every order that the OMS knows."""
    names: set[str] = set()
    cursor = None
    while True:
        page = await client.orders(limit=500, cursor=cursor)
        names |= {order.client_order_id for order in page.items}
        cursor = page.next_cursor
        if cursor is None:
            return names


async def chaos(cycles: int, seed: int, events: int, seconds: float) -> int:
    """Run `cycles`, or as many as begin within `seconds`, and tell what came of them; return the exit status."""
    folder = Path(tempfile.mkdtemp(prefix="oms-chaos-"))
    with small_disk() as disk:
        if disk is None:
            print(NO_DISK, file=sys.stderr, flush=True)
        async with AsyncExitStack() as stack:
            run = Run(folder, seed, disk)
            await run.open(stack, events=events)
            wrong = await run.play(run.mixed(cycles), seconds=seconds)
    wrong += run.figures.slow()
    for line in run.figures.lines():
        print(line)
    if disk is None:
        print(NO_DISK)
    for each in wrong:
        print(f"  wrong: {each}")
    print(f"seed {seed} failed; what it left is in {folder}" if wrong else "nothing lost, nothing doubled, all equal")
    if not wrong:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if wrong else 0


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=0, help="that the log holds before it begins")
    parser.add_argument("--seconds", type=float, default=inf, help="after which no further cycle begins")
    asked = parser.parse_args()
    for ended_by in (signal.SIGINT, signal.SIGTERM):  # also in the background: nothing is left running, or mounted
        signal.signal(ended_by, signal.default_int_handler)
    return asyncio.run(chaos(asked.cycles, asked.seed, asked.events, asked.seconds))


if __name__ == "__main__":
    sys.exit(main())
