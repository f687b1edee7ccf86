"""What the exchange keeps of one account: coins, live orders, and as much of the past as its memory holds."""

from decimal import Decimal

from msgspec import Struct

from adapters.simulator.exchange.orders import Fill, Order, Refusal, RefusedError
from adapters.simulator.exchange.owner import Owner, Terms
from oms.values import ZERO


class Balance(Struct):
    """One coin: `frozen` is what open orders hold; both are never negative."""

    available: Decimal = ZERO
    frozen: Decimal = ZERO


class Account(Owner[Order, Fill]):
    """One account and its coins."""

    def __init__(self, name: str, terms: Terms) -> None:
        super().__init__(name, terms)
        self.balances: dict[str, Balance] = {}

    def balance(self, coin: str) -> Balance:
        balance = self.balances.get(coin)
        if balance is None:
            balance = self.balances[coin] = Balance()
        return balance

    def freeze(self, coin: str, amount: Decimal) -> None:
        """Move `amount` from available to frozen, or raise RefusedError."""
        balance = self.balance(coin)
        if balance.available < amount:
            raise RefusedError(Refusal.BALANCE_NOT_ENOUGH)
        balance.available -= amount
        balance.frozen += amount
