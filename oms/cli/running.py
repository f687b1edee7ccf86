"""`oms up`: the running OMS."""

from contextlib import ExitStack, suppress
from functools import partial
from typing import Annotated, Final

import msgspec
import typer
import uvloop

from oms.cli.config import ConfigFile, configured
from oms.cli.connect import connected_keys
from oms.cli.database import shown
from oms.cli.output import AsJson, Output
from oms.cli.parts import Parts
from oms.cli.process import log_to
from oms.cli.tokens import keep_operator_token
from oms.config import Config
from oms.connected import VenueName
from oms.gateway.listening import socket_path
from oms.system import System, run

RUNNING: Final = "running.json"  # under the home while the OMS is up: where its gateway is


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
    announced = ExitStack()

    def announce(system: System, url: str) -> None:
        place = settings.home / RUNNING
        keep_operator_token(settings, system.url)
        place.write_bytes(msgspec.json.encode({"gateway_url": url}))
        announced.callback(place.unlink, missing_ok=True)
        _say_ready(output, system, url)

    with announced:
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


def gateway_url(config: Config) -> str:
    """Return where the gateway is: as the running OMS says, or as the configuration would have it."""
    with suppress(OSError, msgspec.MsgspecError):
        running = msgspec.json.decode((config.home / RUNNING).read_bytes(), type=dict[str, str])
        if "gateway_url" in running:
            return running["gateway_url"]
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
