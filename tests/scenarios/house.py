"""The house in which the scenarios are told: the whole OMS at the simulated exchange, in one process, on virtual time.

Real are the engine, the decisions, the dispatcher, the watcher, the lease, the gate and the BitMart adapter (spot and
perpetuals, one account); simulated are the exchange that they speak to, the network between, the clock, and the log
(its twin in memory). A story is a coroutine that is given a house:

    def test_s99_what_happens() -> None:
        async def story(house: House) -> None:
            await house.start()                                    # returns once trading is open
            await house.place("c1", "buy", "0.01", "50000")        # spot; symbol=PERPETUAL for contracts
            house.network.cut()                                    # see `network.Network` for what can befall calls
            house.stranger("sell", "0.01", "50000")                # somebody else trades at the exchange
            await asyncio.sleep(600)                               # ten minutes, at once
            house.network.mend()
            await house.until(lambda: house.life("c1") is Life.FILLED)
            await house.restart()                                  # kill -9, and a new process over the same log
            await house.rests()                                    # everything agrees: venue, memory, replay

        tell(story)

What the venue knows is in `house.spot` and `house.futures`; its faults are set by `house.faults(frame_dropped=1)`; what
the log knows is told by `order`, `life`, `told`, `events`, `breaks`. `house.leap` lets days pass while no OMS runs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from decimal import Decimal
from random import Random  # noqa: TID251 - jitter from a seed
from typing import Any, TypeVar

from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot.venue import Options
from adapters.bitmart.venue import Bitmart, Endpoints
from adapters.simulator.exchange import orders as spot
from adapters.simulator.exchange.accounts import Account as SpotAccount
from adapters.simulator.exchange.futures import orders as futures
from adapters.simulator.exchange.futures.accounts import Account as FuturesAccount
from adapters.simulator.pace import keep_stepping
from adapters.simulator.simulator import Simulator
from adapters.simulator.wire.keys import demo_credentials
from oms.answers import Receipt
from oms.book import Book, Event, account_stream, order_stream, position_stream
from oms.decide import Command, Decider
from oms.dispatcher import Dispatcher
from oms.engine import Engine
from oms.gate import Gate
from oms.guard import Guard
from oms.lease import Lease
from oms.order.messages import AmendOrder, CancelOrder, PlaceOrder
from oms.order.state import CLOSED, Life, Order, fold
from oms.position.state import FLAT, Position
from oms.protection import UNPROTECTED, Protected
from oms.risk import Limits
from oms.standby import Standby
from oms.store.codec import decode
from oms.store.memory import MemoryLeases, MemoryLog
from oms.store.seals import verify
from oms.values import (
    ZERO,
    AccountId,
    ClientOrderId,
    Currency,
    OrderType,
    PositionLeg,
    PositionMode,
    Protection,
    Provenance,
    Side,
    StrategyId,
    Symbol,
    Wallet,
    purse,
    signed,
)
from oms.venue import NoAnswerError
from oms.watcher import Watcher
from tests.engine.desk import ScriptedFaults
from tests.scenarios.network import Network
from tests.simulation.loop import run
from tests.simulation.process import GoneError, Process
from tests.simulation.running import CountedIds, WorldClock
from tests.simulation.storage import Session

DESK = AccountId("desk")
SPOT, PERPETUAL = Symbol("BTC/USDT"), Symbol("BTC/USDT:USDT")
VENUE_SYMBOLS = {SPOT: "BTC_USDT", PERPETUAL: "BTCUSDT"}
SEED = 7
EPOCH_NS = 1_767_600_000_000_000_000  # 2026-01-05
STEP_SECONDS = 0.2  # between two steps of the exchange
STRANGER = "stranger"
PAGE_MAX = 5_000
PASSES_MAX = 5_000_000
SECONDS_MAX = 100_000.0
SETTLE_SECONDS = 180.0  # the validity of a request, the visibility of an order, polls and their pauses

T = TypeVar("T")


class HouseClock(WorldClock):
    """The one clock of a house. `leap` lets time pass that nobody lives through."""

    def leap(self, seconds: float) -> None:
        self._epoch_ns += int(seconds * 1e9)


class Oms:
    """One process of the OMS, composed as the running system composes it. It ends when somebody else leads."""

    def __init__(self, house: "House", number: int) -> None:
        self.process = Process()
        self.ids = CountedIds(house.clock, number, Random(number))
        self.line = house.network.line()
        self.log = Session(house.log, page_max=PAGE_MAX)
        self.leads = asyncio.Event()
        spawn, clock, chosen = self.process.spawn, house.clock, house.options
        self.venue = Bitmart(
            house.credentials, Endpoints(), link=self.line, clock=clock, ids=self.ids, spawn=spawn, options=chosen
        )
        self.lease = Lease(DESK, house.leases, clock=clock, ids=self.ids, spawn=spawn)
        self._house = house
        spawn(self._boot(), name=f"boot {number}")

    engine: Engine
    dispatcher: Dispatcher
    watcher: Watcher
    guard: Guard

    async def _boot(self) -> None:
        house, ids, spawn = self._house, self.ids, self.process.spawn
        markets = None
        while markets is None:
            try:
                markets = await self.venue.instruments()
            except NoAnswerError:
                await asyncio.sleep(1.0)
        decider = Decider(
            DESK,
            instruments={market.symbol: market for market in markets},
            capabilities=self.venue.capabilities,
            limits=house.limits,
            **house.rules,
        )
        self.engine = Engine(DESK, decider=decider, log=self.log, clock=house.clock, ids=ids, spawn=spawn)
        standby = Standby(self.lease, self.log, tallied=house.limits.strategy_loss_max)
        await standby.wait(house.notices.append)
        self.lease.keep(self.engine.fence)
        gate = Gate(self.venue, lambda: self.lease.fresh)
        self.dispatcher = Dispatcher(self.engine, gate, clock=house.clock, ids=ids, spawn=spawn)
        self.watcher = Watcher(
            self.engine, self.dispatcher, gate, event_log=self.log, clock=house.clock, ids=ids, spawn=spawn
        )
        self.watcher.survey.on_fill.append(lambda source, seconds: house.heard.append((source, seconds)))
        self.guard = Guard(self.engine, house.protection, clock=house.clock, spawn=spawn)
        await self.engine.start(self.venue.name, warm=standby.warm, after=self.lease.after)
        self.watcher.start()
        self.guard.start()
        self.leads.set()
        await self.engine.fenced.wait()
        self.kill()

    def kill(self) -> None:
        """kill -9: what was handed to the network or to the database goes on without it."""
        self.process.kill()
        self._house.leases.gone.add(self.lease.holder)
        asyncio.get_running_loop().create_task(self.line.close())

    async def bury(self) -> None:
        await self.process.bury()
        await self.log.bury()


class House:
    """The exchange, the log and the network stay; processes come and go, `oms` is the latest.

    `funds` and `margin` are what the account owns on spot and on futures; `hedge` keeps long and short legs apart;
    `protection` says which positions must have a stop; `options` what its owner chose at the venue.
    """

    def __init__(
        self,
        *,
        funds: dict[str, str] | None = None,
        margin: dict[str, str] | None = None,
        hedge: bool = False,
        limits: Limits | None = None,
        protection: Protected = UNPROTECTED,
        options: Options | None = None,
        **rules: Any,
    ) -> None:
        self.clock = HouseClock(EPOCH_NS)
        self.limits, self.rules = limits or Limits(), rules  # what else the decider goes by
        self.protection, self.options = protection, options
        self.simulator = Simulator(seed=SEED, traders=False)
        self.network = Network(self.simulator, self.clock, SEED)
        self.log_faults = ScriptedFaults()
        self.log = MemoryLog(self.log_faults)
        self.leases = MemoryLeases()
        self.heard: list[tuple[Provenance, float]] = []  # of every fill that was news: how, and how many seconds late
        self.notices: list[str] = []
        keys = demo_credentials(DESK, SEED)
        self.credentials = Credentials(key=keys.key, secret=keys.secret, memo=keys.memo)
        self.simulator.open_account(
            keys,
            _amounts(funds or {"USDT": "100000", "BTC": "2"}),
            _amounts(margin or {"USDT": "100000"}),
        )
        plenty = {"USDT": Decimal(10**9), "BTC": Decimal(10**6)}
        self.simulator.spot.exchange.open_account(STRANGER, plenty, watched=False)
        self.simulator.futures.exchange.open_account(STRANGER, plenty, watched=False)
        self.simulator.futures.exchange.set_position_mode(STRANGER, futures.PositionMode.ONE_WAY)
        if not hedge:
            self.simulator.futures.exchange.set_position_mode(DESK, futures.PositionMode.ONE_WAY)
        self._processes: list[Oms] = []

    # ------------------------------------------------------------------------------------------------ processes

    @property
    def oms(self) -> Oms:
        return self._processes[-1]

    @property
    def engine(self) -> Engine:
        return self.oms.engine

    def begin(self) -> Oms:
        """Start a process and return at once; it stands by while another one leads."""
        oms = Oms(self, len(self._processes) + 1)
        self._processes.append(oms)
        return oms

    async def start(self) -> Oms:
        """Start a process and return once it leads, has compared everything, and trades."""
        oms = self.begin()
        await oms.leads.wait()
        await oms.watcher.synced.wait()
        return oms

    def kill(self) -> None:
        """kill -9 of the latest process."""
        self.oms.kill()

    async def restart(self) -> Oms:
        """kill -9, and a new process over the same log."""
        self.kill()
        return await self.start()

    def leap(self, seconds: float) -> None:
        """Let time pass while no OMS runs."""
        assert not any(each.process.alive for each in self._processes), "an OMS lives through its time"
        self.clock.leap(seconds)

    async def end(self) -> None:
        """The story is over."""
        failures = [failure for each in self._processes for failure in each.process.failures]
        for each in self._processes:
            await each.bury()
        assert not failures, failures

    # ------------------------------------------------------------------------------------------------ what is asked

    def order_for(
        self,
        name: str,
        side: str,
        quantity: str,
        price: str | None,
        *,
        symbol: Symbol = SPOT,
        strategy: str = "maker",
        **more: Any,
    ) -> PlaceOrder:
        """Return a limit order, or a market order where `price` is None."""
        return PlaceOrder(
            account=DESK,
            client_order_id=ClientOrderId(name),
            strategy=StrategyId(strategy),
            symbol=symbol,
            side=Side(side),
            type=OrderType.MARKET if price is None else OrderType.LIMIT,
            quantity=Decimal(quantity),
            price=None if price is None else Decimal(price),
            **more,
        )

    async def place(self, name: str, side: str, quantity: str, price: str | None, **more: Any) -> Receipt:
        """Place an order as a strategy does: returns once its outcome is durable."""
        return await self.give(self.order_for(name, side, quantity, price, **more))

    async def cancel(self, name: str, request_id: str = "x1") -> Receipt:
        return await self.give(CancelOrder(account=DESK, client_order_id=ClientOrderId(name), request_id=request_id))

    async def amend(self, name: str, request_id: str = "a1", **change: str | Protection) -> Receipt:
        """Ask for another price or quantity, or for other protection."""
        fields: dict[str, Any] = {
            what: Decimal(value) if isinstance(value, str) else value for what, value in change.items()
        }
        command = AmendOrder(account=DESK, client_order_id=ClientOrderId(name), request_id=request_id, **fields)
        return await self.give(command)

    async def give(self, command: Command) -> Receipt:
        """Execute a command in the latest process. Raises GoneError if that is, or falls, dead."""
        oms = self.oms
        if not oms.leads.is_set():
            raise GoneError
        return await oms.process.call(lambda: oms.engine.execute(command, actor="maker"))

    # ------------------------------------------------------------------------------------------------ the market

    @property
    def now_ms(self) -> int:
        return self.clock.now_ns() // 1_000_000

    def faults(self, **rates: float) -> None:
        """Set the exchange's faults; what is not named stops."""
        self.simulator.set_faults(seed=SEED, rates=rates)

    def stranger(self, side: str, size: str, price: str, *, symbol: Symbol = SPOT) -> str:
        """Somebody else sends a limit order, which takes what it crosses and waits with the rest; its venue id."""
        return self._send(STRANGER, side, size, price, symbol)

    def by_hand(self, side: str, size: str, price: str, *, symbol: Symbol = SPOT, reduce_only: bool = False) -> str:
        """Somebody sends a limit order on our account, at the venue's website; its venue id."""
        return self._send(DESK, side, size, price, symbol, reduce_only=reduce_only)

    def venue_cancels(self, name: str, *, symbol: Symbol = SPOT) -> None:
        """The venue, or somebody at its website, ends an order of ours."""
        account = self.spot if symbol == SPOT else self.futures
        order = account.order_by_client_id(name)
        assert order is not None, f"the venue does not know {name}"
        host = self.simulator.spot if symbol == SPOT else self.simulator.futures
        host.exchange.cancel(DESK, order.order_id, self.now_ms)

    def _send(
        self, account: str, side: str, size: str, price: str, symbol: Symbol, *, reduce_only: bool = False
    ) -> str:
        venue_symbol = VENUE_SYMBOLS[symbol]
        if symbol == SPOT:
            new = spot.NewOrder(
                account=account,
                symbol=venue_symbol,
                side=Side(side),
                type=spot.OrderType.LIMIT,
                size=Decimal(size),
                price=Decimal(price),
            )
            return self.simulator.spot.exchange.submit(new, self.now_ms).order_id
        contract = futures.NewOrder(
            account=account,
            symbol=venue_symbol,
            side=Side(side),
            size=Decimal(size),
            price=Decimal(price),
            reduce_only=reduce_only,
        )
        return self.simulator.futures.exchange.submit(contract, self.now_ms).order_id

    # ------------------------------------------------------------------------------------------------ what is seen

    @property
    def spot(self) -> SpotAccount:
        """Our account as the spot exchange has it: `open`, `closed`, `fills`, `balances`."""
        return self.simulator.spot.exchange.accounts[DESK]

    @property
    def futures(self) -> FuturesAccount:
        """Our account as the perpetual exchange has it."""
        return self.simulator.futures.exchange.accounts[DESK]

    @property
    def book(self) -> Book:
        return self.engine.book

    def order(self, name: str) -> Order:
        """Return an order as memory has it."""
        return self.book.orders[stream(name)]

    def life(self, name: str) -> Life:
        return self.order(name).life

    def events(self, name: str) -> list[Event]:
        """Return an order's events, as the log has them."""
        return [decode(each.topic, each.state) for each in self.log._streams.get(stream(name), {}).values()]

    def told(self, name: str) -> list[str]:
        """Return the topics of an order's events, without their versions."""
        return [each.topic.partition("/")[0] for each in self.log._streams.get(stream(name), {}).values()]

    def lives(self, name: str) -> list[Life]:
        """Return every life that the log has ever shown an order in, in order."""
        history = self.events(name)
        folded = [fold(history[:end]) for end in range(1, len(history) + 1)]  # type: ignore[arg-type]  # an order's
        return [each.life for each in folded if each is not None]

    def account_events(self) -> list[Event]:
        return [decode(each.topic, each.state) for each in self.log._streams.get(account_stream(DESK), {}).values()]

    def position(self, symbol: Symbol = PERPETUAL, leg: PositionLeg = PositionLeg.NET) -> Position:
        return self.book.positions.get(position_stream(DESK, symbol, leg), FLAT)

    def breaks(self) -> dict[str, tuple[str, str]]:
        """Return the open breaks by id: our figure and the venue's."""
        return {name: (each.ours, each.theirs) for name, each in self.book.account.breaks.open.items()}

    def held(self, currency: str = "USDT") -> Decimal:
        return self.book.funds(purse(Wallet.SPOT, Currency(currency))).held

    def replayed(self) -> Book:
        """Return what the whole log adds up to."""
        book = Book(DESK)
        for each in self.log._events:
            book.apply(each.stream, decode(each.topic, each.state))
        return book

    # ------------------------------------------------------------------------------------------------ time and truth

    async def until(self, true: Callable[[], bool], seconds: float = 60.0) -> None:
        """Return once it is true; a failure if it is not within `seconds`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not true():
            assert loop.time() < deadline, f"not within {seconds} s"
            await asyncio.sleep(0.1)

    async def rests(self, seconds: float = SETTLE_SECONDS) -> None:
        """Wait until nothing is unsettled and everything agrees: the venue, memory, the log's replay, the seals."""
        for _ in range(int(seconds)):
            if not self.differences():
                break
            await asyncio.sleep(1.0)
        wrong = self.differences()
        assert not wrong, wrong

    def differences(self) -> list[str]:
        """Return what keeps the OMS and the exchange from agreeing."""
        book, wrong = self.book, list[str]()
        wrong += [f"{name} is unsettled" for name in book.unsettled]
        wrong += [f"break {name}: {figures}" for name, figures in self.breaks().items()]
        ours = {book.orders[name].venue_order_id for name in book.open}
        waiting = {order.order_id for order in self.simulator.spot.algo.of(DESK) if order.waits}
        theirs = {*self.spot.open, *waiting, *self.futures.open, *self.futures.plans}
        if ours != theirs:
            wrong.append(f"open here {ours}, at the venue {theirs}")
        trades = [*(fill.trade_id for fill in self.spot.fills), *(fill.trade_id for fill in self.futures.fills)]
        booked = [trade.exec_id for order in self.replayed().orders.values() for trade in order.trades]
        if sorted(booked) != sorted(trades):
            wrong.append(f"booked trades {booked}, the venue's {trades}")
        for symbol in VENUE_SYMBOLS:
            for leg in PositionLeg:
                here, there = self.position(symbol, leg).quantity, self.venue_position(symbol, leg)
                if here != there:
                    wrong.append(f"{symbol} {leg} is {here} here, {there} at the venue")
        owned = {
            purse(Wallet.SPOT, Currency(coin)): each.available + each.frozen
            for coin, each in self.spot.balances.items()
        }
        owned |= {purse(Wallet.FUTURES, Currency(coin)): each.total for coin, each in self.futures.wallets.items()}
        for name, total in owned.items():
            if book.funds(name).total != total:
                wrong.append(f"{book.funds(name).total} {name} here, {total} at the venue")
        if book.summary() != self.replayed().summary():
            wrong.append("memory is not what the log adds up to")
        if self._seal_broken():
            wrong.append("a seal is broken")
        return wrong

    def venue_position(self, symbol: Symbol, leg: PositionLeg) -> Decimal:
        """Return a leg as the venue has it, signed; on spot, what its trades moved."""
        if symbol == SPOT:
            moved = [signed(fill.side, fill.size) for fill in self.spot.fills]
            return sum(moved, ZERO) if leg is PositionLeg.NET else ZERO
        held = self.futures.position(VENUE_SYMBOLS[symbol], leg)
        return ZERO if held is None or not held.size else held.signed_size

    def _seal_broken(self) -> bool:
        return verify(self.log.sealed()) is not None


def stream(name: str) -> str:
    return order_stream(DESK, ClientOrderId(name))


def _amounts(amounts: dict[str, str]) -> dict[str, Decimal]:
    return {coin: Decimal(amount) for coin, amount in amounts.items()}


def beside(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Do something beside the story."""
    return asyncio.get_running_loop().create_task(work)


def tell(story: Callable[[House], Awaitable[None]], house: Callable[[], House] = House) -> None:
    """Tell one story in a house of its own, on virtual time."""

    async def whole() -> None:
        home = house()
        stepping = beside(keep_stepping(home.simulator, home.clock, seconds=STEP_SECONDS))
        try:
            await story(home)
        finally:
            stepping.cancel()
            await home.end()

    run(whole(), passes_max=PASSES_MAX, seconds_max=SECONDS_MAX)


__all__ = ["CLOSED", "DESK", "PERPETUAL", "SPOT", "House", "Life", "Oms", "PositionMode", "beside", "stream", "tell"]
