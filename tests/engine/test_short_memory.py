"""Memory lets closed orders go while lists are read: what the venue says of them is recorded all the same."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.ports import StoredEvent
from oms.values import ExecId
from tests.engine.desk import Desk, play


@pytest.mark.parametrize("closed_kept", [10_000, 3])
def test_a_late_trade_of_an_order_that_leaves_memory_while_a_list_is_read_is_booked(closed_kept: int) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue
        desk.closed_kept = closed_kept
        await desk.start()
        for n in range(6):
            await desk.place(f"c{n}", price=Decimal(10))
            await asyncio.sleep(1)
            venue.push(*venue.fill(f"c{n}", "2", price="10"))
            venue.totals["BTC"] += 2
            venue.totals["USDT"] -= Decimal("20.1")
            await asyncio.sleep(1)
        await asyncio.sleep(3600)
        assert not desk.breaks()
        venue.trades_done.insert(0, replace(venue.trades_done[0], exec_id=ExecId("late"), quantity=Decimal(1)))
        venue.totals["BTC"] += 1  # shown late, and dated from before what was read
        venue.totals["USDT"] -= Decimal("10.1")
        read = desk.log.read

        async def slowly(stream: str, *, after_version: int = 0) -> Sequence[StoredEvent]:
            await asyncio.sleep(0.02)
            return await read(stream, after_version=after_version)

        desk.log.read = slowly  # type: ignore[method-assign]
        for n in range(1200):
            await desk.place(f"b{n}", quantity=Decimal(1000))  # denied, and over: there is always a newer one
            await asyncio.sleep(0.05)
        await asyncio.sleep(60)
        order = desk.in_log("c0")
        assert order is not None
        assert [each.exec_id for each in order.trades] == ["t1", "late"]
        assert not desk.breaks().keys() - {"order:c0"}  # that it traded more than was asked for is told

    play(story)
