"""S52: a trade that the venue takes back is taken back here, though its clock was ahead when it dated what happened."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.order.events import OrderFilled
from oms.order.state import Life
from oms.reports import OrderReport, VenueOrderStatus
from oms.values import ExecId
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import Capped, ScriptedVenue


async def booked(desk: Desk, ahead_ms: int) -> OrderReport:
    """Book half of an order, which the venue dates ahead; return its record."""
    await desk.start()
    await desk.place()
    await asyncio.sleep(1)
    order, trade = desk.venue.fill("c1", "1")
    desk.venue.trades_done = [replace(trade, at_ms=(trade.at_ms or 0) + ahead_ms)]
    desk.venue.push(order, desk.venue.trades_done[0])
    await asyncio.sleep(20)
    return order


def count_nothing(desk: Desk, order: OrderReport, age_ms: int) -> None:
    """Let the venue's record of the order, which is so old, count nothing from now on."""
    now = desk.clock.now_ns() // 1_000_000
    desk.venue.orders["c1"] = replace(
        order, cum_quantity=Decimal(0), status=VenueOrderStatus.NEW, created_ms=now - age_ms, updated_ms=now
    )


@pytest.mark.parametrize("ahead_ms", [0, 600_000])
def test_a_trade_dated_ahead_is_taken_back_all_the_same(ahead_ms: int) -> None:
    async def story(desk: Desk) -> None:
        venue, order = desk.venue, await booked(desk, ahead_ms)
        assert desk.order().cum_quantity == 1
        venue.trades_done = []
        count_nothing(desk, order, 30_000)
        await asyncio.sleep(240)
        assert desk.order().cum_quantity == 0, desk.breaks()

    play(story)


def test_a_trade_dated_ahead_that_is_listed_is_not_taken_back_for_a_record_that_lags() -> None:
    async def story(desk: Desk) -> None:
        order = await booked(desk, 600_000)
        count_nothing(desk, order, 30_000)
        await asyncio.sleep(240)
        assert desk.order().cum_quantity == 1

    play(story)


class Remembers(ScriptedVenue):
    """Shows an order that ended without a fill for ever."""

    def _forgot(self, client_order_id: str) -> bool:
        return False


async def remembered(desk: Desk) -> tuple[Remembers, int]:
    """An order that works there, and by when it did (UTC ms)."""
    venue = desk.venue = Remembers(desk.clock.now_ns)
    await desk.start()
    await desk.place()
    await asyncio.sleep(1)
    return venue, desk.clock.now_ns() // 1_000_000


@pytest.mark.parametrize("ahead_ms", [0, 600_000])
def test_a_trade_of_an_order_whose_end_is_dated_ahead_is_taken_back_all_the_same(ahead_ms: int) -> None:
    async def story(desk: Desk) -> None:
        venue, began_ms = await remembered(desk)
        order, trade = venue.fill("c1", "2")
        dated = venue.ended_ms["c1"] = began_ms + ahead_ms
        venue.trades_done = [replace(trade, at_ms=dated)]
        venue.totals = {"USDT": Decimal("799.9"), "BTC": Decimal(7)}
        venue.push(replace(order, created_ms=began_ms, updated_ms=dated), venue.trades_done[0])
        await asyncio.sleep(30)
        assert (desk.life(), desk.breaks()) == (Life.FILLED, {})
        venue.trades_done = []
        venue.totals = {"USDT": Decimal(1000), "BTC": Decimal(5)}
        venue.orders["c1"] = replace(
            order, cum_quantity=Decimal(0), status=VenueOrderStatus.CANCELED, created_ms=began_ms, updated_ms=dated + 1
        )
        await asyncio.sleep(450)
        assert (desk.order().cum_quantity, desk.breaks().keys() - {"order:c1"}) == (0, set())

    play(story)


def test_s52_a_trade_is_proven_gone_though_more_was_traded_in_its_orders_time_than_one_answer_holds() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Capped(desk.clock.now_ns)
        order = await booked(desk, 0)
        venue.by_hand("human", "10")
        for _ in range(6):
            await asyncio.sleep(2)
            venue.push(*venue.fill("human", "0.5"))
        assert desk.order().cum_quantity == 1
        del venue.trades_done[0]
        count_nothing(desk, order, 60_000)
        await asyncio.sleep(240)
        assert desk.order().cum_quantity == 0, desk.breaks()

    play(story)


@pytest.mark.parametrize("works_seconds", [30, 600])
def test_a_count_is_lowered_though_its_order_ended_long_after_it_was_told(works_seconds: int) -> None:
    async def story(desk: Desk) -> None:
        venue, began_ms = await remembered(desk)
        before = venue.orders["c1"] = replace(venue.orders["c1"], created_ms=began_ms)
        order, _ = venue.fill("c1", "1")
        venue.push(order)  # its trade is taken back before anybody tells of it
        venue.trades_done = []
        venue.orders["c1"] = before
        await asyncio.sleep(works_seconds)
        assert desk.order().untold_quantity == 1
        await desk.cancel()
        await asyncio.sleep(400)
        assert venue.orders["c1"].status is VenueOrderStatus.CANCELED
        assert (desk.life(), desk.order().untold_quantity, desk.breaks().keys() - {"order:c1"}) == (
            Life.CANCELED,
            Decimal(0),
            set(),
        )

    play(story)


@pytest.mark.parametrize("listed_again", [False, True])
def test_s52_a_late_frame_of_a_trade_that_was_taken_back_does_not_stand_for_another_one(
    listed_again: bool,  # noqa: FBT001
) -> None:
    async def story(desk: Desk) -> None:
        venue, order = desk.venue, await booked(desk, 0)
        (busted,) = venue.trades_done
        another = replace(busted, exec_id=ExecId("t2"))
        venue.trades_done = []
        count_nothing(desk, order, 30_000)
        await asyncio.sleep(240)
        assert desk.order().cum_quantity == 0
        # It is told of late, while the venue counts another one, of which only a query tells; or itself, again.
        counted, _ = venue.fill("c1", "1")
        venue.trades_done = [busted if listed_again else another]
        venue.push(counted)
        venue.push(busted)
        await asyncio.sleep(20)
        fills = [event.exec_id for event in desk.story() if isinstance(event, OrderFilled)]
        assert (fills, desk.life()) == (["t1", "t1" if listed_again else "t2"], Life.WORKING)

    play(story)
