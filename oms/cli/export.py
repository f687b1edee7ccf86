"""`oms audit export`: the trail, event by event, each with the seal of the commit that it stands in."""

import csv
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import msgspec
import typer
from msgspec import Struct

from oms.cli.bar import bar
from oms.cli.config import ConfigFile, configured
from oms.cli.database import recorded
from oms.cli.output import AsJson, Output
from oms.cli.story import body_of, instant
from oms.cli.wire import FileError
from oms.errors import OmsError
from oms.store.audit import head, sealed
from oms.store.codec import decode_meta

ROWS: Final = 20_000  # of one row group of a parquet file
TELL: Final = 1_000  # events between looks of the progress bar


class Format(StrEnum):
    """How the trail is written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Row(Struct, frozen=True, kw_only=True):
    """One event of the trail. Times are UTC; `body` is the event's own fields as JSON; `seal` is hexadecimal."""

    position: int
    at: str
    at_ns: int
    occurred_ns: int | None
    type: str
    account: str
    stream: str
    version: int
    actor: str
    source: str
    cause: str
    id: str
    epoch: int
    body: str
    seal: str


class NoParquetError(OmsError):
    """What writes parquet is not installed."""

    code = "no_parquet"
    next_step = "pip install 'oms[parquet]', or choose --format csv or jsonl"


def export(
    *,
    kind: Annotated[Format, typer.Option("--format", help="csv, jsonl or parquet.")],
    out: Annotated[Path | None, typer.Option(help="The file to write; stdout without (not for parquet).")] = None,
    start: Annotated[int, typer.Option("--from", min=1, help="The first position.")] = 1,
    to: Annotated[int | None, typer.Option(min=1, help="The last position; the head of the log without.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write the trail of the log: every event with its time, its cause, its actor and its seal."""
    output = Output(as_json=as_json)
    if out is None and (kind is Format.PARQUET or (as_json and kind is not Format.JSONL)):
        raise typer.BadParameter(f"--format {kind} needs --out here")
    write = _parquet() if kind is Format.PARQUET else _csv if kind is Format.CSV else _jsonl
    with recorded(configured(config)) as url:
        last = min(head(url).position, to or 2**63)
        with bar(output, max(last - start + 1, 0), "export") as shown:
            rows = _told(_rows(url, start, last), shown.advance)
            written = _to_stdout(write, rows) if out is None else _to_file(write, rows, out)
    if out is None:
        return
    if as_json:
        output.document({"events": written, "format": kind, "file": str(out)})
    else:
        output.say(f"{written} events in {out}")


def _rows(url: str, start: int, last: int) -> Iterator[Row]:
    """Yield the trail from position `start` to `last`. Raises LogUnavailableError."""
    for batch in sealed(url):
        if batch.seal is None or batch.seal.first > last:
            return
        for event in batch.events:
            if not start <= event.position <= last:
                continue
            meta = decode_meta(event.state)
            yield Row(
                position=event.position,
                at=instant(meta.recorded_ns),
                at_ns=meta.recorded_ns,
                occurred_ns=meta.occurred_ns,
                type=event.topic,
                account=event.stream.split("/", 2)[1],
                stream=event.stream,
                version=event.version,
                actor=meta.actor,
                source=meta.source,
                cause=meta.cause,
                id=meta.id,
                epoch=meta.epoch,
                body=msgspec.json.encode(body_of(event)).decode(),
                seal=batch.seal.seal.hex(),
            )


def _told(rows: Iterable[Row], advance: Callable[[int], None]) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        if number % TELL == 0:
            advance(TELL)
        yield row


# ---------------------------------------------------------------------------------------------------- writing

Write = Callable[[BinaryIO, Iterable[Row]], int]  # returns how many rows


def _to_stdout(write: Write, rows: Iterable[Row]) -> int:
    written = write(sys.stdout.buffer, rows)
    sys.stdout.buffer.flush()
    return written


def _to_file(write: Write, rows: Iterable[Row], file: Path) -> int:
    """Write beside and rename, so that a file that is there is whole. Raises FileError."""
    fresh = file.with_name(file.name + ".part")
    try:
        with fresh.open("wb") as opened:
            written = write(opened, rows)
            opened.flush()
            os.fsync(opened.fileno())
        fresh.replace(file)
    except OSError as error:
        raise FileError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
    return written


def _jsonl(out: BinaryIO, rows: Iterable[Row]) -> int:
    """A line an event; `body` is the object itself."""
    written = 0
    for written, row in enumerate(rows, 1):  # noqa: B007 - the count is what is returned
        fields: dict[str, Any] = msgspec.to_builtins(row)
        out.write(msgspec.json.encode({**fields, "body": msgspec.Raw(row.body.encode())}) + b"\n")
    return written


def _csv(out: BinaryIO, rows: Iterable[Row]) -> int:
    """RFC 4180 with a header; `body` is JSON in a field."""
    lines = csv.writer(_Text(out))
    lines.writerow(Row.__struct_fields__)
    written = 0
    for written, row in enumerate(rows, 1):  # noqa: B007 - as above
        lines.writerow(getattr(row, name) for name in Row.__struct_fields__)
    return written


class _Text:
    """A text file over a binary one that stays open when this is gone."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        return self._out.write(text.encode())


def _parquet() -> Write:
    """Return what writes parquet. Raises NoParquetError."""
    try:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise NoParquetError("pyarrow is not installed") from error
    integers = {"position", "at_ns", "occurred_ns", "version", "epoch"}
    schema = arrow.schema(
        [(name, arrow.int64() if name in integers else arrow.string()) for name in Row.__struct_fields__]
    )

    def write(out: BinaryIO, rows: Iterable[Row]) -> int:
        written, source = 0, iter(rows)
        with parquet.ParquetWriter(out, schema, compression="zstd") as file:
            while group := [msgspec.to_builtins(row) for row in islice(source, ROWS)]:
                file.write_table(arrow.Table.from_pylist(group, schema=schema))
                written += len(group)
        return written

    return write
