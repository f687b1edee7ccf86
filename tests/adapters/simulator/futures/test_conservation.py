"""Whatever happens at the exchange, money is neither made nor lost, and every account adds up."""

from contextlib import suppress
from decimal import Decimal
from itertools import product
from typing import Any

from hypothesis import given as forall
from hypothesis import settings
from hypothesis import strategies as st

from adapters.simulator.exchange.futures.contracts import Status
from adapters.simulator.exchange.futures.orders import (
    MarginMode,
    Mode,
    NewOrder,
    OrderType,
    PlanKind,
    PositionMode,
    Preset,
    PriceType,
    RefusedError,
    SelfTrade,
)
from adapters.simulator.exchange.futures.plans import NewPlan, PriceWay
from adapters.simulator.exchange.futures.positions import Position
from oms.values import ZERO, PositionLeg, Side
from tests.adapters.simulator.futures.pit import OTHER, SYMBOL, WHO, Pit

who = st.sampled_from(WHO)
symbols = st.sampled_from([SYMBOL, SYMBOL, OTHER.symbol])
far = st.integers(80, 120).map(Decimal)
near = st.integers(99, 101).map(Decimal)  # on both grids
prices = st.one_of(near, near, far)
sizes = st.sampled_from([1, 2, 3, 7, 50, 400, 3_000]).map(Decimal)
presets = st.none() | st.builds(Preset, prices, st.sampled_from(PriceType))
entries = st.builds(
    NewOrder,
    account=who,
    symbol=symbols,
    side=st.sampled_from(Side),
    size=sizes,
    price=near,
    take_profit=presets,
    stop_loss=presets,
)
orders = st.builds(
    NewOrder,
    account=who,
    symbol=symbols,
    side=st.sampled_from(Side),
    reduce_only=st.booleans(),
    type=st.sampled_from([OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET]),
    mode=st.sampled_from([Mode.GTC, *Mode]),
    size=sizes,
    price=prices,
    leverage=st.sampled_from([None, None, None, 3, 20, 50]),
    margin_mode=st.sampled_from([None, None, *MarginMode]),
    stp=st.sampled_from(SelfTrade),
)
plans = st.builds(
    NewPlan,
    account=who,
    symbol=symbols,
    kind=st.sampled_from(PlanKind),
    side=st.sampled_from(Side),
    reduce_only=st.booleans(),
    size=st.none() | sizes,
    trigger_price=prices,
    way=st.sampled_from(PriceWay),
    price_type=st.sampled_from(PriceType),
    price=st.none() | prices,
    callback_percent=st.just(Decimal(1)),
)
amends = st.tuples(st.just("amend"), st.integers(0, 50), st.none() | prices, st.none() | sizes)
cancels = st.tuples(st.just("cancel"), st.integers(0, 50))
marks = st.tuples(st.just("mark"), symbols, st.none() | prices)
fundings = st.tuples(st.just("fund"), symbols, st.integers(-375, 375).map(lambda rate: Decimal(rate) / 10_000))
transfers = st.tuples(st.just("move"), who, st.integers(-5_000, 2_000).map(Decimal))
closes = st.tuples(st.just("close"), who)
seizures = st.tuples(st.sampled_from(["liquidate", "deleverage"]), who, symbols, st.sampled_from(PositionLeg))
busts = st.tuples(st.just("bust"), st.integers(0, 100))
delistings = st.tuples(st.just("delist"))
actions = st.one_of(
    entries, entries, entries, orders, orders, plans, amends, cancels, marks, fundings, transfers, closes, busts
)


