"""Who reads the log while it grows: the read models' follower, and subscribers of the stream. All of them as they are.

Each process that leads runs a follower into the same tables, and serves subscribers who resume where they were, with
whichever process leads then. What they see is compared with the log itself: the rows at every checkpoint and once more
when the log is folded into new tables (I11), the balances in them (I6), the stream event by event (I17).
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from itertools import islice
from random import Random  # noqa: TID251 - the simulation's chance comes from its seed
from typing import Any, Final, Protocol

from oms.errors import CorruptStreamError, OmsError
from oms.gateway.tail import Tail
from oms.ports import Clock, EventLog, StoredEvent
from oms.values import EXACT
from projections.compare import differences
from projections.fold import Twin, projectors
from projections.projector import Projector
from projections.runner import Runner
from tests.simulation.invariants import Say
from tests.simulation.process import GoneError, Process
from tests.simulation.storage import Storage
from tests.simulation.tables import TableFaults, Tables, TablesConnection

WAIT_SECONDS: Final = 20.0  # a subscriber's patience with one page
AGAIN_SECONDS: Final = (0.05, 2.0)  # before a subscriber whose connection broke is there again
SLOW_SECONDS: Final = 20.0  # what a slow one may take for a page
KEPT: Final = (1, 5, 10_000)  # events of the tail that are kept for subscribers
TOLD_MAX: Final = 3  # differences of one comparison


class Server(Protocol):
    """The process that leads now, as a subscriber sees it."""

    @property
    def process(self) -> Process: ...
    @property
    def tail(self) -> Tail | None: ...


class Readers:
    """Everybody who reads, over all processes of one world: in many a world nobody."""

    def __init__(
        self,
        chance: Callable[[str], Random],
        storage: Storage,
        *,
        runner: type[Runner],
        tail: type[Tail],
        say: Say,
        anybody: bool,
    ) -> None:
        self.faults = TableFaults(chance("tables"))
        self.tables = Tables(self.faults, self._moved)
        self._chance = chance("readers")
        self._storage = storage
        self._runner = runner
        self._tail = tail
        self._say = say
        self._anybody = anybody
        self._twin = Twin()
        self._kept = self._chance.choice(KEPT)
        self._subscribers = [Subscriber("quick", 0.0, storage, say), Subscriber("slow", SLOW_SECONDS, storage, say)]

    # ------------------------------------------------------------------------------------------------ in a process

    def serve(self, process: Process, log: EventLog, clock: Clock) -> Tail:
        """Follow the log into the tables for as long as `process` lives; return what its subscribers read."""
        tail = self._tail(log, kept=self._kept)
        if not self._anybody:
            return tail
        into = projectors()
        held: set[TablesConnection] = set()

        def die() -> None:
            for each in list(held):
                each.die()

        process.at_death.append(die)
        connect = partial(connected, self.tables, into, held)
        self._runner(log, "", clock=clock, spawn=process.spawn, into=into, connect=connect).start()  # type: ignore[arg-type]  # a connection in all that is asked of one
        return tail

    def subscribe(self, leader: Callable[[], Server]) -> list[Coroutine[Any, Any, None]]:
        """Return what the subscribers do for ever."""
        if not self._anybody:
            return []
        quick, slow = self._subscribers
        return [quick.listen(leader, self._chance), slow.listen(leader, self._chance)]

    def calm_down(self) -> None:
        """Nothing new goes wrong, and nobody dawdles."""
        self.faults.strike(0.0)
        for each in self._subscribers:
            each.pace = 0.0

    # ------------------------------------------------------------------------------------------------ what is true

    def _moved(self) -> None:
        """I11: the rows are what the log says at their checkpoint, whenever it moves."""
        position = self.tables.position
        if position < 0:
            self._say("I11", f"the checkpoints differ: {self.tables.checkpoints}")
        elif position < self._twin.position:
            self._say("I11", f"the checkpoint went back from {self._twin.position} to {position}")
        else:
            self._twin.apply(self._storage.events[self._twin.position : position])
            self._compare(self.tables)

    def _compare(self, tables: Tables) -> None:
        rows = {name: rows for name, rows in self._twin.rows().items() if rows}
        if rows != tables.rows:
            for wrong in islice(differences(rows, tables.rows), TOLD_MAX):
                self._say("I11", f"at {tables.position}: {wrong}")
        for row in tables.rows.get("balances", {}).values():
            if EXACT.add(row.available, row.held) != row.total:
                self._say("I6", f"available and held are not the total in {row}")

    def behind(self) -> Iterator[tuple[str, str]]:
        """Yield who has not read what the log says, once nothing grows any more."""
        if not self._anybody:
            return
        head = len(self._storage.events)
        if self.tables.position != head:
            yield "I11", f"the tables stand at {self.tables.position}, the log at {head}"
        for each in self._subscribers:
            if each.position != head:
                yield "I17", f"the {each.name} subscriber stands at {each.position}, the log at {head}"

    async def rebuild(self, clock: Clock) -> None:
        """I11 once more: new tables, folded from the beginning, say the same."""
        if not self._anybody:
            return
        tables, into = Tables(TableFaults(self._chance), lambda: None), projectors()
        runner = Runner(
            self._storage,
            "",
            clock=clock,
            spawn=None,  # type: ignore[arg-type]  # nothing is spawned on the way to the end
            into=into,
            connect=partial(connected, tables, into, set()),  # type: ignore[arg-type]  # as above
        )
        try:
            await runner.run_to_end()
        except CorruptStreamError as error:
            self._say("I11", f"the log cannot be folded again: {error}")
        self._compare(tables)


class Subscriber:
    """One client of the stream, which resumes from the last event it saw."""

    def __init__(self, name: str, pace: float, storage: Storage, say: Say) -> None:
        self.name = name
        self.pace = pace  # seconds that it takes for a page at most
        self.position = 0
        self._storage = storage
        self._say = say

    async def listen(self, leader: Callable[[], Server], chance: Random) -> None:
        """Take page by page, for ever."""
        while True:
            try:
                self._take(await self._page(leader()))
                await asyncio.sleep(chance.uniform(0.0, self.pace))
            except (GoneError, OmsError):
                await asyncio.sleep(chance.uniform(*AGAIN_SECONDS))

    async def _page(self, server: Server) -> tuple[StoredEvent, ...]:
        tail, position = server.tail, self.position
        if tail is None:
            raise GoneError

        async def work() -> tuple[StoredEvent, ...]:
            return tuple(await tail.after(position, seconds=WAIT_SECONDS))

        return await server.process.call(work)

    def _take(self, page: tuple[StoredEvent, ...]) -> None:
        for event in page:
            if event.position != self.position + 1:
                self._say("I17", f"the {self.name} subscriber got {event.position} after {self.position}")
            elif event != self._storage.events[self.position]:
                self._say("I17", f"the {self.name} subscriber got another event {event.position} than the log has")
            self.position = event.position


async def connected(
    tables: Tables, into: Sequence[Projector[Any]], held: set[TablesConnection], _url: str, _role: str
) -> TablesConnection:
    return await tables.connect(into, held)
