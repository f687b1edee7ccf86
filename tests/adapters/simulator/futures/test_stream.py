"""BitMart's futures streams: the dialect, the limits, and what is pushed to whom."""

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from adapters.simulator.exchange.futures.contracts import CONTRACTS
from adapters.simulator.simulator import Simulator
from tests.adapters.simulator.floor import NOW
from tests.adapters.simulator.futures.trader import (
    BTC,
    CANCEL,
    CLOSE_LONG,
    OPEN_LONG,
    OPEN_SHORT,
    Listener,
    Trader,
    another,
    trader,
)

ORDER, POSITION, ASSET = "futures/order", "futures/position", "futures/asset:USDT"
NONE = "-"


def elements(listener: Listener) -> list[dict[str, Any]]:
    """The order pushes since the last look, one after the other."""
    return [element for data in listener.data(ORDER) for element in data]


# ------------------------------------------------------------------------------------------------ the dialect


def test_a_json_ping_is_answered_and_a_text_ping_is_told_what_is_wrong_with_it() -> None:
    viewer = trader().viewer()
    (first,), (second,) = viewer.say({"action": "ping"}), viewer.say({"action": "ping"})
    assert first["group"] == "System"
    assert first["data"].startswith("pong+")
    assert first != second
    assert viewer.say("ping") == [{"success": False, "error": "Invalid message: message must be JSON: ping"}]
    assert not viewer.connection.closed


def test_each_topic_is_acknowledged_with_the_whole_request_and_a_second_time_likewise() -> None:
    viewer = trader().viewer()
    topics = ["futures/trade:BTCUSDT", "futures/trade:ETHUSDT"]
    request = {"action": "subscribe", "args": topics}
    acks = [{"action": "subscribe", "group": topic, "success": True, "request": request} for topic in topics]
    assert viewer.subscribe(*topics) == acks
    assert viewer.subscribe(*topics) == acks
    (gone,) = viewer.say({"action": "unsubscribe", "args": topics[:1]})
    assert (gone["action"], gone["group"], gone["success"]) == ("unsubscribe", topics[0], True)


BAD_TOPICS = [
    "futures/depth20:NOPEUSDT",
    "futures/depth7:BTCUSDT",
    "futures/depth20:BTCUSDT@50ms",
    "futures/klineBin3m:BTCUSDT",
    "futures/trade",
    "spot/ticker:BTC_USDT",
    "futures/ticker:btcusdt",
]


@pytest.mark.parametrize("topic", BAD_TOPICS)
def test_a_topic_that_is_not_there_is_refused_and_the_connection_lives(topic: str) -> None:
    viewer = trader().viewer()
    request = {"action": "subscribe", "args": [topic]}
    error = f"Invalid channel: not found {topic}"
    assert viewer.subscribe(topic) == [
        {"action": "subscribe", "group": topic, "success": False, "error": error, "request": request}
    ]
    assert not viewer.connection.closed


@pytest.mark.parametrize("frame", [{"action": "dance", "args": []}, {"action": "subscribe"}, {"op": "subscribe"}])
def test_an_action_that_is_none_is_refused(frame: dict[str, Any]) -> None:
    (answer,) = trader().viewer().say(frame)
    assert (answer["success"], answer["error"].startswith("Invalid action [")) == (False, True)


def test_only_two_channels_answer_a_request() -> None:
    viewer = trader().viewer()
    for topic in ("futures/depthIncrease50:BTCUSDT@100ms", "futures/fundingRate:BTCUSDT"):
        (frame,) = viewer.say({"action": "request", "args": [topic]})
        assert (frame["group"], frame["data"]["symbol"]) == (topic, BTC)
    (refusal,) = viewer.say({"action": "request", "args": ["futures/ticker:BTCUSDT"]})
    assert refusal["error"] == "Invalid action [request] for group [futures/ticker:BTCUSDT]"


