"""The end of a contract (S62)."""

from decimal import Decimal

import pytest

from adapters.simulator.exchange.futures.accounts import FlowKind
from adapters.simulator.exchange.futures.contracts import Status
from adapters.simulator.exchange.futures.events import OrderChanged, PositionChanged
from adapters.simulator.exchange.futures.orders import OrderType, PlanKind, Refusal
from adapters.simulator.exchange.futures.plans import NewPlan, PlanState, PriceWay
from oms.values import Side
from tests.adapters.simulator.futures.pit import SYMBOL, Pit


@pytest.mark.parametrize("by_order", [True, False])
def test_s62_a_delisted_contract_is_settled_at_its_mark_without_anybodys_order(*, by_order: bool) -> None:
    pit = Pit(settlement_by_order=by_order)
    pit.place("ann 4 50 @ 100")
    pit.place("dan 1 50 @ 100")
    waiting = pit.place("dan 1 10 @ 90")
    plan = NewPlan(
        account="dan",
        symbol=SYMBOL,
        kind=PlanKind.PLAN,
        side=Side.BUY,
        size=Decimal(1),
        trigger_price=Decimal(90),
        way=PriceWay.FALLS,
    )
    planned = pit.exchange.submit_plan(plan, pit.now)
    pit.exchange.set_mark(SYMBOL, Decimal(102), pit.now)
    told = len(pit.events)

    pit.exchange.set_status(SYMBOL, Status.DELISTED, pit.now)

    assert (waiting.state, planned.state) == ("canceled", PlanState.CANCELED)
    assert (pit.held("ann"), pit.held("dan")) == ("flat", "flat")
    assert pit.wallet("dan") == (Decimal("10009.7"), 0, 0)  # 10 won, 0.3 of fee when it was opened
    assert pit.wallet("ann") == (Decimal("9989.9"), 0, 0)
    assert pit.account("dan").flows[-1].kind is FlowKind.REALISED
    flat = [one.position.size for one in pit.events[told:] if isinstance(one, PositionChanged)]
    assert flat == [0, 0]
    orders = [one.order for one in pit.events[told:] if isinstance(one, OrderChanged) and one.fill is not None]
    assert [(one.type, one.client_order_id) for one in orders] == ([(OrderType.SETTLEMENT, "")] * 2 if by_order else [])
    assert pit.refusal("dan 1 1 @ 100") is Refusal.CONTRACT_DELISTED
    with pytest.raises(ValueError, match="delisted"):
        pit.exchange.set_status(SYMBOL, Status.TRADING, pit.now)


def test_a_paused_contract_takes_no_order_and_lets_go_of_those_it_has() -> None:
    pit = Pit()
    order = pit.place("dan 1 5 @ 100")
    pit.exchange.set_status(SYMBOL, Status.PAUSED, pit.now)

    assert pit.refusal("ann 4 5 @ 100") is Refusal.CONTRACT_PAUSED
    pit.exchange.cancel("dan", order.order_id, pit.now)

    pit.exchange.set_status(SYMBOL, Status.TRADING, pit.now)
    assert pit.refusal("ann 4 5 @ 100") is None
