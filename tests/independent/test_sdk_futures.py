"""BitMart's official SDK for Python trades on the simulated futures market, and both see the same."""

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from bitmart.api_contract import APIContract
from bitmart.lib.cloud_exceptions import APIException

from tests.independent.conftest import Exchange, eventually, hold, number
from tests.independent.sdk import Listener, code, data

BTC = "BTCUSDT"
ETH = "ETHUSDT"
SIDES = {1: "buy", 2: "buy", 3: "sell", 4: "sell"}
STATES = {"new": 2, "partially_filled": 2, "filled": 4, "canceled": 4, "partially_canceled": 4}
LIVE = {"new", "partially_filled"}
TERMS = {"leverage": "10", "open_type": "cross"}  # of whatever opens
OPEN_LONG, CLOSE_LONG = 1, 3
ALL_AFTER_SECONDS = 5  # the least a dead man's switch takes


@pytest.fixture
def futures(exchange: Exchange) -> Iterator[Any]:
    client = APIContract(exchange.key, exchange.secret, exchange.memo, exchange.futures_url)
    yield client
    client.session.close()


def last(futures: Any, symbol: str = BTC) -> Decimal:
    """Return the last price."""
    (details,) = data(futures.get_details(symbol))["symbols"]
    return number(details["last_price"])


def away(futures: Any, symbol: str = BTC) -> str:
    """Return a price far below the market."""
    return str(round(last(futures, symbol) / 2, 1))


def resting(futures: Any, client_order_id: str, symbol: str = BTC, size: int = 10) -> str:
    """Place an order that waits in the book, and return its id."""
    placed = data(
        futures.post_submit_order(
            symbol, client_order_id, "limit", OPEN_LONG, mode=1, price=away(futures, symbol), size=size, **TERMS
        )
    )
    return str(placed["order_id"])


def taken(futures: Any, side: int, size: int, client_order_id: str) -> str:
    """Trade at once, and return the order's id."""
    placed = data(futures.post_submit_order(BTC, client_order_id, "market", side, size=size, **TERMS))
    assert placed["price"] == "market price"
    return str(placed["order_id"])


def agree(shown: Any, known: Any) -> None:
    """Compare an order as REST shows it with the truth. It shows a market order without a price."""
    assert (shown["order_id"], shown["client_order_id"]) == (known["order_id"], known["client_order_id"])
    assert (shown["symbol"], SIDES[shown["side"]], shown["type"]) == (known["symbol"], known["side"], known["type"])
    assert (shown["state"], shown["create_time"]) == (STATES[known["state"]], known["created_ms"])
    assert number(shown["price"]) == (0 if known["type"] == "market" else number(known["price"]))
    assert number(shown["size"]) == number(known["size"])
    assert number(shown["deal_size"]) == number(known["filled"])


def assets_agree(exchange: Exchange, futures: Any) -> None:
    """Compare every balance with the truth."""
    shown = {
        coin["currency"]: [number(coin[name]) for name in ("available_balance", "frozen_balance", "position_deposit")]
        for coin in data(futures.get_assets_detail())
    }
    assert shown == {
        coin: [number(held[name]) for name in ("available", "frozen", "deposit")]
        for coin, held in exchange.truth("futures")["balances"].items()
    }


def long_of(exchange: Exchange, symbol: str = BTC) -> Any:
    """What the exchange knows of the long position."""
    (known,) = [
        one for one in exchange.truth("futures")["positions"] if (one["symbol"], one["leg"]) == (symbol, "long")
    ]
    return known


def test_what_is_public(futures: Any) -> None:
    symbols = {one["symbol"]: one for one in data(futures.get_details())["symbols"]}
    assert number(symbols[BTC]["contract_size"]) == Decimal("0.001")
    assert symbols[BTC]["status"] == "Trading"
    depth = data(futures.get_depth(BTC))
    assert number(depth["bids"][0][0]) < number(depth["asks"][0][0])
    now_s = int(time.time())  # noqa: TID251 - the real clock
    for candles in (
        data(futures.get_kline(BTC, 1, now_s - 600, now_s)),
        data(futures.get_mark_price_kline(BTC, 1, now_s - 600, now_s)),
    ):
        assert candles
        for one in candles:
            assert number(one["low_price"]) <= number(one["close_price"]) <= number(one["high_price"])
    assert data(futures.get_market_trade(BTC, 5))[0]["symbol"] == BTC
    assert number(data(futures.get_open_interest(BTC))["open_interest"]) > 0
    assert data(futures.get_funding_rate(BTC)) | {"timestamp": 0} in [
        rate | {"timestamp": 0} for rate in data(futures.get_funding_rate_v2())["list"]
    ]
    assert isinstance(data(futures.get_fund_rate_history(BTC))["list"], list)
    (rule,) = data(futures.get_leverage_bracket(BTC))["rules"]
    assert number(rule["brackets"][0]["notional_floor"]) == 0


