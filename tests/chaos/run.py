"""`make chaos CYCLES=50`: real processes under load, killed, cut off and stopped; in the end all equals the exchange.

Each cycle does one thing: kill -9 of the OMS, kill -9 of Postgres, every database connection cut, the database stalled,
the OMS stopped past its lease while a standby waits. Meanwhile a strategy places and cancels, and asks again with the
same ids until it is answered. Exit status 1 if an acknowledged order is lost, one is doubled, or anything differs.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random  # noqa: TID251 - what happens comes from a seed
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import msgspec

import oms
from oms.cli.truth import Ours, TrueSpot, Truth, differences
from oms.client import Client, ClientError, RefusedError
from oms.store.database import upgrade
from oms.store.embedded import EmbeddedPostgres
from tests.chaos.proxy import Proxy

PACE_SECONDS: Final = 0.1  # between two things the strategy does: the venue takes twenty submits a second
FAR: Final = "30000"  # nobody sells bitcoin at half its price
READY_SECONDS: Final = 60.0
SETTLED_SECONDS: Final = 150.0  # a minute and ten seconds of them are the proof of an absence
ACTIONS: Final = ("kill the oms", "kill the oms", "kill postgres", "cut", "stall", "stop past the lease")


class Chaos:
    """One exchange, one Postgres behind a wire that breaks, and one OMS after the other."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.dice = Random(seed)
        self.acknowledged: set[str] = set()
        self.slowest = 0.0  # seconds from a kill to the next ready line
        self.done: Counter[str] = Counter()
        self.gateway: str | None = None
        self._folder = folder
        self._postgres = EmbeddedPostgres(folder / "server")
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("OMS_")}
        self._oms: asyncio.subprocess.Process | None = None
        self._count = 0

    # ------------------------------------------------------------------------------------------------ the stage

    async def open(self, stack: AsyncExitStack) -> None:
        """Start the exchange, the database and the OMS."""
        url = await asyncio.to_thread(self._postgres.start)
        stack.callback(self._postgres.stop)
        upgrade(url)
        folder = unquote(urlsplit(url).query.removeprefix("host="))
        self.proxy = Proxy(f"{folder}/.s.PGSQL.5432")
        await self.proxy.open()
        stack.push_async_callback(self.proxy.close)
        home = self._folder / "home"
        self._environment |= {"OMS_HOME": str(home), "OMS__GATEWAY__PORT": "0", "PYTHONPATH": str(Path.cwd())}
        exchange, ready = await self._program(stack, "simulator", "--seed", "7")
        self._sim_url = ready["sim_url"]
        self._environment |= {
            "OMS__SIMULATOR__URL": self._sim_url,
            "OMS__SIMULATOR__SEED": "7",
            "OMS_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{self.proxy.port}/oms?sslmode=disable",
        }
        assert exchange.returncode is None
        self._stack = stack
        await self.up()

    async def up(self) -> None:
        """Start an OMS and wait until it leads."""
        begun = asyncio.get_running_loop().time()
        self._oms, ready = await self._program(self._stack, "up", "--venue", "simulator", "--json")
        self.slowest = max(self.slowest, asyncio.get_running_loop().time() - begun)
        self.gateway = ready["gateway_url"]

    async def _program(self, stack: AsyncExitStack, *arguments: str) -> tuple[asyncio.subprocess.Process, Any]:
        process = await self._spawn(stack, *arguments)
        return process, await self._ready(process)

    async def _spawn(self, stack: AsyncExitStack, *arguments: str) -> asyncio.subprocess.Process:
        said = (self._folder / "said.log").open("ab")
        stack.callback(said.close)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "oms", *arguments, env=self._environment, stdout=asyncio.subprocess.PIPE, stderr=said
        )
        stack.push_async_callback(_end, process)
        return process

    async def _ready(self, process: asyncio.subprocess.Process) -> Any:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), READY_SECONDS)
        if not line:
            raise AssertionError(f"it did not start:\n{(self._folder / 'said.log').read_text()[-2000:]}")
        return json.loads(line)

    # ------------------------------------------------------------------------------------------------ what happens

    async def act(self) -> None:
        """Do one thing to the system and wait until it works again."""
        await asyncio.sleep(self.dice.uniform(0.2, 2.0))
        action = self.dice.choice(ACTIONS)
        self.done[action] += 1
        match action:
            case "kill the oms":
                await self._kill_oms()
            case "kill postgres":
                await self._kill_postgres()
            case "cut":
                self.proxy.cut()
            case "stall":
                await self.proxy.stall(self.dice.uniform(0.5, 4.0))
            case _:
                await self._stop_past_the_lease()
        if self._oms is not None and self._oms.returncode is not None:
            raise AssertionError(f"the OMS ended by itself after: {action}")

    async def _kill_oms(self) -> None:
        assert self._oms is not None
        self._oms.kill()
        await self._oms.wait()
        await self.up()

    async def _kill_postgres(self) -> None:
        pid = int((self._folder / "server" / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(EmbeddedPostgres(self._folder / "server").start)

    async def _stop_past_the_lease(self) -> None:
        leader = self._oms
        assert leader is not None
        standby = await self._spawn(self._stack, "up", "--venue", "simulator", "--json")
        await asyncio.sleep(3.0)  # it finds out that somebody leads, and follows
        leader.send_signal(signal.SIGSTOP)
        ready = await self._ready(standby)
        self._oms, self.gateway = standby, ready["gateway_url"]
        leader.send_signal(signal.SIGCONT)
        status = await asyncio.wait_for(leader.wait(), READY_SECONDS)
        assert status == 1, f"a leader that lost its account ended with {status}"

    @property
    def _token(self) -> str:
        return (self._folder / "home" / "operator.token").read_text().strip()

    # ------------------------------------------------------------------------------------------------ the strategy

    async def trade(self, over: asyncio.Event) -> None:
        """Place and cancel until it is over; every order is asked for with its own id until it is answered."""
        while not over.is_set():
            self._count += 1
            name = f"c{self._count}"
            market = self.dice.random() < 0.3
            order = {"type": "market", "notional": "20"} if market else {
                "type": "limit", "quantity": "0.001", "price": FAR,
            }  # fmt: skip
            answered = False
            while not answered:
                answered = await self._ask(lambda client, name=name, order=order: self._place(client, name, order))
                await asyncio.sleep(PACE_SECONDS)
            if not market and self.dice.random() < 0.7:
                await self._ask(lambda client, name=name: client.cancel(name))
                await asyncio.sleep(PACE_SECONDS)

    async def _place(self, client: Client, name: str, order: dict[str, str]) -> None:
        await client.place(symbol="BTC/USDT", side="buy", client_order_id=name, **order)
        self.acknowledged.add(name)

    async def _ask(self, ask: Any) -> bool:
        """Ask once; whether there was an answer for good."""
        assert self.gateway is not None
        try:
            async with oms.connect(self.gateway, token=self._token, timeout=2.0) as client:
                await ask(client)
        except RefusedError as refused:
            return not refused.retryable
        except (ClientError, OSError):
            return False
        return True

    # ------------------------------------------------------------------------------------------------ the end

    async def compare(self) -> list[str]:
        """Return what is wrong once everything has come to rest."""
        deadline = asyncio.get_running_loop().time() + SETTLED_SECONDS
        assert self.gateway is not None
        async with oms.connect(self.gateway, token=self._token) as client:
            while wrong := await self._wrong(client):
                if asyncio.get_running_loop().time() > deadline:
                    return wrong
                await asyncio.sleep(2.0)
        return []

    async def _wrong(self, client: Client) -> list[str]:
        spot = await asyncio.to_thread(self._truth)
        at_venue = Counter(order.client_order_id for order in spot.orders)
        wrong = [f"{name} is at the venue {count} times" for name, count in at_venue.items() if count > 1]
        known: dict[str, str] = {}
        cursor: str | None = None
        while True:
            page = await client.orders(limit=500, cursor=cursor)
            known |= {order.client_order_id: order.status for order in page.items}
            cursor = page.next_cursor
            if cursor is None:
                break
        wrong += [f"{name} was acknowledged and is lost" for name in sorted(self.acknowledged - set(known))]
        wrong += [f"{name} is {status}" for name, status in known.items() if status in {"in_doubt", "sending"}]
        ours = Ours(
            positions={row.symbol: row.quantity for row in await client.positions()},
            balances={row.currency: (row.available, row.held) for row in await client.balances()},
            open_orders={o.client_order_id: o.cum_quantity for o in (await client.orders(open=True, limit=500)).items},
        )
        return wrong + list(differences(ours, spot))

    def _truth(self) -> TrueSpot:
        with urlopen(f"{self._sim_url}/sim/truth", timeout=10) as answer:
            return msgspec.json.decode(answer.read(), type=Truth).accounts["main"].spot


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()


async def play(cycles: int, seed: int) -> int:
    """Run `cycles` and tell what came of them; return the exit status."""
    with tempfile.TemporaryDirectory(prefix="oms-chaos-", ignore_cleanup_errors=True) as name:
        async with AsyncExitStack() as stack:
            chaos = Chaos(Path(name), seed)
            await chaos.open(stack)
            over = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(chaos.trade(over))
                for number in range(cycles):
                    await chaos.act()
                    print(f"{number + 1} of {cycles}: {dict(chaos.done)}", file=sys.stderr)
                await asyncio.sleep(2.0)
                over.set()
            wrong = await chaos.compare()
            print(f"{cycles} cycles, {dict(chaos.done)}, {len(chaos.acknowledged)} orders acknowledged")
            print(f"ready again after {chaos.slowest:.1f} s at the latest")
            for each in wrong:
                print(f"  wrong: {each}")
            print("nothing lost, nothing doubled, all equal" if not wrong else f"seed {seed} failed")
            return 1 if wrong else 0


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    return asyncio.run(play(asked.cycles, asked.seed))


if __name__ == "__main__":
    sys.exit(main())
