"""Fills that no trade stands for: concluded from the venue's record of an order, labelled, and taken back for the real
one, pure.

A fill is money, so it is booked from trades. Where the venue's record of an order that is over counts more than all
trades that it can still be asked for, the rest is inferred: its quantity from the record, its price from the record's
average. Its id is made from the order and the quantities it lies between, so that it is the same fill on every machine
and at every look. Should the real trade turn up, it takes the inferred one's place, and what is left stays inferred.
"""

from decimal import Decimal
from typing import Final

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
    known = sum((EXACT.multiply(each.quantity, each.price) for each in order.trades), ZERO)
    price = RATIO.divide(EXACT.subtract(EXACT.multiply(news.cum_quantity, news.average_price), known), left)
    if price <= ZERO:
        return NOTHING
    return (_filled(order, order.cum_quantity, order.venue_cum, price),)


def replaced(trade: TradeReport, order: Order) -> tuple[tuple[OrderEvent, ...], tuple[OrderEvent, ...]]:
    """Return what goes before the booking of a real trade, and what goes after it: an inferred fill is taken back, and
    what the trade does not explain of it is inferred anew. Nothing and nothing where none was inferred.
    """
    guess = next((each for each in order.trades if is_inferred(each)), None)
    if guess is None:
        return NOTHING, NOTHING
    before = InferredFillReplaced(exec_id=guess.exec_id, quantity=guess.quantity, price=guess.price)
    left = EXACT.subtract(guess.quantity, trade.quantity)
    if left <= ZERO:
        return (before,), NOTHING
    whole = EXACT.multiply(guess.quantity, guess.price)
    price = RATIO.divide(EXACT.subtract(whole, EXACT.multiply(trade.quantity, trade.price)), left)
    upto = order.cum_quantity
    again = _filled(order, EXACT.subtract(upto, left), upto, price if price > ZERO else guess.price)
    return (before,), (again,)


def is_inferred(trade: Trade) -> bool:
    """Whether no trade of the venue stands behind it."""
    return trade.exec_id.startswith(INFERRED)


def _filled(order: Order, since: Decimal, upto: Decimal, price: Decimal) -> OrderFilled:
    name = f"{INFERRED}{order.request.client_order_id}:{_spelled(since)}-{_spelled(upto)}"
    return OrderFilled(exec_id=ExecId(name), quantity=EXACT.subtract(upto, since), price=price)


def _spelled(quantity: Decimal) -> str:
    return plain(quantity.normalize() if quantity else ZERO)
