"""What must always be true, told by somebody who trusts neither the engine's memory nor its arithmetic.

The witness folds every committed event in the moment of its commit and keeps its own sums. What cannot be is told to
`say`, with the invariant's name from the simulation's list: I1 every order at the venue is in the log or external, I2
at most one acceptance per client order id, I3 a send only after its intent is committed, I4 acknowledged commands are
in the log, I5 position = sum of fills = the venue's, I6 entries sum to zero, available and held are the total, I7
balances equal the venue's at rest, I8 each trade once, I9 life moves along the table, I10 no doubt is left, none
without evidence, I12 memory = fold of the log, I13 the log is whole, I14 a fenced writer never lands, and sends
nothing for long, I15 nothing is spent twice, I19 nothing grows or runs without end, I20 a halted scope sends nothing
that opens. I16 is told by `rates`, I18 by `secrecy`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeVar

from msgspec.structs import replace

from oms.account.events import BalanceAdjusted, HistoryKept, PositionModeRequested, TradingHalted, TradingResumed
from oms.book import Book, position_stream
from oms.breaks.events import BreakChanged, BreakOpened, BreakResolved
from oms.breaks.state import DEFAULT_POLICY
from oms.engine import Engine
from oms.errors import CorruptStreamError
from oms.ledger import Ledger, Transaction
from oms.order.events import (
    AbsenceProven,
    CommissionReported,
    ExternalOrderSeen,
    OrderDenied,
    OrderEvent,
    OrderFilled,
    OrderRequested,
    OrderVanished,
    OutcomeUnknown,
    SendStarted,
    TradeBusted,
    VenueRefused,
)
from oms.order.holds import hold
from oms.order.messages import CancelOrder, PlaceOrder
from oms.order.state import CLOSED, Life, Order, evolve
from oms.ports import Clock, StoredEvent
from oms.position.events import (
    ClearanceBooked,
    FillBooked,
    FillReversed,
    FundingBooked,
    LegTakenOver,
    LeverageRequested,
    LeverageSet,
    ShareClaimed,
)
from oms.store.codec import decode
from oms.store.seals import verify
from oms.sums import traded
from oms.values import EXACT, ZERO, Currency, StrategyId, Symbol, Wallet, purse, purses, signed
from tests.simulation.legs import Legs
from tests.simulation.storage import Storage

K = TypeVar("K", bound=str)
Say = Callable[[str, str], None]  # the invariant, what is wrong with it

VALID_SECONDS: Final = 60.0  # the venue may still execute a request so long after it left, where it says no less
EXCHANGE: Final = 2  # a question and its answer
PROOFS: Final = 4  # the order itself, the open orders, the orders that ended, the trades

# Drawn by hand, apart from the product's table: where a life may go in one event.
MOVES: Final[Mapping[Life, frozenset[Life]]] = {
    Life.NEW: frozenset({Life.DENIED, Life.SENDING, Life.WORKING, Life.FILLED}),
    Life.DENIED: frozenset({Life.WORKING, Life.FILLED}),
    Life.SENDING: frozenset(
        # Denied: a halt stopped it at the last gate, before a byte left.
        {Life.WORKING, Life.REJECTED, Life.IN_DOUBT, Life.FILLED, Life.CANCELED, Life.EXPIRED, Life.DENIED},
    ),
    Life.IN_DOUBT: frozenset({Life.WORKING, Life.REJECTED, Life.FILLED, Life.CANCELED, Life.EXPIRED, Life.VANISHED}),
    Life.WORKING: frozenset({Life.FILLED, Life.CANCELED, Life.EXPIRED, Life.REJECTED, Life.VANISHED}),
    Life.FILLED: frozenset({Life.WORKING}),
    Life.CANCELED: frozenset({Life.FILLED}),
    Life.EXPIRED: frozenset({Life.FILLED}),
    Life.REJECTED: frozenset({Life.WORKING, Life.FILLED, Life.CANCELED, Life.EXPIRED}),
    Life.VANISHED: frozenset({Life.WORKING, Life.FILLED, Life.CANCELED, Life.EXPIRED}),
}


class Witness:
    """Sees every commit; knows what the log says without asking the OMS."""

    def __init__(self, say: Say, clock: Clock) -> None:
        self.orders: dict[str, Order] = {}
        self.by_venue_id: dict[str, Order] = {}  # of perpetuals, under every id that the venue gave them
        self.settings: Counter[bool] = Counter()  # requests for another leverage (True), another position mode (False)
        self.external: set[str] = set()  # streams of orders that the log never asked for
        self.open: set[str] = set()  # streams of orders that may still trade
        self.unsettled: set[str] = set()  # of those of which something is still to come
        self.fills: dict[str, dict[str, OrderFilled]] = {}  # by symbol, by exec id; the commission as told last
        self.traded: dict[str, Decimal] = {}  # by position stream: the signed sum of fills
        self.booked: dict[str, Decimal] = {}  # by position stream: the signed sum of bookings
        self.positions: dict[str, Decimal] = {}  # the same, with what was taken over
        self.legs = Legs()  # of perpetuals
        self.totals: dict[str, Decimal] = {}  # by purse
        self.ledger = Ledger()
        self.versions: dict[str, int] = {}
        self.halts: dict[tuple[StrategyId | None, Symbol | None], None] = {}
        self.head = 0
        self._clock = clock
        self._valid_until: dict[str, float] = {}  # by stream: until when the order that last left may be executed
        self.epoch = 0
        self.seen = 0  # events: what is said of them holds until the next one
        self._held: tuple[int, Mapping[str, Decimal]] = (0, {})
        self._say = say
        self.before: frozenset[str] = frozenset()  # trades that the opening holds, as the log says
        self.limits: Callable[[str, Order, OrderEvent], None] = lambda *_: None  # what holds orders against limits
        self.claims: Callable[[str, ShareClaimed], None] = lambda *_: None
        self.policy = DEFAULT_POLICY
        self.breaks: dict[str, tuple[BreakOpened, Decimal | None]] = {}  # what is open, and how it differs by now

    def committed(self, epoch: int, events: Sequence[StoredEvent]) -> None:
        """Take in one commit."""
        if epoch < self.epoch:
            self._say("I14", f"a writer of epoch {epoch} landed after epoch {self.epoch}")
        self.epoch = max(self.epoch, epoch)
        for stored in events:
            self._whole(stored)
            event = decode(stored.topic, stored.state)
            self._balances(stored, self.ledger.book(stored.stream, event))
            match event:
                case FillBooked() | FillReversed():
                    self._booked(stored.stream, event)
                case LegTakenOver():
                    self.positions[stored.stream] = self.positions.get(stored.stream, ZERO) + event.quantity
                    if (wrong := self.legs.taken_over(stored.stream, event)) is not None:
                        self._say("I5", wrong)
                case HistoryKept():
                    self.before = frozenset(event.trades)
                case FundingBooked() | ClearanceBooked():
                    self._own(traded(stored.stream).quote, event.amount)
                case LeverageRequested() | PositionModeRequested():
                    self.settings[isinstance(event, LeverageRequested)] += 1
                case LeverageSet():
                    self.legs.backed(stored.stream, event.leverage)
                case ShareClaimed():
                    self.claims(stored.stream, event)
                case BreakOpened():
                    self.breaks[event.break_id] = event, event.difference
                case BreakChanged():
                    self.breaks[event.break_id] = self.breaks[event.break_id][0], event.difference
                case BreakResolved():
                    self.breaks.pop(event.break_id, None)
                case TradingHalted(strategy=strategy, symbol=symbol):
                    self.halts[strategy, symbol] = None
                case TradingResumed(strategy=strategy, symbol=symbol):
                    self.halts.pop((strategy, symbol), None)
                case BalanceAdjusted():
                    self._own(purse(event.wallet, event.currency), event.change)
                case _ if stored.stream.startswith("order/"):
                    self._order(stored, event)  # type: ignore[arg-type]  # an order's stream holds an order's events
                case _:
                    pass
        if self.traded != self.booked:
            self._say("I5", f"fills sum to {self.traded}, bookings to {self.booked}, at position {self.head}")

    def _balances(self, stored: StoredEvent, booked: Transaction | None) -> None:
        """I6: what one event moves comes from somewhere, and goes somewhere."""
        sums: dict[str, Decimal] = {}
        for entry in () if booked is None else booked.entries:
            sums[entry.asset] = EXACT.add(sums.get(entry.asset, ZERO), entry.amount)
        if any(sums.values()):
            self._say("I6", f"the entries of position {stored.position} sum to {sums}")

    def held(self) -> Mapping[str, Decimal]:
        """Return what open orders and positions keep, by purse, summed anew after every event."""
        head, held = self._held
        if head == self.seen:
            return held
        held = {}
        kept = [hold(order) for order in self.orders.values()]
        kept += [(traded(stream).quote, leg.margin) for stream, leg in self.legs.by_stream.items()]
        for name, amount in kept:
            if amount:
                held[name] = EXACT.add(held.get(name, ZERO), amount)
        self._held = (self.seen, held)
        return held

    def _booked(self, stream: str, event: FillBooked | FillReversed) -> None:
        self.booked[stream] = self.booked.get(stream, ZERO) + event.quantity
        self.positions[stream] = self.positions.get(stream, ZERO) + event.quantity
        base, quote = traded(stream)
        if base is None:
            wrong = self.legs.booked(stream, event)
            if wrong is not None:
                self._say("I5", wrong)
            self._own(quote, event.realized)

    def _whole(self, stored: StoredEvent) -> None:
        if stored.position != self.head + 1:
            self._say("I13", f"position {stored.position} after {self.head}")
        self.head = stored.position
        self.seen += 1
        due = self.versions.get(stored.stream, 0) + 1
        if stored.version != due:
            self._say("I13", f"{stored.stream} goes on with version {stored.version}, {due} is due")
        self.versions[stored.stream] = stored.version

    def _order(self, stored: StoredEvent, event: OrderEvent) -> None:
        before = self.orders.get(stored.stream)
        try:
            after = evolve(before, event)
        except CorruptStreamError as error:
            self._say("I9", str(error))
            return
        if before is not None and after.life is not before.life and after.life not in MOVES[before.life]:
            self._say("I9", f"{stored.stream} went from {before.life} to {after.life} by {event}")
        self.orders[stored.stream] = after
        (self.open.discard if after.life in CLOSED else self.open.add)(stored.stream)
        (self.unsettled.add if after.unsettled else self.unsettled.discard)(stored.stream)
        if after.venue_order_id is not None and purses(after.request.symbol).base is None:
            self.by_venue_id[after.venue_order_id] = after
        match event:
            case OrderFilled():
                self._filled(stored.stream, before, after, event)
            case CommissionReported():
                fills = self.fills[after.request.symbol]
                fills[event.exec_id] = replace(fills[event.exec_id], commission=event.commission)
                self._own(self._fee_purse(after, event.commission_currency), -event.commission)
            case TradeBusted():
                self._taken_back(stored.stream, after, event)
            case ExternalOrderSeen():
                self.external.add(stored.stream)
            case SendStarted(attempt=1):
                self._spent(stored.stream, after)
                if self._halted(after):
                    self._say("I20", f"{stored.stream} is sent while trading is halted")
                if (blocking := self._blocking(after)) is not None:
                    self._say("I20", f"{stored.stream} is sent while the break {blocking} is open")
            case _:
                self._doubt(stored, before, after, event)
        self.limits(stored.stream, after, event)

    def _filled(self, stream: str, before: Order | None, order: Order, fill: OrderFilled) -> None:
        request = order.request
        fills = self.fills.setdefault(request.symbol, {})
        if fill.exec_id in fills:
            self._say("I8", f"trade {fill.exec_id} of {stream} is booked a second time")
        fills[fill.exec_id] = fill
        amends = order.amends if before is None else before.amends  # what fills an order ends its changes
        sizes = (request.quantity, *(each.quantity for each in amends))
        ours = order.origin is None  # what the venue made may have grown with what it protects
        if (
            ours
            and request.quantity is not None
            and order.cum_quantity > max(each for each in sizes if each is not None)
        ):
            self._say("I8", f"{stream} is filled {order.cum_quantity}, {request.quantity} was asked for")
        leg = position_stream(request.account, request.symbol, request.position_leg)
        change = signed(request.side, fill.quantity)
        self.traded[leg] = EXACT.add(self.traded.get(leg, ZERO), change)
        base, quote = purses(request.symbol)
        if base is not None:  # what a contract earns is booked with the leg that it closes
            self._own(base, change)
            self._own(quote, -EXACT.multiply(change, fill.price))
        if fill.commission is not None and fill.commission_currency is not None:
            self._own(self._fee_purse(order, fill.commission_currency), -fill.commission)

    def _taken_back(self, stream: str, order: Order, busted: TradeBusted) -> None:
        """Whatever a trade of spot moved comes back."""
        request = order.request
        if self.fills.get(request.symbol, {}).pop(busted.exec_id, None) is None:
            self._say("I8", f"trade {busted.exec_id} of {stream} is taken back and was not booked")
            return
        leg = position_stream(request.account, request.symbol, request.position_leg)
        change = signed(request.side, busted.quantity)
        self.traded[leg] = EXACT.subtract(self.traded[leg], change)
        base, quote = purses(request.symbol)
        if base is not None:
            self._own(base, -change)
            self._own(quote, EXACT.multiply(change, busted.price))
        if busted.commission is not None and busted.commission_currency is not None:
            self._own(self._fee_purse(order, busted.commission_currency), busted.commission)

    @staticmethod
    def _fee_purse(order: Order, currency: Currency) -> str:
        return purse(Wallet.SPOT if purses(order.request.symbol).base is not None else Wallet.FUTURES, currency)

    def _halted(self, order: Order) -> bool:
        """Whether a halt stops the order: closing a position is never stopped."""
        strategy, symbol = order.request.strategy, order.request.symbol
        scopes = ((None, None), (strategy, None), (None, symbol), (strategy, symbol))
        return not order.request.reduces and any(scope in self.halts for scope in scopes)

    def _blocking(self, order: Order) -> str | None:
        """Return the break that keeps the order from being sent: of a kind that blocks, or by how much differs."""
        most = self.policy.block_above
        for break_id, (opened, difference) in () if order.request.reduces else self.breaks.items():
            beyond = most is not None and difference is not None and abs(difference) > most
            of_a_kind = opened.kind.value in self.policy.block_kinds.split(",")
            if (of_a_kind or beyond) and opened.symbol in {None, order.request.symbol}:
                return break_id
        return None

    def _spent(self, stream: str, order: Order) -> None:
        """Nothing is spent twice, and nothing is closed twice."""
        name, amount = hold(order)
        if not amount:
            return
        request = order.request
        if request.reduces:
            leg = position_stream(request.account, request.symbol, request.position_leg)
            total = signed(request.side, self.positions.get(leg, ZERO)).copy_negate()
        else:
            total = self.totals.get(name, ZERO)
        held = self.held().get(name, ZERO)
        if held > total:
            self._say("I15", f"with {stream} open orders hold {held} {name}, there is {total}")

    def _doubt(self, stored: StoredEvent, before: Order | None, after: Order, event: OrderEvent) -> None:
        """In doubt by its own event only, and out of it with evidence only."""
        match event:
            case AbsenceProven():
                early = self._valid_until.get(stored.stream, float("-inf")) - self._clock.monotonic()
                if early > 0:
                    self._say("I10", f"{stored.stream} called absent {early:.1f} s before its request expired")
                if len(set(event.evidence)) < PROOFS:
                    self._say("I10", f"{stored.stream} called absent on {event.evidence}")
            case OrderVanished():
                # What waited was asked for with all that it may have sent, and the answers are kept as one.
                if len(set(event.evidence)) < (EXCHANGE if after.conditional else PROOFS):
                    self._say("I10", f"{stored.stream} called vanished on {event.evidence}")
            case OutcomeUnknown() | OrderDenied() | OrderRequested() | VenueRefused():
                pass
            case _:
                doubted = before is not None and before.life is Life.IN_DOUBT
                if doubted and after.life is Life.REJECTED:
                    self._say("I10", f"{stored.stream} left doubt for {after.life} by {event}")

    def leaves(self, stream: str, valid_seconds: float) -> None:
        """An order leaves, and may be executed for a while."""
        self._valid_until[stream] = self._clock.monotonic() + valid_seconds

    def _own(self, currency: str, change: Decimal) -> None:
        self.totals[currency] = EXACT.add(self.totals.get(currency, ZERO), change)


# ------------------------------------------------------------------------------------------------ of acknowledgements


def acknowledged(command: PlaceOrder | CancelOrder, stream: str, witness: Witness) -> Iterable[tuple[str, str]]:
    """Yield what is wrong with the log in the moment in which `command` was acknowledged (I4)."""
    order = witness.orders.get(stream)
    if order is None:
        yield "I4", f"{stream} was acknowledged and is not in the log"
    elif isinstance(command, CancelOrder):
        if not order.cancels_known:
            yield "I4", f"a cancel of {stream} was acknowledged and is not in the log"
    elif (asked := order.original or order.request).price != command.price or asked.quantity != command.quantity:
        yield "I4", f"{stream} was acknowledged with another body than the log holds"


# ------------------------------------------------------------------------------------------------ of memory


def memory(engine: Engine, witness: Witness) -> Iterable[tuple[str, str]]:
    """Yield where an idle engine's memory is not what the log adds up to (I12)."""
    book = engine.book
    if engine.position != witness.head:
        yield "I12", f"the engine stands at {engine.position}, the log at {witness.head}"
    if book.open.keys() != witness.open:
        yield "I12", f"open in memory {sorted(book.open)}, in the log {sorted(witness.open)}"
    for stream, order in book.orders.items():
        if order != witness.orders.get(stream):
            yield "I12", f"{stream} is {order} in memory, {witness.orders.get(stream)} in the log"
    if book.unsettled.keys() != witness.unsettled:
        yield "I12", f"unsettled in memory {sorted(book.unsettled)}, in the log {sorted(witness.unsettled)}"
    for what, ours, theirs in (("totals", book.totals, witness.totals), ("held", book.held, witness.held())):
        if ours != theirs and _present(ours) != _present(theirs):
            yield "I12", f"{what} in memory {_present(ours)}, in the log {_present(theirs)}"
    if witness.ledger.totals != book.totals and _present(witness.ledger.totals) != _present(book.totals):
        yield "I6", f"the ledger adds up to {witness.ledger.totals}, memory to {book.totals}"
    for name in {**book.totals, **book.held}:
        funds = book.funds(name)
        if EXACT.add(book.available(name), funds.held) != funds.total:
            yield "I6", f"available and held are not the total of {name}"
    positions = {stream: position.quantity for stream, position in book.positions.items()}
    if positions != witness.positions and _present(positions) != _present(witness.positions):
        yield "I12", f"positions in memory {positions}, in the log {witness.positions}"


def replayed(engine: Engine, storage: Storage) -> Iterable[tuple[str, str]]:
    """Yield where a fold of the whole log is not the engine's state, digit for digit, and where a seal is broken."""
    book = Book(engine.account)
    for stored in storage.events:
        book.apply(stored.stream, decode(stored.topic, stored.state))
    ours, folded = engine.book.summary(), book.summary()
    for part in folded:
        if ours[part] != folded[part]:
            yield "I12", f"{part}: {ours[part]} in memory, {folded[part]} by replay"
    wrong = verify(storage.sealed())
    if wrong is not None:
        yield "I13", f"the seal of position {wrong} is broken"


def _present(amounts: Mapping[K, Decimal]) -> dict[K, Decimal]:
    return {name: amount for name, amount in amounts.items() if amount}
