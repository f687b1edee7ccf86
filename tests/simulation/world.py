"""One seed, one world: the whole OMS with its real BitMart adapter, a simulated exchange, and everything going wrong.

First the safety phase: strategies command, others trade, every fault strikes, processes die between two steps; nothing
may ever be wrong, though much may be late. It is short, so that everything meets everything: one of twice the time with
as many orders found no more planted bugs. Then the liveness phase: no fault is new, and within two minutes everything
agrees. A minute and ten seconds of them are the proof of an absence (the validity of a request, then the visibility of
an order); the rest is polls and their pauses. In some worlds the aftermath follows: frames up to two minutes late still
come in and change nothing. It ends a while after the last thing that was under way has come, or, now and then, after
two minutes whatever comes: so that also what the OMS might do by itself after a long rest is seen.

No world has everything: read models and subscribers cost a fifth of one or more, and are in every fourth.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from hashlib import sha256
from math import exp, log
from random import Random  # noqa: TID251 - the simulation's chance comes from its seed
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from adapters.bitmart.limits import BAN_SECONDS
from adapters.bitmart.sign import Credentials
from adapters.simulator.chance import chance
from adapters.simulator.faults import APART, DEFAULT_RATES
from adapters.simulator.wire.keys import demo_credentials
from oms.answers import Receipt
from oms.book import Book, order_stream
from oms.breaks.state import Break
from oms.decide import Command
from oms.errors import OmsError
from oms.order.messages import CancelOrder, PlaceOrder
from oms.ports import StoredEvent
from oms.snapshot import PACE, Pace
from oms.store.memory import MemoryLeases
from oms.values import AccountId
from tests.simulation import invariants, leftovers, lists
from tests.simulation.invariants import Witness
from tests.simulation.limits import Held, limits_of, policy_of
from tests.simulation.loop import EndlessError, run
from tests.simulation.owner import Owner
from tests.simulation.people import Lasting, Strategies, lasting
from tests.simulation.perpetuals import scene_of
from tests.simulation.process import GoneError, Process
from tests.simulation.readers import Readers
from tests.simulation.running import PARTS, CountedIds, Gap, Parts, Running, WorldClock
from tests.simulation.scenes import HASTE
from tests.simulation.secrecy import Ear
from tests.simulation.storage import LogFaults
from tests.simulation.walls import Walls
from tests.simulation.wire import Wire

ACCOUNT: Final = AccountId("desk")
SCALES: Final = (0.0, 0.5, 1.0, 2.0)
CALM_SECONDS: Final = 2.0  # to come up in: afterwards coming up is as hard as everything else
SAFETY_SECONDS: Final = 12.0
LIVENESS_SECONDS: Final = 120.0
BUSTED_SECONDS: Final = 300.0  # where trades were taken back: both looks that prove it are a minute apart
READ_ON_SECONDS: Final = 120.0  # more, where lists are longer than one answer
AFTERMATH_SECONDS: Final = 125.0
GONE_SECONDS: Final = 60.0  # of a plan order that no list shows: as long as they may lag, and two looks
REST_SECONDS: Final = 25.0  # after the last thing under way: two comparisons of everything
READ_RATE: Final = 0.25  # worlds with read models and subscribers
AFTERMATH_RATE: Final = 0.15  # worlds that rest twice, with an aftermath between
LONG_RATE: Final = 0.3  # of those: they rest for the whole of it
CRASHES_MAX: Final = 6
STEPS_BEFORE_DOOM: Final = (5, 600)
OVERTAKEN_RATE: Final = 0.2  # dooms in which no one dies, but a second OMS takes over by force
PAUSED_RATE: Final = 0.25  # dooms in which the process is only stopped for a while
PAUSE_SECONDS: Final = (0.5, 9.0)
WAKING_SECONDS: Final = 5.0  # in which a process that was stopped finds out how things stand
PAUSED_AT_SEND_RATE: Final = 0.5  # pauses that wait for an intent which is committed and not sent
STANDBY_RATE: Final = 0.5  # dooms before which somebody started a standby
DOWN_SECONDS: Final = (0.05, 4.0)
TRADE_SECONDS: Final = (0.05, 0.8)  # between two things the other traders do
STILL_LOOKS: Final = 10  # tenths of a second for which a commit at rest may be under way
CALM_STEP_SECONDS: Final = 1.0
CALM_LOOK_SECONDS: Final = 2.0
MEETING_RATE: Final = 0.2  # worlds in which he meets our own orders
BUST_RATE: Final = 0.02  # how often something is taken back where anything is
FRESH_RATE: Final = 0.2  # likewise, where there is one of which not all was told
HAND_RATE: Final = 0.3  # worlds in which somebody also trades at the website
PASSES_MAX: Final = 400_000
NOTES_MAX: Final = 60  # of what happened last, shown for a world that failed
SECONDS_MAX: Final = 1_000.0
EPOCH_NS: Final = 1_767_600_000_000_000_000  # 2026-01-05, when every world begins


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one world. `trace` is a hash over every byte on the wire and every commit, with their times."""

    seed: int
    violations: tuple[str, ...]
    trace: str
    crashes: int
    overtaken: int
    paused: int
    stood_by: int
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

    def __init__(self, seed: int, parts: Parts = PARTS, *, without: Collection[str] = ()) -> None:
        self.seed = seed
        self.notes: deque[tuple[float, str, tuple[object, ...]]] = deque(maxlen=NOTES_MAX)
        self._without = frozenset(without)
        self.violations: list[str] = []
        self.crashes = 0
        self.overtaken = 0
        self.paused = 0
        self.stood_by = 0
        self.outages = 0
        self.steps = 0
        self.settled_after = 0.0
        self._parts = parts
        self._trace = sha256()
        self._plan = dice = self._dice("world")
        self._gap = Gap()
        self._clock = WorldClock(EPOCH_NS, self._gap)
        self._walls = Walls(self._dice("walls"), EPOCH_NS, self._gap, wrong="wall clock" not in self._without)
        self.witness = Witness(self.say, self._clock)
        self._limits = limits_of(self._dice("limits"))
        self._held = Held(ACCOUNT, self._limits, self.witness, self.say)
        self.witness.limits, self.witness.claims = self._held.take, self._held.claimed
        self._policy = self.witness.policy = policy_of(self._dice("policy"))
        self._log_faults = LogFaults(self._dice("log"), self._dice("conflicts"), self._dice("snapshots"))
        self.storage = parts.storage(
            self._log_faults,
            self._committed,
            lambda reason: self.say("I19", f"a batch that can never commit: {reason}"),
        )
        self.leases = MemoryLeases(self._log_faults)
        self.scene = scene_of(seed, dice, self._dice)
        self.simulator = self.scene.simulator
        self._lengths = None if "short lists" in self._without else lists.lengths_of(self._dice("lists"))
        if self._lengths is not None:
            self.simulator.settings.rows_max = self._lengths.rows
        keys = demo_credentials(ACCOUNT, seed)
        keys = replace(keys, memo=f"memo of {keys.key[:8]}")  # which nothing else can be taken for
        self.ear = Ear(keys, self.say)
        self.scene.open_account(keys)
        self._credentials = Credentials(key=keys.key, secret=keys.secret, memo=keys.memo)
        self._closed_kept = dice.choice((0, 2, 10_000))
        self._page_max = dice.choice((3, 20, 5_000))
        self._pace = self._dice("pace").choice((Pace(1, 0.0), Pace(10, 1.0), PACE))
        self._crashes_left = dice.choice((0, 1, 2, 3, CRASHES_MAX))
        rest = self._dice("rest")
        self._aftermath_comes, self._rests_long = rest.random() < AFTERMATH_RATE, rest.random() < LONG_RATE
        self._sends: Counter[str] = Counter()
        self._processes: list[Running] = []
        self._calm = False
        self._starts_at = 0.0  # when the last start that is planned comes, by the loop's clock
        self._pausing: tuple[int, float] | None = None  # which process is to stop at its next send, for so long
        self._before: frozenset[str] = frozenset()  # trades before the log began
        self.readers = Readers(
            self._dice,
            self.storage,
            runner=parts.runner,
            tail=parts.tail,
            say=self.say,
            anybody=self._dice("readers at all").random() < READ_RATE,
        )
        self._strategies = Strategies(
            self._dice("strategies"), self._give, self._acknowledged, hangs_up=self._dice("hanging up")
        )
        self._owner = Owner(
            ACCOUNT,
            self.scene,
            dice_for=self._dice,
            now_ms=self._now_ms,
            give=self._strategies.give,
            without=self._without,
        )

    def play(self) -> Outcome:
        """Run this world to its end."""
        try:
            with self.ear.listening(), lists.bounded(self._lengths):
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
            paused=self.paused,
            stood_by=self.stood_by,
            steps=sum(each.process.steps for each in self._processes),
            events=self.witness.head,
            seconds=self.seconds,
            settled_after=self.settled_after,
            faults=faults
            + Counter({"bust": self._busts, "hours away": self.outages, "days before": self._owner.traded_long_before})
            + self._walls.fired
            + self._log_faults.fired
            + self.readers.faults.fired,
            answers=self._strategies.answers + Counter({"hung up": self._strategies.hung_up}),
        )

    seconds = 0.0
    _busts = 0

    # ------------------------------------------------------------------------------------------------ what is noted

    def say(self, invariant: str, what: str) -> None:
        """Note a violation."""
        self.violations.append(f"{invariant} at {self.seconds:.3f} s: {what}")

    def _note(self, what: str, *details: object) -> None:
        """Keep what happens: all of it in the trace, the last of it to be told. Nobody spells what nobody reads."""
        self.seconds = self._clock.monotonic()
        note = (self.seconds, what, details)
        self._trace.update(repr(note).encode())
        self.notes.append(note)

    def _committed(self, epoch: int, events: Sequence[StoredEvent]) -> None:
        self._note("commit", epoch, [(stored.position, stored.stream, stored.topic) for stored in events])
        for stored in events:
            self._note("event", stored.topic, stored.state)
        if not self.witness.head:
            self._before = self.scene.traded(ACCOUNT)
        self.witness.committed(epoch, events)
        if self._pausing is not None and any(stored.topic.startswith("send-started") for stored in events):
            number, seconds = self._pausing
            if self._processes[number - 1].epoch == epoch:
                self._pausing = None
                self._pause(number, seconds)

    def _acknowledged(self, command: Command, receipt: Receipt) -> None:
        if not isinstance(command, PlaceOrder | CancelOrder):
            return
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
        number = len(self._processes) + 1
        if self._crashes_left and not self._calm:
            self._crashes_left -= 1
            low, high = STEPS_BEFORE_DOOM
            doomed_at = int(exp(self._plan.uniform(log(low), log(high))))
            doom = self._fate(number)
        wire = Wire(
            self.simulator,
            self._clock,
            chance(self.seed, f"network {number}"),
            look=self.scene.look(ACCOUNT, self.witness, self._sends, self.say),
            say=self.say,
            ear=self.ear,
            note=self._note,
            lost_seconds=lambda: self._lost_seconds(number),
        )
        wall = self._walls.another()
        process = Process(doomed_at=doomed_at, doom=doom, died=lambda: self._died(number, wire))
        running = Running(
            ACCOUNT,
            parts=self._parts,
            process=process,
            wire=wire,
            storage=self.storage,
            scene=self.scene,
            credentials=self._credentials,
            limits=self._limits,
            policy=self._policy,
            clock=wall,
            ids=CountedIds(wall, number, self._dice(f"ids {number}")),
            closed_kept=self._closed_kept,
            page_max=self._page_max,
            pace=self._pace,
            leases=self.leases,
            started=self._remembers,
            readers=self.readers,
        )
        self._processes.append(running)

    def _fate(self, number: int) -> Callable[[], None] | None:
        """Return what becomes of a process at its doom, None for death. Somebody may have started a standby."""
        if self._plan.random() < STANDBY_RATE:
            asyncio.get_running_loop().call_later(self._plan.uniform(0.1, 5.0), self._stand_by)
        chances = self._plan.random()
        if "crash" in self._without or chances < OVERTAKEN_RATE:
            return self._overtake if "overtake" not in self._without else _nothing
        if chances < OVERTAKEN_RATE + PAUSED_RATE:
            seconds = self._plan.uniform(*PAUSE_SECONDS)
            if self._plan.random() < PAUSED_AT_SEND_RATE:
                return lambda: self._pause_at_next_send(number, seconds)
            return lambda: self._pause(number, seconds)
        return None

    def _stand_by(self) -> None:
        """Start a second OMS, which waits, where there is one to wait for."""
        alive = [each for each in self._processes if each.process.alive]
        if len(alive) == 1 and not self._calm:
            self._note("stands by")
            self.stood_by += 1
            self._start()

    def _pause_at_next_send(self, number: int, seconds: float) -> None:
        """Stop a process in the worst moment: an intent of its own was committed, and not sent yet."""
        self._pausing = (number, seconds)

    def _pause(self, number: int, seconds: float) -> None:
        """Stop a process for a while, perhaps past its lease."""
        self.paused += 1
        self._note("paused", seconds)
        self._processes[number - 1].process.pause(seconds)

    def _overtake(self) -> None:
        """Somebody starts a second OMS that waits for nobody, until the first one finds out that it is fenced."""
        self.overtaken += 1
        self._note("overtaken")
        self.leases.forget(ACCOUNT)
        asyncio.get_running_loop().call_soon(self._start)

    def _lost_seconds(self, number: int) -> float:
        """How long ago a process lost the account; zero while it has it."""
        epoch = self._processes[number - 1].epoch
        if epoch >= self.storage.seized:
            return 0.0
        return self._clock.monotonic() - self.storage.taken_at

    @property
    def _leader(self) -> Running:
        """The process that leads, or is about to."""
        leading = [each for each in self._processes if each.process.alive and each.engine is not None]
        return max(leading, key=lambda each: each.epoch) if leading else self._processes[-1]

    def _died(self, number: int, wire: Wire) -> None:
        self._note("died")
        wire.cut()
        self.leases.gone.add(self._processes[number - 1].lease.holder)
        if any(each.process.alive for each in self._processes):
            return  # another one has the account, or waits for it
        self.crashes += 1
        if not self._calm:
            self._pass_hours()
        down = self._plan.uniform(*DOWN_SECONDS) if not self._calm else DOWN_SECONDS[0]
        loop = asyncio.get_running_loop()
        self._starts_at = max(self._starts_at, loop.time() + down)
        loop.call_later(down, self._start)

    def _pass_hours(self) -> None:
        """Let hours go by at once, where nobody looks after the OMS for as long: for the loop no time passes."""
        hours = self._owner.goes_on_alone(self.simulator.step)
        if hours:
            self._note("hours passed", hours)
            self.outages += 1
            self._gap.ns += round(hours * 3_600_000) * 1_000_000

    async def _give(self, command: Command) -> Receipt:
        if not self._processes:
            raise GoneError
        try:
            return await self._leader.give(command)
        except OmsError as error:
            self.ear.answered(str(error))
            raise

    def _book(self) -> Book | None:
        """What the OMS says to whoever asks it for orders, positions and breaks; None where nobody answers."""
        engine = self._leader.engine
        return None if engine is None else engine.book

    def _breaks(self) -> Sequence[Break]:
        book = self._book()
        return () if book is None else tuple(book.account.breaks.open.values())

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
        self._remembers(self._leader)
        for failure in (failure for each in self._processes for failure in each.process.failures):
            self.say("I19", f"a task died of {failure}")
            self.ear.overhear("what a task died of", failure)
        for invariant, wrong in self.scene.accepted_once(ACCOUNT, self.witness):
            self.say(invariant, wrong)
        for confused in self._strategies.confused:
            self.say("I4", confused)
        if self.violations:
            raise ViolatedError

    # ------------------------------------------------------------------------------------------------ history

    async def _history(self) -> None:
        loop = asyncio.get_running_loop()
        self._owner.trade_long_before(self.simulator.step)
        exchange = loop.create_task(self._exchange_lives())
        errands = [
            loop.create_task(errand)
            for errand in self.scene.errands(
                self._dice("plans"), ACCOUNT, SAFETY_SECONDS, self._strategies, self._lasting()
            )
        ]
        if self._owner.traded_before:
            errands.append(loop.create_task(self._owner.trade_before()))
        await self._owner.start_after()
        if self._owner.struck_before:
            self._strike()
        self._start()
        readers = [loop.create_task(each) for each in self.readers.subscribe(lambda: self._leader)]
        readers.append(loop.create_task(self._owner.look_after(self._breaks)))
        try:
            await self._watch(CALM_SECONDS)
            others = (
                self._owner.halt(SAFETY_SECONDS),
                self._owner.move_money(SAFETY_SECONDS),
                self._owner.claim(SAFETY_SECONDS, self._book),
            )
            errands += [loop.create_task(each) for each in (*others, self._walls.step(SAFETY_SECONDS))]
            if not self._owner.struck_before:
                self._strike()
            await self._watch(SAFETY_SECONDS)
            self._calm_down()
            await self._converge(errands)
            if self._crowded():
                return
            if self._aftermath_comes:
                await self._aftermath()
            await self.readers.rebuild(self._clock)
            await self._still()
            self._compare()
        finally:
            for task in (exchange, *errands, *readers):
                task.cancel()
            await asyncio.gather(exchange, *errands, *readers, return_exceptions=True)
            for each in self._processes:
                await each.bury()

    def _lasting(self) -> Lasting:
        times = self._dice("times")
        if "lasting" in self._without:
            return lambda plan: plan
        return lambda plan: lasting(times, plan, CALM_SECONDS + SAFETY_SECONDS, EPOCH_NS)

    def _strike(self) -> None:
        scales = self._dice("scales")
        apart = {name: self._dice(f"scale of {name}") for name in sorted(APART)}
        rates = {
            name: min(rate * HASTE.get(name, 1.0) * apart.get(name, scales).choice(SCALES), 1.0)
            for name, rate in self.scene.rates(DEFAULT_RATES).items()
        }
        rates = {name: 0.0 if name in self._without else rate for name, rate in rates.items()}
        self.simulator.set_faults(seed=self.seed, rates=rates)
        self._log_faults.strike(scales.choice(SCALES), self._without, dict(self._parts.often))
        self.readers.faults.strike(scales.choice(SCALES), self._without)

    def _calm_down(self) -> None:
        """Begin the liveness phase: nothing new goes wrong, and a dead process comes back."""
        self._calm = True
        self._pausing = None
        self.simulator.set_faults(seed=self.seed, rates={})
        self._log_faults.strike(0.0)
        self.readers.calm_down()
        for each in self._processes:
            each.process.spare()

    async def _exchange_lives(self) -> None:
        chances = self._dice("exchange")
        hand = chances.random() < HAND_RATE and "hand" not in self._without
        meeting = self._dice("meeting")
        meets = meeting.random() < MEETING_RATE and "meeting" not in self._without
        taking = self._dice("taking back")
        takes = self.scene.taken_back and "bust" not in self._without
        while True:
            self.simulator.step(self._now_ms())
            if not self._calm:
                self.scene.trade(self._now_ms())
                if hand and chances.random() < HAND_RATE / 5:
                    self.scene.by_hand(chances, ACCOUNT, self._now_ms())
                if meets and meeting.random() < MEETING_RATE / 2:
                    self.scene.meet(meeting, ACCOUNT, self._now_ms())
                if takes and self.witness.head:
                    self._take_back(taking)
            await asyncio.sleep(chances.uniform(*TRADE_SECONDS) if not self._calm else CALM_STEP_SECONDS)

    def _take_back(self, chances: Random) -> None:
        """Have the venue take a trade back, now and then, and often one of which not all was told yet."""
        spared = self._before | self.witness.before
        if fresh := self.scene.half_told(ACCOUNT, self.witness) - spared:
            spared = self.scene.traded(ACCOUNT) - fresh
        if chances.random() < (FRESH_RATE if fresh else BUST_RATE):
            self._busts += self.scene.take_back(chances, ACCOUNT, self._now_ms(), spared)

    async def _watch(self, seconds: float, *, every: float = 1.0) -> None:
        """Let time pass and look around as it does."""
        until = self._clock.monotonic() + seconds
        while self._clock.monotonic() < until:
            await asyncio.sleep(every)
            self._look()

    async def _converge(self, errands: list[asyncio.Task[None]]) -> None:
        """Wait until everything agrees, and prove that the OMS still works: one more order comes and goes."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        probe = loop.create_task(self._probe())
        try:
            while True:
                await self._watch(CALM_LOOK_SECONDS, every=CALM_LOOK_SECONDS)
                self.settled_after = loop.time() - begun
                over = self.settled_after > self._patience()
                done = probe.done() and all(errand.done() for errand in errands) and not self._waking()
                if not (done or over):
                    continue  # what differs is looked for once it may be the last that keeps them from resting
                wrong = list(self._differences())
                if (done and not wrong) or (over and self._crowded()):
                    return
                if over:
                    for invariant, what in wrong or [("I10", "a strategy still waits for its answer")]:
                        self.say(invariant, what)
                    raise ViolatedError
        finally:
            probe.cancel()

    def _crowded(self) -> bool:
        """Whether the lists of this world cannot be read to their end, which is a person's to accept."""
        if self._lengths is None:
            return False
        return any(each.crowded(self._lengths.rows) for each in self.scene.kept(ACCOUNT))

    def _patience(self) -> float:
        """How many seconds it may take to agree. Who was banned asks for nothing at all for some minutes."""
        banned = self.simulator.faults.fired("banned")
        proven = self.scene.taken_back or self._owner.moves_money
        read_on = self._lengths is not None  # each proof reads its lists, some twice, in many calls
        seconds = BUSTED_SECONDS if proven else LIVENESS_SECONDS
        return seconds + (BAN_SECONDS if banned else 0.0) + (READ_ON_SECONDS if read_on else 0.0)

    def _waking(self) -> bool:
        """Whether a process that was stopped has still to wake, and to do what it was about to; or one to start; or one
        that was banned to ask again.
        """
        now = asyncio.get_running_loop().time()
        return now <= self._starts_at or any(
            each.process.alive and (now < each.process.paused_until + WAKING_SECONDS or each.wire.kept_out)
            for each in self._processes
        )

    async def _aftermath(self) -> None:
        """Let whatever is late come in, have every stream open once more, and look at what is left of it."""
        loop = asyncio.get_running_loop()
        before = self._rest()
        self.simulator.hang_up()
        until = loop.time() + AFTERMATH_SECONDS
        rested_at = until if self._rests_long else loop.time() + REST_SECONDS
        while loop.time() < min(until, rested_at):
            await self._watch(5.0, every=5.0)
            if self.simulator.under_way:
                rested_at = max(rested_at, loop.time() + REST_SECONDS)
        # A list from before a trade was taken back may have come so late that it is booked now: that takes its proof.
        # And a plan order that ended meanwhile without a word is nowhere once lists could no longer lag.
        until = loop.time() + (BUSTED_SECONDS if self.scene.taken_back else GONE_SECONDS)
        while loop.time() < until and any(self._differences()):
            await self._watch(5.0, every=5.0)
        if any(leftovers.grown(before, self._rest())):
            await self._watch(3.0)  # a task that only passed by is gone by then
        for what in leftovers.grown(before, self._rest()):
            self.say("I19", what)

    async def _still(self) -> None:
        """Let a commit end that is under way, and be read: how far trades are known is written at rest, too."""
        engine, looks = self._leader.engine, 0
        while engine is not None and looks < STILL_LOOKS:
            if not engine._waiting and engine.ready and not any(self.readers.behind()):
                break
            await self._watch(0.1, every=0.1)
            looks += 1

    def _rest(self) -> leftovers.Rest:
        return leftovers.Rest(asyncio.get_running_loop(), self._processes, self._leader)

    async def _probe(self) -> None:
        far = self.scene.probe(ACCOUNT)
        if await self._strategies.give(far):
            await self._strategies.give(
                CancelOrder(account=ACCOUNT, client_order_id=far.client_order_id, request_id="p")
            )

    def _differences(self) -> Iterator[tuple[str, str]]:
        # By the venue's clock, which the log goes by, a little may lie between the two.
        before = self._before | self.witness.before
        yield from self.scene.unsettled(self._leader, self.witness, ACCOUNT, before)
        yield from self.readers.behind()

    def _compare(self) -> None:
        """At rest: everything agrees with the exchange, and with a replay."""
        engine = self._leader.engine
        assert engine is not None
        for invariant, what in (
            *self._differences(),
            *self._held.memory(engine.book.loss),
            *invariants.replayed(engine, self.storage),
            *self.ear.stored(self.storage),
        ):
            self.say(invariant, what)


def _nothing() -> None:
    """Let it live on."""
