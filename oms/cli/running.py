"""`oms up`: the running OMS."""

import os
from contextlib import ExitStack
from functools import partial
from typing import Annotated

import typer
import uvloop

from oms.cli.config import ConfigFile, configured
from oms.cli.connect import connected_keys
from oms.cli.database import shown
from oms.cli.output import AsJson, Output
from oms.cli.parts import Parts
from oms.cli.presence import Entry, announced
from oms.cli.process import log_to
from oms.cli.tokens import keep_operator_token
from oms.config import Config
from oms.connected import VenueName
from oms.gateway.listening import socket_path
from oms.system import System, run


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(up)


def up(
    context: typer.Context,
    *,
    venue: Annotated[VenueName, typer.Option(help="Where to trade.")] = VenueName.BITMART,
    config: ConfigFile = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log to stderr instead of OMS_HOME/logs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the OMS until SIGTERM or Ctrl-C; it drains before it stops."""
    parts: Parts = context.obj
    settings, output = configured(config), Output(as_json=as_json)
    keys = connected_keys(settings, venue)  # before the loop: a person may be asked
    log_to(None if verbose else settings.home / "logs")
    kept = ExitStack()

    def announce(system: System, url: str) -> None:
        keep_operator_token(settings, system.url)
        leads: dict[str, int] = {name: account.engine.epoch for name, account in system.accounts.items()}
        kept.enter_context(announced(settings.home, Entry(os.getpid(), url, leads)))
        _say_ready(output, system, url)

    with kept:
        uvloop.run(
            run(
                settings,
                venue,
                venues=partial(parts.venues, keys=keys),
                projections=parts.projections,
                announce=announce,
                tell=output.note,
            )
        )
    output.say("stopped: everything taken is in the log")


def configured_url(config: Config) -> str:
    """Return where the gateway would be, as the configuration has it."""
    gateway = config.gateway
    if gateway.socket is not None:
        return f"unix://{socket_path(gateway.socket)}"
    return f"{'http' if gateway.certificate is None else 'https'}://{gateway.host}:{gateway.port}"


def _say_ready(output: Output, system: System, url: str) -> None:
    accounts = sorted(system.accounts)
    if output.as_json:
        output.document({"gateway_url": url, "database": shown(system.url), "accounts": accounts})
    else:
        output.say(f"ready: gateway {url}, accounts {', '.join(accounts)}, database {shown(system.url)}")
