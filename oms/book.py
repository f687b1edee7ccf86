"""Everything one account's log adds up to, held in memory: orders, positions, funds. Replay and the engine share it.

`apply` is the only way in: it folds one event and keeps what follows from it (what is owned, what is held) in step.
Closed orders leave after a while, so that memory grows with what is open, not with history.

The engine decides ahead of the log, so a book can be taken back to any cut. States are frozen: it is enough to remember
which one stood where before, and the few totals as they were at the cut.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import chain, islice
from typing import Final

from msgspec import Struct

from oms.account import state as accounts
from oms.account.events import AccountEvent
from oms.account.state import NOBODY, Account
from oms.disputed import disputed
from oms.moves import SHARING, ShareName, claimed, given_away, loss, share_name, shared
from oms.order import state as orders
from oms.order.events import OrderClaimed, OrderEvent
from oms.order.presets import protected
from oms.order.state import CLOSED, EXTERNAL, Order
from oms.position import state as positions
from oms.position.events import LegTakenOver, PositionEvent, ShareClaimed
from oms.position.state import FLAT, Position
from oms.sums import Funds, State, Sums, symbol_of
from oms.values import (
    EXACT,
    ZERO,
    AccountId,
    ClientOrderId,
    PositionLeg,
    Purse,
    StrategyId,
    Symbol,
    VenueOrderId,
)

CLOSED_KEPT: Final = 10_000  # closed orders still answered from memory: a few megabytes
# Of so many that closed last an image holds those that traded, and so of as many that asked to be protected; and it
# holds as many that a cancel-all was to end.
LAST_CLOSED: Final = 1_000
CANCEL_ALL: Final = "all "  # so begins every request of a cancel-all; no key of one order's cancel has a space
WAITED_KEPT: Final = 50_000  # ids under which a venue knew orders that waited for a price, and what they sent

Event = OrderEvent | PositionEvent | AccountEvent

_NOT_STALE: Final = object()


def order_stream(account: AccountId, client_order_id: ClientOrderId) -> str:
    """Return the name of an order's stream."""
    return f"order/{account}/{client_order_id}"


@lru_cache(maxsize=4096)
def position_stream(account: AccountId, symbol: Symbol, leg: PositionLeg) -> str:
    """Return the name of a position leg's stream."""
    return f"position/{account}/{symbol}/{leg}"


def account_stream(account: AccountId) -> str:
    """Return the name of an account's own stream."""
    return f"account/{account}"


def _nobodys(stream: str) -> ShareName:
    """Return which virtual leg of a leg's stream is nobody's."""
    return EXTERNAL, symbol_of(stream), PositionLeg(stream.rpartition("/")[2])


def _canceled_together(order: Order) -> bool:
    """Whether a cancel-all asked for its end."""
    return any(request_id.startswith(CANCEL_ALL) for request_id in order.cancels_known)


def _put_last(streams: OrderedDict[str, None], stream: str) -> None:
    """Add a stream to those of which as many are known as an image holds."""
    streams[stream] = None
    if len(streams) > LAST_CLOSED:
        streams.popitem(last=False)


class Image(Struct, frozen=True, kw_only=True):
    """What a book cannot let go, as it was in one moment, and the last orders that are over and traded, or that a
    cancel-all was to end. All others that are over and settled the log still tells. What it adds up to follows.
    """

    account: Account
    orders: Mapping[str, Order]
    positions: Mapping[str, Position]
    open: tuple[str, ...]
    closed: tuple[str, ...]
    unsettled: tuple[str, ...]
    doubted: tuple[str, ...]
    shares: tuple[tuple[ShareName, Position], ...]
    waited: tuple[tuple[Symbol, VenueOrderId, ClientOrderId], ...]
    ended_in: tuple[Symbol, ...]
    closed_kept: int
    tallied: frozenset[StrategyId]


# By stream, or by whose share it is: the state that stood before each event since a cut.
Journal = list[tuple[str | ShareName, State | None]]


