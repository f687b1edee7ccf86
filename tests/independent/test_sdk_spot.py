"""BitMart's official SDK for Python trades on the simulated spot market, and both see the same."""

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from bitmart.api_account import APIAccount
from bitmart.api_margin_loan import APIMarginLoan
from bitmart.api_spot import APISpot
from bitmart.api_spot_sub_account import APISpotSubAccount
from bitmart.api_system import APISystem
from bitmart.lib.cloud_exceptions import APIException

from tests.independent.conftest import Exchange, eventually, hold, number
from tests.independent.sdk import Listener, code, data

BTC = "BTC_USDT"


@pytest.fixture
def spot(exchange: Exchange) -> Iterator[Any]:
    client = APISpot(exchange.key, exchange.secret, exchange.memo, exchange.spot_url)
    yield client
    client.session.close()


def away(spot: Any) -> str:
    """Return a price far below the market."""
    return str(round(Decimal(data(spot.get_v3_ticker(BTC))["last"]) / 2, 2))


def agree(shown: Any, known: Any) -> None:
    """Compare an order as REST shows it with the truth."""
    assert (shown["orderId"], shown["clientOrderId"]) == (known["order_id"], known["client_order_id"])
    assert (shown["symbol"], shown["side"], shown["type"]) == (known["symbol"], known["side"], known["type"])
    assert (shown["state"], shown["createTime"]) == (known["state"], known["created_ms"])
    assert number(shown["price"]) == number(known["price"])
    assert number(shown["size"]) == number(known["size"])
    assert number(shown["filledSize"]) == number(known["filled"])


def test_what_is_public(exchange: Exchange, spot: Any) -> None:
    system = APISystem(url=exchange.spot_url)
    assert abs(data(system.get_system_time())["server_time"] - time.time() * 1000) < 5000  # noqa: TID251 - the real clock
    assert data(system.get_system_service())["service"]
    assert BTC in data(spot.get_symbols())["symbols"]
    assert {one["id"] for one in data(spot.get_currencies())["currencies"]} >= {"BTC", "USDT"}
    (details,) = [one for one in data(spot.get_symbol_detail())["symbols"] if one["symbol"] == BTC]
    assert details["trade_status"] == "trading"
    eventually(lambda: [row for row in data(spot.get_v3_tickers()) if row[0] == BTC])
    ticker = data(spot.get_v3_ticker(BTC))
    assert number(ticker["bid_px"]) < number(ticker["ask_px"])
    depth = data(spot.get_v3_depth(BTC, limit=5))
    assert [len(depth["asks"]), len(depth["bids"])] == [5, 5]
    assert number(depth["bids"][0][0]) < number(depth["asks"][0][0])
    for candles in (
        data(spot.get_v3_latest_kline(BTC, step=1, limit=10)),
        data(spot.get_v3_history_kline(BTC, step=5)),
    ):
        assert all(number(low) <= number(close) <= number(high) for _, _, high, low, close, _, _ in candles)
    (newest, *_) = data(spot.get_v3_trades(BTC, limit=10))
    assert newest[0] == BTC
    system.session.close()


def test_an_order_is_placed_found_and_canceled(exchange: Exchange, spot: Any) -> None:
    price = away(spot)
    order_id = data(spot.post_submit_order(BTC, "buy", "limit", client_order_id="sdk1", size="0.001", price=price))[
        "order_id"
    ]
    for shown in (
        data(spot.v4_query_order_by_id(order_id, "open")),
        data(spot.v4_query_order_by_order_client_id("sdk1", "open")),
        *data(spot.v4_query_open_orders(BTC, "spot")),
    ):
        agree(shown, exchange.order(order_id))
        assert shown["state"] == "new"
    held = exchange.truth()["balances"]["USDT"]["frozen"]
    (usdt,) = [coin for coin in data(spot.get_wallet())["wallet"] if coin["id"] == "USDT"]
    assert number(usdt["frozen"]) == number(held) > Decimal(price) * Decimal("0.001")
    assert data(spot.post_cancel_order_by_orderid(BTC, order_id)) == {"result": True}
    gone = data(spot.v4_query_order_by_id(order_id, "history"))
    agree(gone, exchange.order(order_id))
    assert (gone["state"], gone["cancelSource"]) == ("canceled", "user")
    assert number(exchange.truth()["balances"]["USDT"]["frozen"]) == 0
    with pytest.raises(APIException) as refused:
        spot.post_cancel_order_by_orderid(BTC, order_id)
    assert code(refused.value) == 50030


