"""What readers get: one snapshot, its position, and lists that keep their place while orders come in."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from psycopg_pool.base import AttemptWithBackoff

from oms.errors import CursorError, LogUnavailableError
from oms.order.messages import SubmitAccepted
from oms.runtime import SystemClock, Tasks
from oms.store.memory import MemoryLog
from oms.values import AccountId, ClientOrderId, StrategyId, VenueOrderId
from projections.queries import Queries
from projections.runner import Runner
from tests.order.story import trade
from tests.projections.history import MAIN, Recorder, emptied, write
from tests.store.conftest import BreakingWire

pytestmark = pytest.mark.postgres


class Shop:
    """A log, its tables and a door to ask them through."""

    def __init__(self, url: str, queries: Queries) -> None:
        self.url = url
        self.queries = queries
        self.log = MemoryLog()
        self.story = Recorder()

    async def project(self) -> int:
        await write(self.log, self.story.fresh())
        return await Runner(self.log, self.url, clock=SystemClock(), spawn=Tasks()).run_to_end()

    async def names(self, **asked: object) -> list[str]:
        return [row.client_order_id for row in (await self.queries.orders(**asked)).rows]  # type: ignore[arg-type]


@pytest.fixture
async def shop(tables: str) -> AsyncIterator[Shop]:
    async with Queries(emptied(tables)) as queries:
        yield Shop(tables, queries)


def fill(story: Recorder, name: str, exec_id: str, quantity: str = "2") -> None:
    story.hear(name, trade(exec_id, quantity, venue_order_id=VenueOrderId(f"v{name}")))


async def test_nothing_is_there_before_anything_happened(shop: Shop) -> None:
    listing = await shop.queries.orders()
    assert (listing.position, listing.rows, listing.next_cursor) == (0, [], None)


async def test_every_answer_says_which_position_it_reflects(shop: Shop) -> None:
    shop.story.place("c1")
    fill(shop.story, "c1", "t1")
    position = await shop.project()
    asked = shop.queries
    for listing in (await asked.orders(), await asked.fills(), await asked.positions(), await asked.balances()):
        assert listing.position == position
        assert listing.rows
    assert await asked.position() == position


async def test_one_order_is_found_by_its_id(shop: Shop) -> None:
    shop.story.place("c1", tags={"why": "quote"})
    await shop.project()
    found = await shop.queries.order(MAIN, ClientOrderId("c1"))
    assert [(row.status, row.tags, row.quantity) for row in found.rows] == [("sending", {"why": "quote"}, 2)]
    assert (await shop.queries.order(MAIN, ClientOrderId("c9"))).rows == []
    assert (await shop.queries.order(AccountId("other"), ClientOrderId("c1"))).rows == []


async def test_orders_are_asked_by_account_strategy_symbol_and_whether_they_are_open(shop: Shop) -> None:
    shop.story.place("c1")
    shop.story.place("c2", strategy=StrategyId("taker"))
    shop.story.place("c3", strategy=StrategyId("taker"))
    fill(shop.story, "c2", "t1")
    await shop.project()
    assert await shop.names() == ["c3", "c2", "c1"]
    assert await shop.names(strategy="taker") == ["c3", "c2"]
    assert await shop.names(strategy="taker", open_only=True) == ["c3"]
    assert await shop.names(symbols=["ETH/USDT"]) == []
    assert await shop.names(accounts=["other"]) == []
    assert await shop.names(accounts=[]) == []
    assert await shop.names(accounts=["other", "main"], symbols=["BTC/USDT"], limit=1) == ["c3"]
    assert await shop.names(open_first=True) == ["c3", "c1", "c2"]


@pytest.mark.parametrize("open_first", [False, True])
async def test_a_list_keeps_its_place_while_orders_come_in(shop: Shop, open_first: bool) -> None:  # noqa: FBT001 - a parameter of the test
    for number in range(7):
        shop.story.place(f"c{number}")
    for number in (1, 4):
        fill(shop.story, f"c{number}", f"t{number}")
    await shop.project()
    seen: list[str] = []
    cursor = None
    for number in range(10, 20):
        listing = await shop.queries.orders(open_first=open_first, limit=2, cursor=cursor)
        seen.extend(row.client_order_id for row in listing.rows)
        shop.story.place(f"c{number}")
        await shop.project()
        cursor = listing.next_cursor
        if cursor is None:
            break
    expected = (
        ["c6", "c5", "c3", "c2", "c0", "c4", "c1"] if open_first else [f"c{number}" for number in range(6, -1, -1)]
    )
    assert seen == expected


async def test_fills_are_listed_the_latest_first(shop: Shop) -> None:
    shop.story.place("c1")
    shop.story.place("c2")
    shop.story.hear("c1", SubmitAccepted(venue_order_id=VenueOrderId("vc1")))
    for number in range(3):
        fill(shop.story, "c1", f"t{number}", "0.5")
    fill(shop.story, "c2", "t9")
    await shop.project()
    first = await shop.queries.fills(limit=3)
    rest = await shop.queries.fills(limit=3, cursor=first.next_cursor)
    assert [row.exec_id for row in (*first.rows, *rest.rows)] == ["t9", "t2", "t1", "t0"]
    assert rest.next_cursor is None
    of_one = await shop.queries.fills(client_order_id=ClientOrderId("c2"), accounts=[MAIN])
    assert [row.exec_id for row in of_one.rows] == ["t9"]


@pytest.mark.parametrize("cursor", ["", "x", "é", "bnVsbA==", "W10=", "WzEsMl0=", "W3RydWVd", "eyJhIjoxfQ=="])
async def test_a_cursor_that_was_never_given_out_is_refused(shop: Shop, cursor: str) -> None:
    with pytest.raises(CursorError):
        await shop.queries.orders(cursor=cursor)


async def test_a_cursor_of_another_list_is_refused(shop: Shop) -> None:
    for number in range(3):
        shop.story.place(f"c{number}")
    await shop.project()
    listing = await shop.queries.orders(open_first=True, limit=1)
    with pytest.raises(CursorError):
        await shop.queries.orders(cursor=listing.next_cursor)


async def test_a_position_is_waited_for(shop: Shop) -> None:
    shop.story.place("c1")
    assert not await shop.queries.wait_for(1, 0.1)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(shop.queries.wait_for(5, 10))
        position = await shop.project()
    assert waiting.result()
    assert await shop.queries.wait_for(position, 0)


async def test_balances_and_positions_come_in_order_of_their_names(shop: Shop) -> None:
    shop.story.place("c1")
    fill(shop.story, "c1", "t1")
    await shop.project()
    assert [row.currency for row in (await shop.queries.balances()).rows] == ["BTC", "USDT"]
    assert [row.symbol for row in (await shop.queries.positions(accounts=[MAIN])).rows] == ["BTC/USDT"]


async def test_a_database_that_is_gone_is_said_so(tables: str) -> None:
    async with Queries(tables.replace("host=", "host=/nowhere")) as queries:
        with pytest.raises(LogUnavailableError):
            await queries.orders()


async def test_after_an_outage_questions_are_answered_within_seconds(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = BreakingWire(shop.url)
    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 60.0)  # as after a minute of it
    async with Queries(await wire.open()) as queries:
        assert await queries.position() == 0
        wire.refuse()
        for _ in range(2):  # on the connection that broke, and on one that cannot be had
            with pytest.raises(LogUnavailableError):
                await queries.position()
        wire.refusing = False
        async with asyncio.timeout(2.5):
            assert await queries.position() == 0
    await wire.close()
