"""A leg that is flat in the middle of one answer was not flat at the venue: what protects it has to stay."""

from decimal import Decimal

from oms.book import order_stream
from oms.order.events import CancelRequested
from oms.order.messages import CancelOrder, FillInferred
from oms.reports import OrderReport, VenueOrderStatus
from oms.values import (
    ClientOrderId,
    Crossing,
    OrderType,
    PositionEffect,
    PositionLeg,
    PriceSource,
    Protection,
    VenueOrderId,
)
from oms.venue import Trigger
from tests.account.test_perpetuals import BUY, MAIN, PERPETUAL, SELL, Desk
from tests.order.story import shown, trade


def stopped(desk: Desk, quantity: str) -> str:
    """A stop below what is held; return its stream."""
    trigger = Trigger(price=Decimal(25000), when=Crossing.FALLS_TO)
    stop = desk.place(SELL, quantity, type=OrderType.MARKET, price=None, reduce_only=True, trigger=trigger)
    name = stop.request.client_order_id
    works = shown(VenueOrderStatus.NEW, "0", symbol=PERPETUAL, client_order_id=name, venue_order_id=VenueOrderId("w1"))
    desk.say(((order_stream(MAIN, name), works),))
    return order_stream(MAIN, name)


def ends(desk: Desk, stop: str) -> list[object]:
    return [event for stream, event in desk.events if stream == stop and isinstance(event, CancelRequested)]


def test_a_stop_stays_where_one_answer_lists_the_newest_trade_first() -> None:
    """After an outage: 5 held, 5 bought, then 5 sold; the list has them the other way round (its order is nowhere
    promised). At the venue at least 5 were held all the time.
    """
    desk = Desk()
    desk.traded(BUY, "5")
    stop = stopped(desk, "5")
    bought, sold = desk.place(BUY, "5"), desk.place(SELL, "5", reduce_only=True)
    names = bought.request.client_order_id, sold.request.client_order_id
    first = trade("t1", "5", "27000", client_order_id=names[0], symbol=PERPETUAL, venue_order_id=VenueOrderId("v8"))
    later = trade("t2", "5", "27100", client_order_id=names[1], symbol=PERPETUAL, venue_order_id=VenueOrderId("v9"))
    desk.say(((order_stream(MAIN, names[1]), later), (order_stream(MAIN, names[0]), first)))
    assert desk.leg().quantity == 5
    assert not ends(desk, stop)


def test_a_stop_stays_where_a_real_trade_takes_the_place_of_the_inferred_one() -> None:
    desk = Desk()
    order = desk.place(BUY, "5")
    name = order.request.client_order_id
    stream = order_stream(MAIN, name)
    filled = shown(VenueOrderStatus.FILLED, "5", symbol=PERPETUAL, client_order_id=name)
    desk.say(((stream, filled),))
    desk.say(((stream, FillInferred(cum_quantity=Decimal(5), average_price=Decimal(27000))),))
    stop = stopped(desk, "5")
    desk.fill(order, "5")
    assert desk.leg().quantity == 5
    assert not ends(desk, stop)


MADE = OrderReport(
    symbol=PERPETUAL,
    status=VenueOrderStatus.NEW,
    venue_order_id=VenueOrderId("p1"),
    side=SELL,
    quantity=Decimal(5),
    position_leg=PositionLeg.NET,
    effect=PositionEffect.CLOSE,
    order_type="stop_loss",
    trigger_price=Decimal(25000),
    cum_quantity=Decimal(0),
)
CHILD = order_stream(MAIN, ClientOrderId("externalp1"))


def test_a_stop_is_ended_with_its_position_whatever_its_strategy_calls_a_cancel_of_its_own() -> None:
    """The venue may refuse that one, and nobody would ask again."""
    desk = Desk()
    desk.traded(BUY, "5")
    stop = stopped(desk, "5")
    name = desk.book.orders[stop].request.client_order_id
    for key in ("flatten", "flat1"):
        desk.say(CancelOrder(account=MAIN, client_order_id=name, request_id=key))
    desk.traded(SELL, "5", reduce_only=True)
    assert len(ends(desk, stop)) == 3


def test_what_the_venue_made_of_a_preset_is_ended_with_the_position_that_it_protects() -> None:
    """It is its order's child, and the strategy's own (`oms.order.presets`): left over, it closes the next position."""
    desk = Desk()
    stop = Protection(price=Decimal(25000), by=PriceSource.LAST)
    order = desk.place(BUY, "5", stop_loss=stop)
    desk.fill(order, "5")
    desk.say(((CHILD, MADE),))
    known = desk.book.orders[CHILD]
    assert (known.request.strategy, known.parent) == ("maker", order.request.client_order_id)
    desk.traded(SELL, "5", reduce_only=True)
    assert desk.leg().quantity == 0
    assert ends(desk, CHILD)


def test_what_the_venue_made_of_a_preset_is_ended_though_it_is_shown_only_once_its_position_is_gone() -> None:
    """No push tells of it, and between two looks a position comes and goes."""
    desk = Desk()
    desk.traded(BUY, "5", stop_loss=Protection(price=Decimal(25000), by=PriceSource.LAST))
    desk.traded(SELL, "5", reduce_only=True)
    desk.say(((CHILD, MADE),))
    assert len(ends(desk, CHILD)) == 1
    desk.say(((CHILD, MADE),))
    assert len(ends(desk, CHILD)) == 1


def test_what_the_venue_made_of_a_preset_stays_while_its_order_may_have_traded_what_nobody_has_told() -> None:
    desk = Desk()
    order = desk.place(BUY, "5", stop_loss=Protection(price=Decimal(25000), by=PriceSource.LAST))
    desk.say(((CHILD, MADE),))
    assert not ends(desk, CHILD)
    desk.fill(order, "5")
    assert not ends(desk, CHILD)
