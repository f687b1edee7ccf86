"""The judge of a chaos run finds what it is there to find."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from oms.gateway.views import BalanceView, PositionView
from tests.chaos.figures import KILLED_OMS, LEADER_DIED, Figures, Took
from tests.chaos.judge import Shown, Truth, doubled, lost, unequal

ORDER = {"order_id": "1", "client_order_id": "a", "state": "new", "filled": "0", "created_ms": 0}
VENUE: dict[str, Any] = {
    "spot": {"balances": {}, "orders": [], "trades": []},
    "futures": {
        "balances": {"USDT": {"available": "70", "frozen": "10", "deposit": "20"}},
        "positions": [{"symbol": "BTCUSDT", "leg": "long", "size": "2", "average_price": "29000"}],
        "orders": [],
    },
    "orders": [],
}
OURS: dict[str, Any] = {"open_orders": [], "positions": [], "balances": [], "breaks": []}


def truth(**futures: object) -> Truth:
    return msgspec.convert(VENUE | {"futures": VENUE["futures"] | futures}, Truth)


def ours(total: str = "100", contracts: str = "2", cost: str = "58") -> Shown:
    wallet = {"account": "main", "wallet": "futures", "currency": "USDT", "held": "30", "available": "70"}
    leg: dict[str, Any] = {"account": "main", "symbol": "BTC/USDT:USDT", "leg": "long", "open_cost": cost}
    leg |= {"realized": "0", "commissions": {}, "contract_size": "0.001", "funding": "0", "shares": {}}
    return Shown(
        open_orders=[],
        positions=[msgspec.convert(leg | {"quantity": contracts}, PositionView, strict=False)],
        balances=[msgspec.convert(wallet | {"total": total}, BalanceView, strict=False)],
        breaks=[],
    )


def test_what_agrees_is_equal_also_where_a_quotient_was_rounded() -> None:
    assert list(unequal(ours(), truth())) == []
    assert list(unequal(ours(total="99.9999999999"), truth())) == []


def test_what_was_earned_so_far_may_differ_by_what_the_open_position_has_cost() -> None:
    assert list(unequal(ours(total="102", cost="60"), truth())) == []
    assert list(unequal(ours(total="102", cost="59"), truth())) == ["total of futures USDT: ours 43, venue 42.000"]


@pytest.mark.parametrize(
    ("shown", "theirs", "word"),
    [
        (lambda: ours(total="99.99"), truth(), "total of futures USDT: ours 41.99, venue 42.000"),
        (lambda: ours(contracts="1"), truth(), "position BTC/USDT:USDT long: ours 1, venue 2"),
        (lambda: ours(cost="0"), truth(positions=[]), "position BTC/USDT:USDT long: ours 2, venue 0"),
        (ours, truth(orders=[ORDER]), "filled of a: ours 0, venue 1"),
    ],
)
def test_each_difference_on_futures_is_told(shown: Callable[[], Shown], theirs: Truth, word: str) -> None:
    assert list(unequal(shown(), theirs)) == [word]


def test_an_order_that_is_there_twice_and_one_that_nobody_knows_are_told() -> None:
    twice = msgspec.convert(VENUE | {"orders": [ORDER, ORDER | {"order_id": "2"}]}, Truth)
    assert list(doubled(twice)) == ["a is at the venue 2 times"]
    assert list(doubled(truth())) == []
    assert list(lost({"a", "b"}, {"a", "c"})) == ["b was acknowledged and is lost"]


def test_a_slow_start_is_told_and_one_that_waited_for_a_processor_is_not_slow() -> None:
    busy, slow = Took(seconds=9.0, waited=7.0), Took(seconds=3.5, waited=0.1)
    assert Figures(ready={KILLED_OMS: [busy, busy, slow], LEADER_DIED: [busy, slow]}).slow() == []
    assert Figures(ready={KILLED_OMS: [busy, slow, slow]}).slow() == [
        f"ready 3.40 s (median) after {KILLED_OMS}: 3.0 s are allowed"
    ]
    assert Figures(ready={LEADER_DIED: [slow, Took(5.5)]}).slow() == [
        f"ready 5.50 s (max) after {LEADER_DIED}: 5.0 s are allowed"
    ]
