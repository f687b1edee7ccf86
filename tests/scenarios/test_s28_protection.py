"""S28: a position that must be protected and has no live stop is told of within seconds, whatever else goes on."""

import asyncio
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from adapters.bitmart.perp import codec as perp
from oms.book import Book, order_stream, position_stream
from oms.breaks.events import BreakOpened, BreakResolved
from oms.config import ConfigError, load
from oms.order.events import OrderRequested, SendStarted, VenueAccepted
from oms.order.state import Life
from oms.position.events import FillBooked
from oms.protection import Protected, exposed
from oms.values import (
    ClientOrderId,
    Crossing,
    ExecId,
    OrderType,
    PositionLeg,
    PriceSource,
    Protection,
    Side,
    StrategyId,
    Symbol,
)
from oms.venue import Trigger
from tests.scenarios.house import DESK, PERPETUAL, House, tell

SECONDS = 5.0
MUST = Protected(must=PERPETUAL, seconds=SECONDS)
ALERT = f"protection:{PERPETUAL}/net"
LEGS = [(PositionLeg.LONG, PositionLeg.SHORT), (PositionLeg.SHORT, PositionLeg.LONG)]


def home(**more: object) -> Callable[[], House]:
    return lambda: House(protection=MUST, **more)  # type: ignore[arg-type]  # of House


def test_s28_a_position_without_a_stop_raises_an_alert_in_time_until_it_has_one() -> None:
    async def story(house: House) -> None:
        await bought(house, "4")
        opened_ms = house.now_ms
        assert house.breaks() == {}
        await house.until(lambda: ALERT in house.breaks(), seconds=SECONDS)
        assert house.now_ms - opened_ms > SECONDS * 500, "whoever is quick about it is left in peace"
        assert house.breaks()[ALERT] == ("4 must have a live stop", "0 have one")
        assert house.oms.guard.alert() == f"{PERPETUAL}/net: 4 must have a live stop, 0 have one"
        await stop(house, "half", "2")
        await house.until(lambda: house.breaks()[ALERT][1] == "2 have one", seconds=SECONDS)
        await stop(house, "rest", "2")
        await house.until(lambda: ALERT not in house.breaks(), seconds=SECONDS)
        assert house.oms.guard.alert() is None
        await house.rests()
        told = [each for each in house.account_events() if isinstance(each, BreakOpened | BreakResolved)]
        assert [type(each) for each in told] == [BreakOpened, BreakResolved]
        assert isinstance(told[1], BreakResolved)
        assert told[1].reason == "it is behind a live stop again, or flat"

    tell(story, home())


@pytest.mark.parametrize("restarted", [False, True])
def test_s28_a_stop_that_is_lost_raises_it_again_also_where_a_restart_comes_between(restarted: bool) -> None:  # noqa: FBT001
    async def story(house: House) -> None:
        await bought(house, "4")
        await stop(house, "sl", "4")
        await asyncio.sleep(3 * SECONDS)
        assert house.breaks() == {}
        if restarted:
            house.kill()
        [plan] = house.futures.plans.values()
        house.simulator.futures.exchange.cancel_plan(plan.account, plan.plan_id, house.now_ms)
        if restarted:
            await house.start()
            assert house.position().quantity == 4
        await house.until(lambda: house.life("sl") is Life.VANISHED, seconds=60)
        await house.until(lambda: ALERT in house.breaks(), seconds=SECONDS)
        await house.restart()
        await asyncio.sleep(2 * SECONDS)
        assert ALERT in house.breaks(), "it goes on"
        await house.place("out", "sell", "4", "59000", symbol=PERPETUAL, reduce_only=True)
        house.stranger("buy", "4", "59000", symbol=PERPETUAL)
        await house.until(lambda: house.position().quantity == 0)
        await house.until(lambda: ALERT not in house.breaks(), seconds=SECONDS)
        await house.rests()

    tell(story, home())


def test_s28_it_is_raised_while_nobody_can_ask_the_venue() -> None:
    async def story(house: House) -> None:
        await bought(house, "4")
        house.network.cut()
        await house.until(lambda: ALERT in house.breaks(), seconds=SECONDS)
        house.network.mend()

    tell(story, home())


