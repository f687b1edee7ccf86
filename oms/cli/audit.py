"""`oms audit`: whether the log is what was recorded, and the head of its chain to be kept elsewhere."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from oms.cli.config import ConfigFile, configured
from oms.cli.database import recorded
from oms.cli.export import export
from oms.cli.output import REFUSED, AsJson, Output
from oms.cli.wire import FileError
from oms.errors import OmsError
from oms.store.audit import head, sealed
from oms.store.seals import Anchor, anchored, read_anchor, verify

group = typer.Typer(help="The seals of the log, and its trail.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    group.command("export")(export)
    app.add_typer(group, name="audit")


@group.command("verify")
def verify_command(
    *,
    anchor: Annotated[Path | None, typer.Option(help="A file of `oms audit anchor`: also a cut tail shows.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check every seal; name the first position that is not what was recorded."""
    output = Output(as_json=as_json)
    known = None if anchor is None else _read(anchor)
    with recorded(configured(config)) as url:
        top = head(url)
        wrong = verify(sealed(url), known)
    if as_json:
        output.document({"intact": wrong is None, "head": top.position, "first_wrong_position": wrong})
    elif wrong is None:
        output.say(f"audit: {top.position} events, every seal intact")
    else:
        output.say(f"audit: position {wrong} is not what was recorded")
    if wrong is not None:
        raise typer.Exit(REFUSED)


@group.command("anchor")
def anchor_command(
    file: Annotated[Path, typer.Argument(help="Where to write it; keep it away from the database.")],
    *,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write the head of the chain to a file, so that a log that is cut or made anew shows."""
    output = Output(as_json=as_json)
    with recorded(configured(config)) as url:
        top = head(url)
    if top.position == 0:
        raise EmptyLogError("the log is empty: there is no head to anchor")
    try:
        file.write_bytes(anchored(top) + b"\n")
    except OSError as error:
        raise FileError(f"{file} cannot be written: {error.strerror}") from error
    if as_json:
        output.document({"position": top.position, "seal": top.seal, "file": str(file)})
    else:
        output.say(f"anchored position {top.position} in {file}")


class EmptyLogError(OmsError):
    """Nothing was recorded yet."""

    code = "empty_log"
    next_step = "place an order first"


def _read(file: Path) -> Anchor:
    try:
        return read_anchor(file.read_bytes())
    except OSError as error:
        raise FileError(f"{file} cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise FileError(f"{file} is not an anchor: {error}") from error
