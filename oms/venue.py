"""The contract with a venue, in our words: what we ask, how its answers (`oms.reports`) reach us, what it can do.

An adapter translates; nothing venue-shaped gets past it, and no aggregate gets into it.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from decimal import Decimal
from typing import Protocol

from msgspec import Struct

from oms.errors import VenueUnreachableError
from oms.instrument import Instrument
from oms.ports import Clock
from oms.reports import Report
from oms.values import (
    ClientOrderId,
    Crossing,
    MarginMode,
    OrderType,
    PositionLeg,
    PositionMode,
    PriceSource,
    Protection,
    Provenance,
    Side,
    Symbol,
    TimeInForce,
    VenueOrderId,
)

# ------------------------------------------------------------------------------------------------ what we ask


class Trigger(Struct, frozen=True, kw_only=True):
    """An order that waits at the venue until the price arrives. `price` in quote units.

    `callback_rate` makes it trail: once `price` was reached, it fires when the price retraces by this fraction.
    """

    price: Decimal
    when: Crossing
    by: PriceSource = PriceSource.LAST
    callback_rate: Decimal | None = None


class NewOrder(Struct, frozen=True, kw_only=True):
    """An order as it leaves. `quantity` in the market's unit (base on spot, contracts on perpetuals), or `notional` in
    quote units for a market buy on spot, never both.
    """

    client_order_id: ClientOrderId
    symbol: Symbol
    side: Side
    type: OrderType
    quantity: Decimal | None = None
    notional: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    position_leg: PositionLeg = PositionLeg.NET
    leverage: Decimal | None = None  # perpetuals; None: as it is set for the symbol
    margin_mode: MarginMode | None = None
    trigger: Trigger | None = None
    take_profit: Protection | None = None
    stop_loss: Protection | None = None


class OrderRef(Struct, frozen=True, kw_only=True):
    """An order to cancel or to look up. The client id is always there, so that an id-less cancel cannot be built."""

    client_order_id: ClientOrderId
    symbol: Symbol
    venue_order_id: VenueOrderId | None = None
    conditional: bool = False  # it still waits for its trigger: venues keep those elsewhere, under other calls


class Amendment(Struct, frozen=True, kw_only=True):
    """A change of a working order. What is None stays; `quantity` is the order's new total, filled part included.

    `waiting`, of an order that waits for a price: the whole of it as it is to be, since venues take no part alone.
    `take_profit` and `stop_loss`, what is to come into force with its fill: both as they are to be, and nothing beside.
    """

    order: OrderRef
    price: Decimal | None = None
    quantity: Decimal | None = None
    waiting: NewOrder | None = None
    take_profit: Protection | None = None
    stop_loss: Protection | None = None


# ------------------------------------------------------------------------------------------------ how it reaches us


class Evidence(Struct, frozen=True, kw_only=True):
    """The bytes behind a report, without secrets: keys and signatures travel in headers, which are not kept.

    `channel` is ``POST /path`` or ``ws <topic>``; times are UTC nanoseconds by our clock.
    """

    channel: str
    request: bytes = b""
    response: bytes = b""
    status: int | None = None
    sent_ns: int | None = None
    received_ns: int | None = None


def joined(asked: Sequence[Evidence]) -> Evidence:
    """Return one evidence of several calls: a line each."""
    first, last = asked[0], asked[-1]
    return Evidence(
        channel=first.channel,
        request=b"\n".join(evidence.request for evidence in asked),
        response=b"\n".join(evidence.response for evidence in asked),
        status=last.status,
        sent_ns=first.sent_ns,
        received_ns=last.received_ns,
    )


class Window(Struct, frozen=True):
    """A stretch of the venue's time, both ends included, in ms."""

    since_ms: int
    until_ms: int


class Answer(Struct, frozen=True, kw_only=True):
    """What the venue said, decoded, with the bytes it came in.

    `proven`, of a query over a window of time: the parts of it of which every row is here, in order, none touching
    another. A query that is `complete` has proven the whole of it.

    `unasked` says why a part of a list could not be asked for at all. What is here is true, and may be recorded; but
    whoever needed the whole has not got an answer, which is more than a list that the venue cut.
    """

    reports: tuple[Report, ...]
    evidence: Evidence
    source: Provenance = Provenance.RESPONSE
    complete: bool = True  # False: a row cap or a time window may have cut the list
    proven: tuple[Window, ...] = ()
    unasked: str = ""

    def whole_until(self, since_ms: int) -> int:
        """Return until when every row is here, from `since_ms` on: that itself where none is."""
        parts = (part.until_ms for part in self.proven if part.since_ms <= since_ms <= part.until_ms)
        return max(parts, default=since_ms)


