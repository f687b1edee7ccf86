"""Whether the tables say what the log says: row for row, column for column, at one position."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from msgspec import Struct

from oms.ports import EventLog
from projections import checkpoint
from projections.connection import connect
from projections.fold import Rows, Twin, projectors
from projections.table import Key

PAGE: Final = 5_000
DIFFERENCES_MAX: Final = 100  # told of one comparison; a broken table has more than anybody reads


class Difference(Struct, frozen=True):
    """One value that is not what the log says; a whole row where `column` is ``*``, None where there is none."""

    table: str
    key: Key
    column: str
    of_log: object
    of_table: object


class Stored(Struct, frozen=True):
    """Every row of the tables in one snapshot, and the position they reflect."""

    position: int
    rows: Rows


class Verdict(Struct, frozen=True):
    """What a comparison found: the first differences, none if all is equal."""

    position: int
    rows: int  # compared
    differences: Sequence[Difference]


async def stored(url: str, suffix: str = "") -> Stored:
    """Return all rows as the tables hold them; those whose names end in `suffix`, where they were built beside.

    Raises:
        CheckpointsDifferError: the tables do not stand at one position.
        psycopg.Error: they cannot be read.
    """
    asked = [projector.table for projector in projectors(suffix)]
    async with (
        await connect(url, "oms_reader") as connection,
        connection.transaction(),
        connection.cursor(binary=True) as cursor,
    ):
        await cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        position = await checkpoint.read(cursor, [table.name for table in asked])
        rows = {
            table.name.removesuffix(suffix): {table.key_of(row): row for row in await table.rows(cursor)}
            for table in asked
        }
    return Stored(position, rows)


def differences(of_log: Rows, of_tables: Rows) -> Iterator[Difference]:
    """Yield every difference, in order of table and key."""
    for table in sorted({*of_log, *of_tables}):
        wanted, found = of_log.get(table, {}), of_tables.get(table, {})
        for key in sorted({*wanted, *found}):
            yield from _row_differences(table, key, wanted.get(key), found.get(key))


async def compare(log: EventLog, url: str) -> Verdict:
    """Fold the log from nothing to where the tables stand, and compare. Raises as `stored` does, CorruptStreamError and
    LogUnavailableError.
    """
    tables = await stored(url)
    twin = Twin()
    while twin.position < tables.position:
        page = await log.page(after=twin.position, limit=min(PAGE, tables.position - twin.position))
        if not page:
            break
        twin.apply(page)
    return verdict(twin, tables)


def verdict(twin: Twin, tables: Stored) -> Verdict:
    """Compare a twin with the tables at the same position."""
    if twin.position != tables.position:
        ends = Difference("projection_checkpoints", (), "position", twin.position, tables.position)
        return Verdict(tables.position, 0, (ends,))
    wanted = twin.rows()
    found = tuple(islice(differences(wanted, tables.rows), DIFFERENCES_MAX))
    return Verdict(tables.position, sum(map(len, wanted.values())), found)


def _row_differences(table: str, key: Key, of_log: Struct | None, of_table: Struct | None) -> Iterator[Difference]:
    if of_log == of_table:
        return
    if of_log is None or of_table is None:
        yield Difference(table, key, "*", of_log, of_table)
        return
    for column in of_log.__struct_fields__:
        if getattr(of_log, column) != getattr(of_table, column):
            yield Difference(table, key, column, getattr(of_log, column), getattr(of_table, column))
