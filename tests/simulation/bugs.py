"""Bugs of the kind that cost money, planted one at a time: a simulation that does not find them proves nothing.

Each replaces one part of the running system and nothing else; some of them were in the product once.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from oms.absence import Absence
from oms.answers import Pending, Receipt
from oms.book import Book
from oms.busts import Busts
from oms.decide import Addressed, Decided, Decider, Report, Said
from oms.dispatcher import Dispatcher
from oms.engine import Engine
from oms.errors import LogUnavailableError, Outcome
from oms.expiry import Expiry
from oms.gate import Gate
from oms.gateway.tail import Tail
from oms.order.events import OrderRequested, SendStarted
from oms.order.messages import AbsenceReport, OrderNews, PlaceOrder
from oms.order.state import Life, Order
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
    StoredEvent,
    VenueMessage,
)
from oms.proofs import found, ns
from oms.reports import TradeReport
from oms.risk import Facts
from oms.sending import new_order, order_ref
from oms.snapshot import Memory
from oms.standby import Standby
from oms.survey import Recording, Survey
from oms.values import ClientOrderId, ExecId, Provenance
from oms.venue import Answer, Evidence, NoAnswerError, Venue
from projections import checkpoint
from projections.connection import Connection
from projections.runner import Runner, _Page
from tests.simulation.running import Parts
from tests.simulation.scenes import Forgetful
from tests.simulation.storage import Storage

PROOFS: Final = ("looked", "listed", "traded")
RETRY_SECONDS: Final = 0.05


class SendsBeforeCommit(Engine):
    """Hands an intent out as soon as it is decided."""

    def _decide(self, said: Said, reply: asyncio.Future[Receipt]) -> None:
        batch = self._open
        super()._decide(said, reply)
        outcome = batch.outcomes[-1]
        if isinstance(outcome, Decided):
            sends = [fact for fact in outcome.facts if isinstance(fact[1], SendStarted)]
            for listen in self.on_commit:
                listen(sends)


class AnswersBeforeCommit(Engine):
    """Acknowledges a command as soon as it is decided."""

    def _decide(self, said: Said, reply: asyncio.Future[Receipt]) -> None:
        batch = self._open
        super()._decide(said, reply)
        outcome = batch.outcomes[-1]
        if isinstance(outcome, Decided) and not reply.done():
            reply.set_result(Receipt(self.position, outcome.state, len(outcome.facts)))


class RetriesUnderOldNames(Engine):
    """Brings the bytes of a report that may be in the log a second time (it was in the product, until seed 486)."""

    async def report(
        self,
        reports: Sequence[Addressed],
        *,
        source: Provenance = Provenance.RESPONSE,
        evidence: Sequence[VenueMessage] = (),
    ) -> Receipt:
        while True:
            await self._ready.wait()
            try:
                self._check_open()
                await self._load(*(stream for stream, _ in reports))
                return await self.note(reports, source=source, evidence=evidence)
            except LogUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)


class ResendsUnderAFreshId(Dispatcher):
    """Takes a lost answer for a lost request, and tries again as another order."""

    async def _ask_submit(self, stream: str, order: Order) -> tuple[OrderNews, Evidence | None]:
        try:
            answer = await self._venue.submit(new_order(order))
        except NoAnswerError:
            fresh = ClientOrderId(f"{order.request.client_order_id}r")
            try:
                answer = await self._venue.submit(replace(new_order(order), client_order_id=fresh))
            except NoAnswerError:
                return await super()._ask_submit(stream, order)
        return self._verdict(order, answer), answer.evidence


class ResendsBlindly(Dispatcher):
    """Takes a lost answer for a lost request, and sends the same id once more without a word to the log."""

    async def _ask_submit(self, stream: str, order: Order) -> tuple[OrderNews, Evidence | None]:
        try:
            answer = await self._venue.submit(new_order(order))
        except NoAnswerError:
            return await super()._ask_submit(stream, order)
        return self._verdict(order, answer), answer.evidence


class CancelsFromMemory(Dispatcher):
    """Resumes cancels from a memory that runs ahead of the log (it was in the product, until seed 10)."""

    def resume_cancels(self, unasked: Collection[str] = ()) -> None:
        self._cancel_pending({stream: self._engine.book.orders[stream] for stream in self._engine.book.unsettled})
        super().resume_cancels(unasked)  # and what else it does


class NamesTradesByWitness(Survey):
    """Takes what the stream and the poll tell of one trade for two trades."""

    async def _report(self, news: Sequence[Addressed], answer: Answer) -> None:
        named = [
            (stream, replace(report, exec_id=ExecId(f"{answer.source}{report.exec_id}")))
            if isinstance(report, TradeReport)
            else (stream, report)
            for stream, report in news
        ]
        await super()._report(named, answer)


class CouldNotAskIsNotFound(Survey):
    """Takes a failed question for the answer no."""

    async def _resolve(self, stream: str, order: Order) -> None:
        try:
            await super()._resolve(stream, order)
        except NoAnswerError:
            report: Report = AbsenceReport(evidence=PROOFS)
            await self._recording.report([(stream, report)], source=Provenance.INFERRED)


class NotFoundIsAbsent(Survey):
    """Believes the first "not found", while the request may still arrive."""

    async def _resolve(self, stream: str, order: Order) -> None:
        if found(await self._venue.order(order_ref(order))) is False:
            report: Report = AbsenceReport(evidence=PROOFS)
            await self._recording.report([(stream, report)], source=Provenance.INFERRED)
        else:
            await super()._resolve(stream, order)


class _ByTheWall(Absence):
    """Takes our own wall clock's word for it that a request has expired (it was in the product)."""

    def _may_search(self, stream: str, order: Order) -> bool:
        if order.life is not Life.IN_DOUBT:
            return super()._may_search(stream, order)
        venues_time: Any = self._clock
        can = self._venue.capabilities(order.request.symbol)
        return bool(venues_time._clock.now_ns() > order.valid_until_ns + ns(can.visibility_delay))


