"""A small disk that holds the log's table, to be filled to the last byte."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path
from pwd import getpwnam
from typing import Final

import psycopg

from oms.store.embedded import SYSTEM_USER

SIZE: Final = "256m"
CHUNK: Final = bytes(64 * 1024)


class Disk:
    """A file system of its own at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def hold_the_log(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        """Move the log's table here."""
        os.chown(self._path, getpwnam(SYSTEM_USER).pw_uid, -1)
        connection.execute(f"CREATE TABLESPACE small LOCATION '{self._path}'")
        connection.execute("ALTER TABLE stored_events SET TABLESPACE small")

    def fill(self) -> None:
        """Leave no byte."""
        with (self._path / "ballast").open("ab", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(CHUNK)
            except OSError as error:
                if error.errno != ENOSPC:
                    raise

    def free(self) -> None:
        """Throw the ballast out."""
        (self._path / "ballast").unlink()


@contextmanager
def small_disk() -> Iterator[Disk | None]:
    """A disk of its own while the context lasts; None where this machine does not let us mount one."""
    with tempfile.TemporaryDirectory(prefix="oms-disk-") as folder:
        path = Path(folder) / "disk"
        path.mkdir()
        Path(folder).chmod(0o755)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)]
        if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
            yield None
            return
        try:
            yield Disk(path)
        finally:
            subprocess.run(["umount", str(path)], check=True)
