"""An order of somebody else's that cannot be looked up keeps nothing else from being settled (S44)."""

import asyncio
from decimal import Decimal

import pytest

from oms.order.state import Life
from oms.reports import Refusal, RefusalClass, TradeReport
from oms.values import ExecId, Side, Symbol, VenueOrderId
from oms.venue import Answer, NoAnswerError, OrderRef
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import Fate, ScriptedVenue
from tests.order.story import BTC_USDT


class Unreadable(ScriptedVenue):
    """Some orders have a record that nobody can read (S44)."""

    def __init__(self, now_ns: object) -> None:
        super().__init__(now_ns)  # type: ignore[arg-type]
        self.unreadable: set[str] = set()

    async def order(self, order: OrderRef) -> Answer:
        if order.client_order_id in self.unreadable:
            await asyncio.sleep(0.01)
            raise NoAnswerError("the answer cannot be read", self._evidence(), unreadable=True)
        return await super().order(order)


def test_an_order_that_never_arrived_is_proven_absent_though_a_stranger_cannot_be_looked_up() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Unreadable(desk.clock.now_ns)
        await desk.start()
        venue.unreadable.add("human")
        venue.by_hand("human", "1")
        venue.fill("human", "1")  # filled at once: in no list of open orders, and its pushes are lost
        venue.fates.append(Fate.REQUEST_LOST)
        await desk.place("c1")
        await asyncio.sleep(1)
        assert desk.life("c1") is Life.IN_DOUBT
        await asyncio.sleep(900)
        assert desk.watcher.broken() is None  # the comparison goes on without the stranger, after two minutes
        assert desk.life("c1") is Life.REJECTED

    play(story)


def test_a_late_trade_is_found_by_looking_back_though_a_stranger_cannot_be_looked_up() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Unreadable(desk.clock.now_ns)
        await desk.start()
        venue.unreadable.add("human")
        venue.by_hand("human", "1")
        venue.fill("human", "1")
        venue.by_hand("late", "1")
        venue.fill("late", "1")
        hidden = venue.trades_done.pop()
        await asyncio.sleep(600)  # the stranger was given up; what he moved is a break
        before = len(desk.engine.book.orders)
        venue.trades_done.append(hidden)  # dated from ten minutes ago: no look asks for that any more
        venue.totals |= {"BTC": Decimal(7), "USDT": Decimal("799.8")}
        await asyncio.sleep(600)
        assert len(desk.engine.book.orders) > before
        assert any(each.endswith("/late") for each in desk.engine.book.orders)

    play(story)


def test_three_orders_that_cannot_be_looked_up_do_not_starve_the_fourth() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Unreadable(desk.clock.now_ns)
        await desk.start()
        names = ["a1", "a2", "a3", "c4"]
        venue.fates.extend([Fate.REQUEST_LOST] * 4)
        venue.unreadable |= {"a1", "a2", "a3"}
        for name in names:
            await desk.place(name, price=Decimal(10))
            await asyncio.sleep(1)
            assert desk.life(name) is Life.IN_DOUBT
        await asyncio.sleep(1200)
        assert desk.life("c4") is Life.REJECTED

    play(story)


class Nameless(ScriptedVenue):
    """Lists a trade by the venue's id alone, and does not find its order."""

    listed: tuple[TradeReport, ...] = ()

    async def order(self, order: OrderRef) -> Answer:
        await self._asked()
        return self._answer((Refusal(klass=RefusalClass.CERTAIN, reason="order_not_found", code="40035"),))

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        await self._asked()
        return self._answer([each for each in self.listed if since_ms <= (each.at_ms or 0) <= until_ms])

    async def order_history(self, symbol: Symbol, *, since_ms: int, until_ms: int) -> Answer:
        await self._asked()
        return self._answer(())

    def list_one(self) -> None:
        """A trade of now is listed from now on, for ever, and nobody finds its order."""
        trade = TradeReport(
            exec_id=ExecId("t1"),
            symbol=BTC_USDT.symbol,
            price=Decimal(100),
            quantity=Decimal(1),
            venue_order_id=VenueOrderId("v9"),
            side=Side.BUY,
            at_ms=self._now_ns() // 1_000_000,
        )
        self.listed = (trade,)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_listed_trade_whose_order_is_not_found_keeps_those_in_doubt_that_it_may_be_of(side: Side) -> None:
    async def story(desk: Desk) -> None:
        desk.venue = venue = Nameless(desk.clock.now_ns)
        await desk.start()
        venue.fates.append(Fate.REQUEST_LOST)
        await desk.place(side=side, quantity=Decimal(1))
        await asyncio.sleep(1)
        venue.list_one()
        await asyncio.sleep(400)
        assert desk.life() is (Life.IN_DOUBT if side is Side.BUY else Life.REJECTED), desk.told()

    play(story)


def test_a_trade_that_is_listed_for_ever_keeps_no_later_order_in_doubt() -> None:
    async def story(desk: Desk) -> None:
        desk.venue = venue = Nameless(desk.clock.now_ns)
        await desk.start()
        venue.list_one()
        await asyncio.sleep(900)
        venue.fates.append(Fate.REQUEST_LOST)
        await desk.place()
        await asyncio.sleep(400)
        assert desk.life() is Life.REJECTED, desk.told()

    play(story)