def test_an_order_is_placed_amended_found_and_canceled(exchange: Exchange, futures: Any) -> None:
    order_id = resting(futures, "sdk1")
    for shown in (data(futures.get_order(BTC, order_id)), *data(futures.get_open_order(BTC))):
        agree(shown, exchange.order(order_id, "futures"))
    frozen = number(exchange.truth("futures")["balances"]["USDT"]["frozen"])
    assert frozen > 0
    assets_agree(exchange, futures)

    price = str(number(away(futures)) - 1000)
    futures.post_modify_limit_order(BTC, order_id=int(order_id), price=price, size=7)
    eventually(lambda: exchange.order(order_id, "futures")["size"] == "7")
    assert number(exchange.order(order_id, "futures")["price"]) == number(price)
    agree(data(futures.get_order(BTC, order_id)), exchange.order(order_id, "futures"))
    assert number(exchange.truth("futures")["balances"]["USDT"]["frozen"]) < frozen
    futures.post_modify_limit_order(BTC, client_order_id="sdk1", size=6)
    eventually(lambda: exchange.order(order_id, "futures")["size"] == "6")

    assert data(futures.post_cancel_order(BTC, order_id)) == {}
    eventually(lambda: exchange.order(order_id, "futures")["state"] == "canceled")
    agree(data(futures.get_order(BTC, order_id)), exchange.order(order_id, "futures"))
    assert number(exchange.truth("futures")["balances"]["USDT"]["frozen"]) == 0
    with pytest.raises(APIException) as refused:
        futures.post_cancel_order(BTC, order_id)
    assert code(refused.value) == 40036


def test_orders_are_canceled_by_our_id_all_at_once_and_by_the_clock(exchange: Exchange, futures: Any) -> None:
    def live() -> set[str]:
        return {one["client_order_id"] for one in exchange.truth("futures")["orders"] if one["state"] in LIVE}

    for name in ("sdkall1", "sdkall2", "sdkall3"):
        resting(futures, name, ETH)
    futures.post_cancel_order(ETH, client_order_id="sdkall1")
    eventually(lambda: live() == {"sdkall2", "sdkall3"})
    assert {one["client_order_id"] for one in data(futures.get_open_order(ETH))} == live()
    futures.post_cancel_orders(ETH)
    eventually(lambda: not live())
    assert data(futures.get_open_order()) == []

    resting(futures, "sdkswitch", ETH)
    armed = data(futures.post_cancel_all_after(ETH, ALL_AFTER_SECONDS))
    assert armed["cancel_time"] - armed["set_time"] == ALL_AFTER_SECONDS
    assert live() == {"sdkswitch"}
    eventually(lambda: not live())


def test_the_sdk_tells_a_refusal_from_a_crash(futures: Any) -> None:
    price = away(futures)
    for leverage, size, why in (("1", 50_000, 40027), ("10", 900_000, 40029)):  # too little money, too large for it
        with pytest.raises(APIException) as refused:
            futures.post_submit_order(
                BTC, type="limit", side=OPEN_LONG, price=price, size=size, leverage=leverage, open_type="cross"
            )
        assert (code(refused.value), refused.value.status_code) == (why, 400)
    wrong = APIContract("nobody", "no", "no", futures.URL)
    with pytest.raises(APIException) as unknown:
        wrong.get_assets_detail()
    assert (code(unknown.value), unknown.value.status_code) == (30002, 401)
    wrong.session.close()


