"""S65, S66: the read models, killed at any statement and rebuilt from nothing, each against a real Postgres."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from oms.decide import Decider
from oms.dispatcher import Dispatcher
from oms.engine import Engine
from oms.replay import fold_log
from oms.risk import Limits
from oms.runtime import SystemClock, Tasks, TimeOrderedIds
from oms.store.log import PostgresLog
from projections.compare import compare
from projections.fold import projectors
from projections.rebuild import rebuild
from tests.cli.recorded import ACCOUNT, MARKET, record
from tests.engine.scripted_venue import ScriptedVenue
from tests.order.story import BTC_USDT
from tests.projections.history import write
from tests.projections.test_runner import two_orders

pytestmark = pytest.mark.postgres

ROOT = Path(__file__).parents[2]
TABLES = tuple(projector.table.name for projector in projectors())

# ------------------------------------------------------------------------------------------ S65


class Projecting:
    """Children that follow the log into the tables, and die where they are told to."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.scenarios.mortal", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def run(self, *, until: int = 0) -> int:
        """Let one child project; return how it ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(until, file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def projecting(url: str) -> Iterator[Projecting]:
    made = Projecting(url)
    try:
        yield made
    finally:
        made.close()


def rows(url: str) -> dict[str, list[str]]:
    """Return every row of the read models, and their checkpoints, as text."""
    with psycopg.connect(url) as connection:
        found = {name: connection.execute(f"SELECT t::text FROM {name} t ORDER BY 1".encode()) for name in TABLES}
        checkpoints = connection.execute("SELECT name || ' ' || position FROM projection_checkpoints ORDER BY 1")
        return {name: [row[0] for row in cursor] for name, cursor in (*found.items(), ("checkpoints", checkpoints))}


def empty(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {', '.join(TABLES)}, projection_checkpoints".encode())


async def test_s65_killed_before_any_exchange_with_the_database_a_restart_gives_the_rows_of_an_untroubled_run(
    database: str,
) -> None:
    log, story = PostgresLog(database), two_orders()
    await write(log, story.events)
    await log.close()
    with projecting(database) as children:
        assert children.run() == 0
        untroubled = rows(database)
        assert len(untroubled["fills"]) == 2
        assert untroubled["checkpoints"] == sorted(f"{name} {len(story.events)}" for name in TABLES)
        deaths, seen = 0, set[str]()
        while True:
            empty(database)
            status = children.run(until=deaths + 1)
            if status == 0:  # it was done before its turn came
                break
            assert status == -signal.SIGKILL
            seen.add(str(rows(database)["checkpoints"]))
            assert children.run() == 0
            assert rows(database) == untroubled, f"killed before exchange {deaths + 1}"
            deaths += 1
    assert deaths > 20
    assert len(seen) >= 4  # before the first page, and after each of three


# ------------------------------------------------------------------------------------------ S66

CALLS: list[str] = []  # what opened a socket or sent a datagram, while `listening`
LISTENING = False


def overheard(event: str, _: tuple[object, ...]) -> None:
    if LISTENING and event in {"socket.connect", "socket.sendto", "socket.getaddrinfo"}:
        CALLS.append(event)


sys.addaudithook(overheard)


@contextmanager
def silence() -> Iterator[None]:
    """Fail if Python opens a connection meanwhile. Postgres' own library connects without Python noticing."""
    global LISTENING  # noqa: PLW0603 - an audit hook cannot be taken away, only told to look elsewhere
    CALLS.clear()
    LISTENING = True
    try:
        yield
    finally:
        LISTENING = False
    assert CALLS == []


async def test_s66_a_full_rebuild_says_nothing_to_the_venue_and_notifies_nobody(database: str) -> None:
    """Of the tables, of every account's book, and of the engine's memory: from the first event on, in one go."""
    assert await record(database) == 7
    clock, tasks, log = SystemClock(), Tasks(), PostgresLog(database)
    venue, notified = ScriptedVenue(clock.now_ns), list[object]()
    with psycopg.connect(database, autocommit=True) as listening:
        listening.execute("LISTEN stored_events")

        with silence():
            rebuilt = await rebuild(log, database, name=None, clock=clock, spawn=tasks, progress=lambda *_: None)
            books = fold_log(database)
        assert rebuilt.position == 7
        assert (await compare(log, database)).differences == ()
        assert [order.request.client_order_id for order in books[ACCOUNT].orders.values()] == ["first"]
        assert list(listening.notifies(timeout=0.2)) == []
        assert await log.head() == 7

        engine = Engine(
            ACCOUNT,
            decider=Decider(ACCOUNT, instruments={MARKET: BTC_USDT}, capabilities=venue.capabilities, limits=Limits()),
            log=log,
            clock=clock,
            ids=TimeOrderedIds(clock),
            spawn=tasks,
        )
        engine.on_commit.append(notified.append)
        dispatcher = Dispatcher(engine, venue, clock=clock, ids=TimeOrderedIds(clock), spawn=tasks)
        with silence():
            await engine.start("a venue")  # reads the whole log back; its own start is the one new event
        assert engine.book.summary()["open"] == books[ACCOUNT].summary()["open"]
        assert [fact[1].__class__.__name__ for facts in notified for fact in facts] == ["WriterStarted"]  # type: ignore[attr-defined]
        assert dispatcher.in_flight == 0
    assert (venue.submitted, venue.canceled, venue.amended, venue.asked) == ([], [], [], 0)
    await engine.stop()
    await tasks.close()
    await log.close()
