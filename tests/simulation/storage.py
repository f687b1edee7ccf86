"""The database of the simulation: it outlasts every OMS process, misbehaves from a seed, and shows what it commits."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random  # noqa: TID251 - the simulation's chance comes from its seed
from typing import Final

from msgspec.structs import replace

from oms.errors import LogUnavailableError
from oms.ports import (
    AlreadyThere,
    AppendOutcome,
    Batch,
    Committed,
    Conflict,
    Fenced,
    NotCommitted,
    Snapshot,
    StoredEvent,
)
from oms.store.memory import Fault, MemoryLog, Trouble
from oms.values import AccountId

RATES: Final[Mapping[str, float]] = {
    "log refused": 0.03,  # fails before the commit: disk full, connection refused
    "log answer lost": 0.01,  # committed; reading back finds it
    "log request lost": 0.01,  # not committed; reading back finds nothing
    "log silent, done": 0.01,  # committed, and nobody can be asked
    "log silent, lost": 0.01,  # not committed, and nobody can be asked
    "log silent, late": 0.01,  # nobody can be asked, and it commits after that
    "log conflicts": 0.005,  # refused as if another writer had been first, without a trace of one
    "log slow": 0.05,
    "log hangs": 0.003,
    "log unreadable": 0.03,
    "snapshot unreachable": 0.1,
    "snapshot spoiled": 0.1,  # its bytes are not those that were written
}
TROUBLES: Final = {
    "log refused": Trouble.REFUSED,
    "log answer lost": Trouble.ANSWER_LOST,
    "log request lost": Trouble.REQUEST_LOST,
    "log silent, done": Trouble.SILENT_DONE,
    "log silent, lost": Trouble.SILENT_LOST,
    "log silent, late": Trouble.SILENT_LATE,
}
NONE: Final[Mapping[str, float]] = {}
COMMIT_SECONDS: Final = 0.001
SLOW_SECONDS: Final = 2.0
HANG_SECONDS: Final = 15.0

Seen = Callable[[int, Sequence[StoredEvent]], None]  # the writer's epoch, the events of one commit


class LogFaults:
    """What befalls the log, from a seed; `fired` counts it. Nothing does until `strike`."""

    def __init__(self, chance: Random, conflicts: Random, snapshots: Random) -> None:
        self.fired: Counter[str] = Counter()
        self._chance = chance
        self._conflicts = conflicts
        self._snapshots = snapshots
        self.strike(0.0)

    def strike(self, scale: float, without: Collection[str] = (), often: Mapping[str, float] = NONE) -> None:
        """Let every fault happen at `scale` times its rate, but for those `without`, and those that have another rate
        in `often`; zero ends them.
        """
        rates = {name: 0.0 if name in without else rate * scale for name, rate in RATES.items()}
        self._rates = rates | (dict(often) if scale else {})

    def append(self, batch: Batch) -> Fault:
        trouble = next((TROUBLES[name] for name in TROUBLES if self._fires(name)), Trouble.NONE)
        before, after = COMMIT_SECONDS, 0.0
        if self._fires("log slow"):
            before, after = self._chance.uniform(0, SLOW_SECONDS), self._chance.uniform(0, SLOW_SECONDS)
        if self._fires("log hangs"):
            before = self._chance.uniform(0, HANG_SECONDS)
        return Fault(trouble, before, after)

    def conflict(self) -> bool:
        """Return whether this commit is refused as a conflict."""
        return self._fires("log conflicts", self._conflicts)

    def read(self) -> bool:
        return self._fires("log unreadable")

    def snapshot(self, name: str) -> bool:
        """Return whether that befalls a snapshot."""
        return self._fires(f"snapshot {name}", self._snapshots)

    def _fires(self, name: str, chance: Random | None = None) -> bool:
        fires = (chance or self._chance).random() < self._rates[name]
        self.fired[name] += fires
        return fires


class Storage(MemoryLog):
    """The log in memory, which calls `seen` in the very moment of each commit, and `refused` with a batch that the
    database itself does not take: one that can never commit, however often it is tried.
    """

    def __init__(self, faults: LogFaults, seen: Seen, refused: Callable[[str], None]) -> None:
        super().__init__(faults)
        self.taken_at = 0.0  # virtual seconds: when a process last took the account over, and with which epoch
        self.seized = 0  # a writer that takes the next epoch after its own has lost nothing
        self._troubles = faults
        self._seen = seen
        self._refused = refused

    @property
    def events(self) -> Sequence[StoredEvent]:
        return self._events

    def epoch_of(self, account: AccountId) -> int:
        return self._epochs.get(account, 0)

    async def take_over(self, account: AccountId, *, after: int, taker: str) -> int:
        before = self._takers.get(account)
        epoch = await super().take_over(account, after=after, taker=taker)
        if before != taker:
            self.taken_at, self.seized = asyncio.get_running_loop().time(), epoch
        return epoch

    async def snapshot(self, account: AccountId) -> Snapshot | None:
        kept = await super().snapshot(account)
        if kept is None or not kept.parts or not self._troubles.snapshot("spoiled"):
            return kept
        *whole, last = kept.parts
        return replace(kept, parts=(*whole, bytes([last[0] ^ 1]) + last[1:]))

    async def _at_snapshot(self) -> None:
        await asyncio.sleep(0)
        if self._troubles.snapshot("unreachable"):
            raise LogUnavailableError("the connection was lost")

    def _commit(self, batch: Batch) -> Committed | AlreadyThere | Conflict | Fenced | NotCommitted:
        if batch.events and self._troubles.conflict():
            return Conflict(tuple(dict.fromkeys(event.stream for event in batch.events)))
        outcome = super()._commit(batch)
        if isinstance(outcome, Committed):
            self._seen(batch.epoch, self._events[outcome.first - 1 : outcome.last])
        if isinstance(outcome, NotCommitted):
            self._refused(outcome.reason)
        return outcome


class Session:
    """One process's connection: what it has sent to the database happens there, whether or not the process lives on.

    Pages are short, so that a small world has many of them.
    """

    def __init__(self, storage: MemoryLog, *, page_max: int) -> None:
        self._storage = storage
        self._page_max = page_max
        self._appends: dict[asyncio.Task[AppendOutcome], None] = {}
        self.read = storage.read
        self.head = storage.head
        self.existing = storage.existing
        self.messages = storage.messages
        self.take_over = storage.take_over
        self.epoch = storage.epoch
        self.changed = storage.changed
        self.snapshot = storage.snapshot
        self.keep_snapshot = storage.keep_snapshot
        self.close = storage.close

    async def page(self, *, after: int, limit: int) -> Sequence[StoredEvent]:
        return await self._storage.page(after=after, limit=min(limit, self._page_max))

    async def append(self, batch: Batch) -> AppendOutcome:
        task = asyncio.get_running_loop().create_task(self._storage.append(batch))
        self._appends[task] = None
        task.add_done_callback(self._appends.pop)
        return await asyncio.shield(task)

    async def bury(self) -> None:
        """The world is over: whatever is under way ends."""
        appends = list(self._appends)
        for append in appends:
            append.cancel()
        await asyncio.gather(*appends, return_exceptions=True)
