"""Which OMS of this home run, where their gateways are, and which accounts each leads.

Each keeps an entry of its own, and takes no living one's away. It holds a lock on it for as long as it lives, which
ends with the process however that ends: so nobody believes a dead one, nor takes a later process of its number for it.
"""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import msgspec
from msgspec import Struct

FOLDER: Final = "running"  # under the home, with a file of each process


class Entry(Struct, frozen=True):
    """One OMS that runs. `accounts` are those that it leads, each with the epoch by which."""

    pid: int
    gateway_url: str
    accounts: Mapping[str, int]


@contextmanager
def announced(home: Path, entry: Entry) -> Iterator[None]:
    """Keep this process's entry while the context lasts; nobody sees it half-written, or without its lock."""
    folder = home / FOLDER
    folder.mkdir(exist_ok=True)
    _forget_the_dead(folder)
    place, fresh = folder / f"{entry.pid}.json", folder / f"{entry.pid}.new"
    with fresh.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(msgspec.json.encode(entry))
        held.flush()
        fresh.replace(place)
        try:
            yield
        finally:
            place.unlink(missing_ok=True)


def leaders(home: Path) -> Mapping[str, Entry]:
    """Return, by account, the OMS of this home that leads it: that of the highest epoch, as another may be paused."""
    found: dict[str, Entry] = {}
    for place in (home / FOLDER).glob("*.json"):
        with suppress(OSError, msgspec.MsgspecError), place.open("rb") as held:
            if not _lives(held):
                continue
            entry = msgspec.json.decode(held.read(), type=Entry)
            for account, epoch in entry.accounts.items():
                if account not in found or found[account].accounts[account] < epoch:
                    found[account] = entry
    return dict(sorted(found.items()))


def _forget_the_dead(folder: Path) -> None:
    for place in folder.glob("*.json"):
        with suppress(OSError), place.open("rb") as held:
            if not _lives(held):
                place.unlink()


def _lives(held: IO[bytes]) -> bool:
    """Whether the process whose entry this is holds its lock."""
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
