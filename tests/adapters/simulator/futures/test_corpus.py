"""Held against published payloads: what clients send is understood, and what the samples show is there too."""

import json
from typing import Any

import pytest

from tests.adapters.simulator.futures.trader import (
    BTC,
    CLOSE_LONG,
    LIMIT,
    OPEN_LONG,
    OPEN_SHORT,
    PRIVATE,
    Trader,
    another,
    trader,
)
from tests.adapters.simulator.published import missing, needs_corpus, served
from tests.corpus.cases import CORPUS

NOT_SERVED = ("/claim",)  # the demo host's tap
SKIPPED = {"public_details__ccxt_static.json", "position__captured.json"}  # numbers re-typed by the publisher
MISUNDERSTOOD = {30000, 30018, 40011, 40041, 40042, 40045, 60000, 60030}
REFUSED_HERE = "/account/contract/sub-account/"


CASES = served("futures", not_served=NOT_SERVED, skipped=SKIPPED)


def traded() -> Trader:
    """A venue where the main account has a position, a live order, a closed one, two plans and a transfer behind it."""
    one = trader(rate_limits=False)
    two = another(one)
    two.order(side=OPEN_SHORT, size=10, price="60000")
    two.order(side=OPEN_LONG, size=100, price="59000")
    two.order(side=OPEN_SHORT, size=100, price="61000")
    one.order(side=OPEN_LONG, size=10, price="60000", leverage="20", open_type="isolated")
    one.order(size=1, price="50000", preset_take_profit_price="70000")
    stop = {"type": "stop_loss", "side": CLOSE_LONG, "trigger_price": "55000", "executive_price": "0"}
    one.ask(f"{PRIVATE}/submit-tp-sl-order", symbol=BTC, price_type=1, category="market", client_order_id="SL1", **stop)
    one.ask("/account/v1/transfer-contract", currency="USDT", amount="10", type="spot_to_contract")
    one.step(100)
    one.simulator.settle_funding(BTC, one.simulator.futures.exchange.prices(BTC).expected_rate, one.now)
    return one


@needs_corpus
@pytest.mark.parametrize("case", [case for case in CASES if case["request"]], ids=lambda case: str(case["file"]))
def test_what_clients_send_is_understood(case: dict[str, Any]) -> None:
    one, path = traded(), case["path_or_channel"]
    if case["method"] == "GET":
        query = "&".join(f"{name}={value}" for name, value in case["request"].items())
        _, answer = one.send("GET", f"{path}?{query}", headers={"X-BM-KEY": one.key})
    else:
        _, answer = one.post(path, **case["request"])
    assert answer["code"] not in MISUNDERSTOOD, answer


def bodies(one: Trader) -> dict[str, dict[str, Any]]:
    """What each POST is asked, so that it succeeds."""
    live, plan = one.open()[0]["order_id"], one.get(f"{PRIVATE}/current-plan-order")[0]["order_id"]
    waits = {"symbol": BTC, "side": 1, "leverage": "20", "open_type": "isolated", "size": 1}
    changed = {"symbol": BTC, "order_id": plan, "trigger_price": "54000", "executive_price": "0", "price_type": 1}
    posts: dict[str, dict[str, Any]] = {
        "submit-order": LIMIT,
        "cancel-order": {"symbol": BTC, "order_id": live},
        "cancel-orders": {"symbol": BTC},
        "cancel-all-after": {"symbol": BTC, "timeout": 10},
        "modify-limit-order": {"symbol": BTC, "order_id": int(live), "price": "50001"},
        "submit-leverage": {"symbol": "ETHUSDT", "leverage": "5", "open_type": "isolated"},
        "set-position-mode": {"position_mode": "hedge_mode"},
        "submit-plan-order": {
            **waits, "type": "market", "mode": 1, "trigger_price": "59000", "price_way": 2, "price_type": 1,
        },
        "submit-tp-sl-order": {
            "symbol": BTC, "side": 3, "type": "take_profit", "trigger_price": "65000", "executive_price": "0",
            "price_type": 1, "category": "market", "client_order_id": "TP1",
        },
        "submit-trail-order": {
            **waits, "activation_price": "58000", "callback_rate": "1", "activation_price_type": 1,
        },
        "modify-plan-order": {**changed, "type": "market"},
        "modify-tp-sl-order": {**changed, "category": "market", "plan_category": 2},
        "modify-preset-plan-order": {"symbol": BTC, "order_id": live, "preset_take_profit_price": "71000"},
        "cancel-plan-order": {"symbol": BTC, "order_id": plan},
        "cancel-trail-order": {"symbol": BTC},
    }  # fmt: skip
    return {f"{PRIVATE}/{name}": body for name, body in posts.items()} | {
        "/account/v1/transfer-contract": {"currency": "USDT", "amount": "1", "type": "spot_to_contract"},
        "/account/v1/transfer-contract-list": {"page": 1, "limit": 10},
    }


