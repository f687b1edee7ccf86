"""The table `breaks`: one row a disagreement with the venue, as it stands or as it ended."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from oms.breaks.events import BreakChanged, BreakExplained, BreakOpened, BreakResolved
from oms.breaks.state import Break, Breaks
from oms.values import AccountId
from projections.accounts import Accounts, Fact, Recorded
from projections.rows import BreakRow
from projections.table import Table

_TYPES: Final[Mapping[str, str]] = {
    "account": "text",
    "break_id": "text",
    "kind": "text",
    "subject": "text",
    "symbol": "text",
    "ours": "text",
    "theirs": "text",
    "difference": "numeric",
    "explanation": "text",
    "resolution": "text",
    "reason": "text",
    "open": "bool",
    "evidence": "jsonb",
    "until_ms": "int8",
    "opened_ns": "int8",
    "updated_ns": "int8",
    "opened": "int8",
    "position": "int8",
}


class BreaksTable:
    """Projects disagreements. Those that are open are put back into the books at a start: their events go on."""

    recalls: Final = True

    def __init__(self, table: str = "breaks") -> None:
        self.table = Table(table, BreakRow, key=("account", "break_id"), types=_TYPES)
        self._rows: dict[tuple[AccountId, str], BreakRow] = {}  # of open breaks, and those that ended since the drain
        self._touched: dict[tuple[AccountId, str], None] = {}

    def recall(self, rows: Sequence[BreakRow], accounts: Accounts) -> None:
        """Put the open breaks back into the books."""
        self._rows = {(row.account, row.break_id): row for row in rows if row.open}
        for row in self._rows.values():
            book = accounts.book(row.account)
            known = Breaks(open={**book.account.breaks.open, row.break_id: _break(row)})
            book.account = replace(book.account, breaks=known)

    def fold(self, fact: Fact) -> None:
        told = fact.recorded
        match told.event:
            case BreakOpened() as event:
                self._put(_opened(fact.account, event, told))
            case BreakChanged() as event:
                row = self._rows[fact.account, event.break_id]
                self._put(
                    _moved(
                        row,
                        told,
                        ours=event.ours,
                        theirs=event.theirs,
                        difference=event.difference,
                        evidence=event.evidence,
                        until_ms=event.until_ms,
                    )
                )
            case BreakExplained() as event:
                row = self._rows[fact.account, event.break_id]
                self._put(_moved(row, told, explanation=event.reason))
            case BreakResolved() as event:
                row = self._rows[fact.account, event.break_id]
                ended = {"open": False, "resolution": event.resolution, "reason": event.reason}
                self._put(_moved(row, told, **ended))
            case _:
                pass

    def drain(self) -> Sequence[BreakRow]:
        touched, self._touched = self._touched, {}
        drained = [self._rows[key] for key in touched]
        for row in drained:
            if not row.open:
                del self._rows[row.account, row.break_id]
        return drained

    def _put(self, row: BreakRow) -> None:
        key = row.account, row.break_id
        self._rows[key] = row
        self._touched[key] = None


def _opened(account: AccountId, event: BreakOpened, told: Recorded) -> BreakRow:
    return BreakRow(
        account=account,
        break_id=event.break_id,
        kind=event.kind,
        subject=event.subject,
        symbol=event.symbol,
        ours=event.ours,
        theirs=event.theirs,
        difference=event.difference,
        explanation=None,
        resolution=None,
        reason=None,
        open=True,
        evidence=event.evidence,
        until_ms=event.until_ms,
        opened_ns=told.meta.recorded_ns,
        updated_ns=told.meta.recorded_ns,
        opened=told.position,
        position=told.position,
    )


def _moved(row: BreakRow, told: Recorded, **changes: object) -> BreakRow:
    moved: BreakRow = replace(row, updated_ns=told.meta.recorded_ns, position=told.position, **changes)
    return moved


def _break(row: BreakRow) -> Break:
    return Break(
        break_id=row.break_id,
        kind=row.kind,
        subject=row.subject,
        ours=row.ours,
        theirs=row.theirs,
        difference=row.difference,
        symbol=row.symbol,
        explanation=row.explanation,
        until_ms=row.until_ms,
        opened_ns=row.opened_ns,
    )
