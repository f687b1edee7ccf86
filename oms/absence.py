"""Proves that an order which the venue, asked for it, does not know is nowhere: searched for wherever it would show.

"Not found" alone proves nothing: the request may still arrive, what was accepted may not show yet, lists lag. So a
search waits until it cannot be early, looks at open orders, history and trades together, and concludes from whole
answers alone, each kept with how far it reaches.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from oms import busts, perpetuals
from oms.breaks.decisions import Disagreement
from oms.breaks.events import BreakKind
from oms.decide import Addressed
from oms.elapsed import Elapsed
from oms.evidence import kept
from oms.long_lists import orders_ended, trades_of
from oms.order.events import Mark
from oms.order.messages import AbsenceReport
from oms.order.state import CLOSED, Life, Order
from oms.ports import Clock, EventLog, Ids, VenueMessage
from oms.proofs import Sought, Traces, found, ns, remembered, settled
from oms.recognition import recognized
from oms.reconcile import Picture, address
from oms.recovery import first_written_ns
from oms.reports import OrderReport, TradeReport
from oms.sending import batched
from oms.values import Provenance, Symbol
from oms.venue import Answer, NoAnswerError, Venue, Window, require_time

OUT_MS: Final = 600_000  # a clock that stepped may have been out by so much when an order was written down
CONCLUDED_EACH: Final = 100  # orders of one commit
LISTS: Final = ("open_orders", "order_history", "trades")
PATIENCE_SECONDS: Final = 60.0  # an order that the venue once showed is missed for so long before that means anything

Record = Callable[[Answer], Awaitable[None]]

log = structlog.get_logger()


class _Missed(Struct, frozen=True):
    """Since when, by the monotonic clock (seconds) and by the venue's (UTC ms)."""

    since: float
    since_ms: int


class _Absent(Struct, frozen=True):
    """An order of which no list shows a trace, the answer that did not know it, and when it was first written down."""

    stream: str
    order: Order
    looked: Answer
    began_ns: int


