"""Health, figures and the description: what whoever runs the OMS reads."""

import asyncio
import re
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import msgspec
import pytest

from oms import system
from oms.book import account_stream
from oms.breaks.decisions import Disagreement, DisagreementsReport
from oms.breaks.events import BreakKind
from oms.gateway import health
from oms.gateway.routes import ROUTES
from oms.gateway.tokens import Scope
from oms.lease import Lease
from oms.ports import AppendOutcome, Batch
from tests.gateway.house import MAIN, SETTINGS, House


async def test_a_living_process_says_so_without_a_token(house: House) -> None:
    answer = await house.call("GET", "/health/live", token=None)
    assert (answer.status, answer.json["ok"]) == (200, True)
    assert answer.headers["OMS-Position"] == str(answer.json["position"])


async def test_ready_names_every_promise(house: House) -> None:
    house.promises["private stream"] = lambda: None
    answer = await house.call("GET", "/health/ready", token=None)
    assert (answer.status, answer.json["ok"]) == (200, True)
    assert [check["name"] for check in answer.json["checks"]] == [
        "log",
        "account main",
        "read models",
        "private stream",
    ]


async def test_ready_says_which_promise_is_broken(house: House) -> None:
    house.engine.trading = False
    house.reads.down = True
    house.promises["private stream"] = lambda: "silent for 30 s"
    answer = await house.call("GET", "/health/ready", token=None)
    assert (answer.status, answer.json["ok"]) == (503, False)
    broken = {check["name"]: check["detail"] for check in answer.json["checks"] if not check["ok"]}
    assert broken == {
        "account main": "has not been reconciled with its venue yet",
        "read models": "the read models cannot be read",
        "private stream": "silent for 30 s",
    }


async def test_a_commit_that_hangs_is_a_broken_promise_until_it_ends(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "COMMIT_SECONDS", 0.1)
    go, append = asyncio.Event(), house.log.append

    async def hanging(batch: Batch) -> AppendOutcome:
        await go.wait()
        return await append(batch)

    monkeypatch.setattr(house.log, "append", hanging)
    placing = asyncio.ensure_future(house.place())  # noqa: TID251 - the test's own task
    await asyncio.sleep(0.05)
    assert (await house.call("GET", "/health/ready", token=None)).status == 200, "commits take a moment"
    await asyncio.sleep(0.1)
    answer = await house.call("GET", "/health/ready", token=None)
    assert answer.status == 503
    (broken,) = [check for check in answer.json["checks"] if not check["ok"]]
    assert broken["name"] == "account main"
    assert "the log has not said for 0 seconds what became of the last commands" in broken["detail"]
    go.set()
    await placing
    assert (await house.call("GET", "/health/ready", token=None)).status == 200


async def test_a_database_that_says_nothing_keeps_no_health_waiting_and_is_asked_by_one_question_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, asked, head = asyncio.Event(), 0, house.log.head

    async def hanging() -> int:
        nonlocal asked
        asked += 1
        await go.wait()
        return await head()

    monkeypatch.setattr(house.log, "head", hanging)
    await house.stop()
    await house.serve()
    house.promises["database"] = lambda: "server process 7 has kept 8 waiting for 3 s"
    for _ in range(3):
        async with asyncio.timeout(2):
            answer = await house.call("GET", "/health/ready", token=None)
            figures = (await house.call("GET", "/metrics", token=None)).json.decode()
        assert answer.status == 503
        broken = {check["name"]: check["detail"] for check in answer.json["checks"] if not check["ok"]}
        silent = "the database has not answered within 0.8 seconds"
        assert broken == {
            "log": silent,
            "read models": silent,
            "database": "server process 7 has kept 8 waiting for 3 s",
        }
        assert answer.json["position"] == house.engine.position, "as far as is known"
        assert f"oms_log_position {house.engine.position}.0" in figures
    assert asked == 2, "one for the log and one for the read models, which look there in this house"
    go.set()
    await asyncio.sleep(0)
    assert (await house.call("GET", "/health/ready", token=None)).status == 503, "the database's own word has its time"
    del house.promises["database"]
    assert (await house.call("GET", "/health/ready", token=None)).status == 200


async def test_a_lease_that_is_not_fresh_is_a_broken_promise_of_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(system, "build", lambda **parts: given.update(parts))
    lease, anything = SimpleNamespace(fresh=True), MagicMock()
    account = system.Account(anything, anything, anything, anything, cast("Lease", lease))
    system._application(MagicMock(accounts={MAIN: account}, config=MagicMock(wind_down=None)))
    promise = given["promises"]["lease of main"]
    assert promise() is None
    lease.fresh = False
    assert promise() == "not renewed a moment ago: nothing is sent to the venue before it is"


async def test_ready_shows_what_a_person_should_look_at_and_is_ready_all_the_same(house: House) -> None:
    house.alerts["protection of main"] = lambda: "BTC/USDT:USDT/net: 3 must have a live stop, 0 have one"
    house.alerts["protection of other"] = lambda: None
    answer = await house.call("GET", "/health/ready", token=None)
    assert (answer.status, answer.json["ok"]) == (200, True)
    remarks = {check["name"]: check["detail"] for check in answer.json["checks"] if check.get("detail")}
    assert remarks == {"protection of main": "BTC/USDT:USDT/net: 3 must have a live stop, 0 have one"}


