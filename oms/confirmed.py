"""What was seen to disagree before: only what two looks in a row see with the same figures is told."""

from collections.abc import Collection

from oms.breaks.decisions import Disagreement
from oms.reconcile import Reconciliation


class Seen:
    """What the last look saw. A trade that falls between two questions of one comparison is no disagreement."""

    def __init__(self) -> None:
        self._figures: dict[str, Collection[str]] = {}  # by break id

    def keep(self, reconciled: Reconciliation) -> None:
        """Remember what this look is sure of."""
        sure = [each for each in reconciled.disagreements if each.break_id not in reconciled.unsure]
        self._figures = {each.break_id: _by_either(each, reconciled) for each in sure}

    def fresh(self, reconciled: Reconciliation) -> frozenset[str]:
        """Return the breaks, by id, that the last look did not see with any of these figures."""
        now = {each.break_id: _by_either(each, reconciled) for each in reconciled.disagreements}
        return frozenset(name for name, figures in now.items() if figures.isdisjoint(self._figures.get(name, ())))

    def confirmed(self, reconciled: Reconciliation) -> list[Disagreement]:
        """Return what was seen twice, but for what nobody can tell of now."""
        out = self.fresh(reconciled) | reconciled.unsure | reconciled.short
        return [each for each in reconciled.disagreements if each.break_id not in out]


def _by_either(each: Disagreement, reconciled: Reconciliation) -> frozenset[str]:
    """Return the figures of a disagreement by the book as it is, and as it was when the venue was asked: a market that
    moves in every look moves one of the two.
    """
    return frozenset((each.figures, reconciled.differed.get(each.break_id, each.figures)))
