"""Trades that cannot be asked for any more: looked for until it is proven that they are out of reach, then inferred.

The venue's record of an order that is over counts more than its trades here. Its own trades were asked for and are no
more; the trades of all the time in which it lived are asked for, and the venue will not show that time whole. What it
will show whole and does not hold the trades is another thing: then the venue contradicts itself, and nothing is
inferred. Nor is anything that the position, or on spot the balance, at the venue does not show.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import reduce
from typing import Final

import structlog
from msgspec import Struct

from oms import perpetuals
from oms.book import Book, position_stream
from oms.breaks.decisions import Disagreement
from oms.breaks.events import BreakKind
from oms.evidence import kept
from oms.order.inferred import final
from oms.order.messages import FillInferred
from oms.order.state import Order
from oms.ports import Clock, Ids, VenueMessage
from oms.position.shown import quantity_of
from oms.position.state import FLAT
from oms.proofs import OVER, names
from oms.reconcile import Picture, totals
from oms.reports import BalanceReport, OrderReport, PositionReport, TradeReport
from oms.sending import order_ref
from oms.values import EXACT, RATIO, ZERO, PositionLeg, Provenance, plain, purses, signed
from oms.venue import Answer, NoAnswerError, Venue

LOOKS: Final = 2  # before what was not to be had is out of reach
QUIET_MS: Final = 60_000  # since the venue last touched the order: its lists lag
PATIENCE_SECONDS: Final = 60.0  # that an order's own trades may fall short of its record before somebody is told (S10)
SLACK_MS: Final = 60_000  # about the time in which an order lived
ASKED_EACH_LOOK: Final = 3  # orders, so that a crowd does not use up the venue's rates
FEE_MAX: Final = Decimal("0.01")  # of what was traded, that a balance may lack of it

log = structlog.get_logger()


class _Proof(Struct, frozen=True):
    """What the venue's record says, and the answers that say it."""

    found: FillInferred
    evidence: Sequence[VenueMessage]


