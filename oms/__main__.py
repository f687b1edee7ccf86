"""The composition root: the one module that sees everything, and hands the rest its parts."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from adapters.bitmart import decode as bitmart
from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot.venue import BitmartSpot, Endpoints
from adapters.bitmart.transport import AiohttpLink
from adapters.simulator.server import Urls, serve
from adapters.simulator.simulator import MAIN, MAIN_FUNDS, Simulator
from adapters.simulator.wire import keys
from oms.cli import app
from oms.cli.parts import Parts
from oms.config import Config
from oms.errors import OmsError
from oms.store.log import PostgresLog
from oms.system import Fresh, Tell, VenueName, World
from oms.values import AccountId
from oms.venue import Venue
from projections.compare import compare
from projections.queries import Queries
from projections.runner import Runner


class NoAccountError(OmsError):
    """There is no account to trade."""

    code = "no_account"
    next_step = "use: oms up --venue simulator"


@asynccontextmanager
async def venues(
    name: VenueName, config: Config, world: World, fresh: Fresh, tell: Tell
) -> AsyncIterator[Mapping[AccountId, Venue]]:
    """Connect the accounts of a venue."""
    match name:
        case VenueName.BITMART:
            raise NoAccountError("no BitMart account is connected, and this version cannot connect one yet")
        case VenueName.PAPER:
            raise NoAccountError("this version has no paper venue yet")
        case VenueName.SIMULATOR:
            async with _simulated(config, world, fresh, tell) as (own, endpoints):
                credentials = Credentials(own.key, own.secret, own.memo)
                venue = _spot(credentials, endpoints, world)
                try:
                    yield {AccountId(own.account): venue}
                finally:
                    await venue.close()


@asynccontextmanager
async def _simulated(
    config: Config, world: World, fresh: Fresh, tell: Tell
) -> AsyncIterator[tuple[keys.Credentials, Endpoints]]:
    """Find the simulated exchange that is named, or start one, which begins anew and so needs an account of its own."""
    seed = config.simulator.seed
    if config.simulator.url:
        ws = urlsplit(config.simulator.url)._replace(scheme="ws").geturl()
        yield keys.demo_credentials(MAIN, seed), Endpoints(config.simulator.url, ws)
        return
    simulated = Simulator(seed=seed)
    own = keys.demo_credentials(await fresh(MAIN), seed)
    if own.account != MAIN:
        simulated.open_account(own, MAIN_FUNDS)
    async with serve(simulated, clock=world.clock, spawn=world.spawn) as urls:
        tell(f"a simulated exchange listens at {urls.sim_url}; it begins anew, as account {own.account}")
        yield own, Endpoints(urls.spot_url, urls.spot_ws_url)


def _spot(credentials: Credentials, endpoints: Endpoints, world: World) -> BitmartSpot:
    return BitmartSpot(credentials, endpoints, link=AiohttpLink(), clock=world.clock, ids=world.ids, spawn=world.spawn)


@asynccontextmanager
async def simulator(
    world: World, *, port: int, seed: int, faults: tuple[int, Mapping[str, float]]
) -> AsyncIterator[Urls]:
    """Run the simulated exchange on loopback."""
    simulated = Simulator(seed=seed)
    fault_seed, rates = faults
    simulated.set_faults(seed=fault_seed, rates=rates)
    async with serve(simulated, clock=world.clock, spawn=world.spawn, port=port) as urls:
        yield urls


class Following(Struct, frozen=True):
    """The projections of a running OMS."""

    runner: Runner
    reads: Queries

    async def catch_up(self, position: int, seconds: float) -> bool:
        """Wait until `position` shows in every table; whether it did."""
        return await self.runner.catch_up(position, seconds)


@asynccontextmanager
async def projections(url: str, log: PostgresLog, world: World) -> AsyncIterator[Following]:
    """Follow the log into the read models."""
    runner = Runner(log, url, clock=world.clock, spawn=world.spawn)
    async with Queries(url) as reads:
        runner.start()
        try:
            yield Following(runner, reads)
        finally:
            runner.stop()


PARTS: Final = Parts(
    venues=venues,
    simulator=simulator,
    projections=projections,
    reads=Queries,
    compare=compare,
    decode=bitmart.decode,
)


def main() -> None:
    """Run the command line."""
    sys.exit(app.main(PARTS))


if __name__ == "__main__":
    main()
