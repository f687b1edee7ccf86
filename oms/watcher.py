"""Watches the venue for one account: two witnesses, and no doubt left unasked.

The private stream tells fast and may lose anything; queries tell late and are asked again until they agree. At the
start, after every gap of the stream, and on a timer, everything is compared (`oms.survey`). Nothing trades before a
comparison was complete. Whatever is in doubt is asked for by its id until the venue shows it, or its absence is proven.
"""

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog
from msgspec.structs import replace

from oms.decide import Addressed
from oms.dispatcher import Dispatcher
from oms.engine import Engine
from oms.errors import FencedError, LogUnavailableError, OmsError
from oms.ports import Clock, EventLog, Ids, Spawn
from oms.reconcile import Result, told_short
from oms.rehearsal import LOOKS_MAX, Rehearsed, rehearse
from oms.reports import Control, OrderReport, TradeReport
from oms.rhythm import Key, Rhythm
from oms.sending import recalled
from oms.standing import Sighting, Standing, together
from oms.survey import UNANSWERED_MAX, Survey
from oms.values import ClientOrderId
from oms.venue import Answer, NoAnswerError, Venue
from oms.witness import Witness

POLL_SECONDS: Final = 0.5  # between looks at what is unsettled
FULL_SECONDS: Final = 10.0  # between comparisons of everything
RETRY_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0)  # after a comparison that was not complete; the last one repeats
AGAIN_SECONDS: Final = 1.0  # until the next look of a comparison that somebody asked for: a list may lag
UNCONFIRMED_MAX: Final = 2  # looks before trading begins although something disagrees otherwise each time
SILENT_SECONDS: Final = 20.0  # a stream that brought nothing for so long, not even the answer to a ping, is stale
STALE_SECONDS: Final = 60.0  # a complete comparison older than that proves nothing any more
ASKED_EACH_POLL: Final = (
    10  # single orders asked for in one round, oldest first, so that a crowd cannot starve the rest
)

log = structlog.get_logger()


