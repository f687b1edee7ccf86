from collections.abc import Iterator

import pytest

from tests.conftest import fresh_database


@pytest.fixture(scope="module")
def tables(postgres_server: str, template: str) -> Iterator[str]:
    """The connection string of a database that a whole module shares; it is `emptied` before each use."""
    with fresh_database(postgres_server, template) as url:
        yield url
