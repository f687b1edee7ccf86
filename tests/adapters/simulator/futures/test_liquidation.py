"""When a balance no longer carries its positions: market, insurance fund, winners, in that order (S26)."""

from decimal import Decimal

import pytest

from adapters.simulator.exchange.futures.accounts import FlowKind
from adapters.simulator.exchange.futures.contracts import CONTRACTS
from adapters.simulator.exchange.futures.events import Action, Event, OrderChanged
from adapters.simulator.exchange.futures.exchange import FuturesExchange
from adapters.simulator.exchange.futures.orders import MarginMode, NewOrder, OrderType, PositionMode, RefusedError
from oms.values import ZERO, PositionLeg, Side
from tests.adapters.simulator.futures.pit import NOW, OTHER, SYMBOL, Pit

FUND = 100_000


def leveraged(size: int = 1_000, *, fund: int = FUND, margin_mode: MarginMode = MarginMode.ISOLATED) -> Pit:
    """Dan is long at 100 with 50x and margin of 2 %, ann short against him; the maintenance is 1 %."""
    pit = Pit(insurance=Decimal(fund))
    pit.place(f"ann 4 {size} @ 100")
    pit.place(f"dan 1 {size} @ 100", leverage=50, margin_mode=margin_mode)
    return pit


def mark(pit: Pit, price: str) -> None:
    pit.exchange.set_mark(SYMBOL, Decimal(price), pit.now)


def told(pit: Pit, name: str) -> list[tuple[Action, OrderType]]:
    """What the venue told an account of orders it never sent."""
    return [
        (one.action, one.order.type)
        for one in pit.events
        if isinstance(one, OrderChanged) and one.order.account == name and not one.order.sent
    ]


def liquidated(pit: Pit, name: str) -> Decimal:
    """What an account got (or lost, negative) by clearing its liquidations."""
    return sum((one.amount for one in pit.account(name).flows if one.kind is FlowKind.LIQUIDATION), ZERO)


def test_a_position_lives_until_its_margin_is_below_its_maintenance() -> None:
    pit = leveraged()
    position = next(pit.account("dan").held_positions())
    assert pit.exchange.liquidation_price(position) == 99  # (10 000 - (200 - 100)) / 100 coins

    mark(pit, "99")
    assert pit.held("dan") == "long 1000"
    mark(pit, "98.5")
    assert pit.held("dan") == "flat"


def test_the_liquidation_price_is_the_mark_at_which_it_happens_for_a_short_too() -> None:
    pit = Pit()
    pit.place("ann 1 1000 @ 100")
    pit.place("dan 4 1000 @ 100", leverage=50, margin_mode=MarginMode.ISOLATED)
    assert pit.exchange.liquidation_price(next(pit.account("dan").held_positions())) == 101

    mark(pit, "101")
    assert pit.held("dan") == "short 1000"
    mark(pit, "101.5")
    assert pit.held("dan") == "flat"


def test_the_legs_of_a_hedge_have_one_liquidation_price_and_even_ones_have_none() -> None:
    pit = leveraged(900, margin_mode=MarginMode.CROSS)
    pit.exchange.transfer("dan", "USDT", Decimal(-9_000), pit.now)
    pit.place("ann 1 400 @ 100")
    pit.place("dan 4 400 @ 100")
    prices = {pit.exchange.liquidation_price(one) for one in pit.account("dan").held_positions()}
    assert len(prices) == 1
    price = prices.pop()

    mark(pit, str(price))
    assert pit.held("dan") == "long 900, short 400"
    mark(pit, "100")
    pit.place("ann 1 500 @ 100")
    pit.place("dan 4 500 @ 100")
    assert {pit.exchange.liquidation_price(one) for one in pit.account("dan").held_positions()} == {0}


