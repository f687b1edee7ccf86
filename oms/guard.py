"""Tells somebody of positions that must have a live stop and have none: by a break on the log (S28).

Memory alone is looked at, so that it goes on while the venue cannot be asked.
"""

import asyncio
from typing import Final

from oms.book import account_stream
from oms.breaks import decisions as breaks
from oms.breaks.decisions import DisagreementsReport
from oms.breaks.events import BreakKind
from oms.engine import Engine
from oms.errors import FencedError
from oms.ports import Clock, Spawn
from oms.protection import Protected, exposed
from oms.values import Provenance

LOOK_SECONDS: Final = 0.5  # between two looks

_KINDS: Final = frozenset({BreakKind.PROTECTION})


class Guard:
    """Watches the positions of one account."""

    def __init__(self, engine: Engine, policy: Protected, *, clock: Clock, spawn: Spawn) -> None:
        self._engine = engine
        self._policy = policy
        self._clock = clock
        self._spawn = spawn
        self._since: dict[str, float] = {}  # by leg: since when it is exposed

    def start(self) -> None:
        """Begin to look, where a position has to have a stop at all, or had to."""
        self._spawn(self._look_for_ever(), name=f"guard {self._engine.account}")

    def alert(self) -> str | None:
        """Return what a person should do something about, if anything: what the log was told of."""
        open_ = self._engine.book.account.breaks.open.values()
        exposed_ = [each for each in open_ if each.kind is BreakKind.PROTECTION]
        return "; ".join(f"{each.subject}: {each.ours}, {each.theirs}" for each in exposed_) or None

    async def _look_for_ever(self) -> None:
        try:
            while not self._engine.fenced.is_set():
                await self.look()
                await asyncio.sleep(LOOK_SECONDS)
        except FencedError:
            pass

    async def look(self) -> None:
        """Tell the log of what is exposed for too long, and of what no longer is."""
        now, found = self._clock.monotonic(), exposed(self._engine.book, self._policy, self._engine.decider.instruments)
        self._since = {stream: self._since.get(stream, now) for stream in found}
        late = self._policy.seconds - LOOK_SECONDS  # the next look would be after the time is up
        told = DisagreementsReport(
            kinds=_KINDS,
            unsure=frozenset(
                each.disagreement.break_id for stream, each in found.items() if now - self._since[stream] < late
            ),
            disagreements=tuple(each.disagreement for each in found.values()),
            at_ns=self._clock.now_ns(),
        )
        if self._engine.ready and breaks.report(told, self._engine.book.account.breaks):
            stream = account_stream(self._engine.account)
            await self._engine.report([(stream, told)], source=Provenance.INFERRED)
