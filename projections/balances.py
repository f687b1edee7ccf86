"""The table `balances`: one row a currency of an account."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from oms.account.events import BalanceAdjusted
from oms.position.events import CommissionBooked, FillBooked, FillReversed
from oms.sums import NO_FUNDS, Funds, traded
from oms.values import AccountId, Currency, currencies
from projections.accounts import Accounts, Fact
from projections.rows import BalanceRow
from projections.table import Table

_TYPES: Final[Mapping[str, str]] = {
    "account": "text",
    "currency": "text",
    "total": "numeric",
    "held": "numeric",
    "available": "numeric",
    "updated_ns": "int8",
    "position": "int8",
}


class Balances:
    """Projects what every account has. Its rows are its memory: a sum over all history has no shorter form."""

    recalls: Final = True

    def __init__(self, table: str = "balances") -> None:
        self.table = Table(table, BalanceRow, key=("account", "currency"), types=_TYPES)
        self._rows: dict[tuple[AccountId, Currency], BalanceRow] = {}
        self._touched: dict[tuple[AccountId, Currency], None] = {}

    def recall(self, rows: Sequence[BalanceRow], accounts: Accounts) -> None:
        """Put the sums back into the books."""
        for row in rows:
            accounts.book(row.account).recall_funds(row.currency, Funds(total=row.total, held=row.held))
            self._rows[row.account, row.currency] = row

    def fold(self, fact: Fact) -> None:
        for currency in _concerned(fact):
            key = fact.account, currency
            before = self._rows.get(key)
            funds = fact.book.funds(currency)
            if funds != (NO_FUNDS if before is None else Funds(total=before.total, held=before.held)):
                self._rows[key] = BalanceRow(
                    account=fact.account,
                    currency=currency,
                    total=funds.total,
                    held=funds.held,
                    available=funds.available,
                    updated_ns=fact.recorded.meta.recorded_ns,
                    position=fact.recorded.position,
                )
                self._touched[key] = None

    def drain(self) -> Sequence[BalanceRow]:
        touched, self._touched = self._touched, {}
        return [self._rows[key] for key in touched]


def _concerned(fact: Fact) -> Iterable[Currency]:
    """Return the currencies that an event may move."""
    event = fact.recorded.event
    if isinstance(event, BalanceAdjusted):
        return (event.currency,)
    if fact.story is not None:
        return currencies(fact.story.order.request.symbol)
    if not isinstance(event, FillBooked | FillReversed | CommissionBooked):
        return ()
    pair = traded(fact.recorded.stream)
    return pair if event.commission_currency is None else (*pair, event.commission_currency)