def test_a_position_is_opened_and_closed_and_everything_it_did_agrees(exchange: Exchange, futures: Any) -> None:
    opened = taken(futures, OPEN_LONG, 20, "sdkopen")
    known = long_of(exchange)
    assert number(known["size"]) == 20
    (row,) = data(futures.get_position(BTC))
    (signed,) = [one for one in data(futures.get_position_v2(BTC)) if one["position_side"] == "long"]
    (risk,) = data(futures.get_position_risk(BTC))
    assert {number(row["current_amount"]), number(signed["position_amount"]), number(risk["position_amt"])} == {20}
    assert {number(row["entry_price"]), number(signed["entry_price"])} == {number(known["average_price"])}
    for shown in (row, signed):
        assert number(shown["current_fee"]) == number(known["fees"])
        assert number(shown["realized_value"]) == number(known["realised"]) - number(known["fees"])
    assets_agree(exchange, futures)

    closed = taken(futures, CLOSE_LONG, 20, "sdkclose")
    known = long_of(exchange)
    assert (number(known["size"]), data(futures.get_position_v2())) == (0, [])
    assets_agree(exchange, futures)
    now_s = int(time.time())  # noqa: TID251 - the real clock
    history = {one["order_id"]: one for one in data(futures.get_order_history(BTC, now_s - 60, now_s + 60))}
    trades = data(futures.get_trades(BTC))
    for order_id in (opened, closed):
        agree(history[order_id], exchange.order(order_id, "futures"))
        assert history[order_id] == data(futures.get_order(BTC, order_id))
        assert {
            (one["trade_id"], number(one["price"]), number(one["vol"]), number(one["paid_fees"]), one["create_time"])
            for one in trades
            if one["order_id"] == order_id
        } == {
            (one["trade_id"], number(one["price"]), number(one["size"]), number(one["fee"]), one["at_ms"])
            for one in exchange.trades(order_id, "futures")
        }
    bars = data(futures.get_kline(BTC, 1, now_s - 600, now_s))
    minutes = ((one["timestamp"] * 1000, one["high_price"], one["low_price"], one["volume"]) for one in bars)
    assert hold(minutes, exchange.trades(opened, "futures") + exchange.trades(closed, "futures"))
    flows = data(futures.get_transaction_history(BTC))
    realised = sum(number(one["realised_profit"]) for one in trades if one["order_id"] == closed)
    assert sum(number(one["amount"]) for one in flows if one["flow_type"] == 2) == realised
    paid = sum(number(one["fee"]) for name in (opened, closed) for one in exchange.trades(name, "futures"))
    assert sum(number(one["amount"]) for one in flows if one["flow_type"] == 4) == -paid


def test_leverage_mode_and_fees(exchange: Exchange, futures: Any) -> None:
    assert data(futures.post_submit_leverage(ETH, "isolated", "5"))["leverage"] == "5"
    assert data(futures.get_trade_fee_rate(BTC))["taker_fee_rate"] == "0.0006"
    order_id = resting(futures, "sdkmode")
    with pytest.raises(APIException) as refused:
        futures.post_set_position_mode("one_way_mode")
    assert code(refused.value) == 40059
    futures.post_cancel_order(BTC, order_id)
    eventually(lambda: exchange.order(order_id, "futures")["state"] == "canceled")
    time.sleep(2.1)  # noqa: TID251 - two changes of mode in two seconds are all there may be
    for mode in ("one_way_mode", "hedge_mode"):
        assert data(futures.post_set_position_mode(mode)) == {"position_mode": mode}
        assert data(futures.get_position_mode()) == {"position_mode": mode}


def test_money_moves_from_spot_to_futures(exchange: Exchange, futures: Any) -> None:
    def available(market: str) -> Decimal:
        return number(exchange.truth(market)["balances"]["USDT"]["available"])

    spot, contracts = available("spot"), available("futures")
    assert data(futures.post_transfer("USDT", "12.5", "spot_to_contract")) == {"currency": "USDT", "amount": "12.5"}
    assert (available("spot"), available("futures")) == (spot - Decimal("12.5"), contracts + Decimal("12.5"))
    (moved,) = data(futures.get_transfer_list(1, 10))["records"]
    assert (moved["amount"], moved["type"], moved["state"]) == ("12.5", "spot_to_contract", "FINISHED")