class Lost:
    """Looks for the trades of orders that are over."""

    def __init__(self, recording: perpetuals.Recording, venue: Venue, *, clock: Clock, ids: Ids) -> None:
        self._recording = recording
        self._venue = venue
        self._clock = clock
        self._ids = ids
        self._looks: dict[str, int] = {}  # by stream: how often its trades were out of reach
        self._proven: dict[str, _Proof] = {}  # by stream: what was found to be out of reach
        self._unshown: dict[str, Disagreement] = {}  # by stream: what the venue counts and its position does not show
        self._short: dict[str, float] = {}  # by stream: since when its own trades fall short of what the venue counts
        self._turns: dict[str, int] = {}  # by stream: how often it had its turn, so that none waits behind three others

    @property
    def disagreements(self) -> tuple[Disagreement, ...]:
        """What the venue counts and does not show the trades of, asked for them; by stream, the one that says more."""
        now, orders = self._clock.monotonic(), self._recording.book.orders
        late = [stream for stream, since in self._short.items() if now - since >= PATIENCE_SECONDS and stream in orders]
        return tuple({**{stream: _unlisted(orders[stream]) for stream in late}, **self._unshown}.values())

    async def infer(self, picture: Picture) -> None:
        """Record what is out of reach; an order that cannot be asked for is left to the next time."""
        book = self._recording.book
        lacking = [stream for stream in picture.fills if (each := book.orders.get(stream)) is not None and final(each)]
        self._looks = {stream: count for stream, count in self._looks.items() if stream in lacking}
        self._proven = {stream: each for stream, each in self._proven.items() if stream in lacking}
        self._turns = {stream: self._turns.get(stream, 0) for stream in lacking}
        unproven = [stream for stream in lacking if not self._is_proven(stream, book.orders[stream])]
        try:
            for stream in sorted(unproven, key=self._turns.__getitem__)[:ASKED_EACH_LOOK]:
                self._turns[stream] += 1
                if (order := self._recording.book.orders.get(stream)) is not None:
                    await self._prove(stream, order)
        except NoAnswerError as error:
            log.warning("could not look for lost trades", account=self._recording.account, cause=error.cause)
        for group in self._groups():
            for streams in (group, *([each] for each in group)):  # what goes both ways shows together alone
                await self._infer(streams, picture)
        self._unshown = {stream: _unshown(order) for stream in self._proven if (order := self._lacking(stream))}
        self._note_the_short(picture)

    def _lacking(self, stream: str) -> Order | None:
        """Return a proven order whose trades are missing still: they may have been told meanwhile, and the order, then
        settled, have left memory.
        """
        order = self._recording.book.orders.get(stream)
        return order if order is not None and final(order) else None

    def _groups(self) -> Iterable[Sequence[str]]:
        """Return the proven orders by what they move: together they are told by one figure."""
        groups: dict[str | None, list[str]] = {}
        for stream in self._proven:
            if (order := self._lacking(stream)) is not None:
                groups.setdefault(purses(order.request.symbol).base or _leg(self._recording.book, order), []).append(
                    stream
                )
        return groups.values()

    async def _infer(self, streams: Sequence[str], picture: Picture) -> None:
        """Record what traded of these orders, in one commit, where the venue holds what that would move."""
        orders = [order for stream in streams if (order := self._lacking(stream)) is not None]
        if len(orders) == len(streams) and self._shows(orders, picture):
            news = [(stream, self._proven[stream].found) for stream in streams]
            evidence = [each for stream in streams for each in self._proven[stream].evidence]
            await self._recording.report(news, source=Provenance.INFERRED, evidence=evidence)

    def unsure(self, picture: Picture) -> frozenset[str]:
        """Return the breaks, by id, of orders whose trades are missing and were not asked for this time, or not for
        long enough to be told.
        """
        book, told = self._recording.book, {each.subject for each in self.disagreements}
        missing = [book.orders[stream] for stream in book.unsettled if book.orders[stream].trades_missing]
        names = [order.request.client_order_id for order in missing]
        asked = {order.request.client_order_id for order in map(book.orders.get, picture.fills) if order is not None}
        return frozenset(f"{BreakKind.FILLS}:{name}" for name in names if name not in asked or name not in told)

    def _is_proven(self, stream: str, order: Order) -> bool:
        known = self._proven.get(stream)
        return known is not None and known.found.cum_quantity == order.venue_cum

    def _note_the_short(self, picture: Picture) -> None:
        """Keep since when the venue shows fewer trades of an order, asked for those of that very order, than it counts
        (two may share an id, or one is not listed), or does not say what they cost.
        """
        orders, now = self._recording.book.orders, self._clock.monotonic()
        asked = {*picture.fills, *self._short}
        short = [name for name in asked if name in orders and orders[name].trades_missing]
        self._short = {name: self._short.get(name, now) for name in sorted(short)}

    async def _prove(self, stream: str, order: Order) -> None:
        """Ask once more whether an order's trades are out of reach. Raises NoAnswerError."""
        self._proven.pop(stream, None)
        looked = await self._venue.order(order_ref(order))
        record = next((each for each in looked.reports if isinstance(each, OrderReport) and names(each, order)), None)
        found = None if record is None else _counted(record, order)
        if record is None or found is None or record.created_ms is None or record.updated_ms is None:
            return
        if self._clock.now_ns() // 1_000_000 < record.updated_ms + QUIET_MS:
            return
        since_ms, until_ms = record.created_ms - SLACK_MS, record.updated_ms + SLACK_MS
        traded = await self._venue.trades(since_ms=since_ms, until_ms=until_ms)
        if traded.unasked:
            raise NoAnswerError(traded.unasked, traded.evidence)
        if _covers(traded, record.created_ms, record.updated_ms) or _news(traded, order):
            # Within reach: it is booked with the next look, or the venue contradicts itself.
            self._looks.pop(stream, None)
            return
        self._looks[stream] = self._looks.get(stream, 0) + 1
        if self._looks[stream] >= LOOKS:
            messages = [each for answer in (looked, traded) for each in kept(answer.evidence, self._ids, self._clock)]
            self._proven[stream] = _Proof(found, messages)

    def _shows(self, orders: Sequence[Order], picture: Picture) -> bool:
        """Whether the venue holds what these orders, of one purse or leg, would move: that much more, the same way,
        than is booked here; of several together just that. What evens out shows nothing.
        """
        book, request = self._recording.book, orders[0].request
        spot = purses(request.symbol).base is not None
        if spot and picture.balances is not None and picture.balances.complete and not book.account.opened_ms:
            return True  # the opening balances hold it, and are taken over after it
        moves = [signed(each.request.side, EXACT.subtract(each.venue_cum, each.cum_quantity)) for each in orders]
        net, slack = reduce(EXACT.add, moves), ZERO
        if spot:
            slack = EXACT.multiply(FEE_MAX, reduce(EXACT.add, map(abs, moves)))
        apart = self._apart(orders[0], picture)
        if apart is None or (apart > ZERO) is not (net > ZERO) or abs(net) <= slack:
            return False
        beyond = EXACT.subtract(abs(apart), abs(net))
        return -slack <= beyond and (len(orders) == 1 or beyond <= slack)

    def _apart(self, order: Order, picture: Picture) -> Decimal | None:
        """Return how much more the venue holds of what the order moves than is booked here; None where nobody can tell.
        What moved since the venue was asked shows nothing: its answer may be from before that.
        """
        book, base = self._recording.book, purses(order.request.symbol).base
        if base is None:
            leg, answer = _leg(book, order), picture.positions
            ours = book.positions.get(leg, FLAT).quantity
            before = None if picture.figures is None else picture.figures.legs.get(leg, ZERO)
            theirs = ZERO if answer is None else sum((quantity_of(each) for each in _legs(answer, order)), ZERO)
        else:
            answer, ours = picture.balances, book.totals.get(base, ZERO)
            before = None if picture.figures is None else picture.figures.totals.get(base, ZERO)
            owned = () if answer is None else answer.reports
            theirs = totals([each for each in owned if isinstance(each, BalanceReport)]).get(base, ZERO)
        if answer is None or not answer.complete or before not in (None, ours):
            return None
        return EXACT.subtract(theirs, ours)


