"""Positions, funds, fees, funding and transfers over futures REST: what the account has, and why."""

from decimal import Decimal
from typing import Any

import pytest

from tests.adapters.simulator.floor import NOW
from tests.adapters.simulator.futures.trader import (
    BTC,
    CLOSE_LONG,
    CLOSE_SHORT,
    LIMIT,
    OPEN_LONG,
    OPEN_SHORT,
    PRIVATE,
    SUBMIT,
    holding,
    pair,
    trader,
)

TRANSFER = "/account/v1/transfer-contract"
TRANSFERS = "/account/v1/transfer-contract-list"
PUBLIC = "/contract/public"


# ------------------------------------------------------------------------------------------------ positions, money


def test_a_position_shows_in_three_spellings() -> None:
    one, _ = holding()
    one.simulator.step(one.now)
    (v1,) = one.get(f"{PRIVATE}/position")
    assert (v1["position_type"], v1["margin_type"], v1["current_amount"]) == (1, "Cross", "10")
    assert (v1["position_mode"], v1["entry_price"], v1["position_value"]) == ("hedge_mode", "60000", "600")
    assert Decimal(v1["realized_value"]) == Decimal("-0.36")  # with the opening fee
    long, short = one.get(f"{PRIVATE}/position-v2?symbol={BTC}")
    assert (long["position_side"], long["open_type"], long["current_amount"]) == ("long", "cross", "10")
    assert (short["position_side"], short["current_amount"], short["entry_price"]) == ("short", "0", "0")
    assert one.get(f"{PRIVATE}/position-v2") == [long]
    (risk,) = one.get(f"{PRIVATE}/position-risk")
    assert (risk["position_side"], risk["position_amt"], risk["update_time"]) == ("Long", "10", NOW // 1000)


def test_one_way_mode_has_one_signed_row_and_closing_codes_reduce() -> None:
    one, two = pair()
    mode = f"{PRIVATE}/set-position-mode"
    assert one.ask(mode, position_mode="one_way_mode") == {"position_mode": "one_way_mode"}
    assert one.get(f"{PRIVATE}/get-position-mode") == {"position_mode": "one_way_mode"}
    two.order(side=OPEN_LONG, price="60000")
    one.order(side=OPEN_SHORT, price="60000")
    (row,) = one.get(f"{PRIVATE}/position-v2?symbol={BTC}")
    assert (row["position_side"], row["position_amount"], row["current_amount"]) == ("both", "-10", "10")
    assert one.refusal(mode, position_mode="hedge_mode") == (400, 40059)
    assert one.refusal(mode, position_mode="sideways") == (400, 40011)
    two.order(side=CLOSE_LONG, price="60000", size=4)
    one.order(side=CLOSE_SHORT, price="60000", size=4)
    assert one.get(f"{PRIVATE}/position-v2?symbol={BTC}")[0]["position_amount"] == "-6"


def test_an_open_order_alone_keeps_the_mode_from_switching() -> None:
    one = trader()
    one.order()
    assert one.refusal(f"{PRIVATE}/set-position-mode", position_mode="one_way_mode") == (400, 40059)


def test_leverage_sticks_to_what_is_open() -> None:
    one, _ = holding()
    path = f"{PRIVATE}/submit-leverage"
    assert one.refusal(path, symbol=BTC, leverage="20", open_type="cross") == (400, 40040)
    assert one.refusal(SUBMIT, **LIMIT, leverage="20", open_type="cross") == (400, 40040)
    answer = one.ask(path, symbol="ETHUSDT", leverage="20", open_type="isolated")
    assert answer == {"symbol": "ETHUSDT", "leverage": "20", "open_type": "isolated", "max_value": "1000000"}
    assert one.order(symbol="ETHUSDT", price="2000") != ""
    assert one.open("symbol=ETHUSDT")[0]["leverage"] == "20"


def test_a_round_trip_moves_exactly_profit_and_fees() -> None:
    one, two = holding()
    two.order(side=CLOSE_SHORT, size=10, price="61000")
    before = one.asset()
    one.order(side=CLOSE_LONG, size=10, price="61000")
    (closing, _opening) = one.trades()
    assert (closing["realised_profit"], closing["profit"], closing["paid_fees"]) == ("10", True, "0.366")
    after = one.asset()
    assert after["position_deposit"] == after["unrealized"] == 0
    assert before["available_balance"] + before["position_deposit"] + 10 - Decimal("0.366") == after["equity"]

    flows = one.get(f"{PRIVATE}/transaction-history")
    assert sum(Decimal(flow["amount"]) for flow in flows) == after["equity"] - 1_000_000
    assert [(flow["type"], flow["flow_type"]) for flow in flows[::-1]] == [
        ("Commission Fee", 4),
        ("Realized PNL", 2),
        ("Commission Fee", 4),
    ]
    assert all(isinstance(flow["time"], str) for flow in flows)
    only = one.get(f"{PRIVATE}/transaction-history?flow_type=2&start_time={NOW}&end_time={NOW}&page_size=10")
    assert [flow["amount"] for flow in only] == ["10.00000000"]


def test_funding_is_paid_by_longs_and_shows_in_the_history_alone() -> None:
    one, two = holding()
    one.simulator.settle_funding(BTC, Decimal("0.001"), one.now)
    (paid,) = one.get(f"{PRIVATE}/transaction-history?flow_type=3")
    (received,) = two.get(f"{PRIVATE}/transaction-history?flow_type=3")
    assert (paid["type"], paid["symbol"], Decimal(paid["amount"])) == ("Funding Fee", BTC, -Decimal(received["amount"]))
    assert Decimal(paid["amount"]) < 0
    (rate,) = one.get(f"{PUBLIC}/funding-rate-history?symbol={BTC}")["list"]
    assert rate == {"symbol": BTC, "funding_rate": "0.001", "funding_time": str(NOW)}
    assert one.get(f"{PUBLIC}/funding-rate?symbol={BTC}")["rate_value"] == "0.001"


def test_fees_are_told_per_contract() -> None:
    rates = trader().get(f"{PRIVATE}/trade-fee-rate?symbol={BTC}")
    assert rates == {"symbol": BTC, "taker_fee_rate": "0.0006", "maker_fee_rate": "0.0002"}


def test_closing_everything_leaves_nothing() -> None:
    one, two = holding()
    two.order(side=OPEN_LONG, size=20, price="59000")
    one.ask(f"{PRIVATE}/close-all-position", contractType=1)
    assert one.get(f"{PRIVATE}/position") == []
    assert one.refusal(f"{PRIVATE}/close-all-position") == (400, 40011)


# ------------------------------------------------------------------------------------------------ transfers


def test_coins_move_between_the_wallets_and_none_is_lost() -> None:
    one = trader(rate_limits=False)
    spot = one.simulator.spot.exchange.accounts["main"].balance("USDT")
    before = spot.available
    assert one.ask(TRANSFER, currency="USDT", amount="10", type="spot_to_contract") == {
        "currency": "USDT",
        "amount": "10",
    }
    assert (before - spot.available, one.asset()["available_balance"]) == (10, 1_000_010)
    one.ask(TRANSFER, currency="USDT", amount="0.5", type="contract_to_spot")
    assert (before - spot.available, one.asset()["available_balance"]) == (Decimal("9.5"), Decimal("1000009.5"))
    newest, oldest = one.ask(TRANSFERS, page=1, limit=10)["records"]
    assert (newest["type"], newest["amount"], newest["state"]) == ("contract_to_spot", "0.5", "FINISHED")
    assert (oldest["timestamp"], oldest["transfer_id"] != newest["transfer_id"]) == (NOW, True)
    assert one.ask(TRANSFERS, page=2, limit=10) == {"records": []}
    assert one.ask(TRANSFERS, page=1, limit=10, time_end=NOW - 1) == {"records": []}
    (flow, _) = one.get(f"{PRIVATE}/transaction-history?flow_type=1")
    assert (flow["amount"], flow["symbol"]) == ("-0.50000000", "")


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"amount": "1000000000"}, (200, 42000)),  # more than there is, said with status 200
        ({"amount": "0.001"}, (400, 60005)),
        ({"amount": "-1"}, (400, 60000)),
        ({"currency": "DOGE"}, (400, 60002)),
        ({"type": "contract_to_moon"}, (400, 60000)),
    ],
)
def test_a_transfer_that_cannot_be_is_refused_and_moves_nothing(
    wrong: dict[str, Any], refusal: tuple[int, int]
) -> None:
    one = trader()
    before = one.asset()
    move = {"currency": "USDT", "amount": "10", "type": "spot_to_contract"}
    assert one.refusal(TRANSFER, **move | wrong) == refusal
    assert one.asset() == before


