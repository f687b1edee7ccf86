"""Programs that a command starts, watches and stops: each with its own log, none left behind."""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from oms.errors import OmsError

STOP_SECONDS: Final = 20.0  # from SIGTERM to SIGKILL
TAIL_BYTES: Final = 2_000  # of a log, told when its program fails


class ChildFailedError(OmsError):
    """A program that was started did not do its part."""

    code = "child_failed"
    next_step = "see what it said; its log is named in the cause"


class Child:
    """One running program. `log` holds what it says on stderr, and on stdout unless that is read here."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    async def start(
        cls, name: str, arguments: Sequence[str], environment: Mapping[str, str], logs: Path, *, answers: bool = False
    ) -> "Child":
        """Start `python arguments...`; with `answers` its stdout is read by `line`."""
        log = logs / f"{name}.log"
        with log.open("ab") as said:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                env=dict(environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if answers else said,
                stderr=said,
                start_new_session=True,  # Ctrl-C is for whoever started it, who stops it in good order
            )
        return cls(name, process, log)

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.returncode is None

    async def line(self, seconds: float) -> bytes:
        """Return the next line it prints. Raises ChildFailedError if none comes."""
        assert self._process.stdout is not None
        line = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                line = await self._process.stdout.readline()
        if not line:
            raise ChildFailedError(f"{self.name} did not start: {self._tail()}")
        return line

    def require(self) -> None:
        """Raise ChildFailedError if it has ended."""
        if not self.running:
            raise ChildFailedError(f"{self.name} ended with status {self._process.returncode}: {self._tail()}")

    async def stop(self) -> int:
        """Ask it to stop, wait, kill it if it does not; return its exit status."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()

    def _tail(self) -> str:
        said = self.log.read_bytes()[-TAIL_BYTES:].decode(errors="replace").strip()
        return f"{said or 'it said nothing'} ({self.log})"