@needs_corpus
@pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        if (case["response"] or {}).get("code") in (1000, "1000") and REFUSED_HERE not in case["path_or_channel"]
    ],
    ids=lambda case: str(case["file"]),
)
def test_what_the_samples_show_is_shown_here_too(case: dict[str, Any]) -> None:
    one, path = traded(), case["path_or_channel"]
    if case["method"] == "GET":
        order_id = one.trades()[0]["order_id"]
        bounds = "" if "private" in path else "&start_time=1&end_time=1900000000"
        query = f"symbol={BTC}{bounds}" + ("" if path.endswith(("trades", "history")) else f"&order_id={order_id}")
        ours = one.send("GET", f"{path}?{query}", headers={"X-BM-KEY": one.key})[1]
    else:
        ours = one.post(path, **bodies(one)[path])[1]
    assert ours["code"] in (1000, "1000"), ours
    assert ours["data"] or not case["response"]["data"]  # nothing empty where the sample has something
    assert missing(case["response"], ours) == []


# ------------------------------------------------------------------------------------------------ streams

FRAMES = [
    (file.name, frame)
    for file in (sorted(CORPUS.glob("futures/ws/*.json")) if CORPUS.is_dir() else ())
    for frame in json.loads(file.read_text())["frames"] or ()
    if "data" in frame
]
OLD_TRADE = {"contract_id", "create_time", "create_time_mill", "type", "way"}  # of a form that was retired


def pushed(group: str) -> list[Any]:
    """What our streams push on the topic of a sample, whatever its symbol, speed or coin."""
    channel, colon, rest = group.partition(":")
    speed = rest.partition("@")[2]
    if channel == "System":
        return [frame["data"] for frame in trader().viewer().say({"action": "ping"})]
    private = channel in {"futures/order", "futures/position", "futures/asset"}
    topic = f"{channel}:USDT" if channel == "futures/asset" else channel
    if not private and colon:
        topic = f"{channel}:{BTC}" + (f"@{speed}" if speed and channel != "futures/ticker" else "")
    one = trader(rate_limits=False)
    two = another(one)
    listener = one.reader(topic) if private else one.viewer()
    first = [] if private else [frame["data"] for frame in listener.subscribe(topic) if "data" in frame]
    two.order(side=OPEN_SHORT, size=10, price="60000")
    one.order(side=OPEN_LONG, size=10, price="60000")
    two.order(side=OPEN_LONG, size=10, price="59000")
    for _ in range(3):
        one.step(1_000)
    return [*first, *listener.data(topic)]


@needs_corpus
@pytest.mark.parametrize(("file", "frame"), FRAMES, ids=lambda value: value if isinstance(value, str) else "")
def test_what_the_sampled_frames_show_is_pushed_here_too(file: str, frame: dict[str, Any]) -> None:
    sample, ours = frame["data"], pushed(frame["group"])
    if file in {"docs_klinebin_channel.json", "docs_markprice_klinebin_channel.json"}:
        sample = {"symbol": sample["symbol"], "items": [{k: v for k, v in sample.items() if k != "symbol"}]}  # 10.17
    if file == "captured_trade_2024.json":
        sample = [{name: value for name, value in row.items() if name not in OLD_TRADE} for row in sample]
    shown = [part for data in ours for part in ([[element] for element in data] if isinstance(data, list) else [data])]
    found = [missing(sample, one) for one in shown]
    assert [] in found, found