def test_the_sdk_tells_a_refusal_from_a_crash(spot: Any) -> None:
    with pytest.raises(APIException) as refused:
        spot.post_submit_order(BTC, "buy", "limit", size="0.00001", price="1")
    assert (code(refused.value), refused.value.status_code) == (51011, 400)
    wrong = APISpot("nobody", "no", "no", spot.URL)
    with pytest.raises(APIException) as unknown:
        wrong.get_wallet()
    assert (code(unknown.value), unknown.value.status_code) == (30002, 401)
    wrong.session.close()


def test_orders_go_and_come_by_the_batch(exchange: Exchange, spot: Any) -> None:
    price = away(spot)
    orders = [
        {"side": "buy", "type": "limit", "size": "0.001", "price": price, "clientOrderId": f"sdkbatch{number}"}
        for number in range(3)
    ]
    nested = data(spot.post_batch_orders(BTC, orders, recv_window=3000))
    assert nested["code"] == 0
    ids = nested["data"]["orderIds"]
    assert [exchange.order(order_id)["client_order_id"] for order_id in ids] == [one["clientOrderId"] for one in orders]
    canceled = data(spot.post_cancel_orders(BTC, order_ids=[ids[0], "123"]))
    assert (canceled["successIds"], canceled["failIds"]) == ([ids[0]], ["123"])
    assert data(spot.post_cancel_orders(BTC, client_order_ids=["sdkbatch1"]))["successCount"] == 1
    spot.post_cancel_all_order(BTC)
    assert data(spot.v4_query_open_orders(BTC)) == []
    assert {exchange.order(order_id)["state"] for order_id in ids} == {"canceled"}


def test_a_market_buy_fills_and_everything_it_did_agrees(exchange: Exchange, spot: Any) -> None:
    before = exchange.truth()["balances"]
    order_id = data(spot.post_submit_order(BTC, "buy", "market", client_order_id="sdkmarket", notional="100.1234"))[
        "order_id"
    ]
    order = data(spot.v4_query_order_by_id(order_id, "history"))
    agree(order, exchange.order(order_id))
    assert order["state"] == "partially_canceled", "a residue below one step is never spent"
    known = exchange.trades(order_id)
    by_order = data(spot.v4_query_order_trade_list(order_id))
    listed = [trade for trade in data(spot.v4_query_account_trade_list(BTC)) if trade["orderId"] == order_id]
    for trades in (by_order, listed):
        shown = sorted((trade["tradeId"], number(trade["size"]), number(trade["fee"])) for trade in trades)
        assert shown == sorted((trade["trade_id"], number(trade["size"]), number(trade["fee"])) for trade in known)
    bars = data(spot.get_v3_latest_kline(BTC, step=1, limit=10))
    assert hold(((int(opens) * 1000, high, low, volume) for opens, _, high, low, _, volume, _ in bars), known)
    after = exchange.truth()["balances"]
    bought = sum(number(trade["size"]) for trade in known)
    paid = sum(number(trade["size"]) * number(trade["price"]) + number(trade["fee"]) for trade in known)
    assert number(after["BTC"]["available"]) - number(before["BTC"]["available"]) == bought
    assert number(before["USDT"]["available"]) - number(after["USDT"]["available"]) == paid
    wallet = {coin["id"]: number(coin["available"]) for coin in data(spot.get_wallet())["wallet"]}
    assert wallet == {coin: number(held["available"]) for coin, held in after.items()}
    history = [order for order in data(spot.v4_query_account_orders(BTC)) if order["orderId"] == order_id]
    assert history == [order]


def test_fees_and_the_accounts_wallet(exchange: Exchange, spot: Any) -> None:
    account = APIAccount(exchange.key, exchange.secret, exchange.memo, exchange.spot_url)
    assert data(account.get_basic_fee_rate())["taker_fee_rate_A"] == "0.0010"
    assert data(account.get_actual_trade_fee_rate(BTC))["symbol"] == BTC
    wallet = {coin["currency"]: number(coin["available"]) for coin in data(account.get_wallet())["wallet"]}
    assert wallet["USDT"] == number(exchange.truth()["balances"]["USDT"]["available"])
    account.session.close()


def test_what_there_is_beside_trading(exchange: Exchange) -> None:
    """The venue is being wound down: nothing comes in, nothing leaves, nothing is lent, nobody has a sub-account."""
    keys = (exchange.key, exchange.secret, exchange.memo, exchange.spot_url)
    account, margin, subs = APIAccount(*keys), APIMarginLoan(*keys), APISpotSubAccount(*keys)
    assert data(account.get_deposit_withdraw_history_v2("deposit", 100))["records"] == []
    assert data(account.get_withdraw_charge("BTC"))["today_available_withdraw_BTC"] == "0.0000"
    assert data(margin.trading_pair_borrowing_rate_and_amount())["symbols"] == []
    assert data(subs.get_sub_account_list())["subAccountList"] == []
    for refused, why in (
        (partial(account.get_deposit_address, "BTC"), 60003),
        (partial(margin.margin_borrow_isolated, BTC, "BTC", "1"), 51001),
        (partial(subs.get_sub_spot_wallet, "one@example.com"), 61003),
    ):
        with pytest.raises(APIException) as refusal:
            refused()
        assert code(refusal.value) == why
    for client in (account, margin, subs):
        client.session.close()


