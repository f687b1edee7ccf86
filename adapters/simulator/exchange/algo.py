"""Spot orders that wait for a price, and become orders of their own when it comes (PROTOCOL 5.11).

No source shows what BitMart does around them, so these are choices: whether an order that waits holds anything is a
rule of the exchange (`waiting_holds`); it fires at the first trade at or beyond its price, coming from where the market
was when it was placed; what it becomes has a new order id and the same client order id; and if the exchange refuses
that, it ends canceled by the system.
"""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from adapters.simulator.exchange.matching import Exchange
from adapters.simulator.exchange.orders import CancelSource, NewOrder, Order, Printed, Refusal, RefusedError
from oms.values import ZERO

WAITING_MAX: Final = 1_000  # of one account
ENDED_MAX: Final = 10_000  # remembered, of all accounts


class Kind(StrEnum):
    """The venue's two names for them."""

    TRIGGER = "trigger"
    TP_SL = "tp/sl"


class AlgoState(StrEnum):
    """Only `new` waits."""

    NEW = "new"
    TRIGGERED = "triggered"
    CANCELED = "canceled"


class AlgoOrder(Struct, kw_only=True):
    """One order that waits, or has waited. `rises` says from where the price has to come."""

    order_id: str
    kind: Kind
    new: NewOrder
    trigger_price: Decimal
    rises: bool
    created_ms: int
    updated_ms: int
    state: AlgoState = AlgoState.NEW
    cancel_source: CancelSource = CancelSource.NOBODY
    held: tuple[str, Decimal] | None = None  # coin and amount, where what waits holds anything

    @property
    def waits(self) -> bool:
        return self.state is AlgoState.NEW


class Algo:
    """Every waiting order of the spot exchange.

    Args:
        exchange: where they go when they fire.
        last: the last price of a market; None before it traded.
        accepted: is called with each order that an algo order became.
    """

    def __init__(
        self, exchange: Exchange, last: Callable[[str], Decimal | None], accepted: Callable[[str], None]
    ) -> None:
        self._exchange = exchange
        self._last = last
        self._accepted = accepted
        self._orders: dict[str, AlgoOrder] = {}
        self._reached: dict[str, tuple[Decimal, Decimal]] = {}  # symbol -> lowest, highest trade since the last look

    def submit(self, new: NewOrder, kind: Kind, trigger_price: Decimal, now_ms: int) -> AlgoOrder:
        """Have an order wait.

        Raises:
            RefusedError: no such market, a price that is none, a client order id that is taken, or too many wait.
        """
        last = self._last(new.symbol) if new.symbol in self._exchange.markets else None
        if last is None:
            raise RefusedError(Refusal.UNKNOWN_SYMBOL)
        if trigger_price <= ZERO:
            raise RefusedError(Refusal.PRICE_TOO_LOW)
        mine = [order for order in self.of(new.account) if order.waits]
        if len(mine) >= WAITING_MAX:
            raise RefusedError(Refusal.BALANCE_NOT_ENOUGH)
        taken = self._exchange.accounts[new.account].knows(new.client_order_id)
        if new.client_order_id and (taken or self.by_client_id(new.account, new.client_order_id)):
            raise RefusedError(Refusal.DUPLICATE_CLIENT_ORDER_ID)
        order = AlgoOrder(
            order_id=self._exchange.next_id(now_ms),
            kind=kind,
            new=new,
            trigger_price=trigger_price,
            rises=trigger_price > last,
            created_ms=now_ms,
            updated_ms=now_ms,
            held=self._exchange.hold(new) if self._exchange.rules.waiting_holds else None,
        )
        self._orders[order.order_id] = order
        return order

    def put_back(self, order: AlgoOrder) -> None:
        """Let one of an exchange that ended wait on, as it is. It holds what such orders hold here.

        Raises:
            RefusedError: the account has not what it holds.
            KeyError: there is no such market.
        """
        order.held = self._exchange.hold(order.new) if self._exchange.rules.waiting_holds else None
        self._orders[order.order_id] = order

    def cancel(self, order: AlgoOrder, now_ms: int, source: CancelSource = CancelSource.USER) -> None:
        """End the wait. Raises RefusedError if it has ended."""
        if not order.waits:
            raise RefusedError(Refusal.ORDER_CANCELED)
        self._end(order, AlgoState.CANCELED, now_ms)
        order.cancel_source = source

    def of(self, account: str) -> list[AlgoOrder]:
        """Return an account's, oldest first: all that wait, and the last that waited."""
        return [order for order in self._orders.values() if order.new.account == account]

    def by_id(self, account: str, order_id: str) -> AlgoOrder | None:
        order = self._orders.get(order_id)
        return order if order is not None and order.new.account == account else None

    def by_client_id(self, account: str, client_order_id: str) -> AlgoOrder | None:
        named = (order for order in self.of(account) if order.new.client_order_id == client_order_id)
        return next(named, None)

    def saw(self, trade: Printed) -> None:
        """Take note of a trade; what it releases is released by `fire`, when the match is over."""
        low, high = self._reached.get(trade.symbol, (trade.price, trade.price))
        self._reached[trade.symbol] = min(low, trade.price), max(high, trade.price)

    def fire(self, now_ms: int) -> None:
        """Release what the trades since the last call have reached, and what those orders' own trades reach."""
        while self._reached:
            reached, self._reached = self._reached, {}
            for order in [order for order in self._orders.values() if order.waits and _hit(order, reached)]:
                self._release(order, now_ms)

    def _release(self, order: AlgoOrder, now_ms: int) -> None:
        self._end(order, AlgoState.TRIGGERED, now_ms)
        try:
            became: Order = self._exchange.submit(order.new, now_ms)
        except RefusedError:
            order.state, order.cancel_source = AlgoState.CANCELED, CancelSource.SYSTEM
        else:
            self._accepted(became.order_id)

    def _end(self, order: AlgoOrder, state: AlgoState, now_ms: int) -> None:
        order.state, order.updated_ms = state, now_ms
        if order.held is not None:
            self._exchange.free(order.new.account, order.held, now_ms)
            order.held = None
        ended = [order_id for order_id, one in self._orders.items() if not one.waits]
        for order_id in ended[:-ENDED_MAX]:
            del self._orders[order_id]


def _hit(order: AlgoOrder, reached: dict[str, tuple[Decimal, Decimal]]) -> bool:
    if order.new.symbol not in reached:
        return False
    low, high = reached[order.new.symbol]
    return high >= order.trigger_price if order.rises else low <= order.trigger_price
