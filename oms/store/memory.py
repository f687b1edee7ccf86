"""The log's twin in memory, for simulations: the same contract, and trouble on demand."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from enum import Enum
from typing import Final, Protocol

from msgspec import Struct

from oms.errors import FencedError, LogUnavailableError
from oms.lease import Seen
from oms.ports import (
    AlreadyThere,
    AppendOutcome,
    Batch,
    Committed,
    Conflict,
    Fenced,
    NewEvent,
    NotCommitted,
    Snapshot,
    StoredEvent,
    Unknown,
    VenueMessage,
)
from oms.store.packing import pack_events
from oms.store.scan import PAGE_ROWS, Row
from oms.store.seals import GENESIS, Seal, SealedBatch, chain, digest
from oms.store.settle import judge
from oms.values import AccountId


class Trouble(Enum):
    """What may befall one append."""

    NONE = "none"
    REFUSED = "refused"  # fails before the commit, as a full disk does
    ANSWER_LOST = "answer lost"  # committed; the connection broke, reading back finds it
    REQUEST_LOST = "request lost"  # not committed; the connection broke, reading back finds nothing
    SILENT_DONE = "silent, done"  # committed, and nobody can be asked
    SILENT_LOST = "silent, lost"  # not committed, and nobody can be asked
    SILENT_LATE = "silent, late"  # nobody can be asked, and it is committed after that, unless it is fenced by then


class Fault(Struct, frozen=True):
    """The trouble of one append, with the seconds it takes before and after the moment of commit."""

    trouble: Trouble = Trouble.NONE
    seconds_before: float = 0.0
    seconds_after: float = 0.0


class Faults(Protocol):
    """Decides, from a seed or from a script, what befalls the log."""

    def append(self, batch: Batch) -> Fault:
        """Return what befalls this append."""
        ...

    def read(self) -> bool:
        """Return whether this read fails."""
        ...


class NoFaults:
    """Nothing ever goes wrong."""

    def append(self, batch: Batch) -> Fault:  # noqa: ARG002 - the protocol's signature
        return _NO_FAULT

    def read(self) -> bool:
        return False


_NO_FAULT: Final = Fault()
LATE_SECONDS: Final = 5.0  # after its client gave up, a server process may still commit


class MemoryLeases:
    """`oms.lease.Leases` in memory. `gone` names holders whose session with the database is no more."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.gone: set[str] = set()
        self._faults: Faults = faults or NoFaults()
        self._leases: dict[str, tuple[str, int]] = {}

    async def look(self, account: AccountId) -> Seen | None:
        await self._asked()
        lease = self._leases.get(account)
        return None if lease is None else Seen(*lease, connected=lease[0] not in self.gone)

    async def seize(self, account: AccountId, holder: str, seen: Seen | None) -> bool:
        await self._asked()
        if self._leases.get(account) != (None if seen is None else (seen.holder, seen.renewals)):
            return False
        self._leases[account] = (holder, 0)
        await self._asked()  # the answer may be lost
        return True

    async def renew(self, account: AccountId, holder: str) -> bool:
        await self._asked()
        lease = self._leases.get(account)
        if lease is None or lease[0] != holder:
            return False
        self._leases[account] = (holder, lease[1] + 1)
        return True

    async def release(self, account: AccountId, holder: str) -> None:
        await self._asked()
        if self._leases.get(account, ("", 0))[0] == holder:
            del self._leases[account]

    def forget(self, account: AccountId) -> None:
        """Lose the lease of `account`, as an operator's hand may."""
        self._leases.pop(account, None)

    async def _asked(self) -> None:
        await asyncio.sleep(0)
        if self._faults.read():
            raise LogUnavailableError("the lease cannot be asked for: the connection was lost")