def test_an_order_waits_for_its_trigger_and_fires(exchange: Exchange, spot: Any) -> None:
    last = number(data(spot.get_v3_ticker("BMX_USDT"))["last"])
    extra = {"trigger_price": str(round(last * 2, 5)), "trigger_type": "market", "size": "100"}
    order_id = data(
        spot.v4_algo_submit_order("BMX_USDT", "sell", "tp/sl", client_order_id="sdkalgo1", extra_params=extra)
    )["order_id"]
    (waiting,) = data(spot.v4_query_algo_open_orders("BMX_USDT"))
    assert (waiting["orderId"], waiting["clientOrderId"], waiting["orderMode"]) == (order_id, "sdkalgo1", "tp/sl")
    assert data(spot.v4_query_algo_order_by_client_id("sdkalgo1")) == waiting
    exchange.sim("market", symbol="BMX_USDT", price=str(round(last * 2, 5)))
    fired = eventually(lambda: [one for one in exchange.truth()["orders"] if one["client_order_id"] == "sdkalgo1"])
    assert (fired[0]["type"], fired[0]["state"]) == ("market", "filled")
    assert data(spot.v4_query_algo_open_orders("BMX_USDT")) == []
    assert data(spot.v4_query_algo_history_orders("BMX_USDT"))[0]["orderId"] == order_id

    extra = {"trigger_price": "0.1", "trigger_type": "limit", "size": "100", "price": "0.1"}
    other_id = data(spot.v4_algo_submit_order("BMX_USDT", "buy", "trigger", extra_params=extra))["order_id"]
    spot.v4_algo_cancel_order("BMX_USDT", other_id, "trigger")
    assert data(spot.v4_query_algo_order_by_id(other_id))["state"] == "canceled"
    spot.v4_algo_cancel_all("trigger")


# ------------------------------------------------------------------------------------------------ streams


def test_the_sdks_public_stream(exchange: Exchange, listening: Callable[..., Listener]) -> None:
    tables = ("spot/ticker", "spot/kline1m", "spot/depth5", "spot/depth/increase100", "spot/trade", "spot/bookTicker")
    listener = listening(
        "spot", f"{exchange.spot_ws_url}/api?protocol=1.1", ",".join(f"{table}:{BTC}" for table in tables)
    )
    waiting = set(tables)

    def seen(message: Any) -> bool:
        if "table" in message:
            assert message["data"][0]["symbol"] == BTC
            waiting.discard(message["table"])
        return not waiting

    listener.until(seen)


def test_the_sdks_private_stream(exchange: Exchange, spot: Any, listening: Callable[..., Listener]) -> None:
    topics = "spot/user/orders:ALL_SYMBOLS,spot/user/balance:BALANCE_UPDATE"
    listener = listening(
        "spot", f"{exchange.spot_ws_url}/user?protocol=1.1", topics, exchange.key, exchange.secret, exchange.memo
    )
    listener.until(lambda message: message.get("topic") == "spot/user/balance:BALANCE_UPDATE")
    order_id = data(spot.post_submit_order(BTC, "sell", "market", client_order_id="sdkstream", size="0.002"))[
        "order_id"
    ]
    pushed: list[Any] = []
    balances: dict[str, Any] = {}

    def finished(message: Any) -> bool:
        if message.get("table") == "spot/user/orders":
            pushed.extend(one for one in message["data"] if one["order_id"] == order_id)
        if message.get("table") == "spot/user/balance":
            for change in message["data"]:
                balances.update({one["ccy"]: one for one in change["balance_details"]})
        return bool(pushed) and pushed[-1]["order_state"] == "filled" and len(balances) == 2

    listener.until(finished)
    known = exchange.order(order_id)
    assert pushed[-1]["client_order_id"] == "sdkstream"
    assert number(pushed[-1]["filled_size"]) == number(known["filled"])
    fills = {(one["detail_id"], number(one["last_fill_count"])) for one in pushed if one["detail_id"]}
    assert fills == {(trade["trade_id"], number(trade["size"])) for trade in exchange.trades(order_id)}
    held = exchange.truth()["balances"]
    assert {coin: number(one["av_bal"]) for coin, one in balances.items()} == {
        coin: number(held[coin]["available"]) for coin in ("BTC", "USDT")
    }
