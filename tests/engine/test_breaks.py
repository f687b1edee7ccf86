"""Breaks: what remains apart from the venue is named, blocks by policy, and ends by agreement or by a person."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.breaks.decisions import ExplainBreak, ResolveBreak
from oms.breaks.state import Policy
from oms.errors import OvertakenError, UnknownBreakError
from oms.order.state import Life
from oms.reconcile import Part, Result
from oms.rehearsal import rehearse
from oms.reports import Control, PositionReport, TradeReport, VenueOrderStatus
from oms.values import PositionMode, Provenance, Purse, Side, Symbol
from oms.venue import Answer, NoAnswerError, OrderRef
from tests.engine.desk import MAIN, Desk, begin, play
from tests.engine.scripted_venue import Cut, ScriptedVenue
from tests.order.story import BTC_PERPETUAL, FUTURES

USDT = Purse("USDT")
BREAK = "balance:spot/USDT"


def topics(desk: Desk) -> list[str]:
    """Return the topics of the account's own stream."""
    return [stored.topic for stored in desk.log._events if stored.stream == f"account/{MAIN}"]


def test_s30_a_balance_that_is_late_is_no_break_and_one_that_stays_apart_is() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.totals["USDT"] += 5
        await asyncio.sleep(10)
        desk.venue.totals["USDT"] -= 5  # an old picture, gone by the next look
        await asyncio.sleep(30)
        assert not desk.breaks()
        desk.venue.totals["USDT"] += 5
        await asyncio.sleep(25)
        assert desk.breaks() == {BREAK: ("1000", "1005")}
        await asyncio.sleep(60)
        assert topics(desk).count("break-opened/1") == 1  # seen at every look, opened once
        desk.venue.totals["USDT"] -= 5
        await asyncio.sleep(15)
        assert not desk.breaks()
        assert topics(desk)[-1] == "break-resolved/1"

    play(story)


def test_a_break_survives_a_restart_and_is_the_same_one() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.totals["USDT"] += 5
        await asyncio.sleep(25)
        desk.process.kill()
        await desk.start()
        await asyncio.sleep(30)
        assert desk.breaks() == {BREAK: ("1000", "1005")}
        assert topics(desk).count("break-opened/1") == 1
        opened = desk.engine.book.account.breaks.open[BREAK].opened_ns
        assert 0 < desk.clock.now_ns() - opened < 60 * 10**9  # its age is known

    play(story)


def test_a_break_above_the_threshold_stops_what_opens_until_a_person_ends_it() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.engine.decider.policy = Policy(block_above=Decimal(100))
        desk.venue.totals["USDT"] += 500
        await asyncio.sleep(25)
        await desk.place()
        assert desk.life() is Life.DENIED
        assert "balance:spot/USDT" in (desk.order().reason or "")
        explaining = ExplainBreak(account=MAIN, break_id=BREAK, reason="a deposit")
        await desk.engine.execute(explaining, actor="operator")
        await desk.place("c2")
        assert desk.life("c2") is Life.DENIED  # explained is not resolved
        resolving = ResolveBreak(account=MAIN, break_id=BREAK, reason="the deposit of Monday")
        await desk.engine.execute(resolving, actor="operator")
        assert desk.engine.book.funds(USDT).total == 1_500
        await desk.place("c3")
        await asyncio.sleep(1)
        assert desk.life("c3") is Life.WORKING
        await asyncio.sleep(30)
        assert not desk.breaks()
        with pytest.raises(UnknownBreakError):
            await desk.engine.execute(resolving, actor="operator")
        assert desk.agrees()

    play(story)


async def resolve(desk: Desk, name: str = BREAK) -> None:
    await desk.engine.execute(ResolveBreak(account=MAIN, break_id=name, reason="withdrawn"), actor="operator")


@pytest.mark.parametrize("seconds", [0, 60])
def test_a_second_withdrawal_of_the_same_amount_is_a_break_too(seconds: float) -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.totals["USDT"] -= 100
        await asyncio.sleep(25)
        await resolve(desk)
        await asyncio.sleep(seconds)  # nobody has seen the figures agree, or somebody has
        assert not desk.breaks()
        assert desk.engine.book.funds(USDT).total == 900
        desk.venue.totals["USDT"] -= 100
        await asyncio.sleep(25)
        assert desk.breaks() == {BREAK: ("900", "800")}
        assert desk.agrees()

    play(story)


