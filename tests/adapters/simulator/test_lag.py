"""Balances that queries show late: the knob of PROTOCOL 12.5, on both hosts."""

from decimal import Decimal

import pytest

from adapters.simulator.simulator import Simulator
from adapters.simulator.wire.house import Settings
from tests.adapters.simulator.floor import Client
from tests.adapters.simulator.futures.trader import trader


def usdt(one: Client, path: str = "/spot/v1/wallet", name: str = "name") -> tuple[Decimal, Decimal]:
    """What the wallet shows: available, frozen."""
    (row,) = [row for row in one.get(path)["wallet"] if row[name] == "USDT"]
    return Decimal(row["available"]), Decimal(row["frozen"])


def lagging(low: int, high: int) -> Client:
    return Client(Simulator(traders=False, settings=Settings(balance_lag_ms=(low, high), rate_limits=False)))


@pytest.mark.parametrize(("path", "name"), [("/spot/v1/wallet", "name"), ("/account/v1/wallet", "currency")])
def test_protocol_12_5_a_hold_shows_in_the_spot_wallet_when_the_lag_is_over(path: str, name: str) -> None:
    one = lagging(500, 500)
    before = usdt(one, path, name)
    one.submit(size="0.01", price="50000")
    one.step(499)
    assert usdt(one, path, name) == before == (1_000_000, 0)
    one.step(1)
    available, frozen = usdt(one, path, name)
    assert frozen > 500
    assert available + frozen == 1_000_000


def test_what_changed_twice_shows_in_its_order_and_never_goes_back() -> None:
    one = lagging(1, 900)
    for _ in range(10):
        one.submit(size="0.01", price="50000")
    shown = []
    for _ in range(90):
        one.step(10)
        shown.append(usdt(one)[1])
    assert len(set(shown)) > 2
    assert shown == sorted(shown)
    assert sum(usdt(one)) == 1_000_000
    assert shown[-1] == max(shown) == usdt(lagged_without(10))[1]


def lagged_without(orders: int) -> Client:
    """The same orders at a venue that shows everything at once."""
    one = lagging(0, 0)
    for _ in range(orders):
        one.submit(size="0.01", price="50000")
    return one


def test_protocol_12_5_a_margin_shows_in_the_futures_assets_when_the_lag_is_over() -> None:
    one = trader(balance_lag_ms=(1_000, 1_000))
    stream = one.reader("futures/asset:USDT")
    one.order(size=10, price="50000")
    assert [Decimal(each["frozen_balance"]) > 0 for each in stream.data("futures/asset:USDT")] == [True]  # at once
    one.step(999)
    before = one.asset()
    assert (before["frozen_balance"], before["equity"]) == (0, 1_000_000)
    one.step(1)
    after = one.asset()
    assert after["frozen_balance"] > 0
    assert after["available_balance"] + after["frozen_balance"] == after["equity"] == 1_000_000
