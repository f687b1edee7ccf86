"""Whatever is wrong, a command says what, what came of it and what to do, and leaves nothing half-done."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def up(home: Path, **environment: str) -> tuple[int, dict[str, str]]:
    """Run `oms up --json` as a process of its own, since it takes over signals and logs; expect it to refuse."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMS_")}
    done = subprocess.run(
        [sys.executable, "-m", "oms", "up", "--venue", environment.pop("venue", "simulator"), "--json"],
        env={**kept, "OMS_HOME": str(home), "OMS__GATEWAY__PORT": "0", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    error: dict[str, str] = json.loads(done.stdout)["error"]
    assert error["next_step"]
    return done.returncode, error


def log_length(url: str) -> Any:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT (SELECT count(*) FROM stored_events) + (SELECT count(*) FROM epochs)"
        ).fetchone()


# ---------------------------------------------------------------------------------------------------- the command line


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("orders", "--nonsense"),
        ("up", "--venue", "nasdaq"),
        ("orders", "--limit", "0"),
        ("simulator", "--port", "70000"),
        ("place", "--symbol", "BTC/USDT", "--side", "sideways"),
        ("decode", "--market", "spot", "--kind", "carrier-pigeon", "x"),
        ("replay", "--to", "-1"),
        ("explain",),
    ],
)
def test_a_command_line_that_cannot_be_understood_is_a_usage_error(oms: Callable[..., Any], arguments: Any) -> None:
    said = oms(*arguments, "--json")
    assert said.code == 2
    assert said.error["code"] == "usage"
    assert said.error["outcome"] == "none"


def test_people_read_three_lines_and_stdout_stays_empty(oms: Callable[..., Any]) -> None:
    said = oms("orders", "--nonsense")
    assert said.code == 2
    assert said.out == ""
    assert [line.partition(":")[0] for line in said.err.splitlines()] == ["error", "outcome", "next"]


def test_a_mistake_in_the_configuration_names_the_nearest_key(oms: Callable[..., Any]) -> None:
    said = oms("config", "show", "--json", OMS__GATEWAY__PROT="1")
    assert (said.code, said.error["code"]) == (1, "config")
    assert "gateway.port" in said.error["next_step"]


# ---------------------------------------------------------------------------------------------------- the database