class MemoryLog:
    """An `EventLog` that lives as long as this object: it outlasts the engines that use it, as a database does.

    An append that is cancelled while it waits before the commit never happened; one cancelled after it is there.
    """

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults: Faults = faults or NoFaults()
        self._events: list[StoredEvent] = []
        self._streams: dict[str, dict[int, StoredEvent]] = {}
        self._seals: list[Seal] = []
        self._messages: dict[str, VenueMessage] = {}
        self._sealed_messages: dict[int, Sequence[VenueMessage]] = {}
        self._epochs: dict[str, int] = {}
        self._takers: dict[str, str] = {}  # who took the epoch
        self._snapshots: dict[str, Snapshot] = {}
        self._grown = asyncio.Event()

    async def append(self, batch: Batch) -> AppendOutcome:
        fault = self.faults.append(batch)
        await asyncio.sleep(fault.seconds_before)
        outcome = self._commit(batch) if fault.trouble in _REACHES else None
        await asyncio.sleep(fault.seconds_after)
        match fault.trouble:
            case Trouble.NONE | Trouble.ANSWER_LOST:
                assert outcome is not None
                if fault.trouble is Trouble.ANSWER_LOST and isinstance(outcome, Committed):
                    return AlreadyThere(outcome.first, outcome.last)
                return outcome
            case Trouble.REFUSED:
                return NotCommitted("no space left on device")
            case Trouble.REQUEST_LOST:
                return NotCommitted("the connection was lost before the commit")
            case Trouble.SILENT_LATE:
                asyncio.get_running_loop().call_later(LATE_SECONDS, self._commit, batch)
                return Unknown("the connection was lost while committing, and the log cannot be asked")
            case Trouble.SILENT_DONE | Trouble.SILENT_LOST:
                return Unknown("the connection was lost while committing, and the log cannot be asked")

    async def read(self, stream: str, *, after_version: int = 0) -> Sequence[StoredEvent]:
        await self._reading()
        held = self._streams.get(stream, {})
        return tuple(held[version] for version in sorted(held) if version > after_version)

    async def page(self, *, after: int, limit: int) -> Sequence[StoredEvent]:
        await self._reading()
        return tuple(self._events[after : after + limit])

    async def head(self) -> int:
        await self._reading()
        return len(self._events)

    async def existing(self, streams: Sequence[str]) -> set[str]:
        await self._reading()
        return {stream for stream in streams if stream in self._streams}

    async def messages(self, message_ids: Sequence[str]) -> Sequence[VenueMessage]:
        """Return the venue messages of those ids, in order of id."""
        await self._reading()
        return tuple(self._messages[name] for name in sorted(set(message_ids)) if name in self._messages)

    async def scan(
        self, *, after: int = 0, upto: int | None = None, rows: int = PAGE_ROWS
    ) -> AsyncGenerator[Sequence[Row], None]:
        """Yield pages of (position, stream, version, topic, state) after `after`, through `upto` or to the end."""
        await self._reading()
        end = len(self._events) if upto is None else min(upto, len(self._events))
        for start in range(after, end, rows):
            page = self._events[start : min(start + rows, end)]
            yield [(event.position, event.stream, event.version, event.topic, event.state) for event in page]

    async def epoch(self, account: AccountId) -> int:
        await self._reading()
        return self._epochs.get(account, 0)

    async def take_over(self, account: AccountId, *, after: int, taker: str) -> int:
        await self._reading()
        current = self._epochs.get(account, 0)
        if current == after:
            self._epochs[account] = after + 1
            self._takers[account] = taker
            await self._reading()  # the answer may be lost
            return after + 1
        if current == after + 1 and self._takers.get(account) == taker:
            return current
        raise FencedError(f"account {account} is at epoch {current}, not at {after}")

    async def snapshot(self, account: AccountId) -> Snapshot | None:
        await self._at_snapshot()
        return self._snapshots.get(account)

    async def keep_snapshot(self, snapshot: Snapshot) -> None:
        await self._at_snapshot()
        self._snapshots[snapshot.account] = snapshot
        await self._at_snapshot()  # the answer may be lost

    async def changed(self, *, after: int, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while len(self._events) <= after:
                    await self._grown.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """Do nothing: what was recorded stays."""

    def sealed(self) -> Sequence[SealedBatch]:
        """Return every batch with its seal, for `seals.verify`."""
        return [
            SealedBatch(seal, self._events[seal.first - 1 : seal.last], self._sealed_messages[seal.first])
            for seal in self._seals
        ]

    async def _reading(self) -> None:
        await asyncio.sleep(0)
        if self.faults.read():
            raise LogUnavailableError("the log cannot be read: the connection was lost")

    async def _at_snapshot(self) -> None:
        await self._reading()

    def _commit(self, batch: Batch) -> Committed | AlreadyThere | Conflict | Fenced | NotCommitted:
        current = self._epochs.get(batch.account, 0)
        if batch.account and current != batch.epoch:
            return Fenced(current)
        keys = [(event.stream, event.version) for event in batch.events]
        recorded = {
            (stream, version): (there.topic, there.state, there.position)
            for stream, version in keys
            if (there := self._streams.get(stream, {}).get(version)) is not None
        }
        if recorded:
            return judge(batch, recorded, "")
        names = [message.message_id for message in batch.messages]
        known = [name for name in names if name in self._messages]
        if names and len(known) == len(names) and not batch.events:
            return AlreadyThere(len(self._events) + 1, len(self._events))
        if known or len({*names}) < len(names) or len({*keys}) < len(keys):
            return NotCommitted("duplicate key value violates unique constraint")
        return self._write(batch.events, batch.messages)

    def _write(self, events: Sequence[NewEvent], messages: Sequence[VenueMessage]) -> Committed:
        before = len(self._events)
        for position, event in enumerate(events, before + 1):
            stored = StoredEvent(position, event.stream, event.version, event.topic, event.state)
            self._events.append(stored)
            self._streams.setdefault(event.stream, {})[event.version] = stored
        self._messages.update((message.message_id, message) for message in messages)
        first, last = before + 1, before + len(events)
        if events:
            columns = pack_events(events)
            sealed, previous = digest(columns, messages), self._seals[-1].seal if self._seals else GENESIS
            self._seals.append(Seal(first, last, sealed, columns.checks, chain(previous, sealed, first, last)))
            self._sealed_messages[first] = messages
            self._grown.set()
            self._grown = asyncio.Event()
        return Committed(first, last)


_REACHES: Final = (Trouble.NONE, Trouble.ANSWER_LOST, Trouble.SILENT_DONE)
