"""Whether all equals the exchange in the end, on both markets, and everything that was acknowledged is there."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from oms.cli.truth import LIVE, Ours, TrueSpot, differences
from oms.gateway.views import BalanceView, BreakView, OrderView, PositionView
from oms.values import ZERO, plain

QUOTIENTS: Final = Decimal("1e-8")  # thousands of them: the exchange rounds one to 1e-12
UNSURE: Final = frozenset({"in_doubt", "sending", "pending_cancel", "pending_amend"})


class TrueWallet(Struct, frozen=True):
    """One coin of a futures account: what is free, what orders freeze, what positions tie up."""

    available: Decimal
    frozen: Decimal
    deposit: Decimal

    @property
    def total(self) -> Decimal:
        return self.available + self.frozen + self.deposit


class TruePosition(Struct, frozen=True):
    symbol: str
    leg: str
    size: Decimal  # contracts
    average_price: Decimal


class TrueOrder(Struct, frozen=True):
    order_id: str
    client_order_id: str | None
    state: str
    filled: Decimal
    created_ms: int


class TrueFutures(Struct, frozen=True):
    balances: Mapping[str, TrueWallet]
    positions: Sequence[TruePosition]
    orders: Sequence[TrueOrder]


class Truth(Struct, frozen=True):
    """What the exchange knows of one account; `orders` of both markets."""

    spot: TrueSpot
    futures: TrueFutures
    orders: Sequence[TrueOrder]


class Shown(Struct, frozen=True):
    """What the OMS shows: of orders, those that are open."""

    open_orders: Sequence[OrderView]
    positions: Sequence[PositionView]
    balances: Sequence[BalanceView]
    breaks: Sequence[BreakView]  # those that are open


def doubled(truth: Truth) -> Iterator[str]:
    """Yield every order of ours that the exchange has more than once."""
    for name, count in Counter(order.client_order_id for order in truth.orders if order.client_order_id).items():
        if count > 1:
            yield f"{name} is at the venue {count} times"


def lost(acknowledged: Collection[str], known: Collection[str]) -> Iterator[str]:
    """Yield every order that was acknowledged and that nobody knows any more."""
    for name in sorted(set(acknowledged) - set(known)):
        yield f"{name} was acknowledged and is lost"


def unequal(shown: Shown, truth: Truth) -> Iterator[str]:
    """Yield every difference, and everything that is not settled yet."""
    for order in shown.open_orders:
        if order.status in UNSURE:
            yield f"{order.client_order_id} is {order.status}"
    for each in shown.breaks:
        yield f"break {each.break_id}: ours {each.ours}, theirs {each.theirs}"
    yield from differences(_spot(shown), truth.spot)
    yield from _futures(shown, truth.futures)


def _spot(shown: Shown) -> Ours:
    return Ours(
        positions={row.symbol: row.quantity for row in shown.positions if not _perpetual(row.symbol)},
        balances={row.currency: (row.available, row.held) for row in shown.balances if row.wallet == "spot"},
        open_orders={o.client_order_id: o.cum_quantity for o in shown.open_orders if not _perpetual(o.symbol)},
    )


def _futures(shown: Shown, truth: TrueFutures) -> Iterator[str]:
    """How a wallet is divided into free and held is each side's own reckoning of margin; what is in it is not, but for
    the share of a cost that leaves with a part of a position: a quotient, which each side rounds for itself, and which
    hangs on the order in which the trades were learned. What is in it less what the open positions have cost does not.
    """
    cost = {f"{row.symbol} {row.leg}": row.open_cost for row in shown.positions if _perpetual(row.symbol)}
    sizes = {f"{row.symbol} {row.leg}": row.contract_size for row in shown.positions}
    paid = ZERO
    ours: dict[str, Decimal] = {}
    theirs: dict[str, Decimal] = {}
    for row in shown.positions:
        if _perpetual(row.symbol):
            ours[f"position {row.symbol} {row.leg}"] = row.quantity
    for balance in shown.balances:
        if balance.wallet == "futures":
            spent = sum(cost.values(), ZERO) if balance.currency == "USDT" else ZERO
            ours[f"total of futures {balance.currency}"] = balance.total - spent
    ours |= {f"filled of {o.client_order_id}": 1 + o.cum_quantity for o in shown.open_orders if _perpetual(o.symbol)}
    for position in truth.positions:
        symbol = f"{position.symbol.removesuffix('USDT')}/USDT:USDT"
        size = -position.size if position.leg == "short" else position.size
        theirs[f"position {symbol} {position.leg}"] = size
        paid += size * position.average_price * sizes.get(f"{symbol} {position.leg}", ZERO)
    theirs |= {
        f"total of futures {coin}": wallet.total - (paid if coin == "USDT" else ZERO)
        for coin, wallet in truth.balances.items()
    }
    theirs |= {f"filled of {o.client_order_id or o.order_id}": 1 + o.filled for o in truth.orders if o.state in LIVE}
    for name in sorted({*ours, *theirs}):
        mine, yours = ours.get(name, ZERO), theirs.get(name, ZERO)
        if abs(mine - yours) > (QUOTIENTS if name.startswith("total") else ZERO):
            yield f"{name}: ours {plain(mine)}, venue {plain(yours)}"


def _perpetual(symbol: str) -> bool:
    return ":" in symbol
