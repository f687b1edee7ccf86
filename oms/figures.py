"""What the book says of balances and positions, held against what the venue says of them, pure.

The venue says how it was when it was asked. The book goes on meanwhile: what was told while an answer was on its way
may be in the one and not in the other. So the answer is held against the book twice, as it was right before the venue
was asked and as it is now. Where its figure is one of these two, or lies between them, nobody can tell whether they
agree: the moves in between explain it. What is beyond both is a difference, however busy a market is.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct

from oms.book import Book
from oms.breaks.decisions import Disagreement
from oms.breaks.events import BreakKind
from oms.position.shown import quantity_of
from oms.reports import PositionReport
from oms.sums import symbol_of, traded
from oms.values import EXACT, ZERO, Purse, plain, purse_parts, purses
from oms.venue import Answer

# A share of a cost has forty digits, so that two ways to the same figure may round it otherwise. No coin has units that
# small: nobody is owed what is less.
DUST: Final = Decimal("1e-20")


class Figures(Struct, frozen=True):
    """What is owned, what open perpetual positions cost, shorts negative, by the purse that they settle in, and what is
    held, by the leg's stream.
    """

    totals: Mapping[Purse, Decimal]
    costs: Mapping[Purse, Decimal]
    legs: Mapping[str, Decimal]


def figures_of(book: Book) -> Figures:
    """Return what the book says now."""
    held = {stream: leg.quantity for stream, leg in book.positions.items()}
    return Figures(totals=dict(book.totals), costs=costs_here(book), legs=held)


def costs_here(book: Book) -> Mapping[Purse, Decimal]:
    """Return what all open perpetual positions cost, shorts negative, by the purse that they settle in."""
    costs: dict[Purse, Decimal] = {}
    for stream, leg in book.positions.items():
        base, settle = traded(stream)
        if base is None:
            costs[settle] = EXACT.add(costs.get(settle, ZERO), leg.open_cost)
    return costs


def costs_there(answer: Answer | None) -> Mapping[Purse, Decimal]:
    """Return the same of what the venue says that they cost."""
    costs: dict[Purse, Decimal] = {}
    for each in () if answer is None else answer.reports:
        if isinstance(each, PositionReport) and each.cost is not None:
            settle = purses(each.symbol).quote
            cost = each.cost if quantity_of(each) > ZERO else each.cost.copy_negate()
            costs[settle] = EXACT.add(costs.get(settle, ZERO), cost)
    return costs


def of_balances(
    ours: Figures, theirs: Mapping[Purse, Decimal], their_costs: Mapping[Purse, Decimal], *, whole: bool
) -> Iterable[Disagreement]:
    """Yield what the venue says we own otherwise than we do. A purse that a whole list does not show is empty.

    What a perpetual has earned hangs on the order of its trades, which we may have learned in another one, and on where
    a share of a cost is rounded, until the position is flat. What is owned without what is held did cost does not: that
    is the difference, and all that a person may have to end.
    """
    for name in sorted({*ours.totals, *theirs} if whole else theirs):
        here, said = ours.totals.get(name, ZERO), theirs.get(name, ZERO)
        apart = EXACT.subtract(ours.costs.get(name, ZERO), their_costs.get(name, ZERO))
        difference = EXACT.add(EXACT.subtract(said, here), apart)
        if here != said and difference.copy_abs() > DUST:
            yield Disagreement(
                kind=BreakKind.BALANCE,
                subject=wallet_of(name),
                ours=plain(here),
                theirs=plain(said),
                difference=difference,
            )


def of_positions(ours: Figures, theirs: Mapping[str, Decimal], *, whole: bool) -> Iterable[Disagreement]:
    """Yield legs of perpetuals that the venue holds otherwise than we do. Not shown by a whole list is flat."""
    perpetual = [stream for stream in ours.legs if traded(stream)[0] is None]
    for stream in sorted({*perpetual, *theirs} if whole else theirs):
        held, said = ours.legs.get(stream, ZERO), theirs.get(stream, ZERO)
        if held != said:
            yield Disagreement(
                kind=BreakKind.POSITION,
                subject=stream.split("/", 2)[2],
                ours=plain(held),
                theirs=plain(said),
                difference=EXACT.subtract(said, held),
                symbol=symbol_of(stream),
            )


def between(before: Iterable[Disagreement], now: Iterable[Disagreement]) -> frozenset[str]:
    """Return the breaks, by id, of figures that moved, where the venue's is what they were, what they are, or in
    between.
    """
    was, differs = ({each.break_id: each.difference or ZERO for each in found} for found in (before, now))
    pairs = ((name, was.get(name, ZERO), differs.get(name, ZERO)) for name in was.keys() | differs.keys())
    return frozenset(name for name, one, other in pairs if one != other and EXACT.multiply(one, other) <= ZERO)


def wallet_of(name: Purse) -> str:
    """Return the name under which a break speaks of a purse."""
    return "/".join(purse_parts(name))
