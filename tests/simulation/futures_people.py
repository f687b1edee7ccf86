"""Who lives in a world of perpetuals: strategies that hedge, trail and change their minds, other traders, a website."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from decimal import Decimal
from random import Random  # noqa: TID251 - the simulation's chance comes from its seed
from typing import Any, Final

from msgspec.structs import replace

from adapters.simulator.exchange.futures.exchange import FuturesExchange
from adapters.simulator.exchange.futures.orders import MarginMode as VenueMarginMode
from adapters.simulator.exchange.futures.orders import Mode, NewOrder, PlanKind, RefusedError, SelfTrade
from adapters.simulator.exchange.futures.plans import NewPlan
from adapters.simulator.street import MAKERS, TAKERS
from oms.account.modes import SetPositionMode
from oms.account.state import ResumeTrading
from oms.decide import Command
from oms.order.messages import AmendOrder, PlaceOrder
from oms.position.settings import SetLeverage
from oms.values import (
    AccountId,
    ClientOrderId,
    Crossing,
    MarginMode,
    OrderType,
    PositionLeg,
    PositionMode,
    PriceSource,
    Protection,
    Side,
    StrategyId,
    Symbol,
    TimeInForce,
)
from oms.venue import Trigger
from tests.simulation.people import MIDDLE, Lasting, Plan, Strategies

SYMBOL: Final = Symbol("BTC/USDT:USDT")
CONTRACT: Final = "BTCUSDT"
NAMES: Final = (StrategyId("maker"), StrategyId("taker"))  # who share the legs
LEVERAGES: Final = (1, 3, 10, 20, 100)
WANDER: Final = 12  # quote units between two quotes, at most
REACH: Final = 220  # how far from the middle the market goes
ORDERS: Final = (5, 16)  # of a world's strategies
QUOTES_MAX: Final = 12
SIZES: Final = (1, 25)  # contracts of 60 quote units

Errand = Coroutine[Any, Any, None]


# ------------------------------------------------------------------------------------------------ strategies


def errands(
    chance: Random,
    account: AccountId,
    seconds: float,
    strategies: Strategies,
    lasting: Lasting,
    *,
    hedge: bool,
    orders: tuple[int, int] = ORDERS,
) -> Sequence[Errand]:
    """Return what our strategies do: orders, with cancels and repeats; changes; settings; and an operator's resumes."""
    made: list[Errand] = []
    asked: list[PlaceOrder] = []
    while len(asked) < chance.randint(*orders):
        start = chance.uniform(1.0, seconds * 0.8)
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            at = start + chance.uniform(0, 0.05)
            command = _order(chance, account, f"p{len(asked)}", hedge=hedge is (chance.random() < 0.97))
            asked.append(command)
            made.append(strategies.carry_out(lasting(_plan(chance, command, at))))
            if command.type is OrderType.LIMIT and chance.random() < 0.35:
                made += [
                    _later(strategies, at + chance.choice((0.0, 0.1, 1.0, 4.0)), _change(chance, command, f"a{number}"))
                    for number in range(chance.choice((1, 1, 2)))
                ]
    for number in range(chance.choice((0, 0, 1, 2))):
        made.append(_later(strategies, chance.uniform(0.5, seconds * 0.7), _setting(chance, account, f"l{number}")))
    if chance.random() < 0.2:
        mode = chance.choice((PositionMode.HEDGE, PositionMode.ONE_WAY))
        made.append(_later(strategies, chance.uniform(0.5, seconds * 0.7), SetPositionMode(account=account, mode=mode)))
    for at in (seconds * 0.4, seconds * 0.7, seconds + 6.0):
        resume = ResumeTrading(account=account, symbol=SYMBOL, reason="somebody has looked")
        made.append(_later(strategies, at, resume))
    return made


def _plan(chance: Random, command: PlaceOrder, at: float) -> Plan:
    cancel_at = at + chance.choice((0.0, 0.02, 0.3, 3.0, 7.0)) if chance.random() < 0.5 else None
    again = tuple(
        (at + chance.choice((0.0, 0.01, 1.0, 5.0)), chance.random() < 0.4)
        for _ in range(chance.choice((0, 0, 0, 1, 2)))
    )
    return Plan(at, command, cancel_at, again)


