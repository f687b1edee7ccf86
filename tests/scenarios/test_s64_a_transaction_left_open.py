"""S64: somebody leaves a transaction open in the database: he is named within seconds, and orders go on."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

import oms
from tests.e2e.conftest import Machine, Program, wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]

LOG_KEY = "x'6f6d732e6c6f67'::bigint"
BY_HAND = """
INSERT INTO stored_events SELECT 'lunch', 1, 'lunch/1', '{}', max(notification_id) + 1 FROM stored_events
"""
NAMED_SECONDS = 10.0
ORDER_SECONDS = 8.0  # three until the server ends who is silent, and what a busy machine needs


@pytest.fixture
def running(tmp_path: Path, database: str) -> Iterator[tuple[Machine, Program]]:
    with ExitStack() as stack:
        machine = Machine(tmp_path, stack)
        machine.environment["OMS_DATABASE_URL"] = database
        machine.exchange()
        yield machine, machine.up()


@contextmanager
def left_open(database: str, statement: str) -> Iterator[psycopg.Connection[Any]]:
    """A person at a prompt who begins, says `statement`, and goes to lunch."""
    with psycopg.connect(database, application_name="lunch") as connection:
        connection.execute(statement)
        yield connection


def place(url: str, machine: Machine, name: str) -> float:
    """Place an order; return the seconds until it was durable."""
    with oms.connect_sync(url, token=machine.token) as client:
        began = time.monotonic()  # noqa: TID251 - a real system takes real time
        client.place(symbol="BTC/USDT", side="buy", type="limit", quantity="0.001", price="30000", client_order_id=name)
        return time.monotonic() - began  # noqa: TID251 - as above


def ready(url: str) -> tuple[int, str]:
    """Return the status of the health, and what it says of the database."""
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=5) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    checks = msgspec.json.decode(body)["checks"]
    return status, next(each.get("detail", "") for each in checks if each["name"] == "database")


def metrics(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def in_time(holds: Callable[[], bool]) -> None:
    wait_until(holds, seconds=NAMED_SECONDS)


@pytest.mark.parametrize("took", ["SELECT lock_log()", BY_HAND])
def test_s64_a_writer_that_took_a_position_and_fell_silent_is_ended_and_orders_go_on(
    running: tuple[Machine, Program], database: str, took: str
) -> None:
    machine, program = running
    url = program.ready["gateway_url"]
    place(url, machine, "before")
    wait_until(lambda: listed(database) == 1)
    with left_open(database, took) as lunch:
        pid = lunch.info.backend_pid
        assert place(url, machine, "meanwhile") < ORDER_SECONDS
        with pytest.raises(psycopg.Error):
            lunch.execute("SELECT 1")
    logs = machine.home / "logs"
    in_time(lambda: str(pid) in said(logs))
    in_time(lambda: ready(url) == (200, ""))
    wait_until(lambda: listed(database) == 2)
    assert program.terminate() == 0
    assert machine.oms("replay")[1]["equal"] is True


def test_s64_whoever_holds_the_log_by_other_means_is_named_in_health_metrics_and_log(
    running: tuple[Machine, Program], database: str
) -> None:
    machine, program = running
    url = program.ready["gateway_url"]
    with ExitStack() as stack:
        lunch = stack.enter_context(left_open(database, f"SELECT pg_advisory_xact_lock({LOG_KEY})"))
        pid = lunch.info.backend_pid
        stack.enter_context(waiting_order(url, machine, "meanwhile"))
        in_time(lambda: f"server process {pid} (lunch" in ready(url)[1])
        status, detail = ready(url)
        assert (status, "idle in transaction" in detail) == (503, True)
        assert f"SELECT pg_terminate_backend({pid})" in detail
        assert f'oms_database_held_up_seconds{{application="lunch",pid="{pid}"}}' in metrics(url)
        assert str(pid) in said(machine.home / "logs")
        lunch.rollback()
        in_time(lambda: ready(url) == (200, ""))
        assert f'pid="{pid}"' not in metrics(url)
    assert program.terminate() == 0


def test_s64_a_read_model_that_stands_still_behind_an_open_transaction_is_told_and_orders_do_not_wait(
    running: tuple[Machine, Program], database: str
) -> None:
    machine, program = running
    url = program.ready["gateway_url"]
    place(url, machine, "before")
    wait_until(lambda: listed(database) == 1)
    with left_open(database, "LOCK TABLE orders IN EXCLUSIVE MODE") as lunch:
        assert place(url, machine, "meanwhile") < ORDER_SECONDS
        in_time(lambda: f"server process {lunch.info.backend_pid} (lunch" in ready(url)[1])
        assert place(url, machine, "later") < ORDER_SECONDS
        assert listed(database) == 1  # what is shown is what was
        lunch.rollback()
        wait_until(lambda: listed(database) == 3)
    in_time(lambda: ready(url) == (200, ""))
    assert program.terminate() == 0


def test_s64_health_names_whoever_locks_the_log_itself_within_two_seconds(
    running: tuple[Machine, Program], database: str
) -> None:
    program = running[1]
    url = program.ready["gateway_url"]
    with left_open(database, "LOCK TABLE stored_events IN ACCESS EXCLUSIVE MODE") as lunch:
        pid = lunch.info.backend_pid
        in_time(lambda: f"server process {pid} (lunch" in ready(url)[1])
        began = time.monotonic()  # noqa: TID251 - a real system takes real time
        status, _ = ready(url)
        assert (status, time.monotonic() - began < 2) == (503, True)  # noqa: TID251 - as above
        lunch.rollback()
    in_time(lambda: ready(url) == (200, ""))
    assert program.terminate() == 0


@contextmanager
def waiting_order(url: str, machine: Machine, name: str) -> Iterator[None]:
    """An order that waits for the log, beside the story; it is durable at the story's end."""
    import threading  # noqa: PLC0415, TID251 - somebody else's program

    done: list[float] = []
    thread = threading.Thread(target=lambda: done.append(place(url, machine, name)))
    thread.start()
    yield
    thread.join(30)
    assert done, "the order was never answered"


def said(logs: Path) -> str:
    return "".join(file.read_text() for file in logs.iterdir())


def listed(database: str) -> int:
    """Return how many orders the read model shows."""
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM orders").fetchone()
        return 0 if row is None else int(row[0])
