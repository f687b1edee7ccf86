"""The limits that an account may have, set in a share of the worlds and held against what the log sends (I15).

What may still trade counts as if it did: orders in doubt, and changes on their way. The losses of a strategy are added
up here from its trades alone.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from random import Random  # noqa: TID251 - the simulation's chance comes from its seed
from typing import Final

from oms.book import position_stream
from oms.breaks.state import DEFAULT_POLICY, Policy
from oms.order.events import (
    CommissionReported,
    InferredFillReplaced,
    OrderClaimed,
    OrderEvent,
    OrderFilled,
    SendStarted,
    TradeBusted,
)
from oms.order.state import CLOSED, Order
from oms.position.events import ShareClaimed
from oms.risk import Limits
from oms.values import EXACT, RATIO, ZERO, AccountId, StrategyId, purse_parts, purses, signed
from tests.simulation import futures_people, people
from tests.simulation.invariants import Say, Witness

RATE: Final = 0.35  # worlds with limits
POLICY_RATE: Final = 0.3  # worlds in which other breaks than usual keep orders from opening
ROUNDING: Final = Decimal("1e-9")  # between two ways to share a cost


def limits_of(chance: Random) -> Limits:
    """Return the limits of one world: tight ones, which are met."""
    if chance.random() >= RATE:
        return Limits()
    tight = {people.SYMBOL: Decimal("0.012"), futures_people.SYMBOL: Decimal(26)}
    return Limits(
        order_notional_max=chance.choice((None, Decimal(900), Decimal(1_400))),
        open_orders_max=chance.choice((2, 3, 5, 10_000)),
        position_max=chance.choice(({}, tight, tight)),
        strategy_loss_max=chance.choice(({}, {name: Decimal("0.5") for name in futures_people.NAMES})),
    )


def policy_of(chance: Random) -> Policy:
    """Return which breaks keep orders from being opened in one world."""
    if chance.random() >= POLICY_RATE:
        return DEFAULT_POLICY
    kinds = chance.choice(("", "position,history", "position,history,balance,order"))
    return Policy(block_kinds=kinds, block_above=chance.choice((None, ZERO, Decimal(1))))


class Share:
    """What one strategy holds of a leg by its own trades, at what cost, and what it has earned."""

    def __init__(self) -> None:
        self.quantity = self.cost = self.earned = ZERO

    def trade(self, quantity: Decimal, value: Decimal) -> None:
        """Take in a trade: `quantity` is negative for a sale, `value` has its sign and is in quote units."""
        held = self.quantity
        if not held or (held > ZERO) is (quantity > ZERO):
            self.quantity, self.cost = EXACT.add(held, quantity), EXACT.add(self.cost, value)
            return
        closes = min(held.copy_abs(), quantity.copy_abs())
        cost = RATIO.divide(EXACT.multiply(self.cost, closes), held.copy_abs())
        proceeds = RATIO.divide(EXACT.multiply(value, closes), quantity.copy_abs())
        self.earned = EXACT.subtract(self.earned, EXACT.add(proceeds, cost))
        self.quantity = EXACT.add(held, quantity)
        past = quantity.copy_abs() > held.copy_abs()
        self.cost = EXACT.subtract(value, proceeds) if past else EXACT.subtract(self.cost, cost)


class Held:
    """Holds each order that is sent for the first time against the limits of its world."""

    def __init__(self, account: AccountId, limits: Limits, witness: Witness, say: Say) -> None:
        self._account = account
        self._limits = limits
        self._witness = witness
        self._say = say
        self._shares: dict[tuple[StrategyId, str], Share] = {}
        self._uncounted = False  # a trade was taken back: what was lost is no longer added up here
        self._told_late = False  # a trade came of an order that was over without it: others had its room by then

    def take(self, stream: str, order: Order, event: OrderEvent) -> None:
        """Take in one event of an order, which is `order` after it."""
        match event:
            case SendStarted(attempt=1):
                self._sent(stream, order)
            case OrderFilled():
                request = order.request
                size = EXACT.multiply(signed(request.side, event.quantity), request.contract_size)
                share = self._share(order)
                share.trade(signed(request.side, event.quantity), EXACT.multiply(size, event.price))
                self._told_late = self._told_late or order.flagged
                self._filled(stream, order)
                self._charge(share, order, event.commission, event.commission_currency)
            case CommissionReported():
                self._charge(self._share(order), order, event.commission, event.commission_currency)
            case OrderClaimed():
                share = self._share(order)
                for trade in order.trades:
                    size = EXACT.multiply(signed(order.request.side, trade.quantity), order.request.contract_size)
                    share.trade(signed(order.request.side, trade.quantity), EXACT.multiply(size, trade.price))
                    self._charge(share, order, trade.commission, trade.commission_currency)
            case TradeBusted() | InferredFillReplaced():
                self._uncounted = True
            case _:
                pass

    def claimed(self, stream: str, event: ShareClaimed) -> None:
        """Take in that a strategy was given a share of a leg, as if it had traded there."""
        value = EXACT.multiply(EXACT.multiply(event.quantity, event.contract_size), event.price)
        self._shares.setdefault((event.strategy, stream), Share()).trade(event.quantity, value)

    def _sent(self, stream: str, order: Order) -> None:
        limits, request = self._limits, order.request
        alive = [each for each in self._witness.orders.values() if each.life not in CLOSED]
        if len(alive) > limits.open_orders_max:
            self._say("I15", f"with {stream} {len(alive)} orders are open, {limits.open_orders_max} are allowed")
        worth = request.notional
        if worth is None and request.price is not None and request.quantity is not None:
            worth = request.quantity * request.price * request.contract_size
        if limits.order_notional_max is not None and worth is not None and worth > limits.order_notional_max:
            self._say("I15", f"{stream} is worth {worth}, {limits.order_notional_max} is allowed")
        most = limits.position_max.get(request.symbol)
        size = self._size(order, self._witness.orders.values())
        if most is not None and size > most:
            self._say("I15", f"with {stream} its leg may come to {size}, {most} is allowed")
        if request.reduces:
            return
        allowed = limits.strategy_loss_max.get(request.strategy)
        lost = self._lost(request.strategy)
        if allowed is not None and not self._uncounted and lost > allowed + ROUNDING:
            self._say("I15", f"{stream} is sent by a strategy that has lost {lost}, {allowed} is allowed")

    def _filled(self, stream: str, order: Order) -> None:
        """What an order of ours opened is no more than is allowed, with what the leg was when this log began; unless
        others have moved it, too.
        """
        request = order.request
        most = self._limits.position_max.get(request.symbol)
        if most is None or request.reduces or self._witness.external or self._uncounted or self._told_late:
            return
        leg, known = position_stream(self._account, request.symbol, request.position_leg), self._witness
        held_before = EXACT.subtract(known.positions.get(leg, ZERO), known.booked.get(leg, ZERO))
        size = signed(request.side, EXACT.add(known.traded.get(leg, ZERO), held_before))
        if size > most:
            self._say("I15", f"{stream} has brought its leg to {size}, {most} is allowed")

    def _size(self, order: Order, known: Iterable[Order]) -> Decimal:
        """Return how large the order's leg becomes on its side if all that may still trade there does, what only closes
        first, and what has traded is told; zero where nothing opens there.
        """
        request = order.request
        leg = position_stream(self._account, request.symbol, request.position_leg)
        size = signed(request.side, self._witness.positions.get(leg, ZERO))
        there = [
            each
            for each in known
            if (each.request.symbol, each.request.side, each.request.position_leg)
            == (request.symbol, request.side, request.position_leg)
        ]
        closes = sum((_left(each) for each in there if each.request.reduces), ZERO)
        opens = sum((_left(each) for each in there if not each.request.reduces), ZERO)
        if size < ZERO:
            size = min(EXACT.add(size, closes), ZERO)
        return EXACT.add(size, opens) if opens else ZERO

    def memory(self, losses: Callable[[StrategyId], Decimal]) -> Iterable[tuple[str, str]]:
        """Yield where memory tallies another loss than the log's trades add up to (I12)."""
        for strategy in () if self._uncounted else self._limits.strategy_loss_max:
            ours, theirs = self._lost(strategy), losses(strategy)
            if abs(EXACT.subtract(ours, theirs)) > ROUNDING:
                yield "I12", f"{strategy} has lost {theirs} in memory, {ours} by the log"

    def _lost(self, strategy: StrategyId) -> Decimal:
        return sum((-share.earned for (owner, _), share in self._shares.items() if owner == strategy), ZERO)

    def _share(self, order: Order) -> Share:
        request = order.request
        leg = position_stream(self._account, request.symbol, request.position_leg)
        return self._shares.setdefault((request.strategy, leg), Share())

    @staticmethod
    def _charge(share: Share, order: Order, commission: Decimal | None, currency: str | None) -> None:
        if commission is not None and currency == purse_parts(purses(order.request.symbol).quote)[1]:
            share.earned = EXACT.subtract(share.earned, commission)


def _left(order: Order) -> Decimal:
    """Return what an order may still trade, at the largest that a change on its way may make it; of one that is over,
    what it traded without telling.
    """
    request = order.request
    if order.life in CLOSED:
        return max(EXACT.subtract(order.venue_cum, order.cum_quantity), ZERO)
    if request.quantity is None:
        price = request.reference_price
        if request.notional is None or price is None:
            return ZERO
        return RATIO.divide(EXACT.subtract(request.notional, order.cum_cost), price)
    largest = max((request.quantity, *(each.quantity for each in order.amends if each.quantity is not None)))
    return EXACT.subtract(largest, order.cum_quantity)
