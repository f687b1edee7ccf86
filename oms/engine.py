"""The single writer of one account: decides on memory, commits in groups, hands out only what is committed.

A message is decided against the book, its events are folded into it and put into the open batch. One batch is in flight
at a time; while it commits, the next one fills. Answers, sends to the venue and everything else that the outside can
see wait for the commit. So one fsync serves as many commands as arrived while the last one ran.

Memory therefore runs ahead of the log by what is in flight and what waits. When a commit conflicts, all that is taken
back, the streams in question are read and everything is decided again; when the log cannot say what became of a commit,
the engine stops taking work and rebuilds its memory from the log.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Final

import structlog
from msgspec.structs import replace

from oms.account.events import WriterStarted
from oms.answers import Answers, Listener, Pending, Receipt
from oms.book import CLOSED_KEPT, Book, account_stream, order_stream
from oms.decide import Addressed, Command, Decider, Said
from oms.doubts import doubts
from oms.errors import (
    CommandRefusedError,
    DuplicateOrderError,
    FencedError,
    LogUnavailableError,
    NotReadyError,
    OmsError,
    Outcome,
    StoppingError,
    UnknownAccountError,
)
from oms.evidence import reported
from oms.intake import INTAKE_MAX, require_room
from oms.order.messages import AmendOrder, CancelOrder, ClaimOrder, PlaceOrder
from oms.order.state import CLOSED, Order
from oms.ports import (
    AlreadyThere,
    Batch,
    Clock,
    Committed,
    Conflict,
    EventLog,
    Fenced,
    Ids,
    NotCommitted,
    Spawn,
    Unknown,
    VenueMessage,
)
from oms.recovery import Recovered, read_order, recover
from oms.snapshot import PACE, Memory, Pace, Snapshots
from oms.unforeseen import unforeseen
from oms.values import AccountId, Provenance

BATCH_EVENTS: Final = 2_000  # a batch is closed at so many events: large enough for the disk, small enough to overlap
RETRY_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0)  # between looks at a log that does not answer; the last repeats

log = structlog.get_logger()

_COMMAND, _INFERRED = Provenance.COMMAND, Provenance.INFERRED  # bound once: an enum's member is a slow look-up


class Engine:
    """One account's writer. Start it, then `execute` commands and `report` what the venue says."""

    def __init__(
        self,
        account: AccountId,
        *,
        decider: Decider,
        log: EventLog,
        clock: Clock,
        ids: Ids,
        spawn: Spawn,
        intake_max: int = INTAKE_MAX,
        closed_kept: int = CLOSED_KEPT,
        pace: Pace = PACE,
    ) -> None:
        self.account = account
        self.decider = decider
        self._tallied = tuple(decider.limits.strategy_loss_max)
        self.book = Book(account, closed_kept=closed_kept, tallied=self._tallied)
        self.epoch = 0
        self.position = 0  # the last one known to be committed
        self.opened_ns, self.written_ns = 0, 0  # when this log first knew the account, and last wrote of it: UTC
        self.resumed_ns = 0  # `written_ns` as this writer found it
        self.trading = False  # set once the account was reconciled with its venue: no order or change goes out before
        self.fenced: asyncio.Event = asyncio.Event()
        self.on_commit: list[Listener] = []  # called in order after each commit
        self.on_recovered: list[Callable[[], None]] = []  # called when memory was rebuilt, before it is used
        self._log = log
        self._clock = clock
        self._ids = ids
        self._spawn = spawn
        self._intake_max = intake_max
        self._taker = ids.next()
        self._closed_kept = closed_kept
        self._snapshots = Snapshots(account, log, clock=clock, spawn=spawn, pace=pace)
        self._open = Pending()
        self._closed: deque[Pending] = deque()  # full, waiting for the one in flight
        self._in_flight: Pending | None = None
        self._in_flight_since = 0.0  # by the monotonic clock
        self._answers = Answers(self._announce)
        self._lost: set[str] = set()  # what memory is ahead of the log with, until it is built anew
        self._read_back: set[str] = set()  # for conflicts since the last answered batch: none of it may conflict again
        self._waiting = 0
        self._wake, self._ready, self._idle = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._stopping = False

    # ------------------------------------------------------------------------------------------------ life

    async def start(self, venue: str, *, warm: Recovered | None = None, after: int | None = None) -> None:
        """Take the account over, rebuild memory from the log, on from `warm`, and begin to write. `after` is its epoch
        before it became ours to lead: whoever was stopped since, and woke, must not fence who leads by then.

        Raises:
            FencedError: somebody else has taken it over since.
            LogUnavailableError: the log cannot be read.
            CorruptStreamError: the log contradicts itself.
        """
        after = await self._log.epoch(self.account) if after is None else after
        if self.fenced.is_set():  # its lease was taken meanwhile: the next epoch is not ours to take
            raise FencedError(f"account {self.account} belongs to another writer")
        self.epoch = await self._log.take_over(self.account, after=after, taker=self._taker)
        await self._rebuild(warm)
        self.resumed_ns = self.written_ns
        self._spawn(self._commit_for_ever(), name=f"engine {self.account}")
        self._spawn(self._answers.give_for_ever(), name=f"answers {self.account}")
        self._ready.set()
        await self.report([(account_stream(self.account), WriterStarted(account=self.account, venue=venue))])
        unanswered = doubts(self.book, self.decider.capabilities, self._clock.now_ns(), "the writer was restarted")
        if unanswered:
            await self.report(unanswered, source=_INFERRED)

    async def stop(self) -> None:
        """Refuse new commands and return once everything taken is durable (or refused)."""
        self._stopping = True
        await self._idle.wait()

    def doubt_unsent(
        self, reason: str, sending: Collection[tuple[str, int]], changing: Collection[tuple[str, str]]
    ) -> None:
        """Put in doubt what is being sent and changed, but for what is somebody's here (see `doubts`). Where the log is
        lost with it, memory is built anew, and this is asked for again.

        Raises:
            FencedError: another writer has the account.
        """
        can, now_ns = self.decider.capabilities, self._clock.now_ns()
        if unanswered := doubts(self.book, can, now_ns, reason, sending=sending, changing=changing):
            self.note(unanswered, source=_INFERRED)

    @property
    def ready(self) -> bool:
        """Whether commands are taken now."""
        return self._ready.is_set() and not self._stopping and not self.fenced.is_set()

    @property
    def committing_seconds(self) -> float:
        """For how long the log has not said what became of the batch in flight; 0: nothing waits for it."""
        return 0.0 if self._in_flight is None else self._clock.monotonic() - self._in_flight_since

    def uncommitted(self) -> set[str]:
        """Return the streams of which memory holds more than the log: nobody may yet act on what it says of them."""
        return {event.stream for batch in self._batches() for event in batch.events} | self._lost

    # ------------------------------------------------------------------------------------------------ intake

    async def execute(self, command: Command, *, actor: str, cause: str | None = None) -> Receipt:
        """Decide `command` and return once the outcome is durable.

        Raises:
            CommandRefusedError: the domain says no; nothing was written.
            UnforeseenError: a mistake of ours; nothing was written.
            IntakeFullError, StoppingError: not taken.
            LogUnavailableError: the log is gone; its `outcome` says whether the command may have been written.
            FencedError: another writer has the account.
        """
        self._check_open()
        if isinstance(command, CancelOrder | AmendOrder | ClaimOrder):
            await self._load(order_stream(command.account, command.client_order_id))
        try:
            return await self.offer(command, actor=actor, cause=cause)
        except CommandRefusedError as refusal:
            # What is refused today was not then, and a repeat gets the answer that the first one got. Nothing else is
            # refused of an order in memory, so this one was not there, whatever has brought it back since.
            if not isinstance(command, PlaceOrder) or isinstance(refusal, DuplicateOrderError):
                raise
            stream = order_stream(self.account, command.client_order_id)
            await self._load(stream)
            if stream not in self.book.orders:
                raise
        return await self.offer(command, actor=actor, cause=cause)

    def offer(self, command: Command, *, actor: str, cause: str | None = None) -> asyncio.Future[Receipt]:
        """Decide `command` now, on memory alone; the future answers as `execute` does.

        For orders that may have left memory use `execute`, which reads them back first.
        """
        if command.account != self.account:
            raise UnknownAccountError(f"no account {command.account} here")
        self._check_open()
        if isinstance(command, PlaceOrder | AmendOrder) and not self.trading:
            raise NotReadyError(f"account {self.account} has not been reconciled with its venue yet")
        if self._stopping:
            raise StoppingError("the OMS is stopping; the command was not taken")
        require_room(command, self._waiting, self._intake_max)
        return self._take(Said(message=command, actor=actor, cause=cause, source=_COMMAND))

    async def report(
        self,
        reports: Sequence[Addressed],
        *,
        source: Provenance = Provenance.RESPONSE,
        evidence: Sequence[VenueMessage] = (),
    ) -> Receipt:
        """Record what the venue said, all of it in one commit, with the bytes it came in.

        Reports are never refused and never dropped: while the log is gone this waits for it.

        Raises:
            FencedError: another writer has the account.
            UnforeseenError: a mistake of ours; nothing was recorded, and the process ends.
        """
        said, maybe_there, attempt = reported(reports, source, evidence), False, 0
        while True:
            await self._ready.wait()
            try:
                self._check_open()
                if maybe_there:  # what landed in silence brought its bytes along, and the log takes no name twice
                    held = {each.message_id for each in await self._log.messages([m.message_id for m in evidence])}
                    said = replace(said, evidence=tuple(m for m in evidence if m.message_id not in held))
                await self._load(*(stream for stream, _ in reports))  # the last wait: an order may leave in any
                self._check_open()
                return await self._take(said)
            except LogUnavailableError as error:
                maybe_there = maybe_there or error.outcome == "unknown"
                if attempt:  # what the log will never take shows here, and nowhere else
                    log.warning("the log does not take a report", account=self.account, cause=error.cause)
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1

    def note(
        self,
        reports: Sequence[Addressed],
        *,
        source: Provenance,
        evidence: Sequence[VenueMessage] = (),
    ) -> asyncio.Future[Receipt]:
        """Record reports on memory alone, once: `report` reads closed orders back first, and waits for the log."""
        self._check_open()
        return self._take(reported(reports, source, evidence))

    def _check_open(self) -> None:
        if self.fenced.is_set():
            raise FencedError(f"account {self.account} belongs to another writer")
        if not self._ready.is_set():
            error = LogUnavailableError("the database does not answer; the command was not taken")
            error.outcome = "none"
            raise error

    async def find(self, stream: str) -> Order | None:
        """Return an order, read back if it has left memory. Raises FencedError, and LogUnavailableError at once."""
        self._check_open()
        await self._load(stream)
        return self.book.orders.get(stream)

    async def known(self, stream: str) -> bool:
        """Whether the log holds an order's stream; brings it into memory if so. Waits while the log is gone.

        Raises:
            FencedError: another writer has the account.
        """
        while True:
            await self._ready.wait()
            try:
                return await self.find(stream) is not None
            except LogUnavailableError:
                await asyncio.sleep(RETRY_SECONDS[0])

    async def _load(self, *streams: str) -> None:
        """Bring orders back into memory that closed long ago, so that whoever names them gets the truth.

        On return all that exist are there together: while one is read, another may have been let go.
        """
        absent: set[str] = set()
        while missing := [s for s in streams if s[0] == "o" and s not in self.book.orders and s not in absent]:
            for stream in missing:
                try:
                    order = await read_order(self._log, stream)
                except LogUnavailableError as error:
                    error.outcome = "none"  # whatever it was read for has not been offered yet
                    raise
                if order is None:
                    absent.add(stream)
                elif stream not in self.book.orders:
                    self.book.restore(stream, order)

    def _take(self, said: Said) -> asyncio.Future[Receipt]:
        reply: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        if not self._open.said:
            self._idle.clear()
            self._wake.set()
        self._waiting += 1
        self._decide(said, reply)
        return reply

    def _decide(self, said: Said, reply: asyncio.Future[Receipt]) -> None:
        """Decide one message on memory and put what it causes into the open batch."""
        batch = self._open
        batch.said.append(said)
        batch.replies.append(reply)
        now_ns, mark = self._clock.now_ns(), self.book.mark
        try:
            decided = self.decider.decide(said, self.book, now_ns)
            events = batch.written(decided, recorded_ns=now_ns, epoch=self.epoch, ids=self._ids)
        except CommandRefusedError as refusal:
            batch.outcomes.append(refusal)
            return
        except Exception as error:  # noqa: BLE001 - a mistake of ours: it costs the one message, and not the engine
            self.book.back(mark)
            batch.outcomes.append(unforeseen(said, error, self.account, self._spawn))
            return
        batch.outcomes.append(decided)
        if not events:
            return
        batch.facts += decided.facts
        batch.events += events
        batch.messages += said.evidence
        self.written_ns = now_ns
        self.opened_ns = self.opened_ns or now_ns
        if len(batch.events) >= BATCH_EVENTS:
            self._close_batch()

    def _close_batch(self) -> None:
        """Let the open batch take no more: what comes next is another commit's."""
        self._open.journal = self.book.cut()
        if self._open.events and self._snapshots.due(self.position + len(self._open.events)):
            self._open.memory = Memory(self.book.image(), self.opened_ns, self.written_ns)
        self._closed.append(self._open)
        self._open = Pending()

    # ------------------------------------------------------------------------------------------------ commit

    async def _commit_for_ever(self) -> None:
        while not self.fenced.is_set():
            if not self._closed:
                await self._wake.wait()
                self._wake.clear()
                if not self._open.said:
                    continue
                self._close_batch()
            batch = self._in_flight = self._closed.popleft()
            if not batch.events:
                self._answer(batch, first=self.position + 1)
                continue
            self._in_flight_since = self._clock.monotonic()
            outcome = await self._log.append(Batch(self.account, self.epoch, batch.events, batch.messages))
            match outcome:
                case Committed(first=first) | AlreadyThere(first=first):
                    self._answer(batch, first=first)
                case Conflict(streams=streams):
                    await self._decide_again(batch, streams)
                case Fenced():
                    self.fence()
                case NotCommitted(reason=reason):
                    await self._lose(reason, "none")
                case Unknown(reason=reason):
                    await self._lose(reason, "unknown")
        self._fail_all(FencedError(f"account {self.account} belongs to another writer"))

    def _answer(self, batch: Pending, *, first: int) -> None:
        """The batch is durable: tell everyone who waited, then the world."""
        self._in_flight = None
        self._read_back.clear()
        self.position = max(first - 1 + len(batch.events), self.position)
        if batch.memory is not None and self._snapshots.due(self.position):
            self._snapshots.keep(batch.memory, self.position, batch.events[-1])
            batch.memory = None
        if self.book.overfull:
            self.book.trim(self.uncommitted())
        self._answers.give(batch, first)

    def _announce(self, batch: Pending) -> None:
        self._settle(len(batch.said))
        for listen in self.on_commit:
            listen(batch.facts)

    async def _decide_again(self, batch: Pending, streams: Sequence[str]) -> None:
        """Another order of that id is in the log already, from a time before memory: read it, then decide everything
        since the last commit once more, in the order it came.
        """
        if any(not stream.startswith("order/") or stream in self._read_back for stream in streams):
            await self._disagree(streams)
            return
        try:
            earlier = {stream: await read_order(self._log, stream) for stream in streams}
        except LogUnavailableError as error:
            await self._lose(error.cause, "none")
            return
        if any(order is None or order.life not in CLOSED for order in earlier.values()):
            # Only closed orders leave memory: what is open in the log and not here landed without our knowing.
            await self._disagree(streams)
            return
        self._read_back.update(streams)
        self._close_batch()
        batches = [batch, *self._closed]
        for later in reversed(batches):
            assert later.journal is not None, "a batch keeps its journal from the moment it is closed"
            self.book.undo(later.journal)
        self._in_flight, self._closed = None, deque()
        for stream, order in earlier.items():
            assert order is not None
            self.book.restore(stream, order)
        for taken_back in batches:
            for said, reply in zip(taken_back.said, taken_back.replies, strict=True):
                self._decide(said, reply)
            if self._open.said:
                self._close_batch()  # by itself, as before: what came after it may conflict, too

    async def _disagree(self, streams: Sequence[str]) -> None:
        await self._lose(f"memory and log disagree on {', '.join(streams)[:200]}", "none", whole=True)

    async def _lose(self, reason: str, outcome: Outcome, *, whole: bool = False) -> None:
        """The log does not take what memory holds: stop taking work, say so, and build memory anew from the log; from
        the `whole` log where what memory came from may be wrong itself.
        """
        self._ready.clear()
        error = LogUnavailableError(f"the log did not take the command: {reason}")
        error.outcome = outcome
        self._fail_all(error)
        await self._answers.all_given()  # what is durable is told before memory is built anew
        attempt = 0
        while not self.fenced.is_set():
            try:
                if outcome == "unknown":  # nothing of the silent commit may land behind our back: fence ourselves
                    self.epoch = await self._log.take_over(self.account, after=self.epoch, taker=self._taker)
                    outcome = "none"
                if whole:
                    await self._snapshots.discard()
                await self._rebuild(whole=whole)
                break
            except FencedError:
                self.fence()
                return
            except LogUnavailableError:
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
        self._ready.set()
        for recovered in self.on_recovered:
            recovered()

    async def _rebuild(self, warm: Recovered | None = None, *, whole: bool = False) -> None:
        """Take memory from the log."""
        recovered = await recover(
            self.account, self._log, closed_kept=self._closed_kept, tallied=self._tallied, since=warm, whole=whole
        )
        self.book, self.position, self._lost = recovered.book, recovered.position, set()
        self._read_back.clear()
        self.opened_ns, self.written_ns = recovered.opened_ns, recovered.written_ns
        self._snapshots.position = recovered.snapshot
        self.book.cut()

    def fence(self) -> None:
        """Another writer has the account: nothing of ours can land any more, and whoever waits learns so."""
        self.fenced.set()
        self._ready.set()
        self._wake.set()

    def _fail_all(self, error: OmsError) -> None:
        self._lost = self.uncommitted()
        for batch in self._batches():
            batch.fail(error)
            self._settle(len(batch.said))
        self._in_flight, self._open, self._closed = None, Pending(), deque()

    def _batches(self) -> tuple[Pending, ...]:
        return (*(() if self._in_flight is None else (self._in_flight,)), *self._closed, self._open)

    def _settle(self, entries: int) -> None:
        self._waiting -= entries
        if not self._waiting:
            self._idle.set()
