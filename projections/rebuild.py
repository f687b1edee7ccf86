"""Read models made anew from the log, beside the live ones: built, compared row by row, swapped in one transaction.

Whoever reads sees the old rows until the swap and the new ones after it. Whoever projects waits for the swap only: its
checkpoint is locked while the last few events are folded and the rows are compared, at the very same position.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from msgspec import Struct
from psycopg.sql import SQL, Composed, Identifier, Literal

from oms.errors import LogUnavailableError, OmsError
from oms.ports import Clock, EventLog, Spawn
from projections.connection import Connection, connect
from projections.fold import projectors
from projections.runner import Runner
from projections.table import Table

SUFFIX: Final = "_rebuilt"
LOOK_SECONDS: Final = 0.1  # between looks at how far the building is
SHOWN_MAX: Final = 20  # differing rows that are named, of one table
LOCK_SECONDS: Final = 30  # that the swap waits for whoever reads the tables at that moment
TURN: Final = 0x6F6D732E7265  # "oms.re": one rebuild at a time in a database


class NoSuchProjectionError(OmsError):
    """There is no read model of that name."""

    code = "no_such_projection"
    next_step = "oms projections list names them"


class RebuildBusyError(OmsError):
    """Another rebuild runs, or somebody holds the tables."""

    code = "rebuild_busy"
    retryable = True
    next_step = "try again when it is over; the live tables are as they were"


class NotAlongsideError(OmsError):
    """One read model cannot be rebuilt alone while the others stand at different positions."""

    code = "projections_differ"
    next_step = "rebuild all of them: oms projections rebuild"


class TableDifference(Struct, frozen=True, kw_only=True):
    """What the live table said otherwise: rows it lacked, rows it should not have had, rows that were wrong."""

    table: str
    rows: int
    missing: int
    extra: int
    changed: int
    examples: Sequence[Sequence[str]]  # keys


class Rebuilt(Struct, frozen=True, kw_only=True):
    """What a rebuild did. `position` is where the tables stand now."""

    position: int
    seconds: float
    tables: Sequence[TableDifference]


async def rebuild(
    log: EventLog,
    url: str,
    *,
    name: str | None,
    clock: Clock,
    spawn: Spawn,
    progress: Callable[[int, int], None],
) -> Rebuilt:
    """Build every read model beside the live ones, and swap the one of that `name` (None: all of them).

    `progress` is told how far it is, of how much.

    Raises:
        NoSuchProjectionError, RebuildBusyError, NotAlongsideError: nothing was changed.
        LogUnavailableError: the database is not there.
    """
    started = clock.monotonic()
    beside = projectors(SUFFIX)
    live = [projector.table.name.removesuffix(SUFFIX) for projector in beside]
    if name is not None and name not in live:
        raise NoSuchProjectionError(f"no read model is called {name[:64]!r}: there are {', '.join(live)}")
    swapped = live if name is None else [name]
    try:
        async with _turn(url) as owner:
            await _make(owner, live)
            try:
                head = await log.head()
                target = _target(await _positions(owner, live), swapped, head)
                await _build(log, url, target, clock=clock, spawn=spawn, progress=progress)
                async with owner.transaction():
                    await owner.execute(SQL("SET LOCAL lock_timeout = {}").format(Literal(f"{LOCK_SECONDS}s")))
                    positions = await _positions(owner, live, lock=True)
                    target = _target(positions, swapped, await log.head())
                    await _build(log, url, target, clock=clock, spawn=spawn, progress=progress)
                    tables = [
                        await _compare(owner, projector.table)
                        for projector in beside
                        if projector.table.name.removesuffix(SUFFIX) in swapped
                    ]
                    for each in swapped:
                        await _swap(owner, each, target)
            finally:
                await _drop(owner, live)
    except psycopg.errors.LockNotAvailable as error:
        raise RebuildBusyError("somebody holds the tables") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise LogUnavailableError(f"the read models cannot be rebuilt: {error}".strip()) from error
    return Rebuilt(position=target, seconds=round(clock.monotonic() - started, 3), tables=tables)


@asynccontextmanager
async def _turn(url: str) -> AsyncIterator[Connection]:
    """Yield the owner's connection while nobody else rebuilds. Raises RebuildBusyError."""
    async with await connect(url, "oms_owner") as owner:
        asked = await owner.execute("SELECT pg_try_advisory_lock(%s)", (TURN,))
        if await asked.fetchone() != (True,):
            raise RebuildBusyError("another rebuild runs on this database")
        yield owner


def _target(positions: Mapping[str, int], swapped: Sequence[str], head: int) -> int:
    """Return where the new tables have to stand: where those are that stay, or as far as the others ever came."""
    staying = {position for each, position in positions.items() if each not in swapped}
    if len(staying) > 1:
        raise NotAlongsideError(f"the read models stand at different positions: {dict(positions)}")
    target = staying.pop() if staying else max(positions.values(), default=head)
    return min(target, head)