def test_a_balance_that_parts_again_as_it_did_once_is_another_break() -> None:
    """Both figures are those of a break that a person ended: trades have brought them back."""

    async def story(desk: Desk) -> None:
        desk.venue.totals["USDT"] = Decimal("1000.0")
        await desk.start()
        desk.venue.totals["USDT"] -= 100
        await asyncio.sleep(25)
        await resolve(desk)
        await desk.place(side=Side.SELL, quantity=Decimal(1), price=Decimal("100.1"))
        await asyncio.sleep(1)
        desk.venue.push(*desk.venue.fill("c1", "1", price="100.1"))
        desk.venue.totals |= {"USDT": Decimal("1000.0"), "BTC": Decimal(4)}
        await asyncio.sleep(60)
        assert not desk.breaks()
        desk.venue.totals["USDT"] -= 100
        await asyncio.sleep(25)
        assert desk.breaks() == {BREAK: ("1000.0", "900.0")}

    play(story)


def test_a_break_that_a_trade_has_just_explained_is_not_taken_over_once_more() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place(quantity=Decimal(1))
        await asyncio.sleep(1)
        before = desk.venue.orders["c1"]
        pushed = desk.venue.fill("c1", "1")
        desk.venue.totals |= {"USDT": Decimal("899.9"), "BTC": Decimal(6)}
        desk.venue.orders["c1"] = before  # the balance is ahead of every list
        desk.venue.trades_done.clear()
        await asyncio.sleep(25)
        assert desk.breaks()[BREAK] == ("1000", "899.9")
        desk.venue.orders["c1"] = pushed[0]
        desk.venue.trades_done.append(pushed[1])
        desk.venue.push(*pushed)
        await asyncio.sleep(0.1)
        with pytest.raises(OvertakenError, match=r"seen while ours was 1000.*899\.9 by now"):
            await resolve(desk)
        assert desk.engine.book.funds(USDT).total == Decimal("899.9")
        await asyncio.sleep(15)
        assert not desk.breaks()

    play(story)


def test_a_break_that_goes_on_beside_trades_is_resolved_after_the_next_look() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        desk.venue.totals["USDT"] -= 100
        await asyncio.sleep(25)
        for name in ("c1", "c2"):
            await desk.place(name, quantity=Decimal(1))
            await asyncio.sleep(1)
            desk.venue.push(*desk.venue.fill(name, "1"))
            desk.venue.totals["USDT"] -= Decimal("100.1")
            desk.venue.totals["BTC"] += 1
            await asyncio.sleep(0.1)
            with pytest.raises(OvertakenError):
                await resolve(desk)
            await asyncio.sleep(25)
            assert topics(desk).count("break-changed/1") == 0  # both figures moved, the difference did not
        desk.process.kill()
        await desk.start()  # which has looked at it, twice, before it begins
        await resolve(desk)
        assert desk.engine.book.funds(USDT).total == desk.venue.totals["USDT"] == Decimal("699.8")
        await asyncio.sleep(25)
        assert not desk.breaks()
        assert desk.agrees()

    play(story)


def test_a_position_that_a_person_accepted_blocks_again_once_it_had_gone() -> None:
    held = PositionReport(symbol=BTC_PERPETUAL.symbol, quantity=Decimal(5), average_price=Decimal(200))
    name = f"position:{BTC_PERPETUAL.symbol}/net"

    async def story(desk: Desk) -> None:
        desk.venue.can, desk.venue.mode, desk.venue.futures = FUTURES, PositionMode.ONE_WAY, Decimal(1000)
        await desk.start()
        desk.venue.legs = [held]
        await asyncio.sleep(40)
        await resolve(desk, name)
        await asyncio.sleep(600)
        assert not desk.breaks()  # it is still there, and accepted
        desk.process.kill()
        await desk.start()
        await asyncio.sleep(60)
        assert not desk.breaks()
        desk.venue.legs = []
        await asyncio.sleep(15)
        assert topics(desk).count("break-forgotten/1") == 1
        desk.venue.legs = [held]
        await asyncio.sleep(25)
        assert desk.breaks() == {name: ("0", "5")}
        assert desk.agrees()

    play(story)


def test_s17_a_history_that_cannot_be_read_whole_is_a_break_that_stops_what_opens() -> None:
    async def story(desk: Desk) -> None:
        venue = desk.venue = Cut(desk.clock.now_ns)
        await desk.start()
        venue.whole = False
        await asyncio.sleep(25)
        assert list(desk.breaks()) == ["history:trades"]
        await desk.place()
        assert desk.life() is Life.DENIED
        venue.whole = True
        await asyncio.sleep(15)
        assert not desk.breaks()
        await desk.place("c2")
        assert desk.life("c2") is Life.SENDING

    play(story)


