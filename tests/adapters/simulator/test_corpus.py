"""Held against published payloads: what clients send is understood, and what the samples show is there too."""

from typing import Any

import pytest

from adapters.simulator.simulator import Simulator
from adapters.simulator.wire.house import Settings
from tests.adapters.simulator.floor import Client
from tests.adapters.simulator.published import missing, needs_corpus, served

REFUSED_HERE = {  # in a wind-down no coin moves and nothing is lent; nobody here has a sub-account: `test_custody`
    "/account/v1/deposit/address", "/account/v1/deposit-withdraw/detail", "/account/v1/withdraw/apply",
    "/account/sub-account/main/v1/wallet", "/account/sub-account/main/v1/main-to-sub",
    "/account/sub-account/main/v1/sub-to-main", "/account/sub-account/main/v1/sub-to-sub",
    "/account/sub-account/sub/v1/sub-to-main", "/spot/v1/margin/isolated/borrow", "/spot/v1/margin/isolated/repay",
    "/spot/v1/margin/isolated/transfer", "/spot/v1/margin/submit_order",
}  # fmt: skip
SKIPPED = {
    "auth_signature_vector.json",  # of a path that is long gone; the vector itself is in test_rest
    "spot_v1_symbols_details__ccxt_static.json",  # numbers re-typed by the publisher
}
WIRE_FAULTS = {30000, 30018, 50000, 50028, 57001, 70001}  # the request was not understood


CASES = served("spot", not_served=(), skipped=SKIPPED)


def traded() -> Client:
    """A venue with a trade, a live order and a canceled one."""
    one = Client(Simulator(traders=False, settings=Settings(rate_limits=False)))
    one.submit(side="sell", size="0.02", price="60000")
    one.submit(size="0.01", price="60000")
    one.submit(size="0.01", price="50000")
    return one


@needs_corpus
@pytest.mark.parametrize("case", [case for case in CASES if case["request"]], ids=lambda case: str(case["file"]))
def test_what_clients_send_is_understood(case: dict[str, Any]) -> None:
    one, path = traded(), case["path_or_channel"]
    if case["method"] == "GET":
        query = "&".join(f"{name}={value}" for name, value in case["request"].items())
        _, answer = one.send("GET", f"{path}?{query}", headers={"X-BM-KEY": one.key})
    else:
        _, answer = one.post(path, **{**case["request"], "recvWindow": 5000})
    assert answer["code"] not in WIRE_FAULTS, answer


@needs_corpus
@pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        if (case["response"] or {}).get("code") == 1000 and case["path_or_channel"] not in REFUSED_HERE
    ],
    ids=lambda case: str(case["file"]),
)
def test_what_the_samples_show_is_shown_here_too(case: dict[str, Any]) -> None:
    one, path = traded(), case["path_or_channel"]
    newest = one.ask("/spot/v4/query/order-trades", orderId=one.ask("/spot/v4/query/trades")[0]["orderId"])[0]
    live = one.ask("/spot/v4/query/open-orders", limit=1)[0]
    order: dict[str, object] = {"symbol": "BTC_USDT", "side": "buy", "type": "limit", "size": "0.01", "price": "50000"}
    bodies: dict[str, dict[str, object]] = {
        "/spot/v2/submit_order": order,
        "/spot/v3/cancel_order": {"symbol": "BTC_USDT", "order_id": live["orderId"]},
        "/spot/v4/batch_orders": {"symbol": "BTC_USDT", "orderParams": [order]},
        "/spot/v4/cancel_orders": {"symbol": "BTC_USDT", "orderIds": [live["orderId"]]},
        "/spot/v4/query/order": {"orderId": newest["orderId"]},
        "/spot/v4/query/client-order": {"clientOrderId": "mine"},
        "/spot/v4/query/order-trades": {"orderId": newest["orderId"]},
    }
    one.submit(size="0.01", price="50000", client_order_id="mine")
    if case["method"] == "GET":
        ours = one.send("GET", f"{path}?symbol=BTC_USDT&currency=BTC", headers={"X-BM-KEY": one.key})[1]
    else:
        ours = one.post(path, **bodies.get(path, {}))[1]
    assert ours["code"] == 1000, ours
    assert missing(case["response"], ours) == []
