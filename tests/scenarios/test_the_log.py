"""S47, S49, S63, S69: what the log itself has to stand, each against a real Postgres."""

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random  # noqa: TID251 - the writers' moods come from a seed
from typing import Any

import psycopg
import pytest

from oms.order.messages import SubmitAccepted
from oms.ports import NewEvent, StoredEvent
from oms.runtime import SystemClock, Tasks, TimeOrderedIds
from oms.store.audit import head, sealed
from oms.store.log import PostgresLog
from oms.store.packing import pack_events
from oms.store.seals import anchored, digest, read_anchor, verify
from oms.values import AccountId, VenueOrderId
from projections.compare import compare
from projections.runner import Runner
from tests.cli.recorded import record
from tests.order.story import trade
from tests.projections.history import Recorder, write
from tests.store.writers import seized

pytestmark = pytest.mark.postgres

TABLES = ("stored_events", "seals", "venue_messages", "epochs")


def as_dba(url: str, *statements: str) -> None:
    """Do what only a superuser can: switch the triggers off, change the rows, switch them on again."""
    with psycopg.connect(url) as connection:
        for table in TABLES:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only".encode())
        for statement in statements:
            assert connection.execute(statement.encode()).rowcount > 0, statement
        for table in TABLES:
            connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only".encode())


# ------------------------------------------------------------------------------------------ S47


@pytest.mark.parametrize(
    "change",
    [
        """UPDATE stored_events SET state = convert_to(replace(convert_from(state, 'UTF8'), '"0.5"', '"0.05"'), 'UTF8')
           WHERE notification_id = 3""",
        "DELETE FROM stored_events WHERE notification_id = 3",
    ],
    ids=["edited", "deleted"],
)
async def test_s47_a_row_that_a_dba_edits_or_deletes_is_named_by_its_position(database: str, change: str) -> None:
    assert await record(database) == 7
    assert verify(sealed(database)) is None
    as_dba(database, change)
    assert verify(sealed(database)) == 3


@pytest.mark.parametrize("who", ["oms_writer", "oms_projector", "oms_reader", "oms_owner", "a superuser"])
async def test_s47_nobody_changes_a_row_as_long_as_the_triggers_stand(database: str, who: str) -> None:
    await record(database)
    refusals = (psycopg.errors.InsufficientPrivilege, psycopg.DatabaseError)
    with psycopg.connect(database, autocommit=True) as connection:
        if who != "a superuser":
            connection.execute(f"SET ROLE {who}".encode())
        for table in TABLES:
            for change in (f"DELETE FROM {table}", f"TRUNCATE {table}", f"UPDATE {table} SET {column(table)}"):
                with pytest.raises(refusals, match=r"append-only|permission denied"):
                    connection.execute(change.encode())
        if who in {"oms_writer", "oms_projector", "oms_reader"}:  # nor can they take the triggers away
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("ALTER TABLE stored_events DISABLE TRIGGER append_only")
    assert verify(sealed(database)) is None
    assert head(database).position == 7


def column(table: str) -> str:
    return {
        "stored_events": "topic = 'x'",
        "seals": "account = 'x'",
        "venue_messages": "channel = 'x'",
        "epochs": "epoch = 9",
    }[table]


# ------------------------------------------------------------------------------------------ S49


class SteppingClock(SystemClock):
    """The machine's clock, set back by hand."""

    def __init__(self) -> None:
        self.back = timedelta()

    def now_ns(self) -> int:
        return 1_767_225_600_000_000_000 - int(self.back.total_seconds() * 1e9)


def test_s49_no_id_comes_again_after_a_step_of_the_clock_or_a_restart() -> None:
    clock = SteppingClock()
    made: list[str] = []
    for _ in range(100):  # a process starts, all of them within one millisecond of the clock
        ids = TimeOrderedIds(clock)
        lived = [ids.next() for _ in range(50)]
        clock.back = timedelta(minutes=5)  # it lives through a step back of five minutes ...
        lived += [ids.next() for _ in range(50)]
        clock.back = timedelta()  # ... and the next one begins in the very millisecond that this one began in
        assert lived == sorted(lived)
        made += lived
    assert len(set(made)) == len(made) == 10_000
    assert all(len(each) <= 32 and each.isalnum() for each in made)  # any of them may be a client order id


# ------------------------------------------------------------------------------------------ S63

WRITERS = 64
SECONDS = float(os.environ.get("OMS_SCENARIO_SECONDS", "4"))  # 300 for the five minutes of the page
PATIENCE = 60.0  # seconds a follower may need for what is left at the end

_APPEND = """
SELECT public.append_events(%s, 1, %s::text[], %s::bigint[], %s::text[], %s::bytea[], %s, %s,
                            '{}', '{}', '{}', '{}', '{}')
"""


