"""Who may do what, and which schema this program works with."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from psycopg.conninfo import make_conninfo

from oms.errors import LogUnavailableError, SchemaError
from oms.ports import Batch, Committed, NewEvent
from oms.store.database import REVISIONS, ROLES, Role, check_schema, connect, upgrade
from oms.store.log import PostgresLog
from oms.values import AccountId
from tests.store.writers import seized

pytestmark = pytest.mark.postgres

LOG = ("stored_events", "seals", "venue_messages", "epochs")
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def written(database: str) -> str:
    log = PostgresLog(database)
    epoch = await seized(log, AccountId("main"))
    await log.append(Batch(AccountId("main"), epoch, [NewEvent("order/main/1", 1, "order-filled/1", b'{"id":"1"}')]))
    await log.close()
    return database


def changes(table: str) -> tuple[str, ...]:
    column = {"stored_events": "topic", "seals": "account", "venue_messages": "channel", "epochs": "account"}[table]
    return (f"UPDATE {table} SET {column} = 'x'", f"DELETE FROM {table}", f"TRUNCATE {table}")


@pytest.mark.parametrize("table", LOG)
@pytest.mark.parametrize("role", [role for role in ROLES if role != "oms_owner"])
def test_no_role_but_the_owner_has_the_right_to_change_the_log(written: str, role: Role, table: str) -> None:
    with connect(written, role=role) as connection:
        for change in changes(table):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(change)


@pytest.mark.parametrize("table", LOG)
@pytest.mark.parametrize("role", ["oms_owner", None])
def test_the_owner_and_a_superuser_are_stopped_by_the_trigger(written: str, role: Role | None, table: str) -> None:
    with connect(written, role=role) as connection:
        for change in changes(table):
            with pytest.raises(psycopg.DatabaseError, match=f"{table} is append-only") as refusal:
                connection.execute(change)
            assert refusal.value.sqlstate == "OMS02"


def test_the_trigger_also_fires_in_a_session_that_replicates(written: str) -> None:
    with connect(written) as connection:
        connection.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.DatabaseError, match="append-only"):
            connection.execute("DELETE FROM stored_events")


@pytest.mark.parametrize("role", ["oms_projector", "oms_reader"])
def test_readers_read_and_do_not_write(written: str, role: Role) -> None:
    with connect(written, role=role) as connection:
        assert connection.execute("SELECT count(*) FROM stored_events").fetchone() == (1,)
        for attempt in (
            "INSERT INTO stored_events VALUES ('s', 1, 't', '{}', 2)",
            "INSERT INTO epochs VALUES ('main', 9)",
            "SELECT take_over('main', 0, 'me')",
            "SELECT lock_log()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(attempt)


def test_only_the_projector_moves_checkpoints(written: str) -> None:
    move = "INSERT INTO projection_checkpoints (name, position) VALUES ('orders', 1)"
    with connect(written, role="oms_projector") as connection:
        connection.execute(move)
    for role in ("oms_writer", "oms_reader"):
        with connect(written, role=role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(move)


def test_the_view_shows_bodies_as_json(written: str) -> None:
    with connect(written, role="oms_reader") as connection:
        row = connection.execute("SELECT position, stream, version, topic, body->>'id' FROM events").fetchone()
    assert row == (1, "order/main/1", 1, "order-filled/1", "1")


@pytest.fixture
def login(postgres_server: str, database: str) -> Iterator[str]:
    """A user who is no superuser and may act as the roles, as in a company's database."""
    name = f"oms_test_user_{os.getpid()}"
    with psycopg.connect(database, autocommit=True) as server:
        server.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p'")
        server.execute(f"GRANT oms_owner, oms_writer, oms_projector, oms_reader TO {name}")
        yield make_conninfo(database, user=name, password="p")
        server.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


async def test_an_ordinary_user_with_the_roles_can_run_the_log(login: str) -> None:
    assert check_schema(login) == upgrade(login)
    log = PostgresLog(login)
    epoch = await seized(log, AccountId("main"))
    batch = Batch(AccountId("main"), epoch, [NewEvent("s", 1, "t", b"{}")])
    assert await log.append(batch) == Committed(1, 1)
    await log.close()


def test_a_user_without_the_roles_is_told_what_an_administrator_must_run(bare_database: str) -> None:
    name = f"oms_test_nobody_{os.getpid()}"
    with psycopg.connect(bare_database, autocommit=True) as server:
        server.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p'")
        try:
            with pytest.raises(SchemaError) as refusal:
                upgrade(make_conninfo(bare_database, user=name, password="p"))
        finally:
            server.execute(f"DROP ROLE {name}")
    assert "CREATE ROLE oms_owner" in refusal.value.advice


def test_a_database_without_schema_is_refused_until_it_is_upgraded(bare_database: str) -> None:
    with pytest.raises(SchemaError, match="no schema") as refusal:
        check_schema(bare_database)
    assert "oms db upgrade" in refusal.value.advice
    head = upgrade(bare_database)
    assert check_schema(bare_database) == head
    assert upgrade(bare_database) == head


def test_a_schema_newer_than_this_program_is_refused_and_left_alone(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for attempt in (check_schema, upgrade):
        with pytest.raises(SchemaError, match="newer") as refusal:
            attempt(database)
        assert "newer program" in refusal.value.advice


def test_a_schema_older_than_this_program_is_refused(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oms.store.database.REVISIONS", [*REVISIONS, "0999"])
    with pytest.raises(SchemaError, match="older") as refusal:
        check_schema(database)
    assert "oms db upgrade" in refusal.value.advice


def test_the_ini_at_the_root_does_what_the_program_does(bare_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_DATABASE_URL", bare_database)
    command.upgrade(Config(ROOT / "alembic.ini"), "head")
    assert check_schema(bare_database)


def test_a_database_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(LogUnavailableError, match="cannot be reached") as refusal:
        check_schema("postgresql://nobody@127.0.0.1:1/none")
    assert "OMS_DATABASE_URL" in refusal.value.advice
    assert refusal.value.outcome == "none", "nothing was asked of it"


def test_what_is_no_url_is_not_repeated() -> None:
    with pytest.raises(LogUnavailableError) as refusal:
        check_schema("host=x hunter2")
    assert "hunter2" not in str(refusal.value)
    assert "OMS_DATABASE_URL" in refusal.value.advice
    assert refusal.value.outcome == "none"
