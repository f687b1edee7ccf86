"""One table of rows: how they are written, and how they are read back. The columns are the fields of the row."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import fields
from psycopg import AsyncCursor
from psycopg.sql import SQL, Composed, Identifier

R = TypeVar("R", bound=Struct)
Key = tuple[str, ...]
Cursor = AsyncCursor[tuple[Any, ...]]

CHUNK_ROWS: Final = 500  # rows in one statement: bounds its text, and how long encoding holds up the loop

# One parameter whatever the number of rows and columns. Arrays, a list a column, cost the client six times as much in
# psycopg, and COPY needs a second table and statement to write over rows that are there.
_UPSERT: Final = SQL("""
INSERT INTO {table} ({columns})
SELECT {columns} FROM json_to_recordset(%s::json) AS incoming ({typed})
ON CONFLICT ({key}) DO UPDATE SET {changes}
""")
_HOLD: Final = SQL("LOCK TABLE {table} IN ACCESS SHARE MODE")
_SELECT: Final = SQL("SELECT {columns} FROM {table}")

_encoder: Final = msgspec.json.Encoder()


class Table(Generic[R]):
    """A table in Postgres. `types` gives the SQL type of every column, `key` its primary key."""

    def __init__(self, name: str, row: type[R], *, key: Key, types: Mapping[str, str]) -> None:
        self.name = name
        self.key = key
        self.columns: Sequence[str] = _columns(row)
        assert self.columns == tuple(types), f"{row.__name__} and the columns of {name} differ"
        self._row = row
        self.hold, self.select, self._upsert = _statements(name, key, tuple(types.items()))

    def key_of(self, row: R) -> Key:
        """Return the key of `row`."""
        return tuple(getattr(row, column) for column in self.key)

    async def write(self, cursor: Cursor, rows: Sequence[R]) -> None:
        """Write `rows`, each with a key of its own, over what is there. Doing it again changes nothing."""
        for start in range(0, len(rows), CHUNK_ROWS):
            body = _encoder.encode(rows[start : start + CHUNK_ROWS])
            await cursor.execute(self._upsert, (body.decode(),), prepare=True)

    async def keep(self, cursor: Cursor) -> None:
        """Let nobody put another table in its place until the transaction ends."""
        await cursor.execute(self.hold)

    async def rows(self, cursor: Cursor) -> Sequence[R]:
        """Return every row there is, in no order."""
        await cursor.execute(self.select)
        return [self.read(values) async for values in cursor]

    def read(self, values: Sequence[object]) -> R:
        """Return the row in one result of `select`."""
        return msgspec.convert(dict(zip(self.columns, values, strict=True)), self._row)


@cache
def _columns(row: type[Struct]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(row))


@cache
def _statements(name: str, key: Key, types: tuple[tuple[str, str], ...]) -> tuple[Composed, Composed, Composed]:
    """Return how the table is kept in its place, and how rows are read and written."""
    columns = [column for column, _ in types]
    upsert = _UPSERT.format(
        table=Identifier(name),
        columns=_listed(columns),
        typed=SQL(", ").join(_typed(column, kind) for column, kind in types),
        key=_listed(key),
        changes=SQL(", ").join(_excluded(column) for column in columns if column not in key),
    )
    named = Identifier(name)
    return _HOLD.format(table=named), _SELECT.format(columns=_listed(columns), table=named), upsert


def _listed(columns: Sequence[str]) -> Composed:
    return SQL(", ").join(map(Identifier, columns))


def _typed(column: str, kind: str) -> Composed:
    return SQL("{} {}").format(Identifier(column), Identifier(kind))


def _excluded(column: str) -> Composed:
    return SQL("{column} = excluded.{column}").format(column=Identifier(column))
