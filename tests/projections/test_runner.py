"""From the log into the tables, whatever happens on the way: rows equal the fold at every checkpoint."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as forall
from hypothesis import strategies as st
from msgspec.structs import replace

from oms.errors import CorruptStreamError
from oms.gateway import views
from oms.order.messages import (
    AbsenceReport,
    BustReport,
    CancelRejected,
    CancelTaken,
    SubmitAccepted,
    SubmitRefused,
    SubmitUnknown,
)
from oms.order.state import fold
from oms.ports import NewEvent
from oms.reports import VenueOrderStatus
from oms.runtime import SystemClock, Tasks
from oms.store.codec import decode
from oms.store.database import Role
from oms.store.memory import MemoryLog
from oms.values import Side, TimeInForce, VenueOrderId
from projections.checkpoint import CheckpointsDifferError
from projections.compare import Difference, compare, differences
from projections.compare import stored as read_tables
from projections.connection import SILENT_SECONDS, Connection, connect_to_write
from projections.fold import Twin, projectors
from projections.past import Past
from projections.projector import Projector
from projections.queries import Queries
from projections.runner import Runner
from projections.table import Cursor, Table
from tests.order.story import shown, trade
from tests.projections.history import T0, Recorder, agree, emptied, stored, write

pytestmark = pytest.mark.postgres

NAMES = ("c1", "c2", "c3")
QUANTITIES = st.sampled_from(("0.5", "1", "2"))


class Frozen(SystemClock):
    """A second after the first event, for ever."""

    def now_ns(self) -> int:
        return T0 + 1_000_000_000


class Killed(Exception):  # noqa: N818 - no error: the end
    """kill -9, as far as one process can do it to itself."""


class Mortal(Table[Any]):
    """Dies before the statement whose turn it is, once; `left` counts down over all tables."""

    left = 0
    end: type[Exception] = Killed

    @classmethod
    def of(cls, table: Table[Any]) -> "Mortal":
        made = cls.__new__(cls)
        made.__dict__.update(table.__dict__)
        return made

    async def write(self, cursor: Cursor, rows: Sequence[Any]) -> None:
        Mortal.left -= 1
        if Mortal.left == 0:
            raise Mortal.end
        await super().write(cursor, rows)


def mortal(statements: int, end: type[Exception] = Killed) -> Sequence[Projector[Any]]:
    Mortal.left, Mortal.end = statements, end
    made = projectors()
    for projector in made:
        projector.table = Mortal.of(projector.table)  # type: ignore[misc]
    return made


class Stopped(Table[Any]):
    """Falls silent in the middle of its first page, as a process that was stopped does."""

    in_page = asyncio.Event()

    @classmethod
    def of(cls, table: Table[Any]) -> "Stopped":
        cls.in_page.clear()
        made = cls.__new__(cls)
        made.__dict__.update(table.__dict__)
        return made

    async def write(self, cursor: Cursor, rows: Sequence[Any]) -> None:
        self.in_page.set()
        await asyncio.Event().wait()


@pytest.fixture
async def spawn() -> AsyncIterator[Tasks]:
    tasks = Tasks()
    yield tasks
    await tasks.close()


def runner(log: MemoryLog, url: str, spawn: Tasks, **more: Any) -> Runner:
    return Runner(log, url, clock=Frozen(), spawn=spawn, **more)


async def equal(log: MemoryLog, url: str) -> int:
    """Assert that the tables hold what the log says; return the position they reflect."""
    verdict = await compare(log, url)
    assert verdict.differences == ()
    return verdict.position


def two_orders() -> Recorder:
    story = Recorder()
    story.place("c1")
    story.place("c2", "sell", "3", "101")
    story.hear("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")), trade("t1", "0.5"))
    story.hear("c2", trade("t2", "3", "101", venue_order_id=VenueOrderId("v2"), commission=None))
    story.cancel("c1")
    story.hear("c2", trade("t2", "3", "101", venue_order_id=VenueOrderId("v2")))
    return story


async def test_rows_equal_the_fold_at_every_checkpoint(tables: str, spawn: Tasks) -> None:
    url, story, log = emptied(tables), two_orders(), MemoryLog()
    for number, event in enumerate(story.events, 1):
        await write(log, [event])
        following = runner(log, url, spawn, closed_kept=0)  # a new one each time: nothing is in memory but the tables
        assert await following.run_to_end() == number
        assert await equal(log, url) == number


async def test_a_kill_at_any_statement_leaves_what_was_there(tables: str, spawn: Tasks) -> None:
    story, log = two_orders(), MemoryLog()
    half = len(story.events) // 2
    await write(log, story.events[:half])
    for statement in range(1, 5):
        url = emptied(tables)
        await runner(log, url, spawn).run_to_end()
        longer = MemoryLog()
        await write(longer, story.events)
        with pytest.raises(Killed):
            await runner(longer, url, spawn, into=mortal(statement)).run_to_end()
        assert await equal(longer, url) == half
        await runner(longer, url, spawn).run_to_end()
        assert await equal(longer, url) == len(story.events)


async def test_a_connection_that_dies_is_opened_again(tables: str, spawn: Tasks) -> None:
    url, story, log = emptied(tables), two_orders(), MemoryLog()
    following = runner(log, url, spawn)
    following.start()
    for event in story.events:
        await write(log, [event])
        await following.catch_up(await log.head(), 0.005)  # sometimes between two pages, sometimes amid one
        hang_up(url)
    assert await following.catch_up(await log.head(), 20)
    assert await equal(log, url) == len(story.events)


async def test_whoever_follows_on_after_a_page_that_failed_is_not_taken_for_canceled(tables: str, spawn: Tasks) -> None:
    """A group of tasks that failed leaves its own task so until Python 3.13; until 3.11.4 the next timeout in it ended
    it without a word, as a task that is canceled is no failure, and the rows stood still (seed 50132511, on 3.11.2).
    """
    url, story, log = emptied(tables), two_orders(), MemoryLog()
    await write(log, story.events)
    following = runner(log, url, spawn, into=mortal(2, psycopg.OperationalError))
    task = asyncio.get_running_loop().create_task(following.follow())
    assert await following.catch_up(await log.head(), 20)
    assert task.cancelling() == 0
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_a_server_that_only_reads_is_waited_for(tables: str, spawn: Tasks) -> None:
    """What the address leads to after a failover may be a standby that nobody has promoted yet."""
    url, log = emptied(tables), MemoryLog()
    await write(log, two_orders().events)
    readers = 0

    async def connect(url: str, role: Role) -> Connection:
        nonlocal readers
        connection = await connect_to_write(url, role)
        if readers < 2:
            readers += 1
            await connection.execute("SET default_transaction_read_only = on")
        return connection

    following = runner(log, url, spawn, connect=connect)
    following.start()
    assert await following.catch_up(await log.head(), 20)
    assert readers == 2
    await equal(log, url)


async def test_two_runners_do_not_undo_each_other(tables: str, spawn: Tasks) -> None:
    url, story, log = emptied(tables), two_orders(), MemoryLog()
    first, second = runner(log, url, spawn), runner(log, url, spawn)
    first.start()
    second.start()
    for event in story.events:
        await write(log, [event])
        await asyncio.sleep(0.01)
    assert await first.catch_up(len(story.events), 20)
    assert await second.catch_up(len(story.events), 20)
    assert await equal(log, url) == len(story.events)


async def test_it_wakes_when_the_log_grows(tables: str, spawn: Tasks) -> None:
    url, story, log = emptied(tables), two_orders(), MemoryLog()
    following = runner(log, url, spawn)
    following.start()
    assert await following.catch_up(0, 5)
    assert not await following.catch_up(1, 0.2)
    await write(log, story.events)
    assert await following.catch_up(len(story.events), 2)  # well before it would look again by itself


async def test_lag_is_told_in_events_and_in_seconds(tables: str, spawn: Tasks) -> None:
    url, story, log = emptied(tables), two_orders(), MemoryLog()
    await write(log, story.events)
    following = runner(log, url, spawn)
    behind = await following.lag()
    assert (behind.position, behind.events) == (0, len(story.events))
    assert behind.seconds == pytest.approx(1.0, abs=0.001)
    await following.run_to_end()
    caught_up = await following.lag()
    assert (caught_up.position, caught_up.events, caught_up.seconds) == (len(story.events), 0, 0.0)


async def test_a_log_shorter_than_the_tables_stops_it(tables: str, spawn: Tasks) -> None:
    url, story, log = emptied(tables), two_orders(), MemoryLog()
    await write(log, story.events)
    await runner(log, url, spawn).run_to_end()
    shorter = MemoryLog()
    await write(shorter, story.events[:3])
    with pytest.raises(CorruptStreamError, match="ends before"):
        await runner(shorter, url, spawn).follow()


async def test_tables_at_different_positions_stop_it(tables: str, spawn: Tasks) -> None:
    url, story, log = emptied(tables), two_orders(), MemoryLog()
    await write(log, story.events)
    await runner(log, url, spawn).run_to_end()
    execute(url, "UPDATE projection_checkpoints SET position = position - 1 WHERE name = 'fills'")
    with pytest.raises(CheckpointsDifferError, match="different positions"):
        await runner(log, url, spawn).follow()


async def test_tags_that_postgres_cannot_hold_do_not_stop_it(tables: str, spawn: Tasks) -> None:
    url, story, log = emptied(tables), Recorder(), MemoryLog()
    story.place("c1", tags={"quote\"'\\\n\t\0": "\0 \u2028 é \U0001f600 \\u0000"})
    story.hear("c1", SubmitRefused(reason="no\0pe"))
    await write(log, story.events)
    await runner(log, url, spawn).run_to_end()
    await equal(log, url)


async def test_amounts_are_stored_digit_for_digit(tables: str, spawn: Tasks) -> None:
    url, story, log = emptied(tables), Recorder(), MemoryLog()
    story.place("c1")
    quantity, price = "0.123456789012345678901234567890", "99.000000000000000000000000000001"
    story.hear("c1", trade("t1", quantity, price))
    await write(log, story.events)
    await runner(log, url, spawn).run_to_end()
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT quantity::text, price::text FROM fills").fetchone()
        cost = connection.execute("SELECT cum_cost FROM orders").fetchone()
    assert row == (quantity, price)
    assert cost == (story.book.orders["order/main/c1"].cum_cost,)


@pytest.mark.parametrize(
    ("expires_ns", "shown_as"),
    [
        (253_402_343_999_000_000_000, "2262-04-11T23:47:16.854775+00:00"),  # 9999-12-31T23:59:59-12:00
        (-62_135_646_800_000_000_000, "1677-09-21T00:12:43.145224+00:00"),  # 0001-01-01T00:00:00+14:00
    ],
)
async def test_a_log_that_holds_a_time_no_table_can_is_read_with_the_nearest_one(
    tables: str, spawn: Tasks, expires_ns: int, shown_as: str
) -> None:
    """As logs may that were written before such times were refused."""
    url, story, log = emptied(tables), Recorder(), MemoryLog()
    story.place("c1", time_in_force=TimeInForce.GTD, expires_ns=T0)
    wild = [_replaced(event, b'"expires_ns":%d' % T0, b'"expires_ns":%d' % expires_ns) for event in story.events]
    await write(log, wild)
    await runner(log, url, spawn).run_to_end()
    assert await equal(log, url) == len(story.events)
    async with Queries(url) as queries:
        (row,) = (await queries.orders()).rows
    (past,) = (await Past(log).at(await log.head()).orders()).rows
    assert row == past
    order = fold(decode(event.topic, event.state) for event in wild if event.stream == "order/main/c1")  # type: ignore[misc]
    assert order is not None
    for expires_at in (views.shown(views.OrderView, row).expires_at, views.order_view(order).expires_at):
        assert expires_at is not None
        assert expires_at.isoformat() == shown_as


def _replaced(event: NewEvent, old: bytes, new: bytes) -> NewEvent:
    return replace(event, state=event.state.replace(old, new))


async def test_a_row_that_no_table_can_hold_keeps_the_read_models_still_and_ends_nothing(
    tables: str, spawn: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, story, log = emptied(tables), two_orders(), MemoryLog()
    await write(log, story.events)

    async def unfit(self: Table[Any], cursor: Cursor, rows: Sequence[Any]) -> None:
        await cursor.execute("SELECT 99999999999999999999::int8")

    following = runner(log, url, spawn)
    with monkeypatch.context() as patched:
        patched.setattr(Table, "write", unfit)
        following.start()
        assert not await following.catch_up(len(story.events), 0.5)
        assert following.trouble is not None
        assert "out of range" in following.trouble
    assert await following.catch_up(len(story.events), 20), "once it can be written, it goes on"
    assert not spawn.failed.done()


@pytest.mark.parametrize(
    ("change", "table", "column"),
    [
        ("UPDATE orders SET cum_quantity = cum_quantity + 1 WHERE client_order_id = 'c1'", "orders", "cum_quantity"),
        ("DELETE FROM fills WHERE exec_id = 't1'", "fills", "*"),
        ("UPDATE fills SET exec_id = 't9' WHERE exec_id = 't2'", "fills", "*"),
        ("UPDATE positions SET realized = realized + 0.000000001", "positions", "realized"),
        ("UPDATE balances SET total = total + 1, held = held + 1 WHERE currency = 'BTC'", "balances", "total"),
    ],
)
async def test_a_comparison_names_what_differs(tables: str, spawn: Tasks, change: str, table: str, column: str) -> None:
    url, story, log = emptied(tables), two_orders(), MemoryLog()
    await write(log, story.events)
    await runner(log, url, spawn).run_to_end()
    execute(url, change)
    found = (await compare(log, url)).differences
    assert (table, column) in [(difference.table, difference.column) for difference in found]


async def test_tables_built_beside_the_live_ones_say_the_same(tables: str, spawn: Tasks) -> None:
    url, story, log = emptied(tables), two_orders(), MemoryLog()
    await write(log, story.events)
    await runner(log, url, spawn).run_to_end()
    for name in tuple(projector.table.name for projector in projectors()):
        execute(url, f"DROP TABLE IF EXISTS {name}_beside; CREATE TABLE {name}_beside (LIKE {name} INCLUDING ALL)")
        execute(url, f"GRANT ALL ON {name}_beside TO oms_projector; GRANT SELECT ON {name}_beside TO oms_reader")
    beside = runner(log, url, spawn, into=projectors("_beside"))
    assert await beside.run_to_end() == len(story.events)
    assert await compare_tables(url) == []


async def compare_tables(url: str) -> Sequence[Difference]:
    live, beside = await read_tables(url), await read_tables(url, "_beside")
    assert live.position == beside.position
    assert live.rows["orders"]
    return list(differences(live.rows, beside.rows))


async def test_the_projector_may_write_rows_and_not_the_log(tables: str) -> None:
    with psycopg.connect(tables, autocommit=True) as connection:
        connection.execute("SET ROLE oms_projector")
        connection.execute("SELECT 1 FROM stored_events")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO stored_events VALUES ('x', 1, 't', '', 1)")


# ------------------------------------------------------------------------------------------ any history

Act = Callable[[Recorder], object]


def said(name: str, *reports: Any) -> Act:
    return lambda story: story.hear(name, *reports)


def trades(name: str) -> st.SearchStrategy[Act]:
    """Trades of three ids, so that they repeat and contradict; with and without their commission."""
    return st.builds(
        lambda number, quantity, charged: said(
            name,
            trade(
                f"t{number}",
                quantity,
                venue_order_id=VenueOrderId(f"v{name}"),
                commission=Decimal("0.1") if charged else None,
                commission_currency="BNB" if charged else None,
            ),
        ),
        st.integers(1, 3),
        QUANTITIES,
        st.booleans(),
    )


def pictures(name: str) -> st.SearchStrategy[Act]:
    return st.builds(
        lambda status, cum: said(name, shown(status, cum, client_order_id=name, side=Side.BUY, quantity=Decimal(2))),
        st.sampled_from((*VenueOrderStatus, None)),
        QUANTITIES,
    )


def acts(name: str) -> st.SearchStrategy[Act]:
    placed = st.builds(
        lambda side, quantity: lambda story: story.place(name, side, quantity),
        st.sampled_from(("buy", "sell")),
        st.sampled_from(("1", "2", "100000000")),
    )
    answers = st.sampled_from(
        (
            SubmitAccepted(venue_order_id=VenueOrderId(f"v{name}")),
            SubmitUnknown(reason="timeout", valid_until_ns=1),
            SubmitRefused(reason="insufficient_funds"),
            AbsenceReport(evidence=("m1",)),
            CancelTaken(request_id="r1"),
            CancelRejected(request_id="r1", reason="already_filled"),
            BustReport(exec_id="t1"),
            BustReport(exec_id="t2"),
        )
    ).map(lambda answer: said(name, answer))
    canceled: st.SearchStrategy[Act] = st.just(lambda story: story.cancel(name))
    return st.one_of(placed, answers, canceled, trades(name), pictures(name))


HISTORIES = st.lists(st.sampled_from(NAMES).flatmap(acts), min_size=1, max_size=40)


@forall(history=HISTORIES)
def test_any_history_adds_up_to_the_book(history: Sequence[Act]) -> None:
    story, twin = told(history), Twin()
    twin.apply(stored(story))
    agree(twin, story.book)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@forall(history=HISTORIES, stops=st.lists(st.integers(1, 30), max_size=4), kept=st.sampled_from((0, 2, 1_000)))
async def test_any_history_in_any_pages_with_any_restarts_gives_the_rows_of_the_fold(
    tables: str, spawn: Tasks, history: Sequence[Act], stops: Sequence[int], kept: int
) -> None:
    url, story, log = emptied(tables), told(history), MemoryLog()
    written = 0
    for stop in (*stops, len(story.events)):
        await write(log, story.events[written : written + stop])
        written = min(written + stop, len(story.events))
        following = runner(log, url, spawn, live_rows=3, closed_kept=kept)
        assert await following.run_to_end() == written
        assert await equal(log, url) == written


def told(history: Sequence[Act]) -> Recorder:
    story = Recorder()
    for act in history:
        act(story)
    return story


# ------------------------------------------------------------------------------------------ hands on the server


async def test_rows_that_stand_still_for_long_are_a_broken_promise_until_they_follow_again(
    tables: str, spawn: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.runner.STILL_SECONDS", 0.3)
    monkeypatch.setattr("projections.runner.WAIT_SECONDS", 0.1)
    url, story, log, away = emptied(tables), two_orders(), MemoryLog(), False

    async def connect(url: str, role: Role) -> Connection:
        if away:
            raise psycopg.OperationalError("the server is away")
        return await connect_to_write(url, role)

    await write(log, story.fresh())
    following = runner(log, url, spawn, connect=connect)
    following.start()
    assert await following.catch_up(await log.head(), 20)
    await asyncio.sleep(0.5)
    assert following.broken() is None, "nothing is to be written"
    away = True
    await asyncio.to_thread(hang_up, url)
    story.place("c3")
    await write(log, story.fresh())
    while following.trouble != "the server is away":  # noqa: ASYNC110 - bounded by the test's own timeout
        await asyncio.sleep(0.01)
    assert following.broken() is None, "a restart of the server takes a moment"
    await asyncio.sleep(0.5)
    assert (following.broken() or "").endswith("the server is away")
    away = False
    assert await following.catch_up(await log.head(), 20)
    assert (following.broken(), following.trouble) == (None, None)


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def hang_up(url: str) -> None:
    """End every other connection to this database."""
    execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    )


async def test_who_was_stopped_in_the_middle_of_a_page_does_not_keep_the_next_from_following(
    tables: str, spawn: Tasks
) -> None:
    url, log = emptied(tables), MemoryLog()
    await write(log, two_orders().events)
    made = projectors()
    for projector in made:
        projector.table = Stopped.of(projector.table)  # type: ignore[misc]
    runner(log, url, spawn, into=made).start()
    await asyncio.wait_for(Stopped.in_page.wait(), 10)
    following = runner(log, url, spawn)
    following.start()
    assert await following.catch_up(await log.head(), 20 * SILENT_SECONDS)
    await equal(log, url)