class Watcher:
    """Keeps one account's engine in step with its venue."""

    def __init__(
        self,
        engine: Engine,
        dispatcher: Dispatcher,
        venue: Venue,
        *,
        event_log: EventLog,
        clock: Clock,
        ids: Ids,
        spawn: Spawn,
        survey: type[Survey] = Survey,
    ) -> None:
        self.synced = asyncio.Event()  # set after the first complete comparison
        self.standing: Standing | None = None  # how the last comparison went
        self.began: Mapping[ClientOrderId, Sighting] = {}  # what the start found of each open order, on either side
        self.survey = survey(engine, venue, event_log=event_log, clock=clock, ids=ids)
        self._engine = engine
        self._dispatcher = dispatcher
        self._venue = venue
        self._clock = clock
        self._spawn = spawn
        self._log = event_log
        self._ids = ids
        self._turn = asyncio.Lock()
        self._rhythm = Rhythm(clock)
        self._behind = asyncio.Event()  # the stream had a gap, or time is up: compare everything
        self._live = False  # the stream is connected and subscribed
        self._heard_at = clock.monotonic()
        self._unconfirmed = 0  # comparisons at the start of which something had still to be confirmed
        self._witness = Witness()
        self._complete_at: float | None = None
        engine.on_recovered.append(self._behind.set)
        self.survey.on_polled.append(self._polled)

    def start(self) -> None:
        """Begin to listen and to compare."""
        self._venue.recall(recalled(self._engine.book.orders.values()))
        self._spawn(self._listen(), name=f"listen {self._engine.account}")
        self._spawn(self._compare_for_ever(), name=f"compare {self._engine.account}")
        self._spawn(self._settle_for_ever(), name=f"settle {self._engine.account}")

    # ------------------------------------------------------------------------------------------------ how it stands

    @property
    def live(self) -> bool:
        """Whether the stream is a witness now: subscribed, heard within its keep-alive time, and no poll knows more."""
        now = self._clock.monotonic()
        return self._live and now - self._heard_at <= SILENT_SECONDS and self._witness.silent(now) is None

    @property
    def complete_seconds_ago(self) -> float | None:
        """How long ago a comparison was last complete; None: never."""
        return None if self._complete_at is None else self._clock.monotonic() - self._complete_at

    @property
    def skew_ms(self) -> float:
        """How far the venue's clock was ahead of ours when last measured."""
        return self._venue.skew_ms

    def broken(self) -> str | None:
        """Return what keeps us from knowing what the venue holds, None if nothing does."""
        standing = self.standing
        if standing is None:
            return "not compared with its venue yet"
        ago = self.complete_seconds_ago
        if ago is None or ago > STALE_SECONDS:
            causes = [f"{part}: {cause}" for part, cause in standing.failures.items()]
            if standing.waits_for:
                causes.append(f"the first start waits for {standing.waits_for}")
            why = "; ".join(causes) or "no other one came about since"
            return f"the comparison with the venue is {standing.result}: {why}"
        return None if self.live else "the private stream is stale: prices and fills may be late"

    # ------------------------------------------------------------------------------------------------ the stream

    async def _listen(self) -> None:
        try:
            while True:
                async with contextlib.aclosing(self._venue.stream()) as answers:
                    async for answer in answers:
                        await self._hear(answer)
                        if (symbol := self._witness.silent(self._clock.monotonic())) is not None:
                            break
                log.warning("the stream says nothing of orders", account=self._engine.account, symbol=symbol)
                self._turn_to(live=False)
        except FencedError:
            pass

    async def _hear(self, answer: Answer) -> None:
        self._heard_at = self._clock.monotonic()
        for report in answer.reports:
            match report:
                case Control(event="connected" | "disconnected"):
                    log.info("stream", account=self._engine.account, event_name=report.event, text=report.text)
                    self._turn_to(live=report.event == "connected")
                case OrderReport() | TradeReport():
                    self._witness.told(report.symbol, self._heard_at)
                case _:
                    pass
        try:
            await self.survey.record(answer)
        except NoAnswerError as error:  # about the order behind a trade: the comparison will bring both
            log.warning("could not ask the venue", account=self._engine.account, cause=error.cause)
            self._behind.set()

    def _turn_to(self, *, live: bool) -> None:
        self._live = live
        if live:
            self._witness.began(self._clock.monotonic())
        else:
            self._witness.ended()
        self._behind.set()

    def _polled(self, news: Sequence[Addressed]) -> None:
        self._witness.found(news, self._clock.monotonic(), self._clock.now_ns() // 1_000_000)

    # ------------------------------------------------------------------------------------------------ everything

    async def _compare_for_ever(self) -> None:
        failures = 0
        try:
            while True:
                self._behind.clear()
                if await self._compared():
                    failures, pause = 0, FULL_SECONDS
                else:
                    pause = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
                    failures += 1
                await self._nudged(pause)
        except FencedError:
            pass

    async def _nudged(self, seconds: float) -> None:
        """Wait for a gap in the stream, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._behind.wait()

    async def _compared(self) -> bool:
        try:
            return await self.compare()
        except (NoAnswerError, LogUnavailableError) as error:  # what was recorded stays; the rest is asked again
            log.warning("the comparison broke off", account=self._engine.account, cause=error.cause)
            return False

    async def compare(self) -> bool:
        """Compare everything once; whether all of it could be asked. The first time that it could, trading begins.

        Raises:
            NoAnswerError, LogUnavailableError: it broke off, and `standing` is of the one before.
        """
        async with self._turn:  # somebody may ask for a comparison while one is under way
            return await self._compare()

    async def compare_well(self) -> Standing:
        """Compare until what disagrees counts, or was an old picture, and return how it stands. Raises as `compare`."""
        standing = await self._compared_now()
        for _ in range(LOOKS_MAX - 1):
            if standing.confirmed and not self.survey.lacking:
                break
            await asyncio.sleep(AGAIN_SECONDS)
            before, standing = standing, await self._compared_now()
            standing = replace(standing, orders=together(before.orders, standing.orders))
        return standing

    async def _compared_now(self) -> Standing:
        await self.compare()
        assert self.standing is not None, "it was compared just now"
        return self.standing

    async def rehearse(self) -> Rehearsed:
        """Compare, and return what that would append; nothing is. Raises NoAnswerError, LogUnavailableError."""
        engine = self._engine
        return await rehearse(engine.account, self._log, engine.decider, self._venue, clock=self._clock, ids=self._ids)

    async def _compare(self) -> bool:
        standing = self.standing = await self.survey.compare(starting=not self.synced.is_set())
        if not self.synced.is_set():
            self.began = together(self.began, standing.orders)
        if standing.result is not Result.COMPLETE or not standing.opened:
            failures = {str(part): cause for part, cause in standing.failures.items()}
            told = {"result": standing.result, "waits_for": standing.waits_for, **failures}
            log.warning("could not compare", account=self._engine.account, **told)
            return False
        self._complete_at = self._clock.monotonic()
        if not (self.synced.is_set() or standing.confirmed) and self._unconfirmed < UNCONFIRMED_MAX:
            self._unconfirmed += 1  # what disagrees may be a reason to open nothing: it is looked at once more, at once
            return False
        if not self.synced.is_set():
            self._dispatcher.begin()
            self._engine.trading = True
            self.synced.set()
            self._tell_of_the_start()
        return True

    def _tell_of_the_start(self) -> None:
        """Write down which orders were found as they were left, and which were not, one by one."""
        by_sighting = {
            each.value: [name for name, sighting in self.began.items() if sighting is each] for each in Sighting
        }
        matched = by_sighting.pop(Sighting.MATCHED)
        log.info("reconciled", account=self._engine.account, matched=len(matched), **by_sighting)

    # ------------------------------------------------------------------------------------------------ the unsettled

    async def _settle_for_ever(self) -> None:
        await self.synced.wait()
        try:
            while True:
                await asyncio.sleep(POLL_SECONDS)
                book = self._engine.book
                due = self._rhythm.due([(stream, book.orders[stream].version) for stream in book.unsettled])
                if not book.unsettled:
                    continue
                unasked = await self._settle(due)
                self._dispatcher.resume_cancels(unasked)
                if unasked:
                    await asyncio.sleep(RETRY_SECONDS[0])
        except FencedError:
            pass

    async def _settle(self, due: Sequence[Key]) -> Collection[str]:
        """Ask for the first of these orders; return which had no answer. One that nobody can ask for, or read, does not
        keep the others from being asked for (S44); several do.
        """
        book, unasked = self._engine.book, list[str]()
        try:
            lacking = (book.orders[stream] for stream, _ in due if book.orders[stream].trades_missing)
            if any(not told_short(book, order) for order in lacking):  # the comparisons go on asking for the others
                await self.survey.read_trades()
        except (NoAnswerError, LogUnavailableError) as error:
            self._warn(error)
            await asyncio.sleep(RETRY_SECONDS[0])
        crowd = len(book.unsettled) > ASKED_EACH_POLL
        for key in due[:ASKED_EACH_POLL]:  # nobody waits for ever behind ten that the venue does not know
            stream, _ = key
            try:
                await self.survey.settle(stream, sparing=crowd)  # then the comparisons search for what takes one
            except (NoAnswerError, LogUnavailableError) as error:
                self._warn(error)
                unasked.append(stream)
                self._rhythm.asked(key, answered=False)
                if len(unasked) >= UNANSWERED_MAX:
                    break
            else:
                self._rhythm.asked(key, answered=True)
        return unasked

    def _warn(self, error: OmsError) -> None:
        log.warning("could not ask the venue", account=self._engine.account, cause=error.cause)
