"""Limits that are passed by combinations, or by what nobody can value."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.account.events import BalanceAdjusted
from oms.book import account_stream, order_stream, position_stream
from oms.market_data import unquoted
from oms.moves import ShareName, loss
from oms.order.messages import AmendOrder
from oms.order.state import Life, Order
from oms.position.state import Position
from oms.reports import LeverageReport, VenueOrderStatus
from oms.risk import Limits
from oms.values import (
    ClientOrderId,
    Crossing,
    Currency,
    MarginMode,
    OrderType,
    PriceSource,
    Protection,
    StrategyId,
    Symbol,
    VenueOrderId,
)
from oms.venue import Trigger
from tests.account.test_perpetuals import BUY, MAIN, NET, PERPETUAL, SELL, Desk, decider
from tests.order.story import asking, shown


def test_a_market_order_that_nobody_can_value_does_not_pass_a_limit_of_worth() -> None:
    desk = Desk(decider(Limits(order_notional_max=Decimal(100))))
    assert desk.place(BUY, "10").life is Life.DENIED  # 10 x 0.001 x 27000 = 270
    assert desk.place(BUY, "10", type=OrderType.MARKET, price=None).life is Life.DENIED  # no mark is known


def test_a_market_sell_on_spot_does_not_pass_a_limit_of_worth() -> None:
    desk = Desk(decider(Limits(order_notional_max=Decimal(100))))
    coins = BalanceAdjusted(currency=Currency("BTC"), change=Decimal(5), total=Decimal(5), reason="opening")
    desk.book.apply(account_stream(MAIN), coins)
    ask = asking(client_order_id=ClientOrderId("s1"), side=SELL, type=OrderType.MARKET, quantity=Decimal(5), price=None)
    state = desk.say(ask).state
    assert isinstance(state, Order)
    assert state.life is Life.DENIED  # five bitcoins


@pytest.mark.parametrize("change", [False, True])
def test_a_sell_is_worth_what_its_market_bids_however_little_it_asks_for(change: bool) -> None:  # noqa: FBT001
    desk = Desk(decider(Limits(order_notional_max=Decimal(300))))
    desk.decider.quotes = lambda symbol: replace(unquoted(symbol), bid=Decimal(60_000))
    order = desk.place(SELL, "5", price=Decimal(60_000))
    assert order.life is not Life.DENIED
    if change:
        with pytest.raises(Exception, match="order_notional_max"):
            desk.say(AmendOrder(account=MAIN, client_order_id=order.request.client_order_id, request_id="a1",
                                quantity=Decimal(10), price=Decimal(1)))  # fmt: skip
    else:
        assert desk.place(SELL, "10", price=Decimal(1)).life is Life.DENIED  # 10 x 0.001 x 60,000 = 600
    assert desk.place(BUY, "10", price=Decimal(1)).life is not Life.DENIED


def test_no_gain_in_one_currency_makes_good_a_loss_in_another() -> None:
    def share(symbol: str, realized: int) -> tuple[ShareName, Position]:
        return (StrategyId("maker"), Symbol(symbol), NET), Position(realized=Decimal(realized))

    shares = dict([share("ETH/BTC", -2), share("BTC/USDT", 500), share("ETH/USDT", -100)])
    assert loss(shares, StrategyId("maker")) == 2
    assert loss(shares, StrategyId("taker")) == 0


def test_an_order_is_not_changed_beyond_the_limit_of_its_worth_once_it_has_traded() -> None:
    desk = Desk(decider(Limits(order_notional_max=Decimal(270))))
    order = desk.place(BUY, "10")
    desk.fill(order, "9")
    name = order.request.client_order_id
    with pytest.raises(Exception, match="order_notional_max"):  # 19 in all are worth 513
        desk.say(AmendOrder(account=MAIN, client_order_id=name, request_id="a1", quantity=Decimal(19)))


def test_an_order_that_names_no_leverage_does_not_pass_a_limit_of_leverage() -> None:
    desk = Desk(decider(Limits(leverage_max=Decimal(5))))
    at_the_venue = LeverageReport(symbol=PERPETUAL, leverage=Decimal(100), margin_mode=MarginMode.CROSS)
    desk.say(((position_stream(MAIN, PERPETUAL, NET), at_the_venue),))  # somebody set it at the website
    assert desk.place(BUY, "10", leverage=Decimal(100)).life is Life.DENIED
    order = desk.place(BUY, "10", leverage=None)
    assert (order.request.margin_leverage, order.life) == (100, Life.DENIED)


def test_an_order_that_names_no_leverage_does_not_pass_where_nobody_knows_what_its_market_is_set_to() -> None:
    """The venue shows it of open positions alone."""
    desk = Desk(decider(Limits(leverage_max=Decimal(5))))
    order = desk.place(BUY, "10", leverage=None)
    assert (order.request.margin_leverage, order.life) == (None, Life.DENIED)
    assert "name a leverage" in str(order.reason)
    desk.traded(BUY, "10", leverage=Decimal(5))
    assert desk.place(SELL, "10", leverage=None, reduce_only=True).life is Life.SENDING


def test_a_stop_that_comes_with_an_order_counts_among_what_closes() -> None:
    """A short of 3 makes room for a buy of 8, unless a stop that comes with one more sell may close it first."""
    desk = Desk(decider(Limits(position_max={PERPETUAL: Decimal(5)})))
    desk.traded(SELL, "3")
    desk.place(SELL, "1", stop_loss=Protection(price=Decimal(30000), by=PriceSource.LAST))
    assert desk.place(BUY, "8").reason == "position_max: BTC/USDT:USDT net could come to 8, 5 is allowed"
    assert desk.place(BUY, "5").life is Life.SENDING


def test_a_stop_that_is_larger_than_what_is_left_can_be_moved() -> None:
    desk = Desk()
    desk.traded(BUY, "10")
    trigger = Trigger(price=Decimal(25000), when=Crossing.FALLS_TO)
    stop = desk.place(SELL, "10", type=OrderType.MARKET, price=None, reduce_only=True, trigger=trigger)
    name = stop.request.client_order_id
    works = shown(VenueOrderStatus.NEW, "0", symbol=PERPETUAL, client_order_id=name, venue_order_id=VenueOrderId("w1"))
    desk.say(((order_stream(MAIN, name), works),))
    desk.traded(SELL, "4", reduce_only=True)
    assert desk.leg().quantity == 6
    desk.say(AmendOrder(account=MAIN, client_order_id=name, request_id="a1", trigger_price=Decimal(26000)))
