"""S12, S38, S42: what a venue's clock, set back by minutes, dates from before this log: it is news, and no history."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from adapters.bitmart.perp import codec as perp
from adapters.bitmart.spot import codec as spot
from adapters.simulator.simulator import NoAnswer
from adapters.simulator.wire.gateway import Reply, Request
from oms.account.events import HistoryKept
from oms.position.events import FundingBooked
from oms.store.codec import decode
from oms.values import Symbol
from tests.scenarios.house import PERPETUAL, SPOT, House, tell

BACK_MS = 240_000  # how far the venue's clock is set back


def trades_by_hand(house: House, size: str, symbol: Symbol, back_ms: int = BACK_MS) -> None:
    """Somebody buys on our account at the website; by the venue's clock that was minutes ago, or will be."""
    house.stranger("sell", size, "50000", symbol=symbol)
    now_ms, house.clock._epoch_ns = house.clock._epoch_ns, house.clock._epoch_ns - back_ms * 1_000_000
    house.by_hand("buy", size, "50000", symbol=symbol)
    house.clock._epoch_ns = now_ms


def kept(house: House) -> HistoryKept:
    (found,) = [each for each in house.account_events() if isinstance(each, HistoryKept)]
    return found


def traded(house: House) -> set[str]:
    """The trades of our account as the venue has them."""
    return {fill.trade_id for fill in house.spot.fills} | {fill.trade_id for fill in house.futures.fills}


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
def test_s12_a_trade_that_the_venue_dates_from_before_the_log_is_booked_and_one_from_there_is_not(
    symbol: Symbol,
) -> None:
    sizes = ("0.01", "0.02") if symbol == SPOT else ("3", "5")

    async def story(house: House) -> None:
        trades_by_hand(house, sizes[0], symbol)  # before there was a log
        before = traded(house)
        await house.start()
        assert set(kept(house).trades) == before, "the opening remembers what it holds"
        await asyncio.sleep(30)
        held = house.position(symbol).quantity
        house.faults(frame_dropped=1)
        trades_by_hand(house, sizes[1], symbol)
        await house.until(lambda: house.position(symbol).quantity == held + Decimal(sizes[1]))
        house.faults()
        await house.restart()
        await house.until(lambda: not house.breaks())
        booked = {each.exec_id for order in house.replayed().orders.values() for each in order.trades}
        after = traded(house) - before
        assert booked == after

    tell(story)


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
def test_s12_a_trade_that_the_venue_dates_ahead_is_booked_once_a_figure_disagrees(symbol: Symbol) -> None:
    async def story(house: House) -> None:
        await house.start()
        await asyncio.sleep(30)
        house.faults(frame_dropped=1)
        trades_by_hand(house, "0.01" if symbol == SPOT else "3", symbol, -BACK_MS)
        await house.until(lambda: bool(house.position(symbol).quantity))
        house.faults()
        await house.rests()

    tell(story)


def test_s38_funding_that_the_venue_dates_from_before_the_log_is_posted_once_each_time() -> None:
    async def story(house: House) -> None:
        house.stranger("sell", "10", "60000", symbol=PERPETUAL)
        house.by_hand("buy", "10", "60000", symbol=PERPETUAL)
        house.simulator.settle_funding("BTCUSDT", Decimal("0.0003"), house.now_ms - BACK_MS)
        await house.start()
        assert len(kept(house).payments) == 1, "the opening remembers what it holds"
        for rate in ("0.0001", "0.0002"):  # the second one while the first is not long ago
            paid = house.position().funding
            house.simulator.settle_funding("BTCUSDT", Decimal(rate), house.now_ms - BACK_MS)
            await house.until(lambda paid=paid: house.position().funding != paid)  # type: ignore[misc]
        await house.restart()
        await house.until(lambda: not house.breaks())
        payments = [
            each
            for stored in house.log._events
            if isinstance(each := decode(stored.topic, stored.state), FundingBooked)
        ]
        assert len(payments) == 2

    tell(story)


def test_s12_a_trade_that_is_dated_so_while_an_account_is_taken_over_is_in_what_is_taken_over() -> None:
    async def story(house: House) -> None:
        house.faults(frame_dropped=1)
        serve, traded = house.simulator.serve, list[str]()

        def meanwhile(request: Request, now_ms: int, **more: Any) -> Reply | NoAnswer:
            reply = serve(request, now_ms, **more)
            if (
                request.target.startswith(spot.WALLET)
                and house.network.sent[-2].path == perp.TRANSACTIONS
                and not traded
            ):
                traded.append("now")  # after the first look at what was before
                trades_by_hand(house, "0.01", SPOT)
            return reply

        house.simulator.serve = meanwhile  # type: ignore[method-assign]  # somebody at the venue's door
        await house.start()
        assert traded
        assert len(kept(house).trades) == 1
        await asyncio.sleep(60)
        assert not house.breaks()
        assert house.position(SPOT).quantity == 0

    tell(story)


def test_s06_an_order_that_traded_before_the_log_does_not_keep_the_account_from_being_taken_over() -> None:
    async def story(house: House) -> None:
        house.stranger("sell", "0.004", "50000")
        house.by_hand("buy", "0.01", "50000")
        await asyncio.sleep(1)
        oms = house.begin()
        await oms.leads.wait()
        await house.until(oms.watcher.synced.is_set, seconds=60)
        await house.rests()

    tell(story)


def test_s42_nothing_is_taken_over_while_the_venue_cannot_be_asked_what_was_before() -> None:
    async def story(house: House) -> None:
        house.network.lost_requests.add(perp.TRANSACTIONS)
        house.begin()
        await asyncio.sleep(60)
        assert not house.oms.watcher.synced.is_set()
        assert not house.book.totals
        house.network.mend()
        await house.until(house.oms.watcher.synced.is_set, seconds=60)
        await house.rests()

    tell(story)


def test_s12_a_trade_from_before_the_opening_that_the_venue_dates_ahead_is_counted_once() -> None:
    """Found by the simulation, seed 41030: its clock was right again by the opening, and its time came after that."""

    async def story(house: House) -> None:
        trades_by_hand(house, "0.01", SPOT, back_ms=-60_000)
        await house.start()
        assert set(kept(house).trades) == {fill.trade_id for fill in house.spot.fills}
        await asyncio.sleep(200)
        assert not house.breaks()
        assert not house.differences()

    tell(story)
