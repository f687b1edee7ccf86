"""What has traded of an order is backed as that order said."""

from decimal import Decimal

from oms.book import position_stream
from oms.reports import LeverageReport
from oms.values import MarginMode
from tests.account.test_perpetuals import BUY, MAIN, NET, PERPETUAL, Desk


def test_a_fill_backs_its_leg_with_the_leverage_and_the_mode_of_its_order() -> None:
    desk = Desk()
    cross = LeverageReport(symbol=PERPETUAL, leverage=Decimal(100), margin_mode=MarginMode.CROSS)
    desk.say(((position_stream(MAIN, PERPETUAL, NET), cross),))
    desk.fill(desk.place(BUY, "1", leverage=Decimal(2), margin_mode=MarginMode.ISOLATED), "1")
    assert (desk.leg().leverage, desk.leg().margin_mode) == (2, MarginMode.ISOLATED)
    desk.fill(desk.place(BUY, "1", leverage=Decimal(3)), "1")
    assert (desk.leg().leverage, desk.leg().margin_mode) == (3, MarginMode.ISOLATED)
