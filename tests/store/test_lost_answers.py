"""An append whose answer never came is settled by asking the log, never by guessing."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import psycopg
import pytest
from psycopg_pool.base import AttemptWithBackoff

from oms.errors import LogUnavailableError
from oms.ports import AlreadyThere, Batch, Committed, NewEvent, NotCommitted, Unknown
from oms.store.log import PostgresLog
from oms.store.process import ProcessAppender
from oms.store.writer import Appender, ThreadAppender
from oms.values import AccountId
from tests.store.conftest import BreakingWire, Cut
from tests.store.writers import seized

pytestmark = pytest.mark.postgres

ACCOUNT = AccountId("main")


def batch(epoch: int, *versions: int) -> Batch:
    return Batch(ACCOUNT, epoch, [NewEvent("order/main/1", version, "order-filled/1", b"{}") for version in versions])


@pytest.fixture(params=[ThreadAppender, ProcessAppender], ids=["thread", "process"])
def appender(request: pytest.FixtureRequest) -> type[Appender]:
    chosen: type[Appender] = request.param
    return chosen


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in the server
            await asyncio.sleep(0.01)


async def test_a_commit_whose_answer_was_lost_is_found(
    wire: BreakingWire, database: str, appender: type[Appender]
) -> None:
    log = PostgresLog(await wire.open(), appender=appender)
    epoch = await seized(log, ACCOUNT)
    wire.cut = Cut.AFTER
    assert await log.append(batch(epoch, 1, 2)) == AlreadyThere(1, 2)
    assert await log.append(batch(epoch, 3)) == Committed(3, 3)
    await log.close()


async def test_a_request_that_was_lost_is_known_not_to_be_committed(
    wire: BreakingWire, database: str, appender: type[Appender]
) -> None:
    log = PostgresLog(await wire.open(), appender=appender)
    epoch = await seized(log, ACCOUNT)
    wire.cut = Cut.BEFORE
    assert isinstance(await log.append(batch(epoch, 1)), NotCommitted)
    assert await log.head() == 0
    assert await log.append(batch(epoch, 1)) == Committed(1, 1)
    await log.close()


async def test_a_request_still_under_way_cannot_land_after_it_was_called_not_committed(
    wire: BreakingWire, database: str, appender: type[Appender]
) -> None:
    log = PostgresLog(await wire.open(), appender=appender)
    epoch = await seized(log, ACCOUNT)
    wire.cut = Cut.LATE
    assert isinstance(await log.append(batch(epoch, 1)), NotCommitted)
    wire.release.set()
    await asyncio.sleep(0.2)
    assert await log.head() == 0
    await log.close()


async def test_a_log_that_cannot_be_asked_leaves_the_outcome_unknown(
    wire: BreakingWire, database: str, appender: type[Appender]
) -> None:
    log = PostgresLog(await wire.open(), settle_seconds=0.5, appender=appender)
    epoch = await seized(log, ACCOUNT)
    assert await log.append(batch(epoch, 1)) == Committed(1, 1)  # so it is connected
    wire.cut, wire.refusing = Cut.AFTER, True
    assert isinstance(await log.append(batch(epoch, 2)), Unknown)
    wire.refusing = False
    assert await log.append(batch(epoch, 2)) == AlreadyThere(2, 2)
    await log.close()


async def test_after_an_outage_the_log_is_written_and_read_again_within_seconds(
    wire: BreakingWire, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool that tries ever more rarely would leave it away for as long again as the outage lasted."""
    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", 60.0)  # as after a minute of it
    log = PostgresLog(await wire.open(), settle_seconds=0.2)
    epoch = await seized(log, ACCOUNT)
    assert await log.append(batch(epoch, 1)) == Committed(1, 1)
    wire.refuse()
    for _ in range(2):  # on the connection that broke, and on one that cannot be had
        appended, read = await asyncio.gather(log.append(batch(epoch, 2)), log.head(), return_exceptions=True)
        assert not isinstance(appended, Committed | AlreadyThere)
        assert isinstance(read, LogUnavailableError)
    wire.refusing = False
    async with asyncio.timeout(4.0):
        assert await log.append(batch(epoch, 2)) == Committed(2, 2)
        assert await log.head() == 2
    await log.close()