def test_s26_the_market_takes_it_first_and_the_trader_loses_all_of_the_margin_and_no_more() -> None:
    pit = leveraged()
    pit.place("bob 1 400 @ 98.5")
    pit.place("bob 1 600 @ 98")
    before = pit.wallet("dan")

    mark(pit, "98.5")

    assert told(pit, "dan") == [
        (Action.SUBMITTED, OrderType.LIQUIDATE),
        (Action.LIQUIDATED, OrderType.LIQUIDATE),
        (Action.LIQUIDATED, OrderType.LIQUIDATE),
    ]
    assert pit.held("bob") == "long 1000"
    assert pit.wallet("dan") == (before[0], 0, 0)  # the deposit of 200 is gone, and only it
    assert liquidated(pit, "dan") == -20  # 180 lost in the market; what was left of the margin goes to the fund
    assert pit.exchange.insurance["USDT"] == FUND + 20
    orders = [one for one in pit.account("dan").closed.values() if one.type is OrderType.LIQUIDATE]
    assert [(one.client_order_id, one.state) for one in orders] == [("", "filled")]
    assert [fill.fee for fill in pit.account("dan").fills] == [6, 0, 0]


def test_s26_then_the_insurance_fund_pays_what_the_market_gives_too_little() -> None:
    pit = leveraged()
    pit.place("bob 1 300 @ 98")
    pit.place("bob 1 700 @ 96")
    before = pit.wallet("dan")

    mark(pit, "98.5")

    assert told(pit, "dan") == [
        (Action.SUBMITTED, OrderType.LIQUIDATE),
        (Action.LIQUIDATED, OrderType.LIQUIDATE),
        (Action.CANCELED_BY_LIQUIDATION, OrderType.LIQUIDATE),
        (Action.SUBMITTED, OrderType.BANKRUPTCY),
        (Action.BANKRUPT, OrderType.BANKRUPTCY),
    ]
    assert pit.wallet("dan") == (before[0], 0, 0)
    assert liquidated(pit, "dan") == 140  # 2 below the bankruptcy price, for 70 coins
    assert pit.exchange.insurance["USDT"] == FUND - 140


def test_s26_then_those_who_win_most_are_closed_at_the_bankruptcy_price() -> None:
    pit = Pit(insurance=ZERO)
    pit.place("cyd 4 400 @ 100", leverage=20)
    pit.place("ann 4 600 @ 100")
    pit.place("dan 1 1000 @ 100", leverage=50, margin_mode=MarginMode.ISOLATED)
    mine = pit.place("cyd 2 400 @ 90")

    pit.place("bob 1 300 @ 98")
    mark(pit, "98.5")

    assert told(pit, "dan")[-2:] == [(Action.ACTIVE_ADL, OrderType.ADL)] * 2
    assert told(pit, "cyd") == [(Action.SUBMITTED, OrderType.ADL), (Action.PASSIVE_ADL, OrderType.ADL)]
    assert (pit.held("cyd"), pit.held("ann")) == ("flat", "short 300")  # the higher leverage goes first
    assert {fill.price for fill in pit.account("dan").fills} == {100, 98}
    assert pit.actions("cyd")[-1] == "CANCELED_BY_ADL canceled"
    assert mine.state == "canceled"


def test_a_fund_with_too_little_buys_what_it_can_and_the_winners_take_the_rest() -> None:
    pit = leveraged(fund=50)
    pit.place("bob 1 1000 @ 97")

    mark(pit, "98.5")

    kinds = [action for action, _ in told(pit, "dan")]
    assert (kinds.count(Action.BANKRUPT), kinds.count(Action.ACTIVE_ADL)) == (1, 1)
    assert pit.held("bob") == "long 500"  # 50 pays a difference of 1 for 50 coins
    assert pit.exchange.insurance["USDT"] == 0


