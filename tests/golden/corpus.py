"""The golden corpus: whole histories as they were written once, each with the rows that it was read as then.

A chapter is two files that nobody edits, `NAME.jsonl` (the log, one stored event a line) and `NAME.rows.json` (every
read model's rows). `SUMS` names each file with its digest, so that a change shows twice in a review.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from oms.book import Book
from oms.ports import StoredEvent
from oms.store.codec import CODEC, UPCASTS
from oms.values import plain
from projections.fold import Rows, Twin

HERE = Path(__file__).parent
SUMS = HERE / "SUMS"
SHAPES = HERE.parent / "store" / "shapes"

Shown = Mapping[str, Sequence[Mapping[str, Any]]]  # by table: its rows in the order of their keys


class _Line(msgspec.Struct):
    stream: str
    version: int
    topic: str
    body: msgspec.Raw


def chapters() -> list[str]:
    """Return the names of all chapters, the oldest first."""
    return sorted(file.stem for file in HERE.glob("*.jsonl"))


def missing() -> list[str]:
    """Return what was ever written and has no place in a golden log yet: topics, and fields that a topic gained."""
    seen: dict[str, set[str]] = {}
    for chapter in chapters():
        for each in log_of(chapter):
            seen.setdefault(each.topic, set()).update(json.loads(each.state))
    gained = [file.stem.split(".", 2) for file in SHAPES.glob("*.json") if file.stem.count(".") > 1]
    fields = [f"{name}/{version}: {field}" for name, version, field in gained if field not in seen[f"{name}/{version}"]]
    return sorted([*({*CODEC.topics, *UPCASTS} - set(seen)), *fields])


def log_of(chapter: str) -> list[StoredEvent]:
    """Return a chapter's log as a database gives it back."""
    return read_log(HERE / f"{chapter}.jsonl")


def read_log(file: Path) -> list[StoredEvent]:
    """Return the log in a file, one stored event a line, as a database gives it back."""
    read = [msgspec.json.decode(line, type=_Line) for line in file.read_bytes().splitlines()]
    return [
        StoredEvent(position, each.stream, each.version, each.topic, bytes(each.body))
        for position, each in enumerate(read, 1)
    ]


def golden_rows(chapter: str) -> Shown:
    """Return the rows that the chapter was read as when it was written."""
    found: Shown = json.loads((HERE / f"{chapter}.rows.json").read_text())
    return found


def shown(rows: Rows) -> Shown:
    """Return rows as the golden files spell them."""
    return {
        table: [_spelled(msgspec.to_builtins(row, builtin_types=[Decimal])) for _, row in sorted(found.items())]
        for table, found in sorted(rows.items())
    }


def _spelled(value: Any) -> Any:
    """Return what JSON takes: amounts as text, without the zeros at their end, which mean nothing."""
    match value:
        case Decimal():
            whole, _, places = plain(value).partition(".")
            return f"{whole}.{places}".rstrip("0").rstrip(".") if places else whole
        case dict():
            return {key: _spelled(each) for key, each in value.items()}
        case list() | tuple():
            return [_spelled(each) for each in value]
        case _:
            return value


def rows_now(log: Sequence[StoredEvent]) -> Shown:
    """Return what the newest code reads a log as. Raises CorruptStreamError."""
    twin = Twin()
    twin.apply(log)
    accounts = [_account(book) for _, book in sorted(twin.accounts.books.items())]
    return {**shown(twin.rows()), "accounts": accounts}


def _account(book: Book) -> Mapping[str, Any]:
    """Return what of an account no table shows, and what it adds up to."""
    account = book.account
    halts = [[*scope, halt.reason, halt.halt_id] for scope, halt in account.halts.items()]
    return {
        "account": book.name,
        "version": account.version,
        "position_mode": account.position_mode,
        "mode_requested": account.mode_requested,
        "covered_ms": account.covered_ms,
        "halts": halts,
        "totals": _spelled(dict(sorted(book.totals.items()))),
        "held": _spelled(dict(sorted(book.held.items()))),
    }


def digests() -> dict[str, str]:
    """Return the digest of every file of the corpus, by name."""
    files = sorted([*HERE.glob("*.jsonl"), *HERE.glob("*.rows.json")])
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def recorded_digests() -> dict[str, str]:
    """Return the digests as `SUMS` has them."""
    lines = SUMS.read_text().splitlines() if SUMS.exists() else []
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def write_chapter(chapter: str, log: Sequence[StoredEvent]) -> None:
    """Write a chapter that is not there yet, and its digests. Raises FileExistsError."""
    write_log(HERE / f"{chapter}.jsonl", log)
    with (HERE / f"{chapter}.rows.json").open("x") as rows:
        rows.write(json.dumps(rows_now(log), indent=1) + "\n")
    known, now = recorded_digests(), digests()
    SUMS.write_text("".join(f"{known.get(name, now[name])}  {name}\n" for name in sorted(now)))


def write_log(path: Path, log: Sequence[StoredEvent]) -> None:
    """Write a log into a file that is not there yet. Raises FileExistsError."""
    with path.open("xb") as file:
        for each in log:
            head = {"stream": each.stream, "version": each.version, "topic": each.topic}
            file.write(msgspec.json.encode({**head, "body": msgspec.Raw(each.state)}) + b"\n")
