"""Trades out of reach: proven to be, then inferred and labelled; never what the venue does not hold."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.book import position_stream
from oms.order.state import Life
from oms.rehearsal import rehearse
from oms.reports import PositionReport, VenueOrderStatus
from oms.store.codec import decode_meta
from oms.values import PositionLeg, PositionMode, Provenance, Purse, Side
from oms.venue import Answer, Evidence, NoAnswerError, OrderRef
from tests.engine.desk import MAIN, Desk, play, stream
from tests.engine.scripted_venue import ScriptedVenue
from tests.order.story import BTC_PERPETUAL, FUTURES

PERPETUAL = BTC_PERPETUAL.symbol
GUESS = "inferred:c1:0.5-2"


async def gone_by(desk: Desk, *, held: bool = True, reach: bool = False) -> None:
    """The OMS is away while an order of 2 at 100 goes on from 0.5 to its end, and comes back when its trades can no
    longer be asked for; `held`: the venue's balance shows them; `reach`: they can be asked for, and are not there.
    """
    await desk.start()
    await desk.place()
    await asyncio.sleep(1)
    desk.venue.push(*desk.venue.fill("c1", "0.5"))
    desk.venue.totals |= {"BTC": Decimal("5.5"), "USDT": Decimal("949.9")}
    await asyncio.sleep(15)
    began_ms = desk.clock.now_ns() // 1_000_000 - 15_000
    desk.process.kill()
    desk.venue.fill("c1", "1.5", price="99")
    ended_ms = desk.clock.now_ns() // 1_000_000
    record = replace(desk.venue.orders["c1"], average_price=Decimal("99.25"), created_ms=began_ms, updated_ms=ended_ms)
    desk.venue.orders["c1"] = record
    if held:
        desk.venue.totals |= {"BTC": Decimal(7), "USDT": Decimal("801.3")}  # and 0.2 of commission
    if reach:
        desk.venue.trades_done.pop()
    await asyncio.sleep(3_600)
    if not reach:
        desk.venue.reach_ms = desk.clock.now_ns() // 1_000_000 - 1000


def test_trades_out_of_reach_are_inferred_from_the_record_and_say_so() -> None:
    async def story(desk: Desk) -> None:
        await gone_by(desk)
        await desk.start()
        await asyncio.sleep(30)
        assert (desk.life(), desk.order().cum_quantity, desk.order().cum_cost) == (Life.FILLED, 2, Decimal("198.5"))
        (stored,) = [each for each in desk.log._streams[stream("c1")].values() if GUESS.encode() in each.state]
        assert decode_meta(stored.state).source is Provenance.INFERRED
        assert desk.engine.book.funds(Purse("BTC")).total == 7
        await asyncio.sleep(60)
        # What it cost shows, and is a person's to take: nobody tells the commission any more.
        assert desk.breaks()["balance:spot/USDT"] == ("801.400", "801.3")
        assert set(desk.breaks()) == {"balance:spot/USDT", "history:trades"}
        head = await desk.log.head()
        await asyncio.sleep(60)
        assert await desk.log.head() == head  # and nothing is asked or written for ever
        assert desk.agrees()

    play(story)


def test_s06_a_dry_run_shows_the_inferred_fill_and_appends_nothing() -> None:
    async def story(desk: Desk) -> None:
        await gone_by(desk)
        head = await desk.log.head()
        found = await rehearse(
            desk.engine.account, desk.log, desk.engine.decider, desk.venue, clock=desk.clock, ids=desk.ids()
        )
        (guess,) = [each for each in found.events if GUESS.encode() in each.state and each.topic == "order-filled/1"]
        assert decode_meta(guess.state).source is Provenance.INFERRED
        assert await desk.log.head() == head

    play(story)


@pytest.mark.parametrize("reach", [True, False])
def test_nothing_is_inferred_that_the_venue_does_not_hold_or_shows_not_to_be_there(reach: bool) -> None:  # noqa: FBT001
    async def story(desk: Desk) -> None:
        await gone_by(desk, held=False, reach=reach)
        await desk.start()
        await asyncio.sleep(120)
        assert (desk.order().cum_quantity, len(desk.order().trades)) == (Decimal("0.5"), 1)
        assert ("do not add up" if reach else "out of reach") in desk.breaks()["fills:c1"][1]

    play(story)


def test_the_real_trade_takes_its_place_in_the_books_too() -> None:
    async def story(desk: Desk) -> None:
        await gone_by(desk)
        await desk.start()
        await asyncio.sleep(30)
        desk.venue.push(desk.venue.trades_done[-1])  # the venue finds it again
        await asyncio.sleep(60)
        assert [each.exec_id for each in desk.order().trades] == ["t1", "t2"]
        assert (desk.life(), desk.order().cum_quantity, desk.order().cum_cost) == (Life.FILLED, 2, Decimal("198.5"))
        assert desk.engine.book.funds(Purse("USDT")).total == desk.venue.totals["USDT"]
        assert set(desk.breaks()) == {"history:trades"}
        assert desk.venue.orders["c1"].status is VenueOrderStatus.FILLED
        assert desk.agrees()

    play(story)


@pytest.mark.parametrize("shown", ["10", "4", "-2"])
def test_s06_a_position_moves_by_an_inferred_fill_only_as_far_as_the_venue_shows_it(shown: str) -> None:
    async def story(desk: Desk) -> None:
        desk.venue.can, desk.venue.mode, desk.venue.futures = FUTURES, PositionMode.ONE_WAY, Decimal(1000)
        await desk.start()
        await desk.place(symbol=PERPETUAL, quantity=Decimal(10), price=Decimal(27000), leverage=Decimal(10))
        await asyncio.sleep(1)
        desk.venue.push(*desk.venue.fill("c1", "4", price="27000"))
        desk.venue.legs = [PositionReport(symbol=PERPETUAL, leg=PositionLeg.NET, quantity=Decimal(4))]
        await asyncio.sleep(15)
        began_ms = desk.clock.now_ns() // 1_000_000 - 16_000
        desk.process.kill()
        desk.venue.fill("c1", "6", price="26000")
        ended_ms = desk.clock.now_ns() // 1_000_000
        desk.venue.orders["c1"] = replace(
            desk.venue.orders["c1"], average_price=Decimal(26400), created_ms=began_ms, updated_ms=ended_ms
        )
        desk.venue.legs = [PositionReport(symbol=PERPETUAL, leg=PositionLeg.NET, quantity=Decimal(shown))]
        await asyncio.sleep(600)
        desk.venue.reach_ms = desk.clock.now_ns() // 1_000_000 - 1000
        await desk.start()
        await asyncio.sleep(60)
        held = desk.engine.book.positions[position_stream(MAIN, PERPETUAL, PositionLeg.NET)]
        if shown == "10":
            assert (held.quantity, held.open_cost) == (10, 264)  # 4 at 27000, 6 at 26000, a thousandth each
            assert "fills:c1" not in desk.breaks()
        else:
            assert held.quantity == 4
            assert desk.breaks()["fills:c1"][0] == "4 traded"

    play(story)


class Mute(ScriptedVenue):
    """Does not say what traded of one order."""

    mute = False

    async def order_trades(self, order: OrderRef) -> Answer:
        if self.mute:
            raise NoAnswerError("timeout", Evidence(channel="POST /scripted"))
        return await super().order_trades(order)


@pytest.mark.parametrize("restarts", [True, False])
def test_a_break_about_trades_does_not_end_where_nobody_asked_for_them(restarts: bool) -> None:  # noqa: FBT001
    async def story(desk: Desk) -> None:
        desk.venue = venue = Mute(desk.clock.now_ns)
        await gone_by(desk, reach=True)
        await desk.start()
        await asyncio.sleep(200)
        assert "fills:c1" in desk.breaks()
        if restarts:
            desk.process.kill()
            await asyncio.sleep(5)
            await desk.start()
        else:
            venue.mute = True
            await asyncio.sleep(25)
        await asyncio.sleep(1)
        assert "fills:c1" in desk.breaks()
        assert not any(stored.topic == "break-resolved/1" for stored in desk.log._events)

    play(story)


@pytest.mark.parametrize("stuck", [0, 3])
def test_an_order_whose_trades_are_out_of_reach_has_its_turn_behind_those_that_cannot_be_proven(stuck: int) -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        names = [*(f"s{number}" for number in range(stuck)), "c1"]
        for name in names:
            await desk.place(name, quantity=Decimal(1))
        await asyncio.sleep(15)
        now_ms = desk.clock.now_ns() // 1_000_000
        desk.process.kill()
        for name in names:
            desk.venue.fill(name, "1")
            average = Decimal(100) if name == "c1" else None  # the venue does not say at what price the others traded
            desk.venue.orders[name] = replace(
                desk.venue.orders[name], average_price=average, created_ms=now_ms - 15_000, updated_ms=now_ms
            )
        desk.venue.totals |= {"BTC": Decimal(5 + len(names)), "USDT": Decimal(1000 - 100 * len(names))}
        await asyncio.sleep(3_600)
        desk.venue.reach_ms = desk.clock.now_ns() // 1_000_000 - 1000
        await desk.start()
        await asyncio.sleep(120)
        assert desk.order("c1").cum_quantity == 1

    play(story)


class Settles(ScriptedVenue):
    """Tells of the lost trade while it is asked for the second time; then another order is over."""

    desk: Desk
    looks = 0

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        answer = await super().trades(since_ms=since_ms, until_ms=until_ms)
        if until_ms < self._now_ns() // 1_000_000 - 1_000_000:
            self.looks += 1
            if self.looks == 2:
                self.push(self.trades_done[-1])
                await asyncio.sleep(0.2)
                await self.desk.place("x", quantity=Decimal(1000))
                await asyncio.sleep(0.2)
        return answer


def test_an_order_that_is_settled_and_leaves_memory_while_its_trades_are_looked_for_breaks_nothing() -> None:
    async def story(desk: Desk) -> None:
        desk.venue = venue = Settles(desk.clock.now_ns)
        venue.desk = desk
        desk.closed_kept = 0
        await gone_by(desk)
        await desk.start()
        await asyncio.sleep(60)
        assert (venue.looks, desk.process.failures) == (2, [])

    play(story)


class Late(ScriptedVenue):
    """Answers about balances as of when it was asked, once it is `answered`."""

    answered: asyncio.Event | None = None

    async def balances(self) -> Answer:
        answer = await super().balances()
        if self.answered is not None:
            await self.answered.wait()
        return answer


def test_nothing_is_inferred_from_a_balance_older_than_what_traded_since() -> None:
    async def story(desk: Desk) -> None:
        desk.venue = venue = Late(desk.clock.now_ns)
        await desk.start()
        await desk.place("c2", side=Side.SELL, quantity=Decimal("1.5"))
        await desk.place()
        await asyncio.sleep(1)
        venue.push(*venue.fill("c1", "0.5"))
        venue.totals |= {"BTC": Decimal("5.5"), "USDT": Decimal("949.9")}
        await asyncio.sleep(15)
        began_ms = desk.clock.now_ns() // 1_000_000 - 15_000
        desk.process.kill()
        venue.fill("c1", "1.5", price="99")
        ended_ms = desk.clock.now_ns() // 1_000_000
        venue.orders["c1"] = replace(
            venue.orders["c1"], average_price=Decimal("99.25"), created_ms=began_ms, updated_ms=ended_ms
        )
        await asyncio.sleep(3_600)
        venue.reach_ms = desk.clock.now_ns() // 1_000_000 - 1000
        await desk.start()
        await asyncio.sleep(120)
        assert desk.order().cum_quantity == Decimal("0.5")
        answered = venue.answered = asyncio.Event()
        await asyncio.sleep(11)  # asked: 5.5
        venue.push(*venue.fill("c2", "1.5"))
        venue.totals |= {"BTC": Decimal(4), "USDT": Decimal("1099.8")}
        await asyncio.sleep(1)
        assert desk.engine.book.funds(Purse("BTC")).total == 4
        venue.answered = None
        answered.set()
        await asyncio.sleep(30)
        assert (desk.order().cum_quantity, desk.engine.book.funds(Purse("BTC")).total) == (Decimal("0.5"), 4)

    play(story)


@pytest.mark.parametrize(
    ("sold", "owned", "inferred"),
    [
        ("1", "6", (2, 1)),
        ("1", "5", (0, 0)),  # neither shows
        ("1", "5.5", (0, 0)),  # nor does half of it
        ("2", "5", (0, 0)),  # what evens out shows nothing
    ],
)
def test_two_lost_trades_that_go_opposite_ways_are_inferred_together(
    sold: str, owned: str, inferred: tuple[int, int]
) -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue
        await desk.start()
        await desk.place()
        await desk.place("c2", side=Side.SELL, quantity=Decimal(sold))
        await asyncio.sleep(5)
        began_ms = desk.clock.now_ns() // 1_000_000 - 5_000
        desk.process.kill()
        venue.fill("c1", "2")
        venue.fill("c2", sold)
        venue.totals = {"BTC": Decimal(owned), "USDT": Decimal("899.8")}
        ended_ms = desk.clock.now_ns() // 1_000_000
        for name in ("c1", "c2"):
            venue.orders[name] = replace(
                venue.orders[name], average_price=Decimal(100), created_ms=began_ms, updated_ms=ended_ms
            )
        await asyncio.sleep(3_600)
        venue.reach_ms = desk.clock.now_ns() // 1_000_000 - 1000
        await desk.start()
        await asyncio.sleep(300)
        assert (desk.order().cum_quantity, desk.order("c2").cum_quantity) == inferred, desk.breaks()

    play(story)
