"""What backs an account's markets, and its position mode: asked of the venue, and believed when it is read back.

Nothing is asked that the log does not hold, and one after the other of each market and of the mode: the answer that
comes last is to be of what was asked last. A request that a process was ended on is refused by the next one: nobody
knows whether it left, and what the venue shows is compared.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from oms.account.events import PositionModeRequested
from oms.account.modes import PositionModeRejected
from oms.book import Event, account_stream
from oms.decide import Addressed, Setting
from oms.engine import Engine
from oms.errors import FencedError
from oms.evidence import kept
from oms.folding import Fact
from oms.ports import Clock, Ids, Spawn
from oms.position.events import LeverageRequested
from oms.position.settings import LeverageRejected, not_read_back
from oms.reports import LeverageReport, PositionModeReport, Refusal, RefusalClass
from oms.sums import symbol_of
from oms.venue import Evidence, NoAnswerError, Venue

_SETTINGS: Final = frozenset({LeverageRequested, PositionModeRequested})
INTERRUPTED: Final = "the OMS ended before the venue had answered; what backs the market is compared"


class Settings:
    """Asks the venue for the settings that one account's engine has committed."""

    def __init__(self, engine: Engine, venue: Venue, *, clock: Clock, ids: Ids, spawn: Spawn) -> None:
        self._engine = engine
        self._venue = venue
        self._clock = clock
        self._ids = ids
        self._spawn = spawn
        self._asking: set[tuple[str, str]] = set()  # leverages, by market's stream and request
        self._switches = 0  # position modes that were handed over, and whose outcome is not recorded yet
        self._turns: dict[str, asyncio.Lock] = {}  # by stream
        engine.decider.switching = self._switching
        engine.on_commit.append(self._handed)
        engine.on_recovered.append(self._interrupted)

    def begin(self) -> None:
        """Refuse what the process before this one was ended on."""
        self._interrupted()

    def _handed(self, committed: Sequence[Fact]) -> None:
        for stream, event, _ in committed:
            if type(event) in _SETTINGS:
                if isinstance(event, LeverageRequested):
                    self._asking.add((stream, event.request_id))
                else:
                    self._switches += 1
                self._spawn(self._ask(stream, event), name=f"settings of {stream}")

    def _switching(self) -> bool:
        """Whether a switch is on its way, from its decision until its outcome is recorded. What the venue shows before
        the log holds the request is of before, and would end it.
        """
        unwritten = account_stream(self._engine.account) in self._engine.uncommitted()
        return self._switches > 0 or (self._engine.book.account.mode_requested is not None and unwritten)

    def _interrupted(self) -> None:
        pending = [(stream, leg.asked) for stream, leg in self._engine.book.positions.items() if leg.asked is not None]
        lost: list[Addressed] = [
            (stream, LeverageRejected(request_id=asked.request_id, reason="interrupted", text=INTERRUPTED))
            for stream, asked in pending
            if (stream, asked.request_id) not in self._asking
        ]
        if lost:
            self._spawn(self._refuse(lost), name=f"settings of {self._engine.account} that were interrupted")

    async def _refuse(self, lost: list[Addressed]) -> None:
        with suppress(FencedError):
            await self._engine.report(lost)

    async def _ask(self, stream: str, event: Event) -> None:
        try:
            async with self._turns.setdefault(stream, asyncio.Lock()):
                await self._ask_venue(stream, event)
        finally:
            if isinstance(event, LeverageRequested):
                self._asking.discard((stream, event.request_id))
            else:
                self._switches -= 1

    async def _ask_venue(self, stream: str, event: Event) -> None:
        """Ask the venue for another leverage or position mode, and record what it reads back."""
        refused: LeverageRejected | PositionModeRejected
        try:
            match event:
                case LeverageRequested():
                    symbol = symbol_of(stream)
                    answer = await self._venue.set_leverage(symbol, event.leverage, event.margin_mode)
                case PositionModeRequested():
                    answer = await self._venue.set_position_mode(event.mode)
                case _:
                    return
        except NoAnswerError as error:
            # What the venue shows at the next comparison settles it; until then nothing opens in the mode asked for.
            if isinstance(event, LeverageRequested):
                refused = LeverageRejected(request_id=event.request_id, reason="no_answer", text=error.cause[:200])
                await self._tell(stream, refused, error.evidence)
            elif not error.sent:
                await self._tell(
                    stream, PositionModeRejected(reason="not_sent", text=error.cause[:200]), error.evidence
                )
            return
        for report in answer.reports:
            match report:
                case LeverageReport() | PositionModeReport():
                    await self._tell(stream, report, answer.evidence)
                    if (unshown := not_read_back(event, report)) is not None:
                        await self._tell(stream, unshown, answer.evidence)
                case Refusal() if isinstance(event, LeverageRequested):
                    refused = LeverageRejected(
                        request_id=event.request_id, reason=report.reason, code=report.code, text=report.text
                    )
                    await self._tell(stream, refused, answer.evidence)
                case Refusal(klass=RefusalClass.UNKNOWN):
                    continue
                case Refusal():
                    refused = PositionModeRejected(reason=report.reason, code=report.code, text=report.text)
                    await self._tell(stream, refused, answer.evidence)
                case _:
                    continue

    async def _tell(self, stream: str, report: Setting, evidence: Evidence) -> None:
        with suppress(FencedError):
            await self._engine.report([(stream, report)], evidence=kept(evidence, self._ids, self._clock))
