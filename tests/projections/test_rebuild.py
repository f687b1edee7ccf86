"""Rebuilt beside the live tables, compared with them, swapped: whoever follows or reads goes on."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import psycopg
import pytest

from oms.order.messages import SubmitAccepted
from oms.runtime import SystemClock, Tasks
from oms.store.memory import MemoryLog
from oms.values import VenueOrderId
from projections import checkpoint
from projections.compare import compare
from projections.queries import Queries
from projections.rebuild import NoSuchProjectionError, NotAlongsideError, RebuildBusyError, Rebuilt, rebuild
from projections.runner import Runner
from projections.table import Cursor
from tests.order.story import trade
from tests.projections.history import Recorder, emptied, write

pytestmark = pytest.mark.postgres


class Shop:
    """A log, its tables, and the follower between them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = SystemClock()
        self.tasks = Tasks()
        self.log = MemoryLog()
        self.story = Recorder()
        self.looks: list[tuple[int, int]] = []

    async def sell(self, *names: str) -> None:
        for name in names:
            self.story.place(name)
            self.story.hear(name, SubmitAccepted(venue_order_id=VenueOrderId(name)), trade(f"t-{name}", "1", "100"))
        await write(self.log, self.story.fresh())

    def follower(self) -> Runner:
        return Runner(self.log, self.url, clock=self.clock, spawn=self.tasks)

    async def rebuild(self, name: str | None = None) -> Rebuilt:
        return await rebuild(
            self.log,
            self.url,
            name=name,
            clock=self.clock,
            spawn=self.tasks,
            progress=lambda done, of: self.looks.append((done, of)),
        )

    def sql(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def names(self) -> set[str]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            rows = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
            return {str(name) for (name,) in rows}

    async def equal(self) -> bool:
        return not (await compare(self.log, self.url)).differences


@pytest.fixture
async def shop(tables: str) -> AsyncIterator[Shop]:
    opened = Shop(emptied(tables))
    yield opened
    await opened.tasks.close()


async def test_what_was_changed_by_hand_is_told_row_by_row_and_mended(shop: Shop) -> None:
    await shop.sell("c1", "c2", "c3")
    position = await shop.follower().run_to_end()
    before = shop.names()
    shop.sql("UPDATE orders SET flagged = true WHERE client_order_id = 'c1'")
    shop.sql("DELETE FROM orders WHERE client_order_id = 'c2'")
    shop.sql("INSERT INTO balances SELECT 'nobody', currency, 1, 0, 1, 1, 1 FROM balances LIMIT 1")
    assert not await shop.equal()

    rebuilt = await shop.rebuild()
    assert rebuilt.position == position
    found = {each.table: each for each in rebuilt.tables}
    orders, balances = found["orders"], found["balances"]
    assert (orders.rows, orders.missing, orders.extra, orders.changed) == (3, 1, 0, 1)
    assert list(orders.examples) == [("main", "c1"), ("main", "c2")]
    assert (balances.missing, balances.extra, balances.changed) == (0, 1, 0)
    assert (found["fills"].missing, found["fills"].extra, found["fills"].changed) == (0, 0, 0)
    assert await shop.equal()
    assert shop.names() == before  # tables, indexes and all: nothing is left, nothing has another name
    assert shop.looks[-1] == (position, position)


async def test_a_follower_and_a_reader_go_on_through_the_swap(shop: Shop) -> None:
    follower = shop.follower()
    await shop.sell("c1")
    follower.start()
    async with Queries(shop.url) as queries:
        assert await queries.wait_for(await shop.log.head(), 10)
        for round_ in range(3):
            await asyncio.gather(shop.rebuild(), shop.sell(f"a{round_}", f"b{round_}"), queries.orders(limit=5))
        head = await shop.log.head()
        assert await queries.wait_for(head, 10)
        assert len((await queries.orders()).rows) == 7
    follower.stop()
    assert await shop.equal()
    assert not shop.tasks.failed.done()


async def test_one_read_model_is_rebuilt_alone_where_the_others_stand(shop: Shop) -> None:
    await shop.sell("c1")
    position = await shop.follower().run_to_end()
    await shop.sell("c2")  # not projected yet: a rebuilt table must not run ahead of the others
    shop.sql("DELETE FROM fills")
    rebuilt = await shop.rebuild("fills")
    assert [(each.table, each.missing) for each in rebuilt.tables] == [("fills", 1)]
    assert rebuilt.position == position
    await shop.follower().run_to_end()
    assert await shop.equal()


async def test_checkpoints_that_differ_are_mended_by_rebuilding_all(shop: Shop) -> None:
    await shop.sell("c1")
    await shop.follower().run_to_end()
    shop.sql("UPDATE projection_checkpoints SET position = position - 1 WHERE name = 'fills'")
    with pytest.raises(NotAlongsideError):
        await shop.rebuild("orders")
    await shop.rebuild()
    assert await shop.follower().run_to_end() == await shop.log.head()
    assert await shop.equal()


async def test_tables_beyond_the_end_of_a_restored_log_are_brought_back_to_it(shop: Shop) -> None:
    await shop.sell("c1", "c2")
    await shop.follower().run_to_end()
    shorter = MemoryLog()
    await write(shorter, shop.story.events[:5])
    shop.log = shorter
    rebuilt = await shop.rebuild()
    assert rebuilt.position == 5
    assert await shop.equal()


async def test_two_rebuilds_do_not_meet_and_unknown_names_change_nothing(shop: Shop) -> None:
    await shop.sell("c1")
    await shop.follower().run_to_end()
    outcomes = await asyncio.gather(shop.rebuild(), shop.rebuild(), return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == [RebuildBusyError.__name__, Rebuilt.__name__]
    with pytest.raises(NoSuchProjectionError):
        await shop.rebuild("ledgers")
    assert await shop.equal()


@pytest.mark.parametrize("name", [None, "balances"])
async def test_who_begins_to_follow_while_tables_are_swapped_remembers_no_empty_ones(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    """It sees the moment before the swap, in which the new tables had no rows."""
    await shop.sell("c1", "c2")
    await shop.follower().run_to_end()
    await shop.sell("c3")
    plain, rebuilding = checkpoint.read, list[asyncio.Task[Rebuilt]]()

    async def read(cursor: Cursor, names: Sequence[str]) -> int:
        position = await plain(cursor, names)
        if not rebuilding and names[0] == "orders":
            rebuilding.append(asyncio.get_running_loop().create_task(shop.rebuild(name)))
            await asyncio.wait(rebuilding, timeout=2.0)
        return position

    monkeypatch.setattr(checkpoint, "read", read)
    await shop.follower().run_to_end()
    await asyncio.gather(*rebuilding)
    assert await shop.equal()
