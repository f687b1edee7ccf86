"""`oms doctor` and `oms bench`: whether the set-up is healthy, and how fast it is."""

import asyncio
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import aiohttp
import msgspec
import typer
from msgspec import Struct
from yarl import URL

from oms.cli.config import ConfigFile, configured
from oms.cli.database import recorded, shown
from oms.cli.output import REFUSED, AsJson, Output
from oms.cli.presence import Entry, leaders
from oms.cli.running import configured_url
from oms.cli.tokens import FILE
from oms.client_wire import connector
from oms.config import Config
from oms.errors import OmsError
from oms.gateway.health import READ_MODELS
from oms.gateway.operations import Health
from oms.store.audit import head
from oms.store.database import revision

SPACE_MIN: Final = 1 << 30  # bytes free under the home
ASK_SECONDS: Final = 2.0
BENCHMARKS: Final = Path(__file__).parents[2] / "benchmarks" / "bench.py"


class Finding(Struct, frozen=True, omit_defaults=True):
    """One check: how it went, and what to do if it did not go well. A warning alone is no failure."""

    check: str
    state: str  # ok, warning or failed
    detail: str
    fix: str = ""


class NoBenchmarksError(OmsError):
    """The benchmarks are not part of what is installed."""

    code = "no_benchmarks"
    next_step = "run it from a checkout of the repository"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(doctor)
    app.command()(bench)


def doctor(*, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check the set-up; say how to mend what is wrong."""
    output = Output(as_json=as_json)
    found = list(_examine(configured(config)))
    failed = any(finding.state == "failed" for finding in found)
    if as_json:
        output.document({"healthy": not failed, "checks": found})
    else:
        marks = {"ok": "✓", "warning": "!", "failed": "✗"}
        for finding in found:
            output.say(f"{marks[finding.state]} {finding.check}: {finding.detail}")
            if finding.fix:
                output.say(f"    fix: {finding.fix}")
    if failed:
        raise typer.Exit(REFUSED)


def _examine(config: Config) -> Iterator[Finding]:
    yield Finding("python", "ok", sys.version.split()[0])
    for check, look in (("home", _home), ("token", _token), ("database", _database)):
        yield _checked(check, look, config)
    running = {entry.pid: entry for entry in leaders(config.home).values()}
    for entry in running.values() or (None,):
        yield _checked("gateway", partial(_gateway, entry=entry), config)


def _checked(check: str, look: Callable[[Config], Finding], config: Config) -> Finding:
    try:
        return look(config)
    except OmsError as error:
        return Finding(check, "failed", error.cause, error.advice)
    except OSError as error:
        return Finding(check, "failed", str(error), "see the cause")


def _home(config: Config) -> Finding:
    if not config.home.exists():
        return Finding("home", "warning", f"{config.home} does not exist yet", "oms up makes it")
    if not os.access(config.home, os.W_OK):
        return Finding("home", "failed", f"{config.home} is not writable", "change its owner, or set OMS_HOME")
    free = shutil.disk_usage(config.home).free
    if free < SPACE_MIN:
        return Finding("home", "failed", f"{free >> 20} MiB are free under {config.home}", "make room")
    return Finding("home", "ok", f"{config.home}, {free >> 30} GiB free")


def _token(config: Config) -> Finding:
    if os.environ.get("OMS_TOKEN"):
        return Finding("token", "ok", "OMS_TOKEN is set")
    file = config.home / FILE
    if not file.exists():
        return Finding("token", "warning", f"no {file}", "oms up makes it at its first start")
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        return Finding("token", "failed", f"{file} is open to others", f"chmod 600 {file}")
    return Finding("token", "ok", f"{file}, for its owner only")


def _database(config: Config) -> Finding:
    with recorded(config) as url:
        top = head(url)
        return Finding("database", "ok", f"{shown(url)}, schema {revision(url)}, {top.position} events")


def _gateway(config: Config, *, entry: Entry | None = None) -> Finding:
    """Ask the gateway of an OMS that runs, or where it would be if one did."""
    url = configured_url(config) if entry is None else entry.gateway_url
    try:
        health, said = asyncio.run(_ask_ready(url, config.gateway.certificate))
    except (aiohttp.ClientError, TimeoutError):
        if entry is not None:
            silent = f"process {entry.pid} leads {', '.join(entry.accounts)}, and does not answer at {url}"
            return Finding("gateway", "failed", silent, f"see the log under OMS_HOME/logs, end process {entry.pid}")
        return Finding("gateway", "warning", f"nothing answers at {url}", "start it with: oms up --venue simulator")
    if health is None:
        return Finding("gateway", "failed", f"{url} is not ready: {said}", "see the log under OMS_HOME/logs")
    told = [check for check in health.checks if check.detail and check.name != READ_MODELS]  # ready: no lag to look at
    remarks = "; ".join(f"{check.name}: {check.detail}" for check in told)
    if remarks:
        return Finding("gateway", "warning", f"{url} is ready, and a person should look: {remarks}", "oms breaks")
    return Finding("gateway", "ok", f"{url} is ready")


async def _ask_ready(url: str, ca: str | None) -> tuple[Health | None, str]:
    """Return what the gateway says of itself, None where it is not ready; and its words."""
    named, timeout = URL(url), aiohttp.ClientTimeout(total=ASK_SECONDS)
    asked = URL("http://localhost") if named.scheme == "unix" else named
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=connector(named, ca)) as session,
        session.get(asked.with_path("/health/ready")) as answer,
    ):
        said = await answer.text()
        return msgspec.json.decode(said, type=Health) if answer.ok else None, said[:500]


def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Smaller numbers, in a fraction of the time.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the benchmarks; exit 1 if one misses its bar."""
    if not BENCHMARKS.exists():
        raise NoBenchmarksError(f"there is no {BENCHMARKS}")
    options = [*(["--quick"] if quick else []), *(["--json"] if as_json else [])]
    done = subprocess.run([sys.executable, str(BENCHMARKS), *options], check=False)  # noqa: S603 - ours
    if done.returncode:
        raise typer.Exit(REFUSED)
