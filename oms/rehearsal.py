"""What reconciling would record, without recording it: the account's book folded from the log, decided upon in memory.

Nothing is written, no account is taken over, and the venue is only asked. So it may run beside the OMS that trades.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from oms.book import CLOSED_KEPT, Book
from oms.decide import Addressed, Decider, Said
from oms.ports import Clock, EventLog, Ids, Meta, NewEvent, VenueMessage
from oms.recovery import read_order, recover
from oms.standing import Standing, together
from oms.store.codec import encode, encode_meta, topic_of
from oms.survey import Survey
from oms.values import AccountId, Provenance
from oms.venue import Venue

LOOKS: Final = 2  # a disagreement counts once it was seen twice
LOOKS_MAX: Final = 4  # while trades are missing: that they are out of reach takes two more


class Rehearsed(Struct, frozen=True):
    """How the comparison went, and the events that it would append."""

    standing: Standing
    events: Sequence[NewEvent]


class Rehearsal:
    """An engine's stand-in: decides as it does, and keeps what that causes. Made by `begin`."""

    def __init__(self, account: AccountId, log: EventLog, decider: Decider, clock: Clock, book: Book) -> None:
        self.account = account
        self.book = book
        self.opened_ns = 0
        self.written_ns = 0
        self.resumed_ns = 0
        self.events: list[NewEvent] = []
        self._log = log
        self.decider = decider
        self._clock = clock

    @classmethod
    async def begin(cls, account: AccountId, log: EventLog, decider: Decider, clock: Clock) -> "Rehearsal":
        """Fold the account from the log. Raises LogUnavailableError, CorruptStreamError."""
        recovered = await recover(account, log, closed_kept=CLOSED_KEPT)
        rehearsal = cls(account, log, decider, clock, recovered.book)
        rehearsal.opened_ns = recovered.opened_ns or clock.now_ns()
        rehearsal.written_ns = rehearsal.resumed_ns = recovered.written_ns
        return rehearsal

    async def known(self, stream: str) -> bool:
        """Whether the log holds an order's stream; brings it into memory if so."""
        if stream not in self.book.orders:
            order = await read_order(self._log, stream)
            if order is not None:
                self.book.restore(stream, order)
        return stream in self.book.orders

    async def report(
        self,
        reports: Sequence[Addressed],
        *,
        source: Provenance = Provenance.RESPONSE,
        evidence: Sequence[VenueMessage] = (),
    ) -> None:
        """Decide as the engine would, and keep the events."""
        cause = evidence[-1].message_id if evidence else None
        said = Said(message=tuple(reports), actor="venue", cause=cause, source=source)
        now_ns = self._clock.now_ns()
        decided = self.decider.decide(said, self.book)
        for (stream, event, state), occurred_ns in zip(decided.facts, decided.moments, strict=True):
            name = f"rehearsed{len(self.events) + 1:06d}"
            meta = Meta(
                id=name,
                recorded_ns=now_ns,
                cause=cause or name,
                actor="venue",
                epoch=0,
                source=source,
                occurred_ns=occurred_ns,
            )
            body = encode(encode_meta(meta), event)
            self.events.append(NewEvent(stream, state.version, topic_of(event), body))


async def rehearse(
    account: AccountId, log: EventLog, decider: Decider, venue: Venue, *, clock: Clock, ids: Ids
) -> Rehearsed:
    """Compare with the venue now and return what that would append. Raises NoAnswerError, LogUnavailableError."""
    rehearsal = await Rehearsal.begin(account, log, decider, clock)
    survey = Survey(rehearsal, venue, event_log=log, clock=clock, ids=ids)
    return Rehearsed(await compare_well(survey), rehearsal.events)


async def compare_well(survey: Survey) -> Standing:
    """Compare as often as it takes for a disagreement to count, and for trades to be proven out of reach; return how it
    stands. Raises as `Survey.compare`.
    """
    standing = await survey.compare()
    for look in range(2, LOOKS_MAX + 1):
        before, standing = standing, await survey.compare()
        standing = replace(standing, orders=together(before.orders, standing.orders))
        if look >= LOOKS and not survey.lacking:
            break
    return standing
