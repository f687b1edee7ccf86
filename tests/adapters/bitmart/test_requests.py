"""The exact bytes of every request, and the orders that cannot be built."""

from decimal import Decimal

import pytest

from adapters.bitmart.spot import requests
from oms.errors import InvalidOrderError, UnknownSymbolError
from oms.values import ClientOrderId, OrderType, Side, Symbol, TimeInForce, VenueOrderId
from oms.venue import NewOrder, OrderRef

ID = ClientOrderId("oms0000000000000000000000000001")
BTC = Symbol("BTC/USDT")
LIMIT = NewOrder(
    client_order_id=ID,
    symbol=BTC,
    side=Side.BUY,
    type=OrderType.LIMIT,
    quantity=Decimal("0.001"),
    price=Decimal(60000),
)


def with_(**changes: object) -> NewOrder:
    fields = {name: getattr(LIMIT, name) for name in LIMIT.__struct_fields__}
    return NewOrder(**{**fields, **changes})


def test_a_limit_order_is_the_protocols_vector_a_byte_for_byte() -> None:
    assert requests.submit(LIMIT) == (
        b'{"symbol":"BTC_USDT","side":"buy","type":"limit","size":"0.001","price":"60000",'
        b'"client_order_id":"oms0000000000000000000000000001","stpMode":"none"}'
    )


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        (with_(post_only=True), "limit_maker"),
        (with_(time_in_force=TimeInForce.IOC), "ioc"),
    ],
)
def test_post_only_and_ioc_are_types_of_their_own(order: NewOrder, kind: str) -> None:
    assert requests.submit(order) == requests.submit(LIMIT).replace(b'"type":"limit"', b'"type":"%b"' % kind.encode())


def test_a_market_buy_is_sized_in_quote_and_a_market_sell_in_base() -> None:
    bought = with_(type=OrderType.MARKET, quantity=None, price=None, notional=Decimal("25.50"))
    assert requests.submit(bought) == (
        b'{"symbol":"BTC_USDT","side":"buy","type":"market","notional":"25.50",'
        b'"client_order_id":"oms0000000000000000000000000001","stpMode":"none"}'
    )
    sold = with_(type=OrderType.MARKET, side=Side.SELL, price=None)
    assert requests.submit(sold) == (
        b'{"symbol":"BTC_USDT","side":"sell","type":"market","size":"0.001",'
        b'"client_order_id":"oms0000000000000000000000000001","stpMode":"none"}'
    )


def test_amounts_never_leave_with_an_exponent() -> None:
    body = requests.submit(with_(quantity=Decimal("1E-8"), price=Decimal("6E+4")))
    assert b'"size":"0.00000001","price":"60000"' in body


@pytest.mark.parametrize(
    "order",
    [
        with_(type=OrderType.MARKET, price=None),  # a market buy by size
        with_(type=OrderType.MARKET, price=None, notional=Decimal(5)),  # by both
        with_(type=OrderType.MARKET, side=Side.SELL, price=None, quantity=None, notional=Decimal(5)),
        with_(type=OrderType.MARKET, notional=Decimal(5), quantity=None),  # with a price
        with_(type=OrderType.MARKET, price=None, quantity=None, notional=Decimal(5), post_only=True),
        with_(price=None),
        with_(quantity=None),
        with_(notional=Decimal(5)),
        with_(time_in_force=TimeInForce.FOK),
        with_(time_in_force=TimeInForce.GTD),
        with_(time_in_force=TimeInForce.IOC, post_only=True),
        with_(reduce_only=True),
    ],
)
def test_an_order_the_venue_does_not_know_is_never_built(order: NewOrder) -> None:
    with pytest.raises(InvalidOrderError):
        requests.submit(order)


@pytest.mark.parametrize("symbol", ["BTC/USDT:USDT", "BTCUSDT", "BTC_USDT", "/USDT", "BTC/", ""])
def test_only_spot_markets_have_a_name_here(symbol: str) -> None:
    with pytest.raises(UnknownSymbolError):
        requests.submit(with_(symbol=Symbol(symbol)))


def test_a_cancel_names_one_order_and_exactly_one_id() -> None:
    known = OrderRef(client_order_id=ID, symbol=BTC, venue_order_id=VenueOrderId("112121212"))
    assert requests.cancel(known) == b'{"symbol":"BTC_USDT","order_id":"112121212"}'
    unknown = OrderRef(client_order_id=ID, symbol=BTC)
    assert requests.cancel(unknown) == b'{"symbol":"BTC_USDT","client_order_id":"oms0000000000000000000000000001"}'


def test_a_cancel_without_an_id_cannot_be_built() -> None:
    for venue_order_id in (None, VenueOrderId("")):
        with pytest.raises(ValueError, match="without an id"):
            requests.cancel(OrderRef(client_order_id=ClientOrderId(""), symbol=BTC, venue_order_id=venue_order_id))


def test_queries_are_camel_case() -> None:
    assert requests.query_client_order(ID) == (
        b'{"clientOrderId":"oms0000000000000000000000000001","recvWindow":5000}'  # the protocol's vector E
    )
    assert requests.query_order("118100034543076010") == b'{"orderId":"118100034543076010","recvWindow":5000}'
    assert requests.query_list(1682239845952, 1682239850952) == (
        b'{"orderMode":"spot","startTime":1682239845952,"endTime":1682239850952,"limit":200,"recvWindow":5000}'
    )
    assert requests.query_list() == b'{"orderMode":"spot","limit":200,"recvWindow":5000}'
