"""Orders that wait for a price, over REST: they become other orders, under other ids."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.simulator.wire.house import Schedule
from tests.adapters.simulator.floor import NOW
from tests.adapters.simulator.futures.trader import (
    BTC,
    CLOSE_LONG,
    OPEN_LONG,
    OPEN_SHORT,
    PRIVATE,
    Trader,
    another,
    trader,
)

PLAN = f"{PRIVATE}/submit-plan-order"
PROTECT = f"{PRIVATE}/submit-tp-sl-order"
TRAIL = f"{PRIVATE}/submit-trail-order"
CANCEL_PLAN = f"{PRIVATE}/cancel-plan-order"
DIP: dict[str, Any] = {
    "symbol": BTC, "side": OPEN_LONG, "type": "limit", "size": 3, "leverage": "10", "open_type": "cross", "mode": 1,
    "trigger_price": "59000", "executive_price": "59000", "price_way": 2, "price_type": 1,
}  # fmt: skip
STOP: dict[str, Any] = {
    "symbol": BTC, "side": CLOSE_LONG, "type": "stop_loss", "trigger_price": "59000", "executive_price": "0",
    "price_type": 1, "plan_category": 2, "category": "market",
}  # fmt: skip
FOLLOW: dict[str, Any] = {
    "symbol": BTC, "side": CLOSE_LONG, "size": 10, "leverage": "10", "open_type": "cross",
    "activation_price": "61000", "callback_rate": "1", "activation_price_type": 1,
}  # fmt: skip


def waiting(one: Trader, query: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = one.get(f"{PRIVATE}/current-plan-order?{query}")
    return rows


def long(size: int = 10) -> tuple[Trader, Trader]:
    """The first holds a long position from 60 000, the second the other side."""
    one = trader(rate_limits=False)
    two = another(one)
    two.order(side=OPEN_SHORT, size=size, price="60000")
    one.order(side=OPEN_LONG, size=size, price="60000")
    return one, two


def move(one: Trader, price: str) -> None:
    """Bring the market there, as the door does."""
    one.simulator.move_market(BTC, Decimal(price), one.now)


def test_a_plan_waits_and_shows_what_for() -> None:
    one = trader()
    data = one.ask(PLAN, **DIP)
    assert type(data["order_id"]) is int
    (row,) = waiting(one)
    expected = {
        "order_id": str(data["order_id"]), "client_order_id": "", "symbol": BTC, "side": 1, "mode": 1, "size": "3",
        "type": "plan", "trigger_price": "59000", "executive_price": "59000", "price_way": 2, "price_type": 1,
        "plan_category": 1, "state": 1, "leverage": "10", "open_type": "cross", "position_mode": "hedge_mode",
        "create_time": NOW, "update_time": NOW,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert one.open() == []
    assert waiting(one, "plan_type=plan") == waiting(one, f"symbol={BTC}") == waiting(one, "type=limit") == [row]
    assert waiting(one, "plan_type=profit_loss") == waiting(one, "type=market") == waiting(one, "symbol=ETHUSDT") == []


def test_a_plan_that_triggers_becomes_an_order_with_another_id_and_a_name_of_its_own() -> None:
    one = trader()
    plan_id = str(one.ask(PLAN, **DIP)["order_id"])
    stream = one.reader("futures/order")

    move(one, "59000")

    assert waiting(one) == []
    (child,) = one.open()
    assert (child["client_order_id"], child["price"], child["size"]) == (f"PLAN_{plan_id}", "59000", "3")
    assert child["order_id"] != plan_id
    pushed = [element["order"] for data in stream.data("futures/order") for element in data]
    assert {order["plan_order_id"] for order in pushed if order["order_id"] == child["order_id"]} == {plan_id}
    assert [(order["state"], order["type"]) for order in pushed if order["order_id"] == plan_id] == [(4, "plan_order")]


def test_a_stop_loss_needs_a_position_and_closes_all_of_it() -> None:
    assert trader().refusal(PROTECT, **STOP) == (400, 40021)
    one, two = long()
    answer = one.ask(PROTECT, **STOP, client_order_id="stop")
    assert (type(answer["order_id"]), answer["client_order_id"]) == (str, "stop")
    (row,) = waiting(one, "plan_type=profit_loss")
    assert (row["type"], row["plan_category"], row["side"]) == ("stop_loss", 2, 3)
    two.order(side=OPEN_LONG, size=50, price="58900")

    move(one, "58950")

    assert one.get(f"{PRIVATE}/position") == []
    (closing,) = one.get(f"{PRIVATE}/order-history?symbol={BTC}&client_order_id=PLAN_{answer['order_id']}")
    assert (closing["state"], closing["deal_size"], closing["side"]) == (4, "10", 3)


def test_presets_of_an_opening_order_come_to_life_with_its_fills() -> None:
    one = trader(rate_limits=False)
    two = another(one)
    order_id = one.order(price="60000", preset_stop_loss_price="58000", preset_stop_loss_price_type=2)
    assert (one.open()[0]["preset_stop_loss_price"], one.open()[0]["preset_stop_loss_price_type"]) == ("58000", 2)
    path = f"{PRIVATE}/modify-preset-plan-order"
    assert one.ask(path, symbol=BTC, order_id=order_id, preset_take_profit_price="65000") == {"order_id": order_id}
    two.order(side=OPEN_SHORT, price="60000")
    (row,) = waiting(one)
    assert (row["type"], row["trigger_price"], row["side"]) == ("take_profit", "65000", 3)


def test_a_plan_is_amended_and_canceled_later() -> None:
    one = trader()
    plan_id = str(one.ask(PLAN, **DIP)["order_id"])
    change = {"trigger_price": "58000", "executive_price": "57900", "price_type": 2, "type": "limit"}
    assert one.ask(f"{PRIVATE}/modify-plan-order", symbol=BTC, order_id=plan_id, **change) == {"order_id": plan_id}
    (row,) = waiting(one)
    assert (row["trigger_price"], row["executive_price"], row["price_type"]) == ("58000", "57900", 2)
    assert one.ask(CANCEL_PLAN, symbol=BTC, order_id=plan_id) == {}
    assert len(waiting(one)) == 1
    one.step(50)
    assert waiting(one) == []
    assert one.refusal(CANCEL_PLAN, symbol=BTC, order_id=plan_id) == (400, 40036)
    assert one.refusal(CANCEL_PLAN, symbol=BTC, order_id="1") == (400, 40037)


def test_a_take_profit_is_amended_by_its_client_id() -> None:
    one, _ = long()
    one.ask(PROTECT, **STOP | {"type": "take_profit", "trigger_price": "62000"}, client_order_id="tp")
    change = {"trigger_price": "63000", "executive_price": "62999", "price_type": 1, "category": "limit"}
    one.ask(f"{PRIVATE}/modify-tp-sl-order", symbol=BTC, client_order_id="tp", **change)
    (row,) = waiting(one)
    assert (row["trigger_price"], row["executive_price"]) == ("63000", "62999")


def test_a_cancel_without_an_id_takes_all_plans_of_the_symbol_and_leaves_orders_alone() -> None:
    one = trader()
    one.ask(PLAN, **DIP)
    one.ask(PLAN, **DIP | {"trigger_price": "58000"})
    one.ask(PLAN, **DIP | {"symbol": "ETHUSDT", "trigger_price": "2000", "executive_price": "2000"})
    one.order()
    one.ask(CANCEL_PLAN, symbol=BTC)
    one.step(50)
    assert [row["symbol"] for row in waiting(one)] == ["ETHUSDT"]
    assert len(one.open()) == 1


def test_a_trailing_order_follows_the_price_and_fires_when_it_turns() -> None:
    one, two = long()
    plan_id = str(one.ask(TRAIL, **FOLLOW)["order_id"])
    (row,) = one.open("type=trailing")
    assert (row["order_id"], row["type"], row["callback_rate"]) == (plan_id, "trailing", "1")
    assert (row["activation_price"], row["activation_price_type"]) == ("61000", 1)
    assert waiting(one) == []
    two.order(side=OPEN_LONG, size=50, price="60000")
    for price in ("61500", "63000", "62500"):
        move(one, price)
        assert len(one.get(f"{PRIVATE}/position")) == 1
    move(one, "62300")
    assert one.get(f"{PRIVATE}/position") == []


def test_a_trailing_order_is_canceled_by_its_own_call() -> None:
    one, _ = long()
    first = one.ask(TRAIL, **FOLLOW | {"size": 4})["order_id"]
    one.ask(TRAIL, **FOLLOW | {"size": 4, "activation_price": "62000"})
    one.ask(f"{PRIVATE}/cancel-trail-order", symbol=BTC, order_id=str(first))
    one.step(50)
    assert len(one.open("type=trailing")) == 1
    one.ask(f"{PRIVATE}/cancel-trail-order", symbol=BTC)
    one.step(50)
    assert one.open("type=trailing") == []


def hiding(one: Trader) -> Trader:
    """From now on, what is new stays unknown to queries for up to 1.5 s."""
    one.simulator.set_faults(seed=1, rates={"stale_query": 1.0})
    return one


@pytest.mark.parametrize(("path", "terms"), [(PLAN, DIP), (PROTECT, STOP), (TRAIL, FOLLOW)])
def test_a_stale_query_misses_what_has_just_begun_to_wait(path: str, terms: dict[str, Any]) -> None:
    one, _ = long()
    plan_id = str(hiding(one).ask(path, **terms)["order_id"])
    assert waiting(one) == one.open() == []
    one.step(1_500)
    assert [row["order_id"] for row in waiting(one) + one.open()] == [plan_id]


def test_a_stale_query_misses_the_presets_that_a_fill_brings_to_life() -> None:
    one, two = long()
    one.order(price="60000", preset_stop_loss_price="58000", preset_stop_loss_price_type=2)
    hiding(one)
    two.order(side=OPEN_SHORT, price="60000")
    assert waiting(one) == []
    one.step(1_500)
    assert [row["type"] for row in waiting(one)] == ["stop_loss"]


def test_a_stale_query_misses_what_a_plan_has_sent_and_its_trades() -> None:
    one = trader(rate_limits=False)
    one.ask(PLAN, **DIP)
    move(hiding(one), "59000")
    assert waiting(one) == one.open() == []
    one.step(1_500)
    assert len(one.open()) == 1

    one, two = long()
    one.ask(PROTECT, **STOP)
    two.order(side=OPEN_LONG, size=50, price="58900")
    before = one.trades()
    move(hiding(one), "58950")
    assert one.get(f"{PRIVATE}/position") == waiting(one) == []
    assert one.trades() == before
    one.step(1_500)
    assert len(one.trades()) == len(before) + 1


REFUSED = [
    (PLAN, DIP, {"size": "3"}, (400, 40011)),
    (PLAN, DIP, {"trigger_price": ""}, (400, 40011)),
    (PLAN, DIP, {"executive_price": None}, (400, 40011)),  # a limit without one
    (PLAN, DIP, {"price_way": 3}, (400, 40011)),
    (PLAN, DIP, {"side": 9}, (400, 40041)),
    (PLAN, DIP, {"type": "stop"}, (400, 40042)),
    (PLAN, DIP, {"symbol": "NOPEUSDT"}, (400, 40034)),
    (PLAN, DIP, {"trigger_price": "59000.05"}, (400, 40043)),
    (PROTECT, STOP, {"side": OPEN_LONG}, (400, 40041)),
    (PROTECT, STOP, {"type": "limit"}, (400, 40042)),
    (PROTECT, STOP, {"plan_category": 3}, (400, 40011)),
    (TRAIL, FOLLOW, {"callback_rate": "6"}, (400, 40044)),
    (TRAIL, FOLLOW, {"activation_price_type": 0}, (400, 40011)),
]


@pytest.mark.parametrize(("path", "fields", "wrong", "refusal"), REFUSED)
def test_what_is_wrong_with_a_plan_has_a_code_of_its_own(
    path: str, fields: dict[str, Any], wrong: dict[str, Any], refusal: tuple[int, int]
) -> None:
    one, _ = long()
    assert one.refusal(path, **fields | wrong) == refusal
    assert waiting(one) == one.open() == []


def test_the_wind_down_takes_no_new_plans_that_open() -> None:
    one, _ = long()
    one.simulator.settings.schedule = Schedule(no_opens_ms=NOW)
    assert one.refusal(PLAN, **DIP) == (400, 40015)
    one.ask(PROTECT, **STOP)
    one.simulator.settings.schedule = Schedule(no_trading_ms=NOW)
    assert one.refusal(PROTECT, **STOP) == (400, 40015)
    assert len(waiting(one)) == 1
    one.step(50)
    assert waiting(one) == []  # ended by the system, so that nothing trades any more
