"""`oms replay`: fold the log from nothing, check its seals, and compare with what the projections say, and with the
memory that the next start would go on from.

No venue is asked and no socket but the database's is opened: what comes out follows from the log alone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import psycopg
import typer
from msgspec import Struct

from oms.asof import position_of
from oms.book import Book
from oms.cli.bar import bar
from oms.cli.config import ConfigFile, configured
from oms.cli.database import recorded
from oms.cli.output import REFUSED, AsJson, Output
from oms.cli.parts import Parts, Verdict
from oms.errors import CorruptStreamError, LogUnavailableError
from oms.ports import Clock
from oms.replay import fold_log, fold_on, usable
from oms.runtime import SystemClock
from oms.snapshot import Memory
from oms.store.audit import head, sealed
from oms.store.log import PostgresLog
from oms.store.seals import verify
from oms.values import AccountId

DIFFERENCES_SHOWN: Final = 20


class Replayed(Struct, frozen=True, kw_only=True):
    """What a replay found. `equal` is None where the projections stand elsewhere and were not compared. `snapshots`: in
    which parts an account's next start would not be what the log says, for each that goes on from memory that was kept.
    """

    events: int
    seconds: float
    events_per_second: int
    accounts: Mapping[str, Mapping[str, int]]  # open orders, positions and currencies of each
    seals_intact: bool
    first_wrong_position: int | None
    equal: bool | None
    compared_at: int | None
    rows: int
    differences: Sequence[object]
    snapshots: Mapping[str, Sequence[str]]

    @property
    def remembered(self) -> bool:
        """Whether the memory that was kept is the log's."""
        return not any(self.snapshots.values())

    @property
    def sound(self) -> bool:
        return self.seals_intact and self.equal is not False and self.remembered


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(replay)


def replay(
    context: typer.Context,
    *,
    to: Annotated[
        int | None, typer.Option(min=0, help="Stop at this position; the projections stand elsewhere.")
    ] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="Stop at this position or time.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Fold the log from nothing; compare with seals, projections and snapshots. Exit 1 if anything differs."""
    output = Output(as_json=as_json)
    if to is not None and as_of is not None:
        raise typer.BadParameter("--to and --as-of both say where to stop")
    with recorded(configured(config)) as url:
        upto = asyncio.run(_position(url, as_of)) if as_of is not None else to
        found = replayed(context.obj, url, output, to=upto)
    report(found, output)
    if not found.sound:
        raise typer.Exit(REFUSED)


def replayed(parts: Parts, url: str, output: Output, *, to: int | None = None) -> Replayed:
    """Replay the log at `url`. Raises LogUnavailableError, CorruptStreamError."""
    clock = SystemClock()
    last = head(url).position
    upto = last if to is None else min(to, last)
    books, seconds = _folded(url, upto, output, clock)
    broken = verify(sealed(url))
    verdict = asyncio.run(_compared(parts, url)) if to is None else None
    snapshots = {name: _remembered(url, book, upto) for name, book in sorted(books.items())}
    return Replayed(
        events=upto,
        seconds=round(seconds, 3),
        events_per_second=int(upto / max(seconds, 1e-6)),
        accounts={name: _size(book) for name, book in sorted(books.items())},
        seals_intact=broken is None,
        first_wrong_position=broken,
        equal=None if verdict is None else not verdict.differences,
        compared_at=None if verdict is None else verdict.position,
        rows=0 if verdict is None else verdict.rows,
        differences=() if verdict is None else verdict.differences,
        snapshots={name: wrong for name, wrong in snapshots.items() if wrong is not None},
    )


def report(found: Replayed, output: Output) -> None:
    """Print what a replay found."""
    if output.as_json:
        output.document(found)
        return
    output.note(f"{found.events_per_second:,} events/s; {found.rows} rows of the projections compared")
    if not found.seals_intact:
        output.say(f"replay: the seals say that position {found.first_wrong_position} is not what was recorded")
    for difference in found.differences[:DIFFERENCES_SHOWN]:
        output.say(f"replay: {difference}")
    for account, wrong in found.snapshots.items():
        if wrong:
            output.say(f"replay: the snapshot of {account} is not what the log says: {', '.join(wrong)}")
            output.say("replay: stop that account's OMS, delete the row from snapshots, and start it: it folds the log")
    if found.equal is None:
        output.say(f"replay: {found.events} events folded; the projections stand elsewhere and were not compared")
    else:
        same = found.equal and found.remembered
        output.say(f"replay: {found.events} events, state {'equal' if same else 'DIFFERENT'}")


def _folded(url: str, upto: int, output: Output, clock: Clock) -> tuple[Mapping[str, Book], float]:
    """Return every account's book as of position `upto`, and how many seconds that took."""
    started = clock.monotonic()
    with bar(output, upto, "replay") as folded:
        books = fold_log(url, upto=upto, seen=folded.advance)
    return books, clock.monotonic() - started


def _remembered(url: str, book: Book, upto: int) -> Sequence[str] | None:
    """Return in which parts what the account's next start makes of a snapshot is not `book`; None where it goes on from
    none, or from one that is later than `upto`.
    """
    found = asyncio.run(_usable(url, book.name))
    if found is None or found[1] > upto:
        return None
    memory, position = found
    folded = book.summary()
    try:
        resumed = fold_on(url, book.name, memory, after=position, upto=upto).summary()
    except CorruptStreamError as error:
        return [f"what came after it ({error.cause})"]
    return [part for part in folded if resumed[part] != folded[part]]


async def _usable(url: str, account: AccountId) -> tuple[Memory, int] | None:
    log = PostgresLog(url)
    try:
        return await usable(account, log)
    finally:
        await log.close()


async def _position(url: str, as_of: str) -> int:
    log = PostgresLog(url)
    try:
        return await position_of(log, as_of)
    finally:
        await log.close()


async def _compared(parts: Parts, url: str) -> Verdict:
    log = PostgresLog(url)
    try:
        return await parts.compare(log, url)
    except psycopg.OperationalError as error:
        raise LogUnavailableError(f"the projections cannot be read: {error}".strip()) from error
    finally:
        await log.close()


def _size(book: Book) -> Mapping[str, int]:
    return {"open_orders": len(book.open), "positions": len(book.positions), "currencies": len(book.totals)}
