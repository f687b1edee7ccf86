"""`oms wind-down`: how far the venue's end has come, what is still open there, and what is to be done by when."""

from pathlib import Path
from typing import Annotated

import typer

from oms.archive import Checked, check
from oms.cli.archive import as_archived
from oms.cli.config import ConfigFile, configured
from oms.cli.database import recorded
from oms.cli.output import REFUSED, AsJson, Output
from oms.cli.parts import Parts
from oms.replay import fold_log
from oms.runtime import SystemClock
from oms.winddown import Phase, exposure, to_do


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("wind-down")(wind_down)


def wind_down(
    context: typer.Context,
    *,
    archive: Annotated[
        list[Path] | None, typer.Option(help="An archive that was made, of each account: checked.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the plan of the venue's end (`wind_down` in the configuration), from the log alone, and what is to be done.

    Exit 1 once nothing trades any more and something is still to be done.
    """
    settings, output, parts = configured(config), Output(as_json=as_json), context.obj
    plan, now_ns = settings.wind_down, SystemClock().now_ns()
    archived = {each.manifest.account: each for each in (_checked(parts, folder) for folder in archive or ())}
    with recorded(settings) as url:
        left = {name: exposure(book) for name, book in fold_log(url).items()}
    tasks = {
        name: to_do(plan, now_ns, each, archived.get(name) or next(iter(archived.values()), None))
        for name, each in left.items()
    }
    phase = plan.phase(now_ns)
    if as_json:
        output.document({"phase": phase, "plan": plan, "accounts": left, "to_do": tasks})
    else:
        dates = [f"{name} {date}" for name in plan.__struct_fields__ if (date := getattr(plan, name)) is not None]
        output.say(f"{phase}: {', '.join(dates) or 'no end is announced'}")
        for name, each in left.items():
            output.say(f"{name}: {len(each.orders)} open orders, positions {each.positions or 'none'}")
            output.say(f"{name}: balances {each.balances or 'none'}")
            for task in tasks[name]:
                output.say(f"    to do: {task}")
    if phase in {Phase.CLOSED, Phase.DARK} and any(tasks.values()):
        raise typer.Exit(REFUSED)


def _checked(parts: Parts, folder: Path) -> Checked:
    return check(folder, as_archived(parts.decode))
