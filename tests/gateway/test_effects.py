"""What an order's trades did to its position stands in its story, all of it."""

from decimal import Decimal

from oms.book import account_stream
from oms.decide import BalancesReport
from oms.order.messages import SubmitAccepted
from oms.reports import BalanceReport
from oms.values import Currency, VenueOrderId, Wallet
from tests.gateway.house import MAIN, House
from tests.order.story import BTC_PERPETUAL, trade


async def test_a_trade_that_turns_a_position_round_shows_both_what_it_closed_and_what_it_opened(house: House) -> None:
    house.engine.decider.instruments = {BTC_PERPETUAL.symbol: BTC_PERPETUAL}
    funds = BalanceReport(currency=Currency("USDT"), total=Decimal(1_000_000), wallet=Wallet.FUTURES)
    await house.engine.report([(account_stream(MAIN), BalancesReport(balances=(funds,), reason="opening"))])
    for name, side, size in (("in", "buy", "3"), ("round", "sell", "5")):
        placed = await house.place(client_order_id=name, symbol=BTC_PERPETUAL.symbol, side=side, quantity=size)
        assert placed.status == 202, placed
        done = trade(name, size, "60000", symbol=BTC_PERPETUAL.symbol)
        await house.report(name, SubmitAccepted(venue_order_id=VenueOrderId(name)), done)
    told = (await house.call("GET", "/v1/orders/round/timeline")).json["items"]
    moved = [(each["type"], each["event"]["quantity"]) for each in told if each["stream"].startswith("position/")]
    assert moved == [("fill-booked/1", "-3"), ("fill-booked/1", "-2")]
    assert [each["position"] for each in told] == sorted({each["position"] for each in told})
