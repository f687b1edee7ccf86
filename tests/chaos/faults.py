"""What is done to the system, one thing a cycle, each until it works again."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random  # noqa: TID251 - what happens comes from a seed
from typing import Final

from tests.chaos.disk import Disk
from tests.chaos.figures import KILLED_POSTGRES, LEADER_DIED, Took, waited
from tests.chaos.load import Strategy
from tests.chaos.stage import READY_SECONDS, Stage, now
from tests.chaos.stepped import set_offset

FOLLOWING_SECONDS: Final = 2.5  # a second OMS finds out that somebody leads, and follows
STEP_SECONDS: Final = 300.0  # a wall clock is out by at most so much
PAUSE_SECONDS: Final = (0.2, 1.0)  # of undisturbed work between two faults

Fault = Callable[[], Awaitable[None]]


class Faults:
    """Everything that can befall `stage`. Without a `disk` it cannot be full."""

    def __init__(self, stage: Stage, strategy: Strategy, dice: Random, disk: Disk | None) -> None:
        self._stage = stage
        self._strategy = strategy
        self._dice = dice
        self._disk = disk
        self.kinds: Mapping[str, Fault] = {
            "kill -9 of the oms": self.kill_oms,
            "kill -9 of postgres": self.kill_postgres,
            "restart of postgres": self.restart_postgres,
            "cut of every connection": self.cut,
            "cut after commit": self.cut_after_commit,
            "stall of the database": self.stall,
            "backends terminated": self.terminate_backends,
            "cut of the venue": self.cut_venue,
            "stall of the venue": self.stall_venue,
            "stop past the lease": self.stop_past_the_lease,
            "death of a leader": self.kill_leader,
            "step of the clock": self.step_clock,
        } | ({} if disk is None else {"full disk": self.fill_disk})

    async def befall(self, kind: str) -> None:
        """Let one thing happen, and see the system work again."""
        await asyncio.sleep(self._dice.uniform(*PAUSE_SECONDS))
        await self.kinds[kind]()
        await self._stage.until_ready()
        await self._strategy.until_acknowledged(READY_SECONDS)
        self._stage.figures.faults[kind] += 1

    async def _ready_after(self, what: str) -> None:
        """Wait until the OMS is ready again, and take down how long that took from now."""
        assert self._stage.oms is not None
        with self._timed(what, self._stage.oms.pid):
            await self._stage.until_ready()

    @contextmanager
    def _timed(self, what: str, pid: int) -> Iterator[None]:
        begun, before = now(), waited(pid)
        yield
        self._stage.figures.ready[what].append(Took(now() - begun, waited(pid) - before))

    # ------------------------------------------------------------------------------------------------ the oms

    async def kill_oms(self) -> None:
        leader = self._stage.oms
        assert leader is not None
        leader.kill()
        await leader.wait()
        await self._stage.up()

    async def stop_past_the_lease(self) -> None:
        """The leader sleeps, a standby takes over; who wakes neither writes nor sends, and ends."""
        leader, standby = await self._two()
        leader.send_signal(signal.SIGSTOP)
        with self._timed("stop of a leader, until the standby leads", standby.pid):
            await self._lead(standby)
        leader.send_signal(signal.SIGCONT)
        status = await asyncio.wait_for(leader.wait(), READY_SECONDS)
        assert status == 1, f"a leader that lost its account ended with {status}"

    async def kill_leader(self) -> None:
        leader, standby = await self._two()
        leader.kill()
        with self._timed(LEADER_DIED, standby.pid):
            await self._lead(standby)
        await leader.wait()

    async def _two(self) -> tuple[asyncio.subprocess.Process, asyncio.subprocess.Process]:
        leader = self._stage.oms
        assert leader is not None
        standby = await self._stage.spawn_oms(beside=True)
        await asyncio.sleep(FOLLOWING_SECONDS)
        return leader, standby

    async def _lead(self, standby: asyncio.subprocess.Process) -> None:
        ready = await self._stage.said(standby)
        self._stage.oms, self._stage.gateway = standby, ready["gateway_url"]

    async def step_clock(self) -> None:
        set_offset(self._stage.clock, self._dice.uniform(-STEP_SECONDS, STEP_SECONDS))

    # ------------------------------------------------------------------------------------------------ the database

    async def kill_postgres(self) -> None:
        os.kill(self._stage.postmaster, signal.SIGKILL)
        await self._stage.revive_postgres()
        await self._ready_after(KILLED_POSTGRES)

    async def restart_postgres(self) -> None:
        """Stop it as an operator does who does not wait for anybody; sessions are ended."""
        postmaster = self._stage.postmaster
        os.kill(postmaster, signal.SIGINT)
        while _lives(postmaster):  # noqa: ASYNC110 - another process raises no event of ours
            await asyncio.sleep(0.05)
        await self._stage.revive_postgres()
        await self._ready_after("restart of postgres, from its return")

    async def cut(self) -> None:
        self._stage.proxy.cut()
        await self._ready_after("cut of every connection")

    async def cut_after_commit(self) -> None:
        assert await self._stage.proxy.cut_after_commit(READY_SECONDS), "nothing was appended"
        await self._ready_after("cut after commit")

    async def stall(self) -> None:
        self._stage.proxy.stall()
        await asyncio.sleep(self._dice.uniform(0.5, 6.0))
        self._stage.proxy.flow()
        await self._ready_after("stall of the database, from its end")

    async def cut_venue(self) -> None:
        """Every answer that was on its way is lost, and the streams."""
        self._stage.venue_wire.cut()
        await self._ready_after("cut of the venue")

    async def stall_venue(self) -> None:
        """What was held up arrives at once: no more than the venue's windows take, or it blocks the account for
        minutes.
        """
        self._stage.venue_wire.stall()
        await asyncio.sleep(self._dice.uniform(0.2, 8.0))
        self._stage.venue_wire.flow()
        await self._ready_after("stall of the venue, from its end")

    async def terminate_backends(self) -> None:
        def terminate() -> None:
            with self._stage.operator() as operator:
                operator.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )

        await asyncio.to_thread(terminate)
        await self._ready_after("backends terminated")

    async def fill_disk(self) -> None:
        assert self._disk is not None
        await asyncio.to_thread(self._disk.fill)
        await asyncio.sleep(self._dice.uniform(1.0, 3.0))
        self._disk.free()
        await self._ready_after("full disk, from room on it")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