async def _positions(owner: Connection, names: Sequence[str], *, lock: bool = False) -> Mapping[str, int]:
    """Return the checkpoints of `names`; with `lock`, keep them from moving until the transaction ends."""
    asked = await owner.execute(
        SQL(
            "SELECT name, position FROM public.projection_checkpoints WHERE name = ANY(%s::text[]) ORDER BY name {}"
        ).format(SQL("FOR UPDATE" if lock else "")),
        (list(names),),
    )
    return dict(await asked.fetchall())


async def _make(owner: Connection, names: Sequence[str]) -> None:
    """Make empty tables beside those of `names`, exactly like them."""
    await _drop(owner, names)
    for name in names:
        beside = Identifier(name + SUFFIX)
        await owner.execute(
            SQL("CREATE TABLE public.{} (LIKE public.{} INCLUDING ALL)").format(beside, Identifier(name))
        )
        await owner.execute(
            SQL(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON public.{0} TO oms_projector; "
                "GRANT SELECT ON public.{0} TO oms_reader"
            ).format(beside)
        )


async def _drop(owner: Connection, names: Sequence[str]) -> None:
    beside = [name + SUFFIX for name in names]
    for name in beside:
        await owner.execute(SQL("DROP TABLE IF EXISTS public.{}").format(Identifier(name)))
    await owner.execute("DELETE FROM public.projection_checkpoints WHERE name = ANY(%s::text[])", (beside,))


async def _build(
    log: EventLog, url: str, target: int, *, clock: Clock, spawn: Spawn, progress: Callable[[int, int], None]
) -> None:
    """Bring the new tables to `target`."""
    runner = Runner(log, url, clock=clock, spawn=spawn, into=projectors(SUFFIX), last=target)
    try:
        async with asyncio.TaskGroup() as both:
            building = both.create_task(runner.run_to_end())
            while not building.done():
                progress(runner.position, target)
                await asyncio.wait({building}, timeout=LOOK_SECONDS)
    except ExceptionGroup as troubles:
        raise troubles.exceptions[0] from troubles
    progress(target, target)


async def _compare(owner: Connection, table: Table[Any]) -> TableDifference:
    """Count the rows in which the live table and the new one differ, and name some."""
    name = table.name.removesuffix(SUFFIX)
    columns = SQL(", ").join(map(Identifier, table.columns))
    key = SQL(", ").join(map(Identifier, table.key))
    differing = SQL("""
        SELECT {key}, was IS NULL AS missing, is_now IS NULL AS extra
        FROM (SELECT {key}, ROW({columns}) AS was FROM public.{live}) AS live
        FULL JOIN (SELECT {key}, ROW({columns}) AS is_now FROM public.{beside}) AS beside USING ({key})
        WHERE was IS DISTINCT FROM is_now
    """).format(key=key, columns=columns, live=Identifier(name), beside=Identifier(table.name))
    counted = await owner.execute(
        SQL(
            "SELECT count(*) FILTER (WHERE missing), count(*) FILTER (WHERE extra),"
            " count(*) FILTER (WHERE NOT missing AND NOT extra) FROM ({}) AS differing"
        ).format(differing)
    )
    row = await counted.fetchone()
    assert row is not None
    shown = await owner.execute(
        SQL("SELECT {} FROM ({}) AS differing ORDER BY {} LIMIT {}").format(key, differing, key, Literal(SHOWN_MAX))
    )
    examples = [tuple(map(str, found)) for found in await shown.fetchall()]
    total = await (await owner.execute(_count(table.name))).fetchone()
    assert total is not None
    missing, extra, changed = row
    return TableDifference(table=name, rows=total[0], missing=missing, extra=extra, changed=changed, examples=examples)


def _count(name: str) -> Composed:
    return SQL("SELECT count(*) FROM public.{}").format(Identifier(name))


_INDEXES: Final = """
SELECT relname, split_part(pg_get_indexdef(indexrelid), ' USING ', 2) || indisunique
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indrelid = to_regclass(%s)
"""


async def _indexes(owner: Connection, name: str) -> Mapping[str, str]:
    """Return the names of a table's indexes by what they are on."""
    asked = await owner.execute(_INDEXES, (f"public.{name}",))
    return {on: index for index, on in await asked.fetchall()}


async def _swap(owner: Connection, name: str, position: int) -> None:
    """Put the new table in the old one's place, with the names of its indexes, at `position`."""
    known, made = await _indexes(owner, name), await _indexes(owner, name + SUFFIX)
    await owner.execute(SQL("DROP TABLE public.{}").format(Identifier(name)))
    await owner.execute(SQL("ALTER TABLE public.{} RENAME TO {}").format(Identifier(name + SUFFIX), Identifier(name)))
    for on, index in made.items():
        await owner.execute(SQL("ALTER INDEX public.{} RENAME TO {}").format(Identifier(index), Identifier(known[on])))
    await owner.execute(
        "INSERT INTO public.projection_checkpoints (name, position) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET position = excluded.position, updated_at = clock_timestamp()",
        (name, position),
    )
