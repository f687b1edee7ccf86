"""`oms projections`: how far the read models are behind the log."""

from contextlib import closing

import typer

from oms.cli.config import ConfigFile, configured
from oms.cli.database import recorded
from oms.cli.output import AsJson, Output
from oms.store.audit import head
from oms.store.database import connect

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
