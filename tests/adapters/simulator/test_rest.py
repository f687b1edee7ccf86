"""BitMart's spot REST, asked the way a client asks: what is right is answered, what is wrong gets its own code."""

import json
from typing import Any

import pytest

from adapters.simulator.exchange.matching import Rules
from adapters.simulator.simulator import Simulator
from adapters.simulator.wire.gateway import Request
from adapters.simulator.wire.house import Schedule, Settings
from adapters.simulator.wire.keys import Credentials, signature
from tests.adapters.simulator.floor import NOW, Client

OPEN = "/spot/v4/query/open-orders"
QUERY = "/spot/v4/query/order"
SUBMIT = "/spot/v2/submit_order"
CANCEL = "/spot/v3/cancel_order"
LIMIT: dict[str, Any] = {"symbol": "BTC_USDT", "side": "buy", "type": "limit", "size": "0.01", "price": "50000"}
MINUTE = 60_000


def client(**settings: Any) -> Client:
    return Client(Simulator(traders=False, settings=Settings(**settings)))


# ------------------------------------------------------------------------------------------------ signatures


@pytest.mark.parametrize(
    ("body", "sign"),
    [
        (b"{}", "54c4b45ed08012b81d420b58638b0c9a092eaea8893bc101ec9b63ada957aaa3"),
        (b"", "40720f6df99d26be09fec3418e06f9ed73fd362df6944f5ee4eec363395cbb2c"),
        (
            b'{"clientOrderId":"oms0000000000000000000000000001","recvWindow":5000}',
            "d101ee80fc7772e1daa11e83a9ccea2146bb6e91533c682a200118c8bb55a39b",
        ),
        (b"bitmart.WebSocket", "bf081e61c4c0be1484baa41be43cf23d77bab72fbc75c2503db2d8fc1f0b46d1"),
    ],
)
def test_signatures_agree_with_the_worked_vectors(body: bytes, sign: str) -> None:
    credentials = Credentials(account="a", key="bm_example_key_0001", secret="bm_example_secret_0001", memo="alpha")
    assert signature(credentials, "1795392000000", body) == sign


HEADERS = [
    # what is wrong                                 v2 submit     v4 query
    ({"X-BM-KEY": ""},                              (401, 30001), (401, 30001)),
    ({"X-BM-KEY": "nobody"},                        (401, 30002), (401, 30002)),
    ({"X-BM-SIGN": ""},                             (401, 30004), (401, 30004)),
    ({"X-BM-SIGN": "0" * 64},                       (401, 30005), (401, 30005)),
    ({"X-BM-TIMESTAMP": ""},                        (401, 30006), (401, 30006)),
    ({"X-BM-TIMESTAMP": "soon"},                    (401, 30006), (401, 30006)),
    ({"Content-Type": "text/plain"},                (415, 58001), (415, 58001)),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "submitted", "asked"), HEADERS)
def test_a_request_that_proves_nothing_is_refused_and_does_nothing(
    wrong: dict[str, str], submitted: tuple[int, int], asked: tuple[int, int]
) -> None:
    one = client()
    for path, fields, refusal in ((SUBMIT, LIMIT, submitted), (OPEN, {}, asked)):
        body = json.dumps(fields).encode()
        status, answer = one.send("POST", path, body, one.headers(body) | wrong)
        assert (status, answer["code"]) == refusal
    assert one.ask(OPEN) == []


def test_the_signature_covers_the_bytes_not_the_meaning() -> None:
    one = client()
    body, same = b'{"symbol":"BTC_USDT"}', b'{"symbol": "BTC_USDT"}'

    status, answer = one.send("POST", OPEN, same, one.headers(body))

    assert (status, answer["code"]) == (401, 30005)


def test_a_keyed_call_looks_at_the_key_alone() -> None:
    one = client()
    status, _ = one.send("GET", "/spot/v1/wallet", headers={"X-BM-KEY": one.key, "X-BM-SIGN": "nonsense"})
    assert status == 200
    assert one.send("GET", "/spot/v1/wallet")[1]["code"] == 30001