def test_a_frame_of_two_kilobytes_passes_and_a_longer_one_ends_the_connection() -> None:
    viewer = trader().viewer()
    longest = json.dumps({"action": "ping", "pad": "x" * 5_000})
    assert viewer.say(longest[:40] + "x" * 1_980)[0]["success"] is False
    assert not viewer.connection.closed
    viewer.say(longest)
    assert (viewer.connection.closed, viewer.connection.stream.close_code) == (True, 1009)


def test_what_is_private_needs_a_login_and_says_so_in_the_venues_spelling() -> None:
    one = trader()
    listener = Listener(one, one.connect(private=True).connection)
    (answer,) = listener.subscribe(ORDER)
    assert answer == {
        "action": "subscribe",
        "group": ORDER,
        "success": False,
        "error": "futures/order need authenication",
    }


@pytest.mark.parametrize("wrong", [{0: "nobody"}, {1: "soon"}, {2: "0" * 64}, {3: "web", 2: ""}])
def test_a_login_that_proves_nothing_is_refused_and_the_connection_is_closed(wrong: dict[int, str]) -> None:
    one = trader()
    listener = Listener(one, one.connect(private=True).connection)
    args = [one.key, str(NOW), one.sign(NOW, b"bitmart.WebSocket"), "web"]
    for place, value in wrong.items():
        args[place] = value
    (answer,) = listener.say({"action": "access", "args": args})
    assert (answer["action"], answer["success"]) == ("access", False)
    assert answer["error"].startswith("access failed: openapi auth: apiKey ")
    assert one.key not in answer["error"]
    assert listener.connection.closed


@pytest.mark.parametrize(("age", "taken"), [(60_000, True), (60_001, False), (-60_001, False)])
def test_a_login_is_good_for_a_minute(age: int, *, taken: bool) -> None:
    one = trader()
    listener = Listener(one, one.connect(private=True).connection)
    at = NOW - age
    (answer,) = listener.say(
        {"action": "access", "args": [one.key, str(at), one.sign(at, b"bitmart.WebSocket"), "web"]}
    )
    assert answer["success"] is taken


def test_a_public_connection_takes_no_login_and_a_private_one_no_market_data() -> None:
    one = trader()
    public = Listener(one, one.connect().connection)
    assert public.login()[0]["success"] is False
    assert one.reader().subscribe("futures/ticker:BTCUSDT")[0]["success"] is False


def test_documented_idle_rules_hold_where_they_are_asked_for_and_not_where_they_were_measured() -> None:
    for strict in (True, False):
        one = trader(strict_streams=strict)
        purposeless, silent, pinging = one.viewer(), one.viewer(), one.viewer()
        silent.subscribe("futures/trade:BTCUSDT")
        pinging.subscribe("futures/trade:BTCUSDT")
        one.step(5_001)
        assert purposeless.connection.closed is strict
        one.step(10_000)
        pinging.say({"action": "ping"})
        one.step(10_000)
        assert (silent.connection.closed, pinging.connection.closed) == (strict, False)


def test_an_address_may_open_as_many_streams_as_it_likes_up_to_five_hundred() -> None:
    one = trader()
    viewers = [one.viewer() for _ in range(501)]
    assert [viewer.connection.closed for viewer in viewers] == [False] * 500 + [True]
    assert viewers[-1].heard()[0]["success"] is False


# ------------------------------------------------------------------------------------------------ private channels


def test_a_market_order_is_pushed_as_captured_and_then_as_matched() -> None:
    one = trader()
    two = another(one)
    two.order(side=OPEN_SHORT, size=1, price="60000")
    stream = one.reader(ORDER)
    order_id = one.market(OPEN_LONG, 1)

    submitted, matched = elements(stream)

    first = submitted["order"]
    assert (submitted["action"], first["state"], first["last_trade"]) == (2, 1, None)
    assert Decimal(first["price"]) > 60_000  # the worst it takes
    assert first["update_time"] < first["create_time"], "as captured"
    last = matched["order"]
    assert (matched["action"], last["state"], last["deal_size"], last["deal_avg_price"]) == (1, 4, "1", "60000")
    trade = last["last_trade"]
    assert (type(trade["lastTradeID"]), trade["fillQty"], trade["fillPrice"]) == (int, "1", "60000")
    assert (trade["fee"], trade["feeCcy"]) == ("-0.036", "USDT")  # negative is paid
    assert str(trade["lastTradeID"]) == one.trades()[0]["trade_id"]
    assert one.trades()[0]["paid_fees"] == "0.036"
    assert {first["order_id"], last["order_id"]} == {order_id}
    placeholders = ("trigger_price", "execution_price", "activation_price", "callback_rate")
    assert {last[name] for name in placeholders} == {NONE}
    assert (last["position_mode"], last["plan_order_id"], last["client_order_id"]) == ("hedge_mode", "", "")


