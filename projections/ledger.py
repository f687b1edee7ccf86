"""The tables `ledger`, one row a transaction, and `ledger_balances`, one row an account of the ledger and asset."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from oms.account.events import BalanceAdjusted
from oms.ledger import Name, Transaction
from oms.position.events import ClearanceBooked, CommissionBooked, FillBooked, FillReversed, FundingBooked, LegTakenOver
from oms.sums import symbol_of
from oms.values import EXACT, AccountId, ClientOrderId
from projections.accounts import Accounts, Fact
from projections.rows import LedgerBalanceRow, LedgerRow, instant
from projections.table import Table

_Place = tuple[AccountId, Name, str]  # an account's account of the ledger, and an asset

_TYPES: Final[Mapping[str, str]] = {
    "account": "text",
    "position": "int8",
    "kind": "text",
    "symbol": "text",
    "reference": "text",
    "client_order_id": "text",
    "entries": "jsonb",
    "occurred_ns": "int8",
    "recorded_ns": "int8",
}
_BALANCE_TYPES: Final[Mapping[str, str]] = {
    "account": "text",
    "name": "text",
    "asset": "text",
    "amount": "numeric",
    "position": "int8",
}


class LedgerTable:
    """Projects every transaction; each follows from its event alone."""

    recalls: Final = False

    def __init__(self, table: str = "ledger") -> None:
        self.table = Table(table, LedgerRow, key=("position",), types=_TYPES)
        self._fresh: list[LedgerRow] = []

    def recall(self, rows: Sequence[LedgerRow], accounts: Accounts) -> None:
        """Do nothing: no transaction needs another."""

    def fold(self, fact: Fact) -> None:
        told, booked = fact.recorded, fact.moved
        if booked is not None:
            reference, client_order_id = _named(told.event)
            self._fresh.append(
                LedgerRow(
                    account=fact.account,
                    position=told.position,
                    kind=booked.kind,
                    symbol=symbol_of(told.stream) if told.stream[0] == "p" else None,
                    reference=reference,
                    client_order_id=client_order_id,
                    entries=_by_name(booked),
                    occurred_ns=instant(told.meta.occurred_ns),
                    recorded_ns=told.meta.recorded_ns,
                )
            )

    def drain(self) -> Sequence[LedgerRow]:
        fresh, self._fresh = self._fresh, []
        return fresh


class LedgerBalances:
    """Projects what the entries add up to. Its rows are its memory: a sum over all history has no shorter form."""

    recalls: Final = True

    def __init__(self, table: str = "ledger_balances") -> None:
        self.table = Table(table, LedgerBalanceRow, key=("account", "name", "asset"), types=_BALANCE_TYPES)
        self._sums: dict[_Place, Decimal] = {}
        self._touched: dict[_Place, int] = {}  # by the position of what touched it last

    def recall(self, rows: Sequence[LedgerBalanceRow], accounts: Accounts) -> None:  # noqa: ARG002 - no book holds them
        """Remember the sums; what was folded and never written is forgotten."""
        self._sums = {(row.account, row.name, row.asset): row.amount for row in rows}

    def fold(self, fact: Fact) -> None:
        for entry in () if fact.moved is None else fact.moved.entries:
            place = fact.account, entry.name, entry.asset
            before = self._sums.get(place)
            self._sums[place] = entry.amount if before is None else EXACT.add(before, entry.amount)
            self._touched[place] = fact.recorded.position

    def drain(self) -> Sequence[LedgerBalanceRow]:
        touched, self._touched = self._touched, {}
        return [
            LedgerBalanceRow(
                account=place[0], name=place[1], asset=place[2], amount=self._sums[place], position=position
            )
            for place, position in touched.items()
        ]


def _by_name(booked: Transaction) -> Mapping[str, Mapping[str, Decimal]]:
    entries: dict[str, dict[str, Decimal]] = {}
    for entry in booked.entries:
        entries.setdefault(entry.name, {})[entry.asset] = entry.amount
    return entries


def _named(event: object) -> tuple[str | None, ClientOrderId | None]:
    """Return what the transaction goes back to, in the venue's or a person's words, and the order it is of."""
    match event:
        case FillBooked() | FillReversed():
            return event.exec_id, event.client_order_id
        case CommissionBooked():
            return event.exec_id, None
        case FundingBooked() | ClearanceBooked():
            return event.ledger_id, None
        case BalanceAdjusted() | LegTakenOver():
            return event.reason, None
        case _:
            return None, None
