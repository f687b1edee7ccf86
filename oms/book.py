"""Everything one account's log adds up to, held in memory: orders, positions, funds. Replay and the engine share it.

`apply` is the only way in: it folds one event and keeps what follows from it (what is owned, what is held) in step.
Closed orders leave after a while, so that memory grows with what is open, not with history.

The engine decides ahead of the log, so a book that keeps a journal can be taken back to any cut: each entry says what
stood in one place of one table before. States are frozen, so that what stood there still does.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from oms.account import state as accounts
from oms.account.events import AccountEvent, BalanceAdjusted
from oms.account.state import NOBODY, Account
from oms.order import state as orders
from oms.order.events import CommissionReported, OrderEvent, OrderFilled, TradeBusted
from oms.order.state import CLOSED, Order, hold
from oms.position import state as positions
from oms.position.events import PositionEvent
from oms.position.state import FLAT, Position
from oms.values import EXACT, ZERO, AccountId, ClientOrderId, Currency, PositionLeg, Side, Symbol, currencies

CLOSED_KEPT: Final = 10_000  # closed orders still answered from memory: a few megabytes

Event = OrderEvent | PositionEvent | AccountEvent
State = Order | Position | Account
Table = dict[Any, Any]
Journal = list[tuple[Table, object, object]]  # table, key, what stood there before

_NOTHING: Final = object()


def order_stream(account: AccountId, client_order_id: ClientOrderId) -> str:
    """Return the name of an order's stream."""
    return f"order/{account}/{client_order_id}"


def position_stream(account: AccountId, symbol: Symbol, leg: PositionLeg) -> str:
    """Return the name of a position leg's stream."""
    return f"position/{account}/{symbol}/{leg}"


def account_stream(account: AccountId) -> str:
    """Return the name of an account's own stream."""
    return f"account/{account}"


class Funds(Struct, frozen=True, kw_only=True):
    """One currency: total = available + held. All exact."""

    total: Decimal
    held: Decimal

    @property
    def available(self) -> Decimal:
        return EXACT.subtract(self.total, self.held)


