"""A real Postgres for whoever asks: one server for the whole run, one fresh database a test.

OMS_TEST_POSTGRES says which: ``embedded`` (the default), ``testcontainers`` (a container of the image that
OMS_TEST_POSTGRES_IMAGE names), or the URL of a server whose user may create databases and roles.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from oms.store.database import upgrade
from oms.store.embedded import EmbeddedPostgres

NUMBERS = count(1)
WANTED = "OMS_TEST_POSTGRES"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give this run a folder of its own. In pytest's, every other run closes the folder above to everybody but its own
    user, and a server that runs as another user dies of it.
    """
    if not hasattr(config, "workerinput") and config.option.basetemp is None:
        config.option.basetemp = tempfile.mkdtemp(prefix="oms-tests-")
        config.add_cleanup(partial(shutil.rmtree, config.option.basetemp, ignore_errors=True))
    if os.environ.get(WANTED) == "testcontainers":
        os.environ[WANTED] = contained(config)


def contained(config: pytest.Config) -> str:
    """Start a container for the whole run; return its server's URL. Workers come later and inherit it."""
    from tests.store.containers.server import Server, running  # noqa: PLC0415 - needs Docker, so only when asked for

    stack = ExitStack()
    config.add_cleanup(stack.close)
    return stack.enter_context(running(Server())).url


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of this run, the same in every worker of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def postgres_server(shared_folder: Path) -> Iterator[str]:
    """The connection string of a server's maintenance database, as a user who may do everything."""
    wanted = os.environ.get(WANTED, "embedded")
    if wanted == "embedded":
        with EmbeddedPostgres(shared_folder / "server") as server:
            yield server.url_of("postgres")
    else:
        yield wanted


@pytest.fixture(scope="session")
def template(postgres_server: str, shared_folder: Path) -> str:
    """The name of a database with the whole schema and no rows, made once a run."""
    name = f"oms_template_{os.getpid()}"
    known = shared_folder / "template"
    with (shared_folder / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if known.exists():
            return known.read_text()
        with psycopg.connect(postgres_server, autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name}")
        upgrade(make_conninfo(postgres_server, dbname=name))
        known.write_text(name)
    return name


@contextmanager
def fresh_database(server: str, template: str) -> Iterator[str]:
    name = f"oms_test_{os.getpid()}_{next(NUMBERS)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield make_conninfo(server, dbname=name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(postgres_server: str, template: str) -> Iterator[str]:
    """The connection string of a fresh, empty database with the whole schema."""
    with fresh_database(postgres_server, template) as url:
        yield url


@pytest.fixture
def bare_database(postgres_server: str) -> Iterator[str]:
    """The connection string of a fresh database without any schema."""
    with fresh_database(postgres_server, "template1") as url:
        yield url
