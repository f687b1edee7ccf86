"""Balances as queries show them: each change a while after it happened (PROTOCOL 9.8, 12.5). Streams do not lag."""

from collections.abc import Mapping
from typing import Generic, TypeVar

from adapters.simulator.wire.house import House

B = TypeVar("B")
Key = tuple[str, str]  # account, coin


class Lagging(Generic[B]):
    """What one host's balances look like from outside, `B` being what it keeps of one coin of one account."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._newest: dict[Key, B] = {}
        self._changes: dict[Key, int] = {}
        self._seen: dict[Key, int] = {}  # the newest change that shows
        self._behind: dict[Key, B] = {}  # what shows where that is not the newest

    def opened(self, account: str, balances: Mapping[str, B]) -> None:
        """An account begins with these, and everybody sees it."""
        for coin, balance in balances.items():
            self._newest[account, coin] = balance

    def changed(self, account: str, coin: str, now: B, nothing: B) -> None:
        """A balance is `now`; `nothing` is what a coin has that was never here."""
        key = (account, coin)
        before = self._newest.get(key, nothing)
        self._newest[key] = now
        number = self._changes[key] = self._changes.get(key, 0) + 1
        low, high = self._house.settings.balance_lag_ms
        if not high:
            self._show(key, number, now)
            return
        self._behind.setdefault(key, before)
        self._house.later(self._house.faults.between(low, high), lambda _: self._show(key, number, now))

    def view(self, account: str, balances: Mapping[str, B]) -> Mapping[str, B]:
        """Return `balances` as a query sees them."""
        return {coin: self._behind.get((account, coin), balance) for coin, balance in balances.items()}

    def _show(self, key: Key, number: int, balance: B) -> None:
        """Let a change show, unless a later one does already."""
        if number <= self._seen.get(key, 0):
            return
        self._seen[key] = number
        if number == self._changes[key]:
            self._behind.pop(key, None)
        else:
            self._behind[key] = balance