def test_a_cross_account_falls_as_a_whole_and_its_orders_with_it() -> None:
    pit = leveraged(900, margin_mode=MarginMode.CROSS)
    pit.exchange.transfer("dan", "USDT", Decimal(-9_770), pit.now)
    waiting = pit.place("dan 1 10 @ 90")
    pit.place("bob 1 2000 @ 97")

    mark(pit, "98")

    assert (waiting.state, pit.held("dan")) == ("canceled", "flat")
    assert "CANCELED_BY_LIQUIDATION canceled" in pit.actions("dan")
    assert pit.wallet("dan") == (0, 0, 0)


def test_an_isolated_position_leaves_the_rest_of_the_account_alone() -> None:
    contracts = CONTRACTS[:2]
    events: list[Event] = []
    exchange = FuturesExchange(contracts, events.append)
    for name in ("ann", "dan"):
        exchange.open_account(name, {"USDT": Decimal(10_000)})
    for contract, size in zip(contracts, (100, 100), strict=True):
        for name, side in (("ann", Side.SELL), ("dan", Side.BUY)):
            exchange.submit(
                NewOrder(
                    account=name,
                    symbol=contract.symbol,
                    side=side,
                    size=Decimal(size),
                    price=contract.opening,
                    leverage=50,
                    margin_mode=MarginMode.ISOLATED,
                ),
                NOW,
            )

    exchange.set_mark("BTCUSDT", Decimal(58_000), NOW)

    assert [one.symbol for one in exchange.accounts["dan"].held_positions()] == ["ETHUSDT"]
    assert exchange.accounts["dan"].wallet("USDT").available > 9_700


def test_a_gap_through_the_bankruptcy_price_costs_the_account_no_more_than_it_has() -> None:
    pit = leveraged()

    mark(pit, "80")

    assert pit.held("dan") == "flat"
    assert pit.wallet("dan")[0] == 9_794  # all but the margin of 200 and the fee of 6


def test_who_loses_more_than_everything_by_an_own_order_is_forgiven_by_the_fund() -> None:
    pit = leveraged(margin_mode=MarginMode.CROSS)
    pit.exchange.transfer("dan", "USDT", Decimal(-9_700), pit.now)
    pit.place("bob 1 1000 @ 96")

    pit.place("dan 3 1000 @ 96")  # a loss of 400 with 294 in the account

    assert pit.held("dan") == "flat"
    assert pit.wallet("dan") == (0, 0, 0)
    assert pit.exchange.insurance["USDT"] < FUND


def test_liquidation_and_deleveraging_can_be_had_by_force() -> None:
    pit = leveraged()
    pit.place("bob 1 2000 @ 99.5")
    pit.exchange.deleverage("ann", SYMBOL, PositionLeg.SHORT, pit.now)
    assert told(pit, "ann")[-1] == (Action.PASSIVE_ADL, OrderType.ADL)
    assert (pit.held("ann"), pit.held("dan")) == ("flat", "flat")

    pit.place("dan 1 100 @ 100")
    pit.place("ann 4 100 @ 100")
    pit.exchange.liquidate("dan", SYMBOL, PositionLeg.LONG, pit.now)
    assert told(pit, "dan")[-1] == (Action.LIQUIDATED, OrderType.LIQUIDATE)
    assert pit.held("dan") == "flat"
    with pytest.raises(RefusedError, match="position_missing"):
        pit.exchange.liquidate("dan", SYMBOL, PositionLeg.LONG, pit.now)


def test_a_stop_at_the_mark_is_lost_to_a_liquidation_that_comes_first() -> None:
    """Whoever is taken over has no plans left: they close what is no longer there."""
    pit = Pit(PositionMode.ONE_WAY)
    pit.place("ann 4 1000 @ 100")
    pit.place("dan 1 1000 @ 100", leverage=50, margin_mode=MarginMode.ISOLATED)
    pit.place("bob 1 1000 @ 98")
    mark(pit, "98")

    assert (pit.held("dan"), pit.account("dan").plans) == ("flat", {})


