"""`oms projections`: how far the read models are behind the log, and how they are made anew from it."""

import asyncio
from contextlib import closing
from typing import Annotated

import typer

from oms.cli.bar import Bar, bar
from oms.cli.config import ConfigFile, configured
from oms.cli.database import recorded
from oms.cli.output import AsJson, Output
from oms.cli.parts import Parts, Rebuilt
from oms.runtime import SystemClock, Tasks
from oms.store.audit import head
from oms.store.database import connect
from oms.store.log import PostgresLog

_CHECKPOINTS = "SELECT name, position, updated_at FROM public.projection_checkpoints ORDER BY name"

group = typer.Typer(help="The read models.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="projections")


@group.command("list")
def list_command(*, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List every projection with its position and how many events it is behind."""
    output = Output(as_json=as_json)
    with recorded(configured(config)) as url:
        with closing(connect(url, role="oms_reader")) as connection:
            rows = connection.execute(_CHECKPOINTS).fetchall()
        top = head(url).position
    found = [(str(name), int(str(position)), updated_at) for name, position, updated_at in rows]
    if as_json:
        output.document(
            [
                {"name": name, "position": position, "behind": max(top - position, 0), "updated_at": updated_at}
                for name, position, updated_at in found
            ]
        )
        return
    output.rows(
        ("name", "position", "behind", "updated"),
        [(name, position, max(top - position, 0), updated_at) for name, position, updated_at in found],
        empty="no projection has begun yet",
    )


@group.command("rebuild")
def rebuild_command(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One read model; all of them without.")] = None,
    *,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Fold the log into new tables beside the live ones, say which rows differ, swap them. A running OMS goes on."""
    output = Output(as_json=as_json)
    with recorded(configured(config)) as url, bar(output, head(url).position, "rebuild") as shown:
        rebuilt = asyncio.run(_rebuild(context.obj, url, name, shown))
    if as_json:
        output.document(rebuilt)
        return
    for table in rebuilt.tables:
        differing = table.missing + table.extra + table.changed
        output.say(
            f"{table.table}: {table.rows} rows, "
            + (
                f"{differing} were different: {table.missing} missing, {table.extra} too many, {table.changed} wrong"
                if differing
                else "all as before"
            )
        )
        for key in table.examples:
            output.say(f"    {' '.join(key)}")
    output.say(f"rebuilt at position {rebuilt.position} in {rebuilt.seconds} s")


async def _rebuild(parts: Parts, url: str, name: str | None, shown: Bar) -> Rebuilt:
    log, tasks = PostgresLog(url), Tasks()
    done = 0

    def progress(position: int, _: int) -> None:
        nonlocal done
        shown.advance(max(position - done, 0))
        done = max(position, done)

    try:
        return await parts.rebuild(log, url, name=name, clock=SystemClock(), spawn=tasks, progress=progress)
    finally:
        await tasks.close()
        await log.close()
