"""The breaks of one account as the log tells them, and which of them keep it from opening orders."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

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
from oms.errors import CorruptStreamError
from oms.values import ZERO, Symbol, bounds, plain

ACCEPTED_MAX: Final = 1_000  # breaks that were accepted and are remembered, so that they do not open again


class Break(Struct, frozen=True, kw_only=True, gc=False):
    """One open break; the figures are the latest."""

    break_id: str
    kind: BreakKind
    subject: str
    ours: str
    theirs: str
    difference: Decimal | None = None
    symbol: Symbol | None = None
    explanation: str | None = None
    until_ms: int | None = None
    opened_ns: int = 0


class Breaks(Struct, frozen=True, kw_only=True, gc=False):
    """By id: what is open, and as what was accepted (`taken`) that may still go on."""

    open: Mapping[str, Break] = MappingProxyType({})
    accepted: Mapping[str, str] = MappingProxyType({})


NO_BREAKS: Final = Breaks()


class Policy(Struct, frozen=True, kw_only=True):
    """Which breaks keep orders from being opened: those of the kinds named (separated by commas), and those that differ
    by more than `block_above`, in the unit of the figures. About one market they block that one, else the account.
    """

    block_kinds: str = "position,history"
    block_above: Decimal | None = None

    def wrong(self) -> str | None:
        """Return what is wrong with it, if anything is: a kind that nobody knows would block nothing."""
        unknown = [kind for kind in self.kinds if kind not in set(BreakKind)]
        if unknown:
            return f"block_kinds names {unknown[0]!r}, which is no kind of break: {', '.join(BreakKind)} are"
        if self.block_above is not None and not bounds(self.block_above, ZERO):
            return f"block_above is {self.block_above}: an amount from 0 upward is expected"
        return None

    @property
    def kinds(self) -> Collection[str]:
        """The kinds that are named."""
        return {kind for part in self.block_kinds.split(",") if (kind := part.strip())}


DEFAULT_POLICY: Final = Policy()


def blocking(breaks: Breaks, policy: Policy, symbol: Symbol) -> Break | None:
    """Return the first open break that keeps an order on `symbol` from opening, or None."""
    if not breaks.open:
        return None
    kinds = policy.kinds
    for each in breaks.open.values():
        beyond = (
            policy.block_above is not None and each.difference is not None and abs(each.difference) > policy.block_above
        )
        if (each.kind.value in kinds or beyond) and each.symbol in {None, symbol}:
            return each
    return None


def figures(difference: Decimal | None, ours: str, theirs: str) -> str:
    """Return what makes two sightings of one break the same: amounts move with every trade, their difference does not.

    A difference that only is spelled otherwise is the same.
    """
    return f"{ours}|{theirs}" if difference is None else plain(difference.normalize())


def taken(kind: BreakKind, difference: Decimal | None, ours: str, theirs: str) -> str:
    """Return what makes a sighting that of a break which a person accepted. Of a balance both figures: ours became the
    venue's then, so that as large a difference is another one.
    """
    return figures(None if kind is BreakKind.BALANCE else difference, ours, theirs)


def known(breaks: Breaks, break_id: str) -> Break:
    """Return an open break. Raises CorruptStreamError: there is none, and our own writing was wrong."""
    found = breaks.open.get(break_id)
    if found is None:
        raise CorruptStreamError(f"break {break_id} goes on, and is not open")
    return found


def evolve(breaks: Breaks, event: BreakEvent) -> Breaks:
    """Return the breaks after `event`. Moves data, decides nothing. Raises CorruptStreamError."""
    match event:
        case BreakOpened():
            opened = Break(
                break_id=event.break_id,
                kind=event.kind,
                subject=event.subject,
                ours=event.ours,
                theirs=event.theirs,
                difference=event.difference,
                symbol=event.symbol,
                until_ms=event.until_ms,
                opened_ns=event.opened_ns,
            )
            return replace(breaks, open={**breaks.open, event.break_id: opened})
        case BreakChanged():
            changed = replace(
                known(breaks, event.break_id),
                ours=event.ours,
                theirs=event.theirs,
                difference=event.difference,
                until_ms=event.until_ms,
            )
            return replace(breaks, open={**breaks.open, event.break_id: changed})
        case BreakExplained():
            explained = replace(known(breaks, event.break_id), explanation=event.reason)
            return replace(breaks, open={**breaks.open, event.break_id: explained})
        case BreakResolved():
            return _resolved(breaks, event)
        case BreakForgotten():
            accepted = {name: each for name, each in breaks.accepted.items() if name != event.break_id}
            return replace(breaks, accepted=accepted)


def _resolved(breaks: Breaks, event: BreakResolved) -> Breaks:
    ended = known(breaks, event.break_id)
    remaining = {name: each for name, each in breaks.open.items() if name != event.break_id}
    if event.resolution is not Resolution.ACCEPTED:
        return replace(breaks, open=remaining)
    kept = [(name, figure) for name, figure in breaks.accepted.items() if name != event.break_id]
    accepted = dict(kept[-(ACCEPTED_MAX - 1) :])
    accepted[event.break_id] = taken(ended.kind, ended.difference, ended.ours, ended.theirs)
    return replace(breaks, open=remaining, accepted=accepted)