async def test_read_models_that_are_far_behind_are_a_broken_promise() -> None:
    async with House.opened(settings=msgspec.structs.replace(SETTINGS, lag_max=1)) as house:
        house.reads.held_at = 1
        answer = await house.call("GET", "/health/ready", token=None)
        assert answer.status == 503
        assert "2 events behind, 1 are allowed" in {check.get("detail") for check in answer.json["checks"]}


async def test_how_far_read_models_are_behind_is_shown_also_while_it_is_allowed(house: House) -> None:
    house.reads.held_at = 1  # whoever writes them waits, whatever for
    answer = await house.call("GET", "/health/ready", token=None)
    (reads,) = [check for check in answer.json["checks"] if check["name"] == "read models"]
    assert (answer.status, reads["ok"]) == (200, True)
    assert reads["detail"] == "2 events behind, 10000 are allowed"


async def test_figures_count_commands_refusals_commits_and_lag(house: House) -> None:
    await house.place()
    await house.place(quantity="0.02")
    await house.place(client_order_id="c2", quantity="1000")
    await house.cancel("c1")
    house.reads.held_at = 2
    figures = (await house.call("GET", "/metrics", token=None)).json.decode()
    for line in (
        'oms_commands_total{command="place",outcome="accepted"} 1.0',
        'oms_commands_total{command="place",outcome="denied"} 1.0',
        'oms_commands_total{command="cancel",outcome="accepted"} 1.0',
        'oms_refusals_total{code="duplicate_client_order_id"} 1.0',
        'oms_refusals_total{code="insufficient_funds"} 1.0',
        'oms_open_orders{account="main"} 1.0',
        f"oms_log_position {await house.log.head()}.0",
        f"oms_projection_lag_events {await house.log.head() - 2}.0",
        'oms_http_seconds_count{route="POST /v1/orders"} 3.0',
    ):
        assert line in figures
    assert re.search(r'oms_commit_events_count\{account="main"\} 3\.0', figures)


async def test_the_description_is_made_of_what_serves(house: House) -> None:
    described = (await house.call("GET", "/openapi.json", token=None)).json
    assert described["openapi"] == "3.1.0"
    for route in ROUTES:
        operation = described["paths"][route.path][route.method.lower()]
        assert route.scope in operation["description"]
        assert str(route.status) in operation["responses"]
    names = set(re.findall(r'"#/components/schemas/(\w+)"', msgspec.json.encode(described).decode()))
    assert names <= set(described["components"]["schemas"])
    amount = described["components"]["schemas"]["PlaceBody"]["properties"]["quantity"]["anyOf"][0]
    assert amount["type"] == "string"
    parameters = {p["name"] for p in described["paths"]["/v1/orders"]["get"]["parameters"]}
    assert parameters == {"open", "account", "symbol", "strategy", "limit", "cursor", "min_position", "as_of"}
    assert described["components"]["schemas"]["PlaceBody"]["additionalProperties"] is False


# Bars need a symbol, and a venue: tests/gateway/test_candles.py asks for them.
@pytest.mark.parametrize(
    "path", [route.path for route in ROUTES if route.method == "GET" and route.path != "/v1/candles"]
)
async def test_every_answer_carries_its_position(house: House, path: str) -> None:
    await house.place()
    answer = await house.call("GET", path.replace("{client_order_id}", "c1"))
    assert answer.status == 200
    assert answer.headers["OMS-Position"] == str(answer.json["position"])
    assert answer.json["position"] >= 1


@pytest.mark.parametrize("path", ["/v1/orders/none", "/v1/nothing"])
async def test_a_refusal_carries_its_position_too(house: House, path: str) -> None:
    answer = await house.call("GET", path)
    assert answer.headers["OMS-Position"] == str(answer.json["position"]) == str(await house.log.head())


async def test_an_answer_about_breaks_shows_nothing_that_is_not_in_the_log(house: House) -> None:
    def told(*subjects: str) -> DisagreementsReport:
        return DisagreementsReport(
            kinds=frozenset({BreakKind.PROTECTION}),
            unsure=frozenset(),
            disagreements=tuple(
                Disagreement(kind=BreakKind.PROTECTION, subject=each, ours="1", theirs="0", difference=Decimal(-1))
                for each in subjects
            ),
            at_ns=house.clock.now_ns(),
        )

    stream = account_stream(MAIN)
    await house.engine.report([(stream, told("a"))])
    (name,) = house.engine.book.account.breaks.open
    append = house.log.append

    async def slow(batch: Batch) -> AppendOutcome:
        await asyncio.sleep(0.3)
        return await append(batch)

    house.log.append = slow  # type: ignore[method-assign]
    admin = house.tokens.create("boss", scopes=(Scope.READ, Scope.RISK_WRITE))
    body = {"break_id": name, "reason": "r"}
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(house.call("POST", "/v1/breaks/explain", body, token=admin))
        await asyncio.sleep(0.1)
        second = group.create_task(house.engine.report([(stream, told("a", "b"))]))
        answer = await asking
        assert not second.done()
    assert [each["break_id"] for each in answer.json["items"]] == [name]