def test_s28_what_is_no_live_stop_does_not_count_as_one() -> None:
    """A profit target, a stop for the other side, one on its way, and one that is being canceled."""

    async def story(house: House) -> None:
        await bought(house, "4")
        await stop(house, "tp", "4", price=61_000, when=Crossing.RISES_TO)
        await house.until(lambda: ALERT in house.breaks(), seconds=SECONDS)
        house.network.lost_answers.add(perp.SUBMIT_TP_SL_ORDER)
        house.faults(frame_dropped=1)
        trigger = Trigger(price=Decimal(59_000), when=Crossing.FALLS_TO, by=PriceSource.LAST)
        await house.place("sl", "sell", "4", None, symbol=PERPETUAL, reduce_only=True, trigger=trigger)
        await house.until(lambda: house.life("sl") is Life.IN_DOUBT)
        while house.life("sl") is Life.IN_DOUBT:
            assert ALERT in house.breaks(), "whether it arrived is not known"
            await asyncio.sleep(0.05)
        house.faults()
        house.network.mend()
        await house.until(lambda: house.life("sl") is Life.WORKING, seconds=90)
        await house.until(lambda: ALERT not in house.breaks(), seconds=SECONDS)
        house.network.lost_requests.add(perp.CANCEL_PLAN_ORDER)
        await house.cancel("sl")
        await house.until(lambda: ALERT in house.breaks(), seconds=SECONDS)

    tell(story, home())


@pytest.mark.parametrize(("bare", "behind"), LEGS)
def test_s28_each_leg_needs_a_stop_of_its_own(bare: PositionLeg, behind: PositionLeg) -> None:
    async def story(house: House) -> None:
        await house.start()
        for leg, into, out in ((PositionLeg.LONG, "buy", "sell"), (PositionLeg.SHORT, "sell", "buy")):
            await house.place(leg.name, into, "3", "60000", symbol=PERPETUAL, position_leg=leg)
            await house.until(lambda name=leg.name: house.life(name) is Life.WORKING)  # type: ignore[misc]  # bound now
            house.stranger(out, "3", "60000", symbol=PERPETUAL)
        await house.until(lambda: house.position(leg=bare).quantity != 0 != house.position(leg=behind).quantity)
        await leg_stop(house, behind)
        await house.until(lambda: set(house.breaks()) == {f"protection:{PERPETUAL}/{bare}"}, seconds=SECONDS)
        await asyncio.sleep(2 * SECONDS)
        assert set(house.breaks()) == {f"protection:{PERPETUAL}/{bare}"}
        await leg_stop(house, bare)
        await house.until(lambda: house.breaks() == {}, seconds=SECONDS)
        await house.rests()

    tell(story, home(hedge=True))


async def leg_stop(house: House, leg: PositionLeg) -> None:
    """Have three contracts of a leg closed once the price is against it."""
    long = leg is PositionLeg.LONG
    trigger = Trigger(
        price=Decimal(59_000 if long else 61_000),
        when=Crossing.FALLS_TO if long else Crossing.RISES_TO,
        by=PriceSource.LAST,
    )
    side = "sell" if long else "buy"
    await house.place(f"stop{leg.name}", side, "3", None, symbol=PERPETUAL, position_leg=leg, trigger=trigger)


