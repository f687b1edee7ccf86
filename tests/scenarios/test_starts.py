"""A start waits for nothing that it knows, or can do without: trading is open again within three seconds of a kill."""

import asyncio

from oms.order.state import Life
from tests.scenarios.house import PERPETUAL, House, tell

READY_SECONDS = 2.5  # of which the lease of whoever was killed takes one; a wait for the venue's rates is two by itself
TRADES = 60  # more orders than the venue may be asked for in one window
UNANSWERED = 8  # more than the history may be asked for in one window


async def seconds_to_trade(house: House) -> float:
    """Start a process; return after how long it trades."""
    began = house.clock.monotonic()
    await house.start()
    return house.clock.monotonic() - began


def test_a_start_asks_for_no_order_behind_the_trades_that_its_log_knows() -> None:
    async def story(house: House) -> None:
        await house.start()
        for number in range(TRADES):
            house.stranger("sell", "1", "50000", symbol=PERPETUAL)
            await house.place(f"c{number}", "buy", "1", "50000", symbol=PERPETUAL)
            await asyncio.sleep(0.25)
        await house.until(lambda: house.position().quantity == TRADES)
        house.kill()
        assert await seconds_to_trade(house) < READY_SECONDS
        await house.rests()

    tell(story)


def test_a_start_does_not_wait_for_the_searches_that_settle_what_was_in_doubt_when_it_was_killed() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.lost_requests.add("/contract/private/submit-order")
        for number in range(UNANSWERED):
            await house.place(f"c{number}", "buy", "1", "50000", symbol=PERPETUAL)
        await house.until(lambda: all(house.life(f"c{number}") is Life.IN_DOUBT for number in range(UNANSWERED)))
        house.network.mend()
        house.kill()
        assert await seconds_to_trade(house) < READY_SECONDS
        assert house.life("c0") is Life.IN_DOUBT, "it counts as live until its absence is proven"
        await house.rests()
        assert [house.life(f"c{number}") for number in range(UNANSWERED)] == [Life.REJECTED] * UNANSWERED

    tell(story)


def test_a_start_long_after_the_kill_proves_absences_after_it_trades() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.lost_requests.add("/contract/private/submit-order")
        for number in range(UNANSWERED):
            await house.place(f"c{number}", "buy", "1", "50000", symbol=PERPETUAL)
        house.network.mend()
        house.kill()
        house.leap(120.0)
        assert await seconds_to_trade(house) < READY_SECONDS
        await house.rests()
        assert [house.life(f"c{number}") for number in range(UNANSWERED)] == [Life.REJECTED] * UNANSWERED

    tell(story)


def test_a_start_asks_for_as_many_unsettled_orders_as_one_window_leaves_room_for_and_for_the_rest_after_it() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.lost_requests.add("/spot/v2/submit_order")
        names = [f"c{number}" for number in range(TRADES)]
        for name in names:
            await house.place(name, "buy", "0.001", "50000")
            await asyncio.sleep(0.1)
        await house.until(lambda: all(house.life(name) is Life.IN_DOUBT for name in names))
        house.network.mend()
        house.kill()
        assert await seconds_to_trade(house) < READY_SECONDS
        await house.rests()
        assert {house.life(name) for name in names} == {Life.REJECTED}

    tell(story)


def test_a_start_learns_from_the_list_of_trades_what_they_cost_and_not_order_by_order() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.network.lost_answers |= {"/spot/v4/query/trades", "/spot/v4/query/order-trades"}
        for number in range(15):  # more than may be asked for in one window
            house.stranger("sell", "0.001", "50000")
            await house.place(f"c{number}", "buy", "0.001", "50000")
        await house.until(lambda: all(house.life(f"c{number}") is Life.FILLED for number in range(15)))
        house.network.mend()
        house.kill()
        assert any(house.order(f"c{number}").trades_missing for number in range(15)), "the stream tells no commission"
        assert await seconds_to_trade(house) < READY_SECONDS
        assert not any(house.order(f"c{number}").trades_missing for number in range(15))
        await house.rests()

    tell(story)


def test_a_start_does_not_look_back_over_weeks_for_what_explains_a_break() -> None:
    async def story(house: House) -> None:
        await house.start()
        house.kill()
        house.leap(60 * 86_400.0)
        await house.start()
        house.spot.balances["USDT"].available += 5
        await house.until(lambda: "balance:spot/USDT" in house.breaks())
        await asyncio.sleep(30.0)
        house.kill()
        assert await seconds_to_trade(house) < READY_SECONDS
        assert "balance:spot/USDT" in house.breaks()

    tell(story)
