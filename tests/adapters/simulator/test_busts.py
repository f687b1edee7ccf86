"""A trade that the venue takes back: on spot and on futures, on demand and by seed. How it shows is our choice."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.simulator.host import Product
from adapters.simulator.simulator import Simulator
from tests.adapters.simulator.floor import Client, Floor
from tests.adapters.simulator.futures.trader import BTC, OPEN_LONG, OPEN_SHORT, PRIVATE, holding, pair

ORDERS, BALANCE = "spot/user/orders:ALL_SYMBOLS", "spot/user/balance:BALANCE_UPDATE"
QUERY = "/spot/v4/query/order"


def bought(size: str = "0.01", *, asked: str | None = None) -> tuple[Client, str, str]:
    """The main account buys of itself; return it, the buying order and the buy's trade."""
    one = Client(Simulator(traders=False))
    one.submit(side="sell", size=size, price="60000")
    order_id = one.submit(size=asked or size, price="60000")
    (trade,) = one.ask("/spot/v4/query/order-trades", orderId=order_id)
    return one, order_id, trade["tradeId"]


def wallet(one: Client) -> dict[str, Decimal]:
    rows = one.get("/spot/v1/wallet")["wallet"]
    return {row["name"]: Decimal(row["available"]) + Decimal(row["frozen"]) for row in rows}


def test_a_busted_spot_trade_is_gone_and_so_is_what_it_brought_and_cost() -> None:
    one, order_id, trade_id = bought()
    reader = one.connect(private=True)
    reader.login()
    reader.subscribe(ORDERS, BALANCE)
    assert wallet(one)["USDT"] < 1_000_000  # both sides' fees
    one.simulator.bust(Product.SPOT, trade_id, one.now)
    assert wallet(one) == wallet(Client(Simulator(traders=False)))
    assert one.ask("/spot/v4/query/trades") == []
    assert one.refusal("/spot/v4/query/order-trades", orderId=order_id) == (400, 50005)
    row = one.ask(QUERY, orderId=order_id)
    assert (row["state"], row["cancelSource"], Decimal(row["filledSize"]), Decimal(row["filledNotional"])) == (
        "canceled",
        "system",
        0,
        0,
    )
    orders, balances = reader.heard()
    assert [(row["order_state"], Decimal(row["filled_size"])) for row in orders["data"]] == [("canceled", 0)] * 2
    assert {detail["ccy"] for row in balances["data"] for detail in row["balance_details"]} == {"BTC", "USDT"}


def test_an_order_that_traded_once_is_remembered_as_one_that_did() -> None:
    one, order_id, trade_id = bought()
    one.simulator.settings.unfilled_memory_ms = 1_000
    one.simulator.bust(Product.SPOT, trade_id, one.now)
    one.now += 60_000
    assert one.ask(QUERY, orderId=order_id)["state"] == "canceled"


def test_an_order_that_still_works_ends_with_what_is_left_of_it() -> None:
    one, order_id, trade_id = bought(asked="0.05")
    one.submit(side="sell", size="0.02", price="60000")
    one.simulator.bust(Product.SPOT, trade_id, one.now)
    row = one.ask(QUERY, orderId=order_id)
    assert (row["state"], Decimal(row["filledSize"])) == ("partially_canceled", Decimal("0.02"))
    assert one.ask("/spot/v4/query/open-orders") == []


def test_a_background_traders_side_is_borne_by_the_venue() -> None:
    floor = Floor()
    floor.exchange.accounts["bob"].watched = False
    floor.place("bob", "sell 2 @ 100")
    floor.place("ann", "buy 2 @ 100")
    floor.exchange.bust(floor.exchange.accounts["ann"].fills[0].trade_id, 1)
    assert floor.has("ann", "BTC") == (1_000, 0)
    assert floor.has("ann", "USDT") == (100_000, 0)
    assert floor.has("bob", "BTC") == (998, 0)
    assert floor.exchange.fees == {"USDT": Decimal("-199.840"), "BTC": 2}  # it keeps bob's fee, and has paid him


def test_what_is_spent_since_or_nobodys_is_not_taken_back() -> None:
    floor = Floor()
    floor.place("ann", "sell 1000 @ 100")
    floor.place("bob", "buy 900 @ 100")
    trade_id = floor.exchange.accounts["bob"].fills[0].trade_id
    floor.place("bob", "sell 1500 @ 200")  # more than he had before
    with pytest.raises(ValueError, match="no longer has the BTC"):
        floor.exchange.bust(trade_id, 1)
    with pytest.raises(ValueError, match="nobody has a trade"):
        floor.exchange.bust("1", 1)
    assert len(floor.exchange.accounts["bob"].fills) == 1


# ------------------------------------------------------------------------------------------------ futures


def positions(one: Any) -> list[tuple[str, str]]:
    rows = one.get(f"{PRIVATE}/position-v2")
    return [(row["position_side"], row["current_amount"]) for row in rows if row["current_amount"] != "0"]


def test_a_busted_futures_trade_takes_the_positions_of_both_sides_back() -> None:
    one, two = holding(size=10)
    assert one.asset()["position_deposit"] > 0
    stream = one.reader("futures/order", "futures/position", "futures/asset:USDT")
    (trade,) = one.trades()
    one.simulator.bust(Product.FUTURES, trade["trade_id"], one.now)
    for who in (one, two):
        assert (positions(who), who.trades()) == ([], [])
    assert one.asset()["equity"] == 1_000_000
    assert two.asset()["equity"] == 100_000
    flows = one.get(f"{PRIVATE}/transaction-history")
    assert sum(Decimal(row["amount"]) for row in flows if row["type"] == "Commission Fee") == 0
    frames = stream.heard()
    (order,) = [element for frame in frames if frame["group"] == "futures/order" for element in frame["data"]]
    assert (order["action"], order["order"]["deal_size"], order["order"]["state"]) == (3, "0", 4)
    assert {frame["group"] for frame in frames} == {"futures/order", "futures/position", "futures/asset:USDT"}


def test_a_futures_trade_whose_contracts_are_closed_again_is_not_taken_back() -> None:
    one, two = holding(size=10)
    opened = one.trades()[-1]["trade_id"]
    two.order(side=2, size=10, price="60000")
    one.order(side=3, size=10, price="60000")
    assert positions(one) == positions(two) == []
    with pytest.raises(ValueError, match="has closed what it opened"):
        one.simulator.bust(Product.FUTURES, opened, one.now)
    with pytest.raises(ValueError, match="nobody has a trade"):
        one.simulator.bust(Product.FUTURES, "1", one.now)


def test_what_waited_to_close_a_busted_position_ends() -> None:
    one, two = pair()
    two.order(side=OPEN_SHORT, size=10, price="60000")
    one.order(side=OPEN_LONG, size=10, price="60000")
    closing = one.order(side=3, size=10, price="70000")
    one.simulator.bust(Product.FUTURES, one.trades()[0]["trade_id"], one.now)
    assert one.look(closing)["state"] == 4
    assert one.asset()["frozen_balance"] == 0


def test_by_seed_trades_of_either_market_are_taken_back() -> None:
    one, two = holding(size=10)
    two.simulator.set_faults(seed=1, rates={"bust": 1.0})
    one.step(1_000)
    one.step(1_000)
    assert one.trades() == []
    told = {fault.name: fault.fired for fault in one.simulator.faults.overview()}
    assert told["bust"] >= 1
    assert one.get(f"{PRIVATE}/order-history?symbol={BTC}")[0]["deal_size"] == "0"
