"""The `oms` command: its groups, and the one place where an error becomes a message and an exit code."""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Final

import typer
from typer.exceptions import Abort, TyperException

from oms.cli import (
    archive,
    audit,
    breaks,
    config,
    connect,
    database,
    demo,
    diagnose,
    history,
    ledger,
    orders,
    projections,
    reads,
    reconcile,
    replay,
    running,
    tokens,
    winddown,
    wire,
)
from oms.cli.output import REFUSED, USAGE, complain
from oms.cli.parts import Parts
from oms.errors import OmsError

INTERRUPTED: Final = 130

app = typer.Typer(
    name="oms",
    help="An event-sourced order management system.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (
    running,
    connect,
    orders,
    breaks,
    reconcile,
    reads,
    ledger,
    projections,
    history,
    replay,
    audit,
    database,
    tokens,
    config,
    wire,
    archive,
    winddown,
    diagnose,
    demo,
):
    group.register(app)


class UsageError(OmsError):
    """The command line cannot be understood."""

    code = "usage"
    next_step = "oms COMMAND --help shows what it takes"


class InternalError(OmsError):
    """A mistake of ours."""

    code = "internal"
    outcome = "unknown"
    next_step = "run it again with OMS_DEBUG=1 for the details, and report them"


def main(parts: Parts) -> int:
    """Run the command line; return its exit code. Never lets a traceback out, unless OMS_DEBUG=1 asks for it."""
    as_json = "--json" in sys.argv
    try:
        _require_text(sys.argv[1:])
        return int(app(obj=parts, standalone_mode=False) or 0)
    except TyperException as error:
        if error.exit_code and error.format_message():  # none where only the help was asked for
            complain(UsageError(error.format_message()), as_json=as_json)
        return error.exit_code
    except (KeyboardInterrupt, Abort):
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except UsageError as error:
        complain(error, as_json=as_json)
        return USAGE
    except OmsError as error:
        _debug()
        complain(error, as_json=as_json)
        return REFUSED
    except Exception as error:  # noqa: BLE001 - the last resort: one message instead of a traceback
        _debug()
        complain(InternalError(f"{type(error).__name__}: {error}"), as_json=as_json)
        return REFUSED


def _require_text(arguments: Sequence[str]) -> None:
    """See that what was given is text, which bytes of a shell's need not be. Raises UsageError."""
    for argument in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            raise UsageError(f"{argument!a} is no text: it holds bytes that are not UTF-8")


def _debug() -> None:
    if os.environ.get("OMS_DEBUG") == "1":
        traceback.print_exc()
