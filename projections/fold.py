"""From the log to rows, in order and without Postgres: the half that the follower and its twin in memory share."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from oms.errors import CorruptStreamError
from oms.ports import StoredEvent
from projections.accounts import Accounts, Recorded, recorded
from projections.balances import Balances
from projections.breaks import BreaksTable
from projections.fills import Fills
from projections.ledger import LedgerBalances, LedgerTable
from projections.orders import Orders
from projections.positions import Positions
from projections.projector import Projector
from projections.table import Key

Rows = Mapping[str, Mapping[Key, Any]]  # by table and by key

ALL_KEPT: Final = 2**62


def projectors(suffix: str = "") -> Sequence[Projector[Any]]:
    """Return a new projector for every read model; `suffix` stands behind the names of its table and checkpoint."""
    return (
        Orders(f"orders{suffix}"),
        Fills(f"fills{suffix}"),
        Positions(f"positions{suffix}"),
        Balances(f"balances{suffix}"),
        BreaksTable(f"breaks{suffix}"),
        LedgerTable(f"ledger{suffix}"),
        LedgerBalances(f"ledger_balances{suffix}"),
    )


class Fold:
    """Accounts and projectors at one position of the log."""

    def __init__(self, into: Sequence[Projector[Any]], accounts: Accounts, position: int = 0) -> None:
        self.projectors = into
        self.accounts = accounts
        self.position = position

    def apply(self, told: Recorded) -> None:
        """Fold the next event of the log.

        Raises:
            CorruptStreamError: it is not the next one, or it is not legal history.
        """
        if told.position != self.position + 1:
            raise CorruptStreamError(f"position {told.position} of the log comes right after {self.position}")
        fact = self.accounts.apply(told)
        for projector in self.projectors:
            projector.fold(fact)
        self.position = told.position


class Twin:
    """Every row in memory, folded from the log alone: what the tables have to say at the same position.

    `accounts` holds the books on the way, for whoever compares those too. Memory grows with the number of rows, and
    with that of the orders: nothing is let go before `shrink`.
    """

    def __init__(self) -> None:
        self.accounts = Accounts(closed_kept=ALL_KEPT)
        self._fold = Fold(projectors(), self.accounts)
        self._rows: dict[str, dict[Key, Any]] = {projector.table.name: {} for projector in self._fold.projectors}

    @property
    def position(self) -> int:
        """The position that the rows reflect."""
        return self._fold.position

    def apply(self, page: Iterable[StoredEvent]) -> None:
        """Fold the next events of the log. Raises CorruptStreamError."""
        for stored in page:
            self._fold.apply(recorded(stored))

    def rows(self) -> Rows:
        """Return all rows as they are now. Those touched since the last call are built: the more often, the fewer."""
        for projector in self._fold.projectors:
            table = projector.table
            self._rows[table.name].update((table.key_of(row), row) for row in projector.drain())
        return self._rows

    def shrink(self, count: int) -> bool:
        """Let `count` of what memory grows with go, for good; return whether any are left."""
        parts: Sequence[dict[Any, Any]] = (*self._rows.values(), *self.accounts.held)
        for held in parts:
            while held:
                if not count:
                    return True
                held.popitem()
                count -= 1
        return False
