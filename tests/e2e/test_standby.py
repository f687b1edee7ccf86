"""Two processes and one account: the second one waits, follows, and leads when the first one ends, dies or sleeps."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import psycopg
import pytest

import oms
from oms.cli.presence import Entry, announced
from oms.cli.truth import Truth
from oms.client import ClientError

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]

FAR = "30000"
TAKEN_OVER_SECONDS = 5.0


def place(client: Any, name: str) -> None:
    client.place(symbol="BTC/USDT", side="buy", type="limit", quantity="0.001", price=FAR, client_order_id=name)


def at_venue(machine: Any) -> Counter[str | None]:
    orders = msgspec.json.decode(machine.truth(), type=Truth).accounts["main"].spot.orders
    return Counter(order.client_order_id for order in orders)


def test_a_second_oms_stands_by_and_leads_within_seconds_of_the_firsts_death(
    machine: Any, until: Callable[..., None]
) -> None:
    machine.exchange()
    first = machine.up()
    second = machine.standby()
    until(lambda: "standby" in second.said.read_text())
    with oms.connect_sync(first.ready["gateway_url"], token=machine.token) as client:
        place(client, "before")
        until(lambda: client.order("before").status == "open")
    first.kill()
    died = time.monotonic()  # noqa: TID251 - a real system takes real time
    second.wait_ready()
    assert time.monotonic() - died < TAKEN_OVER_SECONDS  # noqa: TID251 - as above
    with oms.connect_sync(second.ready["gateway_url"], token=machine.token) as client:
        assert client.order("before").status == "open"
        place(client, "after")
        until(lambda: client.order("after").status == "open")
    assert set(at_venue(machine).values()) == {1}
    assert second.terminate() == 0
    code, replayed = machine.oms("replay")
    assert (code, replayed["equal"]) == (0, True)


def test_a_first_oms_that_stops_in_good_order_is_followed_at_once(machine: Any, until: Callable[..., None]) -> None:
    machine.exchange()
    first = machine.up()
    second = machine.standby()
    until(lambda: "standby" in second.said.read_text())
    assert first.terminate() == 0
    second.wait_ready()
    assert second.terminate() == 0


def test_s22_a_paused_leader_that_wakes_neither_writes_nor_sends_and_exits(
    machine: Any, until: Callable[..., None]
) -> None:
    machine.exchange()
    first = machine.up()
    second = machine.standby()
    until(lambda: "standby" in second.said.read_text())
    os.kill(first.pid, signal.SIGSTOP)
    try:
        second.wait_ready()
        with oms.connect_sync(second.ready["gateway_url"], token=machine.token) as client:
            place(client, "mine")
            until(lambda: client.order("mine").status == "open")
    finally:
        os.kill(first.pid, signal.SIGCONT)
    with oms.connect_sync(first.ready["gateway_url"], token=machine.token) as stale, pytest.raises(ClientError):
        place(stale, "stale")
    assert first.wait() == 1
    assert msgspec.json.decode(first.rest_of_stdout())["error"]["code"] == "fenced"
    assert at_venue(machine) == Counter({"mine": 1})
    code, halted = machine.oms("halt", "--reason", "who leads is found")
    assert (code, halted["items"][0]["account"], len(halted["items"][0]["halts"])) == (0, "main", 1)
    code, looked = machine.oms("doctor")
    assert (code, {each["state"] for each in looked["checks"] if each["check"] == "gateway"}) == (0, {"ok"})
    code, compared = machine.oms("reconcile")
    assert (code, compared["items"][0]["result"]) == (0, "complete")
    assert second.terminate() == 0


def test_a_command_reaches_every_oms_of_its_home_or_the_one_that_leads_its_account(machine: Any) -> None:
    machine.exchange()
    first, second = machine.up(), machine.paper()
    code, halted = machine.oms("halt", "--reason", "all of it")
    assert (code, sorted(item["account"] for item in halted["items"])) == (0, ["main", "paper"])
    code, resumed = machine.oms("resume", "--reason", "one of it", "--account", "main")
    assert (code, [item["account"] for item in resumed["items"]]) == (0, ["main"])
    code, unnamed = machine.oms("cancel", "x")
    assert (code, unnamed["error"]["code"], unnamed["error"]["outcome"]) == (1, "unknown_account", "none")
    assert "main" in unnamed["error"]["cause"]
    assert "paper" in unnamed["error"]["cause"]
    code, canceled = machine.oms("cancel-all")
    assert (code, canceled["items"]) == (0, [])
    code, compared = machine.oms("reconcile")
    assert (code, sorted(item["account"] for item in compared["items"])) == (0, ["main", "paper"])
    second.kill()
    code, halted = machine.oms("halt", "--reason", "what is left")
    assert (code, [item["account"] for item in halted["items"]]) == (0, ["main"])
    assert first.terminate() == 0


def test_an_oms_that_does_not_answer_is_named_and_the_others_do_what_was_asked(machine: Any) -> None:
    machine.exchange()
    machine.up()
    with announced(machine.home, Entry(os.getpid(), "http://127.0.0.1:1", {"mute": 1})):
        code, looked = machine.oms("doctor")
        assert (code, [each["state"] for each in looked["checks"] if each["check"] == "gateway"]) == (
            1,
            ["ok", "failed"],
        )
        code, halted = machine.oms("halt", "--reason", "all of it")
    assert (code, halted["error"]["code"], halted["error"]["outcome"]) == (1, "partly_done", "unknown")
    assert "done on main, and not known to be on mute" in halted["error"]["cause"]


def test_when_postgres_kills_every_connection_work_resumes_by_itself_and_the_leader_stays(
    machine: Any, until: Callable[..., None]
) -> None:
    machine.exchange()
    system = machine.up()
    with oms.connect_sync(system.ready["gateway_url"], token=machine.token) as client:
        place(client, "before")
        for _ in range(3):
            with psycopg.connect(system.ready["database"], autocommit=True) as operator:
                operator.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND application_name <> '' AND backend_type = 'client backend'"
                )
        place(client, "after")  # the client asks again until it is taken
        until(lambda: client.order("after").status == "open")
    assert at_venue(machine) == Counter({"before": 1, "after": 1})
    assert system.terminate() == 0
    code, replayed = machine.oms("replay")
    assert (code, replayed["equal"], replayed["seals_intact"]) == (0, True, True)


def test_reconcile_and_breaks_answer_with_and_without_an_oms(machine: Any, until: Callable[..., None]) -> None:
    machine.exchange()
    system = machine.up()
    code, compared = machine.oms("reconcile")
    assert (code, compared["items"][0]["result"], compared["items"][0]["disagreements"]) == (0, "complete", {})
    code, dry = machine.oms("reconcile", "--dry-run")
    assert (code, dry["items"][0].get("events", [])) == (0, [])
    code, listed = machine.oms("breaks")
    assert (code, listed["items"]) == (0, [])
    code, refused = machine.oms("breaks", "resolve", "balance:spot/USDT", "--reason", "none is open")
    assert (code, refused["error"]["code"]) == (1, "unknown_break")
    with oms.connect_sync(system.ready["gateway_url"], token=machine.token) as client:
        client.place(
            symbol="BTC/USDT", side="buy", type="limit", quantity="0.001", price=FAR, client_order_id="resting"
        )
        until(lambda: client.order("resting").status == "open")
    system.kill()
    code, dry = machine.oms("reconcile", "--dry-run", "--venue", "simulator")
    assert (code, dry["items"][0]["result"]) == (0, "complete")
    code, compared = machine.oms("reconcile", "--venue", "simulator")
    assert (code, compared["items"][0]["result"]) == (0, "complete")
