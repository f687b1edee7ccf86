"""One OMS process of the simulation, composed as the real root composes it: engine, dispatcher, watcher, adapter."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from random import Random  # noqa: TID251 - the simulation's chance comes from its seed
from typing import Protocol

from adapters.bitmart.sign import Credentials
from oms.answers import Receipt
from oms.breaks.state import Policy
from oms.decide import Command, Decider
from oms.dispatcher import Dispatcher
from oms.engine import Engine
from oms.errors import FencedError, LogUnavailableError, NotReadyError
from oms.expiry import Expiry
from oms.gate import Gate
from oms.gateway.tail import Tail
from oms.heartbeat import Heartbeat
from oms.lease import Lease, Leases
from oms.ports import Clock, Ids, Link, Spawn
from oms.risk import Limits
from oms.snapshot import Pace
from oms.standby import Standby
from oms.survey import Survey
from oms.values import AccountId
from oms.venue import NoAnswerError, Venue, VenueClock
from oms.watcher import Watcher
from projections.runner import Runner
from tests.simulation.process import GoneError, Process
from tests.simulation.readers import Readers
from tests.simulation.storage import Session, Storage
from tests.simulation.wire import Wire

BOOT_PAUSE_SECONDS = 1.0


def _as_it_is(venue: Venue) -> Venue:
    return venue


@dataclass(frozen=True)
class Parts:
    """What a process is made of; a planted bug replaces one of them."""

    engine: type[Engine] = Engine
    decider: type[Decider] = Decider
    dispatcher: type[Dispatcher] = Dispatcher
    watcher: type[Watcher] = Watcher
    survey: type[Survey] = Survey
    storage: type[Storage] = Storage
    gate: type[Gate] = Gate
    standby: type[Standby] = Standby
    heartbeat: type[Heartbeat] = Heartbeat
    expiry: type[Expiry] = Expiry
    runner: type[Runner] = Runner
    tail: type[Tail] = Tail
    # What is done to the adapter before it is used.
    adapter: Callable[[Venue], Venue] = _as_it_is
    # Faults of the log that this world has at another rate, so that they meet.
    often: tuple[tuple[str, float], ...] = ()


PARTS = Parts()


class Scene(Protocol):
    """What a process sees of what is traded in its world."""

    @property
    def dead_man(self) -> int:
        """After how many seconds of silence the venue cancels everything; 0: never."""
        ...

    def venue(self, credentials: Credentials, *, link: Link, clock: Clock, ids: Ids, spawn: Spawn) -> Venue:
        """Return the adapter."""
        ...


class Gap:
    """How long nothing of ours ran, in which no time passed for the loop."""

    ns = 0


class WorldClock:
    """The one clock of a world: virtual time since a day of its own, and the `gap` in it."""

    def __init__(self, epoch_ns: int, gap: Gap | None = None) -> None:
        self._epoch_ns = epoch_ns
        self._gap = gap or Gap()

    def now_ns(self) -> int:
        return self._epoch_ns + self._gap.ns + int(self.monotonic() * 1e9)

    @cached_property
    def monotonic(self) -> Callable[[], float]:
        """The loop's time. The loop is asked for once: finding out which one runs costs more than the time itself."""
        return asyncio.get_running_loop().time


class CountedIds:
    """Ids in the order of time, then of the process that made them; jitter from a seed."""

    def __init__(self, clock: WorldClock, maker: int, chance: Random) -> None:
        self._clock = clock
        self._maker = maker
        self._chance = chance
        self._count = 0

    def next(self) -> str:
        self._count += 1
        return f"{self._clock.now_ns() // 1_000_000:011x}{self._maker:03x}{self._count:06x}"

    def uniform(self, low: float, high: float) -> float:
        return self._chance.uniform(low, high)


