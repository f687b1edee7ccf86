"""A best counts once its commissions are told; nobody waits for one that was told, or that nobody can tell (S72)."""

from decimal import Decimal

from msgspec.structs import replace

from oms.book import order_stream
from oms.drawdown import Curve, Drawdown
from oms.order.messages import FillInferred
from oms.position.events import CommissionBooked, FillBooked, FillReversed
from oms.reports import VenueOrderStatus
from oms.values import Currency, Side
from tests.account.test_perpetuals import BUY, MAIN, PERPETUAL, SELL, Desk
from tests.order.story import shown

USDT = Currency("USDT")


def drawdown(desk: Desk) -> Drawdown:
    curve = Curve(USDT)
    for number, (stream, event) in enumerate(desk.events, 1):
        curve.take(number, stream, event)
    return curve.now


def deal(desk: Desk, side: Side, quantity: str, price: str) -> None:
    order = desk.place(side, quantity, price=Decimal(price))
    desk.fill(order, quantity, price, commission=Decimal(0), commission_currency=USDT)


def test_a_trade_that_turns_a_leg_round_is_charged_once_and_the_peak_goes_on() -> None:
    desk = Desk()
    deal(desk, BUY, "1", "27000")
    deal(desk, SELL, "2", "28000")
    deal(desk, BUY, "1", "20000")
    assert drawdown(desk).peak == drawdown(desk).result == 9
    deal(desk, BUY, "1", "20000")
    deal(desk, SELL, "1", "15000")
    assert drawdown(desk).worst == 5


def test_a_trade_that_is_taken_back_and_told_again_without_its_cost_is_waited_for() -> None:
    desk, cost = Desk(), Decimal("0.5")
    desk.fill(desk.place(BUY, "1"), "1", commission=cost, commission_currency=USDT)
    stream, bought = next((name, each) for name, each in desk.events if isinstance(each, FillBooked))
    before = list(desk.events)
    deal(desk, SELL, "1", "28000")
    back = FillReversed(
        exec_id=bought.exec_id,
        client_order_id=bought.client_order_id,
        quantity=bought.quantity.copy_negate(),
        price=bought.price,
        cost_change=bought.cost_change.copy_negate(),
        realized=bought.realized.copy_negate(),
        commission=cost.copy_negate(),
        commission_currency=USDT,
        contract_size=bought.contract_size,
    )
    again = replace(bought, commission=None, commission_currency=None)
    late = CommissionBooked(exec_id=bought.exec_id, commission=cost, commission_currency=USDT)
    told = [*before, (stream, back), (stream, again), *desk.events[len(before) :], (stream, late)]
    curve = Curve(USDT)
    for number, (name, event) in enumerate(told, 1):
        curve.take(number, name, event)
    assert curve.now.peak == curve.now.result == cost, "no best that its cost was not taken from"


def test_a_fill_that_nobody_can_say_the_cost_of_keeps_no_peak_from_being_seen() -> None:
    desk = Desk()
    name = desk.place(BUY, "1").request.client_order_id
    stream = order_stream(MAIN, name)
    desk.say(((stream, shown(VenueOrderStatus.FILLED, "1", symbol=PERPETUAL, client_order_id=name)),))
    desk.say(((stream, FillInferred(cum_quantity=Decimal(1), average_price=Decimal(27000))),))
    deal(desk, SELL, "1", "28000")
    assert drawdown(desk).peak == drawdown(desk).result == 1
