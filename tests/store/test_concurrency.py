"""Many writers at once, some of them refused: a reader that remembers a position never misses an event."""

import asyncio
from collections.abc import Sequence

import psycopg
import pytest

from oms.ports import AppendOutcome, Batch, Committed, Conflict, NewEvent
from oms.store.audit import sealed
from oms.store.log import PostgresLog
from oms.store.seals import verify
from oms.values import AccountId
from tests.store.writers import seized

pytestmark = pytest.mark.postgres

WRITERS = 8
BATCHES = 25


async def write(url: str, number: int) -> Sequence[AppendOutcome]:
    """Append batches of growing size to an account of one's own; every third one meets a stream that is taken."""
    log, account = PostgresLog(url), AccountId(f"account{number}")
    epoch = await seized(log, account)
    outcomes = []
    for batch in range(BATCHES):
        events = [NewEvent(f"order/{account}/{batch}", version, "t/1", b"{}") for version in range(1, 2 + batch % 5)]
        if batch % 3 == 2:
            events.append(NewEvent("taken", 1, "t/1", str(number).encode()))
        outcomes.append(await log.append(Batch(account, epoch, events)))
    await log.close()
    return outcomes


async def follow(log: PostgresLog, seen: list[int], stop: asyncio.Event) -> None:
    while True:
        last_round = stop.is_set()
        while page := await log.page(after=len(seen), limit=7):
            seen.extend(event.position for event in page)
        if last_round:
            return
        await log.changed(after=len(seen), seconds=0.05)


async def test_positions_are_gap_free_for_every_reader_with_eight_writers_and_rollbacks(database: str) -> None:
    reader, seen, stop = PostgresLog(database), list[int](), asyncio.Event()
    owner = await seized(reader, AccountId("first"))
    await reader.append(Batch(AccountId("first"), owner, [NewEvent("taken", 1, "t/1", b"first")]))
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(follow(reader, seen, stop))
        outcomes = await asyncio.gather(*(write(database, number) for number in range(WRITERS)))
        stop.set()
        await following
    landed = [outcome for writer in outcomes for outcome in writer if isinstance(outcome, Committed)]
    refused = [outcome for writer in outcomes for outcome in writer if isinstance(outcome, Conflict)]
    assert len(refused) == WRITERS * (BATCHES // 3)
    assert len(landed) + len(refused) == WRITERS * BATCHES
    assert seen == list(range(1, 2 + sum(outcome.last - outcome.first + 1 for outcome in landed)))
    assert verify(sealed(database)) is None
    await reader.close()


async def test_writes_do_not_wait_for_analyze_or_vacuum(database: str) -> None:
    log = PostgresLog(database)
    epoch = await seized(log, AccountId("main"))
    with psycopg.connect(database) as keeper:
        keeper.execute("LOCK TABLE stored_events IN SHARE UPDATE EXCLUSIVE MODE")  # what both of them hold
        async with asyncio.timeout(10):
            batch = Batch(AccountId("main"), epoch, [NewEvent("s", 1, "t/1", b"{}")])
            assert await log.append(batch) == Committed(1, 1)
    await log.close()


async def test_a_writer_that_lost_its_account_in_the_middle_lands_nothing_more(database: str) -> None:
    old, new, account = PostgresLog(database), PostgresLog(database), AccountId("main")
    epoch = await seized(old, account)

    async def keep_writing() -> Sequence[AppendOutcome]:
        return [await old.append(Batch(account, epoch, [NewEvent("old", n, "t/1", b"{}")])) for n in range(1, 60)]

    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(keep_writing())
        await old.changed(after=5, seconds=10)
        later = await seized(new, account)
        assert isinstance(await new.append(Batch(account, later, [NewEvent("new", 1, "t/1", b"{}")])), Committed)
    landed = [isinstance(outcome, Committed) for outcome in writing.result()]
    assert landed == sorted(landed, reverse=True)
    assert 5 <= sum(landed) < 59
    boundary = next(event.position for event in await new.read("new"))
    assert all(event.position < boundary for event in await new.read("old"))
    await old.close()
    await new.close()