def test_s28_a_stop_counts_for_its_own_market_and_leg_and_for_no_more_than_its_size() -> None:
    """On a book made by hand: two legs of one market, one of another, and stops for six contracts of one of them."""
    other = Symbol("ETH/USDT:USDT")
    book = Book(DESK)
    for symbol, leg in ((PERPETUAL, PositionLeg.NET), (PERPETUAL, PositionLeg.LONG), (other, PositionLeg.NET)):
        fill = FillBooked(
            exec_id=ExecId("t"),
            client_order_id=ClientOrderId("c"),
            quantity=Decimal(9),
            price=Decimal(60_000),
            cost_change=Decimal(540_000),
            realized=Decimal(0),
        )
        book.apply(position_stream(DESK, symbol, leg), fill)
    for name, size in (("a", "2"), ("b", "4")):
        asked = OrderRequested(
            account=DESK,
            client_order_id=ClientOrderId(name),
            strategy=StrategyId("s"),
            symbol=PERPETUAL,
            side=Side.SELL,
            order_type=OrderType.MARKET,
            quantity=Decimal(size),
            reduce_only=True,
            trigger=Trigger(price=Decimal(59_000), when=Crossing.FALLS_TO),
        )
        for event in (asked, SendStarted(attempt=1), VenueAccepted()):
            book.apply(order_stream(DESK, asked.client_order_id), event)
    found = exposed(book, Protected(must="*"))
    assert {(each.symbol, each.leg): (each.held, each.covered) for each in found.values()} == {
        (PERPETUAL, PositionLeg.NET): (9, 6),
        (PERPETUAL, PositionLeg.LONG): (9, 0),
        (other, PositionLeg.NET): (9, 0),
    }
    assert exposed(book, Protected(must=f"other:{other}")) == {}


def test_s28_a_stop_loss_that_came_with_the_order_counts_and_so_does_one_that_a_human_placed() -> None:
    async def story(house: House) -> None:
        await bought(house, "4", stop_loss=Protection(price=Decimal(59_000)))
        await house.until(lambda: len(house.futures.plans) == 1)
        await asyncio.sleep(60)
        assert any(each.stops for each in house.book.orders.values())
        assert not [each for each in house.account_events() if isinstance(each, BreakOpened)]

    tell(story, lambda: House(protection=Protected(must=PERPETUAL)))  # as it is set where nobody sets it


@pytest.mark.parametrize("must", ["", "ETH/USDT:USDT", f"other:{PERPETUAL}"])
def test_s28_a_position_that_needs_none_is_nobodys_alarm(must: str) -> None:
    async def story(house: House) -> None:
        await bought(house, "4")
        await asyncio.sleep(30)
        assert house.breaks() == {}

    tell(story, lambda: House(protection=Protected(must=must)))


@pytest.mark.parametrize("must", ["*", f"desk:{PERPETUAL}", f"ETH/USDT:USDT, {PERPETUAL}"])
def test_s28_which_positions_must_have_one_is_set_by_account_and_symbol(must: str) -> None:
    configured = load({"OMS__PROTECTION__MUST": must, "OMS__PROTECTION__SECONDS": "3"}).config.protection
    assert configured == Protected(must=must, seconds=3.0)

    async def story(house: House) -> None:
        await bought(house, "4")
        await house.until(lambda: ALERT in house.breaks(), seconds=3)

    tell(story, lambda: House(protection=configured))


@pytest.mark.parametrize("must", ["BTC/USDT", "BTCUSDT", "BTC/USDT:USDT;ETH/USDT:USDT", "*, BTC/USDT:USDT"])
def test_s28_a_list_that_names_no_perpetual_is_refused_and_not_read_as_nothing(must: str) -> None:
    with pytest.raises(ConfigError, match=r"protection\.must"):
        load({"OMS__PROTECTION__MUST": must})
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"must": must}, Protected)


async def bought(house: House, size: str, **more: object) -> None:
    """Start, and buy so many contracts at 60000."""
    await house.start()
    await house.place("c1", "buy", size, "60000", symbol=Symbol(PERPETUAL), **more)
    await house.until(lambda: house.life("c1") is Life.WORKING)
    house.stranger("sell", size, "60000", symbol=PERPETUAL)
    await house.until(lambda: house.life("c1") is Life.FILLED)


async def stop(house: House, name: str, size: str, *, price: int = 59_000, when: Crossing = Crossing.FALLS_TO) -> None:
    """Have so many contracts sold once the price is there."""
    trigger = Trigger(price=Decimal(price), when=when, by=PriceSource.LAST)
    await house.place(name, "sell", size, None, symbol=PERPETUAL, reduce_only=True, trigger=trigger)
    await house.until(lambda: house.life(name) is Life.WORKING)
