"""One question without an answer: what was listed is not lost for it, and nobody else waits for it (S44)."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.order.state import Life
from oms.reports import Refusal, RefusalClass, VenueOrderStatus
from oms.venue import Answer, Evidence, NoAnswerError, OrderRef
from tests.engine.desk import Desk, begin, play, stream
from tests.engine.scripted_venue import Fate, ScriptedVenue

NOBODY = NoAnswerError("timeout", Evidence(channel="POST /scripted"))
UNREADABLE = NoAnswerError("malformed", Evidence(channel="POST /scripted"), unreadable=True)


class Shy(ScriptedVenue):
    """Does not answer the next `refusals` questions about the order `theirs`; or says that it does not know it."""

    refusals = 0
    lags = False

    async def order(self, order: OrderRef) -> Answer:
        if order.client_order_id == "theirs" and self.refusals > 0:
            self.refusals -= 1
            await asyncio.sleep(0.01)
            raise NOBODY
        if order.client_order_id == "theirs" and self.lags:
            await self._asked()
            return self._answer((Refusal(klass=RefusalClass.CERTAIN, reason="order_not_found", code="50005"),))
        return await super().order(order)


class OneBad(ScriptedVenue):
    """What it says of the order `bad` nobody can read."""

    async def order(self, order: OrderRef) -> Answer:
        if order.client_order_id == "bad":
            raise UNREADABLE
        return await super().order(order)

    async def order_trades(self, order: OrderRef) -> Answer:
        if order.client_order_id == "bad":
            raise UNREADABLE
        return await super().order_trades(order)


async def traded_meanwhile(desk: Desk, *, figures: bool = True) -> Shy:
    """Given that somebody traded at the venue's website while no OMS ran, three minutes ago."""
    desk.venue = venue = Shy(desk.clock.now_ns)
    await desk.start()
    await asyncio.sleep(60)
    desk.process.kill()
    venue.by_hand("theirs", "1")
    venue.fill("theirs", "1")
    if figures:
        venue.totals |= {"BTC": Decimal(6), "USDT": Decimal("899.9")}
    await asyncio.sleep(120)
    return venue


def test_a_listed_trade_is_booked_before_trading_begins_though_its_order_had_no_answer_once() -> None:
    async def story(desk: Desk) -> None:
        venue = await traded_meanwhile(desk)
        venue.refusals = 1
        await desk.start()
        assert stream("theirs") in desk.engine.book.orders

    play(story)


def test_the_log_does_not_say_that_trades_are_known_which_are_not() -> None:
    async def story(desk: Desk) -> None:
        venue = await traded_meanwhile(desk, figures=False)  # another trade undid it: figures agree
        traded_ms = desk.clock.now_ns() // 1_000_000 - 120_000
        venue.refusals = 1
        await desk.start()
        await asyncio.sleep(300)
        assert desk.engine.book.account.covered_ms > traded_ms
        assert stream("theirs") in desk.engine.book.orders

    play(story)


def test_trading_waits_for_the_order_of_a_listed_trade_while_queries_lag() -> None:
    async def story(desk: Desk) -> None:
        venue = await traded_meanwhile(desk)
        venue.lags = True
        starting = begin(desk.start())
        await asyncio.sleep(60)
        assert not desk.engine.trading
        venue.lags = False
        await starting
        assert stream("theirs") in desk.engine.book.orders

    play(story)


def test_and_not_for_ever_where_the_venue_knows_no_such_order() -> None:
    async def story(desk: Desk) -> None:
        venue = await traded_meanwhile(desk)
        venue.lags = True
        await desk.start()
        await asyncio.sleep(60)
        assert "balance:spot/BTC" in desk.breaks()

    play(story)


def test_one_unanswered_question_does_not_lose_the_other_trades_of_its_list() -> None:
    async def story(desk: Desk) -> None:
        desk.venue = venue = Shy(desk.clock.now_ns)
        await desk.start()
        await desk.place()
        await asyncio.sleep(15)
        desk.watcher.compare = lambda: asyncio.sleep(3600, result=False)  # type: ignore[method-assign]  # the polls alone
        await asyncio.sleep(40)
        venue.by_hand("theirs", "1")
        venue.fill("theirs", "1")
        venue.fill("c1", "1")
        await asyncio.sleep(60)
        venue.refusals = 1
        with pytest.raises(NoAnswerError):
            await desk.watcher.survey.read_trades()
        await desk.watcher.survey.read_trades()
        assert stream("theirs") in desk.engine.book.orders
        assert desk.order().cum_quantity == 1

    play(story)


def test_a_lost_cancel_is_sent_again_though_another_order_cannot_be_asked_for() -> None:
    async def story(desk: Desk) -> None:
        desk.venue = venue = OneBad(desk.clock.now_ns)
        await desk.start()
        await desk.place("good", quantity=Decimal(1))
        await asyncio.sleep(1)
        venue.fates.append(Fate.ANSWER_LOST)
        await desk.place("bad", quantity=Decimal(1))
        await asyncio.sleep(1)
        venue.orders.pop("bad")  # no list shows it either
        venue.fates.append(Fate.REQUEST_LOST)
        await desk.cancel("good")
        await asyncio.sleep(300)
        assert desk.life("bad") is Life.IN_DOUBT
        assert venue.orders["good"].status is VenueOrderStatus.CANCELED

    play(story)


def test_a_fill_that_only_its_own_question_shows_is_booked_though_another_order_cannot_be_asked_for() -> None:
    async def story(desk: Desk) -> None:
        desk.venue = venue = OneBad(desk.clock.now_ns)
        await desk.start()
        await desk.place("bad", quantity=Decimal(1))
        await desk.place("good", quantity=Decimal(1))
        await asyncio.sleep(1)
        for name in ("bad", "good"):
            shown, _ = venue.fill(name, "1")
            venue.push(shown)  # the stream loses the trade
        whole = venue.trades

        async def lagging(*, since_ms: int, until_ms: int) -> Answer:
            return replace(await whole(since_ms=since_ms, until_ms=until_ms), reports=())

        venue.trades = lagging  # type: ignore[method-assign]  # and so does the list
        venue.totals |= {"BTC": Decimal(7), "USDT": Decimal("799.8")}
        await asyncio.sleep(60)
        assert desk.order("good").cum_quantity == 1

    play(story)
