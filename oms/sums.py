"""What the states of an account add up to, by currency: what it owns, and what its open orders keep from being spent.

Every stream has a share, which follows from its state alone. A sum is moved by the difference between a stream's share
now and its share when it was last looked at, so that it does not matter which way a state came about, nor how often
somebody looks: adding up along the way, once at the end of a replay, or after an undo gives the same figures.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final

from msgspec import Struct

from oms.account.state import Account
from oms.order.state import Order, hold
from oms.position.state import Position
from oms.values import EXACT, NO_AMOUNTS, ZERO, Currency, currencies

State = Order | Position | Account


class Funds(Struct, frozen=True, kw_only=True, gc=False):
    """One currency: total = available + held. All exact."""

    total: Decimal
    held: Decimal

    @property
    def available(self) -> Decimal:
        return EXACT.subtract(self.total, self.held)


NO_FUNDS: Final = Funds(total=ZERO, held=ZERO)


class Sums:
    """Totals and holds of one account, with the share of every stream in them."""

    def __init__(self) -> None:
        self.totals: dict[Currency, Decimal] = {}
        self.held: dict[Currency, Decimal] = {}
        self._holds: dict[str, tuple[Currency, Decimal]] = {}  # by stream of an open order: its part of `held`
        self._owns: dict[str, Mapping[Currency, Decimal]] = {}  # by any other stream: its part of `totals`

    def take(self, stream: str, state: State | None) -> None:
        """Move the sums by what has become of a stream's share; None: the stream is no more."""
        if stream[0] == "o":
            self._hold(stream, state)
            return
        now = NO_AMOUNTS if state is None else owned(stream, state)
        was = self._owns.get(stream, NO_AMOUNTS)
        self._owns[stream] = now
        for currency, amount in now.items():
            change = EXACT.subtract(amount, was.get(currency, ZERO))
            self.totals[currency] = EXACT.add(self.totals.get(currency, ZERO), change)
        for currency, amount in was.items():
            if currency not in now:
                self.totals[currency] = EXACT.subtract(self.totals[currency], amount)

    def know(self, stream: str, state: State) -> None:
        """Take a stream's share for one that is in the sums already."""
        if isinstance(state, Order):
            held = hold(state)
            if held[1]:
                self._holds[stream] = held
        else:
            self._owns[stream] = owned(stream, state)

    def _hold(self, stream: str, state: State | None) -> None:
        was = self._holds.pop(stream, None)
        if was is not None:
            self.held[was[0]] = EXACT.subtract(self.held[was[0]], was[1])
        if isinstance(state, Order):
            now = hold(state)
            if now[1]:
                self._holds[stream] = now
                self.held[now[0]] = EXACT.add(self.held.get(now[0], ZERO), now[1])


def owned(stream: str, state: State) -> Mapping[Currency, Decimal]:
    """Return what a state is worth to its account, by currency: of an account what did not come from trades, of a leg
    what traded, what was paid for it, and its commissions.
    """
    match state:
        case Account():
            return state.adjustments
        case Position():
            base, quote = traded(stream)
            owns = {base: state.quantity, quote: EXACT.subtract(state.realized, state.open_cost)}
            for currency, paid in state.commissions.items():
                owns[currency] = EXACT.subtract(owns.get(currency, ZERO), paid)
            return owns
        case Order():
            return NO_AMOUNTS


@lru_cache(maxsize=4096)
def traded(stream: str) -> tuple[Currency, Currency]:
    """Return (base, quote) of the symbol in the name of a position leg's stream.

    A symbol holds slashes; the account's name and the leg's do not.
    """
    return currencies(stream.split("/", 2)[2].rpartition("/")[0])
