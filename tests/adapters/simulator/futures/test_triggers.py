"""Orders that wait for a price, and who they are when it has come."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.simulator.exchange.futures.events import OrderChanged, PlanChanged
from adapters.simulator.exchange.futures.orders import (
    OrderType,
    PlanKind,
    PositionMode,
    Preset,
    PriceType,
    Refusal,
    RefusedError,
)
from adapters.simulator.exchange.futures.plans import NewPlan, Plan, PlanState, PriceWay
from tests.adapters.simulator.futures.pit import CODES, SYMBOL, Pit


def plan(pit: Pit, kind: str, code: int, trigger: int, size: int | None = 5, **more: Any) -> Plan:
    """Leave dan's plan of one of BitMart's side codes."""
    side, reduce_only = CODES[code]
    new = NewPlan(
        account="dan",
        symbol=SYMBOL,
        kind=PlanKind(kind),
        side=side,
        reduce_only=reduce_only,
        size=None if size is None else Decimal(size),
        trigger_price=Decimal(trigger),
        **more,
    )
    return pit.exchange.submit_plan(new, pit.now)


def long_five(mode: PositionMode = PositionMode.HEDGE) -> Pit:
    """Dan is long 5 at 100, and bob stands ready on both sides."""
    pit = Pit(mode)
    for text in ("ann 4 5 @ 100", "dan 1 5 @ 100", "bob 1 100 @ 85", "bob 4 100 @ 115"):
        pit.place(text)
    return pit


def trade(pit: Pit, price: int) -> None:
    """Ann and cyd trade one contract at `price`: the last price is there."""
    pit.place(f"ann 4 1 @ {price}")
    pit.place(f"cyd 1 1 @ {price}")


CASES = [
    # kind,         code, trigger, price goes to, fires
    ("take_profit", 3, 110, (109, 110), True),
    ("take_profit", 3, 110, (95, 109), False),
    ("stop_loss", 3, 90, (91, 90), True),
    ("stop_loss", 3, 90, (110, 91), False),
]


@pytest.mark.parametrize(("kind", "code", "trigger", "path", "fires"), CASES)
def test_a_long_takes_profit_above_and_stops_its_loss_below(
    *, kind: str, code: int, trigger: int, path: tuple[int, ...], fires: bool
) -> None:
    pit = long_five()
    waiting = plan(pit, kind, code, trigger, None)

    for price in path:
        trade(pit, price)

    assert (waiting.state is PlanState.TRIGGERED) is fires
    assert pit.held("dan") == ("flat" if fires else "long 5")


@pytest.mark.parametrize(("kind", "trigger", "path"), [("take_profit", 90, 90), ("stop_loss", 110, 110)])
def test_a_short_the_other_way_round(kind: str, trigger: int, path: int) -> None:
    pit = Pit()
    for text in ("ann 1 5 @ 100", "dan 4 5 @ 100", "bob 4 100 @ 115"):
        pit.place(text)
    plan(pit, kind, 2, trigger, None)

    trade(pit, path)

    assert pit.held("dan") == "flat"


def test_s29_what_a_plan_becomes_has_a_new_id_a_plan_client_id_and_a_link() -> None:
    pit = long_five()
    waiting = plan(pit, "stop_loss", 3, 90, None, client_order_id="stop1")

    trade(pit, 90)

    child = pit.account("dan").order(waiting.child_order_id)
    assert child is not None
    assert child.order_id != waiting.plan_id
    assert child.client_order_id == f"PLAN_{waiting.plan_id}"
    assert (child.plan_id, child.plan_kind, child.type) == (waiting.plan_id, PlanKind.STOP_LOSS, OrderType.MARKET)
    assert pit.account("dan").order_by_client_id(child.client_order_id) is child
    assert pit.account("dan").plan_by_client_id("stop1") is waiting
    states = [one.plan.state for one in pit.events if isinstance(one, PlanChanged)]
    assert states == [PlanState.WAITING, PlanState.TRIGGERED]
    children = [one for one in pit.events if isinstance(one, OrderChanged) and one.order.plan_id]
    assert {one.order.order_id for one in children} == {child.order_id}


@pytest.mark.parametrize(("way", "trigger", "path"), [("rises", 110, 110), ("falls", 90, 90)])
def test_a_plan_opens_when_the_price_comes_from_its_side(way: str, trigger: int, path: int) -> None:
    pit = Pit()
    pit.place("bob 4 100 @ 115")
    waiting = plan(pit, "plan", 1, trigger, way=PriceWay(way), price=Decimal(115))
    trade(pit, 100)
    assert waiting.live

    trade(pit, path)

    assert pit.held("dan") == "long 5"


def test_the_mark_fires_what_watches_the_mark_and_nothing_else() -> None:
    pit = long_five()
    pit.place("bob 1 9 @ 99")
    by_last = plan(pit, "stop_loss", 3, 95, 2)
    by_mark = plan(pit, "stop_loss", 3, 95, 2, price_type=PriceType.MARK)

    pit.exchange.set_mark(SYMBOL, Decimal(94), pit.now)

    assert (by_last.state, by_mark.state) == (PlanState.WAITING, PlanState.TRIGGERED)
    assert pit.held("dan") == "long 3"


def test_when_the_position_is_gone_so_is_what_protected_it() -> None:
    pit = long_five()
    profit, loss = plan(pit, "take_profit", 3, 110, None), plan(pit, "stop_loss", 3, 90, None)

    trade(pit, 110)

    assert (profit.state, loss.state) == (PlanState.TRIGGERED, PlanState.CANCELED)
    assert not pit.account("dan").plans


def test_a_stop_goes_before_orders_that_wait_to_close_the_same() -> None:
    pit = long_five()
    waiting = pit.place("dan 3 5 @ 120")
    plan(pit, "stop_loss", 3, 90, None)

    trade(pit, 90)

    assert waiting.state == "canceled"
    assert pit.held("dan") == "flat"


def test_a_plan_that_is_refused_when_its_price_comes_has_failed() -> None:
    pit = Pit()
    waiting = plan(pit, "plan", 1, 110, 5_000, way=PriceWay.RISES)  # 50 000 at 10x and more than 10 000 have no room
    pit.exchange.transfer("dan", "USDT", Decimal(-9_990), pit.now)

    trade(pit, 110)

    assert (waiting.state, waiting.child_order_id) == (PlanState.FAILED, "")
    assert pit.held("dan") == "flat"


@pytest.mark.parametrize(
    ("code", "activation", "path", "fired_by"),
    [
        (3, 110, (108, 110, 120, 118, 114), 114),  # 5 % below 120
        (3, 110, (108, 100, 90), None),  # never got there
        (2, 90, (92, 90, 80, 82, 84), 84),
    ],
)
def test_a_trailing_order_follows_the_best_price_and_fires_when_it_turns(
    code: int, activation: int, path: tuple[int, ...], fired_by: int | None
) -> None:
    pit = long_five() if code == 3 else Pit()
    if code == 2:
        for text in ("ann 1 5 @ 100", "dan 4 5 @ 100"):
            pit.place(text)
    waiting = plan(pit, "trailing", code, activation, callback_percent=Decimal(5))
    for text in ("cyd 1 50 @ 60", "cyd 4 50 @ 150"):
        pit.place(text)
    fired = None
    for price in path:
        pit.exchange.set_mark(SYMBOL, Decimal(price), pit.now)
        pit.print_at(price)
        if fired is None and not waiting.live:
            fired = price

    assert fired == fired_by
    assert pit.held("dan") == ("flat" if fired_by else "long 5")


def test_presets_come_to_life_with_the_fills_and_grow_with_them() -> None:
    pit = Pit()
    order = pit.place("dan 1 5 @ 100", take_profit=Preset(Decimal(110)), stop_loss=Preset(Decimal(90), PriceType.MARK))
    assert not pit.account("dan").plans

    for filled in (2, 5):
        pit.place(f"ann 4 {filled - int(order.filled_size)} @ 100")
        plans = list(pit.account("dan").plans.values())
        assert [(one.kind.value, one.size, one.trigger_price) for one in plans] == [
            ("take_profit", filled, 110),
            ("stop_loss", filled, 90),
        ]
    assert {one.parent_order_id for one in plans} == {order.order_id}

    pit.place("bob 1 9 @ 95")
    pit.exchange.set_mark(SYMBOL, Decimal(90), pit.now)
    assert pit.held("dan") == "flat"
    assert not pit.account("dan").plans


def test_presets_can_be_changed_while_the_order_waits() -> None:
    pit = Pit()
    order = pit.place("dan 1 5 @ 100", take_profit=Preset(Decimal(110)))
    pit.exchange.set_presets("dan", order.order_id, pit.now, take_profit=None, stop_loss=Preset(Decimal(95)))

    pit.place("ann 4 5 @ 100")

    assert [(one.kind, one.trigger_price) for one in pit.account("dan").plans.values()] == [(PlanKind.STOP_LOSS, 95)]


def test_an_amended_plan_waits_for_its_new_price() -> None:
    pit = long_five()
    waiting = plan(pit, "stop_loss", 3, 90, None)
    pit.exchange.amend_plan("dan", waiting.plan_id, pit.now, trigger_price=Decimal(95))

    trade(pit, 95)

    assert pit.held("dan") == "flat"
    with pytest.raises(RefusedError, match="plan_ended"):
        pit.exchange.amend_plan("dan", waiting.plan_id, pit.now, trigger_price=Decimal(95))


def test_plans_are_canceled_one_by_one_or_all_of_a_kind() -> None:
    pit = long_five()
    stop, profit = plan(pit, "stop_loss", 3, 90, None), plan(pit, "take_profit", 3, 110, None)
    opening = plan(pit, "plan", 1, 80, way=PriceWay.FALLS)

    pit.exchange.cancel_plan("dan", stop.plan_id, pit.now)
    pit.exchange.cancel_plans("dan", SYMBOL, pit.now, kinds={PlanKind.PLAN})

    assert (stop.live, opening.live, profit.live) == (False, False, True)
    with pytest.raises(RefusedError, match="plan_unknown"):
        pit.exchange.cancel_plan("ann", profit.plan_id, pit.now)


@pytest.mark.parametrize(
    ("kind", "code", "trigger", "size", "more", "why"),
    [
        ("stop_loss", 2, 90, None, {}, Refusal.POSITION_MISSING),
        ("stop_loss", 3, 90, 6, {}, Refusal.POSITION_NOT_ENOUGH),
        ("stop_loss", 3, 100, None, {}, Refusal.TRIGGER_PASSED),
        ("take_profit", 3, 100, None, {}, Refusal.TRIGGER_PASSED),
        ("plan", 1, 110, 5, {}, Refusal.TRIGGER_REQUIRED),
        ("plan", 1, 110, None, {"way": PriceWay.RISES}, Refusal.SIZE_TOO_SMALL),
        ("plan", 1, 110, 5, {"way": PriceWay.RISES, "price": Decimal("1.2")}, Refusal.PRICE_OFF_STEP),
        ("plan", 1, 110, 5, {"way": PriceWay.RISES, "leverage": 99}, Refusal.LEVERAGE_TOO_LARGE),
        ("plan", 3, 110, 5, {"way": PriceWay.RISES, "stop_loss": Preset(Decimal(90))}, Refusal.PRESET_ON_CLOSE),
        ("trailing", 3, 110, 5, {"callback_percent": Decimal(6)}, Refusal.CALLBACK_OUT_OF_RANGE),
        ("trailing", 3, 110, 5, {}, Refusal.CALLBACK_OUT_OF_RANGE),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(
    *, kind: str, code: int, trigger: int, size: int | None, more: dict[str, Any], why: Refusal
) -> None:
    pit = long_five()

    with pytest.raises(RefusedError, match=why.value):
        plan(pit, kind, code, trigger, size, **more)
    assert not pit.account("dan").plans


def test_only_so_many_plans_may_wait() -> None:
    pit = Pit()
    for _ in range(200):
        plan(pit, "plan", 1, 50, way=PriceWay.FALLS)

    with pytest.raises(RefusedError, match="plans_too_many"):
        plan(pit, "plan", 1, 50, way=PriceWay.FALLS)


def test_a_plan_takes_a_client_order_id_for_good() -> None:
    pit = Pit()
    plan(pit, "plan", 1, 50, way=PriceWay.FALLS, client_order_id="one")

    assert pit.refusal("dan 1 1 @ 100", client_order_id="one") is Refusal.DUPLICATE_CLIENT_ORDER_ID
    with pytest.raises(RefusedError, match="duplicate_client_order_id"):
        plan(pit, "plan", 1, 50, way=PriceWay.FALLS, client_order_id="one")
