"""From one message to events on every stream it touches, pure: what the engine runs for each message.

An order's fill moves its position leg too, so the events of both stand in one commit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from oms.account import modes
from oms.account import state as accounts
from oms.account.events import (
    AccountEvent,
    HistoryKept,
    PayloadQuarantined,
    TradesCovered,
    TradingHalted,
    WriterStarted,
)
from oms.account.modes import PositionModeLook, PositionModeRejected, SetPositionMode
from oms.account.state import HaltTrading, OpeningRevised, ResumeTrading
from oms.book import Book, order_stream, position_stream
from oms.breaks import decisions as disagreements
from oms.breaks.decisions import Disagreement, DisagreementsReport, ExplainBreak, ResolveBreak
from oms.breaks.events import BreakKind
from oms.breaks.state import DEFAULT_POLICY, Policy
from oms.collar import opposite
from oms.errors import CapabilityLostError, InvalidOrderError, OvertakenError, UnknownOrderError, UnknownSymbolError
from oms.folding import Fact, fold_account, fold_leg, fold_order, unprotect_flat
from oms.instrument import Instrument
from oms.market_data import Quote, unquoted
from oms.obstacles import busy, ended, stopped, unproven
from oms.order import claims
from oms.order import decisions as orders
from oms.order.events import OrderEvent, OrderRequested
from oms.order.holds import WHOLE, contracts, guards, hold, may_move
from oms.order.messages import AmendOrder, CancelOrder, ClaimOrder, OrderNews, PlaceOrder
from oms.order.presets import parent_of
from oms.order.state import Order
from oms.ports import VenueMessage
from oms.position import settings, shown
from oms.position import state as positions
from oms.position.claims import ClaimShare, claim
from oms.position.events import PositionEvent
from oms.position.flows import payment_of
from oms.position.settings import LeverageRejected, SetLeverage
from oms.position.state import FLAT, Position
from oms.recognition import owned
from oms.reconcile import totals
from oms.reports import (
    BalanceReport,
    LedgerReport,
    LeverageReport,
    OrderReport,
    PositionModeReport,
    PositionReport,
    TradeReport,
    occurred_ns,
)
from oms.resolution import resolve
from oms.risk import Facts, Limits
from oms.sums import State, symbol_of, traded
from oms.values import (
    EXACT,
    ONE,
    ZERO,
    AccountId,
    Origin,
    PositionLeg,
    Provenance,
    Purse,
    Side,
    Symbol,
    Wallet,
    purse,
    purses,
    reduces,
    signed,
)
from oms.venue import Capabilities
from oms.winddown import NO_END, WindDown

_SELL, _NET = Side.SELL, PositionLeg.NET  # bound once, as in `oms.order.state`
SEIZED: Final = frozenset({Origin.LIQUIDATION, Origin.ADL})  # orders by which a venue takes a position away


class BalancesReport(Struct, frozen=True, kw_only=True, gc=False):
    """The venue's balances at a moment when no order or trade of ours is unsettled; `reason` names a difference."""

    balances: tuple[BalanceReport, ...]
    reason: str


class Given(Struct, frozen=True, kw_only=True, gc=False):
    """What the book said when what follows was found out: it is recorded on that, or not at all. While the log is gone
    a report waits, and what others report meanwhile may come first.
    """

    totals: Mapping[Purse, Decimal]
    legs: Mapping[str, Decimal]  # quantities, by stream


def given(book: Book) -> Given:
    """Return what a trade or a payment would move."""
    return Given(totals=dict(book.totals), legs={stream: leg.quantity for stream, leg in book.positions.items()})


OrderCommand = PlaceOrder | AmendOrder | CancelOrder | ClaimOrder
AccountCommand = HaltTrading | ResumeTrading | ExplainBreak | ResolveBreak | SetPositionMode | SetLeverage | ClaimShare
Command = OrderCommand | AccountCommand
Setting = LeverageReport | LeverageRejected | PositionModeReport | PositionModeRejected
AccountNews = (
    Given
    | BalancesReport
    | OpeningRevised
    | WriterStarted
    | TradesCovered
    | HistoryKept
    | PayloadQuarantined
    | DisagreementsReport
    | PositionModeLook
    | PositionModeReport
    | PositionModeRejected
)
LegNews = LedgerReport | LeverageReport | LeverageRejected | PositionReport  # all but the last of the whole market
Report = OrderNews | AccountNews | LegNews
Addressed = tuple[str, Report]  # the stream it is about, and what is said of it


