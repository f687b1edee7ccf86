"""What one token may do at most: limits of its own, beside the account's, checked before anything is decided."""

from collections import deque
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from oms.errors import CommandRefusedError, OmsError
from oms.instrument import Instrument
from oms.order.holds import widest
from oms.order.messages import AmendOrder, PlaceOrder
from oms.order.state import Order
from oms.ports import Clock
from oms.values import RATIO, Side, plain

PER_SECOND_MAX: Final = 100_000
TOKENS_KEPT: Final = 10_000  # whose last second is remembered; the one that was silent longest is forgotten


class TokenLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Limits of one token; None is no limit. `order_notional_max` in quote units, for one order."""

    order_notional_max: Decimal | None = None
    orders_per_second: int | None = None


UNLIMITED: Final = TokenLimits()


class OrderNotionalError(CommandRefusedError):
    """The order is worth more than the token may place at once, or does not say what it is worth."""

    code = "order_notional_max"
    next_step = "place less at once, or have a token made with a higher limit"


class RateLimitedError(OmsError):
    """The token has placed as many orders in the last second as it may."""

    code = "rate_limited"
    retryable = True
    next_step = "send again with the same client_order_id after a second"


class Worth(Struct, frozen=True, kw_only=True):
    """What an order would be worth: `notional` in quote units, or `price` for each of `quantity`."""

    notional: Decimal | None
    price: Decimal | None
    quantity: Decimal | None


def worth_of(command: PlaceOrder | AmendOrder, bid: Decimal | None, order: Order | None = None) -> Worth:
    """Return what a command would make an order worth; an amended one keeps of `order` what is not changed, and counts
    as the largest that this change and those still on their way may make it. A sell trades at `bid` at the least, where
    that is known, and it waits for nothing.
    """
    price, quantity = command.price, command.quantity
    match command:
        case PlaceOrder(notional=notional):
            asked_for = Worth(notional=notional, price=price, quantity=quantity)
            return _sold(asked_for, bid) if command.side is Side.SELL and command.trigger is None else asked_for
        case AmendOrder():
            assert order is not None, "an order that is amended was asked for"
            asked = order.request
            price = asked.price if price is None else price
            quantity = asked.quantity if quantity is None else quantity
            largest = widest(replace(order, request=replace(asked, price=price, quantity=quantity))).request
            asked_for = Worth(notional=None, price=largest.price, quantity=largest.quantity)
            return _sold(asked_for, bid) if asked.side is Side.SELL and not order.waits else asked_for


def _sold(worth: Worth, bid: Decimal | None) -> Worth:
    """The least that a sell asks for is not what it gets."""
    if bid is None or worth.price is None:
        return worth
    return replace(worth, price=max(worth.price, bid))


def check_worth(order: Worth, limits: TokenLimits, market: Instrument | None) -> None:
    """Raise OrderNotionalError if `order` is worth more than it may be.

    An order that states no worth (a market order by quantity) is refused too: nobody knows the price it will get.
    """
    if limits.order_notional_max is None:
        return
    most = plain(limits.order_notional_max)
    if order.notional is not None:
        worth = order.notional
    elif order.price is not None and order.quantity is not None:
        size = Decimal(1) if market is None else market.contract_size
        worth = RATIO.multiply(RATIO.multiply(order.price, order.quantity), size)
    else:
        raise OrderNotionalError(
            f"an order without a price or a notional may be worth anything, and this token may place {most} at once",
            next_step="give it a price: an immediate-or-cancel limit order does what a market order does",
        )
    if worth > limits.order_notional_max:
        raise OrderNotionalError(f"the order is worth {plain(worth)}, and this token may place {most} at once")


class Pace:
    """Counts what each token placed in the last second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._placed: dict[str, deque[float]] = {}

    def take(self, token_id: str, limits: TokenLimits) -> None:
        """Count one order. Raises RateLimitedError if it is one too many; then it is not counted."""
        most = limits.orders_per_second
        if most is None:
            return
        now = self._clock.monotonic()
        placed = self._placed.pop(token_id, None)
        if placed is None or placed.maxlen != most:
            placed = deque(placed or (), maxlen=most)
        self._placed[token_id] = placed  # the last one now
        if len(self._placed) > TOKENS_KEPT:
            del self._placed[next(iter(self._placed))]
        if len(placed) == most and now - placed[0] < 1.0:
            raise RateLimitedError(f"this token may place {most} orders a second")
        placed.append(now)