def test_an_order_rests_is_amended_partly_matched_and_canceled() -> None:
    one = trader()
    two = another(one)
    stream = one.reader(ORDER)
    order_id = one.order(price="60000", client_order_id="mine")
    two.order(side=OPEN_SHORT, size=4, price="60000")
    one.ask(CANCEL, symbol=BTC, order_id=order_id)
    one.step(50)
    told = [(one_["action"], one_["order"]["state"], one_["order"]["deal_size"]) for one_ in elements(stream)]
    assert told[0] == (2, 1, "0")
    assert told[-2:] == [(1, 2, "4"), (3, 4, "4")]


def test_fills_that_come_at_once_may_be_pushed_as_one_and_the_trades_tell_them_all() -> None:
    one = trader(coalesce_fills=True)
    two = another(one)
    for price in ("60000", "60001", "60002"):
        two.order(side=OPEN_SHORT, size=1, price=price)
    stream = one.reader(ORDER)
    one.order(side=OPEN_LONG, size=3, price="60002")
    (matched,) = [element["order"] for element in elements(stream) if element["action"] == 1]
    assert (matched["deal_size"], matched["deal_avg_price"]) == ("3", "60001")
    assert (matched["last_trade"]["fillQty"], matched["last_trade"]["fillPrice"]) == ("1", "60002")
    assert len(one.trades()) == 3


def test_pushes_that_are_gathered_share_one_frame_and_an_asset_has_one_of_its_own() -> None:
    one = trader(gather_ms=(200, 200))
    stream = one.reader(ORDER, "futures/asset:USDT")
    for price in ("50000", "50001", "50002"):
        one.order(price=price)
    assert stream.heard() == []
    one.step(200)
    orders, *assets = stream.heard()
    told = [element["order"] for element in orders["data"]]
    assert [order["price"] for order in told if order["state"] == 2] == ["50000", "50001", "50002"]
    assert [frame["group"] for frame in assets] == ["futures/asset:USDT"] * 3


def test_one_spoiled_element_of_a_push_leaves_the_others_whole() -> None:
    one = trader(gather_ms=(200, 200))
    stream = one.reader(ORDER, "futures/asset:USDT")
    for price in ("50000", "50001"):
        one.order(price=price)
    one.simulator.set_faults(seed=1, rates={"element_spoiled": 1.0})
    one.step(200)
    orders, *assets = stream.heard()
    assert set(orders["data"][0]["order"]) == {"lost"}
    assert [element["order"]["price"] for element in orders["data"][1:]] == ["50000", "50001", "50001"]
    assert set(assets[0]["data"]["currency"]) == {"lost"}


def test_several_orders_share_one_push() -> None:
    one = trader()
    stream = one.reader(ORDER)
    for price in ("50000", "50001", "50002"):
        one.order(price=price)
    stream.heard()
    one.ask("/contract/private/cancel-orders", symbol=BTC)
    one.step(50)
    (data,) = stream.data(ORDER)
    assert [element["action"] for element in data] == [3, 3, 3]