class World:
    """A pit, what was brought into it, and the orders placed."""

    def __init__(self, modes: list[PositionMode], fund: int, **rules: Any) -> None:
        self.pit = Pit(insurance=Decimal(fund), **rules)
        for name, mode in zip(WHO, modes, strict=True):
            self.pit.exchange.set_position_mode(name, mode)
        self.brought = Decimal(10_000) * len(WHO) + fund
        self.placed: list[tuple[str, str]] = []

    def act(self, action: Any) -> None:
        with suppress(RefusedError):
            self._act(action)

    def _act(self, action: Any) -> None:
        exchange, now = self.pit.exchange, self.pit.now
        match action:
            case NewOrder():
                self.placed.append((action.account, exchange.submit(action, now).order_id))
            case NewPlan():
                exchange.submit_plan(action, now)
            case ("amend", number, price, size) if self.placed:
                account, order_id = self.placed[number % len(self.placed)]
                self.placed.append((account, exchange.amend(account, order_id, now, price=price, size=size).order_id))
            case ("cancel", number) if self.placed:
                account, order_id = self.placed[number % len(self.placed)]
                exchange.cancel(account, order_id, now)
            case ("mark", symbol, price):
                exchange.set_mark(symbol, price, now)
            case ("fund", symbol, rate):
                exchange.settle_funding(symbol, now, rate)
            case ("move", name, amount):
                exchange.transfer(name, "USDT", amount, now)
                self.brought += amount
            case ("close", name):
                exchange.close_all(name, now)
            case ("liquidate", name, symbol, leg):
                exchange.liquidate(name, symbol, leg, now)
            case ("deleverage", name, symbol, leg):
                exchange.deleverage(name, symbol, leg, now)
            case ("bust", number):
                trades = [fill.trade_id for name in WHO for fill in self.pit.account(name).fills]
                if trades:
                    with suppress(ValueError):
                        exchange.busts.undo(trades[number % len(trades)], now)
                        exchange.step(now)
            case ("delist",):
                for symbol in exchange.contracts:
                    exchange.set_status(symbol, Status.DELISTED, now)
            case _:
                assert action[0] in {"amend", "cancel"}, action  # nothing was placed yet

    def check(self) -> None:
        exchange = self.pit.exchange
        for symbol in exchange.contracts:
            self._check_contract(symbol)
        equity = sum((exchange.equity(name, "USDT") for name in WHO), ZERO)
        assert equity + exchange.fees.get("USDT", ZERO) + exchange.insurance["USDT"] == self.brought
        assert exchange.insurance["USDT"] >= 0
        for name in WHO:
            self._check_account(name)

    def _check_contract(self, symbol: str) -> None:
        held = [one for name in WHO for one in self.pit.account(name).held_positions(symbol)]
        assert sum((one.signed_size for one in held), ZERO) == 0
        book = self.pit.exchange.book(symbol)
        bid, ask = book.bids.best(), book.asks.best()
        assert bid is None or ask is None or bid.price < ask.price

    def _check_account(self, name: str) -> None:
        account = self.pit.account(name)
        wallet = account.wallet("USDT")
        assert wallet.frozen == sum((order.held for order in account.open.values()), ZERO) >= 0
        assert wallet.deposit == sum((one.margin for one in account.positions.values()), ZERO)
        assert all(one.size >= 0 and one.margin >= 0 and one.cost >= 0 for one in account.positions.values())
        assert all(not (one.margin or one.cost) for one in account.positions.values() if not one.size)
        books = [self.pit.exchange.book(symbol) for symbol in self.pit.exchange.contracts]
        resting = [order for book in books for side in (Side.BUY, Side.SELL) for order in book.own(side)]
        assert {one.order_id for one in resting if one.account == name} == set(account.open)
        for position in account.positions.values():
            self._check_promises(name, position)

    def _check_promises(self, name: str, position: Position) -> None:
        account = self.pit.account(name)
        closing = Side.SELL if position.direction is Side.BUY else Side.BUY
        waiting = [one for one in account.live_orders(position.symbol) if one.leg is position.leg]
        assert sum((one.leaves for one in waiting if one.reduce_only), ZERO) <= position.size
        assert all(one.side is closing for one in waiting if one.reduce_only)
        assert sum((one.leaves - one.opens for one in waiting), ZERO) <= position.size


@settings(deadline=None)
@forall(
    modes=st.lists(st.sampled_from(PositionMode), min_size=4, max_size=4),
    fund=st.sampled_from([0, 50, 100_000]),
    history=st.lists(actions, max_size=40),
)
def test_money_is_conserved_and_every_account_adds_up_whatever_happens(
    modes: list[PositionMode], fund: int, history: list[Any]
) -> None:
    world = World(modes, fund)
    for action in history:
        world.act(action)
        world.check()
    world.act(("delist",))
    world.check()
    assert all(world.pit.held(name) == "flat" for name in WHO)
    assert all(not world.pit.account(name).open and not world.pit.account(name).plans for name in WHO)


@settings(deadline=None)
@forall(
    modes=st.lists(st.sampled_from(PositionMode), min_size=4, max_size=4),
    history=st.lists(st.one_of(entries, entries, orders, amends, marks, fundings, seizures, busts), max_size=40),
    keeps=st.booleans(),
)
def test_the_past_adds_up_to_the_present(*, modes: list[PositionMode], history: list[Any], keeps: bool) -> None:
    """Balances are the sum of the flows, positions of the fills, orders of their own fills."""
    world = World(modes, 100_000, amend_keeps_id=keeps)
    for action in history:
        world.act(action)

    for name in WHO:
        account = world.pit.account(name)
        assert account.wallet("USDT").total == 10_000 + sum((flow.amount for flow in account.flows), ZERO)
        for symbol, leg in product(world.pit.exchange.contracts, PositionLeg):
            held = account.position(symbol, leg)
            fills = [one for one in account.fills if (one.symbol, one.leg) == (symbol, leg)]
            total = sum((one.size if one.side is Side.BUY else -one.size for one in fills), ZERO)
            assert total == (held.signed_size if held else 0)
        for order in (*account.open.values(), *account.closed.values()):
            assert order.filled_size == sum((one.size for one in account.fills_of.get(order.order_id, [])), ZERO)
            assert (order.order_id in account.open) == order.live
        assert all(one.closed + one.opened == one.size for one in account.fills)
    ids = [fill.trade_id for name in WHO for fill in world.pit.account(name).fills]
    assert len(ids) == len(set(ids))