async def test_a_server_process_killed_while_it_waits_for_its_turn_has_written_nothing(
    database: str, appender: type[Appender]
) -> None:
    log = PostgresLog(database, appender=appender)
    epoch = await seized(log, ACCOUNT)
    with psycopg.connect(database) as holder, psycopg.connect(database, autocommit=True) as operator:
        holder.execute("SELECT lock_log()")
        appending = asyncio.get_running_loop().create_task(log.append(batch(epoch, 1)))
        waiting = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event = 'advisory'"
        )
        await until(lambda: operator.execute(waiting).fetchone() is not None)
        holder.rollback()
        assert isinstance(await appending, NotCommitted)
    assert await log.append(batch(epoch, 1)) == Committed(1, 1)
    await log.close()


async def test_a_cancelled_caller_cancels_no_commit(database: str, appender: type[Appender]) -> None:
    log = PostgresLog(database, appender=appender)
    epoch = await seized(log, ACCOUNT)
    assert await log.append(batch(epoch, 1)) == Committed(1, 1)  # whoever writes is awake
    with psycopg.connect(database) as holder:
        holder.execute("SELECT lock_log()")
        appending = asyncio.get_running_loop().create_task(log.append(batch(epoch, 2)))
        await asyncio.sleep(0.05)
        appending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await appending
        holder.rollback()
    await log.changed(after=1, seconds=10)
    assert await log.head() == 2
    await log.close()


async def test_a_database_that_takes_no_writes_says_why(database: str, appender: type[Appender]) -> None:
    with psycopg.connect(database, autocommit=True) as operator:
        operator.execute("SELECT take_over('main', 0, 'operator')")
        operator.execute(f"ALTER DATABASE {operator.info.dbname} SET default_transaction_read_only = on")
    log, epoch = PostgresLog(database, appender=appender), 1
    outcome = await log.append(batch(epoch, 1))
    assert isinstance(outcome, NotCommitted)
    assert "read-only" in outcome.reason
    await log.close()


async def test_a_database_that_was_never_reached_has_committed_nothing(wire: BreakingWire, database: str) -> None:
    log = PostgresLog(await wire.open())
    assert isinstance(log._appender, ThreadAppender)
    log._appender.writer.recorder.datastore.pool.timeout = 0.3
    wire.refusing = True
    assert isinstance(await log.append(batch(1, 1)), NotCommitted)
    await log.close()


async def test_a_reader_hears_of_growth_again_after_its_connection_broke(database: str) -> None:
    reader, writer = PostgresLog(database), PostgresLog(database)
    epoch = await seized(writer, ACCOUNT)
    await reader.changed(after=0, seconds=0.05)
    with psycopg.connect(database, autocommit=True) as operator:
        operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query = 'LISTEN stored_events'"
        )
    waiting = asyncio.get_running_loop().create_task(reader.changed(after=0, seconds=60))
    await asyncio.sleep(0.05)
    await writer.append(batch(epoch, 1))
    async with asyncio.timeout(10):
        await waiting
    await reader.close()
    await writer.close()


async def test_a_scan_of_a_database_that_is_gone_says_so(wire: BreakingWire, database: str) -> None:
    log = PostgresLog(await wire.open())
    wire.refusing = True
    with pytest.raises(LogUnavailableError):
        await anext(log.scan())
    await log.close()


async def test_a_scan_left_early_leaves_no_connection_behind(database: str) -> None:
    log = PostgresLog(database)
    epoch = await seized(log, ACCOUNT)
    await log.append(batch(epoch, *range(1, 20)))
    async with aclosing(log.scan(rows=2)) as pages:
        async for page in pages:
            assert len(page) == 2
            break
    await log.close()


async def test_waits_that_end_while_a_listener_is_being_opened_leave_no_connection_behind(database: str) -> None:
    log = PostgresLog(database)
    for _ in range(30):
        await log.changed(after=0, seconds=0.001)
    await log.close()
    with psycopg.connect(database) as operator:
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        await until(lambda: operator.execute(others).fetchone() == (0,))