def test_positions_and_assets_tell_absolute_figures() -> None:
    one = trader()
    two = another(one)
    two.order(side=OPEN_SHORT, size=10, price="60000")
    stream = one.reader(POSITION, ASSET)
    one.order(side=OPEN_LONG, size=10, price="60000", leverage="20", open_type="isolated")
    frames = stream.heard()
    (position,) = [row for frame in frames if frame["group"] == POSITION for row in frame["data"]]
    assert (position["hold_volume"], position["position_type"], position["open_type"]) == ("10", 1, 1)
    assert (position["hold_avg_price"], position["frozen_volume"]) == ("60000", "0")
    assert Decimal(position["liquidate_price"]) > 0
    asset = [frame["data"] for frame in frames if frame["group"] == ASSET][-1]
    now = one.asset()
    assert {name: Decimal(asset[name]) for name in ("available_balance", "position_deposit", "frozen_balance")} == {
        name: now[name] for name in ("available_balance", "position_deposit", "frozen_balance")
    }
    assert set(asset) == {"currency", "available_balance", "position_deposit", "frozen_balance"}

    one.order(side=CLOSE_LONG, size=4, price="61000")
    (promised,) = [row for data in stream.data(POSITION) for row in data]
    assert promised["frozen_volume"] == "4"


def test_positions_are_repeated_every_ten_seconds_and_go_out_with_zero() -> None:
    one = trader()
    two = another(one)
    two.order(side=OPEN_SHORT, size=10, price="60000")
    stream = one.reader(POSITION)
    one.order(side=OPEN_LONG, size=10, price="60000")
    stream.heard()
    one.step(9_000)
    assert stream.data(POSITION) == []
    one.step(1_000)
    (again,) = stream.data(POSITION)
    assert [row["hold_volume"] for row in again] == ["10"]
    two.order(side=OPEN_LONG, size=10, price="59000")
    one.order(side=CLOSE_LONG, size=10, price="59000")
    assert [row["hold_volume"] for data in stream.data(POSITION) for row in data][-1] == "0"


def test_nobody_hears_of_anothers_orders() -> None:
    one = trader()
    two = another(one)
    mine, theirs = one.reader(ORDER), two.reader(ORDER)
    one.order()
    assert [(one_["action"], one_["order"]["state"]) for one_ in elements(mine)] == [(2, 1), (2, 2)]
    assert elements(theirs) == []


def test_a_subscription_brings_no_snapshot() -> None:
    one = trader()
    one.order()
    assert one.reader(ORDER, POSITION, ASSET).heard() == []


# ------------------------------------------------------------------------------------------------ public channels


def test_trades_come_newest_first_with_the_side_that_was_there_before() -> None:
    one = trader()
    two = another(one)
    viewer = one.viewer()
    viewer.subscribe("futures/trade:BTCUSDT")
    two.order(side=OPEN_SHORT, size=1, price="60000")
    two.order(side=OPEN_SHORT, size=2, price="60001")
    one.order(side=OPEN_LONG, size=3, price="60001")
    (data,) = viewer.data("futures/trade:BTCUSDT")
    assert [(row["deal_price"], row["deal_vol"], row["m"]) for row in data] == [
        ("60001", "2", False),
        ("60000", "1", False),
    ]
    assert (type(data[0]["trade_id"]), data[0]["created_at"]) == (int, "2026-11-23T00:00:00.000000000Z")


def test_a_book_is_told_by_one_snapshot_and_gapless_updates_also_when_nothing_changes() -> None:
    one = trader()
    viewer = one.viewer()
    topic = "futures/depthIncrease20:BTCUSDT@100ms"
    one.order(price="50000")
    _, snapshot = viewer.subscribe(topic)
    assert (snapshot["data"]["type"], snapshot["data"]["bids"]) == ("snapshot", [{"price": "50000", "vol": "10"}])
    order_id = one.order(price="50001", size=3)
    updates = []
    for _ in range(4):
        one.step(100)
        updates += viewer.data(topic)
    one.ask(CANCEL, symbol=BTC, order_id=order_id)
    one.step(100)
    updates += viewer.data(topic)
    versions = [snapshot["data"]["version"], *(update["version"] for update in updates)]
    assert all(later - before == 1 for before, later in pairwise(versions))
    assert [update["bids"] for update in updates] == [
        [{"price": "50001", "vol": "3"}],
        [],
        [],
        [],
        [{"price": "50001", "vol": "0"}],
    ]
    assert {update["type"] for update in updates} == {"update"}


