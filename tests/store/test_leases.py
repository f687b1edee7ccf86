"""What every `Leases` promises, and what Postgres adds: it knows when a holder's process has gone."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from oms.lease import Leases, Seen
from oms.store.leases import PostgresLeases
from oms.store.memory import MemoryLeases
from oms.values import AccountId

MAIN = AccountId("main")


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def leases(request: pytest.FixtureRequest) -> AsyncIterator[Leases]:
    if request.param == "memory":
        yield MemoryLeases()
        return
    made = PostgresLeases(request.getfixturevalue("database"))
    yield made
    await made.close()


async def test_a_lease_is_taken_renewed_and_given_up(leases: Leases) -> None:
    assert await leases.look(MAIN) is None
    assert await leases.seize(MAIN, "a", None)
    assert await leases.renew(MAIN, "a")
    seen = await leases.look(MAIN)
    assert seen is not None
    assert (seen.holder, seen.renewals) == ("a", 1)
    assert not await leases.renew(MAIN, "b")
    await leases.release(MAIN, "b")  # not his to give
    assert await leases.look(MAIN) is not None
    await leases.release(MAIN, "a")
    assert await leases.look(MAIN) is None
    assert not await leases.renew(MAIN, "a")


async def test_who_saw_an_older_renewal_does_not_get_it(leases: Leases) -> None:
    await leases.seize(MAIN, "a", None)
    assert not await leases.seize(MAIN, "b", None)
    old = await leases.look(MAIN)
    await leases.renew(MAIN, "a")
    assert not await leases.seize(MAIN, "b", old)
    assert await leases.seize(MAIN, "b", await leases.look(MAIN))
    assert not await leases.renew(MAIN, "a")


async def test_accounts_have_leases_of_their_own(leases: Leases) -> None:
    assert await leases.seize(MAIN, "a", None)
    assert await leases.seize(AccountId("other"), "b", None)
    assert await leases.renew(MAIN, "a")


@pytest.mark.postgres
async def test_a_holder_whose_process_died_is_seen_as_gone_and_a_living_one_is_not(database: str) -> None:
    leader, standby = PostgresLeases(database), PostgresLeases(database)
    try:
        await leader.seize(MAIN, "a", None)
        assert await standby.look(MAIN) == Seen("a", 0, connected=True)
        with psycopg.connect(database, autocommit=True) as operator:  # its backend is killed: it lives, and renews
            operator.execute(  # of this database alone: other tests share the server
                "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON oid = database"
                " WHERE locktype = 'advisory' AND datname = current_database()"
            )
        for _ in range(20):  # the first question finds the connection gone, the next one opens another
            try:
                assert await leader.renew(MAIN, "a")
                break
            except Exception:  # noqa: BLE001 - whichever the driver calls it
                await asyncio.sleep(0.05)
        seen = await standby.look(MAIN)
        assert seen is not None
        assert seen.connected
        await leader.close()
        for _ in range(100):  # the server notices in its own time
            seen = await standby.look(MAIN)
            assert seen is not None
            if not seen.connected:
                break
            await asyncio.sleep(0.05)
        assert not seen.connected
    finally:
        await standby.close()
