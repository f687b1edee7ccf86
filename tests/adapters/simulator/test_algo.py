"""Spot orders that wait at the simulated venue for a price: choices where no source shows what BitMart does."""

import json
from decimal import Decimal
from typing import Any

import pytest

from adapters.simulator.simulator import Simulator
from tests.adapters.simulator.floor import Client

SUBMIT = "/spot/v4/algo/submit_order"
CANCEL = "/spot/v4/algo/cancel_order"
CANCEL_ALL = "/spot/v4/algo/cancel_all"
ORDER = "/spot/v4/query/algo/order"
CLIENT_ORDER = "/spot/v4/query/algo/client-order"
OPEN = "/spot/v4/query/algo/open-orders"
HISTORY = "/spot/v4/query/algo/history-orders"
SELL: dict[str, Any] = {
    "symbol": "BTC_USDT",
    "side": "sell",
    "type": "tp/sl",
    "trigger_price": "55000",
    "trigger_type": "market",
    "size": "0.01",
    "client_order_id": "stop1",
}


def client() -> Client:
    """A client at a market that has traded at 60,000, with somebody to trade with around it."""
    one = Client(Simulator(seed=1))
    one.step()
    one.simulator.spot.traders.active = False
    return one


def move(one: Client, price: str) -> None:
    """Bring the market there, with quotes around it, and leave it alone."""
    one.now += 1_000
    one.simulator.spot.traders.active = True
    one.simulator.move_market("BTC_USDT", Decimal(price), one.now)
    one.simulator.spot.traders.active = False


def names(rows: list[Any]) -> list[str]:
    return [row["clientOrderId"] for row in rows]


def test_it_waits_holds_nothing_and_is_found_by_both_ids() -> None:
    one = client()
    order_id = one.ask(SUBMIT, **SELL)["order_id"]
    (row,) = one.ask(OPEN)
    assert one.ask(ORDER, orderId=order_id) == one.ask(CLIENT_ORDER, clientOrderId="stop1") == row
    assert (row["orderMode"], row["triggerPrice"], row["state"]) == ("tp/sl", "55000", "new")
    assert one.ask("/spot/v4/query/open-orders") == [], "it is not among the orders that rest"
    (btc,) = [coin for coin in one.get("/spot/v1/wallet")["wallet"] if coin["id"] == "BTC"]
    assert Decimal(btc["frozen"]) == 0


@pytest.mark.parametrize(
    ("trigger", "not_yet", "then"),
    [("55000", "56000", "54999.99"), ("65000", "64000", "65000"), ("55000", "70000", "55000")],
)
def test_it_fires_when_the_price_comes_from_where_the_market_was(trigger: str, not_yet: str, then: str) -> None:
    one = client()
    order_id = one.ask(SUBMIT, **SELL | {"trigger_price": trigger})["order_id"]
    move(one, not_yet)
    assert names(one.ask(OPEN)) == ["stop1"]
    move(one, then)
    assert one.ask(OPEN) == []
    (was,) = one.ask(HISTORY)
    assert (was["orderId"], was["state"]) == (order_id, "triggered")
    became = one.ask("/spot/v4/query/client-order", clientOrderId="stop1")
    assert (became["type"], became["state"], became["filledSize"]) == ("market", "filled", "0.01000")
    assert became["orderId"] != order_id


def test_what_it_becomes_is_pushed_like_any_order() -> None:
    one = client()
    stream = one.connect(private=True)
    stream.login()
    stream.subscribe("spot/user/orders:ALL_SYMBOLS")
    one.ask(SUBMIT, **SELL | {"trigger_type": "limit", "price": "58000"})
    assert stream.heard() == []
    move(one, "54000")
    states = [element["order_state"] for frame in stream.heard() if "table" in frame for element in frame["data"]]
    assert states == ["new"], "a limit order above the market rests"


def test_one_that_cannot_be_paid_when_it_fires_ends_canceled_by_the_system() -> None:
    one = client()
    one.ask(SUBMIT, **SELL | {"size": "1000"})
    move(one, "54000")
    (was,) = one.ask(HISTORY)
    assert (was["state"], was["cancelSource"]) == ("canceled", "system")