@pytest.mark.parametrize(
    "arguments",
    [
        ("orders",),
        ("events",),
        ("replay",),
        ("explain", "x"),
        ("db", "upgrade"),
        ("audit", "verify"),
        ("token", "list"),
        ("projections", "list"),
    ],
)
def test_a_database_that_is_down_is_said_to_be(oms: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    said = oms(*arguments, "--json", OMS_DATABASE_URL=NOWHERE)
    assert (said.code, said.error["code"]) == (1, "log_unavailable")
    assert "OMS_DATABASE_URL" in said.error["next_step"]


def test_a_home_where_nothing_ever_ran_has_no_log_and_gets_none(oms: Callable[..., Any], home: Path) -> None:
    said = oms("orders", "--json")
    assert (said.code, said.error["code"]) == (1, "no_log")
    assert not home.exists()


@pytest.mark.postgres
def test_a_schema_that_is_too_new_is_refused(oms: Callable[..., Any], database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for arguments in (("orders",), ("db", "upgrade"), ("replay",)):
        said = oms(*arguments, "--json", OMS_DATABASE_URL=database)
        assert (said.code, said.error["code"]) == (1, "schema")
        assert "newer" in said.error["cause"]


@pytest.mark.postgres
def test_a_database_of_ones_own_is_upgraded_when_asked_and_never_by_itself(
    oms: Callable[..., Any], bare_database: str, home: Path
) -> None:
    code, error = up(home, OMS_DATABASE_URL=bare_database)
    assert (code, error["code"], error["next_step"]) == (1, "schema", "run: oms db upgrade")
    assert oms("orders", "--json", OMS_DATABASE_URL=bare_database).error["next_step"] == "run: oms db upgrade"
    first = oms("db", "upgrade", "--json")
    assert first.json["before"] is None
    again = oms("db", "upgrade", "--json")
    assert again.json == {"before": first.json["after"], "after": first.json["after"]}
    assert oms("orders", "--json").json == {"position": 0, "items": []}


# ---------------------------------------------------------------------------------------------------- oms up


def test_up_refuses_a_port_that_is_taken_before_it_touches_anything(home: Path, taken: int) -> None:
    code, error = up(home, OMS__GATEWAY__PORT=str(taken))
    assert (code, error["code"], error["outcome"]) == (1, "port_taken", "none")
    assert str(taken) in error["cause"]
    assert not (home / "postgres").exists()


def test_up_refuses_a_database_that_is_down(home: Path) -> None:
    code, error = up(home, OMS_DATABASE_URL=NOWHERE)
    assert (code, error["code"]) == (1, "log_unavailable")


@pytest.mark.postgres
def test_up_gives_up_on_a_venue_that_cannot_be_reached_and_takes_nothing_over(home: Path, database: str) -> None:
    code, error = up(
        home, OMS_DATABASE_URL=database, OMS__SIMULATOR__URL="http://127.0.0.1:1", OMS__START__VENUE_SECONDS="0.2"
    )
    assert (code, error["code"], error["outcome"]) == (1, "venue_down", "none")
    assert "127.0.0.1:1" in error["cause"]
    assert log_length(database) == (0,)


@pytest.mark.postgres
def test_up_refuses_a_venue_without_an_account(home: Path, database: str) -> None:
    code, error = up(home, venue="bitmart", OMS_DATABASE_URL=database)
    assert (code, error["code"], error["outcome"]) == (1, "no_account", "none")
    assert log_length(database) == (0,)


def test_up_refuses_to_stand_open_to_the_network(home: Path) -> None:
    code, error = up(home, OMS__GATEWAY__HOST="0.0.0.0")
    assert (code, error["code"], error["outcome"]) == (1, "unsafe_bind", "none")
    assert not (home / "postgres").exists()


# ---------------------------------------------------------------------------------------------------- the gateway


def test_a_command_without_a_token_says_where_one_comes_from(oms: Callable[..., Any]) -> None:
    said = oms("place", "--symbol", "BTC/USDT", "--side", "buy", "--quantity", "1", "--price", "1", "--json")
    assert (said.code, said.error["code"]) == (1, "no_token")
    assert "OMS_TOKEN" in said.error["next_step"]


@pytest.mark.parametrize(
    "arguments", [("cancel", "x"), ("cancel-all",), ("halt", "--reason", "stop"), ("resume", "--reason", "go")]
)
def test_a_command_to_an_oms_that_is_not_there_says_so_and_that_nothing_was_done(
    oms: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr("oms.client_calls.PAUSES", (0.001,))
    said = oms(*arguments, "--json", OMS_TOKEN="oms_a_b", OMS__GATEWAY__PORT="1")
    assert (said.code, said.error["code"], said.error["outcome"]) == (1, "unreachable", "none")
    assert "see that the OMS runs" in said.error["next_step"]
    assert "client_order_id" not in said.error["next_step"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("place", "--symbol", "BTC/USDT", "--side", "buy", "--quantity", "1", "--price", "1", "--tag", "a=\udcff"),
        ("cancel", "\udcff"),
        ("halt", "--reason", "\udcff"),
        ("orders", "--symbol", "\udcff"),
        ("explain", "\udcff"),
    ],
)
def test_bytes_that_are_no_text_are_a_mistake_of_the_command_line(
    oms: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    said = oms(*arguments, "--json", OMS_TOKEN="oms_a_b", OMS__GATEWAY__PORT="1")
    assert (said.code, said.error["code"], said.error["outcome"]) == (2, "usage", "none")
    assert "\\udcff" in said.error["cause"]


def test_a_token_with_a_line_break_is_said_to_be_none(oms: Callable[..., Any]) -> None:
    said = oms("cancel-all", "--json", OMS_TOKEN="a\nb", OMS__GATEWAY__PORT="1")
    assert (said.code, said.error["code"], said.error["outcome"]) == (1, "unsendable", "none")


# ---------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"rates": {"no_such_fault": 1}}',
        '{"rates": {"answer_lost": 7}}',
        '{"speed": 1}',
        '{"schedule": {"doom_ms": 1}}',
    ],
)
def test_faults_that_cannot_be_are_refused(oms: Callable[..., Any], tmp_path: Path, text: str) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text(text)
    said = oms("simulator", "--faults", str(faults), "--json")
    assert (said.code, said.error["code"]) == (1, "file")


def test_a_simulator_refuses_a_port_that_is_taken(oms: Callable[..., Any], taken: int) -> None:
    said = oms("simulator", "--port", str(taken), "--json")
    assert (said.code, said.error["code"]) == (1, "port_taken")


@pytest.mark.parametrize(
    "arguments",
    [
        ("decode", "--market", "spot", "--kind", "rest", "none.json"),
        ("simulator", "--faults", "none.json"),
        ("config", "show", "--config", "none.toml"),
    ],
)
def test_a_file_that_is_not_there_is_named(oms: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    said = oms(*arguments, "--json")
    assert said.code == 1
    assert "none." in said.error["cause"]