AGES = [
    # how old the timestamp is   v2 submit  v4 query
    (0,                          True,      True),
    (5_000,                      True,      True),
    (5_001,                      True,      False),
    (60_000,                     True,      False),
    (60_001,                     False,     False),
    (-999,                       True,      True),
    (-1_000,                     True,      False),  # a fast clock
    (-60_001,                    False,     False),
]  # fmt: skip


@pytest.mark.parametrize(("age", "v2", "v4"), AGES)
def test_v2_takes_a_minute_and_v4_its_window_and_no_clock_a_second_fast(age: int, *, v2: bool, v4: bool) -> None:
    one = client()
    for path, fields, taken in ((SUBMIT, LIMIT, v2), (OPEN, {}, v4)):
        body = json.dumps(fields).encode()
        status, answer = one.send("POST", path, body, one.headers(body, NOW - age))
        assert (status, answer["code"]) == ((200, 1000) if taken else (401, 30007))


@pytest.mark.parametrize("window", [0, -1, 60_001, "5000", True, 1.5])
def test_a_receive_window_is_a_long_up_to_a_minute(window: object) -> None:
    assert client().refusal(OPEN, recvWindow=window) == (401, 30007)


def test_a_wider_receive_window_takes_an_older_request() -> None:
    one = client()
    body = b'{"recvWindow":60000}'
    assert one.send("POST", OPEN, body, one.headers(body, NOW - 60_000))[0] == 200


# ------------------------------------------------------------------------------------------------ envelopes, limits


@pytest.mark.parametrize("path", ["/nowhere", "/contract/private/order", "/spot/v2/submit_order/"])
def test_an_unknown_path_answers_as_the_gateway_does(path: str) -> None:
    status, answer = client().send("GET", path)
    assert (status, answer["code"], answer["msg"]) == (404, 30000, "Not found")
    assert next(iter(answer)) == "trace"


