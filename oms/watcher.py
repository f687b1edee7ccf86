"""Watches the venue for one account: two witnesses, and no doubt left unasked.

The private stream tells fast and may lose anything; queries tell late and are asked again until they agree. After every
gap of the stream, at the start, and on a timer, the venue's open orders and trades are read and compared with ours.
Whatever is in doubt is asked for by its id until the venue shows it, or its absence is proven.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import structlog

from oms.book import account_stream
from oms.decide import Addressed, BalancesReport
from oms.dispatcher import Dispatcher, order_ref
from oms.engine import Engine
from oms.errors import FencedError
from oms.evidence import kept
from oms.order.decisions import external_id
from oms.order.messages import AbsenceReport
from oms.order.state import CLOSED, Life, Order
from oms.ports import Clock, Ids, Spawn, VenueMessage
from oms.reconcile import address, differences, found, may_prove_absence, mentions, unlisted
from oms.reports import BalanceReport, Control, OrderReport, TradeReport
from oms.values import Provenance
from oms.venue import Answer, NoAnswerError, OrderRef, Venue

POLL_SECONDS: Final = 0.5  # between looks at what is unsettled
FULL_SECONDS: Final = 10.0  # between comparisons of everything
RETRY_SECONDS: Final = (0.5, 1.0, 2.0, 5.0, 10.0)  # after a comparison that could not ask; the last one repeats
OVERLAP_MS: Final = (
    30_000  # trades are asked for from this long before the last look: pages overlap, ids tell them apart
)
ASKED_EACH_POLL: Final = (
    10  # single orders asked for in one round, oldest first, so that a crowd cannot starve the rest
)

log = structlog.get_logger()


class Watcher:
    """Keeps one account's engine in step with its venue."""

    def __init__(
        self, engine: Engine, dispatcher: Dispatcher, venue: Venue, *, clock: Clock, ids: Ids, spawn: Spawn
    ) -> None:
        self.synced = asyncio.Event()  # set after the first complete comparison
        self.differences: dict[str, tuple[str, str]] = {}  # by currency: our total and the venue's, where they differ
        self._engine = engine
        self._dispatcher = dispatcher
        self._venue = venue
        self._clock = clock
        self._ids = ids
        self._spawn = spawn
        self._behind = asyncio.Event()  # the stream had a gap, or time is up: compare everything
        self._traded_until_ms = 0  # trades are known up to here, but for what overlaps
        engine.on_recovered.append(self._behind.set)

    def start(self) -> None:
        """Begin to listen and to compare."""
        self._spawn(self._listen(), name=f"listen {self._engine.account}")
        self._spawn(self._compare_for_ever(), name=f"compare {self._engine.account}")
        self._spawn(self._settle_for_ever(), name=f"settle {self._engine.account}")

    # ------------------------------------------------------------------------------------------------ the stream

    async def _listen(self) -> None:
        try:
            async for answer in self._venue.stream():
                for report in answer.reports:
                    if isinstance(report, Control) and report.event in {"connected", "disconnected"}:
                        log.info("stream", account=self._engine.account, event_name=report.event, text=report.text)
                        self._behind.set()
                try:
                    await self._record(answer)
                except NoAnswerError as error:  # about the order behind a trade: the comparison will bring both
                    log.warning("could not ask the venue", account=self._engine.account, cause=error.cause)
                    self._behind.set()
        except FencedError:
            pass

    # ------------------------------------------------------------------------------------------------ everything

    async def _compare_for_ever(self) -> None:
        failures = 0
        try:
            while True:
                self._behind.clear()
                try:
                    await self.compare()
                    failures = 0
                    pause = FULL_SECONDS if self.synced.is_set() else RETRY_SECONDS[0]
                except NoAnswerError as error:
                    log.warning("could not compare with the venue", account=self._engine.account, cause=error.cause)
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

    async def compare(self) -> None:
        """Read the venue's open orders, trades and balances, and ask for every order of ours that they leave open.

        Raises:
            NoAnswerError: the venue could not be asked; nothing was concluded.
        """
        listed = await self._venue.open_orders()
        await self._record(listed)
        await self._read_trades()
        shown = {address(self._engine.account, r) for r in listed.reports if isinstance(r, OrderReport)}
        for stream in unlisted(self._engine.book, shown):
            await self._ask(stream)
        for stream in list(self._engine.book.unsettled):
            await self._settle(stream)
        opened = await self._compare_balances()
        if opened and not self.synced.is_set():
            self._dispatcher.resume_cancels()
            self._engine.trading = True
            self.synced.set()

    async def _read_trades(self) -> None:
        """Book every trade since the last look, from before it by the overlap, never from before this log's opening."""
        now_ms = self._clock.now_ns() // 1_000_000
        opened_ms = self._engine.opened_ns // 1_000_000
        known_ms = self._traded_until_ms or self._engine.resumed_ns // 1_000_000
        answer = await self._venue.trades(since_ms=max(known_ms - OVERLAP_MS, opened_ms), until_ms=now_ms)
        await self._record(answer)
        if answer.complete:
            self._traded_until_ms = now_ms

    async def _compare_balances(self) -> bool:
        """Take the balances over at the opening; later only note a difference: a break, never a correction.

        Returns whether the account is open.
        """
        book = self._engine.book
        if not book.account.adjustments:
            return await self._open()
        answer = await self._venue.balances()
        differ = differences(book, _balances(answer))
        self.differences = {name: (str(ours), str(theirs)) for name, (ours, theirs) in differ.items()}
        return True

    async def _open(self) -> bool:
        """Take over what the venue says we own, unless a trade falls between the looks: then it is in the balances, or
        it is not, and nobody can tell. Returns whether it was possible.
        """
        book = self._engine.book
        before = dict(book.totals)
        answer = await self._venue.balances()
        await self._read_trades()
        moved = book is not self._engine.book or book.totals != before
        if moved or any(order.trades_missing for order in book.orders.values()):
            return False
        report = BalancesReport(balances=_balances(answer), reason="opening")
        evidence = kept(answer.evidence, self._ids, self._clock)
        stream = account_stream(self._engine.account)
        await self._engine.report([(stream, report)], source=Provenance.POLL, evidence=evidence)
        return True

    # ------------------------------------------------------------------------------------------------ the unsettled

    async def _settle_for_ever(self) -> None:
        await self.synced.wait()
        try:
            while True:
                await asyncio.sleep(POLL_SECONDS)
                streams = list(self._engine.book.unsettled)
                if not streams:
                    continue
                try:
                    if any(self._engine.book.orders[stream].trades_missing for stream in streams):
                        await self._read_trades()
                    for stream in streams[:ASKED_EACH_POLL]:
                        await self._settle(stream)
                    self._dispatcher.resume_cancels()
                except NoAnswerError as error:
                    log.warning("could not ask the venue", account=self._engine.account, cause=error.cause)
                    await asyncio.sleep(RETRY_SECONDS[0])
        except FencedError:
            pass

    async def _settle(self, stream: str) -> None:
        """Ask what is to be asked about one order."""
        order = self._engine.book.orders.get(stream)
        if order is None:
            return
        if order.life is Life.IN_DOUBT:
            await self._resolve(stream, order)
        elif order.trades_missing:
            await self._record(await self._venue.order_trades(order_ref(order)))
        elif order.cancels:
            await self._ask(stream)

    async def _resolve(self, stream: str, order: Order) -> None:
        """Ask for an order in doubt. Where "not found" proves something, ask everywhere, then record the proof."""
        can = self._venue.capabilities(order.request.symbol)
        proves = may_prove_absence(order, can, self._clock.now_ns())
        looked = await self._venue.order(order_ref(order))
        if found(looked) is not False:
            await self._record(looked)
            return
        if not proves:
            return
        sent_ms = (order.valid_until_ns - int(can.submit_validity * 1e9)) // 1_000_000
        # No trade from before this log's opening: those are in the opening balances.
        since_ms = max(sent_ms - OVERLAP_MS, self._engine.opened_ns // 1_000_000)
        listed = await self._venue.open_orders()
        traded = await self._venue.trades(since_ms=since_ms, until_ms=self._clock.now_ns() // 1_000_000)
        await self._record(listed)
        await self._record(traded)
        if not (listed.complete and traded.complete) or mentions(listed, order) or mentions(traded, order):
            return
        evidence: list[VenueMessage] = []
        proof: list[str] = []
        for answer in (looked, listed, traded):
            messages = kept(answer.evidence, self._ids, self._clock)
            evidence.extend(messages)
            proof.append(messages[-1].message_id)
        report = AbsenceReport(evidence=tuple(proof))
        await self._engine.report([(stream, report)], source=Provenance.INFERRED, evidence=evidence)

    async def _ask(self, stream: str) -> None:
        order = self._engine.book.orders.get(stream)
        if order is not None and order.life not in CLOSED:
            await self._record(await self._venue.order(order_ref(order)))

    # ------------------------------------------------------------------------------------------------ recording

    async def _record(self, answer: Answer) -> None:
        """Record what an answer says of orders and trades, as one commit with its bytes.

        Trades come first, so that a picture of the order that counts them already finds them booked; only an order that
        nobody here knows must be shown before its trades.
        """
        shown: list[Addressed] = []
        traded: list[Addressed] = []
        for report in answer.reports:
            match report:
                case OrderReport():
                    shown.append((address(self._engine.account, report), report))
                case TradeReport():
                    traded.append((address(self._engine.account, report), report))
                case _:
                    continue
        news = await self._in_order(shown, traded)
        if news:
            await self._engine.report(
                news,
                source=answer.source,
                occurred_ns=_occurred_ns(news),
                evidence=kept(answer.evidence, self._ids, self._clock),
            )

    async def _in_order(self, shown: Sequence[Addressed], traded: Sequence[Addressed]) -> Sequence[Addressed]:
        known = {stream for stream, _ in (*shown, *traded) if await self._engine.known(stream)}
        first = [news for news in shown if news[0] not in known]
        introduced = {stream for stream, _ in first}
        for stream, report in traded:
            if stream not in known and stream not in introduced:
                assert isinstance(report, TradeReport)
                first.extend(await self._introduce(stream, report))
                introduced.add(stream)
        return [*first, *traded, *(news for news in shown if news[0] in known)]

    async def _introduce(self, stream: str, trade: TradeReport) -> Sequence[Addressed]:
        """Ask for the order behind a trade that nobody here knows."""
        name = OrderRef(client_order_id=external_id(trade), symbol=trade.symbol, venue_order_id=trade.venue_order_id)
        answer = await self._venue.order(name)
        return [(stream, report) for report in answer.reports if isinstance(report, OrderReport)]


def _balances(answer: Answer) -> tuple[BalanceReport, ...]:
    return tuple(report for report in answer.reports if isinstance(report, BalanceReport))


def _occurred_ns(news: Sequence[Addressed]) -> int | None:
    """Return when the venue says it happened, where all of it happened at one moment."""
    moments = set()
    for _, report in news:
        match report:
            case TradeReport(at_ms=at_ms):
                moments.add(at_ms)
            case OrderReport(updated_ms=updated_ms):
                moments.add(updated_ms)
            case _:
                continue
    moment = moments.pop() if len(moments) == 1 else None
    return None if moment is None else moment * 1_000_000
