"""How orders are taken back, changed, and ended by a switch."""

from decimal import Decimal

import pytest

from adapters.simulator.exchange.futures.contracts import Status
from adapters.simulator.exchange.futures.orders import CancelSource, PlanKind, PositionMode, Refusal, RefusedError
from adapters.simulator.exchange.futures.plans import NewPlan, PriceWay
from oms.values import Side
from tests.adapters.simulator.futures.pit import SYMBOL, Pit


def plan_of(account: str) -> NewPlan:
    return NewPlan(
        account=account,
        symbol=SYMBOL,
        kind=PlanKind.PLAN,
        side=Side.BUY,
        size=Decimal(1),
        trigger_price=Decimal(90),
        way=PriceWay.FALLS,
    )


def test_a_cancel_frees_what_was_frozen_and_cannot_be_had_twice() -> None:
    pit = Pit()
    order = pit.place("dan 1 5 @ 100")

    pit.exchange.cancel("dan", order.order_id, pit.now)

    assert pit.wallet("dan") == (Decimal(10_000), 0, 0)
    with pytest.raises(RefusedError, match="order_canceled"):
        pit.exchange.cancel("dan", order.order_id, pit.now)
    with pytest.raises(RefusedError, match="order_unknown"):
        pit.exchange.cancel("ann", order.order_id, pit.now)


def test_a_filled_order_cannot_be_canceled() -> None:
    pit = Pit()
    pit.place("ann 4 5 @ 100")
    order = pit.place("dan 1 5 @ 100")

    with pytest.raises(RefusedError, match="order_filled"):
        pit.exchange.cancel("dan", order.order_id, pit.now)


def test_s20_a_cancel_without_ids_takes_every_order_of_the_symbol_and_of_nobody_else() -> None:
    pit = Pit()
    mine = [pit.place("dan 1 1 @ 90"), pit.place("dan 4 1 @ 110"), pit.place("dan 1 1 @ 80")]
    other = pit.place("ann 1 1 @ 90")

    canceled = pit.exchange.cancel_all("dan", SYMBOL, pit.now)

    assert list(canceled) == mine
    assert {one.state for one in mine} == {"canceled"}
    assert other.live


@pytest.mark.parametrize("covers", [True, False])
def test_whether_cancel_all_covers_plans_is_a_rule(*, covers: bool) -> None:
    pit = Pit(cancel_takes_plans=covers)
    plan = pit.exchange.submit_plan(plan_of("dan"), pit.now)

    pit.exchange.cancel_all("dan", SYMBOL, pit.now)

    assert plan.live is not covers


def test_a_dead_mans_switch_fires_once_when_nobody_calls_again() -> None:
    pit = Pit()
    order = pit.place("dan 1 1 @ 90")
    other = pit.place("ann 1 1 @ 90")
    pit.exchange.cancel_all_after("dan", SYMBOL, 5, pit.now)
    pit.pass_by(4_999)
    assert order.live

    pit.exchange.cancel_all_after("dan", SYMBOL, 5, pit.now)
    pit.pass_by(4_999)
    assert order.live
    pit.pass_by(1)
    assert order.cancel_source is CancelSource.SYSTEM
    assert other.live

    later = pit.place("dan 1 1 @ 90")
    pit.pass_by(60_000)
    assert later.live


def test_a_dead_mans_switch_can_be_taken_away_and_has_a_shortest_time() -> None:
    pit = Pit()
    order = pit.place("dan 1 1 @ 90")
    pit.exchange.cancel_all_after("dan", SYMBOL, 5, pit.now)

    pit.exchange.cancel_all_after("dan", SYMBOL, 0, pit.now)
    pit.pass_by(60_000)

    assert order.live
    with pytest.raises(RefusedError, match="timeout_too_short"):
        pit.exchange.cancel_all_after("dan", SYMBOL, 4, pit.now)


def test_an_amended_order_keeps_its_id_its_fills_and_loses_its_place() -> None:
    pit = Pit()
    order = pit.place("dan 1 5 @ 100")
    pit.place("ann 1 2 @ 100")
    pit.place("bob 4 2 @ 100")

    amended = pit.exchange.amend("dan", order.order_id, pit.now, size=Decimal(8))
    pit.place("bob 4 2 @ 100")

    assert amended is order
    assert (order.size, order.filled_size, order.leaves) == (8, 2, 6)
    assert pit.held("ann") == "long 2"  # who was behind it is first now
    assert pit.wallet("dan")[1] == Decimal("6.036")


