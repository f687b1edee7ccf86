"""What an account's log adds up to, kept now and then, so that a start folds what came since and not all that ever was.

A snapshot is a shortcut and never the truth. It is made of what the log holds, by the one writer of its account, and is
left aside for the least doubt: another program made it, or for other strategies or bounds, its bytes are not those that
were written, or this log does not hold the event that it ends with. Then the whole log is folded, as if it were none.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from oms.book import Book, Image
from oms.errors import LogUnavailableError
from oms.order.state import Order
from oms.ports import Clock, EventLog, NewEvent, Snapshot, Spawn, StoredEvent
from oms.values import AccountId, StrategyId

AT_ONCE: Final = 250  # orders that are encoded before the event loop may look up: less than a millisecond
_UNREADABLE: Final = "the memory that was kept cannot be read; all of the log is folded"

log = structlog.get_logger()


class Pace(Struct, frozen=True):
    """After how many positions of the log, and not before how many seconds, memory is kept anew."""

    every: int = 20_000  # they fold in a fraction of a second
    seconds: float = 10.0


PACE: Final = Pace()


class Memory(Struct, frozen=True):
    """A writer's memory, and when the log first and last wrote of its account (UTC)."""

    image: Image
    opened_ns: int
    written_ns: int


class Snapshots:
    """Keeps one account's memory: `due` says when, `keep` does it beside all other work."""

    def __init__(self, account: AccountId, log_: EventLog, *, clock: Clock, spawn: Spawn, pace: Pace = PACE) -> None:
        self.position = 0  # of the latest one, as far as it is known
        self._wrong = False  # what is kept is not to be relied on, and could not be discarded
        self._account = account
        self._log = log_
        self._clock = clock
        self._spawn = spawn
        self._pace = pace
        self._since = clock.monotonic() - pace.seconds
        self._free = asyncio.Event()
        self._free.set()

    def due(self, position: int) -> bool:
        """Whether memory as of about `position` is worth keeping."""
        if not self._free.is_set() or (position - self.position < self._pace.every and not self._wrong):
            return False
        return self._clock.monotonic() - self._since >= self._pace.seconds

    def keep(self, memory: Memory, position: int, last: NewEvent) -> None:
        """Keep `memory`, which is all that the log says up to `last`, durable at `position`."""
        self._free.clear()
        self._spawn(self._keep(memory, position, _name(last)), name=f"snapshot {self._account}")

    async def discard(self) -> None:
        """Let nobody begin with what was kept, nor with what is being kept. Where that alone cannot be written, this is
        told, and memory that is right takes its place as soon as it can.

        Raises:
            LogUnavailableError: the log does not answer at all.
        """
        await self._free.wait()
        self._wrong = True
        try:
            await self._log.keep_snapshot(Snapshot(self._account, 0, b"", b"", ()))
        except LogUnavailableError as error:
            await self._log.head()  # a log that is down is waited for; a shortcut is not
            log.warning("the memory that was kept is wrong and stays", account=self._account, cause=error.cause)
            return
        self.position, self._wrong = 0, False

    async def _keep(self, memory: Memory, position: int, last: bytes) -> None:
        try:
            parts = await encoded(memory)
            await self._log.keep_snapshot(
                Snapshot(self._account, position, program(), _digest(parts, position, last), parts)
            )
            self.position, self._wrong = position, False
        except LogUnavailableError as error:
            log.warning("memory was not kept; a start folds more of the log", account=self._account, cause=error.cause)
        finally:
            self._since = self._clock.monotonic()
            self._free.set()


async def kept(
    account: AccountId, log_: EventLog, *, closed_kept: int, tallied: Collection[StrategyId]
) -> tuple[Memory, int] | None:
    """Return the memory that was kept last and the position it stands at; None if there is none that can be relied on.

    Raises:
        LogUnavailableError: the log cannot be read.
    """
    try:
        snapshot = await log_.snapshot(account)
    except LogUnavailableError as error:
        await log_.head()  # a log that is down is waited for; a shortcut is not
        log.warning(_UNREADABLE, account=account, cause=error.cause)
        return None
    if snapshot is None or snapshot.program != program():
        return None
    last = await log_.page(after=snapshot.position - 1, limit=1)
    if not last or _digest(snapshot.parts, snapshot.position, _name(last[0])) != snapshot.digest:
        log.warning("the memory that was kept is not of this log; all of it is folded", account=account)
        return None
    try:
        memory = decoded(snapshot.parts)
    except msgspec.MsgspecError as error:
        log.warning(_UNREADABLE, account=account, cause=str(error))
        return None
    wanted = Book(account, closed_kept=closed_kept, tallied=tallied).image()
    if (memory.image.closed_kept, memory.image.tallied) != (wanted.closed_kept, wanted.tallied):
        return None
    return memory, snapshot.position


@cache
def program() -> bytes:
    """Return what tells this program's code from any other's."""
    root = Path(__file__).parent
    digest = sha256()
    for path in sorted(root.rglob("*.py")):
        source = path.read_bytes()
        digest.update(f"{path.relative_to(root)} {len(source)}\n".encode() + source)
    return digest.digest()


async def encoded(memory: Memory) -> tuple[bytes, ...]:
    """Return the memory without its orders, and then the orders, some at a time."""
    orders = memory.image.orders
    parts = [_encode(replace(memory, image=replace(memory.image, orders={})))]
    left = iter(orders.items())
    while some := dict(islice(left, AT_ONCE)):
        await asyncio.sleep(0)
        parts.append(_encode(some))
    return tuple(parts)


def decoded(parts: Sequence[bytes]) -> Memory:
    """Return the memory that was encoded. Raises msgspec.MsgspecError."""
    head, *some = parts
    memory = _memory(head)
    orders = {stream: order for part in some for stream, order in _orders(part).items()}
    return replace(memory, image=replace(memory.image, orders=orders))


def _digest(parts: Collection[bytes], position: int, last: bytes) -> bytes:
    digest = sha256(f"{position} {[len(part) for part in parts]} ".encode() + last)
    for part in parts:
        digest.update(part)
    return digest.digest()


def _name(event: NewEvent | StoredEvent) -> bytes:
    return f"{event.stream} {event.version} {event.topic} ".encode() + event.state


def _plain(value: object) -> object:
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise NotImplementedError(f"{type(value).__name__} is no part of any state")


_encode: Final = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_memory: Final = msgspec.msgpack.Decoder(Memory).decode
_orders: Final = msgspec.msgpack.Decoder(Mapping[str, Order]).decode

program()  # ten milliseconds, and now: by the time it is asked for the files may be an upgrade's
