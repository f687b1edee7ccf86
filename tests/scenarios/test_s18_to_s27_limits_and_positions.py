"""S18 to S27: what may leave, whose it is, and what becomes of positions that somebody else moves."""

import asyncio
import os
from decimal import Decimal
from random import Random  # noqa: TID251 - the order of arrival comes from a seed
from typing import Any

import pytest

from oms.account.events import TradingHalted
from oms.account.modes import PositionModeError, SetPositionMode
from oms.account.state import HaltTrading
from oms.gateway.auth import Accounts, Caller
from oms.gateway.bodies import CancelAllBody
from oms.gateway.commands import Commands
from oms.gateway.metrics import Metrics
from oms.gateway.problems import ForbiddenError
from oms.gateway.replies import Items
from oms.gateway.sight import Sight
from oms.gateway.tokens import Scope
from oms.order.events import OrderDenied
from oms.order.state import Life
from oms.ports import Batch, Fenced, LinkAnswer
from oms.store.memory import Fault, Trouble
from oms.values import Currency, Origin, PositionLeg, PositionMode, StrategyId, Wallet, purse
from tests.scenarios.house import DESK, PERPETUAL, SPOT, House, beside, stream, tell

LONG, SHORT, NET = PositionLeg.LONG, PositionLeg.SHORT, PositionLeg.NET
USDT = purse(Wallet.SPOT, Currency("USDT"))
SET_MODE = "/contract/private/set-position-mode"


def test_s18_orders_that_are_committed_and_wait_for_their_turn_never_leave_once_trading_halts() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c0", "buy", "0.01", "40000")
        await house.until(lambda: house.life("c0") is Life.WORKING)
        engine = house.engine
        names = [f"c{number}" for number in range(1, 121)]  # more than the venue takes at once: the rest waits
        orders = [house.order_for(name, "buy", "0.0005", "41000", strategy=f"s{name[-1]}") for name in names]
        await asyncio.gather(*(engine.execute(order, actor=order.strategy) for order in orders))
        await asyncio.sleep(0.3)
        assert all(house.told(name)[:2] == ["order-requested", "send-started"] for name in names), "committed"
        receipt = await engine.execute(HaltTrading(account=DESK, reason="stop", halt_id="h1"), actor="operator")
        assert receipt.state is not None
        left = {each.body["client_order_id"] for each in house.network.submits()}
        waiting = [name for name in names if name not in left]
        assert len(waiting) >= 5, "none was waiting"
        late = [house.order_for(f"d{n}", "buy", "0.01", "41000", strategy=f"s{n}") for n in range(3)]
        await asyncio.gather(*(engine.execute(order, actor=order.strategy) for order in late))
        await house.cancel("c0")
        await house.until(lambda: house.life("c0") is Life.CANCELED, seconds=5)  # ahead of all that waits
        await house.rests()
        assert {each.body["client_order_id"] for each in house.network.submits()} == left
        [halted] = [event for event in house.account_events() if isinstance(event, TradingHalted)]
        for name in (*waiting, "d0", "d1", "d2"):
            denied = house.events(name)[-1]
            assert isinstance(denied, OrderDenied)
            assert denied.limit == "trading_halted"
            assert halted.halt_id in denied.detail

    tell(story)


def test_s19_stopping_one_strategy_with_cancel_all_leaves_another_and_a_human_alone() -> None:
    async def story(house: House) -> None:
        await house.start()
        for number in range(3):
            for symbol, size in ((SPOT, "0.01"), (PERPETUAL, "2")):
                at = str(50_000 + number)
                await house.place(f"a{number}{size[0]}", "buy", size, at, symbol=symbol, strategy="a")
                await house.place(f"b{number}{size[0]}", "buy", size, at, symbol=symbol, strategy="b")
        by_hand = {
            house.by_hand("buy", "0.01", "50001"),
            house.by_hand("buy", "2", "50001", symbol=PERPETUAL),
        }
        await house.rests()
        engine, ids = house.engine, house.oms.ids
        commands = Commands(
            Accounts({DESK: engine}), log=house.log, ids=ids, metrics=Metrics([engine]), clock=house.clock
        )
        a = Caller(
            token_id="t",
            strategy=StrategyId("a"),
            accounts=frozenset({DESK}),
            scopes=frozenset({Scope.ORDERS_CANCEL}),
            symbols=frozenset(),
        )
        reply = await commands.cancel_all(a, CancelAllBody(), key="stop")
        assert isinstance(reply.body, Items)
        assert sorted(each.client_order_id[0] for each in reply.body.items) == ["a"] * 6
        with pytest.raises(ForbiddenError):
            await commands.cancel_all(a, CancelAllBody(strategy="b"), key="not mine")
        await house.rests()
        lives = {str(each.request.client_order_id): each.life for each in house.book.orders.values()}
        assert {name for name, life in lives.items() if life is Life.CANCELED} == {n for n in lives if n[0] == "a"}
        assert [lives[f"b{number}{size}"] for number in range(3) for size in "02"] == [Life.WORKING] * 6
        assert by_hand <= {*house.spot.open, *house.futures.open}
        assert len(house.spot.open) + len(house.futures.open) == 8
        assert len(house.network.cancels()) == 6

    tell(story)


