"""BitMart's futures REST, asked the way a client asks: what is right is answered, what is wrong gets its own code."""

import json
from typing import Any

import pytest

from adapters.simulator.simulator import Simulator
from adapters.simulator.wire.gateway import Reply, Request
from adapters.simulator.wire.house import Schedule, Settings
from adapters.simulator.wire.keys import Credentials, signature
from tests.adapters.simulator.floor import NOW
from tests.adapters.simulator.futures.trader import (
    BTC,
    CANCEL,
    CLOSE_LONG,
    LIMIT,
    OPEN_LONG,
    OPEN_SHORT,
    PRIVATE,
    SUBMIT,
    Trader,
    holding,
    pair,
    trader,
)

TRANSFER = "/account/v1/transfer-contract"
TRANSFERS = "/account/v1/transfer-contract-list"
PUBLIC = "/contract/public"


# ------------------------------------------------------------------------------------------------ who may call


def test_signatures_agree_with_the_worked_vector() -> None:
    credentials = Credentials(account="a", key="bm_example_key_0001", secret="bm_example_secret_0001", memo="alpha")
    body = (
        b'{"symbol":"BTCUSDT","client_order_id":"oms0000000000000000000000000002","side":1,"mode":1,"type":"limit",'
        b'"leverage":"10","open_type":"cross","size":5,"price":"60000.1"}'
    )
    sign = "343eaab767640b7b9eff91fb37c8760d9ace94e16f2402a425e6528817f71a9c"
    assert signature(credentials, "1795392000000", body) == sign


HEADERS = [
    ({"X-BM-KEY": ""}, (401, 30001)),
    ({"X-BM-KEY": "nobody"}, (401, 30002)),
    ({"X-BM-SIGN": ""}, (401, 30004)),
    ({"X-BM-SIGN": "0" * 64}, (401, 30005)),
    ({"X-BM-TIMESTAMP": ""}, (401, 30006)),
    ({"X-BM-TIMESTAMP": str(NOW - 60_001)}, (401, 30007)),
    ({"Content-Type": "text/plain"}, (415, 60031)),
]


@pytest.mark.parametrize(("wrong", "refusal"), HEADERS)
def test_a_post_that_proves_nothing_is_refused_and_does_nothing(
    wrong: dict[str, str], refusal: tuple[int, int]
) -> None:
    one = trader()
    body = json.dumps(LIMIT).encode()
    status, answer = one.send("POST", SUBMIT, body, one.headers(body) | wrong)
    assert (status, answer["code"]) == refusal
    assert one.open() == []


def test_a_private_get_looks_at_the_key_alone() -> None:
    one = trader()
    path = f"{PRIVATE}/assets-detail"
    assert one.send("GET", path, headers={"X-BM-KEY": one.key, "X-BM-SIGN": "nonsense"})[0] == 200
    assert one.send("GET", path)[1]["code"] == 30001


AGES = [
    # how old the timestamp is   order  transfer
    (0,                          True,  True),
    (5_001,                      True,  False),
    (60_000,                     True,  False),
    (60_001,                     False, False),
    (-1_000,                     True,  False),  # a fast clock
]  # fmt: skip


@pytest.mark.parametrize(("age", "order", "transfer"), AGES)
def test_orders_take_a_minute_and_transfers_their_receive_window(age: int, *, order: bool, transfer: bool) -> None:
    one = trader()
    move = {"currency": "USDT", "amount": "10", "type": "spot_to_contract"}
    for path, fields, taken in ((SUBMIT, LIMIT, order), (TRANSFER, move, transfer)):
        body = json.dumps(fields).encode()
        status, answer = one.send("POST", path, body, one.headers(body, NOW - age))
        assert (status, answer["code"]) == ((200, 1000) if taken else (401, 30007))


def test_a_body_that_is_no_json_is_refused() -> None:
    one = trader()
    status, answer = one.send("POST", SUBMIT, b"size=1", one.headers(b"size=1"))
    assert (status, answer["code"]) == (503, 30018)


