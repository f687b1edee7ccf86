"""Durable commands through the whole engine: nothing below the command is left out or faked.

Each is decided against the account's book (grid, limits, funds), folded, encoded, sealed and committed to a real
Postgres; its latency runs from the moment it was due to the moment its answer is there, after the commit. The load is
open: commands are due at fixed times whether or not earlier ones are done.

An order is four commands: place (asked, sent), the venue's acceptance, and two fills (each also moves the position):
seven events, after which it is closed and leaves memory.
"""

import asyncio
import contextlib
import time
from collections import deque
from decimal import Decimal
from functools import partial

import uvloop
from msgspec import Struct

from adapters.bitmart.spot.venue import CAPABILITIES
from oms.answers import Receipt
from oms.book import account_stream, order_stream
from oms.decide import Addressed, BalancesReport, Decider
from oms.engine import Engine
from oms.errors import IntakeFullError
from oms.instrument import Instrument
from oms.order.messages import OrderNews, PlaceOrder, SubmitAccepted
from oms.reports import BalanceReport, TradeReport
from oms.risk import Limits
from oms.runtime import SystemClock, Tasks, TimeOrderedIds, tune_process
from oms.store.log import PostgresLog
from oms.store.process import ProcessAppender
from oms.values import (
    AccountId,
    ClientOrderId,
    Currency,
    ExecId,
    Liquidity,
    OrderType,
    Provenance,
    Side,
    StrategyId,
    Symbol,
    VenueOrderId,
)

MAIN = AccountId("main")
BTC_USDT = Instrument(
    symbol=Symbol("BTC/USDT"),
    venue_symbol="BTC_USDT",
    base=Currency("BTC"),
    quote=Currency("USDT"),
    price_step=Decimal("0.01"),
    quantity_step=Decimal("0.00001"),
    quantity_min=Decimal("0.00001"),
    notional_min=Decimal(5),
    maker_fee=Decimal("0.001"),
    taker_fee=Decimal("0.001"),
)
STREAM = Provenance.STREAM
OUTSTANDING = 2_000  # commands under way at saturation
TICK_SECONDS = 0.001


class Measured(Struct, frozen=True, kw_only=True):
    """One run. `latencies_ms` from due to durable, sorted; `seconds` from the first command to the last answer."""

    offered: int | None  # commands a second; None at saturation
    commands: int
    events: int
    seconds: float
    latencies_ms: list[float]

    def percentile(self, share: float) -> float:
        return self.latencies_ms[min(int(len(self.latencies_ms) * share), len(self.latencies_ms) - 1)]

    @property
    def rate(self) -> float:
        return self.commands / self.seconds


