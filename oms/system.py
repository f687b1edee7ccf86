"""The running OMS: what starts after what, what ends before what, and why it ended.

Start: the port (free or not at all), the database, its schema, the log, the venues; then, once nobody else leads its
accounts, projections, a writer per account, the account itself at a venue that keeps none, the gateway. Nothing is
taken over before it is certain that the rest can start. Stop: the gateway takes nothing more, the writers drain,
answers under way are awaited for a while, projections catch up, the leases are given up, everything closes.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final, Protocol

import structlog
from aiohttp import web
from msgspec import Struct

from oms import catalogue, winddown
from oms.book import CLOSED_KEPT
from oms.catalogue import Tell
from oms.config import Config
from oms.connected import Connected, OpenVenues, VenueName, World
from oms.decide import Decider
from oms.dispatcher import Dispatcher
from oms.engine import Engine
from oms.errors import FencedError, LogUnavailableError, UnknownAccountError
from oms.expiry import Expiry
from oms.gate import Gate
from oms.gateway.guard import require_safe_bind
from oms.gateway.health import Follower, fresh
from oms.gateway.http import build, serve
from oms.gateway.listening import free_socket, require_free
from oms.gateway.reads import Past, Reads
from oms.gateway.tokens import PostgresTokens
from oms.guard import Guard
from oms.heartbeat import Heartbeat
from oms.instrument import Instrument
from oms.lease import Lease, Leases
from oms.market_data import MarketData
from oms.markets import follow_markets, keep_instruments
from oms.recovery import known, recover
from oms.rehearsal import Rehearsed, compare_well, rehearse
from oms.runtime import SystemClock, Tasks, TimeOrderedIds, tune_process
from oms.standby import WAIT_MAX_SECONDS, AccountHeldError, Leading, Standby, lead_all
from oms.store.database import check_schema, revision, upgrade
from oms.store.embedded import EmbeddedPostgres
from oms.store.holdups import Holdups
from oms.store.leases import PostgresLeases
from oms.store.log import PostgresLog
from oms.store.process import ProcessAppender
from oms.survey import Survey
from oms.values import AccountId
from oms.venue import Venue
from oms.watcher import Watcher

CATCH_UP_SECONDS: Final = 10.0  # for the projections, at the end

log = structlog.get_logger()


class Projections(Protocol):
    """What follows the log into tables."""

    @property
    def runner(self) -> Follower: ...
    @property
    def reads(self) -> Reads: ...
    @property
    def past(self) -> Past: ...

    async def catch_up(self, position: int, seconds: float) -> bool:
        """Wait until `position` shows in every table; whether it did."""
        ...


class OpenProjections(Protocol):
    """Follows the log while the context lasts."""

    def __call__(self, url: str, log: PostgresLog, world: World) -> AbstractAsyncContextManager[Projections]: ...


class Account(Struct, frozen=True):
    """One account with everything that works for it."""

    engine: Engine
    dispatcher: Dispatcher
    watcher: Watcher
    guard: Guard
    lease: Lease


class System(Struct, frozen=True, kw_only=True):
    """Everything that runs, as the gateway and the ready line need it."""

    config: Config
    url: str
    log: PostgresLog
    world: World
    accounts: Mapping[AccountId, Account]
    projections: Projections
    markets: Mapping[AccountId, MarketData]
    holdups: Holdups


async def run(
    config: Config,
    venue: VenueName,
    *,
    venues: OpenVenues,
    projections: OpenProjections,
    announce: Callable[[System, str], None],
    tell: Tell,
) -> None:
    """Run the OMS until SIGTERM or Ctrl-C. `announce` is called once it is ready, `tell` with what people should know.

    Raises:
        OmsError: it could not start (nothing was half-done), a part of it failed, another writer has an account, or
            the end came before everything taken was durable.
    """
    over = asyncio.Event()
    starting = asyncio.current_task()
    assert starting is not None
    ready = False

    def stop() -> None:
        over.set()
        if not ready:
            starting.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        async with _started(config, venue, venues=venues, projections=projections, tell=tell) as (system, gateway_url):
            ready = True
            tune_process()
            announce(system, gateway_url)
            await _until_over(system, over)
            tell("stopping: taking nothing more, waiting for what is under way")
    except asyncio.CancelledError:
        if not over.is_set():
            raise


@asynccontextmanager
async def _started(
    config: Config, venue: VenueName, *, venues: OpenVenues, projections: OpenProjections, tell: Tell
) -> AsyncIterator[tuple[System, str]]:
    async with AsyncExitStack() as stack:
        tasks = Tasks()
        async with tasks.needed():
            started = await _start(config, venue, stack, tasks, venues=venues, projections=projections, tell=tell)
        yield started


async def _start(
    config: Config,
    venue: VenueName,
    stack: AsyncExitStack,
    tasks: Tasks,
    *,
    venues: OpenVenues,
    projections: OpenProjections,
    tell: Tell,
) -> tuple[System, str]:
    clock = SystemClock()
    if config.gateway.socket is not None:
        free_socket(config.gateway.socket)
    else:
        require_safe_bind(config.gateway.host, tls=config.gateway.certificate is not None, auth=True)
        require_free(config.gateway.host, config.gateway.port)
    url = await _database(config, stack)
    log_ = PostgresLog(url, appender=ProcessAppender)
    stack.push_async_callback(log_.close)
    leases = PostgresLeases(url)
    stack.push_async_callback(leases.close)
    world = World(clock, TimeOrderedIds(clock), tasks)
    connected = await stack.enter_async_context(venues(venue, config, world, known(log_), tell))
    stack.push_async_callback(tasks.close)
    tasks(log_.prepare(), name="prepare to append")
    named_at = clock.monotonic()
    named = {name: await _named(name, each.venue, config, world, tell) for name, each in connected.items()}
    leading: dict[AccountId, Leading] = {}
    stack.push_async_callback(_release, leading)
    deciders = {name: _decider(name, each.venue, named[name].markets, config) for name, each in connected.items()}
    await lead_all(
        deciders,
        leading,
        lambda decider, turn: _lead(decider, leases, log_, world.by(connected[decider.account].venue), tell, turn=turn),
    )
    following = await stack.enter_async_context(projections(url, log_, world))
    accounts: dict[AccountId, Account] = {}
    stack.push_async_callback(_drain, config, accounts, following)
    for name, led in leading.items():
        accounts[name] = await _writer(led, connected[name], config=config, log_=log_, world=world, asked_at=named_at)
    system = System(
        config=config,
        url=url,
        log=log_,
        world=world,
        accounts=accounts,
        projections=following,
        markets={name: each.markets for name, each in connected.items() if each.markets is not None},
        holdups=Holdups(url, spawn=tasks),
    )
    _follow(system, deciders, {name: each.missing for name, each in named.items()}, connected)
    system.holdups.start()
    await _synced(system, tell)
    gateway = await serve(_application(system), config.gateway)
    stack.push_async_callback(gateway.close)
    return system, gateway.url


def _application(system: System) -> web.Application:
    engines = {name: account.engine for name, account in system.accounts.items()}
    return build(
        engines=engines,
        reads=system.projections.reads,
        past=system.projections.past,
        log=system.log,
        tokens=PostgresTokens(system.url),
        clock=system.world.clock,
        ids=system.world.ids,
        spawn=system.world.spawn,
        settings=system.config.gateway,
        alerts={
            **{f"protection of {name}": account.guard.alert for name, account in system.accounts.items()},
            "trouble of projections": lambda: system.projections.runner.trouble,
            **winddown.alerts(system.config.wind_down, engines, system.world.clock),
        },
        promises={
            "database": system.holdups.broken,
            "projections": system.projections.runner.broken,
            **{f"lease of {name}": fresh(account.lease) for name, account in system.accounts.items()},
            **{f"venue of {name}": account.watcher.broken for name, account in system.accounts.items()},
        },
        holdups=lambda: system.holdups.now,
        watchers={name: account.watcher for name, account in system.accounts.items()},
        markets=system.markets,
    )


async def _database(config: Config, stack: AsyncExitStack) -> str:
    """Start or reach the database and see that its schema is ours."""
    if config.database.url:
        url = config.database.url.reveal()
    else:
        embedded = EmbeddedPostgres(config.home)
        stack.push_async_callback(asyncio.to_thread, embedded.stop)
        url = await asyncio.to_thread(embedded.start)
    await asyncio.to_thread(prepare, url, embedded=not config.database.url)
    return url


def prepare(url: str, *, embedded: bool) -> str:
    """See that the schema is ours; make it in an embedded database that is new. Return its revision.

    Raises:
        SchemaError: it is missing, older or newer; nothing was changed.
    """
    if embedded and revision(url) is None:
        return upgrade(url)
    return check_schema(url)


async def _named(name: AccountId, venue: Venue, config: Config, world: World, tell: Tell) -> catalogue.Catalogue:
    return await catalogue.ask(name, venue, seconds=config.start.venue_seconds, clock=world.clock, tell=tell)


def _follow(
    system: System,
    deciders: Mapping[AccountId, Decider],
    missing: Mapping[AccountId, str],
    connected: Mapping[AccountId, Connected],
) -> None:
    """Follow the configured markets; those of a venue that has not named all of its own, once it has."""
    follow = partial(follow_markets, system.config.market_data.follow, system.markets, deciders)
    lacking = {name: connected[name].venue for name, cause in missing.items() if cause}
    follow(cut=bool(lacking))
    catalogue.complete_each(lacking, deciders, follow, system.world.spawn)


async def _lead(
    decider: Decider,
    leases: Leases,
    log_: PostgresLog,
    world: World,
    tell: Tell,
    *,
    turn: Callable[[], bool] = lambda: True,
) -> Leading:
    """Return once the account is ours to lead: at once, or when whoever leads it ends and it is its `turn`."""
    clock, ids, spawn = world.clock, world.ids, world.spawn
    engine = Engine(decider.account, decider=decider, log=log_, clock=clock, ids=ids, spawn=spawn)
    lease = Lease(decider.account, leases, clock=clock, ids=ids, spawn=spawn)
    standby = Standby(lease, log_, tallied=decider.limits.strategy_loss_max)
    await standby.wait(tell, turn)
    lease.keep(engine.fence)
    return Leading(engine, lease, standby.warm)


async def _release(leading: Mapping[AccountId, Leading]) -> None:
    for led in leading.values():
        await led.lease.release()


async def _writer(
    led: Leading, connected: Connected, *, config: Config, log_: PostgresLog, world: World, asked_at: float
) -> Account:
    """Take the account over and begin to work for it; its markets were asked for at `asked_at`."""
    venue, by = connected.venue, world.by(connected.venue)
    engine, gate = led.engine, Gate(venue, lambda: led.may_send)
    clock, ids, spawn = by.clock, by.ids, by.spawn
    dispatcher = Dispatcher(engine, gate, clock=clock, ids=ids, spawn=spawn)
    watcher = Watcher(engine, dispatcher, gate, event_log=log_, clock=clock, ids=ids, spawn=spawn)
    await engine.start(venue.name, warm=led.warm, after=led.lease.after)
    connected.stand(engine.book)
    watcher.start()
    age = clock.monotonic() - asked_at
    spawn(keep_instruments(engine.decider, gate, age=age), name=f"markets of {engine.account}")
    Expiry(engine, clock=clock, spawn=spawn).start()
    Heartbeat(engine, gate, seconds=config.dead_man.seconds, spawn=spawn).start()
    guard = Guard(engine, config.protection, clock=clock, spawn=spawn)
    guard.start()
    return Account(engine, dispatcher, watcher, guard, led.lease)


def _decider(name: AccountId, venue: Venue, markets: Sequence[Instrument], config: Config) -> Decider:
    return Decider(
        name,
        instruments={market.symbol: market for market in markets},
        capabilities=venue.capabilities,
        limits=config.limits,
        policy=config.breaks,
        wind_down=config.wind_down,
    )


async def reconcile_once(
    config: Config, venue: VenueName, *, venues: OpenVenues, tell: Tell, account: str | None, dry_run: bool
) -> Mapping[AccountId, Rehearsed]:
    """Compare with the venue while no OMS runs; with `dry_run` nothing is recorded, and no account taken over.

    Raises:
        OmsError: the database, the venue or the account cannot be had.
    """
    clock = SystemClock()
    compared: dict[AccountId, Rehearsed] = {}
    async with AsyncExitStack() as stack:
        url = await _database(config, stack)
        log_ = PostgresLog(url)
        stack.push_async_callback(log_.close)
        tasks = Tasks()
        world = World(clock, TimeOrderedIds(clock), tasks)
        connected = await stack.enter_async_context(venues(venue, config, world, known(log_), tell))
        stack.push_async_callback(tasks.close)
        if account is not None and account not in connected:
            raise UnknownAccountError(f"no account {account} is connected")
        wanted = {name: each for name, each in connected.items() if account in {None, name}}
        async with tasks.needed():
            for name, each in wanted.items():
                named = await _named(name, each.venue, config, world, tell)
                by = world.by(each.venue)
                compared[name] = await _compared(
                    name, each, named.markets, config=config, log_=log_, world=by, dry_run=dry_run
                )
    return compared


async def _compared(
    name: AccountId,
    connected: Connected,
    markets: Sequence[Instrument],
    *,
    config: Config,
    log_: PostgresLog,
    world: World,
    dry_run: bool,
) -> Rehearsed:
    venue = connected.venue
    decider = _decider(name, venue, markets, config)
    if dry_run:
        connected.stand((await recover(name, log_, closed_kept=CLOSED_KEPT)).book)
        return await rehearse(name, log_, decider, venue, clock=world.clock, ids=world.ids)
    leases = PostgresLeases(log_.url)
    try:
        async with asyncio.timeout(WAIT_MAX_SECONDS):
            led = await _lead(decider, leases, log_, world, lambda _: None)
    except TimeoutError:
        await leases.close()
        raise AccountHeldError(f"another OMS leads account {name}") from None
    try:
        await led.engine.start(venue.name, warm=led.warm, after=led.lease.after)
        connected.stand(led.engine.book)
        survey = Survey(led.engine, venue, event_log=log_, clock=world.clock, ids=world.ids)
        standing = await compare_well(survey)
        await led.engine.stop()
    finally:
        await led.lease.release()
        await leases.close()
    return Rehearsed(standing, ())


async def _synced(system: System, tell: Tell) -> None:
    """Wait until every account has been compared with its venue, or as much of it as there is."""
    for name, account in system.accounts.items():
        seconds, clock = system.config.start.venue_seconds, system.world.clock
        await catalogue.compared(name, account.watcher, seconds=seconds, clock=clock, tell=tell)


async def _until_over(system: System, over: asyncio.Event) -> None:
    """Return when asked to stop.

    Raises:
        TaskFailedError, FencedError: something ended first.
    """
    tasks = system.world.spawn
    assert isinstance(tasks, Tasks)
    tasks.failed.add_done_callback(lambda _: over.set())
    for name, account in system.accounts.items():
        system.world.spawn(_when_fenced(account.engine, over), name=f"fence {name}")
    await over.wait()
    failure = tasks.failure()
    if failure is not None:
        raise failure
    for name, account in system.accounts.items():
        if account.engine.fenced.is_set():
            raise FencedError(
                f"account {name} was taken over by another writer",
                next_step="see which other OMS runs on this database; only one may",
            )


async def _when_fenced(engine: Engine, over: asyncio.Event) -> None:
    await engine.fenced.wait()
    over.set()


async def _drain(config: Config, accounts: Mapping[AccountId, Account], projections: Projections) -> None:
    """Make everything taken durable, wait for the answers under way, and let the tables catch up: for so long.

    Raises:
        LogUnavailableError: some commands could not be made durable in time; nobody was told that they were.
    """
    durable = True
    try:
        async with asyncio.timeout(config.stop.drain_seconds):
            for account in accounts.values():
                await account.engine.stop()
    except TimeoutError:
        durable = False
    for name, account in accounts.items():
        if not await account.dispatcher.drain(config.stop.drain_seconds):
            log.warning("answers of the venue are still awaited; they are asked for at the next start", account=name)
    position = max((account.engine.position for account in accounts.values()), default=0)
    if not await projections.catch_up(position, CATCH_UP_SECONDS):
        log.warning("the projections are behind; they go on at the next start", position=position)
    if not durable:
        raise LogUnavailableError("some commands could not be made durable before the end; nobody was told they were")
