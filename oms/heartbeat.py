"""The dead man's switch: a writer that is well says so at the venue, which cancels the orders of whoever fell silent.

Only where a market has such a switch (BitMart's cancel-all-after, PROTOCOL 6.4) and the configuration asks for it. A
market is armed while orders of ours are open on it, and disarmed when none is left: the switch ends everybody's there,
and where only somebody else's are it is not ours to say when. Nothing is said while the log is gone or takes nothing,
or the lease is not fresh: that silence is the signal. A clean stop says nothing more either, so the orders of an armed
market end with the OMS. Who begins lets go what the process before may have armed: else that goes off while all is
well, and ends what was placed since. For the same reason what may have been armed counts as armed, and no more markets
are armed than can be kept from it.
"""

import asyncio
from collections.abc import Iterable
from itertools import islice
from typing import Final

import structlog

from oms.engine import Engine
from oms.order.state import EXTERNAL
from oms.ports import Spawn
from oms.reports import Refusal, RefusalClass
from oms.values import Symbol
from oms.venue import NoAnswerError, Venue

BEATS: Final = 3  # in one span of the switch: two may be lost
# A commit takes milliseconds, and who holds the log up in silence is ended by the server after three seconds. Who waits
# for longer may wait for ever, with a log that answers everything else: no cancel becomes durable, so none leaves.
COMMIT_SECONDS: Final = 5.0

SAYING_MAX: Final = 4  # at once: as many as BitMart takes in two seconds, so that none is turned away for its rates

log = structlog.get_logger()


class Heartbeat:
    """Keeps the switch of every market with open orders of ours from going off. `seconds` 0: there is none. A call that
    hangs for one market keeps no other waiting.
    """

    def __init__(self, engine: Engine, venue: Venue, *, seconds: int, spawn: Spawn) -> None:
        self.armed: set[Symbol] = set()  # for certain, or perhaps
        self._engine = engine
        self._venue = venue
        self._seconds = seconds
        self._spawn = spawn
        self._saying: set[Symbol] = set()  # of these the last word has no answer yet
        self._bare: set[Symbol] = set()  # those that it cannot be held for beside the others
        self._places = asyncio.Semaphore(SAYING_MAX)

    def start(self) -> None:
        """Begin to beat."""
        if self._seconds:
            self.armed = self._armed_before()
            self._spawn(self._beat_for_ever(), name=f"heartbeat {self._engine.account}")

    async def _beat_for_ever(self) -> None:
        while not self._engine.fenced.is_set():
            if self._well:
                self._beat()
            await asyncio.sleep(self._seconds / BEATS)

    @property
    def _well(self) -> bool:
        engine = self._engine
        return engine.ready and not engine.fenced.is_set() and engine.committing_seconds <= COMMIT_SECONDS

    def _beat(self) -> None:
        wanted = self._wanted()
        bare = self._traded() - wanted
        if bare - self._bare:
            log.warning("more markets than the dead man's switch can be held for", without_it=sorted(bare))
        self._bare = bare
        for symbol in (*sorted(wanted - self._saying), *sorted(self.armed - wanted - self._saying)):
            self._saying.add(symbol)
            self._spawn(self._set(symbol), name=f"heartbeat {self._engine.account} {symbol}")

    async def _set(self, symbol: Symbol) -> None:
        """Say of a market what is true once there is a place to say it."""
        try:
            async with self._places:
                seconds = self._due(symbol)
                if self._well and (seconds or symbol in self.armed):
                    await self._say(symbol, seconds)
        finally:
            self._saying.discard(symbol)

    def _due(self, symbol: Symbol) -> int:
        return self._seconds if symbol in self._wanted() else 0

    def _wanted(self) -> set[Symbol]:
        """Return the markets to be armed, of those where orders of ours are open: as many as the span has seconds, as
        BitMart takes some two calls in one. Those that are armed stay so.
        """
        markets = self._traded()
        if len(markets) <= self._seconds:
            return markets
        return set(sorted(markets, key=lambda symbol: (symbol not in self.armed, symbol))[: self._seconds])

    def _traded(self) -> set[Symbol]:
        """Return the markets where orders of ours are open; one that somebody was given is his."""
        book = self._engine.book
        requests = (book.orders[stream].request for stream in book.open)
        return set(self._with_switch({each.symbol for each in requests if each.strategy != EXTERNAL}))

    def _armed_before(self) -> set[Symbol]:
        """Return the markets that the process before may have armed: those with open orders of ours, and those where
        such ended last. Of these as many as BitMart takes calls in half a span, two a second: no beat waits behind them
        for longer, and what is told much later has gone off by then.
        """
        wanted = self._wanted()
        ended_in = (symbol for symbol in reversed(self._engine.book.ended_in) if symbol not in wanted)
        return {*wanted, *islice(self._with_switch(ended_in), self._seconds)}

    def _with_switch(self, symbols: Iterable[Symbol]) -> Iterable[Symbol]:
        return (symbol for symbol in symbols if self._venue.capabilities(symbol).dead_man)

    async def _say(self, symbol: Symbol, seconds: int) -> None:
        def overtaken() -> str | None:
            return None if self._due(symbol) == seconds else "not sent: orders were placed, or ended, while it waited"

        try:
            answer = await self._venue.dead_man(symbol, seconds, last_look=overtaken)
        except NoAnswerError as error:
            cause, klass = error.cause, RefusalClass.UNKNOWN if error.sent else RefusalClass.TRANSIENT
        else:
            refusal = next((report for report in answer.reports if isinstance(report, Refusal)), None)
            if refusal is None:
                (self.armed.add if seconds else self.armed.discard)(symbol)
                return
            cause, klass = f"refused: {refusal.reason} {refusal.text or ''}".rstrip(), refusal.klass
        if seconds and klass is RefusalClass.UNKNOWN:
            self.armed.add(symbol)
        elif not seconds and klass is RefusalClass.CERTAIN:  # delisted meanwhile: it would be refused for ever
            self.armed.discard(symbol)
        log.warning("the dead man's switch was not set", symbol=symbol, seconds=seconds, cause=cause)