class Load:
    """Says everything that is said about one order, then about the next: built beforehand, since whoever sends commands
    builds them elsewhere, and only what the engine does is to be timed.
    """

    def __init__(self, engine: Engine, tag: str, commands: int) -> None:
        self._offer, self._note = engine.offer, engine.note
        orders = -(-commands // 4)
        self._left = deque(message for n in range(orders) for message in _about_one_order(tag, n))

    def next(self) -> asyncio.Future[Receipt]:
        """Say the next one. Raises IntakeFullError: it is still the next one."""
        message = self._left[0]
        said = (
            self._offer(message, actor="bench")
            if isinstance(message, PlaceOrder)
            else self._note(message, source=STREAM)
        )
        self._left.popleft()
        return said


def _about_one_order(tag: str, n: int) -> tuple[PlaceOrder | tuple[Addressed, ...], ...]:
    placed = PlaceOrder(
        account=MAIN,
        client_order_id=ClientOrderId(f"{tag}{n}"),
        strategy=StrategyId("bench"),
        symbol=BTC_USDT.symbol,
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity=Decimal("0.00100"),
        price=Decimal("60000.01"),
    )
    stream, venue_order_id = order_stream(MAIN, placed.client_order_id), VenueOrderId(f"{n:018d}")
    fills = [
        TradeReport(
            exec_id=ExecId(f"{n:017d}{part}"),
            symbol=BTC_USDT.symbol,
            price=Decimal("60000.01"),
            quantity=Decimal("0.00050"),
            venue_order_id=venue_order_id,
            commission=Decimal("0.030000"),
            commission_currency=Currency("USDT"),
            liquidity=Liquidity.TAKER,
        )
        for part in (1, 2)
    ]
    reports: tuple[OrderNews, ...] = SubmitAccepted(venue_order_id=venue_order_id), *fills
    return placed, *(((stream, report),) for report in reports)


async def started(log: PostgresLog) -> tuple[Engine, Tasks]:
    clock = SystemClock()
    tasks = Tasks()
    decider = Decider(
        MAIN,
        instruments={BTC_USDT.symbol: BTC_USDT},
        capabilities=lambda _: CAPABILITIES,
        limits=Limits(open_orders_max=10**9),
    )
    engine = Engine(MAIN, decider=decider, log=log, clock=clock, ids=TimeOrderedIds(clock), spawn=tasks)
    await engine.start("bench")
    balance = BalanceReport(currency=Currency("USDT"), total=Decimal(10**12))
    await engine.report([(account_stream(MAIN), BalancesReport(balances=(balance,), reason="opening"))])
    engine.trading = True
    return engine, tasks


async def open_load(engine: Engine, tag: str, rate: int, seconds: float) -> Measured:
    """Offer `rate` commands a second for `seconds`."""
    total, sent = int(rate * seconds), 0
    load, latencies = Load(engine, tag, total), []
    answered, before = asyncio.get_running_loop().create_future(), engine.position

    def done(due: float, future: asyncio.Future[Receipt]) -> None:
        future.result()
        latencies.append((time.perf_counter() - due) * 1000)  # noqa: TID251  # measuring is this file's job
        if len(latencies) == total:
            answered.set_result(None)

    begun = time.perf_counter()  # noqa: TID251
    while sent < total:
        due_now = min(int((time.perf_counter() - begun) * rate), total)  # noqa: TID251
        with contextlib.suppress(
            IntakeFullError
        ):  # refused: offered again at the next tick, and late from its due time
            while sent < due_now:
                due = begun + sent / rate
                load.next().add_done_callback(partial(done, due))
                sent += 1
        await asyncio.sleep(TICK_SECONDS)
    await answered
    took = time.perf_counter() - begun  # noqa: TID251
    return Measured(
        offered=rate, commands=total, events=engine.position - before, seconds=took, latencies_ms=sorted(latencies)
    )


async def saturation(engine: Engine, tag: str, total: int) -> Measured:
    """Keep a fixed number of commands under way until `total` are done."""
    load, latencies = Load(engine, tag, total), []
    answered, before = asyncio.get_running_loop().create_future(), engine.position
    sent = 0

    def send() -> None:
        nonlocal sent
        sent += 1
        at = time.perf_counter()  # noqa: TID251
        load.next().add_done_callback(partial(done, at))

    def done(at: float, future: asyncio.Future[Receipt]) -> None:
        future.result()
        latencies.append((time.perf_counter() - at) * 1000)  # noqa: TID251
        if sent < total:
            send()
        elif len(latencies) == total:
            answered.set_result(None)

    begun = time.perf_counter()  # noqa: TID251
    for _ in range(OUTSTANDING):
        send()
    await answered
    took = time.perf_counter() - begun  # noqa: TID251
    return Measured(
        offered=None, commands=total, events=engine.position - before, seconds=took, latencies_ms=sorted(latencies)
    )


async def _measure(url: str, rates: list[int], seconds: float, flood: int) -> list[Measured]:
    log = PostgresLog(url, appender=ProcessAppender)
    engine, tasks = await started(log)
    await open_load(engine, "warm", 5_000, 1.0)
    tune_process()
    results = [await open_load(engine, f"o{rate}x", rate, seconds) for rate in rates]
    results.append(await saturation(engine, "full", flood))
    await engine.stop()
    head = await log.head()
    assert head == engine.position, "every event that was answered for is in the log, and nothing else"
    await tasks.close()
    await log.close()
    return results


def measure(url: str, *, rates: list[int], seconds: float, flood: int) -> list[Measured]:
    """Run the loads in turn against one fresh database."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(url, rates, seconds, flood))
