"""What every `EventLog` promises: one suite, run against Postgres and against its twin in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from oms.errors import FencedError
from oms.ports import (
    AlreadyThere,
    Batch,
    Committed,
    Conflict,
    Fenced,
    NewEvent,
    NotCommitted,
    Snapshot,
    StoredEvent,
    VenueMessage,
)
from oms.store.log import PostgresLog
from oms.store.memory import MemoryLog
from oms.store.process import ProcessAppender
from oms.store.writer import ThreadAppender
from oms.values import AccountId
from tests.store.writers import seized

Log = PostgresLog | MemoryLog
ACCOUNT = AccountId("main")


def events(stream: str, *versions: int, state: bytes = b'{"id":"e"}') -> tuple[NewEvent, ...]:
    return tuple(NewEvent(stream, version, "order-filled/1", state) for version in versions)


def message(message_id: str) -> VenueMessage:
    return VenueMessage(message_id, 1_700_000_000_000_000_000, "in", "ws spot/user/orders", b'{"x":1}\x00\xff')


@pytest.fixture(
    params=[
        pytest.param(None, id="memory"),
        pytest.param(ThreadAppender, id="thread", marks=pytest.mark.postgres),
        pytest.param(ProcessAppender, id="process", marks=pytest.mark.postgres),
    ]
)
async def log(request: pytest.FixtureRequest) -> AsyncIterator[Log]:
    if request.param is None:
        made: Log = MemoryLog()
    else:
        made = PostgresLog(request.getfixturevalue("database"), appender=request.param)
    yield made
    await made.close()


async def test_what_was_appended_is_read_back_byte_for_byte(log: Log) -> None:
    epoch = await seized(log, ACCOUNT)
    batch = Batch(ACCOUNT, epoch, events("order/main/a", 1, 2, state='{"id":"é\\u0000"}'.encode()))
    assert await log.append(batch) == Committed(1, 2)
    assert await log.read("order/main/a") == tuple(
        StoredEvent(position, event.stream, event.version, event.topic, event.state)
        for position, event in enumerate(batch.events, 1)
    )


async def test_positions_run_through_all_streams_without_a_hole(log: Log) -> None:
    epoch = await seized(log, ACCOUNT)
    assert await log.append(Batch(ACCOUNT, epoch, events("a", 1) + events("b", 1))) == Committed(1, 2)
    refused = await log.append(Batch(ACCOUNT, epoch, events("c", 1) + events("b", 1, state=b"{}")))
    assert refused == Conflict(("b",))
    assert await log.append(Batch(ACCOUNT, epoch, events("a", 2))) == Committed(3, 3)
    assert [event.position for event in await log.page(after=0, limit=10)] == [1, 2, 3]


async def test_a_refused_batch_leaves_nothing_behind(log: Log) -> None:
    epoch = await seized(log, ACCOUNT)
    await log.append(Batch(ACCOUNT, epoch, events("a", 1)))
    batch = Batch(ACCOUNT, epoch, events("fresh", 1) + events("a", 1, state=b"{}"), (message("m"),))
    assert isinstance(await log.append(batch), Conflict)
    assert await log.existing(["fresh"]) == set()
    assert await log.head() == 1
    again = Batch(ACCOUNT, epoch, events("fresh", 1), (message("m"),))
    assert await log.append(again) == Committed(2, 2)


async def test_the_same_batch_again_is_already_there(log: Log) -> None:
    epoch = await seized(log, ACCOUNT)
    batch = Batch(ACCOUNT, epoch, events("a", 1, 2), (message("m"),))
    assert await log.append(batch) == Committed(1, 2)
    assert await log.append(batch) == AlreadyThere(1, 2)
    assert await log.head() == 2


async def test_half_of_a_batch_is_a_conflict(log: Log) -> None:
    epoch = await seized(log, ACCOUNT)
    await log.append(Batch(ACCOUNT, epoch, events("a", 1)))
    assert await log.append(Batch(ACCOUNT, epoch, events("a", 1, 2))) == Conflict(("a",))


async def test_a_batch_that_contradicts_itself_is_not_committed(log: Log) -> None:
    epoch = await seized(log, ACCOUNT)
    outcome = await log.append(Batch(ACCOUNT, epoch, events("a", 1, 1)))
    assert isinstance(outcome, NotCommitted)
    assert "duplicate" in outcome.reason
    assert await log.head() == 0


async def test_messages_without_events_are_kept_and_move_no_position(log: Log) -> None:
    epoch = await seized(log, ACCOUNT)
    await log.append(Batch(ACCOUNT, epoch, events("a", 1)))
    batch = Batch(ACCOUNT, epoch, (), (message("m1"), message("m2")))
    assert await log.append(batch) == Committed(2, 1)
    assert await log.append(batch) == AlreadyThere(2, 1)
    assert await log.head() == 1


async def test_who_lost_the_account_is_fenced(log: Log) -> None:
    old = await seized(log, ACCOUNT)
    new = await seized(log, ACCOUNT)
    assert (old, new) == (1, 2)
    assert await log.append(Batch(ACCOUNT, old, events("a", 1))) == Fenced(2)
    assert await log.append(Batch(ACCOUNT, new, events("a", 1))) == Committed(1, 1)


async def test_who_never_took_the_account_is_fenced(log: Log) -> None:
    assert await log.append(Batch(ACCOUNT, 1, events("a", 1))) == Fenced(0)


async def test_accounts_share_the_log_and_not_the_fence(log: Log) -> None:
    first, second = await seized(log, ACCOUNT), await seized(log, AccountId("other"))
    assert (first, second) == (1, 1)
    assert await log.append(Batch(ACCOUNT, first, events("a", 1))) == Committed(1, 1)
    assert await log.append(Batch(AccountId("other"), second, events("b", 1))) == Committed(2, 2)


async def test_a_page_starts_after_a_position_and_ends_at_its_limit(log: Log) -> None:
    epoch = await seized(log, ACCOUNT)
    await log.append(Batch(ACCOUNT, epoch, events("a", *range(1, 8))))
    assert await positions(log, after=0, limit=3) == [1, 2, 3]
    assert await positions(log, after=3, limit=3) == [4, 5, 6]
    assert await positions(log, after=6, limit=3) == [7]
    assert await positions(log, after=7, limit=3) == []


async def test_a_stream_is_read_from_a_version_on(log: Log) -> None:
    epoch = await seized(log, ACCOUNT)
    await log.append(Batch(ACCOUNT, epoch, events("a", 1, 2) + events("b", 1) + events("a", 3)))
    assert [event.version for event in await log.read("a", after_version=1)] == [2, 3]
    assert await log.read("nobody") == ()


async def test_existing_names_streams_that_hold_something(log: Log) -> None:
    epoch = await seized(log, ACCOUNT)
    await log.append(Batch(ACCOUNT, epoch, events("a", 1) + events("b", 1)))
    assert await log.existing(["a", "b", "c", "a"]) == {"a", "b"}
    assert await log.existing([]) == set()


async def test_the_snapshot_that_was_kept_last_is_given_back(log: Log) -> None:
    assert await log.snapshot(ACCOUNT) is None
    first = Snapshot(ACCOUNT, 7, bytes(32), b"d" * 32, (b"head", b"\x00\xff", b""))
    await log.keep_snapshot(first)
    assert await log.snapshot(ACCOUNT) == first
    assert await log.snapshot(AccountId("other")) is None
    await log.keep_snapshot(Snapshot(ACCOUNT, 0, b"", b"", ()))
    assert await log.snapshot(ACCOUNT) == Snapshot(ACCOUNT, 0, b"", b"", ())


async def test_an_empty_log_has_head_zero(log: Log) -> None:
    assert await log.head() == 0
    assert await log.page(after=0, limit=5) == ()


async def test_waiting_ends_when_the_log_grows(log: Log) -> None:
    epoch = await seized(log, ACCOUNT)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(log.changed(after=0, seconds=60))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await log.append(Batch(ACCOUNT, epoch, events("a", 1)))


async def test_waiting_ends_at_once_when_the_log_is_longer_already(log: Log) -> None:
    epoch = await seized(log, ACCOUNT)
    await log.append(Batch(ACCOUNT, epoch, events("a", 1)))
    async with asyncio.timeout(10):
        await log.changed(after=0, seconds=60)


async def test_waiting_ends_when_its_time_is_up(log: Log) -> None:
    async with asyncio.timeout(10):
        await log.changed(after=0, seconds=0.05)
    assert await log.head() == 0


async def test_a_scan_gives_every_row_in_order(log: Log) -> None:
    epoch = await seized(log, ACCOUNT)
    for stream in "abc":
        await log.append(Batch(ACCOUNT, epoch, events(stream, 1, 2, 3)))
    assert await rows(log, after=0, size=4) == [(place, "abc"[(place - 1) // 3]) for place in range(1, 10)]
    assert await rows(log, after=2, upto=4, size=1) == [(3, "a"), (4, "b")]
    assert await rows(log, after=9, size=4) == []


async def positions(log: Log, *, after: int, limit: int) -> Sequence[int]:
    return [event.position for event in await log.page(after=after, limit=limit)]


async def rows(log: Log, *, after: int, upto: int | None = None, size: int) -> Sequence[tuple[int, str]]:
    scanned = log.scan(after=after, upto=upto, rows=size)
    return [(row[0], row[1]) async for page in scanned for row in page]


async def test_an_account_is_taken_over_only_from_the_epoch_that_is_named(log: Log) -> None:
    first = await seized(log, ACCOUNT)
    assert await log.take_over(ACCOUNT, after=first, taker="a") == first + 1
    assert await log.take_over(ACCOUNT, after=first, taker="a") == first + 1  # the answer was lost
    with pytest.raises(FencedError):
        await log.take_over(ACCOUNT, after=first, taker="b")
    assert await log.append(Batch(ACCOUNT, first, events("a", 1))) == Fenced(first + 1)
    third = await seized(log, ACCOUNT)
    with pytest.raises(FencedError):
        await log.take_over(ACCOUNT, after=first + 1, taker="a")
    assert await log.append(Batch(ACCOUNT, third, events("a", 1))) == Committed(1, 1)
