"""`oms config`: what is set, and where it comes from. Also how every command reads the configuration."""

import os
from pathlib import Path
from typing import Annotated

import typer

from oms.cli.output import AsJson, Output
from oms.config import Config, load

ConfigFile = Annotated[Path | None, typer.Option("--config", help="A TOML file instead of OMS_HOME/config.toml.")]

group = typer.Typer(help="The configuration.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="config")


def configured(file: Path | None = None) -> Config:
    """Return the configuration of this process. Raises ConfigError."""
    return load(os.environ, file).config


@group.command()
def show(
    *,
    origin: Annotated[bool, typer.Option("--origin", help="Also say where each value comes from.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show every value; secrets are masked."""
    loaded, output = load(os.environ, config), Output(as_json=as_json)
    if as_json:
        output.document(
            {key: {"value": value, "origin": source} if origin else value for key, value, source in loaded.rows()}
        )
        return
    rows = [(key, value, source) if origin else (key, value) for key, value, source in loaded.rows()]
    output.rows(("key", "value", "origin") if origin else ("key", "value"), rows, empty="nothing is set")