def test_s20_every_cancel_that_leaves_names_one_order_and_spares_the_rest_of_the_symbol() -> None:
    async def story(house: House) -> None:
        await house.start()
        for number in range(4):
            await house.place(f"c{number}", "buy", "2", str(50_000 + number), symbol=PERPETUAL)
        await house.until(lambda: len(house.futures.open) == 4)
        await house.rests()
        await house.restart()
        await house.cancel("c1")
        await house.until(lambda: house.life("c1") is Life.CANCELED)
        await house.rests()
        assert len(house.futures.open) == 3
        for each in house.network.cancels():
            assert each.body.get("order_id") or each.body.get("client_order_id")

    tell(story)


ROUNDS = int(os.environ.get("OMS_SCENARIO_ROUNDS", "25"))  # 1000 for the thousand of the page


@pytest.mark.timeout(60 + ROUNDS)
def test_s21_twenty_buys_of_a_hundred_in_any_order_never_reserve_more_than_a_thousand() -> None:
    async def story(house: House, number: int) -> None:
        dice, held = Random(number), list[Decimal]()
        await house.start()
        house.engine.on_commit.append(lambda _: held.append(house.replayed().funds(USDT).held))

        async def buy(name: str) -> None:
            await asyncio.sleep(dice.choice((0.0, 0.0, 0.001, 0.01)))
            await house.place(name, "buy", "0.002", "50000", strategy=name)

        house.log_faults.appends.extend(Fault(Trouble.NONE, dice.uniform(0, 0.02), 0.0) for _ in range(10))
        names = [f"n{each}" for each in range(20)]
        await asyncio.gather(*(buy(name) for name in dice.sample(names, 20)))
        denied = [name for name in names if house.life(name) is Life.DENIED]
        assert len(denied) == 11  # a hundred, and its commission: nine fit into a thousand
        await house.until(lambda: len(house.spot.open) == 9)
        house.stranger("sell", str(Decimal("0.001") * dice.randint(1, 17)), "50000")  # fills of some, of one a part
        await house.rests()
        for name in names:
            if house.life(name) is Life.WORKING:
                await house.cancel(name)
        await house.rests()
        assert len(house.network.submits()) == 9
        assert max(held) <= 1000
        assert held[-1] == house.held() == 0

    for number in range(ROUNDS):
        tell(lambda house, at=number: story(house, at), lambda: House(funds={"USDT": "1000"}))  # type: ignore[misc]  # bound now


def test_s22_a_leader_that_was_paused_past_its_lease_wakes_in_the_middle_of_a_send_and_sends_nothing() -> None:
    async def story(house: House) -> None:
        old = await house.start()
        engine = old.engine
        # It is stopped between the commit of the intent and the send.
        engine.on_commit.insert(0, lambda _: old.process.pause(30))
        placing = beside(house.place("c1", "buy", "0.01", "50000"))
        await house.until(lambda: bool(house.told("c1")), seconds=5)
        assert not house.network.submits()
        new = await house.start()
        assert new.engine.epoch > engine.epoch
        await asyncio.sleep(60)
        assert engine.fenced.is_set(), "its token is an old one"
        assert not old.process.alive
        assert not house.network.submits(), "it woke and sent"
        late = Batch(DESK, engine.epoch, [])
        assert isinstance(await house.log.append(late), Fenced), "nor does the log take a word of it"
        await house.until(lambda: house.life("c1") is Life.REJECTED, seconds=120)  # never arrived, and proven
        await house.rests()
        assert not house.spot.open
        placing.cancel()

    tell(story)


