"""Every way in which our word and the exchange's can differ is found, and nothing else is."""

from decimal import Decimal

import msgspec
import pytest

from oms.cli.truth import Ours, TrueSpot, differences

SPOT = msgspec.convert(
    {
        "balances": {
            "USDT": {"available": "890", "frozen": "10"},
            "BTC": {"available": "2.0", "frozen": "0"},
            "BMX": {"available": "0", "frozen": "0"},
        },
        "orders": [
            {"order_id": "1", "client_order_id": "a", "state": "partially_filled", "filled": "0.50"},
            {"order_id": "2", "client_order_id": "b", "state": "filled", "filled": "3"},
            {"order_id": "3", "client_order_id": None, "state": "new", "filled": "0"},
        ],
        "trades": [
            {"trade_id": "t", "symbol": "BTC_USDT", "side": "buy", "size": "3"},
            {"trade_id": "u", "symbol": "BTC_USDT", "side": "sell", "size": "1"},
        ],
    },
    TrueSpot,
)
EQUAL = {
    "positions": {"BTC/USDT": "2.000"},
    "balances": {"USDT": ("890.00", "10"), "BTC": ("2", "0")},
    "open_orders": {"a": "0.5", "3": "0"},
}


def ours(**changes: object) -> Ours:
    return msgspec.convert({**EQUAL, **changes}, Ours)


def test_equal_is_equal_however_it_is_spelled() -> None:
    assert list(differences(ours(), SPOT)) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"positions": {}}, "position BTC/USDT: ours 0, venue 2"),
        ({"positions": {"BTC/USDT": "2", "ETH/USDT": "1"}}, "position ETH/USDT: ours 1, venue 0"),
        ({"balances": {"USDT": ("890", "10")}}, "available BTC: ours 0, venue 2.0"),
        ({"balances": {"USDT": ("891", "10"), "BTC": ("2", "0")}}, "available USDT: ours 891, venue 890"),
        ({"balances": {"USDT": ("890", "9"), "BTC": ("2", "0")}}, "held USDT: ours 9, venue 10"),
        ({"open_orders": {"a": "0.5"}}, "open order 3: ours none, venue 0 filled"),
        ({"open_orders": {"a": "0.4", "3": "0"}}, "open order a: ours 0.4 filled, venue 0.50 filled"),
        ({"open_orders": {"a": "0.5", "3": "0", "b": "3"}}, "open order b: ours 3 filled, venue none"),
    ],
)
def test_each_difference_is_told_in_words(changes: dict[str, object], word: str) -> None:
    assert word in list(differences(ours(**changes), SPOT))


def test_the_smallest_difference_counts() -> None:
    off = {"USDT": (str(Decimal("890.000000000000000000000000000001")), "10"), "BTC": ("2", "0")}
    assert len(list(differences(ours(balances=off), SPOT))) == 1