def test_cancels_are_by_id_and_kind() -> None:
    one = client()
    order_id = one.ask(SUBMIT, **SELL)["order_id"]
    assert one.refusal(CANCEL, symbol="BTC_USDT", order_id=order_id, type="trigger") == (400, 50005)
    assert one.refusal(CANCEL, symbol="ETH_USDT", order_id=order_id, type="tp/sl") == (400, 50005)
    assert one.ask(CANCEL, symbol="BTC_USDT", order_id=order_id, type="tp/sl") == {"result": True}
    assert one.refusal(CANCEL, symbol="BTC_USDT", order_id=order_id, type="tp/sl") == (400, 50030)
    move(one, "50000")
    assert one.refusal("/spot/v4/query/client-order", clientOrderId="stop1") == (400, 50005), "it never fired"
    for number in range(2):
        one.ask(SUBMIT, **SELL | {"client_order_id": f"plan{number}", "type": "trigger", "trigger_price": "1"})
    one.ask(SUBMIT, **SELL | {"client_order_id": "stays", "trigger_price": "1"})
    one.ask(CANCEL_ALL, type="trigger", symbol="BTC_USDT")
    assert names(one.ask(OPEN)) == ["stays"]


def test_lists_are_narrowed_by_kind_symbol_time_and_number() -> None:
    one = client()
    for number in range(3):
        one.ask(SUBMIT, **SELL | {"client_order_id": f"o{number}", "type": ("trigger", "tp/sl")[number % 2]})
    assert names(one.ask(OPEN)) == ["o2", "o1", "o0"]
    assert names(one.ask(OPEN, orderMode="tp/sl")) == ["o1"]
    assert one.ask(OPEN, symbol="ETH_USDT") == []
    assert names(one.ask(OPEN, limit=1)) == ["o2"]
    assert one.ask(OPEN, endTime=one.now - 60_000) == []
    assert one.refusal(OPEN, startTime=2, endTime=1) == (400, 52004)
    assert one.refusal(OPEN, orderMode="spot") == (400, 52000)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "NO_SUCH"}, 50001),
        ({"trigger_price": "0"}, 50008),
        ({"trigger_price": "x"}, 50021),
        ({"trigger_type": "stop"}, 50021),
        ({"type": "spot"}, 52001),
        ({"side": "hold"}, 52002),
        ({"client_order_id": "no-dash"}, 50038),
    ],
)
def test_a_bad_one_has_its_own_code(change: dict[str, str], code: int) -> None:
    assert client().refusal(SUBMIT, **SELL | change) == (400, code)


def test_its_client_id_is_taken_by_whoever_came_first() -> None:
    one = client()
    one.ask(SUBMIT, **SELL)
    assert one.refusal(SUBMIT, **SELL) == (400, 50042)
    one.submit(client_order_id="plain", size="0.01", price="30000")
    assert one.refusal(SUBMIT, **SELL | {"client_order_id": "plain"}) == (400, 50042)


def test_nobody_sees_anothers() -> None:
    one = client()
    order_id = one.ask(SUBMIT, **SELL)["order_id"]
    body = json.dumps({"orderId": order_id}).encode()
    one.simulator.open_account(
        type(one.simulator.credentials[0])(account="other", key="k", secret="s", memo="m"), {"USDT": Decimal(1)}
    )
    other = Client(one.simulator, one.now)
    other.key, other.secret, other.memo = "k", "s", "m"
    assert other.send("POST", ORDER, body, other.headers(body))[1]["code"] == 50005
    assert other.ask(OPEN) == []


def test_what_waits_may_hold_what_it_needs_until_it_fires_or_ends() -> None:
    one = client()
    one.simulator.exchange.rules.waiting_holds = True

    def frozen() -> dict[str, Decimal]:
        rows = one.get("/spot/v1/wallet")["wallet"]
        return {row["name"]: Decimal(row["frozen"]) for row in rows if Decimal(row["frozen"])}

    stop = one.ask(SUBMIT, **SELL)["order_id"]
    assert frozen() == {"BTC": Decimal("0.01")}
    buy = {"symbol": "BTC_USDT", "side": "buy", "type": "trigger", "trigger_price": "50000", "trigger_type": "limit"}
    other = one.ask(SUBMIT, **buy, size="0.1", price="50000")["order_id"]
    assert frozen() == {"BTC": Decimal("0.01"), "USDT": Decimal(5005)}
    assert one.refusal(SUBMIT, **SELL | {"size": "1000", "client_order_id": "big"}) == (400, 50020)
    one.ask(CANCEL, symbol="BTC_USDT", order_id=other, type="trigger")
    assert frozen() == {"BTC": Decimal("0.01")}
    move(one, "54000")
    assert one.ask(ORDER, orderId=stop)["state"] == "triggered"
    assert frozen() == {}
