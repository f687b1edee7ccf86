"""`oms demo`: everything at once on this machine, ending with a proof.

Postgres, a simulated BitMart, the OMS and two strategies, each a process of its own; a live view; then one order's
story, the log replayed, and what the exchange knows compared with what we say.
"""

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import aiohttp
import msgspec
import typer
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from oms.cli.children import Child, ChildFailedError
from oms.cli.database import server
from oms.cli.demo_view import View, look
from oms.cli.history import print_story, story_of
from oms.cli.output import REFUSED, AsJson, Output
from oms.cli.parts import Parts
from oms.cli.process import log_nothing
from oms.cli.replay import Replayed, replayed, report
from oms.cli.story import Step
from oms.cli.tokens import operator_token
from oms.cli.truth import Ours, Truth, differences
from oms.client import connect
from oms.config import PREFIX, load
from oms.errors import OmsError
from oms.gateway.reads import Reads
from oms.gateway.tokens import PostgresTokens, Scope
from oms.runtime import SystemClock
from oms.values import AccountId, StrategyId, Wallet

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
STRATEGIES: Final = ("market_maker", "taker")
SCOPES: Final = (Scope.READ, Scope.ORDERS_WRITE, Scope.ORDERS_CANCEL)
START_SECONDS: Final = 60.0
SETTLE_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.5
FILLS_READ: Final = 500
OPEN_READ: Final = 500


class UnsettledError(ChildFailedError):
    """Something was still open, or in doubt, long after everything was canceled."""

    code = "unsettled"


class HomeTakenError(OmsError):
    """The demo begins with an exchange that begins anew, so it needs a log that does."""

    code = "home_taken"
    next_step = "name an empty folder, or none"


class NoExamplesError(OmsError):
    """The examples are not part of what is installed."""

    code = "no_examples"
    next_step = "run it from a checkout of the repository"


class World(Struct, frozen=True, kw_only=True):
    """What the demo started: where it is, and as whom to ask."""

    home: Path
    database: str
    gateway_url: str
    sim_url: str
    account: AccountId
    operator: str


class Figures(Struct, frozen=True):
    """The gateway's own figures at one moment."""

    position: int
    unsettled: int
    placed: float
    placing_seconds: float


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    context: typer.Context,
    *,
    seconds: Annotated[float, typer.Option(min=1, max=3_600, help="How long the strategies trade.")] = 30.0,
    seed: Annotated[int, typer.Option(help="What the simulated market follows from.")] = 7,
    home: Annotated[Path | None, typer.Option(help="Keep everything there; a temporary folder without.")] = None,
    as_json: AsJson = False,
) -> None:
    """Watch two strategies trade on a simulated BitMart through the OMS; then see it proven."""
    log_nothing()
    output = Output(as_json=as_json)
    with _home(home) as folder:
        equal = asyncio.run(_demo(context.obj, folder, output, seconds=seconds, seed=seed))
    if not equal:
        raise typer.Exit(REFUSED)


@contextmanager
def _home(asked: Path | None) -> Iterator[Path]:
    """Yield the folder to work in. Raises HomeTakenError."""
    if not EXAMPLES.is_dir():
        raise NoExamplesError(f"the strategies are not there: {EXAMPLES}")
    if asked is not None:
        if asked.exists() and any(asked.iterdir()):
            raise HomeTakenError(f"{asked} is not empty, and the simulated exchange knows nothing of an earlier log")
        asked.mkdir(parents=True, exist_ok=True)
        yield asked.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="oms-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


