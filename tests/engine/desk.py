"""One engine at a scripted venue over the log in memory, on virtual time: the stage on which the stories play."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from decimal import Decimal
from random import Random  # noqa: TID251 - jitter from a seed
from typing import Any, TypeVar

from oms.answers import Receipt
from oms.book import Book, Event, account_stream, order_stream
from oms.decide import BalancesReport, Decider
from oms.dispatcher import Dispatcher
from oms.engine import Engine
from oms.order.messages import AmendOrder, CancelOrder, PlaceOrder
from oms.order.state import Life, Order, fold
from oms.ports import Batch
from oms.reports import BalanceReport
from oms.risk import Limits
from oms.snapshot import PACE
from oms.store.codec import decode
from oms.store.memory import Fault, MemoryLog
from oms.values import AccountId, ClientOrderId, Currency, Purse
from oms.watcher import Watcher
from tests.engine.scripted_venue import ScriptedVenue
from tests.order.story import BTC_PERPETUAL, BTC_USDT, asking
from tests.simulation.loop import run
from tests.simulation.process import Process
from tests.simulation.running import CountedIds
from tests.simulation.walls import WallClock

MAIN = AccountId("main")
PASSES_MAX = 200_000
SECONDS_MAX = 10_000.0

T = TypeVar("T")


class ScriptedFaults:
    """What befalls the next appends, nothing when none is left; reads fail while `unreadable`."""

    def __init__(self) -> None:
        self.appends: deque[Fault] = deque()
        self.unreadable = False

    def append(self, batch: Batch) -> Fault:
        return self.appends.popleft() if self.appends else Fault()

    def read(self) -> bool:
        return self.unreadable


class Desk:
    """The log and the venue stay; processes come and go."""

    def __init__(self) -> None:
        self.clock = WallClock(1_767_600_000_000_000_000)
        self.faults = ScriptedFaults()
        self.log = MemoryLog(self.faults)
        self.venue = ScriptedVenue(self.clock.now_ns)
        self.intake_max = 20_000
        self.closed_kept = 10_000
        self.pace = PACE
        self._starts = 0
        self._processes: list[Process] = []

    async def start(self, *, watching: bool = True) -> None:
        """Start a process; without `watching` nobody looks at the venue, and trading is open at once."""
        self.process = Process()
        self._processes.append(self.process)
        ids = self.ids()
        spawn = self.process.spawn
        decider = Decider(
            MAIN,
            instruments={BTC_USDT.symbol: BTC_USDT, BTC_PERPETUAL.symbol: BTC_PERPETUAL},
            capabilities=self.venue.capabilities,
            limits=Limits(open_orders_max=1_000),
        )
        self.engine = Engine(
            MAIN,
            decider=decider,
            log=self.log,
            clock=self.clock,
            ids=ids,
            spawn=spawn,
            intake_max=self.intake_max,
            closed_kept=self.closed_kept,
            pace=self.pace,
        )
        self.dispatcher = Dispatcher(self.engine, self.venue, clock=self.clock, ids=ids, spawn=spawn)
        self.watcher = Watcher(
            self.engine, self.dispatcher, self.venue, event_log=self.log, clock=self.clock, ids=ids, spawn=spawn
        )
        await self.engine.start("scripted")
        if watching:
            self.watcher.start()
            await self.watcher.synced.wait()
        else:
            await self._open()

    def ids(self) -> CountedIds:
        """Return ids of a process of its own."""
        self._starts += 1
        return CountedIds(self.clock, self._starts, Random(self._starts))

    async def _open(self) -> None:
        """Take the venue's totals over, once, and open trading without looking at the venue."""
        if not self.engine.book.account.adjustments:
            balances = tuple(BalanceReport(currency=Currency(c), total=total) for c, total in self.venue.totals.items())
            report = BalancesReport(balances=balances, reason="opening")
            await self.engine.report([(account_stream(MAIN), report)])
        self.engine.trading = True

    async def end(self) -> None:
        """The story is over."""
        for process in self._processes:
            assert not process.failures, process.failures
            await process.bury()

    # ------------------------------------------------------------------------------------------------ what is said

    def asking(self, name: str) -> PlaceOrder:
        """Return an order: 2 BTC at 10, so that many can be paid."""
        return asking(client_order_id=ClientOrderId(name), price=Decimal(10))

    async def place(self, name: str = "c1", **changes: object) -> Receipt:
        """Place an order: 2 BTC at 100 unless said otherwise."""
        return await self.engine.execute(asking(client_order_id=ClientOrderId(name), **changes), actor="maker")

    async def inside(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Ask within the process, so that the answer dies with it."""
        return await self.process.call(ask)

    async def cancel(self, name: str = "c1", request_id: str = "r1") -> Receipt:
        command = CancelOrder(account=MAIN, client_order_id=ClientOrderId(name), request_id=request_id)
        return await self.engine.execute(command, actor="maker")

    async def amend(self, name: str = "c1", request_id: str = "a1", **change: str) -> Receipt:
        """Ask for another price or quantity."""
        fields: dict[str, Any] = {what: Decimal(value) for what, value in change.items()}
        command = AmendOrder(account=MAIN, client_order_id=ClientOrderId(name), request_id=request_id, **fields)
        return await self.engine.execute(command, actor="maker")

    # ------------------------------------------------------------------------------------------------ what is seen

    def order(self, name: str = "c1") -> Order:
        """Return an order as memory has it."""
        return self.engine.book.orders[stream(name)]

    def life(self, name: str = "c1") -> Life:
        return self.order(name).life

    def told(self, name: str = "c1") -> list[str]:
        """Return the topics of an order's events, as the log has them."""
        return [stored.topic.partition("/")[0] for stored in self.log._streams.get(stream(name), {}).values()]

    def story(self, name: str = "c1") -> list[Event]:
        """Return an order's events, as the log has them."""
        return [decode(stored.topic, stored.state) for stored in self.log._streams.get(stream(name), {}).values()]

    def in_log(self, name: str = "c1") -> Order | None:
        """Return an order as the log tells it."""
        history = [decode(stored.topic, stored.state) for stored in self.log._streams.get(stream(name), {}).values()]
        return fold(history)  # type: ignore[arg-type]  # an order's stream holds an order's events

    def replayed(self) -> Book:
        """Return what the whole log adds up to."""
        book = Book(MAIN)
        for stored in self.log._events:
            book.apply(stored.stream, decode(stored.topic, stored.state))
        return book

    def agrees(self) -> bool:
        """Whether memory is what the log adds up to."""
        return self.engine.book.summary() == self.replayed().summary()

    def breaks(self) -> dict[str, tuple[str, str]]:
        """Return the open breaks by id: our figure and the venue's."""
        return {name: (each.ours, each.theirs) for name, each in self.engine.book.account.breaks.open.items()}

    def held(self) -> Decimal:
        return self.engine.book.funds(Purse("USDT")).held


def stream(name: str) -> str:
    return order_stream(MAIN, ClientOrderId(name))


def begin(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Do something beside the story."""
    return asyncio.get_running_loop().create_task(work)


def play(story: Callable[[Desk], Awaitable[None]]) -> None:
    """Play one story on a desk of its own, on virtual time."""

    async def whole() -> None:
        desk = Desk()
        try:
            await story(desk)
        finally:
            await desk.end()

    run(whole(), passes_max=PASSES_MAX, seconds_max=SECONDS_MAX)