def _counted(record: OrderReport, order: Order) -> FillInferred | None:
    """Return what the venue's record says in the end, None where it is not the end or does not say the price."""
    cum_quantity, average = record.cum_quantity, record.average_price
    if record.status not in OVER or not cum_quantity or cum_quantity != order.venue_cum:
        return None
    if not average and record.cum_notional and order.request.contract_size == 1:
        average = RATIO.divide(record.cum_notional, cum_quantity)
    return FillInferred(cum_quantity=cum_quantity, average_price=average) if average else None


def _covers(traded: Answer, since_ms: int, until_ms: int) -> bool:
    """Whether the venue showed all of that time."""
    return traded.complete or any(part.since_ms <= since_ms and until_ms <= part.until_ms for part in traded.proven)


def _news(traded: Answer, order: Order) -> bool:
    known = {each.exec_id for each in order.trades}
    return any(
        isinstance(each, TradeReport) and names(each, order) and each.exec_id not in known for each in traded.reports
    )


def _leg(book: Book, order: Order) -> str:
    return position_stream(book.name, order.request.symbol, order.request.position_leg)


def _legs(shown: Answer, order: Order) -> Iterable[PositionReport]:
    market = order.request.symbol, order.request.position_leg
    for each in shown.reports:
        if isinstance(each, PositionReport) and (each.symbol, each.leg or PositionLeg.NET) == market:
            yield each


def _unshown(order: Order) -> Disagreement:
    return _apart(order, "by trades out of reach that its position does not show")


def _unlisted(order: Order) -> Disagreement:
    if not order.untold_quantity:
        return Disagreement(
            kind=BreakKind.FILLS,
            subject=order.request.client_order_id,
            ours=f"{order.uncharged} trades without what they cost",
            theirs="asked for them, it does not say",
            symbol=order.request.symbol,
        )
    return _apart(order, "and its trades, asked for, do not add up to that")


def _apart(order: Order, how: str) -> Disagreement:
    return Disagreement(
        kind=BreakKind.FILLS,
        subject=order.request.client_order_id,
        ours=f"{plain(order.cum_quantity)} traded",
        theirs=f"{plain(order.venue_cum)} traded, {how}",
        difference=EXACT.subtract(order.venue_cum, order.cum_quantity),
        symbol=order.request.symbol,
    )
