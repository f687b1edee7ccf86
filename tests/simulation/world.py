"""One seed, one world: the whole OMS with its real BitMart adapter, a simulated exchange, and everything going wrong.

First the safety phase: strategies command, others trade, every fault strikes, processes die between two steps; nothing
may ever be wrong, though much may be late. Then the liveness phase: no fault is new, and within two minutes everything
agrees. A minute and ten seconds of them are the proof of an absence (the validity of a request, then the visibility of
an order); the rest is polls and their pauses. Then the aftermath: frames up to two minutes late still come in and
change nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from math import exp, log
from random import Random  # noqa: TID251 - the simulation's chance comes from its seed
from typing import Final

from msgspec import Struct

from adapters.bitmart.sign import Credentials
from adapters.simulator.chance import chance
from adapters.simulator.exchange.accounts import Account
from adapters.simulator.exchange.matching import Rules
from adapters.simulator.faults import DEFAULT_RATES
from adapters.simulator.simulator import MARKETS, Simulator
from adapters.simulator.wire.keys import demo_credentials
from oms.book import order_stream
from oms.engine import Receipt
from oms.order.messages import CancelOrder, PlaceOrder
from oms.ports import StoredEvent
from oms.values import AccountId, ClientOrderId, OrderType, Side, StrategyId
from tests.simulation import invariants
from tests.simulation.invariants import Witness
from tests.simulation.loop import EndlessError, run
from tests.simulation.people import MIDDLE, SYMBOL, Strategies, Street, by_hand, plans
from tests.simulation.process import GoneError, Process
from tests.simulation.running import PARTS, CountedIds, Parts, Running, WorldClock
from tests.simulation.settled import accepted_once, unsettled
from tests.simulation.storage import LogFaults
from tests.simulation.wire import Wire

ACCOUNT: Final = AccountId("desk")
FUNDS: Final[Mapping[str, Decimal]] = {"USDT": Decimal(4_000), "BTC": Decimal("0.08")}
SCALES: Final = (0.0, 0.5, 1.0, 2.0)
CALM_SECONDS: Final = 2.0  # to come up in: afterwards coming up is as hard as everything else
SAFETY_SECONDS: Final = 25.0
LIVENESS_SECONDS: Final = 120.0
AFTERMATH_SECONDS: Final = 125.0
CRASHES_MAX: Final = 4
STEPS_BEFORE_DOOM: Final = (5, 600)
OVERTAKEN_RATE: Final = 0.3  # dooms in which no one dies, but a second OMS takes over
DOWN_SECONDS: Final = (0.05, 8.0)
TRADE_SECONDS: Final = (0.05, 0.8)  # between two things the other traders do
CALM_STEP_SECONDS: Final = 0.5
HAND_RATE: Final = 0.3  # worlds in which somebody also trades at the website
PASSES_MAX: Final = 400_000
SECONDS_MAX: Final = 1_000.0
EPOCH_NS: Final = 1_767_600_000_000_000_000  # 2026-01-05, when every world begins


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one world. `trace` is a hash over every byte on the wire and every commit, with their times."""

    seed: int
    violations: tuple[str, ...]
    trace: str
    crashes: int
    overtaken: int
    steps: int
    events: int
    seconds: float  # virtual
    settled_after: float  # seconds of the liveness phase until everything agreed
    faults: Counter[str]
    answers: Counter[str]


class ViolatedError(Exception):
    """Something was wrong: the world need not go on."""


