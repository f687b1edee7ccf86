"""Plans as the exchange keeps them: how one comes, how one ends, and those that an order's presets bring to life."""

from copy import copy

from adapters.simulator.exchange.futures.events import PlanChanged
from adapters.simulator.exchange.futures.orders import Fill, Mode, Order, OrderType, PlanKind, Preset
from adapters.simulator.exchange.futures.plans import Plan, PlanState, PriceWay
from adapters.simulator.exchange.futures.state import State
from oms.values import ZERO, Side


def add_plan(state: State, plan: Plan) -> None:
    """Let a plan wait, and tell."""
    state.accounts[plan.account].planned(plan)
    state.waiting[plan.symbol][plan.plan_id] = plan
    state.touch(plan.symbol)
    tell_plan(state, plan, new=True)


def end_plan(state: State, plan: Plan, how: PlanState, now_ms: int) -> None:
    """Let a plan wait no longer, and tell."""
    plan.state, plan.updated_ms = how, now_ms
    state.accounts[plan.account].plan_ended(plan)
    del state.waiting[plan.symbol][plan.plan_id]
    tell_plan(state, plan)


def tell_plan(state: State, plan: Plan, *, new: bool = False) -> None:
    """Emit the plan as it is now."""
    state.emit(PlanChanged(plan=copy(plan), new=new))


def way_of(kind: PlanKind, side: Side) -> PriceWay:
    """A sell takes profit or begins to trail above, a buy below; a stop-loss the other way round."""
    above = (side is Side.SELL) is (kind is not PlanKind.STOP_LOSS)
    return PriceWay.RISES if above else PriceWay.FALLS


def protect(state: State, order: Order, fill: Fill) -> None:
    """Bring the presets of an order to life, for as much as it has opened."""
    for kind, preset in ((PlanKind.TAKE_PROFIT, order.take_profit), (PlanKind.STOP_LOSS, order.stop_loss)):
        if preset is None:
            continue
        plan = _of(state, order, kind)
        if plan is None:
            add_plan(state, _plan(state, order, fill, kind, preset))
        elif plan.size is not None:
            plan.size += fill.opened
            plan.updated_ms = fill.at_ms
            tell_plan(state, plan)


def _of(state: State, order: Order, kind: PlanKind) -> Plan | None:
    plans = state.accounts[order.account].plans.values()
    return next((one for one in plans if one.parent_order_id == order.order_id and one.kind is kind), None)


def _plan(state: State, order: Order, fill: Fill, kind: PlanKind, preset: Preset) -> Plan:
    side = Side.SELL if order.side is Side.BUY else Side.BUY
    return Plan(
        plan_id=state.next_id(fill.at_ms),
        client_order_id="",
        account=order.account,
        symbol=order.symbol,
        kind=kind,
        side=side,
        reduce_only=True,
        leg=order.leg,
        size=fill.opened,
        trigger_price=preset.price,
        way=way_of(kind, side),
        price_type=preset.price_type,
        type=OrderType.MARKET,
        price=ZERO,
        mode=Mode.GTC,
        leverage=order.leverage,
        margin_mode=order.margin_mode,
        created_ms=fill.at_ms,
        updated_ms=fill.at_ms,
        parent_order_id=order.order_id,
    )