async def _demo(parts: Parts, home: Path, output: Output, *, seconds: float, seed: int) -> bool:
    """Run the demo; return whether everything was proven equal."""
    (home / "logs").mkdir(exist_ok=True)
    environment = _environment(home)
    with server(load(environment).config) as database:
        output.note(f"postgres: {database}")
        async with _started(environment, home=home, database=database, output=output, seed=seed) as (world, watched):
            async with _trading(world, environment) as strategies, parts.reads(database) as reads:
                await _watch(world, reads, (*watched, *strategies), output, seconds)
            async with parts.reads(database) as reads:
                output.note("strategies stopped; canceling what is open and waiting until all is settled")
                await _settle(world, reads)
                order = await _interesting(world, reads)
                different = [
                    *differences(await _ours(world, reads), (await _truth(world)).accounts[world.account].spot)
                ]
            _, steps = await story_of(database, order, world.account)
        found = await asyncio.to_thread(replayed, parts, database, output)
    return _prove(output, order=order, account=world.account, steps=steps, found=found, different=different)


def _prove(
    output: Output, *, order: str, account: AccountId, steps: Sequence[Step], found: Replayed, different: Sequence[str]
) -> bool:
    """Print the order's story and both proofs; return whether both hold."""
    if output.as_json:
        venue = {"equal": not different, "differences": different}
        output.document({"order": {"client_order_id": order, "steps": steps}, "replay": found, "venue": venue})
    else:
        output.say("")
        print_story(output, order, account, steps)
        output.say("")
        report(found, output)
        for difference in different:
            output.say(f"venue: {difference}")
        if not different:
            output.say("venue: position, balances and open orders equal")
    return found.sound and not different


# ---------------------------------------------------------------------------------------------------- what runs


