"""A first start does not wait for a trade of an hour ago to be listed, since nobody asks for that time; and one that is
taken back while it goes on is proven gone, though the order had traded before there was a log (seed 40002555). What it
does wait for, it says, and for what may never come no longer than some minutes.
"""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.reports import OrderReport, VenueOrderStatus
from oms.values import Purse, Symbol
from oms.venue import Answer
from tests.engine.desk import Desk, begin, play
from tests.engine.scripted_venue import ScriptedVenue


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


class ListsByCreation(ScriptedVenue):
    """Its list of orders that ended goes by when they were placed."""

    async def order_history(self, symbol: Symbol, *, since_ms: int, until_ms: int) -> Answer:
        answer = await super().order_history(symbol, since_ms=0, until_ms=until_ms)
        shown = [each for each in answer.reports if isinstance(each, OrderReport)]
        return replace(answer, reports=tuple(each for each in shown if (each.created_ms or 0) >= since_ms))


def test_s52_a_trade_of_an_order_of_hours_ago_is_proven_gone_while_the_first_start_waits() -> None:
    """No list of orders reaches back to it by then. Found by worlds in which an owner had traded for hours."""

    async def story(desk: Desk) -> None:
        venue = desk.venue = ListsByCreation(desk.clock.now_ns)
        placed_ms = desk.clock.now_ns() // 1_000_000
        venue.by_hand("human", "1")
        venue.by_hand("slow", "2")
        await asyncio.sleep(7200)
        _, trade = venue.fill("slow", "1")  # of which nobody is told what it cost
        venue.trades_done = [replace(trade, commission=None, commission_currency=None)]
        starting = begin(desk.start())
        shown, _ = venue.fill("human", "1")
        await asyncio.sleep(30)
        assert desk.order("human").cum_quantity == 1
        del venue.trades_done[1]
        venue.orders["human"] = replace(
            shown, created_ms=placed_ms, status=VenueOrderStatus.CANCELED, cum_quantity=Decimal(0)
        )
        await asyncio.sleep(200)
        assert (desk.order("human").busted, desk.order("human").cum_quantity) == (("t2",), 0)
        venue.trades_done = [trade]
        await asyncio.sleep(60)
        assert starting.done()
        await asyncio.sleep(60)
        assert (dict(desk.engine.book.totals), desk.breaks().keys()) == (venue.totals, {"order:human"})

    play(story)


@pytest.mark.parametrize(
    ("seconds_before", "lacking"),
    [(3600, "reach"), (3600, "the trade"), (60, "the trade"), (3600, "what it cost"), (60, "what it cost")],
)
def test_s10_a_first_start_waits_some_minutes_for_what_is_missing_of_an_order_that_works(
    seconds_before: int, lacking: str
) -> None:
    """What the venue shows of it no more is from before, and so in the opening: also should it turn up some day."""

    async def story(desk: Desk) -> None:
        venue = desk.venue
        venue.by_hand("h1", "3")
        _, trade = venue.fill("h1", "1")  # the venue's totals hold it
        await asyncio.sleep(seconds_before)
        if lacking == "reach":
            venue.reach_ms = desk.clock.now_ns() // 1_000_000
        costless = replace(trade, commission=None, commission_currency=None)
        venue.trades_done = {"reach": [trade], "the trade": [], "what it cost": [costless]}[lacking]
        begin(desk.start())
        await asyncio.sleep(120)
        waits = "the first start waits for all trades, and what each cost, of h1"
        assert desk.watcher.broken() == f"the comparison with the venue is complete: {waits}"
        await asyncio.sleep(300)
        assert (desk.watcher.synced.is_set(), desk.watcher.broken()) == (True, None)
        await asyncio.sleep(120)
        assert desk.breaks().keys() == {"fills:h1"}
        venue.reach_ms, venue.trades_done = 0, [trade]
        await asyncio.sleep(600)
        assert (desk.order("h1").cum_quantity, desk.order("h1").trades_missing, desk.breaks()) == (1, False, {})
        assert desk.engine.book.totals == {"BTC": Decimal(5), "USDT": Decimal(1000)}
        assert desk.agrees()

    play(story)


def test_a_first_start_says_that_it_waits_for_a_moment_in_which_nothing_trades() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue
        venue.by_hand("bot", "1000", price="0.01")

        async def trade_on() -> None:
            while venue.totals["BTC"] < 30:  # a try takes 0.07 s here
                await asyncio.sleep(0.05)
                venue.totals["BTC"] += Decimal("0.01")
                venue.totals["USDT"] -= Decimal("0.1001")
                venue.push(*venue.fill("bot", "0.01", price="0.01"))

        trading = begin(trade_on())
        begin(desk.start())
        await asyncio.sleep(60)
        waits = "the first start waits for a moment in which nothing trades, as something moved while it was looked at"
        assert desk.watcher.broken() == f"the comparison with the venue is complete: {waits}"
        await trading
        await asyncio.sleep(60)
        assert (desk.watcher.broken(), desk.engine.book.totals[Purse("BTC")], desk.breaks()) == (None, 30, {})

    play(story)


def test_a_first_start_needs_no_longer_pause_than_a_try_takes() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue
        venue.by_hand("bot", "1000", price="0.01")

        async def trade_on() -> None:
            await asyncio.sleep(0.08)  # within the first try, which takes 0.07 s here; seconds go by before the next
            while True:
                venue.totals["BTC"] += Decimal("0.01")
                venue.totals["USDT"] -= Decimal("0.1001")
                venue.push(*venue.fill("bot", "0.01", price="0.01"))
                await asyncio.sleep(0.5)

        trading = begin(trade_on())
        await asyncio.wait_for(desk.start(), 60)
        trading.cancel()
        await asyncio.sleep(60)
        assert (desk.engine.book.totals[Purse("BTC")], desk.breaks()) == (venue.totals["BTC"], {})

    play(story)