# ------------------------------------------------------------------------------------------------ envelopes, limits


def test_envelopes_are_spelled_as_captured() -> None:
    one = trader()
    status, fine = one.send("GET", f"{PUBLIC}/depth?symbol={BTC}")
    assert (status, fine["code"], fine["message"], set(fine)) == (200, 1000, "Ok", {"code", "message", "data", "trace"})
    status, answer = one.send("GET", f"{PUBLIC}/depth?symbol=NOPEUSDT")
    assert (status, answer.pop("trace") != "") == (400, True)
    assert answer == {"code": 40034, "message": "Symbol Not Exist"}
    status, answer = one.send("GET", f"{PUBLIC}/details?symbol=NOPEUSDT")
    assert (status, answer["code"], answer["message"]) == (400, 40012, "SYMBOL_NOT_EXIST")
    status, answer = one.send("GET", "/contract/v1/tickers")
    assert (status, answer["code"]) == (200, 30030)
    assert one.send("POST", f"{PUBLIC}/depth")[0] == 405
    status, answer = one.send("GET", "/spot/v1/symbols")
    assert (status, answer["msg"], answer["code"], next(iter(answer))) == (404, "Not found", 30000, "trace")


LIMITS = [
    ("GET", f"{PUBLIC}/details", 12, "IP"),
    ("GET", f"{PUBLIC}/open-interest?symbol={BTC}", 2, "IP"),
    ("GET", f"{PRIVATE}/get-open-orders", 50, "KEY"),
    ("GET", f"{PRIVATE}/trades", 6, "KEY"),
    ("GET", f"{PRIVATE}/position-risk", 24, "KEY"),
    ("GET", f"{PRIVATE}/assets-detail", 12, "KEY"),
    ("GET", f"{PRIVATE}/get-position-mode", 2, "KEY"),
    ("POST", SUBMIT, 24, "KEY"),
    ("POST", CANCEL, 40, "KEY"),
    ("POST", f"{PRIVATE}/cancel-orders", 2, "KEY"),
    ("POST", f"{PRIVATE}/cancel-all-after", 4, "UID"),
    ("POST", f"{PRIVATE}/cancel-plan-order", 40, "UID"),
    ("POST", TRANSFER, 1, "KEY"),
]


@pytest.mark.parametrize(("method", "target", "calls", "mode"), LIMITS)
def test_each_endpoint_counts_up_refuses_one_more_and_then_blocks(
    method: str, target: str, calls: int, mode: str
) -> None:
    one = trader()
    body = b"{}" if method == "POST" else b""
    seen: list[Reply] = []
    for _ in range(calls + 22):
        served = one.simulator.serve(Request(method, target, one.headers(body), body), NOW, product=one.product)
        assert isinstance(served, Reply)
        seen.append(served)
    counted = [reply.headers for reply in seen[:calls]]
    assert [headers["X-BM-RateLimit-Remaining"] for headers in counted] == [str(used + 1) for used in range(calls)]
    assert {headers["X-BM-RateLimit-Limit"] for headers in counted} == {str(calls)}
    assert {headers["X-BM-RateLimit-Reset"] for headers in counted} == {"2"}
    assert {headers["X-BM-RateLimit-Mode"] for headers in counted} == {mode}
    assert [json.loads(reply.body)["code"] for reply in seen[calls:]] == [30013] * 20 + [30017] * 2
    assert (seen[calls].status, seen[-1].status) == (429, 418)


# ------------------------------------------------------------------------------------------------ orders


