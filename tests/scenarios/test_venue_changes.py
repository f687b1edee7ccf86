"""S46, S61, S62: the venue says something new, winds down, or ends a market."""

import asyncio
from decimal import Decimal

import pytest

from adapters.simulator.exchange.futures.contracts import Status
from adapters.simulator.wire.house import Schedule
from oms.order.state import Life
from oms.values import Origin, Symbol
from tests.scenarios.house import PERPETUAL, SPOT, House, tell


@pytest.mark.parametrize(("symbol", "size"), [(SPOT, "0.01"), (PERPETUAL, "2")])
def test_s46_words_that_nobody_has_heard_of_stop_neither_the_stream_nor_the_orders(symbol: Symbol, size: str) -> None:
    async def story(house: House) -> None:
        await house.start()
        house.faults(frame_unknown=1)
        for number in range(5):
            await house.place(f"c{number}", "buy", size, "50000", symbol=symbol)
            house.stranger("sell", size, "50000", symbol=symbol)
        names = [f"c{number}" for number in range(5)]
        await house.until(lambda: all(house.life(name) is Life.FILLED for name in names), seconds=120)
        assert house.oms.watcher.live  # the same stream, still heard
        house.faults()
        await house.place("after", "buy", size, "50000", symbol=symbol)
        house.stranger("sell", size, "50000", symbol=symbol)
        await house.until(lambda: house.life("after") is Life.FILLED)
        for name in names:
            assert house.order(name).cum_quantity == Decimal(size)
            assert house.order(name).flagged  # for a person to look at, with the raw word on record
            assert "report-contradicted" in house.told(name)
        assert not house.order("after").flagged
        await house.until(lambda: set(house.breaks()) == {f"order:{name}" for name in names}, seconds=60)
        assert house.position(symbol).quantity == 6 * Decimal(size)

    tell(story)


def test_s61_after_the_first_date_what_opens_is_refused_and_reduces_and_cancels_pass_until_the_second() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", "5", "50000", symbol=PERPETUAL)
        await house.place("p1", "buy", "5", "50000", symbol=PERPETUAL)
        await house.place("c1", "buy", "0.01", "40000")
        await house.until(lambda: house.life("p1") is Life.FILLED and house.life("c1") is Life.WORKING)
        begins = house.now_ms + 60_000
        house.simulator.settings.schedule = Schedule(
            no_opens_ms=begins, no_trading_ms=begins + 600_000, dark_ms=begins + 1_200_000
        )
        await asyncio.sleep(61)
        await house.place("p2", "buy", "1", "50000", symbol=PERPETUAL)
        await house.place("c2", "buy", "0.01", "40000")
        await house.until(lambda: house.life("p2") is house.life("c2") is Life.REJECTED)
        house.stranger("buy", "2", "50000", symbol=PERPETUAL)
        await house.place("p3", "sell", "2", "50000", symbol=PERPETUAL, reduce_only=True)
        await house.until(lambda: house.life("p3") is Life.FILLED)
        await house.cancel("c1")
        await house.until(lambda: house.life("c1") is Life.CANCELED)
        await house.place("p4", "sell", "3", "60000", symbol=PERPETUAL, reduce_only=True)
        await house.until(lambda: house.life("p4") is Life.WORKING)
        await asyncio.sleep(601)  # no trading any more: what was open is ended by the venue, and what is held shows
        await house.until(lambda: house.life("p4") is Life.CANCELED, seconds=120)
        assert house.position().quantity == 3
        await house.rests()
        told = await house.log.head()
        await asyncio.sleep(700)  # dark
        assert house.oms.watcher.broken() is not None
        assert house.replayed().summary() == house.book.summary()  # and still everything can be asked here
        assert await house.log.head() >= told

    tell(story)


def test_s62_a_contract_is_delisted_and_settled_without_an_order_of_ours() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", "5", "50000", symbol=PERPETUAL)
        await house.place("p1", "buy", "5", "50000", symbol=PERPETUAL)
        await house.place("p2", "buy", "5", "40000", symbol=PERPETUAL)  # rests
        await house.until(lambda: house.life("p1") is Life.FILLED and house.life("p2") is Life.WORKING)
        house.simulator.futures.set_status("BTCUSDT", Status.DELISTED, house.now_ms)
        await house.until(lambda: house.position().quantity == 0, seconds=120)
        await house.until(lambda: house.life("p2") is Life.CANCELED, seconds=120)
        await house.rests()
        # The wire has no known word for a settlement, and the simulated exchange says `liquidate`: that the contract
        # has ended tells the two apart.
        made = [order for order in house.book.orders.values() if order.origin is not None]
        assert [(order.origin, order.cum_quantity) for order in made] == [(Origin.SETTLEMENT, 5)]
        assert not house.book.account.halts
        assert house.book.held == {} or not any(house.book.held.values())
        assert len(house.network.submits()) == 2  # nothing of ours was sent to close it

    tell(story)
