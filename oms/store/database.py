"""Which Postgres, which schema, and as whom: connections, roles and migrations.

Alembic and what it stands on take longer to load than most commands to run, and are needed when the schema changes:
they are imported there. Which revisions there are, the files say by their names.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from oms.errors import LogUnavailableError, SchemaError

if TYPE_CHECKING:
    from sqlalchemy import Engine

Role = Literal["oms_owner", "oms_writer", "oms_projector", "oms_reader"]
ROLES: Final[Sequence[Role]] = ("oms_owner", "oms_writer", "oms_projector", "oms_reader")
SERVER_VERSION_MIN: Final = 15
MIGRATIONS: Final = Path(__file__).parent / "migrations"
REVISIONS: Final = sorted(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))

# A peer that vanished without a word is noticed within about ten seconds; a URL may say otherwise.
CONNECTION_DEFAULTS: Final = {
    "connect_timeout": "5",
    "application_name": "oms",
    "keepalives_idle": "4",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}

# A server, a database or a role may have a stricter default. Whoever waits for a lock then goes on with what it saw
# before: an append that waited through a take-over finds its old epoch, and lands (I14).
READ_COMMITTED: Final = "SET default_transaction_isolation = 'read committed'"

_CREATE_ROLES: Final = """
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['oms_owner', 'oms_writer', 'oms_projector', 'oms_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN -- roles belong to the cluster: another database's migration may be making the same one now
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
            END;
        END IF;
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            BEGIN -- whoever may make a role may grant it; whoever may not needs to hold it already
                EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
            EXCEPTION WHEN insufficient_privilege THEN
            END;
        END IF;
    END LOOP;
END $$
"""
_ADMINISTRATOR: Final = (
    "let an administrator run: CREATE ROLE oms_owner; CREATE ROLE oms_writer; CREATE ROLE oms_projector; "
    "CREATE ROLE oms_reader; GRANT oms_owner, oms_writer, oms_projector, oms_reader TO <user>; "
    "GRANT CREATE ON SCHEMA public TO oms_owner"
)
_MIGRATION_LOCK: Final = 0x6F6D732E6462  # "oms.db": one migration at a time in a database


def conninfo(url: str) -> str:
    """Return `url` (any libpq connection string) with our time limits where it sets none.

    Raises:
        LogUnavailableError: it is not a connection string. What it holds is not repeated: it may be a password.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise _not_asked(
            "the database URL is not a PostgreSQL connection string",
            "set OMS_DATABASE_URL to postgresql://user@host:5432/database, or unset it for the embedded one",
        ) from None
    return make_conninfo("", **(CONNECTION_DEFAULTS | given))


def _not_asked(cause: str, next_step: str) -> LogUnavailableError:
    error = LogUnavailableError(cause, next_step=next_step)
    error.outcome = "none"  # there is no connection that anything could have been done on
    return error


def connect(url: str, *, role: Role | None = None) -> psycopg.Connection[tuple[object, ...]]:
    """Return an autocommit connection that acts as `role`, where the user may.

    Raises:
        LogUnavailableError: no server answers there, or it does not let us in.
        SchemaError: the server is older than PostgreSQL 15.
    """
    info = conninfo(url)
    try:
        connection = psycopg.connect(info, autocommit=True)
    except psycopg.OperationalError as error:
        cause = f"the database cannot be reached: {error}".strip()
        raise _not_asked(cause, "start the database, or correct OMS_DATABASE_URL") from error
    try:
        require_server(connection)
        connection.execute(READ_COMMITTED)
        if role is not None:
            act_as(connection, role)
    except BaseException:
        connection.close()
        raise
    return connection


def require_server(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Refuse a server that is too old.

    Raises:
        SchemaError: it is older than PostgreSQL 15.
    """
    version = connection.info.server_version // 10_000
    if version < SERVER_VERSION_MIN:
        raise SchemaError(
            f"the server is PostgreSQL {version}, too old for this program",
            next_step=f"use PostgreSQL {SERVER_VERSION_MIN} or later, or unset OMS_DATABASE_URL for the embedded one",
        )


def act_as(connection: psycopg.Connection[Any], role: Role) -> None:
    """Give up every right but those of `role`, if the user may; otherwise the user's own rights decide."""
    row = connection.execute("SELECT pg_has_role(session_user, to_regrole(%s)::oid, 'MEMBER')", (role,)).fetchone()
    allowed = next(iter(row.values() if isinstance(row, dict) else row)) if row else None
    if allowed:
        connection.execute(SQL("SET ROLE {}").format(Identifier(role)))


def become_owner(connection: psycopg.Connection[Any]) -> None:
    """Make the roles if they are missing, and go on as the owner of the tables, in the open transaction.

    Raises:
        SchemaError: the user may neither make the roles nor act as their owner.
    """
    try:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        connection.execute(_CREATE_ROLES)
        may_create = connection.execute(
            "SELECT pg_has_role(current_user, nspowner, 'MEMBER') FROM pg_namespace WHERE nspname = 'public'"
        ).fetchone()
        if may_create == (True,):
            connection.execute("GRANT USAGE, CREATE ON SCHEMA public TO oms_owner")
        connection.execute("SET ROLE oms_owner")
    except psycopg.errors.InsufficientPrivilege as error:
        raise SchemaError(f"the database user may not set up the roles: {error}", next_step=_ADMINISTRATOR) from error


def run_script(path: Path) -> None:
    """Run one SQL file inside the migration that Alembic is at; nothing in it is taken for a parameter."""
    from alembic import op  # noqa: PLC0415 - see the module's docstring

    driver = op.get_bind().connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    driver.execute(path.read_bytes())


def alembic_engine(url: str) -> "Engine":
    """Return an engine that opens one plain connection to `url` and keeps none."""
    from sqlalchemy import create_engine  # noqa: PLC0415 - see the module's docstring
    from sqlalchemy.pool import NullPool  # noqa: PLC0415 - likewise

    info = conninfo(url)
    return create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(info),
        poolclass=NullPool,
        isolation_level="READ COMMITTED",  # see `READ_COMMITTED`
    )


def upgrade(url: str) -> str:
    """Bring the schema to what this program knows; return its revision. Doing it again changes nothing.

    Raises:
        LogUnavailableError: no server answers there.
        SchemaError: the schema is newer than this program, the server too old, or the user may not change it.
    """
    from alembic import command  # noqa: PLC0415 - see the module's docstring
    from alembic.config import Config  # noqa: PLC0415 - likewise
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - likewise

    _refuse_newer(revision(url))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["url"] = url
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        raise SchemaError(f"the schema was not changed: {error.orig}", next_step="see the cause") from error
    return check_schema(url)


def check_schema(url: str) -> str:
    """Return the schema's revision if it is the one this program knows.

    Raises:
        LogUnavailableError: no server answers there.
        SchemaError: the schema is missing, older or newer.
    """
    found = revision(url)
    _refuse_newer(found)
    if found is None or found != REVISIONS[-1]:
        state = "has no schema yet" if found is None else f"is at schema {found}, older than {REVISIONS[-1]}"
        raise SchemaError(f"the database {state}", next_step="run: oms db upgrade")
    return found


def revision(url: str) -> str | None:
    """Return the revision the database is at, None if it holds no schema of ours.

    Raises:
        LogUnavailableError: no server answers there.
        SchemaError: the server is older than PostgreSQL 15.
    """
    with connect(url) as connection:
        if connection.execute("SELECT to_regclass('public.alembic_version')").fetchone() == (None,):
            return None
        row = connection.execute("SELECT version_num FROM public.alembic_version").fetchone()
    return None if row is None else str(row[0])


def _refuse_newer(found: str | None) -> None:
    if found is not None and found not in REVISIONS:
        raise SchemaError(
            f"the database is at schema {found}, newer than this program knows ({REVISIONS[-1]})",
            next_step="install the newer program that upgraded it",
        )
