"""A person's word that ends a break, pure: of a balance the venue's figure becomes ours, if ours is as it was seen.

A trade that is booked after the last look may be one that the venue's figure held then already, or one that moves both
figures alike; only the next look tells. Taken over meanwhile, the first kind would count twice.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from oms.account.events import AccountEvent, BalanceAdjusted
from oms.book import Book
from oms.breaks import decisions
from oms.breaks.decisions import Disagreement, ResolveBreak
from oms.breaks.events import BreakKind
from oms.breaks.state import Break
from oms.errors import OvertakenError
from oms.values import EXACT, ZERO, Currency, Wallet, plain, purse


def resolve(command: ResolveBreak, book: Book, looks: Mapping[str, Disagreement]) -> Sequence[AccountEvent]:
    """Return the end of a break; `looks` holds, by break, how a balance was found to differ last.

    Raises:
        UnknownBreakError: no such break is open.
        OvertakenError: the balance that it is about has moved since it was seen.
    """
    resolved = decisions.resolve(command, book.account.breaks)
    ended = book.account.breaks.open[command.break_id]
    if ended.kind is not BreakKind.BALANCE or ended.difference is None:
        return resolved
    wallet, _, currency = ended.subject.partition("/")
    ours, seen = book.totals.get(purse(Wallet(wallet), Currency(currency)), ZERO), _seen(ended, looks)
    if ours != seen:
        raise OvertakenError(
            f"{ended.break_id} was seen while ours was {plain(seen)}, which is {plain(ours)} by now: what moved it may "
            "be what the break comes from",
            next_step="compare again, with oms reconcile, and resolve what is still open then",
        )
    adjusted = BalanceAdjusted(
        currency=Currency(currency),
        change=ended.difference,
        total=EXACT.add(ours, ended.difference),
        reason=f"break: {command.reason}",
        wallet=Wallet(wallet),
    )
    return (*resolved, adjusted)


def _seen(ended: Break, looks: Mapping[str, Disagreement]) -> Decimal:
    """Return our figure as of the latest look that found the same difference: the break's own is that of the first."""
    last = looks.get(ended.break_id)
    return Decimal(ended.ours if last is None or last.difference != ended.difference else last.ours)
