"""The stage: one exchange and one Postgres behind wires that break, and one OMS after the other, all real processes."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import aiohttp
import msgspec
import psycopg

from oms.store.database import upgrade
from oms.store.embedded import EmbeddedPostgres
from tests.chaos.figures import KILLED_OMS, Figures, Took, waited, worked
from tests.chaos.judge import Truth
from tests.chaos.proxy import Connect, Proxy

SEED: Final = "7"  # of the exchange
READY_SECONDS: Final = 180.0  # of patience, on a machine that may be very busy; how long it took is judged apart
LOOK_SECONDS: Final = 0.02


class Stage:
    """Everything that runs, in `folder`."""

    def __init__(self, folder: Path, figures: Figures) -> None:
        self.folder = folder
        self.figures = figures
        self.home = folder / "home"
        self.clock = folder / "clock"
        self.oms: asyncio.subprocess.Process | None = None
        self.gateway = ""
        self._ports = [_free_port(), _free_port()]  # the one in use, and another OMS's beside it
        self.server = EmbeddedPostgres(folder / "server")
        self.database = ""
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("OMS_")}
        # An installed OMS is compiled once. One that compiles itself at every start spends a fifth of the start on it.
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)

    async def open(self, stack: AsyncExitStack) -> None:
        """Start the exchange and the database; nobody trades yet."""
        self.database = await asyncio.to_thread(self.server.start)
        stack.callback(self.server.stop)
        await asyncio.to_thread(upgrade, self.database)
        folder = unquote(urlsplit(self.database).query.removeprefix("host="))
        self.proxy = await _wire(stack, partial(asyncio.open_unix_connection, f"{folder}/.s.PGSQL.5432"))
        self.clock.write_bytes(bytes(8))
        self.environment |= {"OMS_HOME": str(self.home), "PYTHONPATH": str(Path(__file__).parents[2])}
        self._stack = stack
        exchange = await self._spawn("-m", "oms", "simulator", "--seed", SEED)
        self._sim_url = (await self.said(exchange))["sim_url"]
        at = urlsplit(self._sim_url)
        self.venue_wire = await _wire(stack, partial(asyncio.open_connection, at.hostname, at.port))
        self.environment |= {
            "OMS__SIMULATOR__URL": f"http://127.0.0.1:{self.venue_wire.port}",
            "OMS__SIMULATOR__SEED": SEED,
            "OMS_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{self.proxy.port}/oms?sslmode=disable",
        }

    # ------------------------------------------------------------------------------------------------ processes

    async def up(self) -> None:
        """Start an OMS and wait until it leads."""
        begun = now()
        self.oms = await self.spawn_oms()
        ready = await self.said(self.oms)
        self.figures.ready[KILLED_OMS].append(Took(now() - begun, waited(self.oms.pid)))
        self.figures.cpu.append(worked(self.oms.pid))
        self.gateway = ready["gateway_url"]

    async def spawn_oms(self, *, beside: bool = False) -> asyncio.subprocess.Process:
        """Start an OMS where the last one was, so that the strategy finds it again, or beside the one that runs; that
        it leads is seen later.
        """
        if beside:
            self._ports.reverse()
        self.environment["OMS__GATEWAY__PORT"] = str(self._ports[0])
        return await self._spawn("-m", "tests.chaos.stepped", str(self.clock), "up", "--venue", "simulator", "--json")

    async def _spawn(self, *arguments: str) -> asyncio.subprocess.Process:
        with (self.folder / "said.log").open("ab") as said:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *arguments, env=self.environment, stdout=asyncio.subprocess.PIPE, stderr=said
            )
        self._stack.push_async_callback(_end, process)
        return process

    async def said(self, process: asyncio.subprocess.Process) -> Any:
        """Return the line that a process prints once it is ready."""
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), READY_SECONDS)
        assert line, f"it did not start:\n{(self.folder / 'said.log').read_text()[-2000:]}"
        said = json.loads(line)
        assert "error" not in said, said
        return said

    async def stop(self) -> None:
        """Stop the OMS in good order."""
        assert self.oms is not None
        self.oms.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(self.oms.wait(), READY_SECONDS) == 0

    @property
    def postmaster(self) -> int:
        """The database server's process."""
        return int((self.folder / "server" / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])

    async def revive_postgres(self) -> None:
        """Start the database server that was killed or stopped; return once it takes connections."""
        await asyncio.to_thread(EmbeddedPostgres(self.folder / "server").start)

    async def replay(self) -> Any:
        """Fold the whole log from nothing and compare, as a person would."""
        process = await self._spawn("-m", "oms", "replay", "--json")
        return await self.said(process)

    # ------------------------------------------------------------------------------------------------ what is seen

    @property
    def token(self) -> str:
        return (self.home / "operator.token").read_text().strip()

    async def until_ready(self) -> None:
        """Return once the OMS keeps every promise again."""
        async with asyncio.timeout(READY_SECONDS), aiohttp.ClientSession() as session:
            while not await self._is_ready(session):  # noqa: ASYNC110 - it is asked, and tells nobody
                await asyncio.sleep(LOOK_SECONDS)

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        assert self.oms is not None
        assert self.oms.returncode is None, f"the OMS ended by itself, with status {self.oms.returncode}"
        with suppress(aiohttp.ClientError, TimeoutError):
            async with session.get(f"{self.gateway}/health/ready", timeout=aiohttp.ClientTimeout(total=2.0)) as answer:
                return answer.status == 200
        return False

    async def truth(self) -> Truth:
        """What the exchange knows of our account."""
        body = await asyncio.to_thread(lambda: urlopen(f"{self._sim_url}/sim/truth", timeout=30).read())
        main = msgspec.json.decode(body)["accounts"]["main"]
        return msgspec.convert(main | {"orders": main["spot"]["orders"] + main["futures"]["orders"]}, Truth)

    def operator(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection past the wire, as the server's owner."""
        return psycopg.connect(self.database, autocommit=True)


def now() -> float:
    """Seconds that never go back: a real system takes real time."""
    return time.monotonic()  # noqa: TID251 - as above


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


async def _wire(stack: AsyncExitStack, connect: Connect) -> Proxy:
    wire = Proxy(connect)
    await wire.open()
    stack.push_async_callback(wire.close)
    return wire


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()
