"""How far the rows have come: one position for each projector, moved in the transaction of its rows."""

from collections.abc import Sequence
from typing import Final

from oms.errors import OmsError
from projections.connection import Connection
from projections.table import Cursor

_BEGIN: Final = """
INSERT INTO public.projection_checkpoints (name, position)
SELECT name, 0 FROM unnest(%s::text[]) AS wanted (name)
ON CONFLICT (name) DO NOTHING
"""
_READ: Final = "SELECT name, position FROM public.projection_checkpoints WHERE name = ANY(%s::text[]) ORDER BY name"
_MOVE: Final = """
UPDATE public.projection_checkpoints SET position = %s, updated_at = clock_timestamp()
WHERE name = ANY(%s::text[]) AND position = %s
"""


class CheckpointsDifferError(OmsError):
    """Read models that are to be followed together stand at different positions."""

    code = "projections_differ"
    next_step = "run: oms projections rebuild"


class CheckpointMovedError(OmsError):
    """Somebody else projects into the same tables; nothing of ours was written."""

    code = "checkpoint_moved"


async def begin(connection: Connection, names: Sequence[str]) -> None:
    """Make sure that every name has a checkpoint, 0 for a new one."""
    await connection.execute(_BEGIN, (list(names),))


async def read(cursor: Cursor, names: Sequence[str]) -> int:
    """Return the position that all of `names` stand at.

    Raises:
        CheckpointsDifferError: they do not stand at one.
    """
    await cursor.execute(_READ, (list(names),))
    found: dict[str, int] = {name: position async for name, position in cursor}
    if len({found.get(name) for name in names}) != 1:
        raise CheckpointsDifferError(f"the read models stand at different positions of the log: {found}")
    return found.get(names[0], 0)


async def reached(cursor: Cursor, names: Sequence[str]) -> int:
    """Return the position that every one of `names` has reached."""
    await cursor.execute(_READ, (list(names),))
    found: dict[str, int] = {name: position async for name, position in cursor}
    return min(found.get(name, 0) for name in names)


async def move(cursor: Cursor, names: Sequence[str], *, before: int, after: int) -> None:
    """Move the checkpoints of `names`, and hold everybody else off until the transaction ends.

    Raises:
        CheckpointMovedError: they do not stand at `before` any more.
    """
    await cursor.execute(_MOVE, (after, list(names), before), prepare=True)
    if cursor.rowcount != len(names):
        raise CheckpointMovedError(f"{', '.join(names)} are no longer at position {before}")
