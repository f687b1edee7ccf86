"""The five seams: everything that comes in from outside, as the core needs it and in the core's words.

Clock, ids, the log, the venue link and the spawning of tasks. The running system plugs in real ones
(`oms.runtime`, `oms.store`, `adapters.*.transport`); a simulation plugs in its own and owns the world.
"""

from collections.abc import Coroutine, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from oms.values import AccountId, Provenance

# ------------------------------------------------------------------------------------------------ time, ids, tasks


class Clock(Protocol):
    """Where time comes from. Waiting is `asyncio.sleep`: the event loop's own time, which a simulation owns too."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970 in UTC: for stamps, may step."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary point that never go back: for durations and deadlines."""
        ...


class Ids(Protocol):
    """Where new names and randomness come from."""

    def next(self) -> str:
        """A new id: letters and digits, ordered by time, never repeated, also after a restart or a clock step back."""
        ...

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high): for jitter."""
        ...


class Task(Protocol):
    """What we need of a running task."""

    def cancel(self) -> bool: ...
    def done(self) -> bool: ...


class Spawn(Protocol):
    """Starts a task that someone owns: its failure is noticed, and it ends when its owner does."""

    def __call__(self, work: Coroutine[object, object, None], *, name: str) -> Task: ...


# ------------------------------------------------------------------------------------------------ the venue link


class LinkAnswer(Struct, frozen=True):
    """One HTTP answer as bytes. `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class LinkError(Exception):
    """The call brought no whole answer. `sent` is False only if certainly no byte of the request left."""

    def __init__(self, cause: str, *, sent: bool) -> None:
        super().__init__(cause)
        self.sent = sent


class Socket(Protocol):
    """One WebSocket connection."""

    async def send(self, frame: str) -> None:
        """Send a text frame; raises LinkError once the connection is gone."""
        ...

    async def receive(self) -> str | bytes:
        """Return the next frame, text or binary as it came; raises LinkError once the connection is gone."""
        ...

    async def close(self) -> None: ...


class Link(Protocol):
    """The wire to a venue: bytes out, bytes in, nothing understood. A simulation replaces this and nothing above it."""

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> LinkAnswer:
        """Make one HTTP call; raises LinkError if no whole answer came within `seconds`."""
        ...

    async def connect(self, url: str, seconds: float) -> Socket:
        """Open a WebSocket within `seconds`; raises LinkError."""
        ...

    async def close(self) -> None: ...


# ------------------------------------------------------------------------------------------------ the log


class Meta(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What stands beside every event in its stored body (the names are reserved: no event may use them).

    `recorded_ns` and `occurred_ns` are UTC nanoseconds by the venue's clock: when we wrote it down, when it happened.
    `cause` names the command (its request id) or the venue message (`venue_messages.message_id`) behind it; where
    nothing outside is behind it, it is the message's own id, and left out of the body. `actor` says who: a strategy, an
    operator, ``venue`` or ``oms``.
    """

    id: str
    recorded_ns: int
    cause: str = ""
    actor: str
    epoch: int
    source: Provenance
    occurred_ns: int | None = None


class NewEvent(Struct, frozen=True, gc=False):
    """One event on its way into the log. `state` is the JSON body: meta and event, flat."""

    stream: str
    version: int  # from 1, without a gap, within the stream
    topic: str  # tag/version, e.g. order-filled/1
    state: bytes


class VenueMessage(Struct, frozen=True, gc=False):
    """Raw bytes exchanged with a venue, redacted, kept in the same transaction as the events they caused."""

    message_id: str
    at_ns: int
    direction: str  # "out" or "in"
    channel: str  # e.g. "POST /spot/v2/submit_order" or "ws spot/user/orders"
    body: bytes


class StoredEvent(Struct, frozen=True, gc=False):
    """One event as the log gives it back, at its position (from 1, without a gap, in commit order)."""

    position: int
    stream: str
    version: int
    topic: str
    state: bytes


class Snapshot(Struct, frozen=True):
    """What one account's events add up to at a position: a shortcut for whoever folds them, and never the truth.

    `program` names the code that made it: no other may read it. `digest` is over `parts` and over the event at
    `position`, so that it serves the very log that it was made of.
    """

    account: AccountId
    position: int
    program: bytes
    digest: bytes
    parts: tuple[bytes, ...]


class Batch(Struct, frozen=True):
    """What one commit writes: all of it or none. `epoch` is the writer's; an older one than the account's is fenced."""

    account: AccountId
    epoch: int
    events: Sequence[NewEvent]
    messages: Sequence[VenueMessage] = ()


class Committed(Struct, frozen=True):
    """Durable. The events stand at positions `first` .. `last`, in the order given."""

    first: int
    last: int


class AlreadyThere(Struct, frozen=True):
    """An earlier try of this very batch had been committed although its answer was lost; as good as Committed."""

    first: int
    last: int


class Conflict(Struct, frozen=True):
    """Nothing was written: these streams already hold a version that the batch brings."""

    streams: tuple[str, ...]


class Fenced(Struct, frozen=True):
    """Nothing was written: the account belongs to a writer with a higher epoch."""

    epoch: int


class NotCommitted(Struct, frozen=True):
    """Certainly nothing was written, and nothing will be: the database refused or was never reached."""

    reason: str


class Unknown(Struct, frozen=True):
    """The connection broke while committing and reading back was not possible either."""

    reason: str


AppendOutcome = Committed | AlreadyThere | Conflict | Fenced | NotCommitted | Unknown


class EventLog(Protocol):
    """The append-only log. One contract suite (`tests/store/test_contract.py`) runs against every implementation."""

    async def append(self, batch: Batch) -> AppendOutcome:
        """Write `batch` in one transaction and seal it. Never raises for trouble with the database, is never cancelled
        while committing, and never retries blindly: after a lost answer it reads back.
        """
        ...

    async def read(self, stream: str, *, after_version: int = 0) -> Sequence[StoredEvent]:
        """Return one stream's events in version order. Raises LogUnavailableError."""
        ...

    async def page(self, *, after: int, limit: int) -> Sequence[StoredEvent]:
        """Return up to `limit` events of the whole log after position `after`, in order. Raises LogUnavailableError."""
        ...

    async def head(self) -> int:
        """Return the last position, 0 for an empty log. Raises LogUnavailableError."""
        ...

    async def existing(self, streams: Sequence[str]) -> set[str]:
        """Return those of `streams` that hold at least one event. Raises LogUnavailableError."""
        ...

    async def messages(self, message_ids: Sequence[str]) -> Sequence[VenueMessage]:
        """Return the venue messages of those ids, in order of id. Raises LogUnavailableError."""
        ...

    async def epoch(self, account: AccountId) -> int:
        """Return the epoch of the last writer that took `account` over, 0 if none did. Raises LogUnavailableError."""
        ...

    async def take_over(self, account: AccountId, *, after: int, taker: str) -> int:
        """Fence earlier writers of `account`, if its epoch still is `after`; return the new one, the same for the same
        `taker` asking again.

        Raises:
            FencedError: somebody else has taken it since.
            LogUnavailableError: ask again.
        """
        ...

    async def snapshot(self, account: AccountId) -> Snapshot | None:
        """Return the snapshot that was kept last. Raises LogUnavailableError."""
        ...

    async def keep_snapshot(self, snapshot: Snapshot) -> None:
        """Keep it in the place of the one before. Raises LogUnavailableError: then it may be kept, or not."""
        ...

    async def changed(self, *, after: int, seconds: float) -> None:
        """Return once the log is longer than `after`, or after `seconds`."""
        ...

    async def close(self) -> None: ...
