"""The table `positions`: one row a leg."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from oms.book import position_stream
from oms.order.events import InferredFillReplaced, OrderClaimed, OrderFilled, OrderRequested, TradeBusted
from oms.order.state import EXTERNAL, Order
from oms.position.events import LegTakenOver, ShareClaimed
from oms.position.state import FLAT, Position
from oms.sums import traded
from oms.values import EXACT, ZERO, AccountId, PositionLeg, Symbol, signed
from projections.accounts import Accounts, Fact
from projections.rows import PositionRow
from projections.table import Table

UNATTRIBUTED: Final = "unattributed"  # whose trades are of orders that nobody here asked for

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
    "shares": "jsonb",
}


class _Touched(Struct, frozen=True, gc=False):
    account: AccountId
    state: Position
    shares: Mapping[str, Decimal]
    updated_ns: int
    position: int


class Positions:
    """Projects every leg. Its rows are its memory: a leg's stream is as long as the account's history."""

    recalls: Final = True

    def __init__(self, table: str = "positions") -> None:
        self.table = Table(table, PositionRow, key=("account", "symbol", "leg"), types=_TYPES)
        self._touched: dict[str, _Touched] = {}
        self._shares: dict[str, dict[str, Decimal]] = {}  # by stream of a leg

    def recall(self, rows: Sequence[PositionRow], accounts: Accounts) -> None:
        """Put the legs back into the books; what was folded and never written is forgotten."""
        self._shares = {}
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
            stream = position_stream(row.account, row.symbol, row.leg)
            accounts.book(row.account).recall(stream, leg)
            self._shares[stream] = dict(row.shares)

    def fold(self, fact: Fact) -> None:
        told = fact.recorded
        match told.event:
            case OrderFilled() | TradeBusted() | InferredFillReplaced() as event if fact.story is not None:
                self._touch(self._share(fact.story.order.request, event), fact)
            case OrderClaimed() if fact.story is not None:
                self._touch(self._claim(fact.story.order), fact)
            case LegTakenOver() as taken:
                self._add(told.stream, UNATTRIBUTED, taken.quantity)
                self._touch(told.stream, fact)
            case ShareClaimed() as given:
                self._add(told.stream, UNATTRIBUTED, given.quantity.copy_negate())
                self._add(told.stream, given.strategy, given.quantity)
                self._touch(told.stream, fact)
            case _ if told.stream[0] == "p":
                self._touch(told.stream, fact)
            case _:
                pass

    def _share(self, request: OrderRequested, event: OrderFilled | TradeBusted | InferredFillReplaced) -> str:
        """Move the share of whoever asked for the order, and return the stream of the leg."""
        stream = position_stream(request.account, request.symbol, request.position_leg)
        owner = UNATTRIBUTED if request.strategy == EXTERNAL else request.strategy
        change = signed(request.side, event.quantity)
        if not isinstance(event, OrderFilled):
            change = change.copy_negate()
        self._add(stream, owner, change)
        return stream

    def _claim(self, order: Order) -> str:
        """Give what an order traded so far to whoever it belongs to now, and return the stream of the leg."""
        request = order.request
        stream = position_stream(request.account, request.symbol, request.position_leg)
        traded_so_far = signed(request.side, order.cum_quantity)
        self._add(stream, UNATTRIBUTED, traded_so_far.copy_negate())
        self._add(stream, request.strategy, traded_so_far)
        return stream

    def _add(self, stream: str, owner: str, change: Decimal) -> None:
        shares = self._shares.setdefault(stream, {})
        share = EXACT.add(shares.pop(owner, ZERO), change)
        if share:
            shares[owner] = share

    def _touch(self, stream: str, fact: Fact) -> None:
        state, told = fact.book.positions.get(stream, FLAT), fact.recorded
        shares = dict(self._shares.get(stream, {}))
        self._touched[stream] = _Touched(fact.account, state, shares, told.meta.recorded_ns, told.position)

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
        shares=touched.shares,
    )
