"""A first start does not wait for a trade of an hour ago to be listed, since nobody asks for that time; and one that is
taken back while it goes on is proven gone, though the order had traded before there was a log (seed 40002555).
"""

import asyncio
from decimal import Decimal

from msgspec.structs import replace

from tests.engine.desk import Desk, begin, play


def test_a_first_start_does_not_wait_for_a_trade_that_the_venue_would_list() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.by_hand("human", "2")
        desk.venue.fill("human", "1")
        await asyncio.sleep(3600)
        starting = begin(desk.start())
        await asyncio.sleep(60)
        assert starting.done()

    play(story)


def test_s52_a_trade_of_an_order_that_traded_before_the_log_is_proven_gone_while_the_first_start_waits() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue
        began_ms = desk.clock.now_ns() // 1_000_000
        venue.by_hand("human", "2")
        shown, _ = venue.fill("human", "0.5")
        await asyncio.sleep(3600)
        starting = begin(desk.start())
        await asyncio.sleep(0)
        venue.fill("human", "1")
        venue.orders["human"] = replace(shown, created_ms=began_ms, updated_ms=desk.clock.now_ns() // 1_000_000 + 1)
        await asyncio.sleep(10)
        del venue.trades_done[1]
        await asyncio.sleep(200)
        order = next(iter(desk.engine.book.orders.values()))
        assert starting.done()
        assert (order.busted, [trade.exec_id for trade in order.trades]) == (("t2",), ["t1"])
        assert (order.cum_quantity, desk.breaks().keys() - {"order:human"}) == (Decimal("0.5"), set())

    play(story)
