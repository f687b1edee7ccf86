"""Who waits for a commit, and how they learn of it.

A batch may hold thousands of messages. Telling all of them in one go would keep the event loop from noticing that the
next batch is durable, and the disk would wait; so what takes long to tell is told bit by bit, while the next one
commits. The order is kept: batch after batch, answer after answer.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct, field

from oms.book import Journal
from oms.decide import Decided, Said
from oms.errors import OmsError
from oms.folding import Fact
from oms.ports import Ids, NewEvent, VenueMessage
from oms.snapshot import Memory
from oms.store.codec import new_event, opening
from oms.sums import State

AT_ONCE: Final = 64  # answers given before the event loop may look up

Listener = Callable[[Sequence[Fact]], None]  # told of what became durable


class Receipt(Struct, frozen=True, gc=False):
    """What became of a message: the state it led to, and the log position that state is durable at."""

    position: int
    state: State | None
    events: int


class Pending(Struct, eq=False):
    """What one commit will write, and who waits for it. Its messages are named after it, one after the other.

    Three lists run side by side: what was said, who waits for the answer, what was decided. What was said is kept
    whole, so that it can be decided again.
    """

    name: bytes = b""
    said: list[Said] = field(default_factory=list)
    replies: list[asyncio.Future[Receipt]] = field(default_factory=list)
    outcomes: list[Decided | OmsError] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    messages: list[VenueMessage] = field(default_factory=list)
    journal: Journal | None = None
    memory: Memory | None = None  # as it is once this is durable, where that is worth keeping

    def written(self, decided: Decided, *, recorded_ns: int, epoch: int, ids: Ids) -> Sequence[NewEvent]:
        """Return what the last message caused as the log will hold it."""
        if not decided.facts:
            return ()
        if not self.name:
            self.name = ids.next().encode()
        said, metas = self.said[-1], dict[int | None, bytes]()
        moments = decided.moments or [None] * len(decided.facts)
        for moment in dict.fromkeys(moments):
            metas[moment] = opening(
                self.name,
                len(self.said),
                recorded_ns=recorded_ns,
                cause=said.cause,
                actor=said.actor,
                epoch=epoch,
                source=said.source,
                occurred_ns=moment,
            )
        return [
            new_event(stream, state.version, metas[moment], event)
            for (stream, event, state), moment in zip(decided.facts, moments, strict=True)
        ]

    def fail(self, error: OmsError) -> None:
        """Nothing of it is known to be durable: tell everyone who waits."""
        for reply in self.replies:
            _fail(reply, error)


class Answers:
    """Tells everyone who waited for a durable batch; `told` is called once all of its waiters know."""

    def __init__(self, told: Callable[[Pending], None]) -> None:
        self._told = told
        self._untold: deque[tuple[Pending, int]] = deque()
        self._work = asyncio.Event()
        self._done = asyncio.Event()
        self._done.set()

    def give(self, batch: Pending, first: int) -> None:
        """Answer for `batch`, durable from position `first` on: now if it is small, else bit by bit."""
        if self._untold or len(batch.replies) > AT_ONCE:
            self._untold.append((batch, first))
            self._done.clear()
            self._work.set()
        else:
            _tell(batch, 0, first - 1)
            self._told(batch)

    async def all_given(self) -> None:
        """Return once everyone who waited for a durable batch knows of it."""
        await self._done.wait()

    async def give_for_ever(self) -> None:
        """Tell what `give` left, until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._untold:
                batch, first = self._untold[0]
                position = first - 1
                for start in range(0, len(batch.replies), AT_ONCE):
                    position = _tell(batch, start, position)
                    await asyncio.sleep(0)
                self._told(batch)
                self._untold.popleft()
            self._done.set()


def _tell(batch: Pending, start: int, position: int) -> int:
    """Answer the next few, the events so far standing through `position`; return where they stand now."""
    until = start + AT_ONCE
    for reply, outcome in zip(batch.replies[start:until], batch.outcomes[start:until], strict=True):
        if isinstance(outcome, OmsError):
            _fail(reply, outcome)
            continue
        events = len(outcome.facts)
        position += events
        if not reply.done():  # whoever asked may have gone
            reply.set_result(Receipt(position, outcome.state, events))
    return position


def _fail(reply: asyncio.Future[Receipt], error: OmsError) -> None:
    if not reply.done():  # whoever asked may have gone
        reply.set_exception(error)
        reply.exception()  # seen: an answer that nobody waits for is not an error of ours