class World:
    """Everything of one seed."""

    def __init__(self, seed: int, parts: Parts = PARTS) -> None:
        self.seed = seed
        self.violations: list[str] = []
        self.crashes = 0
        self.overtaken = 0
        self.steps = 0
        self.settled_after = 0.0
        self._parts = parts
        self._trace = sha256()
        dice = self._dice("world")
        self._plan = dice
        self._clock = WorldClock(EPOCH_NS)
        self.witness = Witness(self.say)
        self._log_faults = LogFaults(self._dice("log"))
        self.storage = parts.storage(
            self._log_faults,
            self._committed,
            lambda reason: self.say("I19", f"a batch that can never commit: {reason}"),
        )
        self.simulator = Simulator(
            contracts=(),  # worlds without perpetuals are faster
            seed=seed,
            markets=MARKETS[:1],
            traders=False,
            rules=Rules(duplicate_check=dice.random() < 0.5),
        )
        keys = demo_credentials(ACCOUNT, seed)
        self.simulator.open_account(keys, FUNDS)
        self._credentials = Credentials(key=keys.key, secret=keys.secret, memo=keys.memo)
        self._closed_kept = dice.choice((0, 2, 10_000))
        self._page_max = dice.choice((3, 20, 5_000))
        self._crashes_left = dice.choice((0, 1, 1, 2, CRASHES_MAX))
        self._sends: Counter[str] = Counter()
        self._processes: list[Running] = []
        self._calm = False
        self._before: frozenset[str] = frozenset()  # trades before the log began
        self._strategies = Strategies(self._dice("strategies"), self._give, self._acknowledged)
        self._street = Street(self._dice("street"), self.simulator, self._now_ms)

    def play(self) -> Outcome:
        """Run this world to its end."""
        try:
            run(self._history(), passes_max=PASSES_MAX, seconds_max=SECONDS_MAX)
        except EndlessError as error:
            self.say("I19", str(error))
        except ViolatedError:
            pass
        faults = Counter({fault.name: fault.fired for fault in self.simulator.faults.overview()})
        return Outcome(
            seed=self.seed,
            violations=tuple(self.violations),
            trace=self._trace.hexdigest(),
            crashes=self.crashes,
            overtaken=self.overtaken,
            steps=sum(each.process.steps for each in self._processes),
            events=self.witness.head,
            seconds=self.seconds,
            settled_after=self.settled_after,
            faults=faults + self._log_faults.fired,
            answers=self._strategies.answers,
        )

    seconds = 0.0

    # ------------------------------------------------------------------------------------------------ what is noted

    def say(self, invariant: str, what: str) -> None:
        """Note a violation."""
        self.violations.append(f"{invariant} at {self.seconds:.3f} s: {what}")

    def _note(self, *what: object) -> None:
        self.seconds = asyncio.get_running_loop().time()
        self._trace.update(repr((self.seconds, what)).encode())

    def _committed(self, epoch: int, events: Sequence[StoredEvent]) -> None:
        self._note("commit", epoch, events)
        if not self.witness.head:
            self._before = frozenset(fill.trade_id for fill in self._truth.fills)
        self.witness.committed(epoch, events)

    def _acknowledged(self, command: PlaceOrder | CancelOrder, receipt: Receipt) -> None:
        self._note("acknowledged", command.client_order_id, receipt.position)
        stream = order_stream(ACCOUNT, command.client_order_id)
        for invariant, wrong in invariants.acknowledged(command, stream, self.witness):
            self.say(invariant, wrong)

    def _dice(self, purpose: str) -> Random:
        return Random(f"{self.seed}/{purpose}")

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000

    # ------------------------------------------------------------------------------------------------ processes

    def _start(self) -> None:
        doomed_at, doom = None, None
        if self._crashes_left and not self._calm:
            self._crashes_left -= 1
            low, high = STEPS_BEFORE_DOOM
            doomed_at = int(exp(self._plan.uniform(log(low), log(high))))
            doom = self._overtake if self._plan.random() < OVERTAKEN_RATE else None
        number = len(self._processes) + 1
        wire = Wire(
            self.simulator,
            self._clock,
            chance(self.seed, f"network {number}"),
            account=ACCOUNT,
            witness=self.witness,
            sends=self._sends,
            say=self.say,
            note=self._note,
        )
        process = Process(doomed_at=doomed_at, doom=doom, died=lambda: self._died(number, wire))
        running = Running(
            ACCOUNT,
            parts=self._parts,
            process=process,
            wire=wire,
            storage=self.storage,
            credentials=self._credentials,
            clock=self._clock,
            ids=CountedIds(self._clock, number, self._dice(f"ids {number}")),
            closed_kept=self._closed_kept,
            page_max=self._page_max,
            started=self._remembers,
        )
        self._processes.append(running)

    def _overtake(self) -> None:
        """Somebody starts a second OMS while the first one runs on, until it finds out that it is fenced."""
        self.overtaken += 1
        self._note("overtaken")
        asyncio.get_running_loop().call_soon(self._start)

    def _died(self, number: int, wire: Wire) -> None:
        self._note("died")
        wire.cut()
        if number < len(self._processes):
            return  # another one has the account
        self.crashes += 1
        down = self._plan.uniform(*DOWN_SECONDS) if not self._calm else DOWN_SECONDS[0]
        asyncio.get_running_loop().call_later(down, self._start)

    async def _give(self, command: PlaceOrder | CancelOrder) -> Receipt:
        if not self._processes:
            raise GoneError
        return await self._processes[-1].give(command)

    def _remembers(self, running: Running) -> None:
        """I12, of the account's writer while it is idle: else memory is ahead of the log, or fenced and behind it."""
        engine = running.engine
        if engine is None or engine._waiting or not (engine.ready and running.process.alive):
            return
        if engine.epoch == self.storage.epoch_of(ACCOUNT):
            for invariant, wrong in invariants.memory(engine, self.witness):
                self.say(invariant, wrong)

    def _look(self) -> None:
        """Check what is true at all times."""
        self._note("look")
        self._remembers(self._processes[-1])
        for failure in (failure for each in self._processes for failure in each.process.failures):
            self.say("I19", f"a task died of {failure}")
        for invariant, wrong in accepted_once(ACCOUNT, self._truth, self.witness):
            self.say(invariant, wrong)
        for confused in self._strategies.confused:
            self.say("I4", confused)
        if self.violations:
            raise ViolatedError

    # ------------------------------------------------------------------------------------------------ history

    async def _history(self) -> None:
        loop = asyncio.get_running_loop()
        exchange = loop.create_task(self._exchange_lives())
        errands = [
            loop.create_task(self._strategies.carry_out(plan))
            for plan in plans(self._dice("plans"), ACCOUNT, SAFETY_SECONDS)
        ]
        try:
            self._start()
            await self._watch(CALM_SECONDS)
            self._strike()
            await self._watch(SAFETY_SECONDS)
            self._calm_down()
            await self._converge(errands)
            await self._watch(AFTERMATH_SECONDS, every=5.0)
            self._compare()
        finally:
            for task in (exchange, *errands):
                task.cancel()
            await asyncio.gather(exchange, *errands, return_exceptions=True)
            for each in self._processes:
                await each.bury()

    def _strike(self) -> None:
        scales = self._dice("scales")
        rates = {name: min(rate * scales.choice(SCALES), 1.0) for name, rate in DEFAULT_RATES.items()}
        self.simulator.set_faults(seed=self.seed, rates=rates)
        self._log_faults.strike(scales.choice(SCALES))

    def _calm_down(self) -> None:
        """Begin the liveness phase: nothing new goes wrong, and a dead process comes back."""
        self._calm = True
        self.simulator.set_faults(seed=self.seed, rates={})
        self._log_faults.strike(0.0)
        for each in self._processes:
            each.process.spare()

    async def _exchange_lives(self) -> None:
        chances = self._dice("exchange")
        hand = chances.random() < HAND_RATE
        while True:
            self.simulator.step(self._now_ms())
            if not self._calm:
                self._street.trade()
                if hand and chances.random() < HAND_RATE / 5:
                    by_hand(chances, self.simulator, ACCOUNT, self._now_ms())
            await asyncio.sleep(chances.uniform(*TRADE_SECONDS) if not self._calm else CALM_STEP_SECONDS)

    async def _watch(self, seconds: float, *, every: float = 1.0) -> None:
        """Let time pass and look around as it does."""
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(every)
            self._look()

    async def _converge(self, errands: list[asyncio.Task[None]]) -> None:
        """Wait until everything agrees, and prove that the OMS still works: one more order comes and goes."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        probe = loop.create_task(self._probe())
        try:
            while True:
                await self._watch(1.0)
                self.settled_after = loop.time() - begun
                wrong = list(self._differences())
                if not wrong and probe.done() and all(errand.done() for errand in errands):
                    return
                if self.settled_after > LIVENESS_SECONDS:
                    for invariant, what in wrong or [("I10", "a strategy still waits for its answer")]:
                        self.say(invariant, what)
                    raise ViolatedError
        finally:
            probe.cancel()

    async def _probe(self) -> None:
        far = PlaceOrder(
            account=ACCOUNT,
            client_order_id=ClientOrderId("probe"),
            strategy=StrategyId("maker"),
            symbol=SYMBOL,
            side=Side.BUY,
            type=OrderType.LIMIT,
            quantity=Decimal("0.0002"),
            price=Decimal(MIDDLE // 2),
        )
        if await self._strategies.give(far):
            await self._strategies.give(
                CancelOrder(account=ACCOUNT, client_order_id=far.client_order_id, request_id="p")
            )

    def _differences(self) -> Iterator[tuple[str, str]]:
        yield from unsettled(self._processes[-1], self._truth, self.witness, ACCOUNT, self._before)

    def _compare(self) -> None:
        """At rest: everything agrees with the exchange, and with a replay."""
        engine = self._processes[-1].engine
        assert engine is not None
        for invariant, what in (*self._differences(), *invariants.replayed(engine, self.storage)):
            self.say(invariant, what)

    @property
    def _truth(self) -> Account:
        return self.simulator.exchange.accounts[ACCOUNT]