class EndsDoubtsByTheWall(Survey):
    """Has the one of these."""

    def __init__(self, recording: Recording, venue: Venue, *, event_log: EventLog, clock: Clock, ids: Ids) -> None:
        super().__init__(recording, venue, event_log=event_log, clock=clock, ids=ids)
        self._absence = _ByTheWall(recording, venue, self.record, self._keep, event_log=event_log, clock=clock, ids=ids)


class _RemembersAll(Busts):
    """Looks for what was taken back among the orders in memory alone (it was in the product)."""

    def _to_read(self, streams: Iterable[str]) -> frozenset[str]:
        return frozenset()


class _WaitsForTheCost(Busts):
    """Waits for trades that were told, and for what they cost, however long (it was in the product)."""

    def _note_doubtful(self) -> None:
        return


class RemembersAll(Survey):
    """Has the one of these."""

    def __init__(self, recording: Recording, venue: Venue, *, event_log: EventLog, clock: Clock, ids: Ids) -> None:
        super().__init__(recording, venue, event_log=event_log, clock=clock, ids=ids)
        self._busts = _RemembersAll(recording, venue, event_log=event_log, clock=clock, ids=ids)


class WaitsForTheCost(Survey):
    """Has the other."""

    def __init__(self, recording: Recording, venue: Venue, *, event_log: EventLog, clock: Clock, ids: Ids) -> None:
        super().__init__(recording, venue, event_log=event_log, clock=clock, ids=ids)
        self._busts = _WaitsForTheCost(recording, venue, event_log=event_log, clock=clock, ids=ids)


class SkipsTheFence(Storage):
    """Lets a writer write that has lost its account."""

    def _commit(self, batch: Batch) -> Committed | AlreadyThere | Conflict | Fenced | NotCommitted:
        current = self._epochs.get(batch.account, 0)
        self._epochs[batch.account] = batch.epoch
        try:
            return super()._commit(batch)
        finally:
            self._epochs[batch.account] = current


class KeepsItsEpoch(Engine):
    """After a commit that nobody could tell of it reads the log and goes on, while that commit may still land (it was
    in the product, as a known limit).
    """

    async def _lose(self, reason: str, outcome: Outcome, *, whole: bool = False) -> None:
        await super()._lose(reason, "none", whole=whole)


class KeepsMoreThanTheLog(Engine):
    """Keeps its memory as it is when a batch is durable, with what is not in the log yet."""

    def _answer(self, batch: Pending, *, first: int) -> None:
        if batch.memory is not None:
            batch.memory = Memory(self.book.image(), self.opened_ns, self.written_ns)
        super()._answer(batch, first=first)


class SendsOnAStaleLease(Gate):
    """Sends what was committed long ago, when the account was still its own."""

    def _stopped(self) -> str | None:
        return None


class ReadsOnInAHalfReadBook(Standby):
    """Goes on after a read that broke off, from where the last whole one ended (it was in the product for an hour)."""

    async def _follow(self) -> None:
        warm = self.warm
        try:
            await super()._follow()
        except LogUnavailableError:
            self.warm = warm
            raise


