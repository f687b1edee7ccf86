"""An order of somebody else's that cannot be looked up keeps nothing else from being settled (S44)."""

import asyncio
from decimal import Decimal

from oms.order.state import Life
from oms.venue import Answer, NoAnswerError, OrderRef
from tests.engine.desk import Desk, play
from tests.engine.scripted_venue import Fate, ScriptedVenue


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