class Said(Struct, frozen=True, kw_only=True, gc=False):
    """A command or a set of reports that arrived together, with where they came from.

    `cause` names the request or the venue message behind it; where nothing outside does, it is its own cause.
    """

    message: Command | tuple[Addressed, ...]
    actor: str
    cause: str | None
    source: Provenance
    evidence: tuple[VenueMessage, ...] = ()


class Decided(Struct, frozen=True, gc=False):
    """What a message caused, already folded into the book, and the state that whoever sent it asks about. `moments` has
    for each fact when the venue says that happened which it follows from (UTC ns), as far as it says so; a command's
    have none.
    """

    facts: Sequence[Fact]
    state: State | None
    moments: Sequence[int | None] = ()


class Decider:
    """The decisions of one account, with the instruments and limits they read."""

    def __init__(
        self,
        account: AccountId,
        *,
        instruments: Mapping[Symbol, Instrument],
        capabilities: Callable[[Symbol], Capabilities],
        limits: Limits,
        policy: Policy = DEFAULT_POLICY,
        marks: dict[Symbol, Decimal] | None = None,
        wind_down: WindDown = NO_END,
    ) -> None:
        self.account = account
        self.instruments = instruments
        self.capabilities = capabilities
        self.limits = limits
        self.policy = policy
        self.wind_down = wind_down
        # The last known mark prices of perpetuals: market data, kept by who follows it.
        self.marks = {} if marks is None else marks
        self.quotes: Callable[[Symbol], Quote] = unquoted  # market data too
        # Where the venue said last that it would take a leg over: likewise, and no decision reads it.
        self.liquidations: dict[tuple[Symbol, PositionLeg], Decimal] = {}
        self.looks: dict[str, Disagreement] = {}  # by break: how a balance differed when it was compared last
        # Whether another position mode is on its way, so that the one shown is of before, or of after: from who asks.
        self.switching: Callable[[], bool] = lambda: False

    def looked(self, found: DisagreementsReport) -> None:
        """Keep how balances differ as of the latest look, which makes no event where it found nothing new."""
        sure = (each for each in found.disagreements if each.break_id not in found.unsure)
        self.looks.update({each.break_id: each for each in sure if each.kind is BreakKind.BALANCE})

    def decide(self, said: Said, book: Book, at_ns: int = 0) -> Decided:
        """Decide `said` against `book`, fold the outcome into it and return it. `at_ns` is when it is recorded (UTC).

        Raises:
            CommandRefusedError: the domain says no; the book is as it was.
        """
        facts: list[Fact] = []
        state: State | None = None
        message = said.message
        if isinstance(message, tuple):
            moments: list[int | None] = []
            for stream, report in _owned(book, message) if book.waited else message:
                if stream[0] == "o":  # an order's stream is told about the order, an account's about the account
                    if stream in book.orders:
                        state = _told(book, stream, report, said.source, facts)  # type: ignore[arg-type]
                    else:
                        state = self._unknown(book, stream, report, said.source, facts)  # type: ignore[arg-type]
                elif stream[0] == "a":
                    state = self._about_account(book, report, facts)  # type: ignore[arg-type]
                else:
                    state = self._about_leg(book, stream, report, facts)  # type: ignore[arg-type]
                moments += [occurred_ns(report)] * (len(facts) - len(moments))
            unprotect_flat(book, facts)
            return Decided(facts, state, [*moments, *[None] * (len(facts) - len(moments))])
        match message:
            case PlaceOrder() as command:
                stream = order_stream(self.account, command.client_order_id)
                events = orders.place(command, book.orders.get(stream), self._facts(command, book, at_ns), self.limits)
                state = fold_order(book, stream, events, facts)
            case AmendOrder() as command:
                stream = order_stream(self.account, command.client_order_id)
                state = fold_order(book, stream, self._amend(command, book.orders.get(stream), book, at_ns), facts)
            case CancelOrder() as command:
                stream = order_stream(self.account, command.client_order_id)
                state = fold_order(book, stream, self._cancel(command, book.orders.get(stream)), facts)
            case ClaimOrder() as command:
                stream = order_stream(self.account, command.client_order_id)
                state = fold_order(book, stream, claims.claim(command, book.orders.get(stream)), facts)
            case SetLeverage() as command:
                leg = position_stream(self.account, command.symbol, PositionLeg.NET)
                state = fold_leg(book, leg, self._leverage(command, book.positions.get(leg, FLAT)), facts)
            case ClaimShare() as command:
                leg = position_stream(self.account, command.symbol, command.position_leg)
                held, market = book.positions.get(leg, FLAT), self.instruments.get(command.symbol)
                state = fold_leg(book, leg, claim(command, held, book.nobodys(leg), market), facts)
            case SetPositionMode() as command:
                state = fold_account(book, self._mode(command, book), facts)
            case HaltTrading() as command:
                state = fold_account(book, accounts.halt(command, book.account), facts)
            case ResumeTrading() as command:
                state = fold_account(book, accounts.resume(command, book.account), facts)
            case ExplainBreak() as command:
                state = fold_account(book, disagreements.explain(command, book.account.breaks), facts)
            case ResolveBreak() as command:
                state = fold_account(book, resolve(command, book, self.looks), facts)
        return Decided(facts, state)

    def _need(self, call: str, symbol: Symbol) -> None:
        """Raises CapabilityLostError: the venue has retired what a command needs (S60)."""
        can = self.capabilities(symbol)
        if call in can.lost:
            raise CapabilityLostError(f"{can.name} has retired {call}")

    def _leverage(self, command: SetLeverage, held: Position) -> tuple[PositionEvent, ...]:
        asked = settings.ask(command, held, self.instruments.get(command.symbol), self.limits.leverage_max)
        if asked:
            self._need("set_leverage", command.symbol)
        return asked

    def _mode(self, command: SetPositionMode, book: Book) -> tuple[AccountEvent, ...]:
        asked = modes.ask(command, book.account, busy(book))
        for symbol in [name for name in self.instruments if purses(name).base is None][:1] if asked else ():
            self._need("set_position_mode", symbol)
        return asked

    def _cancel(self, command: CancelOrder, order: Order | None) -> tuple[OrderEvent, ...]:
        events = orders.cancel(command, order)
        if events and order is not None:
            self._need("cancel_triggers" if order.waits else "cancel", order.request.symbol)
        return events

    def _amend(self, command: AmendOrder, order: Order | None, book: Book, at_ns: int) -> tuple[OrderEvent, ...]:
        """Return the events of a change: what the order holds already may be spent on it."""
        if order is None:
            raise UnknownOrderError(f"no order {command.client_order_id} on account {command.account}")
        facts = self._facts(order.request if order.waits else replace(order.request, trigger=None), book, at_ns)
        facts = replace(
            facts,
            available=EXACT.add(facts.available, hold(order)[1]),
            open_orders=facts.open_orders - 1,
            opening=self._may_trade(order.request, book, closing=False, but=order),
            closing=self._may_trade(order.request, book, closing=True, but=order),
            spent=order.cum_cost,
            unproven=None,
        )
        if order.waits and order.request.reduces:
            facts = replace(facts, available=order.leaves_quantity)  # it holds nothing until its price comes
        events = orders.amend(command, order, facts, self.limits)
        if events:
            protects = command.take_profit is not None or command.stop_loss is not None
            self._need("amend_protections" if protects else "amend", order.request.symbol)
        return events

    def _facts(self, command: PlaceOrder | OrderRequested, book: Book, at_ns: int) -> Facts:
        try:
            base, quote = purses(command.symbol)
        except ValueError as error:
            raise UnknownSymbolError(f"{command.symbol!r} is not a symbol: BASE/QUOTE is expected") from error
        if base is None:
            return self._contract_facts(command, book, quote, at_ns)
        return Facts(
            instrument=self.instruments.get(command.symbol),
            capabilities=self.capabilities(command.symbol),
            available=book.available(base if command.side is _SELL else quote),
            halted=stopped(command, book.account, self.policy),
            open_orders=len(book.open),
            leg=book.positions.get(position_stream(self.account, command.symbol, _NET), FLAT),
            opening=self._may_trade(command, book, closing=False),
            quote=self._quote(command.symbol),
            best=self._best(command),
            at_ns=at_ns,
            wind_down=ended(command, self.wind_down, at_ns),
            loss=book.loss(command.strategy),
            unproven=unproven(command, book),
        )

    def _contract_facts(self, command: PlaceOrder | OrderRequested, book: Book, settle: Purse, at_ns: int) -> Facts:
        """Return what is known of a perpetual: what closing it may close, what opening it may draw on."""
        symbol, side, leg = command.symbol, command.side, command.position_leg
        held = book.positions.get(position_stream(self.account, symbol, leg), FLAT)
        market = book.positions.get(position_stream(self.account, symbol, _NET), FLAT)
        closes = reduces(side, leg, reduce_only=command.reduce_only)
        if closes:
            closable = max(signed(side, held.quantity).copy_negate(), ZERO)
            closing = ZERO if command.trigger is not None else book.held.get(contracts(symbol, leg, side), ZERO)
            available = EXACT.subtract(closable, closing)
        else:
            available = book.available(settle)
        return Facts(
            instrument=self.instruments.get(symbol),
            capabilities=self.capabilities(symbol),
            available=available,
            halted=stopped(command, book.account, self.policy),
            open_orders=len(book.open),
            leg=held,
            leverage=held.leverage or market.leverage,
            position_mode=book.account.position_mode,
            mark=self.marks.get(symbol),
            opening=self._may_trade(command, book, closing=False),
            closing=self._may_trade(command, book, closing=True),
            quote=self._quote(symbol),
            best=self._best(command),
            at_ns=at_ns,
            wind_down=ended(command, self.wind_down, at_ns),
            loss=book.loss(command.strategy),
            unproven=unproven(command, book),
        )

    def _quote(self, symbol: Symbol) -> Quote | None:
        return self.quotes(symbol) if symbol in self.limits.collar else None

    def _best(self, command: PlaceOrder | OrderRequested) -> Decimal | None:
        """Return what a market order would trade at, and a sell at the least, where somebody follows its market."""
        asked = self.limits.order_notional_max is not None and (command.price is None or command.side is _SELL)
        return opposite(self.quotes(command.symbol), command.side) if asked else None

    def bid(self, symbol: Symbol) -> Decimal | None:
        """Return the best price that a sell would trade at, where somebody follows its market."""
        return opposite(self.quotes(symbol), _SELL)

    def _may_trade(
        self, command: PlaceOrder | OrderRequested, book: Book, *, closing: bool, but: Order | None = None
    ) -> Decimal:
        """Return what orders on the command's side, `but` one, may still add to its leg, or close of it, where a limit
        asks for it: as much as a change on its way may make it, and what the venue has traded and not told of yet.
        """
        if command.symbol not in self.limits.position_max:
            return ZERO
        size = ZERO
        for order in (book.orders[stream] for stream in {**book.open, **book.unsettled}):
            request = order.request
            if (request.symbol, request.position_leg) != (command.symbol, command.position_leg) or order is but:
                continue
            if request.side is not command.side:  # what comes with it closes all that is held on its side by then
                size = EXACT.add(size, WHOLE if closing and guards(order) else ZERO)
            elif request.reduces is closing:
                size = EXACT.add(size, may_move(order))
        return size

    def _about_account(self, book: Book, report: AccountNews, facts: list[Fact]) -> State:
        match report:
            case Given():
                if given(book) != report:
                    raise OvertakenError("the book has moved since the venue was asked")
                return book.account
            case BalancesReport():
                return fold_account(book, accounts.adjust(book.totals, totals(report.balances), report.reason), facts)
            case OpeningRevised():
                return fold_account(book, accounts.revise(report, book.totals), facts)
            case WriterStarted():
                return fold_account(book, (report,), facts)
            case TradesCovered():
                return fold_account(book, accounts.cover(report, book.account), facts)
            case HistoryKept():
                return fold_account(book, accounts.keep(report, book.account), facts)
            case PayloadQuarantined():
                return fold_account(book, accounts.quarantine(report, book.account), facts)
            case PositionModeReport() | PositionModeLook():
                return fold_account(book, modes.see(report, book.account), facts)
            case PositionModeRejected():
                return fold_account(book, modes.reject(report, book.account), facts)
            case DisagreementsReport():
                return fold_account(book, disagreements.report(report, book.account.breaks), facts)

    def _about_leg(self, book: Book, stream: str, news: LegNews, facts: list[Fact]) -> State:
        if not isinstance(news, PositionReport):
            return _about_market(book, stream, news, facts)
        instrument, held = self.instruments.get(news.symbol), book.positions.get(stream, FLAT)
        if instrument is None:
            return held  # nobody knows what a contract is worth
        return fold_leg(book, stream, shown.take_over(news, instrument.contract_size, held), facts)

    def _unknown(self, book: Book, stream: str, news: OrderNews, source: Provenance, facts: list[Fact]) -> State | None:
        """Record what is learned of an order that this log does not hold under that name. What the venue seizes, it
        seizes from a market that nothing opens in any more, until a person has looked (S26).
        """
        if isinstance(news, OrderReport | TradeReport):
            held = book.known_as(news.symbol, news.venue_order_id)
            if held is not None:  # we learned the venue's id after this was read
                stream = order_stream(self.account, held.request.client_order_id)
                return _told(book, stream, news, source, facts)
        if not isinstance(news, OrderReport):
            return None  # a trade or an answer about an order that nobody has shown yet: the next poll brings the order
        instrument = self.instruments.get(news.symbol)
        if instrument is None and purses(news.symbol).base is None:
            return None  # nobody knows what a contract is worth
        try:
            size = ONE if instrument is None else instrument.contract_size
            events = orders.external(news, self.account, size, parent_of(news, book.orders.values()))
        except InvalidOrderError:
            return None
        state = fold_order(book, stream, events, facts)
        if news.origin in SEIZED and self.limits.halt_on_seizure and (None, news.symbol) not in book.account.halts:
            halt_id, reason = f"{news.origin}{news.venue_order_id}", f"{news.origin} of {news.symbol} by the venue"
            fold_account(book, (TradingHalted(reason=reason, halt_id=halt_id, symbol=news.symbol),), facts)
        return state


