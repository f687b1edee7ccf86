"""Keeps the bytes of what the venue sent and nobody here could read (S44)."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import structlog

from oms.account.events import PayloadQuarantined
from oms.account.state import quarantine
from oms.book import Book, account_stream
from oms.decide import Addressed
from oms.evidence import kept
from oms.ports import Clock, Ids, VenueMessage
from oms.reports import Unreadable
from oms.values import AccountId, Provenance
from oms.venue import Answer, NoAnswerError

log = structlog.get_logger()


class Recording(Protocol):
    """Where it is recorded: the engine, or a rehearsal."""

    @property
    def account(self) -> AccountId: ...
    @property
    def book(self) -> Book: ...
    async def report(
        self,
        reports: Sequence[Addressed],
        *,
        source: Provenance = Provenance.RESPONSE,
        evidence: Sequence[VenueMessage] = (),
    ) -> object: ...


async def keep_unreadable(
    recording: Recording, answer: Answer | NoAnswerError, about: str = "", *, ids: Ids, clock: Clock
) -> None:
    """Keep an answer that holds something unreadable, or is so altogether, once for each cause, and say so; what stood
    beside that goes its way. `about` says what was asked for, where the answer does not.
    """
    causes = _causes(answer, about)
    if not causes:
        return
    evidence, channel = kept(answer.evidence, ids, clock), answer.evidence.channel
    told = [PayloadQuarantined(channel=channel, why=why, message_id=evidence[-1].message_id) for why in causes]
    news = [each for each in told if quarantine(each, recording.book.account)]
    if news:
        log.warning("quarantined", account=recording.account, channel=channel, causes=[each.why for each in news])
        reports: list[Addressed] = [(account_stream(recording.account), each) for each in news]
        source = answer.source if isinstance(answer, Answer) else Provenance.POLL
        await recording.report(reports, source=source, evidence=evidence)


def _causes(answer: Answer | NoAnswerError, about: str) -> Iterable[str]:
    if isinstance(answer, NoAnswerError):
        return (f"{about}: the answer cannot be read",) if answer.unreadable else ()
    return dict.fromkeys(report.cause for report in answer.reports if isinstance(report, Unreadable))