@pytest.mark.parametrize("part", ["open_orders", "trades", "balances", "positions"])
def test_s42_one_question_that_fails_at_the_start_keeps_trading_off_and_is_named(part: str) -> None:
    class Half(ScriptedVenue):
        failing = True

    async def fails(*_: object, **__: object) -> Answer:
        if venue.failing:
            raise NoAnswerError("the server is busy", venue._evidence())
        return await asked(*_, **__)

    venue = Half(lambda: 0)
    asked: Callable[..., Awaitable[Answer]] = getattr(venue, part)

    async def story(desk: Desk) -> None:
        nonlocal asked
        venue._now_ns = desk.clock.now_ns
        asked = getattr(venue, part)
        setattr(venue, part, fails)
        desk.venue = venue
        starting = begin(desk.start())
        await asyncio.sleep(60)
        assert not starting.done()
        assert not desk.engine.trading
        standing = desk.watcher.standing
        assert standing is not None
        assert standing.result is Result.PARTIAL
        named = Part.ORDERS if part == "open_orders" else Part(part)
        assert standing.failures == {named: "the server is busy"}
        assert f"{named}: the server is busy" in (desk.watcher.broken() or "")
        venue.failing = False
        await starting
        assert desk.engine.trading
        assert desk.watcher.broken() is None

    play(story)


def test_nothing_trades_while_the_venue_has_not_said_what_time_it_is() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.timeless = True  # and whether our own clock is right nobody knows
        starting = begin(desk.start())
        await asyncio.sleep(60)
        assert not desk.engine.trading
        assert "trades: the venue has not said what time it is" in (desk.watcher.broken() or "")
        desk.venue.timeless = False
        await starting
        assert desk.engine.trading

    play(story)


def test_s08_a_fill_that_the_stream_lost_is_found_by_the_poll_and_its_delay_is_known() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        heard: list[tuple[Provenance, float]] = []
        desk.watcher.survey.on_fill.append(lambda source, seconds: heard.append((source, seconds)))
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.fill("c1", "0.5")  # and not a word of it
        await asyncio.sleep(12)
        assert desk.order().cum_quantity == Decimal("0.5")
        (found,) = heard
        assert found[0] is Provenance.POLL
        assert 0 < found[1] <= 10.1
        desk.venue.push(*desk.venue.fill("c1", "0.5"))
        await asyncio.sleep(0.1)
        assert heard[1][0] is Provenance.STREAM
        assert heard[1][1] < 0.1

    play(story)


def test_s31_a_stream_that_says_nothing_within_its_keep_alive_time_is_shown_as_stale() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await asyncio.sleep(100)
        assert desk.watcher.live
        desk.venue.silent = True
        await asyncio.sleep(9)
        assert desk.watcher.live
        await asyncio.sleep(12)
        assert not desk.watcher.live
        assert "stale" in (desk.watcher.broken() or "")
        desk.venue.silent = False
        desk.venue.push()
        await asyncio.sleep(0.1)
        assert desk.watcher.live

    play(story)


def test_what_a_trade_cost_is_nothing_that_a_stream_owes_which_began_after_it_was_told() -> None:
    """Found by the simulation, seed 24167361: the venue, its clock ahead, had dated the trade later than that."""

    class UpToNow(ScriptedVenue):
        async def order_trades(self, order: OrderRef) -> Answer:
            answer = await super().order_trades(order)
            rows = [each for each in answer.reports if isinstance(each, TradeReport)]
            return replace(answer, reports=tuple(each for each in rows if (each.at_ms or 0) <= self._now_ms))

    async def story(desk: Desk) -> None:
        venue = desk.venue = UpToNow(desk.clock.now_ns)
        await desk.start()
        await desk.place()
        await asyncio.sleep(20)
        order, trade = venue.fill("c1", "1")
        ahead = replace(trade, at_ms=(trade.at_ms or 0) + 28_000)
        venue.trades_done = [ahead]
        venue.push(order, replace(ahead, commission=None, commission_currency=None))
        await asyncio.sleep(1)
        venue.push(Control(event="disconnected"))
        venue.push(Control(event="connected"))
        for _ in range(60):
            await asyncio.sleep(1)
            assert desk.watcher.broken() is None
        assert desk.order().trades[0].commission is not None

    play(story)


