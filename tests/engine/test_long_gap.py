"""A gap with more trades than one question brings is read part by part: the next list begins where one was cut."""

import asyncio
from decimal import Decimal

from msgspec.structs import replace

from oms.venue import Answer, Window
from tests.engine.desk import Desk, begin, play
from tests.engine.scripted_venue import ScriptedVenue

ROWS_MAX = 100  # that one question brings, of any window: as `bisected` stops after so many calls, the oldest first


async def others_trade(venue: ScriptedVenue, count: int, *, every: float) -> None:
    """Another program trades on the account, every so many seconds."""
    for number in range(count):
        venue.by_hand(f"human{number}", "0.001")
        venue.fill(f"human{number}", "0.001", price="100")
        await asyncio.sleep(every)


class Busy(ScriptedVenue):
    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        answer = await super().trades(since_ms=since_ms, until_ms=until_ms)
        if len(answer.reports) <= ROWS_MAX:
            return replace(answer, proven=(Window(since_ms, until_ms),))
        some = answer.reports[:ROWS_MAX]
        last_ms = some[-1].at_ms or 0  # type: ignore[union-attr]
        return replace(answer, reports=some, complete=False, proven=(Window(since_ms, last_ms - 1),))


def test_s17_a_long_gap_is_read_part_by_part() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Busy(desk.clock.now_ns)
        await desk.start()
        await asyncio.sleep(120)
        desk.process.kill()
        await others_trade(venue, 250, every=2)
        venue.totals |= {"BTC": Decimal("5.25"), "USDT": Decimal(950)}  # 25 for fills, 25 for commissions
        begin(desk.start())
        await asyncio.sleep(1800)
        booked = [trade for order in desk.engine.book.orders.values() for trade in order.trades]
        assert len(booked) == 250

    play(story)


def test_s17_also_while_the_process_runs() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Busy(desk.clock.now_ns)
        await desk.start()
        await asyncio.sleep(120)
        venue.cut = True
        await others_trade(venue, 250, every=2)
        venue.cut = False
        venue.totals |= {"BTC": Decimal("5.25"), "USDT": Decimal(950)}
        await asyncio.sleep(1800)
        booked = [trade for order in desk.engine.book.orders.values() for trade in order.trades]
        assert len(booked) == 250

    play(story)


def test_more_trades_than_one_answer_in_what_two_looks_overlap_by_are_read_all_the_same() -> None:
    """Found by worlds with short lists: every look began before them, and came no further than the last one."""

    async def story(desk: Desk) -> None:
        venue = desk.venue = Busy(desk.clock.now_ns)
        await desk.start()
        await asyncio.sleep(120)
        for number in range(250):
            venue.by_hand(f"human{number}", "0.001")
            venue.fill(f"human{number}", "0.001", price="100")
            await asyncio.sleep(0.05)
        venue.totals |= {"BTC": Decimal("5.25"), "USDT": Decimal(950)}
        await asyncio.sleep(300)
        booked = [trade for order in desk.engine.book.orders.values() for trade in order.trades]
        assert (len(booked), desk.breaks()) == (250, {})

    play(story)


class Asked(ScriptedVenue):
    """It keeps how far back the first question about trades went, in milliseconds."""

    since: int | None = None

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        self.since = until_ms - since_ms if self.since is None else self.since
        return await super().trades(since_ms=since_ms, until_ms=until_ms)


def test_a_start_amid_many_trades_reads_on_from_the_look_before_it() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Asked(desk.clock.now_ns)
        await desk.start()
        await asyncio.sleep(120)
        await others_trade(venue, 200, every=0.25)
        desk.process.kill()
        venue.since = None
        await desk.start()
        assert venue.since is not None
        assert venue.since < 45_000, "a look each ten seconds, and what overlaps"

    play(story)