def _told(book: Book, stream: str, news: OrderNews, source: Provenance, facts: list[Fact]) -> Order | None:
    """Record what is learned of an order that the book holds. Another market's order of that name, told while this one
    was in no memory, is learned of with the next look, under the venue's id (`oms.recognition`).
    """
    if isinstance(news, OrderReport | TradeReport) and orders.is_namesake(news, book.orders[stream]):
        return book.orders[stream]
    dated_ms = news.at_ms if isinstance(news, TradeReport) else None
    return fold_order(book, stream, orders.record(news, book.orders[stream], source), facts, dated_ms=dated_ms)


def _owned(book: Book, message: Sequence[Addressed]) -> Iterator[Addressed]:
    """Yield what is to be recorded of which order, as the book stands when it is its turn."""
    for stream, report in message:
        if stream[0] == "o" and isinstance(report, OrderReport | TradeReport):
            mine = owned(book, stream, report)
            if mine is not None:
                yield mine
        else:
            yield stream, report


def _about_market(
    book: Book, stream: str, news: LedgerReport | LeverageReport | LeverageRejected, facts: list[Fact]
) -> State:
    """Record what is said of a market: it stands with the leg `net`; what backs it, with every leg that there is."""
    match news:
        case LedgerReport():
            payment, held = payment_of(news), book.positions.get(stream, FLAT)
            if payment is None or purse(Wallet.FUTURES, news.currency) != traded(stream).quote:
                return held
            return fold_leg(book, stream, positions.flow(payment, held), facts)
        case LeverageReport():
            symbol = symbol_of(stream)
            for leg in PositionLeg:
                each = position_stream(book.name, symbol, leg)
                if leg is PositionLeg.NET or each in book.positions:
                    held = book.positions.get(each, FLAT)
                    fold_leg(book, each, positions.back(news.leverage, news.margin_mode, held), facts)
            return book.positions.get(stream, FLAT)
        case LeverageRejected():
            return fold_leg(book, stream, settings.reject(news), facts)