def test_plans_wait_change_and_fire(exchange: Exchange, futures: Any) -> None:
    """The SDK's own `post_modify_plan_order` crashes on a name that it never defined."""
    trigger = round(last(futures) * 2, 1)
    plan = {"type": "market", "mode": 1, "size": 5, "price_way": 1, "price_type": 1, **TERMS}
    plan_id = data(futures.post_submit_plan_order(BTC, side=OPEN_LONG, trigger_price=str(trigger), **plan))["order_id"]
    (waiting,) = data(futures.get_current_plan_order(BTC, plan_type="plan"))
    assert (waiting["order_id"], number(waiting["trigger_price"])) == (str(plan_id), trigger)
    with pytest.raises(NameError):
        futures.post_modify_plan_order(BTC, str(trigger), 1, "market", order_id=str(plan_id))
    futures.post_cancel_plan_order(BTC, order_id=str(plan_id))
    eventually(lambda: data(futures.get_current_plan_order(BTC)) == [])

    taken(futures, OPEN_LONG, 5, "sdkprotected")
    profit_id = data(
        futures.post_submit_tp_sl_order(
            BTC, "take_profit", CLOSE_LONG, str(trigger), "0", 1, 5, 1, "sdkprofit", "market"
        )
    )["order_id"]
    trigger = round(last(futures) * Decimal("1.02"), 1)
    futures.post_modify_tp_sl_order(
        BTC, str(trigger), 1, profit_id, executive_price="0", plan_category=1, category="market"
    )
    (waiting,) = data(futures.get_current_plan_order(BTC, plan_type="profit_loss"))
    assert (waiting["client_order_id"], number(waiting["trigger_price"])) == ("sdkprofit", trigger)
    exchange.sim("market", symbol=BTC, price=str(trigger))
    eventually(lambda: number(long_of(exchange)["size"]) == 0)
    (fired,) = [one for one in exchange.truth("futures")["orders"] if one["client_order_id"] == f"PLAN_{profit_id}"]
    agree(data(futures.get_order(BTC, fired["order_id"])) | {"type": fired["type"]}, fired)
    assert data(futures.get_current_plan_order(BTC)) == []

    trail = data(futures.post_submit_trail_order(BTC, OPEN_LONG, "10", "cross", 5, str(round(trigger * 2, 1)), "1", 1))
    (trailing,) = data(futures.get_open_order(BTC, type="trailing"))
    assert trailing["order_id"] == str(trail["order_id"])
    futures.post_cancel_trail_order(BTC, str(trail["order_id"]))
    eventually(lambda: data(futures.get_open_order(BTC)) == [])


# ------------------------------------------------------------------------------------------------ streams


def test_the_sdks_public_stream(exchange: Exchange, listening: Callable[..., Listener]) -> None:
    channels = ("ticker", "depth5", "depthAll20", "depthIncrease50", "bookticker", "trade", "klineBin1m", "fundingRate")
    topics = {f"futures/{channel}:{BTC}" for channel in channels}
    listener = listening("futures", f"{exchange.futures_ws_url}/api?protocol=1.1", ",".join(sorted(topics)))

    def seen(message: Any) -> bool:
        if "data" in message and message["group"] in topics:
            shown = message["data"]
            assert (shown[0] if isinstance(shown, list) else shown)["symbol"] == BTC
            topics.remove(message["group"])
        return not topics

    listener.until(seen)


def test_the_sdks_private_stream(exchange: Exchange, futures: Any, listening: Callable[..., Listener]) -> None:
    listener = listening(
        "futures",
        f"{exchange.futures_ws_url}/user?protocol=1.1",
        "futures/asset:USDT,futures/position,futures/order",
        exchange.key,
        exchange.secret,
        exchange.memo,
    )
    listener.until(lambda message: message.get("group") == "futures/order" and message.get("success"))
    order_id = taken(futures, OPEN_LONG, 8, "sdkstream")
    pushed: list[Any] = []
    latest: dict[str, Any] = {}

    def finished(message: Any) -> bool:
        if message.get("group") == "futures/order":
            pushed.extend(one for one in message.get("data", ()) if one["order"]["order_id"] == order_id)
        elif "data" in message:
            latest[message["group"]] = message["data"]
        return bool(pushed) and pushed[-1]["order"]["state"] == 4 and len(latest) == 2

    listener.until(finished)
    known = exchange.order(order_id, "futures")
    assert pushed[0]["action"] == 2
    assert pushed[-1]["order"]["client_order_id"] == "sdkstream"
    assert number(pushed[-1]["order"]["deal_size"]) == number(known["filled"]) == 8
    trades = [one["order"]["last_trade"] for one in pushed if one["order"]["last_trade"]]
    assert {(str(one["lastTradeID"]), number(one["fillQty"]), -number(one["fee"])) for one in trades} == {
        (one["trade_id"], number(one["size"]), number(one["fee"])) for one in exchange.trades(order_id, "futures")
    }
    (position,) = [one for one in latest["futures/position"] if one["symbol"] == BTC]
    assert number(position["hold_volume"]) == number(long_of(exchange)["size"])
    assert number(position["hold_avg_price"]) == round(number(long_of(exchange)["average_price"]), 18)
    held = exchange.truth("futures")["balances"]["USDT"]
    asset = latest["futures/asset:USDT"]
    assert number(asset["available_balance"]) == number(held["available"])
    assert number(asset["position_deposit"]) == number(held["deposit"])
    futures.post_close_all_position(1)
    eventually(lambda: number(long_of(exchange)["size"]) == 0)
