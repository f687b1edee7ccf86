"""A past for the account: so many events that a start is what it is after months, written by the real engine.

Pairs of orders that traded against each other's price without a fee, and others that were canceled: what they add up to
is nothing, so the account stands as the exchange says it does.
"""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from oms.book import order_stream
from oms.decide import Addressed, Decider
from oms.engine import Engine
from oms.order.messages import CancelOrder, CancelTaken, PlaceOrder, SubmitAccepted
from oms.reports import OrderReport, TradeReport, VenueOrderStatus
from oms.risk import Limits
from oms.runtime import SystemClock, Tasks, TimeOrderedIds
from oms.store.log import PostgresLog
from oms.store.process import ProcessAppender
from oms.values import (
    ZERO,
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
from tests.order import story

AT_ONCE: Final = 500  # orders said in one breath
BTC_USDT: Final = replace(story.BTC_USDT, maker_fee=ZERO, taker_fee=ZERO)
SIDES: Final = (Side.BUY, Side.SELL, None)  # of every three orders: bought, sold again, canceled


async def write_past(url: str, account: AccountId, events: int) -> int:
    """Write at least so many `events` to the log of an account that is nobody's at the moment; return its length."""
    clock, tasks = SystemClock(), Tasks()
    log = PostgresLog(url, appender=ProcessAppender)
    decider = Decider(
        account,
        instruments={BTC_USDT.symbol: BTC_USDT},
        capabilities=lambda _: story.SPOT,
        limits=Limits(open_orders_max=10 * AT_ONCE),
    )
    engine = Engine(account, decider=decider, log=log, clock=clock, ids=TimeOrderedIds(clock), spawn=tasks)
    try:
        await engine.start("past")
        engine.trading = True
        number = 0
        while engine.position < events:
            said = []
            for _ in range(AT_ONCE):
                number += 1
                said += [
                    engine.offer(message, actor="past")
                    if isinstance(message, PlaceOrder | CancelOrder)
                    else engine.note((message,), source=Provenance.STREAM)
                    for message in _about_one_order(account, number)
                ]
            await asyncio.gather(*said)
        await engine.stop()
    finally:
        await tasks.close()
        await log.close()
    return engine.position


def _about_one_order(account: AccountId, number: int) -> Iterator[PlaceOrder | CancelOrder | Addressed]:
    name, side = ClientOrderId(f"past{number}"), SIDES[number % len(SIDES)]
    stream, venue_order_id = order_stream(account, name), VenueOrderId(f"{number:018d}")
    yield PlaceOrder(
        account=account,
        client_order_id=name,
        strategy=StrategyId("past"),
        symbol=BTC_USDT.symbol,
        side=side or Side.BUY,
        type=OrderType.LIMIT,
        quantity=Decimal("0.00100"),
        price=Decimal(60_000),
    )
    yield stream, SubmitAccepted(venue_order_id=venue_order_id)
    if side is None:
        yield CancelOrder(account=account, client_order_id=name, request_id=f"cancel{number}")
        yield stream, CancelTaken(request_id=f"cancel{number}")
        yield (
            stream,
            OrderReport(
                symbol=BTC_USDT.symbol,
                venue_order_id=venue_order_id,
                client_order_id=name,
                status=VenueOrderStatus.CANCELED,
                cum_quantity=Decimal(0),
            ),
        )
        return
    for part in (1, 2):
        yield (
            stream,
            TradeReport(
                exec_id=ExecId(f"{number:017d}{part}"),
                symbol=BTC_USDT.symbol,
                price=Decimal(60_000),
                quantity=Decimal("0.00050"),
                venue_order_id=venue_order_id,
                commission=Decimal(0),
                commission_currency=Currency("USDT"),
                liquidity=Liquidity.TAKER,
            ),
        )
