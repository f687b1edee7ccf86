"""Funding: who pays whom, when, and once (S38)."""

from decimal import Decimal

import pytest

from adapters.simulator.exchange.futures.accounts import FlowKind
from adapters.simulator.exchange.futures.events import FundingSettled
from adapters.simulator.exchange.futures.orders import MarginMode
from oms.values import ZERO
from tests.adapters.simulator.futures.pit import NOW, SYMBOL, Pit
from tests.adapters.simulator.futures.trader import OPEN_LONG, OPEN_SHORT, PRIVATE, another, trader

HOUR = 3_600_000


def opposed(*, margin_mode: MarginMode = MarginMode.CROSS) -> Pit:
    """Dan is long 50, ann short 50, at 100: 5 coins."""
    pit = Pit()
    pit.place("ann 4 50 @ 100")
    pit.place("dan 1 50 @ 100", margin_mode=margin_mode)
    return pit


def paid(pit: Pit, name: str) -> list[Decimal]:
    return [flow.amount for flow in pit.account(name).flows if flow.kind is FlowKind.FUNDING]


@pytest.mark.parametrize(("rate", "long", "short"), [("0.001", "-0.6", "0.6"), ("-0.002", "1.2", "-1.2")])
def test_s38_a_positive_rate_moves_money_from_longs_to_shorts_by_the_mark(rate: str, long: str, short: str) -> None:
    pit = opposed()
    pit.exchange.set_mark(SYMBOL, Decimal(120), pit.now)

    pit.exchange.settle_funding(SYMBOL, pit.now, Decimal(rate))

    assert (paid(pit, "dan"), paid(pit, "ann"), paid(pit, "bob")) == ([Decimal(long)], [Decimal(short)], [])
    assert next(pit.account("dan").held_positions()).funding == Decimal(long)
    assert pit.exchange.prices(SYMBOL).settled_rate == Decimal(rate)


def test_s38_it_settles_at_00_08_and_16_utc_once_each_whoever_looks_how_often() -> None:
    pit = opposed()
    pit.pass_by(1)
    times = []
    for _ in range(3 * 24 * 4):
        pit.pass_by(HOUR // 4)
        times += [one.at_ms for one in pit.events if isinstance(one, FundingSettled) and one.symbol == SYMBOL]
        pit.events.clear()

    assert {(at - NOW) // HOUR % 24 for at in times} == {0, 8, 16}
    assert len(times) == len(set(times)) == len(paid(pit, "dan")) == 9


def test_s38_a_clock_that_goes_back_or_leaps_settles_nothing_twice() -> None:
    pit = opposed()
    pit.pass_by(1)
    pit.pass_by(8 * HOUR)
    pit.pass_by(-300_000)
    pit.pass_by(300_000)
    assert len(paid(pit, "dan")) == 1

    pit.pass_by(40 * HOUR)
    assert len(paid(pit, "dan")) == 2
    assert pit.exchange.prices(SYMBOL).funding_at_ms > pit.now


def test_the_hours_may_pass_without_a_settlement_and_one_on_demand_still_pays() -> None:
    one = trader(funding=False)
    two = another(one)
    two.order(side=OPEN_SHORT, size=10, price="60000")
    one.order(side=OPEN_LONG, size=10, price="60000")
    for _ in range(25):
        one.step(HOUR)
    assert not [row for row in one.get(f"{PRIVATE}/transaction-history") if row["type"] == "Funding Fee"]
    one.simulator.settle_funding("BTCUSDT", Decimal("0.001"), one.now)
    assert [row["type"] for row in one.get(f"{PRIVATE}/transaction-history")].count("Funding Fee") == 1


def test_only_what_is_open_at_the_instant_counts() -> None:
    pit = opposed()
    pit.pass_by(1)
    pit.place("bob 1 50 @ 100")
    pit.place("dan 3 50 @ 100")

    pit.pass_by(8 * HOUR)

    assert paid(pit, "dan") == []
    assert paid(pit, "bob") == [Decimal("-0.05")]


def test_an_isolated_position_pays_from_its_margin_what_the_account_does_not_have() -> None:
    pit = opposed(margin_mode=MarginMode.ISOLATED)
    pit.exchange.transfer("dan", "USDT", Decimal("-9949.5"), pit.now)
    available, _, deposit = pit.wallet("dan")

    pit.exchange.settle_funding(SYMBOL, pit.now, Decimal("0.01"))

    assert (available, deposit) == (Decimal("0.2"), 50)
    assert pit.wallet("dan") == (0, 0, Decimal("45.2"))


@pytest.mark.parametrize("rate", ["0.0376", "-0.0376", "NaN"])
def test_a_rate_beyond_the_cap_is_refused(rate: str) -> None:
    pit = opposed()

    with pytest.raises(ValueError, match="funding rate"):
        pit.exchange.settle_funding(SYMBOL, pit.now, Decimal(rate))
    with pytest.raises(ValueError, match="funding rate"):
        pit.exchange.expect_funding(SYMBOL, Decimal(rate), pit.now)
    assert paid(pit, "dan") == []


def test_the_mark_is_the_index_and_the_funding_still_to_come() -> None:
    pit = Pit()
    pit.exchange.set_index(SYMBOL, Decimal(1_000), pit.now)
    pit.exchange.expect_funding(SYMBOL, Decimal("0.01"), pit.now)
    prices = pit.exchange.prices(SYMBOL)
    assert prices.mark == 1_010

    pit.pass_by(4 * HOUR)
    assert prices.mark == 1_005
    pit.pass_by(4 * HOUR - 1)
    assert prices.mark == 1_000

    pit.exchange.set_mark(SYMBOL, Decimal(900), pit.now)
    assert (prices.mark, prices.index) == (900, 1_000)
    pit.exchange.set_mark(SYMBOL, None, pit.now)
    assert prices.mark == 1_000


def test_the_index_follows_the_last_trade_until_it_is_pinned() -> None:
    pit = Pit()
    pit.exchange.expect_funding(SYMBOL, ZERO, pit.now)
    pit.place("ann 4 1 @ 105")
    pit.place("dan 1 1 @ 105")
    prices = pit.exchange.prices(SYMBOL)

    assert (prices.last, prices.index, prices.mark) == (105, 105, 105)