def test_a_dry_run_shows_the_events_and_records_nothing() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.process.kill()
        desk.venue.fill("c1", "2")
        desk.venue.totals = {"USDT": Decimal("799.9"), "BTC": Decimal(7)}
        head = await desk.log.head()
        rehearsed = await rehearse(
            MAIN, desk.log, desk.engine.decider, desk.venue, clock=desk.clock, ids=desk.engine._ids
        )
        assert rehearsed.standing.result is Result.COMPLETE
        assert not rehearsed.standing.disagreements
        assert [event.topic for event in rehearsed.events] == ["order-filled/1", "fill-booked/1"]
        assert await desk.log.head() == head
        await desk.start()
        filled = [stored.topic for stored in desk.log._events[head:] if stored.stream.startswith(("order/", "pos"))]
        assert filled == ["order-filled/1", "fill-booked/1"]  # exactly what was shown

    play(story)


def test_after_a_gap_trades_are_asked_for_from_where_they_are_known() -> None:
    """While nobody could ask for trades, others traded, and the log went on: a restart must not begin at its end."""

    class Deaf(ScriptedVenue):
        deaf = False

        async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
            if self.deaf:
                raise NoAnswerError("connection reset", self._evidence())
            return await super().trades(since_ms=since_ms, until_ms=until_ms)

    async def story(desk: Desk) -> None:
        venue = desk.venue = Deaf(desk.clock.now_ns)
        await desk.start()
        await asyncio.sleep(100)
        venue.deaf = True
        venue.by_hand("byhand", "1")
        venue.fill("byhand", "1")
        await asyncio.sleep(600)
        await desk.place()  # the log goes on
        await asyncio.sleep(1)
        desk.process.kill()
        venue.deaf = False
        await desk.start()
        await asyncio.sleep(15)
        assert desk.told("byhand").count("order-filled") == 1

    play(story)


def test_a_break_about_a_price_ends_once_the_price_is_right_or_its_order_over() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        for name in ("c1", "c2"):
            await desk.place(name, quantity=Decimal(1))
        await asyncio.sleep(1)
        for name in ("c1", "c2"):
            desk.venue.orders[name] = replace(desk.venue.orders[name], price=Decimal("99.99"))
        await asyncio.sleep(30)
        assert set(desk.breaks()) == {"price:c1", "price:c2"}
        desk.venue.orders["c1"] = replace(desk.venue.orders["c1"], price=Decimal(100))
        desk.venue.set_status("c2", VenueOrderStatus.CANCELED)
        await asyncio.sleep(60)
        assert not desk.breaks()

    play(story)


def test_a_partial_comparison_opens_no_break_that_its_own_trades_explain() -> None:
    class NoList(ScriptedVenue):
        listless = False

        async def open_orders(self, symbol: Symbol | None = None) -> Answer:
            if self.listless:
                raise NoAnswerError("timeout", self._evidence())
            return await super().open_orders(symbol)

    async def story(desk: Desk) -> None:
        desk.venue = venue = NoList(desk.clock.now_ns)
        venue.can, venue.mode, venue.futures = FUTURES, PositionMode.ONE_WAY, Decimal(1000)
        await desk.start()
        market = BTC_PERPETUAL.symbol
        await desk.place(symbol=market, quantity=Decimal(100), price=Decimal(20000), leverage=Decimal(10))
        await asyncio.sleep(30)
        venue.listless = True
        for held in range(1, 60):
            venue.fill("c1", "1", price="20000")  # and the stream is silent of it
            venue.futures -= Decimal("0.1")
            cost, price = Decimal(20) * held, Decimal(20000)
            venue.legs = [
                PositionReport(
                    symbol=market, quantity=Decimal(held), average_price=price, cost=cost, leverage=Decimal(10)
                )
            ]
            for _ in range(4):
                await asyncio.sleep(0.5)
                assert not desk.breaks()

    play(story)


def test_an_order_that_the_venue_works_for_more_than_was_sent_is_a_break() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        as_sent = desk.venue.orders["c1"]
        desk.venue.orders["c1"] = replace(as_sent, quantity=Decimal(9))  # changed at its website
        await asyncio.sleep(30)
        assert desk.breaks() == {"quantity:c1": ("2", "9")}
        desk.venue.orders["c1"] = as_sent
        await asyncio.sleep(30)
        assert not desk.breaks()

    play(story)
