"""A log with one order's whole life in it, written by the engine itself, and projected."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

from msgspec.structs import replace

from oms.book import Book, Image, account_stream, order_stream
from oms.decide import BalancesReport, Decider
from oms.engine import Engine
from oms.evidence import kept
from oms.order.events import Mark
from oms.order.messages import AbsenceReport, PlaceOrder, SubmitAccepted, SubmitUnknown
from oms.ports import Clock, Ids, NewEvent
from oms.replay import fold_log
from oms.reports import BalanceReport, TradeReport
from oms.risk import Limits
from oms.runtime import SystemClock, Tasks, TimeOrderedIds
from oms.snapshot import Memory, Snapshots
from oms.store.log import PostgresLog
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
    VenueOrderId,
)
from oms.venue import Evidence
from projections.runner import Runner
from tests.order.story import BTC_USDT, SPOT

ACCOUNT = AccountId("main")
ORDER = ClientOrderId("first")
MARKET = BTC_USDT.symbol
ASKED = Evidence(channel="POST /submit", request=b'{"size":"0.5"}', response=b'{"code":1000}', status=200)
PUSHED = Evidence(channel="ws orders", response=b"not JSON")


ANSWERS = ("order", "open_orders", "trades", "order_history")


async def record(url: str, *, lost: bool = False) -> int:
    """Write the log into the database at `url`; return its length. `lost`: with an order that never arrived."""
    clock, tasks = SystemClock(), Tasks()
    ids, log = TimeOrderedIds(clock), PostgresLog(url)
    decider = Decider(ACCOUNT, instruments={MARKET: BTC_USDT}, capabilities=lambda _: SPOT, limits=Limits())
    engine = Engine(ACCOUNT, decider=decider, log=log, clock=clock, ids=ids, spawn=tasks)
    try:
        await engine.start("a venue")
        funds = (BalanceReport(currency=Currency("USDT"), total=Decimal(1_000)),)
        opening = BalancesReport(balances=funds, reason="opening")
        await engine.report([(account_stream(ACCOUNT), opening)], source=Provenance.POLL)
        engine.trading = True
        await engine.execute(_buy(ORDER), actor="maker")
        stream = order_stream(ACCOUNT, ORDER)
        accepted = SubmitAccepted(venue_order_id=VenueOrderId("77"))
        await engine.report([(stream, accepted)], evidence=kept(ASKED, ids, clock))
        trade = TradeReport(
            exec_id=ExecId("t1"),
            symbol=MARKET,
            price=Decimal("99.50"),
            quantity=Decimal("0.2"),
            commission=Decimal("0.0199"),
            commission_currency=Currency("USDT"),
            liquidity=Liquidity.MAKER,
            at_ms=1_700_000_000_123,
        )
        await engine.report(
            [(stream, trade)],
            source=Provenance.STREAM,
            evidence=kept(PUSHED, ids, clock),
        )
        if lost:
            await _lose(engine, ids, clock)
        return await Runner(log, url, clock=clock, spawn=tasks).run_to_end()
    finally:
        await engine.stop()
        await tasks.close()
        await log.close()


def _buy(name: ClientOrderId) -> PlaceOrder:
    return PlaceOrder(
        account=ACCOUNT,
        client_order_id=name,
        strategy=StrategyId("maker"),
        symbol=MARKET,
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity=Decimal("0.5"),
        price=Decimal(100),
    )


async def _lose(engine: Engine, ids: Ids, clock: Clock) -> None:
    name = ClientOrderId("lost")
    await engine.execute(_buy(name), actor="maker")
    stream = order_stream(ACCOUNT, name)
    await engine.report([(stream, SubmitUnknown(reason="timeout", valid_until_ns=60))])
    asked = [kept(Evidence(channel=what, request=b"ask", response=what.encode()), ids, clock) for what in ANSWERS]
    marks = tuple(Mark(message_id=each[-1].message_id, what=what) for each, what in zip(asked, ANSWERS, strict=True))
    absent = AbsenceReport(evidence=tuple(mark.message_id for mark in marks), marks=marks)
    evidence = [message for each in asked for message in each]
    await engine.report([(stream, absent)], source=Provenance.INFERRED, evidence=evidence)


async def remember(url: str, position: int, forged: Callable[[Image], Image]) -> None:
    """Keep a snapshot of the log as of `position`, forged."""
    clock, tasks, log = SystemClock(), Tasks(), PostgresLog(url)
    try:
        (last,) = await log.page(after=position - 1, limit=1)
        none = Book(ACCOUNT, tallied=()).image()
        image = replace(fold_log(url, upto=position)[ACCOUNT].image(), tallied=none.tallied)
        end = NewEvent(last.stream, last.version, last.topic, last.state)
        Snapshots(ACCOUNT, log, clock=clock, spawn=tasks).keep(Memory(forged(image), 1, 1), position, end)
        while await log.snapshot(ACCOUNT) is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    finally:
        await tasks.close()
        await log.close()
