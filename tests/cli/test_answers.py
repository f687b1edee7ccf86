"""What the commands answer about a log that the test knows to the last digit."""

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from oms.book import Image
from oms.cli import diagnose
from oms.cli.output import Output
from oms.cli.tokens import keep_operator_token, operator_token
from oms.config import Config, load
from oms.gateway.operations import Check, Health
from tests.cli.recorded import record, remember

pytestmark = pytest.mark.postgres
Oms = Callable[..., Any]


def test_lists_say_what_the_projections_hold_digit_for_digit(oms: Oms, traded: str) -> None:
    (order,) = oms("orders", "--open", "--json").json["items"]
    assert (order["client_order_id"], order["status"]) == ("first", "partially_filled")
    assert (order["quantity"], order["cum_quantity"], order["leaves_quantity"]) == ("0.5", "0.2", "0.3")
    (fill,) = oms("fills", "--json").json["items"]
    assert (fill["exec_id"], fill["price"], fill["commission"], fill["liquidity"]) == ("t1", "99.50", "0.0199", "maker")
    (position,) = oms("positions", "--json").json["items"]
    assert (position["symbol"], position["quantity"], position["open_cost"]) == ("BTC/USDT", "0.2", "19.900")
    balances = {row["currency"]: row for row in oms("balances", "--json").json["items"]}
    assert balances["USDT"]["total"] == "980.0801"  # 1000 - 0.2 * 99.50 - 0.0199
    assert Decimal(balances["USDT"]["held"]) == Decimal("30.03")  # 0.3 * 100, the taker's fee on top
    assert balances["BTC"]["available"] == "0.2"


def test_lists_narrow_down(oms: Oms, traded: str) -> None:
    for arguments in (("--symbol", "ETH/USDT"), ("--strategy", "taker")):
        assert oms("orders", *arguments, "--json").json["items"] == []
    assert oms("fills", "--order", "other", "--json").json["items"] == []


def test_the_ledger_shows_what_each_event_moved_and_that_it_is_even(oms: Oms, traded: str) -> None:
    fill, opening = oms("ledger", "--json").json["items"]
    assert (fill["position"], fill["kind"], fill["reference"], fill["client_order_id"]) == (7, "fill", "t1", "first")
    assert fill["entries"] == {
        "wallet:spot": {"USDT": "-19.9199", "BTC": "0.2"},
        "trading": {"USDT": "19.900", "BTC": "-0.2"},
        "fees": {"USDT": "0.0199"},
    }
    assert (opening["kind"], opening["entries"]["wallet:spot"]) == ("opening", {"USDT": "1000"})
    assert "wallet:spot -19.9199 USDT" in oms("ledger", "--limit", "1").out
    books = oms("ledger", "balance", "--json").json
    assert books["unbalanced"] == {}
    assert {row["name"]: row["amount"] for row in books["items"] if row["asset"] == "USDT"} == {
        "wallet:spot": "980.0801",
        "opening": "-1000",
        "trading": "19.900",
        "fees": "0.0199",
    }
    assert [row["name"] for row in oms("ledger", "balance", "--as-of", "6", "--json").json["items"]] == [
        "opening",
        "wallet:spot",
    ]


def test_books_that_are_not_even_are_told_and_refused(oms: Oms, traded: str) -> None:
    with psycopg.connect(traded, autocommit=True) as connection:
        connection.execute("UPDATE ledger_balances SET amount = amount + 1 WHERE name = 'fees'")
    said = oms("ledger", "balance", "--json")
    assert (said.code, said.json["unbalanced"]) == (1, {"main": {"USDT": "1.0000"}})
    assert "main does not balance" in oms("ledger", "balance").out


def test_people_read_tables(oms: Oms, traded: str) -> None:
    said = oms("orders")
    assert said.code == 0
    header, row = said.out.splitlines()
    assert header.split()[0] == "client_order_id"
    assert "partially_filled" in row
    assert oms("orders", "--symbol", "ETH/USDT").out.strip() == "no orders"
    for command, word in (("fills", "t1"), ("positions", "BTC/USDT"), ("balances", "USDT")):
        said = oms(command)
        assert (said.code, word in said.out) == (0, True), said