class Book:
    """The hot state of one account. `tallied` are the strategies whose own results are kept, since a limit asks, and
    with them what is nobody's, since a person may give it away; None: nothing is, as nobody decides here.
    """

    def __init__(
        self,
        account: AccountId,
        *,
        closed_kept: int = CLOSED_KEPT,
        tallied: Collection[StrategyId] | None = None,
    ) -> None:
        self.name = account
        self.account: Account = NOBODY
        self.orders: dict[str, Order] = {}  # by stream: every open order, and the closed ones not yet let go
        self.positions: dict[str, Position] = {}  # by stream
        self.open: dict[str, None] = {}  # streams of open orders
        self.unsettled: dict[str, None] = {}  # streams of orders that the venue is to be asked about, open or closed
        self._doubted: dict[str, None] = {}  # streams of orders whose end was doubted, whatever became of them
        self.shares: dict[ShareName, Position] = {}  # virtual legs of who is tallied
        self._tallied = frozenset() if tallied is None else frozenset((*tallied, EXTERNAL))
        # Whose an order is that a venue shows by its ids alone: kept when the order itself has left memory, since its
        # trades may be told again. An undo takes nothing from it: the venue has said so all the same.
        self.waited: OrderedDict[tuple[Symbol, VenueOrderId], ClientOrderId] = OrderedDict()
        # Every market that an order of ours ended in, the last one last: what was set there outlives the order. An undo
        # takes nothing from it either.
        self.ended_in: OrderedDict[Symbol, None] = OrderedDict()
        self._by_venue_id: dict[tuple[Symbol, VenueOrderId], str] = {}  # streams, of the orders in memory
        self._sums = Sums()
        self._stale: dict[str, None] = {}  # streams that have moved since the sums were last added up
        self._closed: OrderedDict[str, None] = OrderedDict()  # streams, the longest closed first
        self._closed_kept = closed_kept
        self._protected: OrderedDict[str, None] = OrderedDict()  # those of the closed that asked to be, the last ones
        # And those that a cancel-all was to end: they alone tell its repeat from a new one.
        self._canceled_together: OrderedDict[str, None] = OrderedDict()
        self._journal: Journal | None = None

    # -------------------------------------------------------------------------------------------- events

    def apply(self, stream: str, event: Event) -> State:
        """Fold one event of `stream` and return the state it led to.

        Raises:
            CorruptStreamError: the event is not legal history.
        """
        match stream[0]:
            case "o":
                return self.order(stream, event)  # type: ignore[arg-type]  # a stream holds its own kind of events
            case "p":
                return self.leg(stream, event)  # type: ignore[arg-type]  # as above
            case _:
                self._moves(stream, self.account)
                self.account = accounts.evolve(self.account, event)  # type: ignore[arg-type]  # as above
                return self.account

    def order(self, stream: str, event: OrderEvent) -> Order:
        """Fold one event of an order's stream. Raises CorruptStreamError."""
        before = self.orders.get(stream)
        after = self.orders[stream] = orders.evolve(before, event)
        if before is None or before.venue_order_id is not after.venue_order_id:
            self._identify(stream, before, after)
        self._stale[stream] = None
        if self._journal is not None:
            self._journal.append((stream, before))
        if self._tallied and type(event) in SHARING:
            self._share(after, event)
        if (after.conditional or after.triggered) and after.venue_order_id is not None:
            self._remember(after, after.venue_order_id)
        # Most events leave an order among the open ones, with nothing to be asked about.
        if (stream in self.open) is (after.life in CLOSED) or (stream in self.unsettled) is not after.unsettled:
            self._file(stream, after)
        if after.end_doubted:
            self._doubted[stream] = None
        return after

    def known_as(self, symbol: Symbol, venue_order_id: VenueOrderId | None) -> Order | None:
        """Return the order in memory that the venue knows by that id, which is unique within one market."""
        stream = None if venue_order_id is None else self._by_venue_id.get((symbol, venue_order_id))
        return None if stream is None else self.orders[stream]

    def unproven(self) -> Sequence[Order]:
        """Return the orders that were to be canceled and of which nobody can say yet whether they still work."""
        if not self._doubted:
            return ()
        found = {stream: self.orders[stream] for stream in self._doubted if stream in self.orders}
        self._doubted = {stream: None for stream, order in found.items() if order.end_unproven}
        return [found[stream] for stream in self._doubted]

    def leg(self, stream: str, event: PositionEvent) -> Position:
        """Fold one event of a position leg's stream."""
        before = self.positions.get(stream)
        after = self.positions[stream] = positions.evolve(before or FLAT, event)
        self._stale[stream] = None
        if self._journal is not None:
            self._journal.append((stream, before))
        if self._tallied and isinstance(event, LegTakenOver | ShareClaimed):
            self._share_of_leg(stream, event)
        return after

    def _share(self, order: Order, event: OrderEvent) -> None:
        name = share_name(order)
        if name[0] in self._tallied:
            self._put(name, shared(self.shares.get(name), order, event))
        if isinstance(event, OrderClaimed):
            nobodys = (EXTERNAL, *name[1:])
            self._put(nobodys, given_away(self.shares.get(nobodys), order))

    def _share_of_leg(self, stream: str, event: LegTakenOver | ShareClaimed) -> None:
        name = _nobodys(stream)
        if isinstance(event, LegTakenOver):
            self._put(name, positions.evolve(self.shares.get(name, FLAT), event))
            return
        self._put(name, claimed(self.shares.get(name), event, gives=True))
        theirs = event.strategy, *name[1:]
        if event.strategy in self._tallied:
            self._put(theirs, claimed(self.shares.get(theirs), event))

    def _put(self, name: ShareName, share: Position) -> None:
        before = self.shares.get(name)
        self.shares[name] = share
        if self._journal is not None:
            self._journal.append((name, before))

    def nobodys(self, stream: str) -> Decimal:
        """Return how much of a leg no order of anybody here has made, and nobody was given."""
        return self.shares.get(_nobodys(stream), FLAT).quantity

    def loss(self, strategy: StrategyId) -> Decimal:
        """Return what a strategy that is tallied has lost so far, in quote units; zero for any other."""
        return loss(self.shares, strategy) if strategy in self._tallied else ZERO

    def _moves(self, stream: str, before: State | None) -> None:
        self._stale[stream] = None
        if self._journal is not None:
            self._journal.append((stream, before))

    def _identify(self, stream: str, before: Order | None, after: Order | None) -> None:
        """Keep the venue's ids in step with the orders that are in memory."""
        if before is not None and before.venue_order_id is not None:
            key = (before.request.symbol, before.venue_order_id)
            if self._by_venue_id.get(key) == stream:
                del self._by_venue_id[key]
        if after is not None and after.venue_order_id is not None:
            self._by_venue_id[after.request.symbol, after.venue_order_id] = stream

    def _remember(self, order: Order, venue_order_id: VenueOrderId) -> None:
        request = order.request
        self.waited.setdefault((request.symbol, venue_order_id), request.client_order_id)
        if len(self.waited) > WAITED_KEPT:
            self.waited.popitem(last=False)

    def _file(self, stream: str, order: Order) -> None:
        """Put the stream where an order of that life and those open questions belongs."""
        if order.life in CLOSED:
            if stream in self.open:
                del self.open[stream]
                if order.request.strategy != EXTERNAL:
                    self.ended_in[order.request.symbol] = None
                    self.ended_in.move_to_end(order.request.symbol)
            self._closed[stream] = None
            if protected(order):
                _put_last(self._protected, stream)
            if _canceled_together(order):
                _put_last(self._canceled_together, stream)
        else:
            self._closed.pop(stream, None)
            self.open[stream] = None
        if order.unsettled:
            self.unsettled[stream] = None
        else:
            self.unsettled.pop(stream, None)

    # -------------------------------------------------------------------------------------------- funds

    def funds(self, purse: Purse) -> Funds:
        """Return what the account has in one purse."""
        sums = self.sums
        return Funds(total=sums.totals.get(purse, ZERO), held=sums.held.get(purse, ZERO))

    def available(self, purse: Purse) -> Decimal:
        """Return what may still be spent out of one purse."""
        sums = self.sums
        return EXACT.subtract(sums.totals.get(purse, ZERO), sums.held.get(purse, ZERO))

    @property
    def totals(self) -> Mapping[Purse, Decimal]:
        """What is owned, by purse."""
        return self.sums.totals

    @property
    def held(self) -> Mapping[Purse, Decimal]:
        """What orders and positions keep from being spent twice, and contracts from being closed twice, by purse."""
        return self.sums.held

    @property
    def sums(self) -> Sums:
        """What the states add up to. They are added up when somebody asks: many events come between two questions."""
        if self._stale:
            stale, self._stale = self._stale, {}
            for stream in stale:
                self._sums.take(stream, self._state(stream))
        return self._sums

    def _state(self, stream: str) -> State | None:
        match stream[0]:
            case "o":
                return self.orders.get(stream)
            case "p":
                return self.positions.get(stream)
            case _:
                return self.account

    # -------------------------------------------------------------------------------------------- memory

    def restore(self, stream: str, order: Order) -> None:
        """Take a closed order back into memory, read from the log because somebody asked for it.

        It is the log's own word, so no undo takes it back.
        """
        self._identify(stream, self.orders.get(stream), order)
        self.orders[stream] = order
        self._file(stream, order)
        self._stale[stream] = None

    def recall(self, stream: str, state: Order | Position) -> None:
        """Take a state back whose share is in the sums that `recall_funds` brings."""
        if isinstance(state, Order):
            self._identify(stream, self.orders.get(stream), state)
            self.orders[stream] = state
            self._file(stream, state)
        else:
            self.positions[stream] = state
        self._sums.know(stream, state)
        self._stale.pop(stream, None)

    def recall_funds(self, purse: Purse, funds: Funds) -> None:
        """Take over what was added up before."""
        self._sums.totals[purse], self._sums.held[purse] = funds.total, funds.held

    @property
    def overfull(self) -> bool:
        """Whether so many closed orders wait to be let go that it is worth the while."""
        return len(self._closed) > self._closed_kept + self._closed_kept // 10

    def trim(self, keep: Collection[str] = ()) -> None:
        """Let the longest closed orders go until the bound is kept, but for those of which something is still to come:
        their trades, their commissions, a person's word, the opening of the log (which waits until all that they traded
        is certain), or (`keep`) the commit of what memory already says.
        """
        for _ in range(len(self._closed) - self._closed_kept):
            stream, _ = self._closed.popitem(last=False)
            if stream in self.unsettled or stream in keep or self._awaits(stream):
                self._closed[stream] = None
                continue
            order = self.orders.pop(stream)
            self._identify(stream, order, None)
            if self._stale.pop(stream, _NOT_STALE) is not _NOT_STALE:
                self._sums.take(stream, order)

    def _awaits(self, stream: str) -> bool:
        """Whether the opening of the log is still to count what it traded, or a person to say that it may stay so."""
        order = self.orders[stream]
        if order.trades and not (self.account.opened_ms or self.account.adjustments):
            return True
        if not order.flagged:
            return False
        told = disputed(order)
        return self.account.breaks.accepted.get(told.break_id) != told.taken

    def summary(self) -> Mapping[str, object]:
        """Return everything that two books of the same history must agree on."""
        sums = self.sums
        return {
            "account": self.account,
            "open": {stream: self.orders[stream] for stream in sorted(self.open)},
            "positions": dict(sorted(self.positions.items())),
            "totals": {purse: total for purse, total in sorted(sums.totals.items()) if total},
            "held": {purse: held for purse, held in sorted(sums.held.items()) if held},
        }

    # -------------------------------------------------------------------------------------------- image

    def image(self) -> Image:
        """Return what cannot be let go now, and whatever that came from. States are frozen: it costs little."""
        flagged = (stream for stream in self._closed if self.orders[stream].flagged)
        last = (*self._traded_last(), *self._canceled_together)
        streams = (*self.open, *self.unsettled, *self._doubted, *flagged, *last)
        orders = {stream: self.orders[stream] for stream in streams if stream in self.orders}
        parents = [order_stream(self.name, each.parent) for each in orders.values() if each.parent is not None]
        orders |= {stream: self.orders[stream] for stream in parents if stream in self.orders}
        return Image(
            account=self.account,
            orders=orders,
            positions=dict(self.positions),
            open=tuple(self.open),
            closed=tuple(stream for stream in self._closed if stream in orders),
            unsettled=tuple(self.unsettled),
            doubted=tuple(self._doubted),
            shares=tuple(self.shares.items()),
            waited=tuple((*known, name) for known, name in self.waited.items()),
            ended_in=tuple(self.ended_in),
            closed_kept=self._closed_kept,
            tallied=self._tallied,
        )

    def _traded_last(self) -> set[str]:
        """Return the closed orders that the venue may yet speak of by its own ids alone, where nobody could read from
        the log whose they are: it shows their trades again, or the stop that one of them had asked for.
        """
        last = chain(islice(reversed(self._closed), LAST_CLOSED), self._protected)
        return {stream for stream in last if stream in self.orders and self.orders[stream].trades}

    @classmethod
    def of_image(cls, account: AccountId, image: Image) -> "Book":
        """Return a book that goes on from `image`."""
        book = cls(account, closed_kept=image.closed_kept)
        book.account, book._tallied = image.account, image.tallied
        book.orders, book.positions = dict(image.orders), dict(image.positions)
        for stream, order in image.orders.items():
            book._identify(stream, None, order)
        book.open, book.unsettled = dict.fromkeys(image.open), dict.fromkeys(image.unsettled)
        book._closed, book._doubted = OrderedDict.fromkeys(image.closed), dict.fromkeys(image.doubted)
        book._protected = OrderedDict.fromkeys(each for each in image.closed if protected(image.orders[each]))
        together = (each for each in image.closed if _canceled_together(image.orders[each]))
        book._canceled_together = OrderedDict.fromkeys(together)
        book.shares = dict(image.shares)
        book.waited = OrderedDict(((symbol, order_id), name) for symbol, order_id, name in image.waited)
        book.ended_in = OrderedDict.fromkeys(image.ended_in)
        book._stale = book._with_a_share()
        return book

    # -------------------------------------------------------------------------------------------- cut and undo

    def cut(self) -> Journal:
        """Return the journal since the last cut (or since nothing was kept), and begin a new one."""
        journal, self._journal = self._journal or [], []
        return journal

    def undo(self, journal: Journal) -> None:
        """Take back everything since the cut that `journal` begins at. Later journals are to be undone first."""
        for stream, before in reversed(journal):
            if isinstance(stream, tuple):
                self._share_back(stream, before)
                continue
            match before:
                case Order():
                    self._identify(stream, self.orders.get(stream), before)
                    self.orders[stream] = before
                    self._file(stream, before)
                    if before.end_doubted:
                        self._doubted[stream] = None
                case Position():
                    self.positions[stream] = before
                case Account():
                    self.account = before
                case None:
                    self._identify(stream, self.orders.get(stream), None)
                    for table in (self.orders, self.positions, self.open, self.unsettled, self._closed):
                        table.pop(stream, None)
            self._stale[stream] = None
        self._journal = []

    @property
    def mark(self) -> int:
        """How much was journaled since the last cut, for `back`."""
        return len(self._journal or ())

    def back(self, mark: int) -> None:
        """Take back what came since `mark`, and no cut since. Whatever stopped half way may have left the sums so, too:
        they are added up anew.
        """
        journal = self._journal or []
        self.undo(journal[mark:])
        self._journal, self._sums = journal[:mark], Sums()
        self._stale = self._with_a_share()

    def _with_a_share(self) -> dict[str, None]:
        """Return the streams that are part of a sum, or may be: an order that is over and settled holds nothing."""
        return dict.fromkeys((account_stream(self.name), *self.positions, *self.open, *self.unsettled))

    def _share_back(self, name: ShareName, before: State | None) -> None:
        if isinstance(before, Position):
            self.shares[name] = before
        else:
            self.shares.pop(name, None)