def test_a_book_may_be_slowed_down_to_the_second_as_it_was_measured() -> None:
    one = trader(book_interval_ms=1_000)
    viewer = one.viewer()
    topic = "futures/depthAll5:BTCUSDT@100ms"
    viewer.subscribe(topic)
    one.order()
    one.step(900)
    assert viewer.data(topic) == []
    one.step(100)
    (full,) = viewer.data(topic)
    assert (full["bids"], full["asks"]) == ([{"price": "50000", "vol": "10"}], [])


def test_depth_tells_one_side_per_frame() -> None:
    one = trader()
    viewer = one.viewer()
    _, bids, asks = viewer.subscribe("futures/depth5:BTCUSDT")
    assert (bids["data"]["way"], asks["data"]["way"]) == (1, 2)
    one.order()
    one.step(200)
    (changed,) = viewer.data("futures/depth5:BTCUSDT")
    assert (changed["way"], changed["depths"]) == (1, [{"price": "50000", "vol": "10"}])


def test_the_old_v2_topics_are_acknowledged_and_stay_empty() -> None:
    one = trader()
    viewer = one.viewer()
    assert len(viewer.subscribe("futures/v2/depthAll20:BTCUSDT")) == 1
    one.order()
    one.step(1_000)
    assert viewer.heard() == []


def test_ticker_bookticker_candles_and_funding() -> None:
    one = trader()
    two = another(one)
    viewer = one.viewer()
    topics = (
        "futures/ticker:BTCUSDT", "futures/bookticker:BTCUSDT", "futures/klineBin1H:BTCUSDT",
        "futures/markPriceKlineBin1m:BTCUSDT", "futures/fundingRate:BTCUSDT",
    )  # fmt: skip
    viewer.subscribe(*topics)
    two.order(side=OPEN_SHORT, size=5, price="60000")
    one.order(side=OPEN_LONG, size=2, price="60000")
    one.step(1_000)
    one.step(1_000)
    heard = {frame["group"]: frame["data"] for frame in viewer.heard()}
    ticker = heard["futures/ticker:BTCUSDT"]
    assert (ticker["last_price"], ticker["volume_24"], ticker["ask_vol"]) == ("60000", "2", "3")
    assert heard["futures/bookticker:BTCUSDT"]["best_ask_price"] == "60000"
    kline = heard["futures/klineBin1H:BTCUSDT"]["items"][0]
    assert (kline["o"], kline["v"], kline["ts"] % 60) == ("60000", "2", 1)
    assert Decimal(heard["futures/markPriceKlineBin1m:BTCUSDT"]["items"][0]["c"]) > 0
    one.step(60_000)
    (funding,) = viewer.data("futures/fundingRate:BTCUSDT")
    assert (funding["nextFundingTime"], funding["fundingTime"]) == (NOW + 8 * 3_600_000, one.now // 1000 * 1000)


def test_every_contract_shares_one_ticker_topic() -> None:
    one = trader()
    viewer = one.viewer()
    frames = viewer.subscribe("futures/ticker")[1:]
    assert {frame["group"] for frame in frames} == {"futures/ticker"}
    assert [frame["data"]["symbol"] for frame in frames] == [contract.symbol for contract in CONTRACTS]


def test_a_moving_market_is_seen_on_every_public_channel() -> None:
    one = Trader(Simulator(seed=1))
    viewer = one.viewer()
    topics = ["ticker:BTCUSDT", "depthIncrease50:BTCUSDT@100ms", "trade:BTCUSDT", "klineBin1m:BTCUSDT"]
    viewer.subscribe(*(f"futures/{topic}" for topic in topics))
    seen: set[str] = set()
    for _ in range(60):
        one.step(100)
        seen |= {frame["group"] for frame in viewer.heard()}
    assert seen == {f"futures/{topic}" for topic in topics}
