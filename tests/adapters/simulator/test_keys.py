"""What a key is good for: permissions, addresses, and whether the venue still takes it (PROTOCOL 2.1, 4.3)."""

from collections.abc import Collection

import pytest

from adapters.simulator.host import Product
from adapters.simulator.simulator import NoAnswer, Simulator
from adapters.simulator.wire.gateway import Request
from adapters.simulator.wire.keys import KeyState, Permission
from tests.adapters.simulator.floor import Client
from tests.adapters.simulator.futures.trader import SUBMIT as FUTURES_SUBMIT
from tests.adapters.simulator.futures.trader import Listener, Trader

READ, SPOT, FUTURES, WITHDRAW = (
    Permission.READ,
    Permission.SPOT_TRADE,
    Permission.FUTURES_TRADE,
    Permission.WITHDRAW,
)
SUBMIT, CANCEL, OPEN = "/spot/v2/submit_order", "/spot/v3/cancel_order", "/spot/v4/query/open-orders"
WITHDRAW_APPLY = "/account/v1/withdraw/apply"
ORDER = {"symbol": "BTC_USDT", "side": "buy", "type": "limit", "size": "0.01", "price": "50000"}
CONTRACTS = {"symbol": "BTCUSDT", "side": 1, "size": 1, "price": "50000"}
NOT_ALLOWED = (403, 30012)


def clients(*permissions: Permission) -> tuple[Client, Trader]:
    """One account's key, at both hosts."""
    simulator = Simulator(traders=False)
    spot, futures = Client(simulator), Trader(simulator)
    simulator.change_key(spot.key, permissions=frozenset(permissions))
    return spot, futures


# key made for             spot order   futures order  withdrawal
MAY = [
    ((READ,),                  False,       False,         False),
    ((READ, SPOT),             True,        False,         False),
    ((READ, FUTURES),          False,       True,          False),
    ((READ, SPOT, FUTURES),    True,        True,          False),
    ((READ, WITHDRAW),         False,       False,         True),
]  # fmt: skip


@pytest.mark.parametrize(("permissions", "spot", "futures", "withdrawal"), MAY)
def test_a_key_does_what_it_was_made_for_and_reads_everything(
    permissions: Collection[Permission], *, spot: bool, futures: bool, withdrawal: bool
) -> None:
    one, other = clients(*permissions)
    assert one.ask(OPEN) == []
    assert one.get("/spot/v1/wallet")["wallet"]
    assert other.get("/contract/private/assets-detail")
    assert other.ask("/account/v1/transfer-contract-list", page=1, limit=10) == {"records": []}
    assert (one.post(SUBMIT, **ORDER)[1]["code"] == 1000) is spot
    assert (one.refusal(CANCEL, symbol="BTC_USDT", order_id="1") == (400, 50005)) is spot
    assert (other.post(FUTURES_SUBMIT, **CONTRACTS)[1]["code"] == 1000) is futures
    assert (one.refusal(WITHDRAW_APPLY) == (400, 60000)) is withdrawal
    assert spot or one.refusal(SUBMIT, **ORDER) == NOT_ALLOWED
    assert futures or other.refusal(FUTURES_SUBMIT, **CONTRACTS) == NOT_ALLOWED
    assert withdrawal or one.refusal(WITHDRAW_APPLY) == NOT_ALLOWED


def test_a_missing_permission_may_come_with_status_200_and_says_nothing_to_a_wrong_signature() -> None:
    one, _ = clients(READ)
    one.simulator.settings.forbidden_code = 30019
    assert one.refusal(SUBMIT, **ORDER) == (200, 30019)
    one.secret = "guessed"
    assert one.refusal(SUBMIT, **ORDER) == (401, 30005)


def test_no_coin_leaves_even_where_the_key_may() -> None:
    one, _ = clients(READ, WITHDRAW)
    assert one.refusal(WITHDRAW_APPLY, currency="USDT", amount="10", address="x") == (400, 60004)


def test_a_key_is_taken_from_its_addresses_only() -> None:
    one = Client(Simulator(traders=False))
    one.simulator.change_key(one.key, ips=frozenset({"203.0.113.7"}))
    assert one.refusal(OPEN) == (403, 30010)
    request = Request("GET", "/spot/v1/wallet", {"X-BM-KEY": one.key}, b"", ip="203.0.113.7")
    answer = one.simulator.serve(request, one.now)
    assert not isinstance(answer, NoAnswer)
    assert answer.status == 200
    one.simulator.change_key(one.key, ips=frozenset())
    assert one.ask(OPEN) == []


@pytest.mark.parametrize(
    ("state", "code", "spot_login"),
    [(KeyState.FROZEN, (401, 30003), "91003"), (KeyState.EXPIRED, (403, 30011), "91004")],
)
def test_a_frozen_or_expired_key_opens_nothing(state: KeyState, code: tuple[int, int], spot_login: str) -> None:
    one = Client(Simulator(traders=False))
    one.simulator.change_key(one.key, state=state)
    assert one.refusal(OPEN) == code
    assert one.send("GET", "/spot/v1/wallet", headers={"X-BM-KEY": one.key})[0] == code[0]
    (refused,) = one.connect(private=True).login()
    assert refused["errorCode"] == spot_login
    futures = Trader(one.simulator)
    assert futures.product is Product.FUTURES
    (said,) = Listener(futures, futures.connect(private=True).connection).login()
    assert said["success"] is False
    one.simulator.change_key(one.key, state=KeyState.ACTIVE)
    assert one.ask(OPEN) == []


def test_a_key_that_nobody_has_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="no account has that key"):
        Simulator(traders=False).change_key("nobody's", ips=frozenset())
