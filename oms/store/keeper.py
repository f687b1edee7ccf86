"""Stops the embedded Postgres when nobody uses it any more, also when its last user was killed.

Users hold a shared lock on one file; the kernel drops it when they die. The keeper, a small process of its own that is
run as a file and needs the standard library only, waits until nobody holds that lock, then stops the server and ends.
"""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

USERS = "postgres.users"  # shared: whoever uses the server
TURN = "postgres.turn"  # exclusive: whoever starts or stops it
KEEPER = "postgres.keeper"  # exclusive: the keeper


@contextmanager
def locked(path: Path, how: int) -> Iterator[int]:
    """Hold a lock on `path` (made if missing); yield its descriptor. Raises BlockingIOError with LOCK_NB if taken."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield descriptor
    finally:
        os.close(descriptor)


def stop_if_unused(home: Path, stop: Sequence[str], options: dict[str, Any]) -> bool:
    """Run `stop` if nobody uses the server; return whether it is done for. Nobody can start it meanwhile."""
    with locked(home / TURN, fcntl.LOCK_EX):
        try:
            with locked(home / USERS, fcntl.LOCK_EX | fcntl.LOCK_NB):
                quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
                subprocess.run(stop, check=False, **quiet, **options)  # noqa: S603 - a command of our own
        except BlockingIOError:
            return False
    return True


def keep(home: Path, stop: Sequence[str], options: dict[str, Any]) -> None:
    """Wait until nobody uses the server, then stop it. One keeper a home: a second one leaves at once."""
    try:
        with locked(home / KEEPER, fcntl.LOCK_EX | fcntl.LOCK_NB):
            while True:
                with locked(home / USERS, fcntl.LOCK_EX):
                    pass  # the last user has gone
                if stop_if_unused(home, stop, options):
                    return
    except (BlockingIOError, FileNotFoundError):  # another one keeps it, or the whole home was removed
        return


if __name__ == "__main__":
    if os.fork() == 0:  # the caller need not wait for us, nor reap us
        os.setsid()
        os.chdir("/")
        keep(Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3]))