async def _later(strategies: Strategies, at: float, command: Command) -> None:
    await asyncio.sleep(max(at - asyncio.get_running_loop().time(), 0))
    await strategies.give(command)


def _change(chance: Random, command: PlaceOrder, request_id: str) -> AmendOrder:
    kind = chance.choice(("price", "quantity", "both"))
    price = None if kind == "quantity" else Decimal(MIDDLE + chance.randint(-80, 80))
    quantity = None if kind == "price" else Decimal(chance.randint(*SIZES))
    change = AmendOrder(
        account=command.account,
        client_order_id=command.client_order_id,
        request_id=request_id,
        price=price,
        quantity=quantity,
    )
    if price is None or (command.take_profit, command.stop_loss) == (None, None):
        return change
    # What protects it moves instead, by as much.
    by = price - MIDDLE
    moved = {
        what: None if preset is None else replace(preset, price=preset.price + by)
        for what, preset in (("take_profit", command.take_profit), ("stop_loss", command.stop_loss))
    }
    return replace(change, price=None, quantity=None, **moved)


def _setting(chance: Random, account: AccountId, request_id: str) -> SetLeverage:
    return SetLeverage(
        account=account,
        symbol=SYMBOL,
        request_id=request_id,
        leverage=Decimal(chance.choice(LEVERAGES)),
        margin_mode=chance.choice((MarginMode.CROSS, MarginMode.ISOLATED)),
    )


