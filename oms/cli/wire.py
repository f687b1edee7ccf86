"""`oms simulator` and `oms decode`: a venue's wire, without an OMS behind it."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from oms.cli.config import configured
from oms.cli.output import AsJson, Output
from oms.cli.parts import Kind, Market, Parts, Trouble
from oms.cli.process import until_stopped
from oms.connected import World
from oms.errors import OmsError
from oms.gateway.listening import PortTakenError
from oms.runtime import SystemClock, Tasks, TimeOrderedIds

FAULTS_HELP: Final = (
    'JSON: {"seed": 1, "rates": {"answer_lost": 0.1}, "schedule": {"no_opens_ms": 1795392000000}}; '
    "schedule may also name no_trading_ms and dark_ms."
)
PAYLOAD_MAX: Final = 64 << 20  # bytes of a file to decode


class FileError(OmsError):
    """A file that was named cannot be used."""

    code = "file"
    next_step = "correct the path or the file"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(simulator)
    app.command()(decode)


def simulator(
    context: typer.Context,
    *,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any free one.")] = 0,
    seed: Annotated[int | None, typer.Option(help="What everything drawn at random follows from.")] = None,
    faults: Annotated[Path | None, typer.Option(help=FAULTS_HELP)] = None,
    as_json: AsJson = False,  # noqa: ARG001 - the line is JSON either way
) -> None:
    """Run the simulated exchange alone, on loopback; print its addresses as one line of JSON once it listens."""
    parts: Parts = context.obj
    trouble = Trouble() if faults is None else _read_trouble(faults)
    chosen = configured().simulator.seed if seed is None else seed
    asyncio.run(_simulate(parts, port=port, seed=chosen, trouble=trouble))


async def _simulate(parts: Parts, *, port: int, seed: int, trouble: Trouble) -> None:
    clock, tasks = SystemClock(), Tasks()
    world = World(clock, TimeOrderedIds(clock), tasks)
    try:
        async with parts.simulator(world, port=port, seed=seed, trouble=trouble) as urls:
            Output(as_json=True).document(urls)
            await until_stopped(tasks)
    except ValueError as error:
        raise FileError(f"the faults cannot be set: {error}") from error
    except OSError as error:
        raise PortTakenError(
            f"port {port} cannot be had: {error.strerror or error}",
            next_step="choose another with --port, or 0 for any free one",
        ) from error
    finally:
        await tasks.close()


def decode(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The payload: the body of an answer, or one frame as it came.")],
    *,
    market: Annotated[Market, typer.Option()],
    kind: Annotated[Kind, typer.Option()],
    path: Annotated[str | None, typer.Option(help="The REST path; without one the payload's shape tells.")] = None,
    as_json: AsJson = False,  # noqa: ARG001 - reports are JSON either way
) -> None:
    """Print a venue payload as the adapter would understand it: {"reports": [...]}."""
    parts: Parts = context.obj
    try:
        if file.stat().st_size > PAYLOAD_MAX:
            raise FileError(f"{file} is larger than {PAYLOAD_MAX >> 20} MiB")
        payload = file.read_bytes()
    except OSError as error:
        raise FileError(f"{file} cannot be read: {error.strerror}") from error
    Output(as_json=True).document({"reports": parts.decode(market, kind, path, payload)})


def _read_trouble(file: Path) -> Trouble:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Trouble)
    except OSError as error:
        raise FileError(f"{file} cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise FileError(f"{file} is not a list of faults: {error}") from error