HEDGED, ONE_WAY = True, False
CODES = [  # mode, what is held before, the order, the code that is sent (PROTOCOL 6.0), what is held after
    (HEDGED, (5, -3), ("buy", LONG), 1, (10, -3)),
    (HEDGED, (3, -5), ("buy", SHORT), 2, (3, 0)),
    (HEDGED, (5, -3), ("sell", LONG), 3, (0, -3)),
    (HEDGED, (5, -3), ("sell", SHORT), 4, (5, -8)),
    (ONE_WAY, (5,), ("buy", NET), 1, (10,)),
    (ONE_WAY, (-5,), ("buy", NET), 1, (0,)),  # may open, and closes what it meets
    (ONE_WAY, (-5,), ("buy", NET, "reduce only"), 2, (0,)),
    (ONE_WAY, (5,), ("sell", NET, "reduce only"), 3, (0,)),
    (ONE_WAY, (-5,), ("sell", NET), 4, (-10,)),
    (ONE_WAY, (5,), ("sell", NET), 4, (0,)),
]


@pytest.mark.parametrize("parts", [("5",), ("2", "3"), ("1", "1", "1", "1", "1")])
@pytest.mark.parametrize(("hedge", "before", "asked", "code", "after"), CODES)
def test_s23_each_side_code_moves_its_leg_and_no_other_whole_or_in_parts(
    *,
    hedge: bool,
    before: tuple[int, ...],
    asked: tuple[Any, ...],
    code: int,
    after: tuple[int, ...],
    parts: tuple[str, ...],
) -> None:
    side, leg, *reduce = asked
    legs = (LONG, SHORT) if hedge else (NET,)

    async def story(house: House) -> None:
        await house.start()
        for held, each in zip(before, legs, strict=True):
            await hold(house, held, each)
        await house.rests()
        start = [house.position(leg=each).quantity for each in legs]
        only = {"reduce_only": True} if reduce else {}
        await house.place("x1", side, "5", "60000", symbol=PERPETUAL, position_leg=leg, **only)
        await house.until(lambda: house.life("x1") is Life.WORKING)
        assert house.network.submits()[-1].body["side"] == code
        moved = Decimal(0)
        for part in parts:
            house.stranger("sell" if side == "buy" else "buy", part, "60000", symbol=PERPETUAL)
            moved += Decimal(part) if side == "buy" else -Decimal(part)
            await house.rests()  # what the exchange holds is what is held here, leg by leg
            now = [house.position(leg=each).quantity for each in legs]
            assert now == [held + moved if each is leg else held for held, each in zip(start, legs, strict=True)]
        assert house.life("x1") is Life.FILLED
        assert tuple(house.position(leg=each).quantity for each in legs) == after

    tell(story, house=lambda: House(hedge=hedge))


async def hold(house: House, quantity: int, leg: PositionLeg) -> None:
    """Open so many contracts of a leg at 60000, negative for short."""
    name, into, out = f"h{len(house.network.submits())}", *(("buy", "sell") if quantity > 0 else ("sell", "buy"))
    await house.place(name, into, str(abs(quantity)), "60000", symbol=PERPETUAL, position_leg=leg)
    await house.until(lambda: house.life(name) is Life.WORKING)
    house.stranger(out, str(abs(quantity)), "60000", symbol=PERPETUAL)
    await house.until(lambda: house.life(name) is Life.FILLED)


@pytest.mark.parametrize(("side", "leg"), [("sell", LONG), ("buy", SHORT)])
def test_s23_more_than_a_leg_holds_is_never_closed_into_the_other(side: str, leg: PositionLeg) -> None:
    async def story(house: House) -> None:
        await house.start()
        await hold(house, 5, LONG)
        await hold(house, -3, SHORT)
        await house.place("x1", side, "6", "60000", symbol=PERPETUAL, position_leg=leg)
        assert house.life("x1") is Life.DENIED
        await house.rests()
        assert (house.position(leg=LONG).quantity, house.position(leg=SHORT).quantity) == (5, -3)

    tell(story, house=lambda: House(hedge=True))