class NoAnswerError(VenueUnreachableError):
    """We could not ask, or the answer settles nothing. Never to be read as "not found".

    `sent` is False only if certainly no byte of the request left. `again_seconds`: it was held back for the venue's
    rates, and may leave then. `unreadable`: there was an answer, the bytes are in `evidence`, and nobody here can read
    it. `early`: there was one, whole, and what it does not show may only not show yet.
    """

    def __init__(
        self,
        cause: str,
        evidence: Evidence,
        *,
        sent: bool = True,
        again_seconds: float | None = None,
        unreadable: bool = False,
        early: bool = False,
    ) -> None:
        super().__init__(cause)
        self.evidence = evidence
        self.sent = sent
        self.again_seconds = again_seconds
        self.unreadable = unreadable
        self.early = early


class CatalogueCutError(NoAnswerError):
    """A venue could name a part of its markets; `found` are those. Until it has named them all it has no balances."""

    def __init__(self, cause: str, evidence: Evidence, found: Sequence[Instrument]) -> None:
        super().__init__(cause, evidence)
        self.found = tuple(found)


LastLook = Callable[[], str | None]  # why a command must not leave, None where it may


def nothing_holds() -> str | None:
    """Let every command leave."""
    return None


class NotOfferedError(Exception):
    """A call that the market's capabilities do not have was made all the same: the mistake is ours."""


class Capabilities(Struct, frozen=True, kw_only=True):
    """What one market of a venue can do, and how long its memory is. Durations in seconds."""

    name: str
    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    post_only: bool
    market_buy_by_notional: bool  # a market buy is sized in quote units
    reduce_only: bool = False
    hedge_mode: bool = False  # long and short legs apart
    amend: bool = False
    triggers: bool = False  # orders that wait for a price
    closing_triggers: bool = False  # of these a sell may say that it only takes out, where there are no positions
    amend_triggers: bool = False  # what such an order waits for, and the limit of what it sends, can be changed
    trailing: bool = False
    protections: bool = False  # take-profit and stop-loss that come with an order
    amend_protections: bool = False  # these can be changed until the order is filled
    leverage: bool = False
    cancels_at_once: int = 1  # of one market, by one call that answers for each
    dead_man: bool = False  # cancels everything when it has not heard from us for a while
    looks_up_by_client_id: bool = True
    submit_validity: float  # a submitted request may still execute this long after it was signed
    visibility_delay: float  # an accepted order may be unknown to queries this long
    lag: float = 0.0  # seconds that queries are behind at worst: what they do not know by then was not accepted before
    unfilled_memory: float  # an order that ended without a fill can be looked up this long
    history_window: float  # how far back order and trade lists see without being asked for more
    history_reach: float  # how far back they see at most
    lost: frozenset[str] = frozenset()  # calls the venue has retired under us: submit, cancel, order, trades, …