def _environment(home: Path) -> dict[str, str]:
    """Return this process's environment without what would lead the demo elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "OMS_"))}
    return kept | {"OMS_HOME": str(home), "OMS__GATEWAY__PORT": "0", "PYTHONUNBUFFERED": "1"}


@asynccontextmanager
async def _started(
    environment: Mapping[str, str], *, home: Path, database: str, output: Output, seed: int
) -> AsyncIterator[tuple[World, Sequence[Child]]]:
    """Run the simulated exchange and the OMS, each as a process of its own."""
    logs = home / "logs"
    exchange = await Child.start(
        "simulator", ("-m", "oms", "simulator", "--seed", str(seed)), environment, logs, answers=True
    )
    try:
        urls = msgspec.json.decode(await exchange.line(START_SECONDS))
        output.note(f"simulated BitMart: {urls['sim_url']}, others trade there too, from seed {seed}")
        pointed = {**environment, "OMS__SIMULATOR__URL": urls["sim_url"], "OMS__SIMULATOR__SEED": str(seed)}
        command = ("-m", "oms", "up", "--venue", "simulator", "--json")
        system = await Child.start("oms", command, pointed, logs, answers=True)
        try:
            ready = msgspec.json.decode(await system.line(START_SECONDS))
            output.note(f"OMS: {ready['gateway_url']}, account {ready['accounts'][0]}")
            world = World(
                home=home,
                database=database,
                gateway_url=ready["gateway_url"],
                sim_url=urls["sim_url"],
                account=AccountId(ready["accounts"][0]),
                operator=operator_token(load(environment).config, {}),
            )
            yield world, (exchange, system)
        finally:
            status = await system.stop()
        if status:
            raise ChildFailedError(f"the OMS stopped with status {status} ({system.log})")
        output.note("OMS drained and stopped")
    finally:
        await exchange.stop()


@asynccontextmanager
async def _trading(world: World, environment: Mapping[str, str]) -> AsyncIterator[Sequence[Child]]:
    """Run the strategies, each with a token of its own."""
    running: list[Child] = []
    tokens = PostgresTokens(world.database)
    try:
        for name in STRATEGIES:
            _, token = tokens.create(strategy=StrategyId(name), accounts=(world.account,), scopes=SCOPES)
            own = {**environment, "OMS_URL": world.gateway_url, "OMS_TOKEN": token, "MARKET_URL": world.sim_url}
            running.append(await Child.start(name, (str(EXAMPLES / f"{name}.py"),), own, world.home / "logs"))
        yield running
    finally:
        for child in running:
            await child.stop()


async def _watch(world: World, reads: Reads, watched: Sequence[Child], output: Output, seconds: float) -> None:
    """Show what happens for so long. Raises ChildFailedError if anything ends meanwhile."""
    clock = SystemClock()
    started = clock.monotonic()
    async with aiohttp.ClientSession() as session:
        before, before_at = await _figures(session, world), started
        with View(output.err) as view:
            while (elapsed := clock.monotonic() - started) < seconds:
                await asyncio.sleep(LOOK_SECONDS)
                for child in watched:
                    child.require()
                now, now_at = await _figures(session, world), clock.monotonic()
                view.show(
                    await look(
                        reads,
                        world.account,
                        position=now.position,
                        rate=(now.position - before.position) / (now_at - before_at),
                        command_ms=_command_ms(before, now),
                        elapsed=elapsed,
                        total=seconds,
                    )
                )
                before, before_at = now, now_at


def _command_ms(before: Figures, now: Figures) -> float | None:
    placed = now.placed - before.placed
    return 1000 * (now.placing_seconds - before.placing_seconds) / placed if placed else None


async def _figures(session: aiohttp.ClientSession, world: World) -> Figures:
    async with session.get(f"{world.gateway_url}/metrics") as answer:
        text = await answer.text()
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, sample.labels.get("route", "")] = sample.value
    place = "POST /v1/orders"
    return Figures(
        position=int(found.get(("oms_log_position", ""), 0)),
        unsettled=int(found.get(("oms_unsettled_orders", ""), 0)),
        placed=found.get(("oms_http_seconds_count", place), 0.0),
        placing_seconds=found.get(("oms_http_seconds_sum", place), 0.0),
    )


# ---------------------------------------------------------------------------------------------------- the end of it


async def _settle(world: World, reads: Reads) -> None:
    """Cancel everything, and wait until nothing is open and nothing unsettled. Raises UnsettledError."""
    clock = SystemClock()
    deadline = clock.monotonic() + SETTLE_SECONDS
    async with connect(world.gateway_url, token=world.operator) as client, aiohttp.ClientSession() as session:
        await client.cancel_all(reason="the demo is over")
        while clock.monotonic() < deadline:
            now = await _figures(session, world)
            await reads.wait_for(now.position, 1.0)
            still = await reads.orders(accounts=(world.account,), open_only=True, limit=1)
            if not still.rows and not now.unsettled:
                return
            await asyncio.sleep(0.2)
    raise UnsettledError(f"orders are still open or unsettled after {SETTLE_SECONDS:.0f} s")


async def _interesting(world: World, reads: Reads) -> str:
    """Return an order worth telling: the one with the most trades among the latest."""
    fills = await reads.fills(accounts=(world.account,), limit=FILLS_READ)
    counted = Counter(row.client_order_id for row in _rows(fills.rows))
    if not counted:
        raise ChildFailedError("nothing traded: there is no order to tell of", next_step="let it run longer: --seconds")
    return str(counted.most_common(1)[0][0])


async def _ours(world: World, reads: Reads) -> Ours:
    accounts = (world.account,)
    positions, balances = await reads.positions(accounts=accounts), await reads.balances(accounts=accounts)
    orders = await reads.orders(accounts=accounts, open_only=True, limit=OPEN_READ)
    return Ours(
        positions={row.symbol: row.quantity for row in _rows(positions.rows)},
        balances={row.currency: (row.available, row.held) for row in _rows(balances.rows) if row.wallet is Wallet.SPOT},
        open_orders={row.client_order_id: row.cum_quantity for row in _rows(orders.rows)},
    )


async def _truth(world: World) -> Truth:
    async with aiohttp.ClientSession() as session, session.get(f"{world.sim_url}/sim/truth") as answer:
        return msgspec.json.decode(await answer.read(), type=Truth)


def _rows(rows: Sequence[object]) -> Sequence[Any]:
    """Return read model rows, whose columns the gateway's contract names and no type does."""
    return rows
