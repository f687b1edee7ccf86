"""A perpetual account that is put back has what it had: money, positions, what rests and what waits."""

from decimal import Decimal

from adapters.simulator.exchange.futures.accounts import Setting
from adapters.simulator.exchange.futures.orders import MarginMode, PlanKind, PositionMode, PriceType
from adapters.simulator.exchange.futures.plans import NewPlan, PriceWay
from adapters.simulator.exchange.futures.standing import Standing, StandingLeg, StandingOrder, put_back
from oms.values import ZERO, PositionLeg, Side
from tests.adapters.simulator.futures.pit import SYMBOL, Pit

SETTING = Setting(5, MarginMode.ISOLATED)


def traded() -> Pit:
    """Ann bought five at 100, bids for three more at 90, and has a stop at 80 for all of it."""
    pit = Pit()
    pit.exchange.set_leverage("ann", SYMBOL, 5, MarginMode.ISOLATED)
    pit.place("bob 4 5 @ 100")
    pit.place("ann 1 5 @ 100")
    pit.place("ann 1 3 @ 90", client_order_id="rests")
    stop = NewPlan(
        account="ann",
        symbol=SYMBOL,
        kind=PlanKind.STOP_LOSS,
        side=Side.SELL,
        reduce_only=True,
        size=Decimal(5),
        trigger_price=Decimal(80),
        client_order_id="stop",
    )
    pit.exchange.submit_plan(stop, pit.now)
    return pit


def standing(pit: Pit) -> Standing:
    """What a log would say of ann."""
    ann = pit.account("ann")
    (position,) = ann.held_positions()
    (order,), (plan,) = ann.open.values(), ann.plans.values()
    return Standing(
        mode=PositionMode.HEDGE,
        settings={SYMBOL: SETTING},
        legs=(
            StandingLeg(
                symbol=SYMBOL,
                leg=PositionLeg.LONG,
                side=Side.BUY,
                size=position.size,
                cost=position.cost,
                leverage=5,
                margin_mode=MarginMode.ISOLATED,
            ),
        ),
        orders=(
            StandingOrder(
                order_id=plan.plan_id,
                client_order_id="stop",
                symbol=SYMBOL,
                side=Side.SELL,
                reduce_only=True,
                leg=PositionLeg.LONG,
                post_only=False,
                price=None,
                size=Decimal(5),
                filled_size=ZERO,
                filled_value=ZERO,
                created_ms=plan.created_ms,
                trigger_price=Decimal(80),
                way=PriceWay.FALLS,
                price_type=PriceType.LAST,
            ),
            StandingOrder(
                order_id=order.order_id,
                client_order_id="rests",
                symbol=SYMBOL,
                side=Side.BUY,
                reduce_only=False,
                leg=PositionLeg.LONG,
                post_only=False,
                price=Decimal(90),
                size=Decimal(3),
                filled_size=ZERO,
                filled_value=ZERO,
                created_ms=order.created_ms,
            ),
        ),
    )


def put_up_again(pit: Pit) -> Pit:
    """An exchange that begins anew with what the account owned."""
    again = Pit()
    available, frozen, deposit = pit.wallet("ann")
    wallet = again.account("ann").wallet("USDT")
    wallet.available = available + frozen + deposit
    put_back(again.exchange, "ann", standing(pit))
    return again


def test_money_positions_and_orders_are_what_they_were() -> None:
    pit = traded()
    again = put_up_again(pit)
    assert again.wallet("ann") == pit.wallet("ann")
    assert again.held("ann") == "long 5"
    assert again.account("ann").open.keys() == pit.account("ann").open.keys()
    assert again.account("ann").plans.keys() == pit.account("ann").plans.keys()
    (order,), (was,) = again.account("ann").open.values(), pit.account("ann").open.values()
    assert (order.opens, order.unit_hold) == (was.opens, was.unit_hold)
    (plan,) = again.account("ann").plans.values()
    assert (plan.kind, plan.trigger_price, plan.way) == (PlanKind.STOP_LOSS, 80, PriceWay.FALLS)


def test_what_rested_trades_and_what_waited_fires() -> None:
    again = put_up_again(traded())
    again.place("bob 4 3 @ 90")
    assert again.held("ann") == "long 8"
    assert again.wallet("ann")[1] == 0, "nothing is frozen any more"
    again.place("cyd 1 20 @ 80")
    again.print_at(80)
    assert again.held("ann") == "long 3", "the stop stood for five"
    assert not again.account("ann").plans
