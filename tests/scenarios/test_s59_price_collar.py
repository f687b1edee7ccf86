"""S59: a gap in the depth stream makes a book invalid, and the collar opens nothing on an invalid or an old book."""

import asyncio
import re
from decimal import Decimal

import pytest

from adapters.bitmart.market_data.both import BitmartMarkets, Hosts
from adapters.bitmart.venue import Endpoints
from oms.collar import untrusted
from oms.decide import Said
from oms.errors import LimitExceededError
from oms.market_data import Quote
from oms.markets import follow_markets
from oms.order.events import OrderRequested
from oms.order.state import Life
from oms.risk import Limits
from oms.values import Provenance, Symbol
from tests.scenarios.house import DESK, EPOCH_NS, PERPETUAL, SPOT, House, tell

SIZE = {SPOT: "0.01", PERPETUAL: "1"}


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
def test_s59_a_price_too_far_from_the_book_is_denied_and_a_near_one_leaves(symbol: Symbol) -> None:
    async def story(house: House) -> None:
        await watching(house, symbol)
        for name, side, price, limit in (
            ("near", "buy", "50990", None),
            ("far", "buy", "51010", r"collar: 51010 is beyond 51000[.0]*, 0.02 from the best ask 50000[.0]*"),
            ("low", "sell", "47900", r"collar: 47900 is beyond 48020[.0]*, 0.02 from the best bid 49000[.0]*"),
            ("deep", "buy", "10000", None),  # far from the market, and nobody is hurt
        ):
            await house.place(name, side, SIZE[symbol], price, symbol=symbol)
            if limit is None:
                assert house.life(name) is not Life.DENIED, house.order(name).reason
            else:
                assert re.fullmatch(limit, house.order(name).reason or "")
        await house.until(lambda: house.life("deep") is Life.WORKING)
        asked = house.events("near")[0]
        assert isinstance(asked, OrderRequested)
        assert asked.collar_price == 50_000, "what it was held against is on record"
        await house.rests()

    tell(story, collared)


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
def test_s59_after_a_gap_nothing_opens_until_the_book_is_whole_again(symbol: Symbol) -> None:
    async def story(house: House) -> None:
        markets = await watching(house, symbol)
        house.faults(frame_dropped=1)
        house.stranger("sell", SIZE[symbol], "50500", symbol=symbol)  # nobody is told
        await asyncio.sleep(1)
        house.faults()
        house.stranger("sell", SIZE[symbol], "50600", symbol=symbol)  # the next version, over the gap
        async with asyncio.timeout(10):
            while markets.quote(symbol).valid:  # noqa: ASYNC110 - the next snapshot comes within a blink
                await asyncio.sleep(0.001)
        await house.place("c1", "buy", SIZE[symbol], "50000", symbol=symbol)
        assert house.order("c1").reason == f"collar: the book of {symbol} is not whole"
        await house.until(lambda: markets.quote(symbol).valid, seconds=60)
        await house.place("c2", "buy", SIZE[symbol], "50000", symbol=symbol)
        assert house.life("c2") is not Life.DENIED
        await house.rests()

    tell(story, collared)


def test_s59_a_book_that_fell_silent_is_no_ground_to_open_and_closing_passes() -> None:
    async def story(house: House) -> None:
        markets = await watching(house, PERPETUAL)
        await house.place("p1", "buy", "1", "50000", symbol=PERPETUAL)
        await house.until(lambda: house.life("p1") is Life.FILLED)
        last = markets.quote(PERPETUAL)
        house.engine.decider.quotes = lambda _: last  # it is not heard any more, and looks whole
        await asyncio.sleep(6)
        await house.place("p2", "buy", "1", "49000", symbol=PERPETUAL)
        assert "was last heard 6" in (house.order("p2").reason or "")
        await house.place("p3", "sell", "1", "40000", symbol=PERPETUAL, reduce_only=True)
        await house.until(lambda: house.life("p3") is Life.FILLED)
        await house.rests()

    tell(story, collared)


def test_s59_a_change_is_held_against_the_same_collar() -> None:
    async def story(house: House) -> None:
        await watching(house, PERPETUAL)
        await house.place("p1", "buy", "1", "48000", symbol=PERPETUAL)
        await house.until(lambda: house.life("p1") is Life.WORKING)
        with pytest.raises(LimitExceededError, match="collar: 60000 is beyond 51000"):
            await house.amend("p1", price="60000")
        await house.rests()

    tell(story, collared)


def test_s59_the_decision_is_a_function_of_the_quote_and_the_recorded_time() -> None:
    async def story(house: House) -> None:
        await house.start()
        book, decider = house.replayed(), house.engine.decider
        quote = Quote(symbol=SPOT, valid=True, bid=Decimal(49_000), ask=Decimal(50_000), book_ns=EPOCH_NS)
        decider.quotes = lambda _: quote
        for name, seconds, price, limit in (
            ("a", 5, "50999", None), ("b", 5.1, "50999", "collar"), ("c", 0, "51001", "collar"),
        ):  # fmt: skip
            order = house.order_for(name, "buy", "0.01", price)
            said = Said(message=order, actor="maker", cause=None, source=Provenance.COMMAND)
            facts = decider.decide(said, book, EPOCH_NS + int(seconds * 1e9)).facts
            assert getattr(facts[-1][1], "limit", None) == limit

    tell(story, collared)


def test_s59_a_book_that_was_heard_before_a_clock_was_set_back_is_not_fresh_for_minutes() -> None:
    """Its topic fell silent as the venue's clock, by which quotes and orders are dated, went back by four minutes."""
    quote = Quote(symbol=PERPETUAL, valid=True, bid=Decimal(26_999), ask=Decimal(27_001), book_ns=EPOCH_NS)
    grounds = {-240: False, -120: False, -6: False, -5: True, 0: True, 5: True, 6: False}  # by its age in seconds
    for age, ground in grounds.items():
        assert (untrusted(quote, EPOCH_NS + age * 1_000_000_000, 5.0) is None) is ground, age


def collared() -> House:
    return House(limits=Limits(collar={SPOT: Decimal("0.02"), PERPETUAL: Decimal("0.02")}))


async def watching(house: House, symbol: Symbol) -> BitmartMarkets:
    """Trade with market data beside, a book of somebody else's orders, and nobody else about."""
    oms = await house.start()
    at = Endpoints()
    hosts = Hosts(spot=at.spot, spot_ws=at.spot_ws, futures=at.futures, futures_ws=at.futures_ws)
    markets = BitmartMarkets(hosts, link=oms.line, clock=house.clock, ids=oms.ids, spawn=oms.process.spawn)
    follow_markets((), {DESK: markets}, {DESK: house.engine.decider})
    house.stranger("sell", "5", "50000", symbol=symbol)
    house.stranger("buy", "5", "49000", symbol=symbol)
    await house.until(lambda: markets.quote(symbol).ask == 50_000 and markets.quote(symbol).bid == 49_000)
    return markets
