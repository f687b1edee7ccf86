"""Spot beside trading while the venue is wound down: no coin moves, nothing is lent, nobody has a sub-account."""

import pytest

from adapters.simulator.simulator import Simulator
from adapters.simulator.wire.house import Settings
from tests.adapters.simulator.floor import Client

SUB_ACCOUNT = "/account/sub-account"
MARGIN = "/spot/v1/margin"
MOVED = {"requestNo": "1", "amount": "1", "currency": "BTC", "subAccount": "one@example.com"}
LENT = {"symbol": "BTC_USDT", "currency": "BTC", "amount": "1"}


@pytest.fixture
def client() -> Client:
    return Client(Simulator(traders=False, settings=Settings(rate_limits=False)))


@pytest.mark.parametrize(
    ("target", "data"),
    [
        ("/account/v1/withdraw/address/list", {"list": []}),
        ("/account/v2/deposit-withdraw/history?operation_type=deposit&N=50", {"records": []}),
        (f"{SUB_ACCOUNT}/main/v1/subaccount-list", {"subAccountList": []}),
        (f"{SUB_ACCOUNT}/main/v1/transfer-list?moveType=spot%20to%20spot&N=10", {"total": 0, "historyList": []}),
        (f"{SUB_ACCOUNT}/v1/transfer-history?moveType=spot%20to%20spot&N=10", {"total": 0, "historyList": []}),
        (f"{MARGIN}/isolated/pairs", {"symbols": []}),
        (f"{MARGIN}/isolated/account", {"symbols": []}),
        (f"{MARGIN}/isolated/borrow_record?symbol=BTC_USDT", {"records": []}),
        (f"{MARGIN}/isolated/repay_record?symbol=BTC_USDT", {"records": []}),
    ],
)
def test_a_list_of_what_never_happened_is_empty_and_asks_for_a_key(client: Client, target: str, data: object) -> None:
    status, answer = client.send("GET", target, headers={"X-BM-KEY": client.key})
    assert (status, answer["code"], answer["data"]) == (200, 1000, data)
    assert client.send("GET", target, headers={})[1]["code"] == 30001


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/account/v1/deposit/address?currency=BTC", 60003),
        ("/account/v1/deposit/address?currency=USDT-TRC20", 60003),
        ("/account/v1/deposit/address?currency=NONE", 60002),
        ("/account/v1/withdraw/charge", 60002),
        ("/account/v1/deposit-withdraw/detail?id=1679952", 60010),
        (f"{SUB_ACCOUNT}/main/v1/wallet?subAccount=one@example.com", 61003),
    ],
)
def test_what_is_not_there_is_refused_by_its_code(client: Client, target: str, code: int) -> None:
    assert client.send("GET", target, headers={"X-BM-KEY": client.key})[1]["code"] == code


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        *((f"{SUB_ACCOUNT}/main/v1/{way}", MOVED, 61003) for way in ("main-to-sub", "sub-to-main", "sub-to-sub")),
        *((f"{SUB_ACCOUNT}/sub/v1/{way}", MOVED, 61003) for way in ("sub-to-main", "sub-to-sub")),
        *((f"{MARGIN}/isolated/{verb}", LENT, 51001) for verb in ("borrow", "repay", "transfer")),
        (f"{MARGIN}/submit_order", {"symbol": "BTC_USDT", "side": "buy", "type": "limit", "size": "1"}, 51001),
        ("/account/v1/transfer", {"currency": "USDT", "amount": "1", "type": "spot_to_fund"}, 30019),
    ],
)
def test_nothing_moves_and_nothing_is_lent(client: Client, path: str, fields: dict[str, str], code: int) -> None:
    before = client.get("/spot/v1/wallet")
    assert client.refusal(path, **fields)[1] == code
    assert client.get("/spot/v1/wallet") == before


def test_a_withdrawal_has_its_price_and_none_is_to_be_had_today(client: Client) -> None:
    charge = client.get("/account/v1/withdraw/charge?currency=BTC")
    assert (charge["today_available_withdraw_BTC"], charge["withdraw_fee"]) == ("0.0000", "0.00000000")


def test_currencies_are_shown_as_asked_for(client: Client) -> None:
    found = client.send("GET", "/account/v1/currencies?currencies=BTC,BMX")[1]["data"]["currencies"]
    assert [coin["currency"] for coin in found] == ["BTC", "BMX"]
