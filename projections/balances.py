"""The table `balances`: one row a currency in a wallet of an account."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from oms.account.events import BalanceAdjusted
from oms.position.events import (
    ClearanceBooked,
    CommissionBooked,
    FillBooked,
    FillReversed,
    FundingBooked,
    LegTakenOver,
    LeverageSet,
)
from oms.sums import NO_FUNDS, Funds, traded
from oms.values import AccountId, Purse, Wallet, purse, purse_parts, purses
from projections.accounts import Accounts, Fact
from projections.rows import BalanceRow
from projections.table import Table

_TYPES: Final[Mapping[str, str]] = {
    "account": "text",
    "wallet": "text",
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
        self.table = Table(table, BalanceRow, key=("account", "wallet", "currency"), types=_TYPES)
        self._rows: dict[tuple[AccountId, Purse], BalanceRow] = {}
        self._touched: dict[tuple[AccountId, Purse], None] = {}

    def recall(self, rows: Sequence[BalanceRow], accounts: Accounts) -> None:
        """Put the sums back into the books."""
        self._rows = {}  # what was folded and never written is forgotten
        for row in rows:
            name = purse(row.wallet, row.currency)
            accounts.book(row.account).recall_funds(name, Funds(total=row.total, held=row.held))
            self._rows[row.account, name] = row

    def fold(self, fact: Fact) -> None:
        for name in _concerned(fact):
            key = fact.account, name
            before = self._rows.get(key)
            funds = fact.book.funds(name)
            if funds != (NO_FUNDS if before is None else Funds(total=before.total, held=before.held)):
                wallet, currency = purse_parts(name)
                self._rows[key] = BalanceRow(
                    account=fact.account,
                    wallet=wallet,
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


def _concerned(fact: Fact) -> Iterable[Purse]:
    """Return the purses that an event may move."""
    event = fact.recorded.event
    match event:
        case BalanceAdjusted():
            return (purse(event.wallet, event.currency),)
        case FillBooked() | FillReversed() | CommissionBooked():
            base, quote = traded(fact.recorded.stream)
            wallet = Wallet.FUTURES if base is None else Wallet.SPOT
            charged = () if event.commission_currency is None else (purse(wallet, event.commission_currency),)
            return (quote, *charged) if base is None else (base, quote, *charged)
        case FundingBooked() | ClearanceBooked() | LeverageSet() | LegTakenOver():
            return (traded(fact.recorded.stream).quote,)
        case _ if fact.story is not None:
            base, quote = purses(fact.story.order.request.symbol)
            return (quote,) if base is None else (base, quote)
        case _:
            return ()