@pytest.mark.parametrize("body", [b"", b"no json", b"[1]", b'"text"', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    one = client()
    status, answer = one.send("POST", OPEN, body, one.headers(body))
    assert (status, answer["code"]) == (503, 30018)


def test_the_header_counts_up_and_one_more_than_the_limit_is_refused_then_blocked() -> None:
    one = client()
    seen = []
    for _ in range(11):
        served: Any = one.simulator.serve(Request("GET", "/system/time", {}, b""), NOW)
        seen.append((served.status, served.headers.get("X-BM-RateLimit-Remaining")))
    assert seen[:2] == [(200, "1"), (200, "2")]
    assert seen[9:] == [(200, "10"), (429, None)]

    codes = [one.send("GET", "/system/time")[1]["code"] for _ in range(20)]
    assert codes[0] == 30013
    assert codes[-1] == 30017
    one.now += 1_000
    assert one.send("GET", "/system/time")[0] == 418  # a new window, but blocked
    one.now += MINUTE
    assert one.send("GET", "/system/time")[0] == 200


def test_a_refused_call_beyond_the_limit_was_not_executed() -> None:
    one = client()
    answers = [one.post(SUBMIT, **LIMIT)[0] for _ in range(41)]
    assert answers == [200] * 40 + [429]
    assert len(one.ask(OPEN)) == 40


def test_the_cancel_all_of_an_account_is_rarer_than_anything_else() -> None:
    one = client()
    assert one.post("/spot/v4/cancel_all")[0] == 200
    assert one.refusal("/spot/v4/cancel_all") == (429, 30013)


# ------------------------------------------------------------------------------------------------ submits

REFUSED = [
    ({"symbol": "NO_PE"}, 50001),
    ({"side": "hold"}, 52002),
    ({"type": "fok"}, 52001),
    ({"size": None}, 50010),
    ({"price": None}, 50011),
    ({"size": "0.000001"}, 50021),
    ({"size": "NaN"}, 50021),
    ({"size": "-1"}, 50021),
    ({"size": "1e3"}, 50021),
    ({"size": "0"}, 50006),
    ({"size": 1}, 50000),
    ({"price": "0.001"}, 50008),
    ({"size": "0.00001"}, 51011),
    ({"size": "100"}, 50020),
    ({"client_order_id": "x" * 33}, 50037),
    ({"client_order_id": "a-b"}, 50038),
    ({"client_order_id": "é"}, 50038),
    ({"stpMode": "always"}, 50021),
    ({"type": "market"}, 50021),  # a market buy by size
    ({"type": "market", "size": None}, 50012),
    ({"type": "market", "notional": "4.99"}, 51012),
    ({"type": "market", "side": "sell", "size": "0"}, 51014),
]


@pytest.mark.parametrize(("change", "code"), REFUSED)
def test_a_bad_order_has_its_own_code_and_moves_nothing(change: dict[str, Any], code: int) -> None:
    one = client()
    before = one.get("/spot/v1/wallet")

    assert one.refusal(SUBMIT, **{**LIMIT, **change}) == (400, code)

    assert one.get("/spot/v1/wallet") == before


def test_a_missing_field_is_named() -> None:
    assert client().refusal(SUBMIT, symbol="BTC_USDT", side="buy") == (400, 50028)


def test_a_misspelt_field_is_silently_lost() -> None:
    one = client()
    order_id = one.submit(size="0.01", price="50000", clientOrderId="mine")
    assert one.ask(QUERY, orderId=order_id)["clientOrderId"] == order_id  # not "mine"
    assert one.refusal("/spot/v4/query/client-order", clientOrderId="mine") == (400, 50005)


def test_an_order_shows_as_it_was_sent_with_its_price_cut_to_the_grid() -> None:
    one = client()
    order_id = one.submit(size="0.01", price="50000.129", client_order_id="mine", stpMode="cancel_both")

    row = one.ask("/spot/v4/query/client-order", clientOrderId="mine")

    assert row == {
        "orderId": order_id, "clientOrderId": "mine", "symbol": "BTC_USDT", "side": "buy", "orderMode": "spot",
        "type": "limit", "state": "new", "cancelSource": "", "stpMode": "cancel_both", "price": "50000.12",
        "priceAvg": "0.00", "size": "0.01000", "filledSize": "0.00000", "notional": "500.00120000",
        "filledNotional": "0.00000000", "createTime": NOW, "updateTime": NOW,
    }  # fmt: skip
    assert one.ask(OPEN) == [row]


def test_the_same_client_id_is_refused_whatever_became_of_the_first() -> None:
    one = client()
    order_id = one.submit(size="0.01", price="50000", client_order_id="mine")
    assert one.refusal(SUBMIT, **LIMIT, client_order_id="mine") == (400, 50042)
    one.ask(CANCEL, symbol="BTC_USDT", order_id=order_id)
    assert one.refusal(SUBMIT, **LIMIT, client_order_id="mine") == (400, 50042)


def test_a_successful_market_buy_ends_partially_canceled_with_the_fee_in_quote() -> None:
    one = client()
    one.submit(side="sell", size="1", price="60000")
    order_id = one.submit(type="market", notional="1000")

    row = one.ask(QUERY, orderId=order_id)
    trades = one.ask("/spot/v4/query/order-trades", orderId=order_id)

    assert (row["state"], row["size"], row["notional"], row["filledSize"]) == (
        "partially_canceled", "0.00", "1000.00000000", "0.01666",
    )  # fmt: skip
    assert [(t["size"], t["notional"], t["fee"], t["feeCoinName"], t["tradeRole"]) for t in trades] == [
        ("0.01666", "999.6000000", "0.99960000", "USDT", "taker")
    ]


def test_a_crossing_limit_maker_is_acknowledged_and_then_canceled_by_the_system() -> None:
    one = client()
    one.submit(side="sell", size="1", price="60000")

    order_id = one.submit(type="limit_maker", size="1", price="60000")

    row = one.ask(QUERY, orderId=order_id)
    assert (row["state"], row["cancelSource"]) == ("canceled", "system")


def test_where_the_rules_say_so_it_is_refused_instead() -> None:
    one = Client(Simulator(traders=False, rules=Rules(refuse_crossing_maker=True)))
    one.submit(side="sell", size="1", price="60000")
    assert one.refusal(SUBMIT, **LIMIT | {"type": "limit_maker", "price": "60000"}) == (400, 50034)
    one.submit(side="buy", size="1", price="50000")
    sell = LIMIT | {"side": "sell", "type": "limit_maker", "price": "50000"}
    assert one.refusal(SUBMIT, **sell) == (400, 50035)


def test_a_closed_venue_refuses_orders_and_answers_queries() -> None:
    one = client(schedule=Schedule(no_trading_ms=0))
    assert one.refusal(SUBMIT, **LIMIT) == (400, 50023)
    assert one.ask(OPEN) == []


def test_a_batch_gives_the_ids_of_what_it_placed_and_keeps_silent_on_the_rest() -> None:
    one = client()
    good = {"side": "buy", "type": "limit", "size": "0.01", "price": "50000", "clientOrderId": "good"}

    data = one.ask("/spot/v4/batch_orders", symbol="BTC_USDT", orderParams=[good | {"size": "0"}, good])

    assert data["code"] == 0
    assert data["data"]["orderIds"] == [one.ask("/spot/v4/query/client-order", clientOrderId="good")["orderId"]]
    assert one.ask("/spot/v4/batch_orders", symbol="BTC_USDT", orderParams=[good])["code"] == 50042
    assert one.refusal("/spot/v4/batch_orders", symbol="BTC_USDT", orderParams=[]) == (400, 50033)
    assert one.refusal("/spot/v4/batch_orders", symbol="BTC_USDT", orderParams=[good] * 11) == (400, 50033)


# ------------------------------------------------------------------------------------------------ cancels


def test_the_many_shapes_of_a_cancel_that_comes_too_late() -> None:
    one = client()
    canceled = one.submit(size="0.01", price="50000")
    assert one.ask(CANCEL, symbol="BTC_USDT", order_id=canceled) == {"result": True}
    filled = one.submit(side="sell", size="0.01", price="60000")
    one.submit(size="0.01", price="60000")

    assert one.refusal(CANCEL, symbol="BTC_USDT", order_id=canceled) == (400, 50030)
    assert one.ask(CANCEL, symbol="BTC_USDT", order_id=filled) == {"result": False}
    assert one.refusal(CANCEL, symbol="BTC_USDT", order_id="404") == (400, 50005)
    assert one.refusal(CANCEL, symbol="ETH_USDT", order_id=filled) == (400, 50005)
    assert one.refusal(CANCEL, symbol="BTC_USDT") == (400, 50039)


def test_cancels_by_client_id_by_list_and_all_of_one_side() -> None:
    one = client()
    for name in ("a1", "a2", "a3", "a4"):
        one.submit(size="0.01", price="50000", client_order_id=name)
    sell = one.submit(side="sell", size="0.01", price="70000")

    assert one.ask(CANCEL, symbol="BTC_USDT", client_order_id="a1") == {"result": True}
    data = one.ask("/spot/v4/cancel_orders", symbol="BTC_USDT", clientOrderIds=["a1", "a2"])
    assert (data["successIds"], data["failIds"], data["totalCount"]) == (["a2"], ["a1"], 2)
    assert one.ask("/spot/v4/cancel_all", symbol="BTC_USDT", side="buy") == {}
    assert [row["orderId"] for row in one.ask(OPEN)] == [sell]


# ------------------------------------------------------------------------------------------------ what queries remember


def test_an_order_that_never_traded_is_forgotten_after_twenty_minutes_but_a_trade_never() -> None:
    one = client()
    unfilled = one.submit(size="0.01", price="50000", client_order_id="unfilled")
    partly = one.submit(side="sell", size="0.02", price="60000")
    one.submit(size="0.01", price="60000")
    for order_id in (unfilled, partly):
        one.ask(CANCEL, symbol="BTC_USDT", order_id=order_id)

    one.now += 20 * MINUTE
    assert one.ask(QUERY, orderId=unfilled)["state"] == "canceled"
    one.now += 1
    assert one.refusal(QUERY, orderId=unfilled) == (400, 50005)
    assert one.refusal("/spot/v4/query/client-order", clientOrderId="unfilled") == (400, 50005)
    assert one.ask(QUERY, orderId=partly)["state"] == "partially_canceled"
    assert unfilled not in [row["orderId"] for row in one.ask("/spot/v4/query/history-orders")]


def test_lists_show_seven_days_unless_asked_for_more() -> None:
    one = client()
    old = one.submit(size="0.01", price="50000")
    one.now += 7 * 24 * 60 * MINUTE + 1

    assert one.ask(OPEN) == []
    assert [row["orderId"] for row in one.ask(OPEN, startTime=NOW)] == [old]
    assert one.refusal(OPEN, startTime=one.now, endTime=NOW) == (400, 52004)
    assert one.refusal("/spot/v4/query/trades", startTime=0) == (400, 50041)
    assert one.ask(OPEN, startTime=0, orderMode="iso_margin") == []


def test_lists_hold_the_newest_two_hundred_rows() -> None:
    one = client(rate_limits=False)
    ids = [one.submit(size="0.01", price="50000") for _ in range(201)]

    rows = one.ask(OPEN)

    assert [row["orderId"] for row in rows] == ids[:0:-1]
    assert len(one.ask(OPEN, limit=7)) == 7
    assert one.refusal(OPEN, limit=201) == (400, 50021)


def test_trades_page_by_time() -> None:
    one = client(rate_limits=False)
    for at in range(3):
        one.now = NOW + at
        one.submit(side="sell", size="0.01", price="60000")
        one.submit(size="0.01", price="60000")

    middle = one.ask("/spot/v4/query/trades", startTime=NOW + 1, endTime=NOW + 1)

    assert [(row["createTime"], row["side"], row["tradeRole"]) for row in middle] == [
        (NOW + 1, "buy", "taker"),
        (NOW + 1, "sell", "maker"),
    ]
    assert one.ask("/spot/v4/query/trades", symbol="ETH_USDT") == []


def test_the_query_state_narrows_the_search() -> None:
    one = client()
    order_id = one.submit(size="0.01", price="50000")
    assert one.ask(QUERY, orderId=order_id, queryState="open")["state"] == "new"
    assert one.refusal(QUERY, orderId=order_id, queryState="history") == (400, 50005)
    assert one.refusal(QUERY, orderId=order_id, queryState="gone") == (400, 52003)


def test_a_new_order_stays_unseen_for_as_long_as_the_knob_says() -> None:
    one = client(visibility_ms=(300, 300))
    order_id = one.submit(size="0.01", price="50000")

    assert one.refusal(QUERY, orderId=order_id) == (400, 50005)
    assert one.ask(OPEN) == []
    one.step(300)
    assert one.ask(QUERY, orderId=order_id)["state"] == "new"


def test_nobody_sees_anothers_orders() -> None:
    one = client()
    order_id = one.submit(size="0.01", price="50000")
    other = Credentials(account="other", key="other", secret="s", memo="m")
    one.simulator.open_account(other, {})
    one.key, one.secret, one.memo = other.key, other.secret, other.memo

    assert one.refusal(QUERY, orderId=order_id) == (400, 50005)
    assert one.refusal(CANCEL, symbol="BTC_USDT", order_id=order_id) == (400, 50005)
    assert one.ask(OPEN) == []


# ------------------------------------------------------------------------------------------------ money, market data


def test_wallets_show_what_is_free_and_what_is_held() -> None:
    one = client()
    one.submit(size="0.01", price="50000")

    coins = {row["id"]: row for row in one.get("/spot/v1/wallet")["wallet"]}
    assert (coins["USDT"]["available"], coins["USDT"]["frozen"]) == ("999499.50000000", "500.50000000")
    assert coins["USDT"]["total"] == "1000000.00000000"
    (row,) = one.get("/account/v1/wallet?currency=USDT")["wallet"]
    assert (row["available"], row["frozen"]) == ("999499.50000000", "500.50000000")


def test_fees_are_told_per_symbol_and_per_account() -> None:
    one = client()
    fee = one.get("/spot/v1/trade_fee?symbol=BTC_USDT")
    assert (fee["buy_taker_fee_rate"], fee["sell_maker_fee_rate"]) == ("0.0010", "0.0008")
    assert one.get("/spot/v1/user_fee")["taker_fee_rate_A"] == "0.0010"


def test_the_catalogue_names_every_market_with_its_grid() -> None:
    one = client()
    details = {row["symbol"]: row for row in one.get("/spot/v1/symbols/details")["symbols"]}
    assert list(details) == one.get("/spot/v1/symbols")["symbols"] == ["BTC_USDT", "ETH_USDT", "BMX_USDT"]
    btc = details["BTC_USDT"]
    assert (btc["quote_increment"], btc["base_min_size"], btc["price_max_precision"], btc["min_buy_amount"]) == (
        "0.00001000", "0.00001000", 2, "5.00000000",
    )  # fmt: skip
    assert {row["id"] for row in one.get("/spot/v1/currencies")["currencies"]} == {"BTC", "ETH", "BMX", "USDT"}


def test_books_trades_tickers_and_candles_show_what_was_traded() -> None:
    one = client()
    one.submit(side="sell", size="0.02", price="60000")
    one.submit(side="sell", size="0.03", price="60001")
    one.submit(size="0.01", price="60000")
    one.submit(size="0.04", price="59999")

    books = one.get("/spot/quotation/v3/books?symbol=BTC_USDT")
    assert (books["asks"], books["bids"]) == ([["60000.00", "0.01"], ["60001.00", "0.03"]], [["59999.00", "0.04"]])
    assert one.get("/spot/quotation/v3/trades?symbol=BTC_USDT") == [["BTC_USDT", str(NOW), "60000.00", "0.01", "buy"]]
    ticker = one.get("/spot/quotation/v3/ticker?symbol=BTC_USDT")
    assert (ticker["last"], ticker["bid_px"], ticker["ask_sz"]) == ("60000.00", "59999.00", "0.01")
    assert one.get("/spot/quotation/v3/tickers") == [list(ticker.values())]
    minute = str(NOW // 60_000 * 60)
    assert one.get("/spot/quotation/v3/klines?symbol=BTC_USDT&step=1") == [
        [minute, "60000.00", "60000.00", "60000.00", "60000.00", "0.01", "600.0000"]
    ]


def test_candles_gather_minutes_newest_first_within_their_bounds() -> None:
    one = client(rate_limits=False)
    for minute, price in ((0, "60000"), (1, "60100"), (4, "59900"), (5, "60050")):
        one.now = NOW + minute * MINUTE
        one.submit(side="sell", size="0.01", price=price)
        one.submit(size="0.01", price=price)

    start = NOW // 1000
    rows = one.get("/spot/quotation/v3/lite-klines?symbol=BTC_USDT&step=5")
    assert [(int(row[0]) - start, *row[1:6]) for row in rows] == [
        (300, "60050.00", "60050.00", "60050.00", "60050.00", "0.01"),
        (0, "60000.00", "60100.00", "59900.00", "59900.00", "0.03"),
    ]
    inside = one.get(f"/spot/quotation/v3/klines?symbol=BTC_USDT&after={start + 60}&before={start + 240}")
    assert [int(row[0]) - start for row in inside] == [240, 60]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("ticker?symbol=NO_PE", 70002),
        ("ticker", 70001),
        ("ticker?symbol=BTC_USDT", 70000),
        ("klines?symbol=BTC_USDT", 70000),
        ("klines?symbol=BTC_USDT&step=7", 71005),
        ("klines?symbol=BTC_USDT&after=x", 71001),
        ("klines?symbol=BTC_USDT&before=x", 71002),
        ("klines?symbol=BTC_USDT&after=2&before=1", 71003),
        ("books?symbol=BTC_USDT&limit=x", 70001),
        ("books?symbol=BTC_USDT&limit=" + "9" * 5_000, 70001),
    ],
)
def test_market_data_errors_come_with_status_200(target: str, code: int) -> None:
    status, answer = client().send("GET", f"/spot/quotation/v3/{target}")
    assert (status, answer["code"]) == (200, code)


def test_the_system_tells_its_time_and_its_past_maintenance() -> None:
    one = client()
    assert one.get("/system/time") == {"server_time": NOW}
    (window,) = one.get("/system/service")["service"]
    assert window["status"] == "2"
    assert window["end_time"] < NOW
