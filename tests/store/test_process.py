"""A writer in a process of its own may die at any moment: what it left is settled, and another one goes on."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from oms.ports import AlreadyThere, Batch, Committed, NewEvent, NotCommitted
from oms.store.log import PostgresLog
from oms.store.process import SHARED_BYTES, ProcessAppender
from oms.values import AccountId
from tests.store.writers import seized

pytestmark = pytest.mark.postgres

ACCOUNT = AccountId("main")


def batch(epoch: int, *versions: int) -> Batch:
    return Batch(ACCOUNT, epoch, [NewEvent("order/main/1", version, "order-filled/1", b"{}") for version in versions])


def process_of(log: PostgresLog) -> int:
    assert isinstance(log._appender, ProcessAppender)
    assert log._appender._process is not None
    return log._appender._process.pid


def none_left(*_: object, **__: object) -> None:
    raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")  # no process and no memory for one


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_a_process_killed_between_batches_is_replaced(database: str) -> None:
    log = PostgresLog(database, appender=ProcessAppender)
    epoch = await seized(log, ACCOUNT)
    assert await log.append(batch(epoch, 1)) == Committed(1, 1)
    first = process_of(log)
    os.kill(first, signal.SIGKILL)
    outcome = await log.append(batch(epoch, 2))
    if isinstance(outcome, NotCommitted):  # it was handed over before anybody knew of the death
        outcome = await log.append(batch(epoch, 2))
    assert outcome == Committed(2, 2)
    assert process_of(log) != first
    await log.close()


async def test_a_batch_whose_process_was_killed_before_the_database_had_it_is_known_not_to_be_there(
    database: str,
) -> None:
    log = PostgresLog(database, appender=ProcessAppender)
    epoch = await seized(log, ACCOUNT)
    assert await log.append(batch(epoch, 1)) == Committed(1, 1)
    os.kill(process_of(log), signal.SIGSTOP)
    appending = asyncio.get_running_loop().create_task(log.append(batch(epoch, 2)))
    await asyncio.sleep(0.1)
    os.kill(process_of(log), signal.SIGKILL)
    assert isinstance(await appending, NotCommitted)
    assert await log.head() == 1
    assert await log.append(batch(epoch, 2)) == Committed(2, 2)
    await log.close()


async def test_a_batch_that_was_committed_after_its_process_was_killed_is_found(database: str) -> None:
    log = PostgresLog(database, appender=ProcessAppender)
    epoch = await seized(log, ACCOUNT)
    with psycopg.connect(database) as holder, psycopg.connect(database, autocommit=True) as operator:
        holder.execute("SELECT lock_log()")
        appending = asyncio.get_running_loop().create_task(log.append(batch(epoch, 1)))
        waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
        await until(lambda: operator.execute(waiting).fetchone() is not None)
        os.kill(process_of(log), signal.SIGKILL)  # the server still has the batch
        await asyncio.sleep(0.3)
        assert not appending.done()
        holder.rollback()
        assert await appending == AlreadyThere(1, 1)
    assert await log.append(batch(epoch, 2)) == Committed(2, 2)
    await log.close()


async def test_a_batch_larger_than_the_shared_memory_makes_it_grow(database: str) -> None:
    log = PostgresLog(database, appender=ProcessAppender)
    epoch = await seized(log, ACCOUNT)
    body = b'{"text":"%b"}' % (b"x" * SHARED_BYTES)
    large = Batch(ACCOUNT, epoch, [NewEvent("order/main/1", version, "order-filled/1", body) for version in (1, 2, 3)])
    assert await log.append(large) == Committed(1, 3)
    assert await log.append(batch(epoch, 4)) == Committed(4, 4)
    assert [stored.state for stored in await log.read("order/main/1")] == [body, body, body, b"{}"]
    await log.close()


async def test_a_caller_that_goes_away_cancels_no_commit_and_the_next_one_waits_for_it(database: str) -> None:
    log = PostgresLog(database, appender=ProcessAppender)
    epoch = await seized(log, ACCOUNT)
    assert await log.append(batch(epoch, 1)) == Committed(1, 1)
    with psycopg.connect(database) as holder:
        holder.execute("SELECT lock_log()")
        appending = asyncio.get_running_loop().create_task(log.append(batch(epoch, 2)))
        await asyncio.sleep(0.1)
        appending.cancel()
        following = asyncio.get_running_loop().create_task(log.append(batch(epoch, 3)))
        await asyncio.sleep(0.2)
        assert not following.done()
        holder.rollback()
        assert await following == Committed(3, 3)
    await log.close()


async def test_a_batch_for_which_no_process_can_be_started_is_not_committed_and_the_next_one_is(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = PostgresLog(database, appender=ProcessAppender)
    epoch = await seized(log, ACCOUNT)
    with monkeypatch.context() as full:
        full.setattr(subprocess, "Popen", none_left)
        assert isinstance(await log.append(batch(epoch, 1)), NotCommitted)
        with pytest.raises(BlockingIOError):  # who starts is told at once
            await log.prepare()
    assert await log.append(batch(epoch, 1)) == Committed(1, 1)
    await log.close()


async def test_the_process_ends_with_the_log(database: str) -> None:
    log = PostgresLog(database, appender=ProcessAppender)
    epoch = await seized(log, ACCOUNT)
    await log.append(batch(epoch, 1))
    pid = process_of(log)
    await log.close()
    assert gone(pid)


async def test_what_a_terminal_says_does_not_reach_the_process(database: str) -> None:
    log = PostgresLog(database, appender=ProcessAppender)
    epoch = await seized(log, ACCOUNT)
    await log.append(batch(epoch, 1))
    assert os.getsid(process_of(log)) != os.getsid(0)
    await log.close()


async def test_a_parent_that_is_killed_takes_the_process_with_it_and_neither_complains(
    database: str, tmp_path: Path
) -> None:
    script = """
import asyncio, os, signal, sys
from oms.ports import Batch, NewEvent
from oms.store.log import PostgresLog
from oms.store.process import SHARED_BYTES, ProcessAppender

async def die() -> None:
    log = PostgresLog(sys.argv[1], appender=ProcessAppender)
    epoch = await log.take_over("main", after=0, taker="somebody")
    await log.append(Batch("main", epoch, [NewEvent("order/main/1", 1, "order-filled/1", b"{}")]))
    print(log._appender._process.pid, flush=True)
    asyncio.get_running_loop().create_task(
        log.append(Batch("main", epoch, [NewEvent("order/main/1", v, "order-filled/1", b"{}") for v in range(2, 500)]))
    )
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(die())
"""
    with (tmp_path / "said").open("wb") as said:
        parent = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, database, stdout=asyncio.subprocess.PIPE, stderr=said
        )
        out, _ = await parent.communicate()
    await until(lambda: gone(int(out)))
    assert (tmp_path / "said").read_text() == ""
