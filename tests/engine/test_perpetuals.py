"""Perpetuals at a venue: settings that are read back, and money that moves without a trade."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from oms.account.modes import PositionModeError, SetPositionMode
from oms.account.state import ResumeTrading
from oms.book import position_stream
from oms.gateway.prices import now_of, priced
from oms.gateway.views import PositionView
from oms.instrument import Bracket
from oms.order.state import Life
from oms.position.settings import SetLeverage
from oms.position.state import FLAT, Position
from oms.reports import LedgerReport, PositionReport
from oms.values import Currency, MarginMode, OrderType, PositionLeg, PositionMode, Purse
from tests.engine.desk import MAIN, Desk, play
from tests.engine.scripted_venue import Fate
from tests.order.story import BTC_PERPETUAL, FUTURES

PERPETUAL = BTC_PERPETUAL.symbol
MARKET = position_stream(MAIN, PERPETUAL, PositionLeg.NET)
SETTLE = Purse("futures:USDT")
HEDGE, ONE_WAY = PositionMode.HEDGE, PositionMode.ONE_WAY
TEN, COMMISSION = Decimal(10), Decimal("0.1")


async def opened(desk: Desk, *, held: bool = True) -> None:
    """A futures wallet of a thousand, and ten contracts bought at 27000."""
    desk.venue.can, desk.venue.mode, desk.venue.futures = FUTURES, ONE_WAY, Decimal(1000)
    await desk.start()
    if held:
        await desk.place(symbol=PERPETUAL, quantity=TEN, price=Decimal(27000), leverage=TEN)
        await asyncio.sleep(1)
        desk.venue.push(*desk.venue.fill("c1", "10", price="27000"))
        desk.venue.futures -= COMMISSION
        desk.venue.legs = [PositionReport(symbol=PERPETUAL, leg=PositionLeg.NET, quantity=TEN, leverage=TEN)]
        await asyncio.sleep(15)
        assert leg(desk).quantity == 10


def leg(desk: Desk) -> Position:
    return desk.engine.book.positions.get(MARKET, FLAT)


def funding(desk: Desk, amount: str, seconds_ago: float = 0.0) -> LedgerReport:
    at_ms = desk.clock.now_ns() // 1_000_000 - int(seconds_ago * 1000)
    assert desk.venue.futures is not None
    desk.venue.futures += Decimal(amount)
    row = LedgerReport(
        currency=Currency("USDT"), amount=Decimal(amount), flow="funding", symbol=PERPETUAL, ledger_id="77", at_ms=at_ms
    )
    desk.venue.flows.append(row)
    return row


def test_s38_funding_is_read_from_the_ledger_and_booked_once_across_a_restart() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        funding(desk, "-0.5")
        await asyncio.sleep(130)
        assert leg(desk).funding == Decimal("-0.5")
        desk.process.kill()
        await desk.start()
        funding(desk, "0.2")
        await asyncio.sleep(130)
        assert leg(desk).funding == Decimal("-0.3")
        assert desk.engine.book.funds(SETTLE).total == desk.venue.futures
        assert not desk.breaks()
        assert desk.venue.ledger_asked < 10
        assert desk.agrees()

    play(story)


def test_the_mode_that_the_venue_shows_is_known_from_the_start() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        await asyncio.sleep(15)
        assert desk.engine.book.account.position_mode is ONE_WAY

    play(story)


def test_s24_a_switch_is_asked_for_once_and_believed_when_it_is_read_back() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        await desk.engine.execute(SetPositionMode(account=MAIN, mode=HEDGE), actor="operator")
        await asyncio.sleep(1)
        assert desk.venue.settings == [HEDGE]
        assert desk.engine.book.account.position_mode is HEDGE
        assert not desk.engine.book.account.halts

    play(story)


def test_s24_a_switch_that_only_says_so_halts_the_account() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        desk.venue.stuck = True
        await desk.engine.execute(SetPositionMode(account=MAIN, mode=HEDGE), actor="operator")
        await asyncio.sleep(1)
        await desk.place()
        assert desk.life() is Life.DENIED
        await desk.engine.execute(ResumeTrading(account=MAIN, reason="seen"), actor="operator")
        await desk.place("c2")
        await asyncio.sleep(1)
        assert desk.life("c2") is Life.WORKING

    play(story)


@pytest.mark.parametrize("fate", [Fate.ANSWER_LOST, Fate.REQUEST_LOST])
def test_s24_a_switch_without_an_answer_is_settled_by_the_next_look(fate: Fate) -> None:
    async def story(desk: Desk) -> None:
        await opened(desk, held=False)
        desk.venue.fates.append(fate)
        await desk.engine.execute(SetPositionMode(account=MAIN, mode=HEDGE), actor="operator")
        await asyncio.sleep(1)
        assert desk.engine.book.account.mode_requested is HEDGE
        await asyncio.sleep(20)
        assert desk.engine.book.account.mode_requested is None
        assert desk.engine.book.account.position_mode is desk.venue.mode
        assert bool(desk.engine.book.account.halts) is (fate is Fate.REQUEST_LOST)

    play(story)


def test_s24_a_switch_while_a_position_is_held_never_leaves() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        with pytest.raises(PositionModeError, match="10 of BTC/USDT:USDT are held"):
            await desk.engine.execute(SetPositionMode(account=MAIN, mode=HEDGE), actor="operator")
        await asyncio.sleep(1)
        assert not desk.venue.settings

    play(story)


def test_leverage_is_asked_for_after_its_commit_and_read_back() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.venue.legs = []
        ask = SetLeverage(
            account=MAIN, symbol=PERPETUAL, request_id="l1", leverage=Decimal(20), margin_mode=MarginMode.CROSS
        )
        await desk.engine.execute(ask, actor="operator")
        await asyncio.sleep(1)
        assert desk.venue.settings == [(PERPETUAL, 20, MarginMode.CROSS)]
        assert (leg(desk).leverage, leg(desk).margin_mode) == (20, MarginMode.CROSS)
        desk.venue.fates.append(Fate.REFUSED)
        await desk.engine.execute(ask, actor="operator")
        await asyncio.sleep(1)
        assert leg(desk).leverage == 20

    play(story)


def test_a_leverage_that_the_venue_shows_is_taken_over() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        desk.venue.legs = [
            PositionReport(
                symbol=PERPETUAL, leg=PositionLeg.NET, quantity=TEN, leverage=Decimal(25), margin_mode="isolated"
            )
        ]
        await asyncio.sleep(15)
        assert (leg(desk).leverage, leg(desk).margin_mode) == (25, MarginMode.ISOLATED)
        assert desk.engine.book.funds(SETTLE).held == Decimal("10.8")

    play(story)


def test_the_mark_that_the_venue_shows_values_a_market_order_and_no_event_holds_it() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        before = await desk.log.head()
        desk.venue.legs = [
            PositionReport(
                symbol=PERPETUAL, leg=PositionLeg.NET, quantity=TEN, leverage=TEN, mark_price=Decimal("27123.4")
            )
        ]
        await asyncio.sleep(15)
        assert await desk.log.head() == before
        order = await desk.place("c2", symbol=PERPETUAL, quantity=TEN, type=OrderType.MARKET, price=None, leverage=TEN)
        assert order.state.request.reference_price == Decimal("27123.4")  # type: ignore[union-attr]

    play(story)


def test_a_leg_says_what_it_earns_and_where_it_is_taken_over() -> None:
    async def story(desk: Desk) -> None:
        tier = Bracket(floor=Decimal(0), cap=Decimal(10_000), maintenance_rate=Decimal("0.005"), deduction=Decimal(0))
        await opened(desk)
        desk.engine.decider.instruments = {PERPETUAL: replace(BTC_PERPETUAL, brackets=(tier,))}
        shown = PositionReport(
            symbol=PERPETUAL,
            leg=PositionLeg.NET,
            quantity=TEN,
            leverage=TEN,
            margin_mode="isolated",
            mark_price=Decimal(26_000),
            liquidation_price=Decimal("24460.5"),
        )
        desk.venue.legs = [shown]
        await asyncio.sleep(15)
        view = PositionView(
            account=MAIN,
            symbol=PERPETUAL,
            leg=PositionLeg.NET,
            quantity=TEN,
            open_cost=Decimal(270),
            realized=Decimal(0),
            commissions={},
            contract_size=BTC_PERPETUAL.contract_size,
            funding=Decimal(0),
            shares={},
        )
        # 10 contracts of 0.001 at 27000: cost 270, margin 27, maintenance 1.35; the taker pays a tenth of a percent:
        # (270 + 1.35 - 27) / (0.01 x 0.999) = 24459.4594..., one step up
        assert priced(view, now_of([desk.engine])) == {
            "value": Decimal(260),
            "dust": False,
            "mark_price": Decimal(26_000),
            "unrealized": Decimal(-10),
            "liquidation_price": Decimal("24459.5"),
            "venue_liquidation_price": Decimal("24460.5"),
        }
        desk.venue.legs = [replace(shown, liquidation_price=None)]
        await asyncio.sleep(15)
        assert priced(view, now_of([desk.engine]))["venue_liquidation_price"] is None
        assert priced(view, {}) == {}

    play(story)
