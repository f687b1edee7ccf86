"""The whole system as a person runs it: real processes, an embedded Postgres, BitMart's wire on loopback."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import pytest

START_SECONDS = 60.0
STOP_SECONDS = 30.0


class Program:
    """One `oms` command that stays, and the line it printed once it was ready."""

    def __init__(
        self, arguments: tuple[str, ...], environment: dict[str, str], said: Path, *, waiting: bool = False
    ) -> None:
        self.said = said
        self.ready: dict[str, Any] = {}
        with said.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        if not waiting:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Wait for the line that says so."""
        line = self._out.readline()
        assert line, self.said.read_text()
        self.ready = json.loads(line)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def _out(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def terminate(self) -> int:
        """Ask it to stop; return its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        status = self._process.wait(STOP_SECONDS)
        assert "Traceback" not in self.said.read_text()
        return status

    def rest_of_stdout(self) -> bytes:
        return self._out.read()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._out.close()


class Machine:
    """A machine of the test's own: a home, a simulated exchange, and whatever is started on it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.home = folder / "home"
        self._folder = folder
        self._stack = stack
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OMS_")}
        self.environment = {**kept, "OMS_HOME": str(self.home), "OMS__GATEWAY__PORT": "0"}

    def exchange(self) -> Program:
        """Start the simulated exchange, which outlives every OMS."""
        exchange = self._start("simulator", "--seed", "11")
        self.environment |= {"OMS__SIMULATOR__URL": exchange.ready["sim_url"], "OMS__SIMULATOR__SEED": "11"}
        return exchange

    def up(self) -> Program:
        """Start the OMS."""
        return self._start("up", "--venue", "simulator", "--json")

    def standby(self) -> Program:
        """Start an OMS that finds another one leading; do not wait until it leads."""
        return self._start("up", "--venue", "simulator", "--json", said="standby.err", waiting=True)

    def paper(self) -> Program:
        """Start an OMS for another account beside the first."""
        return self._start("up", "--venue", "paper", "--json", said="paper.err")

    def up_as(self, code: str) -> Program:
        """Start the OMS as `code` would have it; do not wait until it is ready."""
        return self._start("up", "--venue", "simulator", "--json", run=("-c", code), waiting=True)

    def _start(
        self, *arguments: str, run: tuple[str, ...] = ("-m", "oms"), said: str = "", waiting: bool = False
    ) -> Program:
        words = self._folder / (said or f"{arguments[0]}.err")
        program = Program((*run, *arguments), self.environment, words, waiting=waiting)
        self._stack.callback(program.close)
        return program

    @property
    def token(self) -> str:
        return (self.home / "operator.token").read_text().strip()

    def oms(self, *arguments: str, **environment: str) -> tuple[int, Any]:
        """Run one command with --json; return its exit status and what it printed: a document, or a list of lines."""
        done = subprocess.run(
            [sys.executable, "-m", "oms", *arguments, "--json"],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, lines[0] if len(lines) == 1 else lines

    def truth(self) -> bytes:
        """What the exchange knows."""
        url = self.environment["OMS__SIMULATOR__URL"]
        with urllib.request.urlopen(f"{url}/sim/truth", timeout=10) as answer:
            body: bytes = answer.read()
        return body


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with ExitStack() as stack:
        yield Machine(tmp_path, stack)


def wait_until(holds: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Wait until `holds`, or fail."""
    deadline = time.monotonic() + seconds  # noqa: TID251 - a real system takes real time
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"  # noqa: TID251 - as above
        time.sleep(0.05)  # noqa: TID251 - as above


@pytest.fixture
def until() -> Callable[..., None]:
    return wait_until