def _order(chance: Random, account: AccountId, name: str, *, hedge: bool) -> PlaceOrder:
    side = chance.choice((Side.BUY, Side.SELL))
    leg = chance.choice((PositionLeg.LONG, PositionLeg.SHORT)) if hedge else PositionLeg.NET
    closes = (side is Side.SELL) is (leg is PositionLeg.LONG) if hedge else chance.random() < 0.3
    kind = chance.choice(("gtc", "gtc", "gtc", "post-only", "ioc", "fok", "market", "market"))
    trigger = _trigger(chance) if chance.random() < 0.25 else None
    if trigger is not None:
        kind = "market" if trigger.callback_rate is not None else chance.choice(("gtc", "market"))
    market = kind == "market"
    backed = not closes and chance.random() < 0.2
    guarded = not closes and trigger is None and chance.random() < 0.15
    return PlaceOrder(
        account=account,
        client_order_id=ClientOrderId(name),
        strategy=chance.choice(NAMES),
        symbol=SYMBOL,
        side=side,
        type=OrderType.MARKET if market else OrderType.LIMIT,
        quantity=Decimal(chance.randint(*SIZES)),
        price=None if market else Decimal(MIDDLE + chance.randint(-60, 60)),
        time_in_force={"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}.get(kind, TimeInForce.GTC),
        post_only=kind == "post-only",
        reduce_only=closes and (not hedge or chance.random() < 0.5),
        position_leg=leg,
        leverage=Decimal(chance.choice(LEVERAGES)) if backed else None,
        margin_mode=chance.choice((MarginMode.CROSS, MarginMode.ISOLATED)) if backed else None,
        trigger=trigger,
        take_profit=_protection(chance, above=side is Side.BUY) if guarded else None,
        stop_loss=_protection(chance, above=side is Side.SELL) if guarded and chance.random() < 0.6 else None,
    )


def _trigger(chance: Random) -> Trigger:
    when = chance.choice((Crossing.RISES_TO, Crossing.FALLS_TO))
    away = chance.randint(5, 120) * (1 if when is Crossing.RISES_TO else -1)
    trails = chance.random() < 0.2
    return Trigger(
        price=Decimal(MIDDLE + away),
        when=when,
        by=chance.choice((PriceSource.LAST, PriceSource.MARK)),
        callback_rate=Decimal(chance.choice(("0.001", "0.002"))) if trails else None,
    )


def _protection(chance: Random, *, above: bool) -> Protection:
    away = chance.randint(40, 160) * (1 if above else -1)
    return Protection(price=Decimal(MIDDLE + away), by=chance.choice((PriceSource.LAST, PriceSource.MARK)))


# ------------------------------------------------------------------------------------------------ the others


class Street:
    """The other traders: they quote around a price that wanders, and take what is there, ours included."""

    def __init__(self, chance: Random, exchange: FuturesExchange) -> None:
        self._chance = chance
        self._exchange = exchange
        self._middle = MIDDLE
        self._quotes: list[str] = []

    def trade(self, now_ms: int) -> None:
        """Do one thing. The caller steps the simulator, which tells the streams."""
        chance = self._chance
        self._middle += chance.randint(-WANDER, WANDER) + (chance.choice((-90, 90)) if chance.random() < 0.04 else 0)
        self._middle = min(max(self._middle, MIDDLE - REACH), MIDDLE + REACH)
        side = chance.choice((Side.BUY, Side.SELL))
        size = Decimal(chance.randint(1, 20))
        sign = 1 if side is Side.BUY else -1
        if chance.random() < 0.5:
            self._send(self._new(TAKERS, Mode.IOC, side, size, self._middle + sign * 50), now_ms)
        else:
            price = self._middle - sign * chance.randint(-2, 25)
            self._quotes.append(self._send(self._new(MAKERS, Mode.GTC, side, size, price), now_ms))
        while len(self._quotes) > QUOTES_MAX:
            oldest = self._quotes.pop(0)
            if oldest in self._exchange.accounts[MAKERS].open:
                self._exchange.cancel(MAKERS, oldest, now_ms)

    @staticmethod
    def _new(who: str, mode: Mode, side: Side, size: Decimal, price: int) -> NewOrder:
        return NewOrder(account=who, symbol=CONTRACT, side=side, mode=mode, size=size, price=Decimal(price))

    def _send(self, new: NewOrder, now_ms: int) -> str:
        return self._exchange.submit(new, now_ms).order_id


def by_hand(chance: Random, exchange: FuturesExchange, account: str, now_ms: int) -> None:
    """Do one thing on our account as somebody at the venue's website does, if the venue takes it."""
    owner = exchange.accounts[account]
    side = chance.choice((Side.BUY, Side.SELL))
    size, away = Decimal(chance.randint(1, 8)), chance.randint(-40, 40)

    def order() -> None:
        new = NewOrder(
            account=account,
            symbol=CONTRACT,
            side=side,
            size=size,
            price=Decimal(MIDDLE + away),
            reduce_only=chance.random() < 0.3,
        )
        exchange.submit(new, now_ms)

    def close() -> None:
        exchange.close_all(account, now_ms, symbol=CONTRACT)

    def cancel() -> None:
        if owner.open:
            exchange.cancel(account, chance.choice(list(owner.open)), now_ms)
        if owner.plans and chance.random() < 0.5:
            exchange.cancel_plan(account, chance.choice(list(owner.plans)), now_ms)

    def protect() -> None:
        kind = chance.choice((PlanKind.TAKE_PROFIT, PlanKind.STOP_LOSS))
        above = (side is Side.SELL) is (kind is PlanKind.TAKE_PROFIT)
        price = Decimal(MIDDLE + (abs(away) + 20) * (1 if above else -1))
        exchange.submit_plan(
            NewPlan(account=account, symbol=CONTRACT, kind=kind, side=side, trigger_price=price), now_ms
        )

    def lever() -> None:
        exchange.set_leverage(
            account,
            CONTRACT,
            chance.choice(LEVERAGES),
            chance.choice((VenueMarginMode.CROSS, VenueMarginMode.ISOLATED)),
        )

    acts: Sequence[Callable[[], None]] = (order, order, close, cancel, protect, lever)
    with suppress(RefusedError):
        chance.choice(acts)()


def move_money(chance: Random, exchange: FuturesExchange, account: str, now_ms: int) -> None:
    """Bring margin in, or take some out that is free."""
    with suppress(RefusedError):
        exchange.transfer(account, "USDT", Decimal(chance.randint(-20_000, 20_000)).scaleb(-2), now_ms)


def meet(chance: Random, exchange: FuturesExchange, account: str, now_ms: int) -> None:
    """Have somebody at the website meet one of our own resting orders, which this venue lets never trade."""
    owner = exchange.accounts[account]
    resting = [order for order in owner.open.values() if order.price]
    if not resting:
        return
    met = chance.choice(resting)
    new = NewOrder(
        account=account,
        symbol=CONTRACT,
        side=Side.SELL if met.side is Side.BUY else Side.BUY,
        mode=Mode.IOC if chance.random() < 0.5 else Mode.GTC,
        size=met.size,
        price=met.price,
        stp=chance.choice(list(SelfTrade)),
    )
    with suppress(RefusedError):
        exchange.submit(new, now_ms)