class Restless:
    """One writer of an account of its own: it appends through the log's own function, and then takes its time, or
    thinks better of it.
    """

    def __init__(self, url: str, number: int) -> None:
        self.account = AccountId(f"account{number}")
        self.landed = 0
        self.rolled_back = 0
        self._url = url
        self._dice = Random(number)
        self._story = Recorder(self.account)

    async def write_until(self, over: asyncio.Event) -> None:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            await connection.execute("SET ROLE oms_writer")
            while not over.is_set():
                events = self._next()
                while not over.is_set() and not await self._append(connection, events):
                    pass

    def _next(self) -> Sequence[NewEvent]:
        """Return everything that one more order brings, its fill included."""
        name = f"c{self.landed}"
        self._story.place(name)
        self._story.hear(name, SubmitAccepted(venue_order_id=VenueOrderId(name)), trade(f"t{name}", "1"))
        return self._story.fresh()

    async def _append(self, connection: psycopg.AsyncConnection[Any], events: Sequence[NewEvent]) -> bool:
        columns = pack_events(events)
        async with connection.transaction() as transaction:
            await connection.execute(
                _APPEND,
                (
                    self.account,
                    [event.stream for event in events],
                    [event.version for event in events],
                    [event.topic for event in events],
                    [event.state for event in events],
                    digest(columns, ()),
                    columns.checks,
                ),
            )
            await asyncio.sleep(self._dice.uniform(0, 0.02))
            lands = self._dice.random() < 0.7
            if not lands:
                raise psycopg.Rollback(transaction)
        self.landed += lands
        self.rolled_back += not lands
        return lands

    def __repr__(self) -> str:
        return f"{self.account}: {self.landed} landed, {self.rolled_back} rolled back"


async def read_along(log: PostgresLog, seen: list[StoredEvent], over: asyncio.Event) -> None:
    """Remember a position and go on from it, as every follower does; no gap may ever show behind it."""
    while True:
        last_round = over.is_set()
        while page := await log.page(after=len(seen), limit=50):
            assert [event.position for event in page] == list(range(len(seen) + 1, len(seen) + len(page) + 1))
            seen.extend(page)
        if last_round:
            return
        await log.changed(after=len(seen), seconds=0.05)


@pytest.mark.timeout(SECONDS + 3 * PATIENCE)
async def test_s63_sixty_four_writers_with_delays_and_rollbacks_and_no_follower_skips_an_event(database: str) -> None:
    log, tasks, over, seen = PostgresLog(database), Tasks(), asyncio.Event(), list[StoredEvent]()
    writers = [Restless(database, number) for number in range(WRITERS)]
    for writer in writers:
        assert await seized(log, writer.account) == 1
    projecting = Runner(log, database, clock=SystemClock(), spawn=tasks, live_rows=40)
    projecting.start()
    async with asyncio.TaskGroup() as group:
        writing = [group.create_task(writer.write_until(over)) for writer in writers]
        reading = group.create_task(read_along(log, seen, done := asyncio.Event()))
        await asyncio.sleep(SECONDS)
        over.set()
        await asyncio.wait(writing)
        done.set()
        await reading

    assert sum(writer.rolled_back for writer in writers) > 20
    assert sum(writer.landed for writer in writers) > 50
    assert len(seen) == await log.head()
    versions: dict[str, int] = {}
    for event in seen:  # each stream in its own order, each event once
        assert event.version == versions.get(event.stream, 0) + 1, event
        versions[event.stream] = event.version
    filled = sum(stored.topic == "order-filled/1" for stored in seen)
    assert filled == sum(writer.landed for writer in writers)  # what was rolled back is nowhere
    assert verify(sealed(database)) is None

    assert await projecting.catch_up(len(seen), PATIENCE)
    verdict = await compare(log, database)
    assert (verdict.position, verdict.differences) == (len(seen), ())
    await tasks.close()
    assert not tasks.failed.done(), tasks.failed
    await log.close()


# ------------------------------------------------------------------------------------------ S69


async def test_s69_the_last_hundred_events_are_gone_and_only_the_anchor_kept_outside_knows(
    database: str, tmp_path: Path
) -> None:
    story, log = Recorder(), PostgresLog(database)
    for number in range(60):
        story.place(f"c{number}")
        await write(log, story.fresh())  # a commit of two events each
    length = await log.head()
    await log.close()
    assert length > 100
    kept = tmp_path / "anchor.json"
    kept.write_bytes(anchored(head(database)))

    as_dba(
        database,
        f"DELETE FROM stored_events WHERE notification_id > {length - 100}",
        f"DELETE FROM seals WHERE last > {length - 100}",
    )
    assert verify(sealed(database)) is None  # the chain that is left is whole: a chain alone does not notice
    assert verify(sealed(database), read_anchor(kept.read_bytes())) == length - 100 + 1
