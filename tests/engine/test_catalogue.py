"""A venue that names a part of its markets: the OMS begins with it, trades nothing, and goes on asking."""

import asyncio
from decimal import Decimal

import pytest

from oms import catalogue
from oms.catalogue import VenueDownError
from oms.errors import NotReadyError, UnknownSymbolError
from oms.instrument import Instrument
from oms.venue import Answer, CatalogueCutError, Evidence, NoAnswerError
from tests.engine.desk import MAIN, Desk, begin, play
from tests.engine.scripted_venue import ScriptedVenue
from tests.order.story import BTC_PERPETUAL, BTC_USDT

NOWHERE = Evidence(channel="GET /details")


class Half(ScriptedVenue):
    """Its perpetuals cannot be asked for while `has_futures` is off, its spot market while `has_spot` is."""

    has_futures = has_spot = False

    async def instruments(self) -> tuple[Instrument, ...]:
        await asyncio.sleep(0.05)
        found = [market for market, up in ((BTC_USDT, self.has_spot), (BTC_PERPETUAL, self.has_futures)) if up]
        if not found:
            raise NoAnswerError("spot: no answer", NOWHERE)
        if len(found) == 1:
            raise CatalogueCutError("futures: no answer", NOWHERE, found)
        return tuple(found)

    async def balances(self) -> Answer:
        if not self.has_futures:
            raise NoAnswerError("futures: no answer", NOWHERE)
        return await super().balances()


def half(desk: Desk, *, spot: bool, futures: bool) -> Half:
    venue = Half(desk.clock.now_ns)
    venue.has_spot, venue.has_futures = spot, futures
    desk.venue = venue
    return venue


def test_it_begins_with_a_part_trades_nothing_and_completes_by_itself() -> None:
    async def story(desk: Desk) -> None:
        venue = half(desk, spot=True, futures=False)
        told: list[str] = []
        named = await catalogue.ask(MAIN, venue, seconds=60, clock=desk.clock, tell=told.append)
        assert (list(named.markets), named.missing) == ([BTC_USDT], "futures: no answer")
        starting = begin(desk.start())
        await asyncio.sleep(1)
        desk.engine.decider.instruments = {market.symbol: market for market in named.markets}
        await catalogue.compared(MAIN, desk.watcher, seconds=60, clock=desk.clock, tell=told.append)
        assert "does not trade yet" in told[-1]
        assert "balances: futures: no answer" in told[-1]
        assert "balances: futures: no answer" in str(desk.watcher.broken())
        with pytest.raises(NotReadyError):
            await desk.place()
        whole = asyncio.Event()
        begin(catalogue.complete(desk.engine.decider, venue, whole.set))
        await asyncio.sleep(20)
        assert not whole.is_set()
        venue.has_futures = True
        await whole.wait()
        assert desk.engine.decider.instruments == {m.symbol: m for m in (BTC_USDT, BTC_PERPETUAL)}
        await starting
        await desk.place(quantity=Decimal(1))
        assert desk.watcher.broken() is None

    play(story)


def test_what_is_not_named_is_not_known() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        desk.engine.decider.instruments = {}
        with pytest.raises(UnknownSymbolError):
            await desk.place()

    play(story)


def test_a_venue_that_names_nothing_is_asked_for_a_while_and_then_given_up() -> None:
    async def story(desk: Desk) -> None:
        venue = half(desk, spot=False, futures=False)
        told: list[str] = []
        asking = begin(catalogue.ask(MAIN, venue, seconds=60, clock=desk.clock, tell=told.append))
        await asyncio.sleep(30)
        venue.has_spot = venue.has_futures = True
        assert len((await asking).markets) == 2
        assert all("trying again" in each for each in told)
        venue.has_spot = venue.has_futures = False
        with pytest.raises(VenueDownError, match="spot: no answer"):
            await catalogue.ask(MAIN, venue, seconds=10, clock=desk.clock, tell=told.append)

    play(story)


def test_an_account_of_which_nothing_can_be_compared_is_given_up() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.cut = True
        starting = begin(desk.start())
        await asyncio.sleep(1)
        with pytest.raises(VenueDownError, match="could not be compared"):
            await catalogue.compared(MAIN, desk.watcher, seconds=60, clock=desk.clock, tell=lambda _: None)
        starting.cancel()

    play(story)
