"""BitMart's spot streams: the dialect, the limits, and what is pushed to whom."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from adapters.simulator.simulator import Simulator
from tests.adapters.simulator.floor import MARKET, Client, Reader, readable

ORDERS = "spot/user/orders:ALL_SYMBOLS"
ORDER = "spot/user/order:BTC_USDT"
BALANCE = "spot/user/balance:BALANCE_UPDATE"


def client(*, traders: bool = False) -> Client:
    return Client(Simulator(traders=traders))


def private(one: Client, *topics: str) -> Reader:
    reader = one.connect(private=True)
    assert reader.login() == [{"event": "login"}]
    for topic in topics:
        assert reader.subscribe(topic) == [{"event": "subscribe", "topic": topic}]
    return reader


def codes(frames: list[Any]) -> list[str]:
    return [frame["errorCode"] for frame in frames]


# ------------------------------------------------------------------------------------------------ the dialect


def test_a_text_ping_is_answered_by_a_text_pong() -> None:
    assert client().connect().say("ping") == ["pong"]


BAD_FRAMES = [
    ("no json", "90001"),
    ('{"ping":1}', "90001"),
    ('{"op":"dance","args":[]}', "90002"),
    ('{"op":"subscribe"}', "90003"),
    ('{"op":"subscribe","args":["spot/nothing:BTC_USDT"]}', "90004"),
    ('{"op":"subscribe","args":["spot/user/order:BTC_USDT"]}', "90004"),  # private, on a public connection
    ('{"op":"subscribe","args":["spot/ticker:NO_PE"]}', "92001"),
    ('{"op":"unsubscribe","args":["spot/ticker:BTC_USDT"]}', "90009"),
    ('{"op":"request","args":["spot/ticker:BTC_USDT"]}', "90004"),
    ('{"op":"subscribe","args":[' + ",".join(['"spot/ticker:BTC_USDT"'] * 21) + "]}", "90005"),
]


@pytest.mark.parametrize(("frame", "code"), BAD_FRAMES)
def test_a_bad_frame_is_told_its_code_and_the_connection_lives(frame: str, code: str) -> None:
    reader = client().connect()
    assert codes(reader.say(frame)) == [code]
    assert not reader.connection.closed


def test_a_second_subscription_is_named_a_duplicate_and_the_first_goes_on() -> None:
    one = client()
    reader = one.connect()
    reader.subscribe("spot/trade:BTC_USDT")
    assert codes(reader.subscribe("spot/trade:BTC_USDT")) == ["90008"]

    one.submit(side="sell", size="0.01", price="60000")
    one.submit(size="0.01", price="60000")

    assert [frame["table"] for frame in reader.heard()] == ["spot/trade"]


def test_a_frame_that_is_too_long_ends_the_connection() -> None:
    reader = client().connect()
    assert codes(reader.say("x" * 4_097)) == ["90001"]
    assert reader.connection.closed


def test_a_hundred_and_first_message_in_ten_seconds_ends_the_connection() -> None:
    reader = client().connect()
    for _ in range(100):
        assert reader.say("ping") == ["pong"]
    assert codes(reader.say("ping")) == ["90007"]
    assert reader.connection.closed


def test_silence_for_twenty_seconds_ends_the_connection_and_a_ping_keeps_it() -> None:
    one = client()
    silent, pinging = one.connect(), one.connect()
    for reader in (silent, pinging):
        reader.subscribe("spot/trade:BTC_USDT")
    one.step(15_000)
    pinging.say("ping")
    one.step(5_001)
    assert (silent.connection.closed, pinging.connection.closed) == (True, False)


def test_a_connection_without_a_subscription_is_closed_after_five_minutes() -> None:
    one = client()
    reader = one.connect()
    for _ in range(30):
        one.step(10_000)
        reader.say("ping")
    assert not reader.connection.closed
    one.step(1)
    assert reader.connection.closed


def test_an_address_has_ten_private_connections_and_twenty_public_ones() -> None:
    one = client()
    for private, most in ((True, 10), (False, 20)):
        readers = [one.connect(private=private) for _ in range(most + 1)]
        assert [reader.connection.closed for reader in readers] == [False] * most + [True]
        assert codes(readers[-1].heard()) == ["94002"]


@pytest.mark.parametrize("private", [False, True])
def test_an_address_opens_thirty_connections_of_a_kind_a_minute(*, private: bool) -> None:
    one = client()

    def opened(*, private: bool) -> list[str]:
        reader = one.connect(private=private)
        said = codes(reader.heard())
        reader.connection.close()
        return said

    assert [opened(private=private) for _ in range(31)] == [[]] * 30 + [["94001"]]
    assert opened(private=not private) == []  # the other kind is counted apart
    one.step(60_000)
    assert opened(private=private) == []


def test_a_connection_takes_so_many_topics_and_no_more() -> None:
    markets = tuple(structs.replace(MARKET, symbol=f"C{number}_USDT", base=f"C{number}") for number in range(116))
    one = Client(Simulator(traders=False, markets=markets))
    reader = one.connect()
    topics = [f"spot/trade:{market.symbol}" for market in markets]
    for start in range(0, 115, 5):
        assert len(reader.subscribe(*topics[start : start + 5])) == 5
    assert codes(reader.subscribe(topics[115])) == ["90006"]
    assert not reader.connection.closed


# ------------------------------------------------------------------------------------------------ login

LOGINS = [
    ("key", "", "91001"),
    ("key", "nobody", "91002"),
    ("timestamp", "", "91021"),
    ("timestamp", "soon", "91023"),
    ("timestamp", "1000", "91022"),
    ("sign", "", "91010"),
    ("sign", "0" * 64, "91011"),
]


@pytest.mark.parametrize(("what", "value", "code"), LOGINS)
def test_a_login_that_proves_nothing_ends_the_connection(what: str, value: str, code: str) -> None:
    one = client()
    reader = one.connect(private=True)
    right = {"key": one.key, "timestamp": str(one.now), "sign": one.sign(one.now, b"bitmart.WebSocket")}
    frames = reader.say({"op": "login", "args": list((right | {what: value}).values())})
    assert codes(frames) == [code]
    assert reader.connection.closed


def test_private_topics_need_a_login_and_a_second_login_is_harmless() -> None:
    one = client()
    reader = one.connect(private=True)
    assert codes(reader.subscribe(ORDERS)) == ["91006"]
    assert reader.login() == [{"event": "login"}]
    assert codes(reader.login()) == ["91005"]
    assert reader.subscribe(ORDERS) == [{"event": "subscribe", "topic": ORDERS}]


# ------------------------------------------------------------------------------------------------ private pushes


def test_data_comes_as_raw_deflate_and_acknowledgements_as_text() -> None:
    one = client()
    reader = private(one, ORDERS)
    one.submit(size="0.01", price="50000")

    (frame,) = reader.connection.take()

    assert isinstance(frame, bytes)
    assert readable(frame)["table"] == "spot/user/orders"


def test_an_order_is_pushed_when_accepted_filled_and_canceled() -> None:
    one = client()
    reader = private(one, ORDER)
    order_id = one.submit(side="sell", size="0.02", price="60000", client_order_id="mine")
    one.submit(size="0.01", price="60000")
    one.ask("/spot/v3/cancel_order", symbol="BTC_USDT", order_id=order_id)

    pushed = [row for frame in reader.heard() for row in frame["data"] if row["order_id"] == order_id]

    story = [
        (row["order_state"], row["state"], Decimal(row["filled_size"]), Decimal(row["last_fill_count"]))
        for row in pushed
    ]
    assert story == [
        ("new", "4", Decimal(0), Decimal(0)),
        ("partially_filled", "5", Decimal("0.01"), Decimal("0.01")),
        ("partially_canceled", "12", Decimal("0.01"), Decimal(0)),
    ]
    fill = pushed[1]
    (trade,) = one.ask("/spot/v4/query/order-trades", orderId=order_id)
    assert (fill["detail_id"], fill["exec_type"], fill["dealFee"]) == (trade["tradeId"], "M", "0.4800000000")
    assert (fill["client_order_id"], fill["filled_notional"]) == ("mine", "600." + "0" * 30)
    assert all(isinstance(value, str) for value in fill.values())


def test_what_one_request_causes_comes_in_one_frame() -> None:
    one = client()
    reader = private(one, ORDERS)
    one.submit(side="sell", size="0.01", price="60000")
    reader.heard()
    one.submit(size="0.02", price="60000", type="ioc")

    (frame,) = reader.heard()

    assert [(row["side"], row["order_state"]) for row in frame["data"]] == [
        ("buy", "new"),
        ("sell", "filled"),
        ("buy", "partially_filled"),
        ("buy", "partially_canceled"),
    ]
    assert {row["entrust_type"] for row in frame["data"] if row["side"] == "buy"} == {"IOC"}


def test_balances_are_pushed_as_they_are_after_the_change() -> None:
    one = client()
    reader = private(one, BALANCE)
    one.submit(size="0.01", price="50000")

    ((element,),) = [frame["data"] for frame in reader.heard()]

    assert element["event_type"] == "TRANSACTION_COMPLETED"
    assert element["balance_details"] == [{"ccy": "USDT", "av_bal": "999499.5000000000", "fz_bal": "500.5000000000"}]


def test_nothing_is_told_to_another_account_nor_before_subscribing_nor_after() -> None:
    one = client()
    one.submit(size="0.01", price="50000")
    reader = private(one, ORDERS)
    assert reader.heard() == []  # no snapshot
    reader.say({"op": "unsubscribe", "args": [ORDERS]})
    one.submit(size="0.01", price="50000")
    assert reader.heard() == []


# ------------------------------------------------------------------------------------------------ public pushes


def test_the_current_state_comes_at_once_and_a_change_half_a_second_later() -> None:
    one = client()
    one.submit(side="sell", size="0.01", price="60000")
    reader = one.connect()
    _, first = reader.subscribe("spot/depth5:BTC_USDT")
    assert (first["table"], first["data"][0]["asks"], first["data"][0]["bids"]) == (
        "spot/depth5", [["60000.00", "0.01"]], [],
    )  # fmt: skip
    one.submit(size="0.02", price="59000")
    one.step(100)
    assert reader.heard() == []
    one.step(400)
    (frame,) = reader.heard()
    assert frame["data"][0]["bids"] == [["59000.00", "0.02"]]
    one.step(500)
    assert reader.heard() == []  # nothing changed


def test_an_incremental_book_rebuilds_the_venues() -> None:
    one = client(traders=True)
    one.step()
    reader = one.connect()
    _, snapshot = reader.subscribe("spot/depth/increase100:BTC_USDT")
    (state,) = snapshot["data"]
    assert state["type"] == "snapshot"
    version, asks, bids = state["version"], dict(state["asks"]), dict(state["bids"])
    applied = 0

    for _ in range(100):
        one.step()
        for frame in reader.heard():
            (update,) = frame["data"]
            assert update["type"] == "update"
            if update["version"] == version:
                assert update["asks"] == update["bids"] == []
                continue
            assert update["version"] == version + 1
            version, applied = update["version"], applied + 1
            for side, changes in ((asks, update["asks"]), (bids, update["bids"])):
                for price, size in changes:
                    if Decimal(size):
                        side[price] = size
                    else:
                        del side[price]
    one.step(100)
    for frame in reader.heard():
        for side, changes in ((asks, frame["data"][0]["asks"]), (bids, frame["data"][0]["bids"])):
            for price, size in changes:
                side[price] = size
                if not Decimal(size):
                    del side[price]

    assert applied > 5
    book = one.simulator.exchange.book("BTC_USDT")
    assert {Decimal(p): Decimal(s) for p, s in asks.items()} == dict(book.asks.depth(100))
    assert {Decimal(p): Decimal(s) for p, s in bids.items()} == dict(book.bids.depth(100))
    again = reader.say({"op": "request", "args": ["spot/depth/increase100:BTC_USDT"]})
    assert (again[0]["data"][0]["type"], again[0]["data"][0]["version"]) == ("snapshot", version + 1)


def test_a_quiet_book_repeats_its_version_once_a_second() -> None:
    one = client()
    one.submit(size="0.01", price="50000")
    reader = one.connect()
    _, snapshot = reader.subscribe("spot/depth/increase100:BTC_USDT")
    one.step(1_000)
    (frame,) = reader.heard()
    (beat,) = frame["data"]
    assert (beat["version"], beat["asks"], beat["bids"]) == (snapshot["data"][0]["version"], [], [])


def test_tickers_trades_and_candles_follow_the_market() -> None:
    one = client()
    reader = one.connect()
    reader.subscribe("spot/ticker:BTC_USDT", "spot/trade:BTC_USDT", "spot/kline5m:BTC_USDT")
    one.submit(side="sell", size="0.03", price="60000")
    one.submit(size="0.01", price="60000")
    one.step(500)

    frames = {frame["table"]: frame["data"][0] for frame in reader.heard()}

    assert frames["spot/ticker"]["last_price"] == "60000.00"
    assert frames["spot/ticker"]["ask_sz"] == "0.02"
    assert (frames["spot/trade"]["side"], frames["spot/trade"]["size"]) == ("buy", "0.01")
    assert frames["spot/kline5m"]["candle"][1:] == ["60000.00", "60000.00", "60000.00", "60000.00", "0.01"]


def test_pushes_that_are_gathered_share_one_frame_a_topic_in_the_order_of_what_happened() -> None:
    one = client()
    one.simulator.settings.gather_ms = (200, 200)
    reader = private(one, ORDERS, BALANCE)
    first = one.submit(size="0.01", price="50000")
    second = one.submit(size="0.01", price="50001")
    one.ask("/spot/v3/cancel_order", symbol="BTC_USDT", order_id=first)
    one.step(199)
    assert reader.heard() == []
    one.step(1)
    orders, balances = reader.heard()
    assert [(row["order_id"], row["order_state"]) for row in orders["data"]] == [
        (first, "new"),
        (second, "new"),
        (first, "canceled"),
    ]
    assert len(balances["data"]) == 3
    one.submit(size="0.01", price="50002")
    one.step(-60_000)  # the venue's clock is put back: nothing waits for it
    assert [len(frame["data"]) for frame in reader.heard()] == [1, 1]
