"""What a disagreement and a person's word about it cause: events, or a refusal. No clock, no network, no randomness."""

from decimal import Decimal
from typing import Final

from msgspec import Struct

from oms.breaks.events import (
    BreakChanged,
    BreakEvent,
    BreakExplained,
    BreakForgotten,
    BreakKind,
    BreakOpened,
    BreakResolved,
    Resolution,
)
from oms.breaks.state import Breaks, figures, taken
from oms.errors import UnknownBreakError
from oms.values import AccountId, Symbol, plain

AGREED: Final = {BreakKind.PROTECTION: "it is behind a live stop again, or flat"}  # how a break ended by itself

# What a start finds out anew and not at its first look: not to list it says nothing. One order's counts are one matter.
LASTING: Final = frozenset({BreakKind.FILLS})


class Disagreement(Struct, frozen=True, kw_only=True, gc=False):
    """What we say and what the venue says of one thing; see `BreakOpened`."""

    kind: BreakKind
    subject: str
    ours: str
    theirs: str
    difference: Decimal | None = None
    symbol: Symbol | None = None
    until_ms: int | None = None

    @property
    def break_id(self) -> str:
        """The break's name: the same for the same disagreement, for ever."""
        return f"{self.kind}:{self.subject}"

    @property
    def figures(self) -> str:
        return figures(self.difference, self.ours, self.theirs)

    @property
    def taken(self) -> str:
        return taken(self.kind, self.difference, self.ours, self.theirs)


class DisagreementsReport(Struct, frozen=True, kw_only=True, gc=False):
    """All that disagrees, of the `kinds` that the venue was asked about; what of them is not listed agrees, but for the
    breaks (by id) that are `unsure`: of those nobody can tell now.
    """

    kinds: frozenset[BreakKind]
    unsure: frozenset[str] = frozenset()
    disagreements: tuple[Disagreement, ...]
    evidence: tuple[str, ...] = ()
    at_ns: int = 0  # when it was asked (UTC)


class ExplainBreak(Struct, frozen=True, kw_only=True, gc=False):
    """Say what an open break comes from."""

    account: AccountId
    break_id: str
    reason: str


class ResolveBreak(Struct, frozen=True, kw_only=True, gc=False):
    """End an open break by a person's word. For a balance that is the venue's figure: ours is adjusted to it."""

    account: AccountId
    break_id: str
    reason: str


def report(news: DisagreementsReport, breaks: Breaks) -> tuple[BreakEvent, ...]:
    """Return what `news` adds to the breaks that are known; none when it says nothing new."""
    events: list[BreakEvent] = []
    seen = set(news.unsure)
    for found in news.disagreements:
        seen.add(found.break_id)
        if found.break_id in news.unsure:
            continue
        known = breaks.open.get(found.break_id)
        if known is None and breaks.accepted.get(found.break_id) != found.taken:
            events.append(_opened(found, news))
        elif known is not None and figures(known.difference, known.ours, known.theirs) != found.figures:
            events.append(_changed(found, news.evidence))
    for known in breaks.open.values():
        if known.kind in news.kinds and known.break_id not in seen:
            agreed = AGREED.get(known.kind, "the venue's figures and ours are the same again")
            events.append(BreakResolved(break_id=known.break_id, resolution=Resolution.AGREED, reason=agreed))
    asked = {each.value for each in news.kinds - LASTING}
    gone = (name for name in breaks.accepted if name not in seen and name.partition(":")[0] in asked)
    events.extend(BreakForgotten(break_id=name) for name in gone)
    return tuple(events)


def explain(command: ExplainBreak, breaks: Breaks) -> tuple[BreakEvent, ...]:
    """Return the explanation; none if it is the known one.

    Raises:
        UnknownBreakError: no such break is open.
    """
    known = breaks.open.get(command.break_id)
    if known is None:
        raise UnknownBreakError(f"no break {command.break_id} is open on account {command.account}")
    if known.explanation == command.reason:
        return ()
    return (BreakExplained(break_id=command.break_id, reason=command.reason),)


def resolve(command: ResolveBreak, breaks: Breaks) -> tuple[BreakEvent, ...]:
    """Return the end of a break.

    Raises:
        UnknownBreakError: no such break is open.
    """
    if command.break_id not in breaks.open:
        raise UnknownBreakError(f"no break {command.break_id} is open on account {command.account}")
    return (BreakResolved(break_id=command.break_id, resolution=Resolution.ACCEPTED, reason=command.reason),)


def _opened(found: Disagreement, news: DisagreementsReport) -> BreakOpened:
    return BreakOpened(
        break_id=found.break_id,
        kind=found.kind,
        subject=found.subject,
        ours=found.ours,
        theirs=found.theirs,
        difference=_told_plainly(found.difference),
        symbol=found.symbol,
        evidence=news.evidence,
        until_ms=found.until_ms,
        opened_ns=news.at_ns,
    )


def _changed(found: Disagreement, evidence: tuple[str, ...]) -> BreakChanged:
    return BreakChanged(
        break_id=found.break_id,
        ours=found.ours,
        theirs=found.theirs,
        difference=_told_plainly(found.difference),
        evidence=evidence,
        until_ms=found.until_ms,
    )


def _told_plainly(difference: Decimal | None) -> Decimal | None:
    """Return it as the log shall spell it: a sum may come with an exponent, as in -2E+1."""
    return None if difference is None else Decimal(plain(difference))
