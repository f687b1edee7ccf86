"""When what the venue tells of happened stands beside each event, also where one answer tells of much (S68): who reads
the log after an outage asks for nothing else.
"""

import asyncio

from oms.order.events import OrderFilled
from oms.position.events import FillBooked, FundingBooked
from oms.store.codec import decode, decode_meta
from tests.engine.desk import Desk, begin, play
from tests.engine.test_perpetuals import funding, opened


def moments(desk: Desk, *kinds: type) -> list[int | None]:
    """Return when it happened, in ms, of every event of these kinds in the log."""
    events = ((decode(each.topic, each.state), decode_meta(each.state)) for each in desk.log._events)
    told = [meta.occurred_ns for event, meta in events if isinstance(event, kinds)]
    return [None if each is None else each // 1_000_000 for each in told]


def test_s68_trades_that_one_look_tells_of_keep_each_its_own_time() -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place("c1")
        await desk.place("c2")
        await asyncio.sleep(5)
        happened = []
        for name in ("c1", "c2", "c1"):  # no stream tells of it
            happened.append(desk.clock.now_ns() // 1_000_000)
            desk.venue.fill(name, "1")
            await asyncio.sleep(0.5)
        await asyncio.sleep(120)
        assert sorted(map(str, moments(desk, OrderFilled))) == sorted(map(str, happened))
        assert sorted(map(str, moments(desk, FillBooked))) == sorted(map(str, happened))

    play(story)


def test_s38_payments_that_one_look_tells_of_keep_each_its_own_time() -> None:
    async def story(desk: Desk) -> None:
        await opened(desk)
        paid = [funding(desk, amount, seconds_ago=ago).at_ms for amount, ago in (("-0.5", 40), ("-0.25", 20))]
        await asyncio.sleep(120)
        assert moments(desk, FundingBooked) == paid

    play(story)


def test_a_first_start_does_not_wait_for_trades_of_an_hour_ago_of_which_one_look_told() -> None:
    """Worlds found it in which an owner had traded for hours: trades without a time may have been taken back, and are
    waited for.
    """

    async def story(desk: Desk) -> None:
        desk.venue.by_hand("human", "4")
        for _ in range(3):
            desk.venue.fill("human", "1")
            await asyncio.sleep(60)
        await asyncio.sleep(3600)
        starting = begin(desk.start())
        await asyncio.sleep(60)
        assert starting.done()

    play(story)