def test_events_come_in_order_and_whole(oms: Oms, traded: str) -> None:
    events = [json.loads(line) for line in oms("events", "--json").out.splitlines()]
    assert [event["position"] for event in events] == list(range(1, 8))
    assert [event["type"] for event in events[2:]] == [
        "order-requested/1",
        "send-started/1",
        "venue-accepted/1",
        "order-filled/1",
        "fill-booked/1",
    ]
    assert events[5]["data"]["price"] == "99.50"
    assert set(events[5]["data"]) >= {"cause", "actor", "epoch", "source", "recorded_ns", "occurred_ns"}


def test_events_begin_and_narrow_where_asked(oms: Oms, traded: str) -> None:
    tail = [json.loads(line)["position"] for line in oms("events", "--from", "6", "--json").out.splitlines()]
    assert tail == [6, 7]
    polled = [json.loads(line) for line in oms("events", "--source", "poll", "--json").out.splitlines()]
    every = [json.loads(line) for line in oms("events", "--json").out.splitlines()]
    assert [each["position"] for each in polled] == [e["position"] for e in every if e["data"]["source"] == "poll"]
    assert polled
    assert oms("events", "--source", "recovered", "--json").out == ""
    lines = oms("events", "--stream", "position/", "--json").out.splitlines()
    assert [json.loads(line)["position"] for line in lines] == [7]


def test_an_order_is_explained_with_cause_actor_clocks_and_bytes(oms: Oms, traded: str) -> None:
    told = oms("explain", "first", "--json").json
    requested, sent, accepted, filled = told["steps"]
    assert (told["account"], requested["actor"], requested["source"]) == ("main", "maker", "command")
    assert (requested["status"], sent["status"], accepted["status"]) == ("new", "sending", "open")
    assert [wire["direction"] for wire in accepted["wire"]] == ["out", "in"]
    assert accepted["wire"][0]["body"] == {"size": "0.5"}
    assert filled["changed"]["cum_quantity"] == ["0", "0.2"]
    assert [effect["realized"] for effect in filled["effects"]] == ["0.000"]
    assert filled["occurred_at"] == "2023-11-14T22:13:20.123000Z"
    assert [wire["body"] for wire in filled["wire"]] == ["not JSON"]
    assert filled["after_ms"] > 0


