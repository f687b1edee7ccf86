"""The table `positions`: one row a leg."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from oms.book import position_stream
from oms.position.state import FLAT, Position
from oms.sums import traded
from oms.values import AccountId, PositionLeg, Symbol
from projections.accounts import Accounts, Fact
from projections.rows import PositionRow
from projections.table import Table

_TYPES: Final[Mapping[str, str]] = {
    "account": "text",
    "symbol": "text",
    "leg": "text",
    "version": "int8",
    "quantity": "numeric",
    "open_cost": "numeric",
    "average_price": "numeric",
    "realized": "numeric",
    "commissions": "jsonb",
    "updated_ns": "int8",
    "position": "int8",
    "contract_size": "numeric",
    "leverage": "numeric",
    "margin_mode": "text",
    "margin": "numeric",
    "funding": "numeric",
}


class _Touched(Struct, frozen=True, gc=False):
    account: AccountId
    state: Position
    updated_ns: int
    position: int


class Positions:
    """Projects every leg. Its rows are its memory: a leg's stream is as long as the account's history."""

    recalls: Final = True

    def __init__(self, table: str = "positions") -> None:
        self.table = Table(table, PositionRow, key=("account", "symbol", "leg"), types=_TYPES)
        self._touched: dict[str, _Touched] = {}

    def recall(self, rows: Sequence[PositionRow], accounts: Accounts) -> None:
        """Put the legs back into the books."""
        for row in rows:
            leg = Position(
                version=row.version,
                quantity=row.quantity,
                open_cost=row.open_cost,
                realized=row.realized,
                commissions=row.commissions,
                contract_size=row.contract_size,
                leverage=row.leverage,
                margin_mode=row.margin_mode,
                funding=row.funding,
            )
            accounts.book(row.account).recall(position_stream(row.account, row.symbol, row.leg), leg)

    def fold(self, fact: Fact) -> None:
        told = fact.recorded
        if told.stream[0] == "p":
            state = fact.book.positions.get(told.stream, FLAT)
            self._touched[told.stream] = _Touched(fact.account, state, told.meta.recorded_ns, told.position)

    def drain(self) -> Sequence[PositionRow]:
        touched, self._touched = self._touched, {}
        return [_row(stream, leg) for stream, leg in touched.items()]


def _row(stream: str, touched: _Touched) -> PositionRow:
    symbol, _, leg = stream.removeprefix(f"position/{touched.account}/").rpartition("/")
    state = touched.state
    return PositionRow(
        account=touched.account,
        symbol=Symbol(symbol),
        leg=PositionLeg(leg),
        version=state.version,
        quantity=state.quantity,
        open_cost=state.open_cost,
        average_price=state.average_price,
        realized=state.realized,
        commissions=dict(state.commissions),
        updated_ns=touched.updated_ns,
        position=touched.position,
        contract_size=state.contract_size,
        leverage=state.leverage,
        margin_mode=state.margin_mode,
        margin=state.margin if traded(stream).base is None else None,
        funding=state.funding,
    )