class Absence:
    """One account's searches. `record` books what an answer says; `keep` keeps of it what nobody can read."""

    def __init__(
        self,
        recording: busts.Recording,
        venue: Venue,
        record: Record,
        keep: Record,
        *,
        event_log: EventLog,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._recording = recording
        self._venue = venue
        self._record = record
        self._keep = keep
        self._log = event_log
        self._clock = clock
        self._ids = ids
        self._doubts = Elapsed(clock)
        self._cut: dict[Symbol, Sequence[str]] = {}  # by market: which lists were, when it was searched last
        self._halved: dict[Symbol, int] = {}  # by market: how often, until the lists of those searched for were whole
        self._missed: dict[str, _Missed] = {}  # by stream: an order that the venue once showed, and does not know

    @property
    def disagreements(self) -> tuple[Disagreement, ...]:
        """Markets whose lists are cut where orders are in doubt: those stay so, and a person has to look."""
        return tuple(
            Disagreement(
                kind=BreakKind.COVERAGE,
                subject=symbol,
                ours="orders in doubt",
                theirs=f"{', '.join(lists)}: cut, so that none of them is proven absent",
                symbol=symbol,
            )
            for symbol, lists in self._cut.items()
            if lists
        )

    def count(self, stream: str, order: Order) -> None:
        """Count for how long an order has been in doubt, from the first time on."""
        self._doubts.seconds((stream, order.valid_until_ns))

    def asked(self, stream: str, order: Order) -> None:
        """The order is asked for now: what is answered is as good as that."""
        self._doubts.mark((stream, order.valid_until_ns))

    def shown(self, stream: str, at_ms: int | None = None) -> None:
        """The venue knows the order; or did at `at_ms`, by its own time: a late frame of before it was missed says
        nothing of now.
        """
        missed = self._missed.get(stream)
        if missed is not None and (at_ms is None or at_ms >= missed.since_ms):
            del self._missed[stream]

    async def prove(self, picture: Picture) -> None:
        """Search everywhere for the orders that the venue, asked for each of them, does not know."""
        book, unseen = self._recording.book, dict[Symbol, dict[str, tuple[Order, Answer]]]()
        for stream, looked in picture.looked_up.items():
            order = book.orders.get(stream)
            if order is None or order.life in CLOSED or found(looked) is not False:
                self.shown(stream)
            elif self._may_search(stream, order):
                unseen.setdefault(order.request.symbol, {})[stream] = (order, looked)
        cut: dict[Symbol, Sequence[str]] = {}
        for symbol, orders in unseen.items():
            try:
                cut[symbol] = await self._search(symbol, orders)
            except NoAnswerError as error:
                cut[symbol] = self._cut.get(symbol, ())
                log.warning("could not ask the venue", account=self._recording.account, cause=error.cause)
        self._cut = cut
        book = self._recording.book
        self._doubts.keep({(stream, book.orders[stream].valid_until_ns) for stream in book.unsettled})
        # What is neither missing nor asked for was shown; or nobody could look, and it may have been there meanwhile.
        self._missed = {stream: missed for stream, missed in self._missed.items() if stream in picture.looked_up}

    def _may_search(self, stream: str, order: Order) -> bool:
        """Whether "not found" proves anything by now."""
        can = self._venue.capabilities(order.request.symbol)
        if order.life is Life.IN_DOUBT:
            return settled(self._doubts.marked((stream, order.valid_until_ns)), can)
        if order.life is not Life.WORKING:
            return False
        now = self._clock.monotonic()
        missed = self._missed.setdefault(stream, _Missed(now, self._clock.now_ns() // 1_000_000))
        return now >= missed.since + PATIENCE_SECONDS + can.visibility_delay

    async def _search(self, symbol: Symbol, orders: Mapping[str, tuple[Order, Answer]]) -> Sequence[str]:
        """Ask everywhere where orders of one market, or trades of theirs, would show; for those of which there is no
        trace, record that and what follows from it. `orders` holds, by stream, the order and the answer that did not
        know it. Returns the lists that were cut: then nothing is proven.

        An old order makes the window of all of them long. So where lists were cut the younger half is searched for by
        itself the next time, then half of that; and more again once that could be read.
        """
        require_time(self._venue)
        halved = self._halved.get(symbol, 0)
        written_ns = {stream: await first_written_ns(self._log, stream) or self._clock.now_ns() for stream in orders}
        youngest = sorted(orders, key=written_ns.__getitem__, reverse=True)[: max(len(orders) >> halved, 1)]
        began_ns = {stream: written_ns[stream] for stream in youngest}
        window = self._window(began_ns.values())
        lists = await self._listed(symbol, window)
        ownerless = await self._record_all(lists, [orders[stream][0] for stream in youngest])
        if cut := [what for what, each in lists.items() if not each.complete]:
            self._halved[symbol] = min(halved + 1, len(orders).bit_length())
            return cut
        self._halved[symbol] = max(halved - 1, 0)
        live, ended, filled = (Traces(each) for each in lists.values())
        absent = [
            _Absent(stream, order, looked, began_ns[stream])
            for stream, (order, looked) in ((each, orders[each]) for each in youngest)
            if not (order in live or order in ended or (order in filled and not order.trades))
            and not any(_may_be_of(each, order, began_ns[stream] // 1_000_000) for each in ownerless)
        ]
        for some in batched(absent, CONCLUDED_EACH):
            await self._conclude(symbol, some, lists, window)
        return self._cut.get(symbol, ()) if len(youngest) < len(orders) else ()

    def _window(self, began_ns: Collection[int]) -> Window:
        """Return the time in which orders that were first written down then would show, or trades of theirs."""
        # No trade from before this log's opening: those are in the opening balances.
        opened_ms = perpetuals.began_ms(self._recording, now_ms := self._clock.now_ns() // 1_000_000)
        since_ms = max(min(*began_ns, now_ms * 1_000_000) // 1_000_000 - OUT_MS, opened_ms)
        return Window(since_ms, max(now_ms, opened_ms) + OUT_MS)

    async def _listed(self, symbol: Symbol, window: Window) -> Mapping[str, Answer]:
        """Return what the venue lists, by what it was asked: open orders, those that ended, trades."""
        live = recognized(self._recording.book, await self._venue.open_orders(symbol))
        ended = await orders_ended(self._venue, symbol, window.since_ms, window.until_ms)
        traded = await trades_of(self._venue, window.since_ms, window.until_ms)
        return dict(zip(LISTS, (live, ended, traded), strict=True))

    async def _record_all(self, lists: Mapping[str, Answer], orders: Iterable[Order]) -> Sequence[TradeReport]:
        """Record what the lists say; return trades of which nobody knows whose they are."""
        live, ended, traded = lists.values()
        await self._keep(ended)
        # Of the history only these orders: what else ended in it may have traded before this log's opening.
        sought = Sought(orders)
        ours = tuple(each for each in ended.reports if isinstance(each, OrderReport) and each in sought)
        for answer in (live, replace(ended, reports=ours)):
            await self._record(answer)
        return await self._record_trades(traded)

    async def _record_trades(self, traded: Answer) -> Sequence[TradeReport]:
        """Record trades; return those of which nobody knows whose they are: their orders have no answer, or the venue
        lists what it traded of an order and, asked for that, does not find it.
        """
        try:
            await self._record(traded)
        except NoAnswerError as error:
            log.warning("could not ask the venue", account=self._recording.account, cause=error.cause)
        account, listed = self._recording.account, recognized(self._recording.book, traded).reports
        trades = [each for each in listed if isinstance(each, TradeReport) and each.client_order_id is None]
        return [each for each in trades if not await self._recording.known(address(account, each))]

    async def _conclude(
        self, symbol: Symbol, absent: Sequence[_Absent], lists: Mapping[str, Answer], window: Window
    ) -> None:
        """Record that there is no trace of orders, with how far each answer reaches; the lists are kept once."""
        can = self._venue.capabilities(symbol)
        evidence: list[VenueMessage] = []

        def mark(what: str, answer: Answer) -> Mark:
            evidence.extend(messages := kept(answer.evidence, self._ids, self._clock))
            windowed = what in {"order_history", "trades"}
            return Mark(
                message_id=messages[-1].message_id,
                what=what,
                since_ms=window.since_ms if windowed else None,
                until_ms=window.until_ms if windowed else None,
                complete=answer.complete,
                memory_ms=None if what in {"open_orders", "trades"} else ns(can.unfilled_memory) // 1_000_000,
            )

        looked = [mark("order", each.looked) for each in absent]
        listed = [mark(what, answer) for what, answer in lists.items()]
        news: list[Addressed] = []
        for each, first in zip(absent, looked, strict=True):
            doubted = each.order.life is Life.IN_DOUBT
            marks = (first, *listed)
            report = AbsenceReport(
                evidence=tuple(reach.message_id for reach in marks),
                marks=marks,
                remembered=doubted and remembered(each.began_ns, can, self._clock.now_ns()),
                version=each.order.version,
            )
            self.shown(each.stream)
            news.append((each.stream, report))
        await self._recording.report(news, source=Provenance.INFERRED, evidence=evidence)


def _may_be_of(trade: TradeReport, order: Order, began_ms: int) -> bool:
    """Whether a trade that says no name of ours may be of this order. As long as it is listed, it may be: nobody
    guesses. One from well before the order is of another, so that no trade keeps later orders in doubt.
    """
    request = order.request
    return (
        (trade.symbol, trade.side or request.side) == (request.symbol, request.side)
        and order.venue_order_id in (None, trade.venue_order_id)
        and (trade.at_ms is None or trade.at_ms >= began_ms - OUT_MS)
    )
