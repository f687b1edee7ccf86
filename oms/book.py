"""Everything one account's log adds up to, held in memory: orders, positions, funds. Replay and the engine share it.

`apply` is the only way in: it folds one event and keeps what follows from it (what is owned, what is held) in step.
Closed orders leave after a while, so that memory grows with what is open, not with history.

The engine decides ahead of the log, so a book can be taken back to any cut. States are frozen: it is enough to remember
which one stood where before, and the few totals as they were at the cut.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final

from msgspec import Struct

from oms.account import state as accounts
from oms.account.events import AccountEvent, BalanceAdjusted
from oms.account.state import NOBODY, Account
from oms.order import state as orders
from oms.order.events import OrderEvent
from oms.order.state import CLOSED, Order, hold
from oms.position import state as positions
from oms.position.events import CommissionBooked, PositionEvent
from oms.position.state import FLAT, Position
from oms.values import EXACT, ZERO, AccountId, ClientOrderId, Currency, PositionLeg, Symbol, currencies

CLOSED_KEPT: Final = 10_000  # closed orders still answered from memory: a few megabytes

Event = OrderEvent | PositionEvent | AccountEvent
State = Order | Position | Account


def order_stream(account: AccountId, client_order_id: ClientOrderId) -> str:
    """Return the name of an order's stream."""
    return f"order/{account}/{client_order_id}"


@lru_cache(maxsize=4096)
def position_stream(account: AccountId, symbol: Symbol, leg: PositionLeg) -> str:
    """Return the name of a position leg's stream."""
    return f"position/{account}/{symbol}/{leg}"


@lru_cache(maxsize=4096)
def traded(stream: str) -> tuple[Currency, Currency]:
    """Return (base, quote) of the symbol in the name of a position leg's stream.

    A symbol holds slashes; the account's name and the leg's do not.
    """
    return currencies(stream.split("/", 2)[2].rpartition("/")[0])


def account_stream(account: AccountId) -> str:
    """Return the name of an account's own stream."""
    return f"account/{account}"


class Funds(Struct, frozen=True, kw_only=True, gc=False):
    """One currency: total = available + held. All exact."""

    total: Decimal
    held: Decimal

    @property
    def available(self) -> Decimal:
        return EXACT.subtract(self.total, self.held)


class Journal(Struct, frozen=True, gc=False):
    """What it takes to go back to a cut: the states that stood before each event since, and the sums at the cut."""

    states: list[tuple[str, State | None]]
    totals: dict[Currency, Decimal]
    held: dict[Currency, Decimal]


