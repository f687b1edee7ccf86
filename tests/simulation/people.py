"""Who lives in the world beside the OMS: strategies that command it, other traders, and somebody with a browser."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from random import Random  # noqa: TID251 - the simulation's chance comes from its seed
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from adapters.simulator.exchange.orders import NewOrder, RefusedError, SelfTrade
from adapters.simulator.exchange.orders import OrderType as VenueOrderType
from adapters.simulator.host import Product
from adapters.simulator.simulator import Simulator
from adapters.simulator.street import TAKERS
from oms.answers import Receipt
from oms.decide import Command
from oms.errors import CommandRefusedError, DuplicateOrderError, OmsError
from oms.order.messages import CancelOrder, PlaceOrder
from oms.order.state import Life, Order
from oms.values import AccountId, ClientOrderId, OrderType, Side, StrategyId, Symbol, TimeInForce
from tests.simulation.process import GoneError

SYMBOL: Final = Symbol("BTC/USDT")
VENUE_SYMBOL: Final = "BTC_USDT"
MIDDLE: Final = 60_000  # quote units; everybody trades around it
ORDERS: Final = (4, 14)  # of a world's strategies
TRIES_MAX: Final = 12  # of one command, with pauses between
PAUSE_SECONDS: Final = (0.1, 3.0)
HANG_UP_RATE: Final = 0.05  # commands whose strategy is gone before the answer
HANG_UP_SECONDS: Final = 0.01
QUOTES_MAX: Final = 12  # of the other traders, at one time
TIMED_RATE: Final = 0.25  # of orders that rest: they have a time
TIME_SECONDS: Final = (0.2, 10.0)
LATE_RATE: Final = 0.15  # of orders whose command is repeated long after
OTHER_RATE: Final = 0.4  # of repeats: with another body
LATE_SECONDS: Final = (2.0, 8.0)  # after everything stopped going wrong: it is over then, and may have left memory
RESTING: Final = frozenset({VenueOrderType.LIMIT, VenueOrderType.LIMIT_MAKER})


class Plan(Struct, frozen=True):
    """One command and when it is given; `again` are repeats: when, and whether with another body."""

    at: float
    command: PlaceOrder
    cancel_at: float | None
    again: tuple[tuple[float, bool], ...]


Lasting = Callable[[Plan], Plan]  # what a world adds to a plan


class Door(Protocol):
    """How a strategy reaches the OMS that is running now; raises GoneError when none is, or when it dies meanwhile."""

    def __call__(self, command: Command) -> Awaitable[Receipt]: ...


def plans(chance: Random, account: AccountId, seconds: float, orders: tuple[int, int] = ORDERS) -> tuple[Plan, ...]:
    """Return what the strategies will ask for within `seconds`: singles and bursts."""
    made: list[Plan] = []
    while len(made) < chance.randint(*orders):
        start = chance.uniform(1.0, seconds * 0.8)
        for _ in range(chance.choice((1, 1, 1, 2, 6))):
            at = start + chance.uniform(0, 0.05)
            command = _order(chance, account, f"c{len(made)}")
            cancel_at = at + chance.choice((0.0, 0.02, 0.2, 2.0, 6.0)) if chance.random() < 0.6 else None
            again = tuple(
                (at + chance.choice((0.0, 0.01, 1.0, 5.0)), chance.random() < 0.4)
                for _ in range(chance.choice((0, 0, 0, 1, 2)))
            )
            made.append(Plan(at, command, cancel_at, again))
    return tuple(made)


def lasting(times: Random, plan: Plan, seconds: float, epoch_ns: int) -> Plan:
    """Return the plan with what goes beyond its moment: now and then a time at which its order ends, and a repeat after
    all the `seconds` of the plans. The loop's time began at `epoch_ns`.
    """
    timed, late = times.random() < TIMED_RATE, times.random() < LATE_RATE
    command, again = plan.command, plan.again
    if timed and command.type is OrderType.LIMIT and command.time_in_force is TimeInForce.GTC:
        ends_ns = epoch_ns + int((plan.at + times.uniform(*TIME_SECONDS)) * 1e6) * 1_000
        command = replace(command, time_in_force=TimeInForce.GTD, expires_ns=ends_ns)
    if late:
        again = (*again, (seconds + times.uniform(*LATE_SECONDS), times.random() < OTHER_RATE))
    return replace(plan, command=command, again=again)


def _order(chance: Random, account: AccountId, name: str) -> PlaceOrder:
    side = chance.choice((Side.BUY, Side.SELL))
    kind = chance.choice(("gtc", "gtc", "gtc", "post-only", "ioc", "market"))
    size = Decimal(chance.randint(20, 3_000)).scaleb(-5)  # worth 12 to 1,800 quote units
    market = kind == "market"
    by_notional = market and side is Side.BUY
    return PlaceOrder(
        account=account,
        client_order_id=ClientOrderId(name),
        strategy=StrategyId("maker"),
        symbol=SYMBOL,
        side=side,
        type=OrderType.MARKET if market else OrderType.LIMIT,
        quantity=None if by_notional else size,
        notional=Decimal(chance.randint(10, 900)) if by_notional else None,
        price=None if market else Decimal(MIDDLE + chance.randint(-30, 30)),
        time_in_force=TimeInForce.IOC if kind == "ioc" else TimeInForce.GTC,
        post_only=kind == "post-only",
    )


class Strategies:
    """Carry out the plans as a careful client does: after every failure the same id again.

    `acknowledged` is told of each acknowledgement in its very moment.
    """

    def __init__(
        self, chance: Random, door: Door, acknowledged: Callable[[Command, Receipt], None], *, hangs_up: Random
    ) -> None:
        self.answers: Counter[str] = Counter()
        self.hung_up = 0
        self.confused: list[str] = []  # answers that no client should ever get
        self._chance = chance
        self._hangs_up = hangs_up
        self._door = door
        self._told = acknowledged
        self._placed: dict[str, PlaceOrder] = {}

    async def carry_out(self, plan: Plan) -> None:
        """Place, cancel and repeat, each at its time."""
        errands = [self._at(plan.at, plan.command)]
        if plan.cancel_at is not None:
            wish = CancelOrder(
                account=plan.command.account,
                client_order_id=plan.command.client_order_id,
                request_id=f"x{plan.command.client_order_id}",
            )
            errands.append(self._at(plan.cancel_at, wish))
        for at, other in plan.again:
            command = replace(plan.command, tags={"note": "another body"}) if other else plan.command
            errands.append(self._at(at, command))
        await asyncio.gather(*errands)

    async def _at(self, at: float, command: PlaceOrder | CancelOrder) -> None:
        await asyncio.sleep(max(at - asyncio.get_running_loop().time(), 0))
        await self.give(command)

    async def give(self, command: Command) -> bool:
        """Give one command until it is answered for good; whether it was acknowledged."""
        for _ in range(TRIES_MAX):
            try:
                receipt = await self._ask(command)
            except CommandRefusedError as refusal:
                self.answers[refusal.code] += 1
                if isinstance(command, PlaceOrder):
                    self._refused(command, refusal)
                return False
            except (OmsError, GoneError) as error:
                self.answers[getattr(error, "code", "gone")] += 1
                await asyncio.sleep(self._chance.uniform(*PAUSE_SECONDS))
                continue
            denied = isinstance(receipt.state, Order) and receipt.state.life is Life.DENIED
            self.answers["denied" if denied else "acknowledged"] += 1
            if isinstance(command, PlaceOrder):
                self._accepted(command)
            self._told(command, receipt)
            return True
        return False

    async def _ask(self, command: Command) -> Receipt:
        """Ask the OMS; now and then the connection is gone before the answer comes, and the command goes its way.

        Raises:
            GoneError: nobody knows what became of it.
        """
        if self._hangs_up.random() >= HANG_UP_RATE:
            return await self._door(command)
        try:
            async with asyncio.timeout(self._hangs_up.uniform(0.0, HANG_UP_SECONDS)):
                return await self._door(command)
        except TimeoutError:
            self.hung_up += 1
            raise GoneError from None

    def _accepted(self, command: PlaceOrder) -> None:
        first = self._placed.setdefault(command.client_order_id, command)
        if first != command:
            self.confused.append(f"two bodies of {command.client_order_id} were both acknowledged")

    def _refused(self, command: PlaceOrder, refusal: CommandRefusedError) -> None:
        first = self._placed.get(command.client_order_id)
        if first == command:
            self.confused.append(f"{command.client_order_id} was acknowledged, and then: {refusal}")
        elif first is not None and not isinstance(refusal, DuplicateOrderError):
            self.confused.append(f"another body of {command.client_order_id} got: {refusal}")


class Street:
    """The other traders: they quote around the middle and take what is there, ours included."""

    def __init__(self, chance: Random, simulator: Simulator) -> None:
        self._chance = chance
        self._exchange = simulator.exchange
        self._quotes: list[str] = []

    def trade(self, now_ms: int) -> None:
        """Do one thing. The caller steps the simulator, which tells the streams."""
        side = self._chance.choice((Side.BUY, Side.SELL))
        size = Decimal(self._chance.randint(20, 2_000)).scaleb(-5)
        if self._chance.random() < 0.5:
            self._send(VenueOrderType.IOC, side, size, MIDDLE + (40 if side is Side.BUY else -40), now_ms)
        else:
            self._send(VenueOrderType.LIMIT, side, size, MIDDLE + self._chance.randint(-25, 25), now_ms)
        while len(self._quotes) > QUOTES_MAX:
            oldest = self._quotes.pop(0)
            if oldest in self._exchange.accounts[TAKERS].open:
                self._exchange.cancel(TAKERS, oldest, now_ms)

    def _send(self, kind: VenueOrderType, side: Side, size: Decimal, price: int, now_ms: int) -> None:
        new = NewOrder(account=TAKERS, symbol=VENUE_SYMBOL, side=side, type=kind, size=size, price=Decimal(price))
        order = self._exchange.submit(new, now_ms)
        if kind is VenueOrderType.LIMIT:
            self._quotes.append(order.order_id)


def by_hand(chance: Random, simulator: Simulator, account: str, now_ms: int) -> str | None:
    """Place an order on our account as somebody at the venue's website does; return the venue's id for it."""
    side = chance.choice((Side.BUY, Side.SELL))
    new = NewOrder(
        account=account,
        symbol=VENUE_SYMBOL,
        side=side,
        type=VenueOrderType.LIMIT,
        size=Decimal(chance.randint(20, 300)).scaleb(-5),
        price=Decimal(MIDDLE + chance.randint(-20, 20)),
    )
    try:
        return simulator.exchange.submit(new, now_ms).order_id
    except RefusedError:
        return None


def move_money(chance: Random, simulator: Simulator, account: str, now_ms: int) -> None:
    """Bring coins of spot in, or take some out that are free."""
    coin, most = chance.choice((("USDT", 20_000), ("BTC", 300)))
    amount = Decimal(chance.randint(-most, most)).scaleb(-2 if coin == "USDT" else -5)
    with suppress(RefusedError):
        simulator.exchange.transfer(account, coin, amount, now_ms)


def meet(chance: Random, simulator: Simulator, account: str, now_ms: int) -> None:
    """Have somebody at the website take one of our own resting orders: a trade with ourselves, or whatever the venue
    does to prevent it.
    """
    resting = [order for order in simulator.exchange.accounts[account].open.values() if order.type in RESTING]
    if not resting:
        return
    met = chance.choice(resting)
    new = NewOrder(
        account=account,
        symbol=met.symbol,
        side=Side.SELL if met.side is Side.BUY else Side.BUY,
        type=VenueOrderType.LIMIT,
        size=met.size,
        price=met.price,
        stp=chance.choice(list(SelfTrade)),
    )
    with suppress(RefusedError):
        simulator.exchange.submit(new, now_ms)


def take_back(chance: Random, simulator: Simulator, product: Product, trades: Sequence[str], now_ms: int) -> bool:
    """Have the venue take one of our `trades`, back; whether it did."""
    if not trades:
        return False
    try:
        simulator.bust(product, chance.choice(trades), now_ms)
    except ValueError:  # what it brought is spent by now, or the venue made it
        return False
    return True