class Book:
    """The hot state of one account."""

    def __init__(self, account: AccountId, *, closed_kept: int = CLOSED_KEPT) -> None:
        self.name = account
        self.orders: dict[str, Order] = {}  # by stream: every open order, and the closed ones not yet let go
        self.positions: dict[str, Position] = {}  # by stream
        self.totals: dict[Currency, Decimal] = {}
        self.held: dict[Currency, Decimal] = {}
        self.open: dict[str, None] = {}  # streams of open orders
        self.unsettled: dict[str, None] = {}  # streams of orders that the venue is to be asked about, open or closed
        self._accounts: dict[str, Account] = {}
        self._closed: dict[str, None] = {}  # streams, the longest closed first
        self._closed_kept = closed_kept
        self._journal: Journal | None = None

    @property
    def account(self) -> Account:
        """The account's own state."""
        return self._accounts.get(account_stream(self.name), NOBODY)

    def apply(self, stream: str, event: Event) -> State:
        """Fold one event of `stream` and return the state it led to.

        Raises:
            CorruptStreamError: the event is not legal history.
        """
        match stream[0]:
            case "o":
                return self._order(stream, event)  # type: ignore[arg-type]  # a stream holds its own kind of events
            case "p":
                leg = positions.evolve(self.positions.get(stream, FLAT), event)  # type: ignore[arg-type]  # as above
                self._put(self.positions, stream, leg)
                return leg
            case _:
                account = accounts.evolve(self.account, event)  # type: ignore[arg-type]  # as above
                self._put(self._accounts, stream, account)
                if isinstance(event, BalanceAdjusted):
                    self._own(event.currency, event.change)
                return account

    def funds(self, currency: Currency) -> Funds:
        """Return what the account has of one currency."""
        return Funds(total=self.totals.get(currency, ZERO), held=self.held.get(currency, ZERO))

    def available(self, currency: Currency) -> Decimal:
        """Return what may still be spent of one currency."""
        return EXACT.subtract(self.totals.get(currency, ZERO), self.held.get(currency, ZERO))

    def restore(self, stream: str, order: Order) -> None:
        """Take a closed order back into memory, read from the log because somebody asked for it."""
        self.orders[stream] = order  # the log's own word, so no undo may take it back
        (self._closed if order.life in CLOSED else self.open)[stream] = None
        if order.unsettled:
            self.unsettled[stream] = None

    def keep_journal(self) -> None:
        """Begin to keep the journal that `cut` and `undo` work on."""
        self._journal = []

    def cut(self) -> Journal:
        """Return the journal since the last cut, and begin a new one."""
        assert self._journal is not None
        journal, self._journal = self._journal, []
        return journal

    def undo(self, journal: Journal) -> None:
        """Take back everything since the cut that `journal` begins at. Later journals are to be undone first."""
        for table, key, before in reversed(journal):
            if before is _NOTHING:
                table.pop(key, None)
            else:
                table[key] = before

    def version(self, stream: str) -> int:
        """Return the version of `stream` in memory, 0 where nothing is known."""
        match stream[0]:
            case "o":
                order = self.orders.get(stream)
                return 0 if order is None else order.version
            case "p":
                return self.positions.get(stream, FLAT).version
            case _:
                return self.account.version

    def trim(self) -> None:
        """Let the longest closed orders go until the bound is kept. Never between a cut and its undo."""
        while len(self._closed) > self._closed_kept:
            stream = next(iter(self._closed))
            del self._closed[stream]
            if stream in self.unsettled:
                self._closed[stream] = None  # not over yet: its trades or their commissions are still to come
                return
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

    # -------------------------------------------------------------------------------------------- order events

    def _order(self, stream: str, event: OrderEvent) -> Order:
        before = self.orders.get(stream)
        after = orders.evolve(before, event)
        self._put(self.orders, stream, after)
        self._rehold(before, after)
        match event:
            case OrderFilled():
                self._trade(after, event.quantity, event.price)
                self._charge(event.commission_currency, event.commission)
            case TradeBusted():
                self._trade(after, -event.quantity, event.price)
                self._charge(event.commission_currency, None if event.commission is None else -event.commission)
            case CommissionReported():
                self._charge(event.commission_currency, event.commission)
            case _:
                pass
        if before is None or (before.life in CLOSED) is not (after.life in CLOSED):
            self._file(stream, after)
        if after.unsettled:
            self._put(self.unsettled, stream, None)
        elif stream in self.unsettled:
            self._drop(self.unsettled, stream)
        return after

    def _file(self, stream: str, order: Order) -> None:
        if order.life in CLOSED:
            self._drop(self.open, stream)
            self._put(self._closed, stream, None)
        else:
            self._drop(self._closed, stream)
            self._put(self.open, stream, None)

    def _rehold(self, before: Order | None, after: Order) -> None:
        closed = after.life in CLOSED
        if before is not None and before.cum_quantity is after.cum_quantity and (before.life in CLOSED) is closed:
            return  # nothing moved that a hold depends on
        currency, now = hold(after)
        was = ZERO if before is None else hold(before)[1]
        if now != was:
            held = EXACT.add(self.held.get(currency, ZERO), EXACT.subtract(now, was))
            self._put(self.held, currency, held)

    def _trade(self, order: Order, quantity: Decimal, price: Decimal) -> None:
        base, quote = currencies(order.request.symbol)
        value = EXACT.multiply(quantity, price)
        buy = order.request.side is Side.BUY
        self._own(base, quantity if buy else -quantity)
        self._own(quote, -value if buy else value)

    def _charge(self, currency: Currency | None, commission: Decimal | None) -> None:
        if commission and currency is not None:
            self._own(currency, -commission)

    def _own(self, currency: Currency, change: Decimal) -> None:
        self._put(self.totals, currency, EXACT.add(self.totals.get(currency, ZERO), change))

    # -------------------------------------------------------------------------------------------- the journal

    def _put(self, table: Table, key: object, value: object) -> None:
        if self._journal is not None:
            self._journal.append((table, key, table.get(key, _NOTHING)))
        table[key] = value

    def _drop(self, table: Table, key: object) -> None:
        if key in table:
            if self._journal is not None:
                self._journal.append((table, key, table[key]))
            del table[key]