class Book:
    """The hot state of one account."""

    def __init__(self, account: AccountId, *, closed_kept: int = CLOSED_KEPT, counting: bool = True) -> None:
        self.name = account
        self.account: Account = NOBODY
        self.orders: dict[str, Order] = {}  # by stream: every open order, and the closed ones not yet let go
        self.positions: dict[str, Position] = {}  # by stream
        self.totals: dict[Currency, Decimal] = {}
        self.held: dict[Currency, Decimal] = {}
        self.open: dict[str, None] = {}  # streams of open orders
        self.unsettled: dict[str, None] = {}  # streams of orders that the venue is to be asked about, open or closed
        self._holds: dict[str, Decimal] = {}  # by stream of an open order: its part of `held`
        self._closed: OrderedDict[str, None] = OrderedDict()  # streams, the longest closed first
        self._closed_kept = closed_kept
        self._journal: Journal | None = None
        self._counting = counting

    def apply(self, stream: str, event: Event) -> State:
        """Fold one event of `stream` and return the state it led to.

        Raises:
            CorruptStreamError: the event is not legal history.
        """
        match stream[0]:
            case "o":
                return self._order(stream, event)  # type: ignore[arg-type]  # a stream holds its own kind of events
            case "p":
                before = self.positions.get(stream)
                self._remember(stream, before)
                leg = positions.evolve(before or FLAT, event)  # type: ignore[arg-type]  # as above
                self.positions[stream] = leg
                if self._counting:
                    self._move(stream, event)  # type: ignore[arg-type]  # as above
                return leg
            case _:
                self._remember(stream, self.account)
                self.account = accounts.evolve(self.account, event)  # type: ignore[arg-type]  # as above
                if self._counting and isinstance(event, BalanceAdjusted):
                    self._own(event.currency, event.change)
                return self.account

    def count(self) -> None:
        """Work out what is owned and what is held from the states, and keep both in step from here on.

        A replay counts once, at its end. That this equals what was kept in step along the way is a property, tested.
        """
        self.totals, self.held, self._holds = dict(self.account.adjustments), {}, {}
        for stream, leg in self.positions.items():
            base, quote = traded(stream)
            self._own(base, leg.quantity)
            self._own(quote, EXACT.subtract(leg.realized, leg.open_cost))
            for currency, paid in leg.commissions.items():
                self._own(currency, -paid)
        for stream in self.open:
            self._rehold(stream, self.orders[stream])
        self._counting = True

    def funds(self, currency: Currency) -> Funds:
        """Return what the account has of one currency."""
        return Funds(total=self.totals.get(currency, ZERO), held=self.held.get(currency, ZERO))

    def available(self, currency: Currency) -> Decimal:
        """Return what may still be spent of one currency."""
        return EXACT.subtract(self.totals.get(currency, ZERO), self.held.get(currency, ZERO))

    def restore(self, stream: str, order: Order) -> None:
        """Take a closed order back into memory, read from the log because somebody asked for it.

        It is the log's own word, so no undo takes it back.
        """
        self.orders[stream] = order
        self._file(stream, order)

    @property
    def overfull(self) -> bool:
        """Whether so many closed orders wait to be let go that it is worth the while."""
        return len(self._closed) > self._closed_kept + self._closed_kept // 10

    def trim(self, keep: Collection[str] = ()) -> None:
        """Let the longest closed orders go until the bound is kept, but for those of which something is still to come:
        their trades, their commissions, or (`keep`) the commit of what memory already says.
        """
        for _ in range(len(self._closed) - self._closed_kept):
            stream, _ = self._closed.popitem(last=False)
            if stream in self.unsettled or stream in keep:
                self._closed[stream] = None
            else:
                del self.orders[stream]

    def summary(self) -> Mapping[str, object]:
        """Return everything that two books of the same history must agree on."""
        return {
            "account": self.account,
            "open": {stream: self.orders[stream] for stream in sorted(self.open)},
            "positions": dict(sorted(self.positions.items())),
            "totals": {currency: total for currency, total in sorted(self.totals.items()) if total},
            "held": {currency: held for currency, held in sorted(self.held.items()) if held},
        }

    # -------------------------------------------------------------------------------------------- cut and undo

    def cut(self) -> Journal:
        """Return the journal since the last cut (or since nothing was kept), and begin a new one."""
        journal = self._journal or Journal([], {}, {})
        self._journal = Journal([], dict(self.totals), dict(self.held))
        return journal

    def undo(self, journal: Journal) -> None:
        """Take back everything since the cut that `journal` begins at. Later journals are to be undone first.

        A new journal begins here: the one begun at the last cut remembers sums that are no longer so.
        """
        for stream, before in reversed(journal.states):
            match before:
                case Order():
                    self.orders[stream] = before
                    self._file(stream, before)
                    self._rehold(stream, before)
                case Position():
                    self.positions[stream] = before
                case Account():
                    self.account = before
                case None:
                    for table in (self.orders, self.positions, self.open, self.unsettled, self._closed, self._holds):
                        table.pop(stream, None)
        if journal.states:
            self.totals, self.held = dict(journal.totals), dict(journal.held)
        self._journal = Journal([], dict(self.totals), dict(self.held))

    def _remember(self, stream: str, before: State | None) -> None:
        if self._journal is not None:
            self._journal.states.append((stream, before))

    # -------------------------------------------------------------------------------------------- order events

    def _order(self, stream: str, event: OrderEvent) -> Order:
        before = self.orders.get(stream)
        after = orders.evolve(before, event)
        self._remember(stream, before)
        self.orders[stream] = after
        moved = before is None or (before.life in CLOSED) is not (after.life in CLOSED)
        if self._counting and (moved or before.cum_quantity is not after.cum_quantity):  # type: ignore[union-attr]  # not moved: it was there
            self._rehold(stream, after)
        if moved or before.unsettled is not after.unsettled:  # type: ignore[union-attr]  # likewise
            self._file(stream, after)
        return after

    def _file(self, stream: str, order: Order) -> None:
        """Put the stream where an order of that life and those open questions belongs."""
        if order.life in CLOSED:
            self.open.pop(stream, None)
            self._closed[stream] = None
        else:
            self._closed.pop(stream, None)
            self.open[stream] = None
        if order.unsettled:
            self.unsettled[stream] = None
        else:
            self.unsettled.pop(stream, None)

    def _rehold(self, stream: str, order: Order) -> None:
        currency, now = hold(order)
        was = self._holds.get(stream, ZERO)
        if now:
            self._holds[stream] = now
        elif was:
            del self._holds[stream]
        self.held[currency] = EXACT.add(self.held.get(currency, ZERO), EXACT.subtract(now, was))

    def _move(self, stream: str, event: PositionEvent) -> None:
        """Keep what is owned in step with one leg: what traded came for what was paid, and cost its commission."""
        if not isinstance(event, CommissionBooked):
            base, quote = traded(stream)
            self._own(base, event.quantity)
            self._own(quote, EXACT.subtract(event.realized, event.cost_change))
        if event.commission and event.commission_currency is not None:
            self._own(event.commission_currency, -event.commission)

    def _own(self, currency: Currency, change: Decimal) -> None:
        self.totals[currency] = EXACT.add(self.totals.get(currency, ZERO), change)
