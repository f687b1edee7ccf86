"""What a simulated exchange knows of an account, beside what our projections say: every difference, pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from oms.values import EXACT, ZERO, Side, plain, signed

LIVE: Final = frozenset({"new", "partially_filled"})


class TrueBalance(Struct, frozen=True):
    """One coin of `/sim/truth`."""

    available: Decimal
    frozen: Decimal


class TrueOrder(Struct, frozen=True):
    """One order of `/sim/truth`."""

    order_id: str
    client_order_id: str | None
    state: str
    filled: Decimal


class TrueTrade(Struct, frozen=True):
    """One trade of `/sim/truth`."""

    trade_id: str
    symbol: str
    side: Side
    size: Decimal


class TrueSpot(Struct, frozen=True):
    """One account's spot side of `/sim/truth`."""

    balances: Mapping[str, TrueBalance]
    orders: Sequence[TrueOrder]
    trades: Sequence[TrueTrade]


class TrueAccount(Struct, frozen=True):
    """One account of `/sim/truth`."""

    spot: TrueSpot


class Truth(Struct, frozen=True):
    """`/sim/truth`, as much of it as is compared."""

    accounts: Mapping[str, TrueAccount]


class Ours(Struct, frozen=True):
    """What our projections say: positions by symbol, (available, held) by currency, what is filled of open orders."""

    positions: Mapping[str, Decimal]
    balances: Mapping[str, tuple[Decimal, Decimal]]
    open_orders: Mapping[str, Decimal]


def differences(ours: Ours, theirs: TrueSpot) -> Iterator[str]:
    """Yield every difference, in words."""
    traded: dict[str, Decimal] = defaultdict(Decimal)
    for trade in theirs.trades:
        symbol = trade.symbol.replace("_", "/")
        traded[symbol] = EXACT.add(traded[symbol], signed(trade.side, trade.size))
    yield from _differences("position", ours.positions, traded)
    yield from _differences(
        "available", {coin: free for coin, (free, _) in ours.balances.items()}, {
            coin: balance.available for coin, balance in theirs.balances.items()
        },
    )  # fmt: skip
    yield from _differences(
        "held", {coin: held for coin, (_, held) in ours.balances.items()}, {
            coin: balance.frozen for coin, balance in theirs.balances.items()
        },
    )  # fmt: skip
    live = {order.client_order_id or order.order_id: order.filled for order in theirs.orders if order.state in LIVE}
    for name in sorted({*ours.open_orders, *live}):
        if ours.open_orders.get(name) != live.get(name):
            yield f"open order {name}: ours {_spelled(ours.open_orders.get(name))}, venue {_spelled(live.get(name))}"


def _differences(what: str, ours: Mapping[str, Decimal], theirs: Mapping[str, Decimal]) -> Iterator[str]:
    for name in sorted({*ours, *theirs}):
        mine, yours = ours.get(name, ZERO), theirs.get(name, ZERO)
        if mine != yours:
            yield f"{what} {name}: ours {plain(mine)}, venue {plain(yours)}"


def _spelled(filled: Decimal | None) -> str:
    return "none" if filled is None else f"{plain(filled)} filled"