def test_s24_a_mode_is_not_switched_under_open_orders_and_a_switch_that_only_says_so_halts() -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", "2", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        await house.rests()
        switch = SetPositionMode(account=DESK, mode=PositionMode.HEDGE)
        with pytest.raises(PositionModeError):
            await house.give(switch)
        assert not [each for each in house.network.sent if each.path == SET_MODE]
        await house.cancel("c1")
        await house.rests()
        said = b'{"code":1000,"message":"Ok","trace":"t","data":{"position_mode":"hedge_mode"}}'
        house.network.answers[SET_MODE] = LinkAnswer(200, {"content-type": "application/json"}, said)
        await house.give(switch)
        await house.until(lambda: bool(house.book.account.halts), seconds=20)
        assert house.book.account.position_mode is PositionMode.ONE_WAY
        await house.place("c2", "buy", "2", "50000", symbol=PERPETUAL)
        await house.place("c3", "buy", "0.01", "50000")
        for name in ("c2", "c3"):  # the account, and not that market alone
            assert (house.order(name).reason or "").startswith("trading_halted")

    tell(story)


def test_s25_of_two_reduce_only_sells_at_once_one_is_denied_and_the_position_never_turns() -> None:
    async def story(house: House) -> None:
        await long(house, "1")
        orders = [house.order_for(f"r{n}", "sell", "1", "60000", symbol=PERPETUAL, reduce_only=True) for n in range(2)]
        await asyncio.gather(*(house.engine.execute(order, actor="maker") for order in orders))
        lives = sorted(house.life(f"r{n}") for n in range(2))
        assert Life.DENIED in lives
        house.stranger("buy", "2", "60000", symbol=PERPETUAL)
        await house.rests()
        assert house.position().quantity == 0
        assert len(house.network.submits()) == 2

    tell(story)


@pytest.mark.parametrize(("befall", "origin"), [("liquidate", Origin.LIQUIDATION), ("deleverage", Origin.ADL)])
def test_s26_what_the_venue_seizes_is_booked_as_that_and_nothing_opens_there_again(befall: str, origin: Origin) -> None:
    async def story(house: House) -> None:
        await long(house, "10")
        house.stranger("buy", "50", "59000", symbol=PERPETUAL)  # somebody takes what is liquidated
        getattr(house.simulator.futures.exchange, befall)(DESK, "BTCUSDT", NET, house.now_ms)
        await house.until(lambda: house.position().quantity == 0)
        seized = [each for each in house.book.orders.values() if each.origin is not None]
        assert [each.origin for each in seized] == [origin]
        assert seized[0].cum_quantity == 10
        assert seized[0].request.client_order_id.startswith("external"), "it has no name of ours"
        lost = (60_000 - (seized[0].average_price or 0)) * Decimal("0.01")
        assert house.position().realized == -lost != 0
        told = [each for each in house.log._events if each.stream == stream(seized[0].request.client_order_id)]
        anybody = Caller(
            token_id="t",
            strategy=StrategyId("other"),
            accounts=frozenset({DESK}),
            scopes=frozenset({Scope.READ}),
            symbols=frozenset(),
        )
        assert await Sight(house.log).seen(anybody, told) == told, "every strategy is told"
        await house.place("c9", "buy", "1", "50000", symbol=PERPETUAL)
        assert house.life("c9") is Life.DENIED
        assert origin.value in (house.order("c9").reason or "")
        await house.rests()

    tell(story)


@pytest.mark.parametrize("heard", [True, False])
def test_s27_a_position_that_a_human_closes_is_flat_here_and_nobody_goes_on_closing_it(heard: bool) -> None:  # noqa: FBT001
    async def story(house: House) -> None:
        await long(house, "4")
        house.faults(**({} if heard else {"frame_dropped": 1.0}))
        house.stranger("buy", "4", "60000", symbol=PERPETUAL)
        house.by_hand("sell", "4", "60000", symbol=PERPETUAL, reduce_only=True)
        await house.until(lambda: house.position().quantity == 0, seconds=15)
        house.faults()
        await house.rests()
        assert sum(each.request.strategy == "external" for each in house.book.orders.values()) == 1
        await house.place("r1", "sell", "4", "60000", symbol=PERPETUAL, reduce_only=True)
        assert house.life("r1") is Life.DENIED, "there is nothing left to close"
        assert len(house.network.submits()) == 1

    tell(story)


async def long(house: House, size: str) -> None:
    """Start, and buy so many contracts at 60000."""
    await house.start()
    await house.place("c1", "buy", size, "60000", symbol=PERPETUAL)
    await house.until(lambda: house.life("c1") is Life.WORKING)
    house.stranger("sell", size, "60000", symbol=PERPETUAL)
    await house.rests()
