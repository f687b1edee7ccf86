"""A server, a database or a role may have a stricter default isolation than read committed: ours ask for theirs."""

import asyncio
from contextlib import closing

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

import projections.connection
from oms.ports import Batch, Fenced, NewEvent
from oms.store import database as databases
from oms.store.log import PostgresLog
from oms.store.recorder import LogDatastore
from oms.values import AccountId
from tests.engine.desk import begin

pytestmark = [pytest.mark.postgres]

ACCOUNT = AccountId("main")
LEVELS = ("read committed", "repeatable read", "serializable")
SHOW = "SHOW transaction_isolation"


@pytest.fixture(params=LEVELS)
def strict(request: pytest.FixtureRequest, database: str) -> str:
    """Return the URL of a database with that default."""
    with psycopg.connect(database, autocommit=True) as owner:
        named = Identifier(owner.info.dbname)
        level = Literal(request.param)
        owner.execute(SQL("ALTER DATABASE {} SET default_transaction_isolation = {}").format(named, level))
    return database


async def test_i14_a_fenced_writer_lands_no_append_whatever_the_servers_default_is(strict: str) -> None:
    """Its append waited for the lock with a snapshot from before the take-over, and found its old epoch there."""
    log = PostgresLog(strict)
    try:
        epoch = await log.take_over(ACCOUNT, after=0, taker="old")
        await log.prepare()
        with psycopg.connect(strict) as other:
            other.execute("SELECT public.lock_log()")  # whoever takes over has the lock
            batch = Batch(ACCOUNT, epoch, [NewEvent("order/main/a", 1, "x/1", b"{}")])
            landing = begin(log.append(batch))
            await asyncio.sleep(0.5)
            other.execute("SELECT public.take_over('main', %s, 'new')", (epoch,))
            other.commit()
        assert await landing == Fenced(epoch + 1)
        assert await log.read("order/main/a") == ()
    finally:
        await log.close()


async def test_every_connection_that_writes_begins_at_read_committed(strict: str) -> None:
    with closing(databases.connect(strict, role="oms_writer")) as connection:
        assert connection.execute(SHOW).fetchone() == ("read committed",)
    datastore = LogDatastore(strict)
    with datastore.get_connection() as pooled:
        assert pooled.execute(SHOW).fetchone() == {"transaction_isolation": "read committed"}
    datastore.close()
    with databases.alembic_engine(strict).connect() as migrating:
        assert migrating.exec_driver_sql(SHOW).scalar_one() == "read committed"
    async with await projections.connection.connect(strict, "oms_projector") as following:
        assert await (await following.execute(SHOW)).fetchone() == ("read committed",)
