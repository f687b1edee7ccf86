"""S28, S34, S42, S56: clauses that no scenario had told, and that the product did not keep once."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from adapters.bitmart.perp import codec as perp
from oms.order.state import Life
from oms.ports import LinkAnswer
from oms.reconcile import Result
from oms.values import Protection, Symbol
from tests.scenarios.house import PERPETUAL, SPOT, VENUE_SYMBOLS, House, tell
from tests.scenarios.test_s02_to_s05_requests_without_an_answer import SIZE, SUBMIT
from tests.scenarios.test_s27_to_s29_triggers import arrive, fire, leave_it_to_us, made

PRESETS = {"take_profit": Protection(price=Decimal(61_000)), "stop_loss": Protection(price=Decimal(59_000))}
FORBIDDEN = LinkAnswer(403, {"content-type": "text/html"}, b"<html><title>403 Forbidden</title>nginx</html>")


@pytest.mark.parametrize("how", ["profit", "loss", "human"])
@pytest.mark.parametrize("way", ["heard", "unheard", "restarted"])
def test_s28_what_protected_by_an_orders_own_word_ends_with_its_position(how: str, way: str) -> None:
    async def story(house: House) -> None:
        await bracketed(house)
        await house.rests()
        house.faults(**({"frame_dropped": 1.0} if way == "unheard" else {}))
        if way == "restarted":
            house.kill()
        if how == "human":
            house.stranger("buy", "3", "60000", symbol=PERPETUAL)
            house.by_hand("sell", "3", "60000", symbol=PERPETUAL, reduce_only=True)
        else:
            fire(house, profit=how == "profit")
        if way == "restarted":
            await house.start()
        await house.until(lambda: house.position().quantity == 0)
        await house.until(lambda: not house.futures.plans)
        house.faults()
        await house.rests()
        for each in made(house):
            if each.parent == "p1" and not each.trades:
                assert house.told(each.request.client_order_id).count("cancel-requested") == 1

    tell(story)


def test_s28_a_stop_that_was_left_behind_closes_no_position_that_comes_later() -> None:
    async def story(house: House) -> None:
        await bracketed(house)
        fire(house, profit=True)
        await house.until(lambda: house.position().quantity == 0)
        await asyncio.sleep(30)
        house.stranger("sell", "3", "60900", symbol=PERPETUAL)
        await house.place("n1", "buy", "3", "60900", symbol=PERPETUAL)
        await house.until(lambda: house.position().quantity == 3)
        house.stranger("buy", "9", "58990", symbol=PERPETUAL)
        arrive(house, "59000")
        await asyncio.sleep(30)
        assert house.position().quantity == 3, "what had protected another position closed this one"

    tell(story)


async def bracketed(house: House) -> None:
    """Start, and buy three contracts at 60000 with a profit and a loss that come with the order; the venue does not end
    them with their position.
    """
    await house.start()
    leave_it_to_us(house)
    arrive(house, "60000")
    await house.place("p1", "buy", "3", "60000", symbol=PERPETUAL, **PRESETS)
    house.stranger("sell", "3", "60000", symbol=PERPETUAL)
    await house.until(lambda: len(made(house)) == 2)


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
@pytest.mark.parametrize("heard", [True, False])
def test_s34_an_order_that_is_worked_at_a_worse_price_and_filled_before_anybody_looks_is_a_break(
    symbol: Symbol,
    heard: bool,  # noqa: FBT001
) -> None:
    async def story(house: House) -> None:
        await house.start()
        await house.place("c1", "buy", SIZE[symbol], "50000.1", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.WORKING)
        house.faults(**({} if heard else {"frame_dropped": 1.0}))
        host, account = (
            (house.simulator.spot, house.spot) if symbol == SPOT else (house.simulator.futures, house.futures)
        )
        book: Any = host.exchange.book(VENUE_SYMBOLS[symbol])
        [resting] = account.open.values()
        book.remove(resting)
        resting.price = Decimal(50_001)  # dearer than it was sent
        book.add(resting)
        house.stranger("sell", SIZE[symbol], "50001", symbol=symbol)
        await house.until(lambda: house.life("c1") is Life.FILLED)
        house.faults()
        assert [trade.price for trade in house.order("c1").trades] == [50_001]
        await house.until(lambda: bool(house.breaks()), seconds=60)

    tell(story)


@pytest.mark.parametrize("symbol", [SPOT, PERPETUAL])
@pytest.mark.parametrize("arrived", [True, False])
def test_s56_a_forbidden_page_that_nobody_can_tell_for_the_edges_leaves_the_order_in_doubt(
    symbol: Symbol,
    arrived: bool,  # noqa: FBT001
) -> None:
    async def story(house: House) -> None:
        await house.start()
        (house.network.executed if arrived else house.network.answers)[SUBMIT[symbol]] = FORBIDDEN
        house.faults(frame_dropped=1)
        await house.place("c1", "buy", SIZE[symbol], "50000", symbol=symbol)
        await house.until(lambda: house.life("c1") is not Life.SENDING)
        assert house.life("c1") is Life.IN_DOUBT
        house.network.mend()
        await house.until(lambda: house.life("c1") is (Life.WORKING if arrived else Life.REJECTED), seconds=200)
        assert len(house.network.submits()) == 1
        house.faults()
        await house.rests()

    tell(story)


def test_s42_a_start_that_cannot_read_the_payments_says_so_and_does_not_trade() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.stranger("sell", "5", "50000", symbol=PERPETUAL)
        await house.place("c1", "buy", "5", "50000", symbol=PERPETUAL)
        await house.rests()
        house.kill()
        house.leap(3600)
        house.network.lost_requests.add(perp.TRANSACTIONS)
        oms = house.begin()
        await oms.leads.wait()
        await asyncio.sleep(120)
        assert oms.watcher.standing is not None
        assert oms.watcher.standing.result is Result.PARTIAL
        assert not oms.engine.trading
        assert "transaction-history" in (oms.watcher.broken() or "")
        house.network.mend()
        await house.until(oms.watcher.synced.is_set)
        await house.rests()

    tell(story)