def test_an_order_is_acknowledged_by_a_number_and_shows_as_documented() -> None:
    one = trader()
    data = one.ask(SUBMIT, **LIMIT, client_order_id="mine", leverage="20", open_type="isolated")
    assert (type(data["order_id"]), data["price"]) == (int, "50000")

    row = one.look(str(data["order_id"]))

    assert row == one.open()[0]
    expected = {
        "order_id": str(data["order_id"]), "client_order_id": "mine", "symbol": BTC, "side": 1, "type": "limit",
        "price": "50000", "size": "10", "state": 2, "deal_size": "0", "deal_avg_price": "0", "leverage": "20",
        "open_type": "isolated", "position_mode": "hedge_mode", "account": "futures", "create_time": NOW,
        "update_time": NOW,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected


def test_a_market_order_is_answered_by_a_word_for_its_price() -> None:
    one, two = pair()
    two.order(side=OPEN_SHORT, price="60000")
    assert one.ask(SUBMIT, symbol=BTC, side=1, size=4, type="market")["price"] == "market price"
    (row,) = one.get(f"{PRIVATE}/order-history?symbol={BTC}")
    assert (row["state"], row["deal_size"], row["deal_avg_price"], row["type"]) == (4, "4", "60000", "market")
    (trade,) = one.trades()
    assert (trade["vol"], trade["exec_type"], trade["paid_fees"], trade["side"]) == ("4", "Taker", "0.144", 1)
    assert two.trades()[0]["exec_type"] == "Maker"
    assert "client_order_id" not in trade


REFUSED = [
    ({"size": "10"}, (400, 40011)),  # a text
    ({"size": 1.5}, (400, 40011)),
    ({"side": None}, (400, 40011)),
    ({"price": None}, (400, 40011)),
    ({"price": "much"}, (400, 40011)),
    ({"side": 5}, (400, 40041)),
    ({"type": "stop"}, (400, 40042)),
    ({"mode": 7}, (400, 40042)),
    ({"mode": 4, "type": "market"}, (400, 40042)),
    ({"price": "50000.05"}, (400, 40043)),
    ({"size": 0}, (400, 40044)),
    ({"size": 2_000_000}, (400, 40044)),
    ({"open_type": "shared"}, (400, 40045)),
    ({"leverage": "1000"}, (400, 40029)),
    ({"leverage": "0"}, (400, 40030)),
    ({"leverage": "ten"}, (400, 40040)),
    ({"symbol": "NOPEUSDT"}, (400, 40034)),
    ({"symbol": "BTCUSD"}, (400, 40014)),  # listed, inverse, not traded here
    ({"client_order_id": "not mine"}, (403, 40048)),
    ({"client_order_id": "x" * 33}, (403, 40049)),
    ({"side": CLOSE_LONG}, (400, 40021)),
    ({"size": 500_000, "leverage": "2"}, (400, 40027)),
]


@pytest.mark.parametrize(("wrong", "refusal"), REFUSED)
def test_what_is_wrong_with_an_order_has_a_code_of_its_own(wrong: dict[str, Any], refusal: tuple[int, int]) -> None:
    one = trader()
    before = one.asset()
    assert one.refusal(SUBMIT, **LIMIT | wrong) == refusal
    assert (one.open(), one.asset()) == ([], before)


def test_a_client_order_id_counts_once_for_ever() -> None:
    one = trader()
    order_id = one.order(client_order_id="mine")
    one.ask(CANCEL, symbol=BTC, order_id=order_id)
    one.step(100)
    assert one.refusal(SUBMIT, **LIMIT, client_order_id="mine") == (403, 40050)


def test_unknown_fields_are_silently_ignored() -> None:
    assert trader().order(recvWindow=5, clientOrderId="camel") != ""


@pytest.mark.parametrize("by", ["order_id", "client_order_id"])
def test_a_cancel_is_acknowledged_first_and_happens_later(by: str) -> None:
    one = trader()
    order_id = one.order(client_order_id="mine")
    name = order_id if by == "order_id" else "mine"

    status, answer = one.post(CANCEL, symbol=BTC, **{by: name})

    assert (status, answer["code"], answer["data"]) == (200, 1000, {})
    assert one.look(order_id)["state"] == 2
    one.step(50)
    row = one.look(order_id)
    assert (row["state"], row["deal_size"]) == (4, "0")
    assert one.refusal(CANCEL, symbol=BTC, order_id=order_id) == (400, 40036)
    assert one.refusal(CANCEL, symbol=BTC, order_id="179539200000099999") == (400, 40037)
    assert one.refusal(CANCEL, symbol="ETHUSDT", order_id=order_id) == (400, 40037)


def test_an_order_may_fill_between_the_acknowledgement_and_the_cancel() -> None:
    one, two = pair(cancel_ms=(30, 30))
    order_id = one.order(price="60000")
    one.ask(CANCEL, symbol=BTC, order_id=order_id)
    two.order(side=OPEN_SHORT, price="60000")
    one.step(100)
    row = one.look(order_id)
    assert (row["state"], row["deal_size"]) == (4, "10")


def test_a_cancel_without_an_id_takes_every_order_of_the_symbol() -> None:
    one = trader()
    for symbol, price in ((BTC, "50000"), (BTC, "50001"), ("ETHUSDT", "2000")):
        one.order(symbol=symbol, price=price)
    one.ask(CANCEL, symbol=BTC)
    one.step(50)
    assert [row["symbol"] for row in one.open()] == ["ETHUSDT"]
    one.ask(f"{PRIVATE}/cancel-orders", symbol="ETHUSDT")
    one.step(50)
    assert one.open() == []


def test_the_dead_mans_switch_cancels_unless_it_is_held() -> None:
    one = trader()
    path = f"{PRIVATE}/cancel-all-after"
    one.order()
    answer = one.ask(path, symbol=BTC, timeout=10)
    assert answer == {"result": True, "set_time": NOW // 1000, "cancel_time": NOW // 1000 + 10}
    one.step(9_000)
    one.ask(path, symbol=BTC, timeout=10)
    one.step(9_000)
    assert len(one.open()) == 1
    one.step(1_000)
    assert one.open() == []

    one.order()
    one.ask(path, symbol=BTC, timeout=5)
    one.ask(path, symbol=BTC, timeout=0)
    one.step(60_000)
    assert len(one.open()) == 1
    assert one.refusal(path, symbol=BTC, timeout=4) == (400, 40044)


def test_an_order_is_amended_by_its_number() -> None:
    one = trader()
    order_id = one.order(client_order_id="mine")
    path = f"{PRIVATE}/modify-limit-order"

    answer = one.ask(path, symbol=BTC, order_id=int(order_id), price="51000", size=7)

    assert answer == {"order_id": int(order_id), "client_order_id": "mine"}
    row = one.look(order_id)
    assert (row["price"], row["size"], row["state"]) == ("51000", "7", 2)
    assert one.refusal(path, symbol=BTC, order_id=order_id, price="52000") == (400, 40011)  # a text
    assert one.refusal(path, symbol=BTC, order_id=int(order_id)) == (400, 40011)  # nothing to change
    assert one.refusal(path, symbol=BTC, order_id=1, price="52000") == (400, 40037)
    assert one.ask(path, symbol=BTC, client_order_id="mine", size=8)["order_id"] == int(order_id)


def test_an_order_stays_unknown_for_a_moment() -> None:
    one = trader(visibility_ms=(300, 300))
    order_id = one.order()
    status, answer = one.send("GET", f"{PRIVATE}/order?symbol={BTC}&order_id={order_id}", headers={"X-BM-KEY": one.key})
    assert (status, answer["code"], one.open()) == (400, 40035, [])
    one.step(300)
    assert one.look(order_id)["order_id"] == one.open()[0]["order_id"] == order_id


# ------------------------------------------------------------------------------------------------ lists


def test_open_orders_end_at_a_hundred_and_the_rest_is_reached_by_symbol() -> None:
    one = trader(rate_limits=False)
    one.order(symbol="ETHUSDT", price="2000")
    one.step(10)
    for _ in range(100):
        one.order(size=1)
    assert {row["symbol"] for row in one.open()} == {BTC}
    assert [row["symbol"] for row in one.open("symbol=ETHUSDT")] == ["ETHUSDT"]
    assert len(one.open("limit=3")) == 3
    assert one.open("order_state=partially_filled") == one.open("type=market") == []


def test_history_and_trades_give_two_hundred_rows_inside_windows_of_seconds() -> None:
    one, two = pair()
    two.order(side=OPEN_SHORT, size=10_000, price="60000")
    for _ in range(210):
        one.order(size=1, price="60000")
        one.step(1_000)
    second = NOW // 1000
    history = f"{PRIVATE}/order-history?symbol={BTC}"
    assert len(one.get(history)) == len(one.trades()) == 200
    assert len(one.trades(f"start_time={second}&end_time={second + 9}")) == 10
    assert len(one.get(f"{history}&start_time={second}&end_time={second + 9}")) == 10
    created = [row["create_time"] for row in one.trades()]
    assert created == sorted(created, reverse=True)
    newest = one.trades()[0]
    assert one.trades(f"order_id={newest['order_id']}") == [newest]

    one.step(8 * 86_400_000)
    assert one.trades() == []
    assert len(one.trades(f"start_time={second}")) == 200
    one.step(90 * 86_400_000)
    keyed = {"X-BM-KEY": one.key}
    assert one.send("GET", f"{PRIVATE}/trades?start_time={second}", headers=keyed)[1]["code"] == 40039
    assert one.send("GET", f"{PRIVATE}/trades?start_time=soon", headers=keyed)[1]["code"] == 40039


def test_history_is_found_by_client_order_id_and_trades_too() -> None:
    one, two = pair()
    two.order(side=OPEN_SHORT, price="60000")
    order_id = one.order(price="60000", client_order_id="mine")
    for path in ("order-history", "trades"):
        (row,) = one.get(f"{PRIVATE}/{path}?symbol={BTC}&client_order_id=mine")
        assert row["order_id"] == order_id
        assert one.get(f"{PRIVATE}/{path}?symbol={BTC}&client_order_id=other") == []
        assert one.get(f"{PRIVATE}/{path}?symbol={BTC}&account=copy_trading") == []


# ------------------------------------------------------------------------------------------------ the wind-down


def test_after_the_first_date_only_what_closes_is_taken_and_after_the_second_nothing() -> None:
    one, two = holding()
    waiting = two.order(side=OPEN_LONG, price="59000")
    one.simulator.settings.schedule = Schedule(no_opens_ms=NOW, no_trading_ms=NOW + 10_000, dark_ms=NOW + 20_000)
    assert one.refusal(SUBMIT, **LIMIT) == (400, 40015)
    one.order(side=CLOSE_LONG, size=5, price="59000")
    assert one.get(f"{PRIVATE}/position")[0]["current_amount"] == "5"

    one.step(10_000)
    assert one.refusal(SUBMIT, **LIMIT | {"side": CLOSE_LONG, "size": 5}) == (400, 40015)
    assert two.look(waiting)["state"] == 4  # canceled by the system
    one.ask(TRANSFER, currency="USDT", amount="10", type="contract_to_spot")

    reader = one.reader("futures/order")
    one.step(10_000)
    served = one.simulator.serve(Request("GET", f"{PUBLIC}/details", {}, b""), one.now, product=one.product)
    assert not isinstance(served, Reply)
    assert not served.connected
    assert reader.connection.closed


def test_the_venue_may_forget_its_limits_for_a_test_and_count_again() -> None:
    one = Trader(Simulator(traders=False, settings=Settings(rate_limits=False)))
    for _ in range(5):
        one.get(f"{PRIVATE}/get-position-mode")
    one.simulator.settings.rate_limits = True
    assert one.get(f"{PRIVATE}/get-position-mode") == {"position_mode": "hedge_mode"}