def test_nobody_here_has_a_sub_account() -> None:
    one = trader()
    base = "/account/contract/sub-account"
    move = {"requestNo": "r1", "subAccount": "x", "amount": "1", "currency": "USDT"}
    for path in ("main/v1/sub-to-main", "main/v1/main-to-sub", "sub/v1/sub-to-main"):
        assert one.refusal(f"{base}/{path}", **move) == (400, 61003)
    keyed = {"X-BM-KEY": one.key}
    assert one.send("GET", f"{base}/main/v1/wallet?subAccount=x", headers=keyed)[1]["code"] == 61003
    assert one.get(f"{base}/main/v1/transfer-list?subAccount=x") == one.get(f"{base}/v1/transfer-history?limit=1") == []


def test_what_no_source_describes_this_account_may_not_do() -> None:
    one = trader()
    for path in ("claim", "account/v1/transfer"):
        assert one.refusal(f"{PRIVATE}/{path}") == (200, 30019)
    for path in ("auto_repayment", "cross_collateral/interest_log"):
        status, answer = one.send("GET", f"{PRIVATE}/{path}", headers={"X-BM-KEY": one.key})
        assert (status, answer["code"]) == (200, 30019)


def test_what_is_left_out_may_also_be_null() -> None:
    one = trader()
    left_out = ("mode", "client_order_id", "leverage", "open_type", "stp_mode", "preset_stop_loss_price",
                "preset_stop_loss_price_type", "type")  # fmt: skip
    assert one.order(**dict.fromkeys(left_out)) == one.open()[0]["order_id"]