def own_counterparty(fund: int) -> Pit:
    """Dan is long 900 and short 800 on the whole of his 640: if he falls, he is his own counterparty for the most."""
    pit = Pit(insurance=Decimal(fund))
    pit.place("ann 4 900 @ 100")
    pit.place("dan 1 900 @ 100", leverage=50)
    pit.place("ann 2 800 @ 100")
    pit.place("dan 4 800 @ 100")
    pit.exchange.set_mark(SYMBOL, Decimal(100), pit.now)
    available, _, deposit = pit.wallet("dan")
    pit.exchange.transfer("dan", "USDT", 640 - deposit - available, pit.now)
    return pit


def test_who_is_his_own_counterparty_keeps_nothing_of_what_his_other_leg_wins() -> None:
    pit = own_counterparty(0)

    mark(pit, "45.5")  # 640 less 545: below the maintenance of 170

    assert (pit.held("dan"), pit.held("ann")) == ("flat", "flat")
    assert pit.wallet("dan") == (0, 0, 0)


def test_a_debt_that_nobody_can_pay_stays_and_is_paid_when_the_fund_can() -> None:
    pit = own_counterparty(0)

    mark(pit, "20")

    assert pit.held("dan") == "flat"
    assert pit.exchange.insurance["USDT"] == 0
    owed = pit.wallet("dan")[0]
    assert owed == -75

    mark(pit, "100")
    pit.place("ann 4 900 @ 100")
    pit.place("bob 1 900 @ 100", leverage=50, margin_mode=MarginMode.ISOLATED)
    pit.place("cyd 1 900 @ 99")
    mark(pit, "98.5")  # bob's liquidation leaves 90 to the fund
    pit.place("ann 4 1 @ 99")
    pit.place("cyd 1 1 @ 99")

    assert pit.wallet("dan")[0] == 0
    assert pit.exchange.insurance["USDT"] == 15


def test_a_bankruptcy_price_off_the_grid_leaves_the_rest_to_the_fund() -> None:
    pit = Pit(insurance=ZERO)
    pit.place("ann 4 1000 @ 100")
    pit.place("dan 1 1000 @ 100", leverage=30, margin_mode=MarginMode.ISOLATED)
    before, _, deposit = pit.wallet("dan")

    mark(pit, "97")  # bankrupt at 96.67, closed against ann at 97

    assert {fill.price for fill in pit.account("dan").fills} == {100, 97}
    assert pit.wallet("dan") == (before, 0, 0)
    assert pit.exchange.insurance["USDT"] == deposit - 300 > 33


def test_a_cross_account_that_falls_leaves_its_isolated_positions_alone() -> None:
    pit = Pit()
    pit.place("ann 4 100 @ 100", symbol=OTHER.symbol)
    pit.place("dan 1 100 @ 100", symbol=OTHER.symbol, leverage=20, margin_mode=MarginMode.ISOLATED)
    pit.place("ann 4 900 @ 100")
    pit.place("dan 1 900 @ 100", leverage=50)
    pit.place("bob 1 900 @ 96")
    pit.exchange.transfer("dan", "USDT", -pit.wallet("dan")[0], pit.now)

    mark(pit, "98.5")

    assert pit.held("dan") == "long 100"
    assert pit.wallet("dan") == (0, 0, 150)


def test_what_falls_together_shares_the_balance_by_its_maintenance() -> None:
    pit = Pit(insurance=ZERO)
    for symbol, size in ((SYMBOL, 900), (OTHER.symbol, 100)):
        pit.place(f"ann 4 {size} @ 100", symbol=symbol)
        pit.place(f"dan 1 {size} @ 100", symbol=symbol, leverage=50)
        pit.exchange.set_mark(symbol, Decimal(100), pit.now)
    pit.exchange.transfer("dan", "USDT", -pit.wallet("dan")[0], pit.now)  # 240 of deposit for 90 and 30 coins are left

    pit.exchange.liquidate("dan", SYMBOL, PositionLeg.LONG, pit.now)

    assert [fill.price for fill in pit.account("dan").fills][2:] == [98, 98]
    assert pit.wallet("dan") == (0, 0, 0)