class Running:
    """A process from its start to its death."""

    def __init__(
        self,
        account: AccountId,
        *,
        parts: Parts,
        process: Process,
        wire: Wire,
        storage: Storage,
        scene: Scene,
        credentials: Credentials,
        limits: Limits,
        policy: Policy,
        clock: WorldClock,
        ids: CountedIds,
        closed_kept: int,
        page_max: int,
        pace: Pace,
        leases: Leases,
        started: Callable[["Running"], None],
        readers: Readers,
    ) -> None:
        self.process = process
        self.wire = wire
        self.lease = Lease(account, leases, clock=clock, ids=ids, spawn=process.spawn)
        self.engine: Engine | None = None  # once it answers
        self.dispatcher: Dispatcher | None = None
        self.watcher: Watcher | None = None
        self.tail: Tail | None = None
        self._account = account
        self._parts = parts
        self._log = Session(storage, page_max=page_max)
        self._limits = limits
        self._policy = policy
        self._ids = ids
        self._closed_kept = closed_kept
        self._pace = pace
        self._started = started
        self._readers = readers
        self._leading: Engine | None = None
        self._dead_man = scene.dead_man
        venue = scene.venue(credentials, link=wire, clock=clock, ids=ids, spawn=process.spawn)
        self._venue: Venue = parts.adapter(venue)
        self._clock = VenueClock(venue, clock)
        process.spawn(self._boot(), name="boot")

    @property
    def epoch(self) -> int:
        """The epoch it believes to be the account's; 0 before it leads."""
        return 0 if self._leading is None else self._leading.epoch

    async def give(self, command: Command) -> Receipt:
        """Execute a strategy's command in this process.

        Raises:
            GoneError: the process died first.
            OmsError: as Engine.execute does.
        """
        engine = self.engine
        if not self.process.alive:
            raise GoneError
        if engine is None:
            raise NotReadyError("the OMS is starting")
        return await self.process.call(lambda: engine.execute(command, actor="maker"))

    async def bury(self) -> None:
        """The world is over."""
        await self.process.bury()
        await self._log.bury()

    async def _boot(self) -> None:
        instruments = None
        while instruments is None:
            try:
                instruments = await self._venue.instruments()
            except NoAnswerError:
                await asyncio.sleep(BOOT_PAUSE_SECONDS)
        decider = self._parts.decider(
            self._account,
            instruments={each.symbol: each for each in instruments},
            capabilities=self._venue.capabilities,
            limits=self._limits,
            policy=self._policy,
        )
        await self._compose(decider)

    async def _compose(self, decider: Decider) -> None:
        clock, ids, spawn = self._clock, self._ids, self.process.spawn
        engine = self._parts.engine(
            self._account,
            decider=decider,
            log=self._log,
            clock=clock,
            ids=ids,
            spawn=spawn,
            closed_kept=self._closed_kept,
            pace=self._pace,
        )
        self._leading = engine  # which sends what is left to send before it has started altogether
        standby = self._parts.standby(self.lease, self._log, tallied=self._limits.strategy_loss_max)
        await standby.wait(lambda _: None)
        self.lease.keep(engine.fence)
        gate = self._parts.gate(self._venue, lambda: self.lease.fresh and not engine.fenced.is_set())
        dispatcher = self._parts.dispatcher(engine, gate, clock=clock, ids=ids, spawn=spawn)
        watcher = self._parts.watcher(
            engine,
            dispatcher,
            self._venue,
            event_log=self._log,
            clock=clock,
            ids=ids,
            spawn=spawn,
            survey=self._parts.survey,
        )
        try:
            await engine.start(self._venue.name, warm=standby.warm, after=self.lease.after)
        except (LogUnavailableError, FencedError):  # it could not start, so it ends; who runs it tries again
            self.process.kill()
            return
        watcher.start()
        self._parts.expiry(engine, clock=clock, spawn=spawn).start()
        self._parts.heartbeat(engine, gate, seconds=self._dead_man, spawn=spawn).start()
        self.engine, self.dispatcher, self.watcher = engine, dispatcher, watcher
        self.tail = self._readers.serve(self.process, self._log, clock)
        self.process.spawn(self._until_fenced(engine), name="until fenced")
        self._started(self)

    async def _until_fenced(self, engine: Engine) -> None:
        await engine.fenced.wait()
        self.process.kill()