def test_s02_an_absence_is_explained_with_every_answer_that_proves_it(
    oms: Oms, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(record(database, lost=True))
    monkeypatch.setenv("OMS_DATABASE_URL", database)
    *_, searched, proven = oms("explain", "lost", "--json").json["steps"]
    assert (searched["type"], proven["type"]) == ("venue-searched/1", "absence-proven/1")
    answers = [wire["body"] for wire in searched["wire"] if wire["direction"] == "in"]
    assert answers == ["order", "open_orders", "trades", "order_history"]
    assert "wire" not in proven  # the same ones
    said = oms("explain", "lost").out
    for what in answers:
        assert f"← venue {what} at " in said


def test_people_read_the_same_story(oms: Oms, traded: str) -> None:
    said = oms("explain", "first").out
    for word in ("buy 0.5 BTC/USDT limit 100", "order-filled", "→ venue POST /submit", "← venue ws orders", "not JSON"):
        assert word in said


def test_a_replay_is_equal_and_says_so_in_one_line(oms: Oms, traded: str) -> None:
    assert oms("replay").out == "replay: 7 events, state equal\n"
    found = oms("replay", "--json").json
    assert (found["events"], found["equal"], found["seals_intact"], found["rows"]) == (7, True, True, 13)


@pytest.mark.parametrize(
    ("position", "forged", "wrong"),
    [
        (6, lambda image: image, []),
        (7, lambda image: image, []),
        (7, lambda image: replace(image, positions={}), ["positions", "totals"]),
        (7, lambda image: replace(image, orders={}, open=()), ["open", "held"]),
    ],
    ids=["and gone on from", "whole", "without a position", "without an order"],
)
def test_memory_that_the_next_start_goes_on_from_is_compared(
    oms: Oms, traded: str, position: int, forged: Callable[[Image], Image], wrong: Sequence[str]
) -> None:
    asyncio.run(remember(traded, position, forged))
    found = oms("replay", "--json")
    assert (found.code, found.json["equal"], found.json["snapshots"]) == (1 if wrong else 0, True, {"main": wrong})
    said = oms("replay").out
    assert said.endswith(f"state {'DIFFERENT' if wrong else 'equal'}\n")
    assert ("the snapshot of main is not what the log says" in said) is bool(wrong)
    assert oms("replay", "--to", "5", "--json").json["snapshots"] == {}  # it was kept later


def test_memory_that_no_start_would_use_is_not_compared(oms: Oms, traded: str) -> None:
    asyncio.run(remember(traded, 7, lambda image: replace(image, positions={})))
    for spoiled in ("parts = '{}'", "parts = ARRAY['no'::bytea]", "digest = 'no'", "program = 'no'"):
        with psycopg.connect(traded, autocommit=True) as connection:
            connection.execute(f"UPDATE snapshots SET {spoiled}")
        assert oms("replay", "--json").json["snapshots"] == {}


def test_a_replay_up_to_a_position_folds_and_does_not_compare(oms: Oms, traded: str) -> None:
    found = oms("replay", "--to", "4", "--json").json
    assert (found["events"], found["equal"]) == (4, None)
    assert found["accounts"]["main"]["open_orders"] == 1


def test_a_row_that_somebody_changed_makes_the_replay_fail_and_is_named(oms: Oms, traded: str) -> None:
    with psycopg.connect(traded, autocommit=True) as connection:
        connection.execute(
            "UPDATE balances SET total = total + 1e-7, available = available + 1e-7 WHERE currency = 'BTC'"
        )
    said = oms("replay")
    assert said.code == 1
    assert "BTC" in said.out
    assert said.out.endswith("replay: 7 events, state DIFFERENT\n")


def test_an_event_that_somebody_changed_is_found_by_audit_and_replay(oms: Oms, traded: str, tmp_path: Path) -> None:
    anchor = tmp_path / "anchor.json"
    assert oms("audit", "anchor", str(anchor), "--json").json["position"] == 7
    assert oms("audit", "verify", "--anchor", str(anchor), "--json").json["intact"] is True
    with psycopg.connect(traded, autocommit=True) as connection:
        connection.execute("ALTER TABLE stored_events DISABLE TRIGGER append_only")
        connection.execute(
            "UPDATE stored_events SET state = convert_to(replace(convert_from(state, 'UTF8'), '\"0.5\"', '\"0.6\"'), "
            "'UTF8') WHERE topic = 'order-requested/1'"
        )
    said = oms("audit", "verify", "--json")
    assert (said.code, said.json["intact"], said.json["first_wrong_position"]) == (1, False, 3)
    assert oms("replay").code == 1


def test_s69_a_tail_that_was_cut_off_shows_against_an_anchor(oms: Oms, traded: str, tmp_path: Path) -> None:
    anchor = tmp_path / "anchor.json"
    assert oms("audit", "anchor", str(anchor)).code == 0
    with psycopg.connect(traded, autocommit=True) as connection:
        for table in ("stored_events", "seals", "venue_messages"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
        connection.execute("DELETE FROM venue_messages WHERE position >= 6")
        connection.execute("DELETE FROM stored_events WHERE notification_id >= 6")
        connection.execute("DELETE FROM seals WHERE last >= 6")
    assert oms("audit", "verify").code == 0
    said = oms("audit", "verify", "--anchor", str(anchor), "--json")
    assert (said.code, said.json["first_wrong_position"]) == (1, 6)


def test_projections_say_how_far_behind_they_are(oms: Oms, traded: str) -> None:
    with psycopg.connect(traded, autocommit=True) as connection:
        connection.execute("UPDATE projection_checkpoints SET position = 5 WHERE name = 'fills'")
    behind = {row["name"]: row["behind"] for row in oms("projections", "list", "--json").json}
    assert behind == {
        "balances": 0,
        "breaks": 0,
        "fills": 2,
        "ledger": 0,
        "ledger_balances": 0,
        "orders": 0,
        "positions": 0,
    }


def test_a_token_is_shown_once_listed_without_its_secret_and_ends_when_revoked(oms: Oms, traded: str) -> None:
    bounds = ("--symbol", "BTC/USDT", "--limit", "order_notional_max=500", "--limit", "orders_per_second=5")
    made = oms("token", "create", "--strategy", "s", "--account", "main", "--scope", "read", *bounds, "--json").json
    assert set(made) == {"id", "token"}
    listed = oms("token", "list", "--json")
    assert made["token"].rsplit("_", 1)[1] not in listed.out
    assert [(token["id"], token["revoked_at"]) for token in listed.json] == [(made["id"], None)]
    assert listed.json[0]["symbols"] == ["BTC/USDT"]
    assert listed.json[0]["limits"] == {"order_notional_max": "500", "orders_per_second": 5}
    assert oms("token", "revoke", made["id"], "--json").json == {"id": made["id"], "revoked": True}
    again = oms("token", "revoke", made["id"], "--json")
    assert (again.code, again.error["code"]) == (1, "invalid_token")


def test_a_token_for_an_account_that_never_ran_here_is_made_with_a_warning(oms: Oms, traded: str) -> None:
    known = oms("token", "create", "--strategy", "s", "--account", "main")
    unknown = oms("token", "create", "--strategy", "s", "--account", "main", "--account", "nope")
    assert (known.code, unknown.code) == (0, 0)
    assert "warning" not in known.err
    assert "no account nope has run here yet, only main" in unknown.err


@pytest.mark.parametrize("command", ["orders", "fills", "positions", "balances", "breaks", "ledger"])
@pytest.mark.parametrize("past", [(), ("--as-of", "3")])
def test_an_account_that_never_ran_here_is_named_and_not_shown_as_empty(
    oms: Oms, traded: str, command: str, past: tuple[str, ...]
) -> None:
    said = oms(command, "--account", "nope", *past, "--json")
    assert (said.code, said.error["code"], said.error["outcome"]) == (1, "unknown_account", "none")
    assert "nope" in said.error["cause"]
    assert "main" in said.error["cause"]


def test_the_books_of_an_account_that_never_ran_here_are_none(oms: Oms, traded: str) -> None:
    for command in ("balance", "drawdown"):
        said = oms("ledger", command, "--account", "nope", "--json")
        assert (said.code, said.error["code"]) == (1, "unknown_account")


def test_a_drawdown_is_told_without_exponents(oms: Oms, traded: str) -> None:
    said = oms("ledger", "drawdown", "--json")
    assert "E" not in "".join(str(value) for value in said.json["main"].values())


def test_a_document_spells_every_decimal_plainly(capfd: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).document({"a": Decimal("0E-8"), "b": [Decimal("-2E+1")], "c": (Decimal("1E-9"), "1E5", 3)})
    assert json.loads(capfd.readouterr().out) == {"a": "0.00000000", "b": ["-20"], "c": ["0.000000001", "1E5", 3]}


def test_the_operators_token_is_made_once_and_anew_when_it_opens_nothing(traded: str, home: Path) -> None:
    config = load(os.environ).config
    keep_operator_token(config, traded)
    first = operator_token(config, {})
    keep_operator_token(config, traded)
    assert operator_token(config, {}) == first
    with psycopg.connect(traded, autocommit=True) as connection:
        connection.execute("UPDATE tokens SET revoked_at = now()")
    keep_operator_token(config, traded)
    assert operator_token(config, {}) != first
    assert (home / "operator.token").stat().st_mode & 0o077 == 0
    assert operator_token(config, {"OMS_TOKEN": "mine"}) == "mine"


def test_the_doctor_finds_what_is_well_and_what_is_not(oms: Oms, traded: str, home: Path) -> None:
    said = oms("doctor", "--json", OMS__GATEWAY__PORT="1")
    states = {check["check"]: check["state"] for check in said.json["checks"]}
    assert (said.code, said.json["healthy"]) == (0, True)
    assert (states["database"], states["gateway"]) == ("ok", "warning")
    home.mkdir()
    (home / "operator.token").write_text("oms_a_b")
    (home / "operator.token").chmod(0o644)
    said = oms("doctor", "--json")
    assert (said.code, said.json["healthy"]) == (1, False)
    assert any(check["state"] == "failed" and "chmod 600" in check["fix"] for check in said.json["checks"])


def test_the_doctor_sends_nobody_to_read_models_that_are_as_far_behind_as_they_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checks = [Check(name="read models", ok=True, detail="1 events behind, 10000 are allowed")]

    async def asked(*_: object) -> tuple[Health, str]:
        return Health(ok=True, position=1, checks=checks), ""

    monkeypatch.setattr(diagnose, "_ask_ready", asked)
    assert diagnose._gateway(Config()).state == "ok"
    checks.append(Check(name="calls of main", ok=True, detail="submit has retired"))
    assert diagnose._gateway(Config()).state == "warning"


def test_a_payload_is_decoded_as_the_adapter_reads_it(oms: Oms, tmp_path: Path) -> None:
    payload = tmp_path / "answer.json"
    payload.write_text('{"code":1000,"message":"success","trace":"x","data":{"order_id":"118100034543076010"}}')
    said = oms("decode", "--market", "spot", "--kind", "rest", "--path", "/spot/v2/submit_order", str(payload))
    assert said.json == {"reports": [{"kind": "ack", "venue_order_id": "118100034543076010"}]}
    coin = '{"currency":"USDT","available_balance":"0.00000000","position_deposit":"0","frozen_balance":"0.0000000001"}'
    payload.write_text(f'{{"group":"futures/asset:USDT","data":{coin}}}')
    said = oms("decode", "--market", "futures", "--kind", "ws-private", str(payload))
    assert said.json["reports"] == [
        {"kind": "balance", "currency": "USDT", "wallet": "futures", "available": "0.00000000", "held": "0.0000000001"}
    ]


def test_the_configuration_shows_values_origins_and_no_password(oms: Oms) -> None:
    url = "postgresql://user:hunter2@host/db"
    said = oms("config", "show", "--origin", "--json", OMS_DATABASE_URL=url)
    assert said.json["database.url"] == {"value": "***", "origin": "environment OMS_DATABASE_URL"}
    assert said.json["gateway.port"] == {"value": 8700, "origin": "default"}
    assert "hunter2" not in oms("config", "show").out


def test_lists_tell_how_it_was(oms: Oms, traded: str) -> None:
    (then,) = oms("orders", "--as-of", "5", "--json").json["items"]
    assert (then["status"], then["cum_quantity"]) == ("open", "0")
    assert oms("positions", "--as-of", "5", "--json").json == {"position": 5, "items": []}
    balances = {row["currency"]: row["total"] for row in oms("balances", "--as-of", "5", "--json").json["items"]}
    assert balances == {"USDT": "1000"}
    assert oms("balances", "--as-of", "7", "--json").json["items"] == oms("balances", "--json").json["items"]
    assert oms("fills", "--as-of", "2000-01-01T00:00:00Z", "--json").json["items"] == []
    assert len(oms("fills", "--as-of", "2100-01-01T00:00:00Z", "--json").json["items"]) == 1
    refused = oms("orders", "--as-of", "8", "--json")
    assert (refused.code, refused.error["code"]) == (1, "invalid_as_of")


def test_a_replay_stops_at_a_time(oms: Oms, traded: str) -> None:
    assert oms("replay", "--as-of", "2100-01-01T00:00:00Z", "--json").json["events"] == 7
    assert oms("replay", "--as-of", "2000-01-01T00:00:00Z", "--json").json["events"] == 0
    assert oms("replay", "--as-of", "3", "--to", "3", "--json").code == 2


def test_read_models_are_rebuilt_and_the_differing_rows_told(oms: Oms, traded: str) -> None:
    with psycopg.connect(traded, autocommit=True) as connection:
        connection.execute("UPDATE balances SET total = total + 1, available = available + 1 WHERE currency = 'BTC'")
    assert oms("replay", "--json").json["equal"] is False
    rebuilt = oms("projections", "rebuild", "--json").json
    assert rebuilt["position"] == 7
    assert {table["table"]: table["changed"] for table in rebuilt["tables"]} == {
        "orders": 0,
        "fills": 0,
        "positions": 0,
        "balances": 1,
        "breaks": 0,
        "ledger": 0,
        "ledger_balances": 0,
    }
    assert oms("replay", "--json").json["equal"] is True
    assert "all as before" in oms("projections", "rebuild", "balances").out
    assert oms("projections", "rebuild", "nothing", "--json").error["code"] == "no_such_projection"
