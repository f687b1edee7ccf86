"""Fills that no trade stands for: concluded from the venue's record of an order, labelled, and taken back for the real
one, pure.

A fill is money, so it is booked from trades. Where the venue's record of an order that is over counts more than all
trades that it can still be asked for, the rest is inferred: its quantity from the record, its price from the record's
average. Its id is made from the order and the quantities it lies between, so that it is the same fill on every machine
and at every look. Should the real trade turn up, it takes the place of all that was inferred, and what is left of that
is inferred anew.
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import reduce
from typing import Final

from msgspec.structs import replace

from oms.order.events import INFERRED, InferredFillReplaced, OrderEvent, OrderFilled
from oms.order.messages import FillInferred
from oms.order.state import CLOSED, Order, Trade
from oms.reports import TradeReport
from oms.values import EXACT, RATIO, ZERO, ExecId, plain

NOTHING: Final[tuple[OrderEvent, ...]] = ()


def final(order: Order) -> bool:
    """Whether nothing of the order will trade any more, and the venue counts more of it than its trades here do."""
    return order.venue_cum > order.cum_quantity and (order.done or order.life in CLOSED)


def infer(news: FillInferred, order: Order) -> tuple[OrderEvent, ...]:
    """Return the inferred fill; none where trades explain the record by now, or it makes no sense of them."""
    if not final(order) or news.cum_quantity != order.venue_cum:
        return NOTHING
    left = EXACT.subtract(order.venue_cum, order.cum_quantity)
    whole = EXACT.multiply(news.cum_quantity, news.average_price)
    price = RATIO.divide(EXACT.subtract(whole, _cost(order.trades)), left)
    if price <= ZERO:
        return NOTHING
    return (_filled(order, order.cum_quantity, order.venue_cum, price),)


def replaced(trade: TradeReport, order: Order) -> tuple[tuple[OrderEvent, ...], tuple[OrderEvent, ...]]:
    """Return what goes before the booking of a real trade, and what goes after it: all that was inferred is taken back,
    and what the trade does not explain of it is inferred anew. Nothing and nothing where nothing was inferred.
    """
    guesses = [each for each in order.trades if is_inferred(each)]
    before = tuple(
        InferredFillReplaced(exec_id=each.exec_id, quantity=each.quantity, price=each.price) for each in guesses
    )
    guessed = reduce(EXACT.add, (each.quantity for each in guesses), ZERO)
    left = EXACT.subtract(guessed, trade.quantity)
    if left <= ZERO:
        return before, NOTHING
    whole = _cost(guesses)
    price = RATIO.divide(EXACT.subtract(whole, EXACT.multiply(trade.quantity, trade.price)), left)
    upto = order.cum_quantity
    again = _filled(order, EXACT.subtract(upto, left), upto, price if price > ZERO else RATIO.divide(whole, guessed))
    if any(each.exec_id == again.exec_id for each in guesses):  # one id is one fill: this one has another price
        again = replace(again, exec_id=ExecId(f"{again.exec_id}:{trade.exec_id}"))
    return before, (again,)


def is_inferred(trade: Trade) -> bool:
    """Whether no trade of the venue stands behind it."""
    return trade.exec_id.startswith(INFERRED)


def _cost(trades: Iterable[Trade]) -> Decimal:
    """Return quantity times price over `trades`, to the last digit, which `sum` would round away."""
    return reduce(EXACT.add, (EXACT.multiply(each.quantity, each.price) for each in trades), ZERO)


def _filled(order: Order, since: Decimal, upto: Decimal, price: Decimal) -> OrderFilled:
    name = f"{INFERRED}{order.request.client_order_id}:{_spelled(since)}-{_spelled(upto)}"
    return OrderFilled(exec_id=ExecId(name), quantity=EXACT.subtract(upto, since), price=price)


def _spelled(quantity: Decimal) -> str:
    return plain(quantity.normalize() if quantity else ZERO)
