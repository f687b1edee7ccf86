"""A primary and a synchronous standby, each in a container: what was acknowledged outlives the primary.

The file's name hides it from a plain run; `make test-containers` asks for it by name.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count

import psycopg
import pytest

from oms.ports import AlreadyThere, AppendOutcome, Batch, Committed, NewEvent, NotCommitted
from oms.store.audit import sealed
from oms.store.database import upgrade
from oms.store.log import PostgresLog
from oms.store.process import ProcessAppender
from oms.store.seals import verify
from oms.store.writer import Appender, ThreadAppender
from oms.values import AccountId
from tests.store.containers.server import PASSWORD, PORT, USER, Server, running
from tests.store.writers import seized

ACCOUNT = AccountId("main")
STREAM = "order/main/1"
COPY = """
PATH="$PATH:$(echo /usr/lib/postgresql/*/bin)"
pg_basebackup -D /tmp/copy -c fast -R -d "$PRIMARY" && exec postgres -D /tmp/copy -h 0.0.0.0
"""


@pytest.fixture
def primary() -> Iterator[Server]:
    """A server with our schema that lets a standby copy it."""
    with running(Server()) as server:
        with psycopg.connect(server.url, autocommit=True) as operator:
            operator.execute("CREATE DATABASE oms")
            operator.execute("COPY (SELECT 'host replication all all scram-sha-256') TO PROGRAM 'cat >> pg_hba.conf'")
            operator.execute("SELECT pg_reload_conf()")
        upgrade(server.url_of("oms"))
        yield server


@pytest.fixture
async def standby(primary: Server) -> AsyncIterator[Server]:
    """A copy of the primary that has every commit before it is acknowledged."""
    server = Server().with_env("PRIMARY", f"host={primary.inner_host} port={PORT} user={USER} password={PASSWORD}")
    with running(server.with_kwargs(user="postgres", entrypoint=["sh", "-c", COPY])):
        with psycopg.connect(primary.url, autocommit=True) as operator:
            operator.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            operator.execute("SELECT pg_reload_conf()")
            async with asyncio.timeout(30):
                state = "SELECT sync_state FROM pg_stat_replication"
                while operator.execute(state).fetchall() != [("sync",)]:  # noqa: ASYNC110 - it happens in the server
                    await asyncio.sleep(0.1)
        yield server


def batch(epoch: int, version: int) -> Batch:
    return Batch(ACCOUNT, epoch, [NewEvent(STREAM, version, "order-filled/1", b"{}")])


def both(primary: Server, standby: Server) -> str:
    """The connection string that leads to whichever of the two takes writes."""
    return f"postgresql://{USER}:{PASSWORD}@{primary.address},{standby.address}/oms?target_session_attrs=read-write"


async def append_until_it_breaks(log: PostgresLog, epoch: int, acknowledged: list[int]) -> AppendOutcome:
    """Append one event after the other, noting what was acknowledged; return the first other outcome."""
    for version in count(1):
        outcome = await log.append(batch(epoch, version))
        if not isinstance(outcome, Committed):
            break
        acknowledged.append(version)
    return outcome


def promote(standby: Server) -> None:
    with psycopg.connect(standby.url, autocommit=True) as operator:
        assert operator.execute("SELECT pg_promote()").fetchone() == (True,)


async def goes_on(log: PostgresLog, epoch: int, *, after: int, said: AppendOutcome, standby: Server) -> None:
    """See that the standby holds what was acknowledged, through version `after`, and the next one as `said`; that every
    seal is intact; and that `log` goes on there.
    """
    there = PostgresLog(standby.url_of("oms"))
    recorded = [event.version for event in await there.read(STREAM)]
    match said:
        case AlreadyThere():
            assert recorded == [*range(1, after + 2)]
        case NotCommitted():
            assert recorded == [*range(1, after + 1)]
        case other:
            pytest.fail(f"the log was asked, and said {other}")
    assert verify(sealed(standby.url_of("oms"))) is None
    async with asyncio.timeout(30):  # connections of before may have to break first
        while isinstance(outcome := await log.append(batch(epoch, after + 1)), NotCommitted):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.1)
    assert isinstance(outcome, AlreadyThere | Committed)
    assert await log.append(batch(epoch, after + 2)) == Committed(after + 2, after + 2)
    assert await there.head() == after + 2
    await there.close()


@pytest.mark.parametrize("appender", [ThreadAppender, ProcessAppender], ids=["thread", "process"])
async def test_what_was_acknowledged_is_on_the_standby_when_the_primary_is_killed(
    primary: Server, standby: Server, appender: type[Appender]
) -> None:
    log = PostgresLog(both(primary, standby), settle_seconds=60, appender=appender)
    epoch, acknowledged = await seized(log, ACCOUNT), list[int]()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        appending = tasks.create_task(append_until_it_breaks(log, epoch, acknowledged))
        while len(acknowledged) < 100:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        await asyncio.to_thread(primary.kill)
        await asyncio.sleep(1)
        assert not appending.done()  # nobody can tell yet
        promote(standby)
    await goes_on(log, epoch, after=len(acknowledged), said=appending.result(), standby=standby)
    await log.close()


async def test_nothing_is_acknowledged_that_the_standby_does_not_have(primary: Server, standby: Server) -> None:
    log = PostgresLog(both(primary, standby), settle_seconds=60)
    epoch = await seized(log, ACCOUNT)
    assert await log.append(batch(epoch, 1)) == Committed(1, 1)
    standby.pause()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        appending = tasks.create_task(log.append(batch(epoch, 2)))
        await asyncio.sleep(1)
        assert not appending.done()  # the primary has it, and waits
        primary.kill()
        standby.resume()
        promote(standby)
    await goes_on(log, epoch, after=1, said=appending.result(), standby=standby)
    await log.close()
