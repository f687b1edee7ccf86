"""The trail in files: every event, whole, with its seal."""

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oms.store.audit import sealed

pytestmark = pytest.mark.postgres
Oms = Callable[..., Any]


def seals(url: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for batch in sealed(url):
        assert batch.seal is not None
        found |= {event.position: batch.seal.seal.hex() for event in batch.events}
    return found


def test_json_lines_hold_every_event_whole(oms: Oms, traded: str, tmp_path: Path) -> None:
    file = tmp_path / "trail.jsonl"
    done = oms("audit", "export", "--format", "jsonl", "--out", str(file), "--json")
    assert done.json == {"events": 7, "format": "jsonl", "file": str(file)}
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert {row["position"]: row["seal"] for row in rows} == seals(traded)
    filled = rows[5]
    assert (filled["type"], filled["body"]["price"], filled["account"]) == ("order-filled/1", "99.50", "main")
    assert (filled["source"], filled["occurred_ns"]) == ("stream", 1_700_000_000_123_000_000)
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("trail")] == ["trail.jsonl"]
    assert oms("audit", "export", "--format", "jsonl", "--json").out == file.read_text()


def test_a_spreadsheet_reads_the_same(oms: Oms, traded: str, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(oms("audit", "export", "--format", "csv").out)))
    assert [int(row["position"]) for row in rows] == list(range(1, 8))
    assert {int(row["position"]): row["seal"] for row in rows} == seals(traded)
    assert json.loads(rows[5]["body"])["quantity"] == "0.2"
    assert rows[0]["occurred_ns"] == ""


def test_a_part_of_the_trail_is_asked_for_by_position(oms: Oms, traded: str) -> None:
    lines = oms("audit", "export", "--format", "jsonl", "--from", "3", "--to", "5").out.splitlines()
    assert [json.loads(line)["position"] for line in lines] == [3, 4, 5]
    assert oms("audit", "export", "--format", "jsonl", "--from", "8").out == ""


def test_parquet_without_its_package_says_how_to_get_it(
    oms: Oms, traded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = oms("audit", "export", "--format", "parquet", "--out", str(tmp_path / "t.parquet"), "--json")
    assert (done.code, done.error["code"]) == (1, "no_parquet")
    assert "oms[parquet]" in done.error["next_step"]
    assert not list(tmp_path.glob("t.parquet*"))


def test_parquet_holds_the_same_columns(oms: Oms, traded: str, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the optional package pyarrow is not installed")
    file = tmp_path / "t.parquet"
    assert oms("audit", "export", "--format", "parquet", "--out", str(file), "--json").json["events"] == 7
    rows = parquet.read_table(file).to_pylist()
    assert {row["position"]: row["seal"] for row in rows} == seals(traded)
    assert json.loads(rows[5]["body"])["price"] == "99.50"


@pytest.mark.parametrize("arguments", [("--format", "parquet"), ("--format", "csv", "--json"), ("--format", "xml"), ()])
def test_what_cannot_be_meant_is_a_usage_error(oms: Oms, traded: str, arguments: tuple[str, ...]) -> None:
    assert oms("audit", "export", *arguments).code == 2


def test_a_file_that_cannot_be_written_is_named(oms: Oms, traded: str, tmp_path: Path) -> None:
    done = oms("audit", "export", "--format", "csv", "--out", str(tmp_path / "no" / "t.csv"), "--json")
    assert (done.code, done.error["code"]) == (1, "file")
