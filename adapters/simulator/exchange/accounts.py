"""What the exchange keeps of one account: coins, live orders, and as much of the past as its memory holds."""

from collections import deque
from decimal import Decimal
from typing import Final

from msgspec import Struct

from adapters.simulator.exchange.orders import Fill, Order, Refusal, RefusedError
from oms.values import ZERO

HISTORY_MAX: Final = 200_000  # closed orders, and fills, kept per account


class Balance(Struct):
    """One coin: `frozen` is what open orders hold; both are never negative."""

    available: Decimal = ZERO
    frozen: Decimal = ZERO


class Account:
    """One account. Fees are fractions of the notional. An unwatched one causes no events and has no past: background
    traders, whose story nobody asks for.

    Client order ids are remembered for ever (the venue's promise, PROTOCOL 12.5); the rest forgets its oldest at
    `history_max`.
    """

    def __init__(
        self,
        name: str,
        *,
        maker_fee: Decimal,
        taker_fee: Decimal,
        watched: bool = True,
        history_max: int = HISTORY_MAX,
    ) -> None:
        self.name = name
        self.maker_fee = maker_fee
        self.taker_fee = taker_fee
        self.hold_rate = max(maker_fee, taker_fee, ZERO)
        self.watched = watched
        self.balances: dict[str, Balance] = {}
        self.open: dict[str, Order] = {}
        self.closed: dict[str, Order] = {}
        self.fills: deque[Fill] = deque(maxlen=history_max)
        self.fills_of: dict[str, list[Fill]] = {}
        self._ids: dict[str, str] = {}  # client order id -> the newest order id under it
        self._history_max = history_max

    def balance(self, coin: str) -> Balance:
        balance = self.balances.get(coin)
        if balance is None:
            balance = self.balances[coin] = Balance()
        return balance

    def order(self, order_id: str) -> Order | None:
        return self.open.get(order_id) or self.closed.get(order_id)

    def order_by_client_id(self, client_order_id: str) -> Order | None:
        order_id = self._ids.get(client_order_id)
        return None if order_id is None else self.order(order_id)

    def knows(self, client_order_id: str) -> bool:
        return client_order_id in self._ids

    def freeze(self, coin: str, amount: Decimal) -> None:
        """Move `amount` from available to frozen, or raise RefusedError."""
        balance = self.balance(coin)
        if balance.available < amount:
            raise RefusedError(Refusal.BALANCE_NOT_ENOUGH)
        balance.available -= amount
        balance.frozen += amount

    def opened(self, order: Order) -> None:
        self.open[order.order_id] = order
        if order.client_order_id:
            self._ids[order.client_order_id] = order.order_id

    def filled(self, fill: Fill) -> None:
        self.fills.append(fill)
        self.fills_of.setdefault(fill.order_id, []).append(fill)

    def ended(self, order: Order) -> None:
        """Move the order from the open ones into the past, which forgets its oldest when full."""
        del self.open[order.order_id]
        if not self.watched:
            return
        self.closed[order.order_id] = order
        if len(self.closed) > self._history_max:
            oldest = next(iter(self.closed))
            del self.closed[oldest]
            self.fills_of.pop(oldest, None)