class ForgetsHalts(Decider):
    """Looks at no halt."""

    def _facts(self, command: PlaceOrder | OrderRequested, book: Book, at_ns: int) -> Facts:
        return replace(super()._facts(command, book, at_ns), halted=None)


class MovesTheCheckpointFirst(Runner):
    """Moves the checkpoint in a transaction of its own, and writes the rows in the next."""

    async def _write(self, connection: Connection, page: _Page) -> None:
        if page.position == self.position:
            return
        async with connection.transaction(), connection.cursor() as cursor:
            await checkpoint.move(cursor, self._names, before=self.position, after=page.position)
        async with connection.transaction(), connection.cursor() as cursor:
            for table, rows in page.touched:
                await table.write(cursor, rows)
        self._reach(page.position)


class GivesOutTheEnd(Tail):
    """Gives a reader who fell behind what is kept, and not what follows what he has seen."""

    async def after(self, position: int, *, seconds: float) -> Sequence[StoredEvent]:
        if self._events and position < self._events[0].position - 1:
            return self._events
        return await super().after(position, seconds=seconds)


class ForgetsTimes(Expiry):
    """Watches the orders that come, and none that are there."""

    def start(self) -> None:
        self._engine.on_recovered.remove(self._watch_open)
        self._spawn(self._run(), name=f"expiry {self._engine.account}")


def trusts_its_memory(venue: Venue) -> Venue:
    """Takes it that the venue still knows every order of the last twenty minutes, whatever the venue."""
    if isinstance(venue, Forgetful):
        venue.forgets_after = 1_200.0
    return venue


class Planted(Struct, frozen=True):
    """One bug: what to run instead, and the invariants of which one must notice."""

    parts: Parts
    noticed_by: frozenset[str]


BUGS: Final[Mapping[str, Planted]] = {
    "send before commit": Planted(Parts(engine=SendsBeforeCommit), frozenset({"I3"})),
    "answer before commit": Planted(Parts(engine=AnswersBeforeCommit), frozenset({"I4"})),
    "resend under a fresh id": Planted(Parts(dispatcher=ResendsUnderAFreshId), frozenset({"I3"})),
    "resend blindly": Planted(Parts(dispatcher=ResendsBlindly), frozenset({"I2", "I3"})),
    "cancel from memory": Planted(Parts(dispatcher=CancelsFromMemory), frozenset({"I3"})),
    "retry under old names": Planted(
        Parts(engine=RetriesUnderOldNames, often=(("log silent, done", 0.3),)), frozenset({"I19"})
    ),
    "book a fill twice": Planted(Parts(survey=NamesTradesByWitness), frozenset({"I5", "I8"})),
    "could not ask is not found": Planted(Parts(survey=CouldNotAskIsNotFound), frozenset({"I10"})),
    "forgotten is never taken": Planted(Parts(adapter=trusts_its_memory), frozenset({"I10"})),
    "forget times": Planted(Parts(expiry=ForgetsTimes), frozenset({"I10"})),
    "not found is absent": Planted(Parts(survey=NotFoundIsAbsent), frozenset({"I10"})),
    "end doubts by the wall clock": Planted(Parts(survey=EndsDoubtsByTheWall), frozenset({"I10"})),
    "take back what is in memory": Planted(Parts(survey=RemembersAll), frozenset({"I5", "I7", "I8"})),
    "wait for the cost of what is gone": Planted(Parts(survey=WaitsForTheCost), frozenset({"I5", "I8", "I10"})),
    "keep the epoch": Planted(
        Parts(engine=KeepsItsEpoch, often=(("log silent, late", 0.2),)),
        frozenset({"I4", "I12", "I13", "I15", "I19", "I20"}),
    ),
    "keep more than the log": Planted(Parts(engine=KeepsMoreThanTheLog), frozenset({"I12", "I13"})),
    "send on a stale lease": Planted(Parts(gate=SendsOnAStaleLease), frozenset({"I14"})),
    "read on in a half read book": Planted(
        Parts(standby=ReadsOnInAHalfReadBook, often=(("log unreadable", 0.2),)), frozenset({"I12", "I19"})
    ),
    "forget halts": Planted(Parts(decider=ForgetsHalts), frozenset({"I20"})),
    "checkpoint outside the transaction": Planted(Parts(runner=MovesTheCheckpointFirst), frozenset({"I11"})),
    "give out the end of the stream": Planted(Parts(tail=GivesOutTheEnd), frozenset({"I17"})),
    "skip the fence": Planted(Parts(storage=SkipsTheFence), frozenset({"I14"})),
}