class Venue(Protocol):
    """One account at one venue.

    Every query and command returns an Answer; a refusal by the venue is a `Refusal` among its reports. When no answer
    settles it, NoAnswerError is raised: "could not ask" is another type than "not found". What a market's capabilities
    do not have raises NotOfferedError.
    """

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def skew_ms(self) -> float:
        """How far the venue's clock was ahead of ours when last measured, in ms: requests are corrected by it."""

    def now_ns(self) -> int | None:
        """Its own time, UTC nanoseconds, carried on by our monotonic clock since it last said it; None before that."""
        ...

    def capabilities(self, symbol: Symbol) -> Capabilities:
        """What the market of `symbol` can do: one account may trade markets of several kinds."""
        ...

    async def instruments(self) -> tuple[Instrument, ...]:
        """The markets this account may see, with the account's fees. Raises CatalogueCutError with a part of them."""
        ...

    def recall(self, orders: Iterable[OrderRef]) -> None:
        """Know whose orders these are, from the log: plain ones of ours, and those that wait for a price. A process
        that begins asks for none of them just to learn that, where the venue shows them, or their trades, by its own
        ids alone; and what fired while nobody ran says which one it came from. Nothing is sent.
        """
        ...

    async def submit(self, order: NewOrder, *, last_look: LastLook = nothing_holds) -> Answer:
        """Send a new order once: an Ack or a Refusal. Never repeats by itself.

        `last_look` is asked right before the first byte leaves, after any wait for the venue's rates: where it holds
        the order back, NoAnswerError says so, certainly not sent.
        """
        ...

    async def cancel(self, order: OrderRef, *, last_look: LastLook = nothing_holds) -> Answer:
        """Ask for a cancel once: an Ack (asked for, not done) or a Refusal (then the final state is to be proven).
        `last_look` as of `submit`.
        """
        ...

    async def cancel_many(self, orders: Sequence[OrderRef], *, last_look: LastLook = nothing_holds) -> Answer:
        """Ask for cancels of one market once, by one call: an Ack or a Refusal for each, which names it by our id, of
        class UNKNOWN where no answer settles it. Only where `capabilities` has it; orders that wait for a price go
        alone. `last_look` as of `submit`, and of all that follow.
        """
        ...

    async def amend(self, change: Amendment, *, last_look: LastLook = nothing_holds) -> Answer:
        """Ask for a change once: an Ack, whose venue_order_id is the order's from then on, or a Refusal. Only where
        `capabilities` has it. `last_look` as of `submit`.
        """
        ...

    async def order(self, order: OrderRef) -> Answer:
        """Look one order up: an OrderReport, or a Refusal with reason ``order_not_found``."""
        ...

    async def open_orders(self, symbol: Symbol | None = None) -> Answer:
        """Every open order of the account, or of one market at least, as OrderReports: where one has more than a list
        shows, the others' are still whole.
        """
        ...

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        """The account's trades in the window, bisected until whole, as TradeReports with their commissions."""
        ...

    async def order_trades(self, order: OrderRef) -> Answer:
        """One order's trades, as TradeReports; needs the venue's id."""
        ...

    async def order_history(self, symbol: Symbol, *, since_ms: int, until_ms: int) -> Answer:
        """Orders of one market that ended in the window, bisected until whole, as OrderReports."""
        ...

    async def balances(self) -> Answer:
        """Every balance of every wallet of the account, as BalanceReports; what is not listed is zero."""
        ...

    async def positions(self) -> Answer:
        """Every open position, as PositionReports, and the account's PositionModeReport; nothing where the account has
        no perpetuals.
        """
        ...

    async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:
        """Movements of money in the window that are not trades, bisected until whole, as LedgerReports."""
        ...

    async def set_leverage(
        self, symbol: Symbol, leverage: Decimal, margin_mode: MarginMode, *, last_look: LastLook = nothing_holds
    ) -> Answer:
        """Set what new positions of `symbol` are backed by, and read it back: a LeverageReport, or a Refusal."""
        ...

    async def set_position_mode(self, mode: PositionMode, *, last_look: LastLook = nothing_holds) -> Answer:
        """Switch the account, and read it back: a PositionModeReport, which may show that it did not, or a Refusal."""
        ...

    async def dead_man(self, symbol: Symbol, seconds: int, *, last_look: LastLook = nothing_holds) -> Answer:
        """Have the venue cancel every order of `symbol` unless this is called again within `seconds`; 0 disarms."""
        ...

    def stream(self) -> AsyncGenerator[Answer, None]:
        """The private stream, reconnected for ever: reports as they come, and Control("connected") and
        Control("disconnected") around every gap, so that whoever listens knows when to close it by asking.
        """
        ...

    async def close(self) -> None: ...


def takes_a_search(venue: Venue, order: OrderRef) -> bool:
    """Whether the venue cannot look the order up: it is searched for, through lists that may be asked seldom."""
    return order.venue_order_id is None and not venue.capabilities(order.symbol).looks_up_by_client_id


def require_time(venue: Venue) -> None:
    """Raise NoAnswerError while nobody knows the venue's time: what is asked for by our own may be anything."""
    if venue.now_ns() is None:
        raise NoAnswerError("the venue has not said what time it is", Evidence(channel="time"), sent=False)


class VenueClock:
    """A venue's time as a Clock, for what is compared with its dates: who sets ours does not set it. Before the venue
    has said its time, it is ours.
    """

    def __init__(self, venue: Venue, clock: Clock) -> None:
        self._venue = venue
        self._clock = clock
        self.monotonic = clock.monotonic

    def now_ns(self) -> int:
        now_ns = self._venue.now_ns()
        return self._clock.now_ns() if now_ns is None else now_ns
