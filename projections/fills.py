"""The table `fills`: one row a trade of ours."""

from collections.abc import Mapping, Sequence
from typing import Final

from oms.order.events import (
    CommissionReported,
    InferredFillReplaced,
    LiquidityReported,
    OrderClaimed,
    OrderFilled,
    TradeBusted,
)
from oms.values import ExecId
from projections.accounts import Accounts, Fact
from projections.rows import FillRow
from projections.table import Table

_TYPES: Final[Mapping[str, str]] = {
    "account": "text",
    "client_order_id": "text",
    "exec_id": "text",
    "strategy": "text",
    "symbol": "text",
    "side": "text",
    "quantity": "numeric",
    "price": "numeric",
    "commission": "numeric",
    "commission_currency": "text",
    "liquidity": "text",
    "source": "text",
    "busted": "bool",
    "occurred_ns": "int8",
    "recorded_ns": "int8",
    "position": "int8",
}


class Fills:
    """Projects every trade. The key has the order in it: a trade of ours with ourselves has one id and two orders."""

    recalls: Final = False

    def __init__(self, table: str = "fills") -> None:
        self.table = Table(table, FillRow, key=("account", "client_order_id", "exec_id"), types=_TYPES)
        self._touched: dict[tuple[str, ExecId], FillRow] = {}

    def recall(self, rows: Sequence[FillRow], accounts: Accounts) -> None:
        """Do nothing: the accounts hold the fills of the orders in memory."""

    def fold(self, fact: Fact) -> None:
        match fact.recorded.event:
            case (
                OrderFilled()
                | CommissionReported()
                | LiquidityReported()
                | TradeBusted()
                | InferredFillReplaced() as event
            ):
                row = None if fact.story is None else fact.story.fills.get(event.exec_id)
                if row is not None:
                    self._touched[fact.recorded.stream, event.exec_id] = row
            case OrderClaimed() if fact.story is not None:  # whoever has the order now sees what it traded
                touched = {(fact.recorded.stream, name): row for name, row in fact.story.fills.items()}
                self._touched.update(touched)
            case _:
                pass

    def drain(self) -> Sequence[FillRow]:
        touched, self._touched = self._touched, {}
        return list(touched.values())
