"""What has fired waits no longer: a change of it is held against what any order is."""

from decimal import Decimal

import pytest

from oms.book import order_stream
from oms.errors import LimitExceededError
from oms.market_data import Quote
from oms.order.messages import AmendOrder
from oms.order.state import Life, Order
from oms.reports import VenueOrderStatus
from oms.risk import Limits
from oms.values import Crossing, VenueOrderId
from oms.venue import Trigger
from tests.account.test_perpetuals import BUY, MAIN, PERPETUAL, SELL, Desk, decider
from tests.order.story import shown

WAITED, SENT = VenueOrderId("w1"), VenueOrderId("w2")


def closing(desk: Desk, quantity: str, *, conditional: bool) -> Order:
    """An order that closes; one that waited for its price has sent what it was for."""
    if not conditional:
        return desk.place(SELL, quantity, reduce_only=True)
    trigger = Trigger(price=Decimal(25000), when=Crossing.FALLS_TO)
    stop = desk.place(SELL, quantity, reduce_only=True, trigger=trigger, price=Decimal(24000))
    name = stop.request.client_order_id
    stream = order_stream(MAIN, name)
    works = shown(VenueOrderStatus.NEW, symbol=PERPETUAL, client_order_id=name, venue_order_id=WAITED)
    fired = shown(
        VenueOrderStatus.NEW, symbol=PERPETUAL, client_order_id=name, venue_order_id=SENT, triggered_by=WAITED
    )
    desk.say(((stream, works),))
    desk.say(((stream, fired),))
    order = desk.book.orders[stream]
    assert order.triggered
    assert order.life is Life.WORKING
    return order


def change(order: Order, *, quantity: str | None = None, price: str | None = None) -> AmendOrder:
    return AmendOrder(
        account=MAIN,
        client_order_id=order.request.client_order_id,
        request_id="a1",
        quantity=None if quantity is None else Decimal(quantity),
        price=None if price is None else Decimal(price),
    )


@pytest.mark.parametrize("conditional", [False, True])
def test_no_more_is_closed_than_is_held(*, conditional: bool) -> None:
    desk = Desk()
    desk.traded(BUY, "10")
    order = closing(desk, "5", conditional=conditional)
    assert desk.place(SELL, "4", reduce_only=True).life is Life.SENDING
    with pytest.raises(LimitExceededError, match="closes 7"):
        desk.say(change(order, quantity="7"))
    desk.say(change(order, quantity="6"))


@pytest.mark.parametrize("conditional", [False, True])
def test_the_collar_holds(*, conditional: bool) -> None:
    decides = decider(Limits(collar={PERPETUAL: Decimal("0.02")}))
    decides.quotes = lambda _: Quote(symbol=PERPETUAL, valid=True, book_ns=0, bid=Decimal(27000), ask=Decimal(27001))
    desk = Desk(decides)
    desk.traded(BUY, "10")
    order = closing(desk, "5", conditional=conditional)
    with pytest.raises(LimitExceededError, match="collar"):
        desk.say(change(order, price="1000"))