def test_an_amended_order_may_go_on_under_a_new_id_and_the_same_client_order_id() -> None:
    pit = Pit(amend_keeps_id=False)
    order = pit.place("dan 1 5 @ 100", client_order_id="mine")
    pit.place("bob 4 2 @ 100")

    amended = pit.exchange.amend("dan", order.order_id, pit.now, price=Decimal(101))

    assert (order.state, order.filled_size) == ("partially_canceled", 2)
    assert (amended.state, amended.size, amended.filled_size, amended.price) == ("new", 3, 0, 101)
    assert pit.account("dan").order_by_client_id("mine") is amended
    assert amended.order_id != order.order_id


def test_an_amended_price_that_crosses_trades_at_once() -> None:
    pit = Pit()
    pit.place("ann 4 5 @ 101")
    order = pit.place("dan 1 5 @ 100")

    pit.exchange.amend("dan", order.order_id, pit.now, price=Decimal(101))

    assert pit.held("dan") == "long 5"


def test_an_amended_maker_only_order_that_would_take_is_canceled() -> None:
    pit = Pit()
    pit.place("ann 4 5 @ 101")
    order = pit.place("dan 1 5 maker_only @ 100")

    pit.exchange.amend("dan", order.order_id, pit.now, price=Decimal(101))

    assert (order.state, order.cancel_source) == ("canceled", CancelSource.SYSTEM)
    assert pit.wallet("dan") == (Decimal(10_000), 0, 0)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, Refusal.NOTHING_TO_AMEND),
        ({"price": "100.2"}, Refusal.PRICE_OFF_STEP),
        ({"size": "1"}, Refusal.SIZE_TOO_SMALL),  # one is filled already
        ({"size": "1.5"}, Refusal.SIZE_NOT_WHOLE),
        ({"size": "10000"}, Refusal.LEVERAGE_TOO_LARGE),
    ],
)
def test_an_amend_that_is_refused_changes_nothing(change: dict[str, str], why: Refusal) -> None:
    pit = Pit()
    order = pit.place("dan 1 5 @ 100")
    pit.place("bob 4 1 @ 100")
    wallet, told = pit.wallet("dan"), len(pit.events)

    with pytest.raises(RefusedError, match=why.value):
        pit.exchange.amend("dan", order.order_id, pit.now, **{name: Decimal(text) for name, text in change.items()})

    assert (pit.wallet("dan"), len(pit.events), order.leaves) == (wallet, told, 4)


def test_an_order_that_closes_grows_no_larger_than_what_is_held() -> None:
    pit = Pit(PositionMode.ONE_WAY)
    pit.place("ann 4 5 @ 100")
    pit.place("dan 1 5 @ 100")
    order = pit.place("dan 3 3 @ 110")

    pit.exchange.amend("dan", order.order_id, pit.now, size=Decimal(5))
    with pytest.raises(RefusedError, match="position_not_enough"):
        pit.exchange.amend("dan", order.order_id, pit.now, size=Decimal(6))


def test_an_amended_order_has_to_fit_its_tier_and_a_contract_that_trades() -> None:
    pit = Pit()
    order = pit.place("dan 1 1000 @ 99", leverage=50)
    with pytest.raises(RefusedError, match="leverage_too_large"):
        pit.exchange.amend("dan", order.order_id, pit.now, price=Decimal("100.5"))
    pit.exchange.amend("dan", order.order_id, pit.now, price=Decimal(100))

    pit.exchange.set_status(SYMBOL, Status.PAUSED, pit.now)
    with pytest.raises(RefusedError, match="contract_paused"):
        pit.exchange.amend("dan", order.order_id, pit.now, price=Decimal(99))


def test_an_order_that_closes_more_leaves_less_to_close_for_plain_ones() -> None:
    pit = Pit(PositionMode.ONE_WAY)
    pit.place("ann 4 5 @ 100")
    pit.place("dan 1 5 @ 100")
    plain, reducing = pit.place("dan 4 5 @ 110"), pit.place("dan 3 1 @ 110")
    assert plain.opens == 1

    pit.exchange.amend("dan", reducing.order_id, pit.now, size=Decimal(3))

    assert plain.opens == 3


def test_closing_everything_takes_back_what_waited_to_close() -> None:
    pit = Pit()
    for text in ("ann 4 5 @ 100", "dan 1 5 @ 100", "ann 1 3 @ 100", "dan 4 3 @ 100", "bob 1 9 @ 99", "bob 4 9 @ 101"):
        pit.place(text)
    waiting = [pit.place("dan 3 5 @ 120"), pit.place("dan 2 3 @ 80")]

    orders = pit.exchange.close_all("dan", pit.now)

    assert pit.held("dan") == "flat"
    assert [one.state for one in waiting] == ["canceled", "canceled"]
    assert [one.size for one in orders] == [5, 3]
