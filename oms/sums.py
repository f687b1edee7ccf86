"""What the states of an account add up to, by purse: what it owns, and what its orders and positions keep from being
spent. A purse is one currency of one wallet; what closing orders hold is contracts of their leg.

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
from oms.order.holds import hold
from oms.order.state import Order
from oms.position.state import Position
from oms.values import EXACT, NO_AMOUNTS, ZERO, PositionLeg, Purse, Purses, Symbol, Wallet, purse, purses

State = Order | Position | Account


class Funds(Struct, frozen=True, kw_only=True, gc=False):
    """One purse: total = available + held. All exact."""

    total: Decimal
    held: Decimal

    @property
    def available(self) -> Decimal:
        return EXACT.subtract(self.total, self.held)


NO_FUNDS: Final = Funds(total=ZERO, held=ZERO)


class Sums:
    """Totals and holds of one account, with the share of every stream in them."""

    def __init__(self) -> None:
        self.totals: dict[Purse, Decimal] = {}
        self.held: dict[Purse, Decimal] = {}
        self._holds: dict[str, tuple[Purse, Decimal]] = {}  # by stream of an open order or a leg: its part of `held`
        self._owns: dict[str, Mapping[Purse, Decimal]] = {}  # by any other stream: its part of `totals`

    def take(self, stream: str, state: State | None) -> None:
        """Move the sums by what has become of a stream's share; None: the stream is no more."""
        if stream[0] == "o":
            self._hold(stream, hold(state) if isinstance(state, Order) else None)
            return
        now = NO_AMOUNTS if state is None else owned(stream, state)
        was = self._owns.get(stream, NO_AMOUNTS)
        self._owns[stream] = now
        for name, amount in now.items():
            change = EXACT.subtract(amount, was.get(name, ZERO))
            self.totals[name] = EXACT.add(self.totals.get(name, ZERO), change)
        for name, amount in was.items():
            if name not in now:
                self.totals[name] = EXACT.subtract(self.totals[name], amount)
        if stream[0] == "p" and traded(stream).base is None:
            self._hold(stream, _backed(stream, state))

    def know(self, stream: str, state: Order | Position) -> None:
        """Take a stream's share for one that is in the sums already."""
        if isinstance(state, Order):
            held = hold(state)
        else:
            self._owns[stream] = owned(stream, state)
            held = _backed(stream, state)
        if held[1]:
            self._holds[stream] = held

    def _hold(self, stream: str, now: tuple[Purse, Decimal] | None) -> None:
        was = self._holds.pop(stream, None)
        if was is not None:
            self.held[was[0]] = EXACT.subtract(self.held.get(was[0], ZERO), was[1])
        if now is not None and now[1]:
            self._holds[stream] = now
            self.held[now[0]] = EXACT.add(self.held.get(now[0], ZERO), now[1])


def owned(stream: str, state: State) -> Mapping[Purse, Decimal]:
    """Return what a state is worth to its account, by purse: of an account what did not come from trades, of a leg what
    traded, what was paid for it, and its commissions; a perpetual moves no coin but what it earned, and funding.
    """
    match state:
        case Account():
            return state.adjustments
        case Position():
            base, quote = traded(stream)
            if base is None:
                wallet = Wallet.FUTURES
                owns = {quote: EXACT.add(state.realized, state.funding)}
            else:
                wallet = Wallet.SPOT
                owns = {base: state.quantity, quote: EXACT.subtract(state.realized, state.open_cost)}
            for currency, paid in state.commissions.items():
                name = purse(wallet, currency)
                owns[name] = EXACT.subtract(owns.get(name, ZERO), paid)
            return owns
        case Order():
            return NO_AMOUNTS


def _backed(stream: str, state: State | None) -> tuple[Purse, Decimal]:
    """Return what keeps a leg open, and out of which purse: nothing on spot."""
    base, quote = traded(stream)
    return quote, state.margin if base is None and isinstance(state, Position) else ZERO


def symbol_of(stream: str) -> Symbol:
    """Return the symbol in the name of a position leg's stream.

    A symbol holds slashes; the account's name and the leg's do not.
    """
    return Symbol(stream.split("/", 2)[2].rpartition("/")[0])


def leg_of(stream: str) -> PositionLeg:
    """Return the leg in the name of a position leg's stream."""
    return PositionLeg(stream.rpartition("/")[2])


@lru_cache(maxsize=4096)
def traded(stream: str) -> Purses:
    """Return the purses of the market in the name of a position leg's stream."""
    return purses(symbol_of(stream))
