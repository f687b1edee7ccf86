"""A venue that does what a story says: it keeps real books, and answers as scripted, one call after the other."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from decimal import Decimal
from enum import Enum

import msgspec

from oms.instrument import Instrument
from oms.reports import (
    Ack,
    BalanceReport,
    Control,
    LedgerReport,
    LeverageReport,
    OrderReport,
    PositionModeReport,
    PositionReport,
    Refusal,
    RefusalClass,
    Report,
    TradeReport,
    VenueOrderStatus,
)
from oms.values import (
    ZERO,
    ClientOrderId,
    Currency,
    ExecId,
    MarginMode,
    OrderType,
    PositionMode,
    Provenance,
    Side,
    Symbol,
    VenueOrderId,
    Wallet,
)
from oms.venue import (
    Amendment,
    Answer,
    Capabilities,
    Evidence,
    LastLook,
    NewOrder,
    NoAnswerError,
    NotOfferedError,
    OrderRef,
    Window,
    nothing_holds,
)
from tests.order.story import BTC_PERPETUAL, BTC_USDT, SPOT

PONG_SECONDS = 10.0
OPEN = (VenueOrderStatus.NEW, VenueOrderStatus.PARTIALLY_FILLED)


class Fate(Enum):
    """What becomes of one submit or cancel."""

    ACCEPTED = "accepted"
    ANSWER_LOST = "accepted, and the answer is lost"
    REQUEST_LOST = "lost on its way; nobody can tell"
    NOT_SENT = "certainly never left"
    HELD_BACK = "held back for the venue's rates"
    BUSY = "refused for now: not executed"
    REFUSED = "refused for good"


class ScriptedVenue:
    """`fates` are those of the next submits and cancels, ACCEPTED when none is left. While `cut`, no query is answered;
    while `blind`, queries find nothing. `held` makes submits wait until it is set; `turn` submits and changes, before
    they leave.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self.fates: deque[Fate] = deque()
        self.cut = False
        self.timeless = False  # has not said what time it is
        self.blind = False
        self.silent = False  # the stream stays open and says nothing, not even a pong
        self.held: asyncio.Event | None = None
        self.turn: asyncio.Event | None = None
        self.again_seconds = 2.0  # after which what is held back may leave
        self.submitted: list[NewOrder] = []  # every send that arrived, taken or not
        self.canceled: list[OrderRef] = []
        self.asked = 0
        self.switches: list[tuple[Symbol, int]] = []  # what was said to the dead man's switch
        self.amended: list[Amendment] = []
        self.cancel_calls: list[list[str]] = []  # who was named in each call that cancels several
        self.overlooked: set[str] = set()  # orders that such a call neither cancels nor speaks of
        self.shut: str | None = None  # why no cancel leaves
        self.can = SPOT
        self.mode: PositionMode | None = None
        self.stuck = False  # says that it switched the mode, and shows the old one
        self.legs: list[PositionReport] = []
        self.flows: list[LedgerReport] = []
        self.ledger_asked = 0
        self.settings: list[object] = []
        self.recalled: list[OrderRef] = []
        self.futures: Decimal | None = None  # the total of the futures wallet
        self.orders: dict[str, OrderReport] = {}  # by client order id
        self.ended_ms: dict[str, int] = {}  # by client order id
        self.trades_done: list[TradeReport] = []
        self.reach_ms = 0  # trades from before cannot be asked for any more
        self.totals: dict[str, Decimal] = {"USDT": Decimal(1_000), "BTC": Decimal(5)}
        self._now_ns = now_ns
        self._frames: asyncio.Queue[Answer] = asyncio.Queue()

    @property
    def name(self) -> str:
        return SPOT.name

    @property
    def skew_ms(self) -> float:
        return 0.0

    def now_ns(self) -> int | None:
        return None if self.timeless else self._now_ns()

    @property
    def _now_ms(self) -> int:
        return self._now_ns() // 1_000_000

    def capabilities(self, symbol: Symbol) -> Capabilities:
        return self.can

    async def instruments(self) -> tuple[Instrument, ...]:
        return (BTC_USDT, BTC_PERPETUAL)

    # ------------------------------------------------------------------------------------------------ commands

    async def submit(self, order: NewOrder, *, last_look: LastLook = nothing_holds) -> Answer:
        fate = self.fates.popleft() if self.fates else Fate.ACCEPTED
        await self._turn(fate, last_look)
        self.submitted.append(order)
        if self.held is not None:
            await self.held.wait()
        await asyncio.sleep(0.01)
        if fate in {Fate.ACCEPTED, Fate.ANSWER_LOST}:
            self.take(order)
        shown = self.orders.get(order.client_order_id)
        return self._settled(fate, Ack(venue_order_id=None if shown is None else shown.venue_order_id))

    async def _turn(self, fate: Fate, last_look: LastLook) -> None:
        if fate is Fate.HELD_BACK:
            raise NoAnswerError("no turn", self._evidence(), sent=False, again_seconds=self.again_seconds)
        if self.turn is not None:
            await self.turn.wait()
        cause = last_look()
        if cause is not None:
            raise NoAnswerError(cause, self._evidence(), sent=False)

    async def cancel(self, order: OrderRef, *, last_look: LastLook = nothing_holds) -> Answer:
        self._let(last_look)
        self.canceled.append(order)
        fate = self.fates.popleft() if self.fates else Fate.ACCEPTED
        await asyncio.sleep(0.01)
        if fate in {Fate.ACCEPTED, Fate.ANSWER_LOST}:
            shown = self.orders[order.client_order_id]
            if shown.status not in OPEN:
                refusal = Refusal(klass=RefusalClass.CERTAIN, reason="already_filled", code="50031")
                return self._answer((refusal,))
            self.set_status(order.client_order_id, VenueOrderStatus.CANCELED)
        return self._settled(fate, Ack())

    def _let(self, last_look: LastLook) -> None:
        cause = self.shut or last_look()
        if cause is not None:
            raise NoAnswerError(cause, self._evidence(), sent=False)

    async def cancel_many(self, orders: Sequence[OrderRef], *, last_look: LastLook = nothing_holds) -> Answer:
        """One call with one fate; but each order has an answer of its own, and some may have none."""
        self._let(last_look)
        self.canceled.extend(orders)
        self.cancel_calls.append([order.client_order_id for order in orders])
        fate = self.fates.popleft() if self.fates else Fate.ACCEPTED
        await asyncio.sleep(0.01)
        said: list[Report] = []
        for order in orders if fate in {Fate.ACCEPTED, Fate.ANSWER_LOST} else ():
            name = order.client_order_id
            if self.orders[name].status not in OPEN:
                said.append(Refusal(klass=RefusalClass.CERTAIN, reason="order_closed", client_order_id=name))
            elif name not in self.overlooked:
                self.set_status(name, VenueOrderStatus.CANCELED)
                said.append(Ack(client_order_id=name))
        answer = self._settled(fate, Ack())
        return self._answer(tuple(said), source=Provenance.RESPONSE) if fate is Fate.ACCEPTED else answer

    async def amend(self, change: Amendment, *, last_look: LastLook = nothing_holds) -> Answer:
        fate = self.fates.popleft() if self.fates else Fate.ACCEPTED
        await self._turn(fate, last_look)
        self.amended.append(change)
        await asyncio.sleep(0.01)
        name = change.order.client_order_id
        if fate in {Fate.ACCEPTED, Fate.ANSWER_LOST}:
            shown = self.orders[name]
            price, quantity = change.price or shown.price, change.quantity or shown.quantity
            trigger = None if change.waiting is None else change.waiting.trigger
            waited = shown.trigger_price if trigger is None else trigger.price
            self.orders[name] = _with(
                shown, price=price, quantity=quantity, trigger_price=waited, updated_ms=self._now_ms
            )
        return self._settled(fate, Ack(venue_order_id=self.orders[name].venue_order_id))

    def _settled(self, fate: Fate, ack: Ack) -> Answer:
        match fate:
            case Fate.ACCEPTED:
                return self._answer((ack,), source=Provenance.RESPONSE)
            case Fate.ANSWER_LOST | Fate.REQUEST_LOST:
                raise NoAnswerError("no answer within 10 s", self._evidence())
            case Fate.NOT_SENT:
                raise NoAnswerError("connection refused", self._evidence(), sent=False)
            case Fate.BUSY:
                return self._answer((Refusal(klass=RefusalClass.RATE_LIMIT, reason="rate_limit", code="30013"),))
            case Fate.REFUSED:
                return self._answer((Refusal(klass=RefusalClass.CERTAIN, reason="insufficient_funds", code="50020"),))
            case Fate.HELD_BACK:
                raise AssertionError("a cancel waits for no turn")

    # ------------------------------------------------------------------------------------------------ what happens

    def take(self, order: NewOrder) -> None:
        """Accept an order; what its acknowledgement would say is another matter."""
        self.orders[order.client_order_id] = OrderReport(
            symbol=order.symbol,
            status=VenueOrderStatus.NEW,
            venue_order_id=VenueOrderId(f"v{len(self.orders) + 1}"),
            client_order_id=order.client_order_id,
            side=order.side,
            quantity=order.quantity,
            cum_quantity=ZERO,
            price=order.price,
            trigger_price=None if order.trigger is None else order.trigger.price,
            updated_ms=self._now_ms,
        )

    def by_hand(
        self, client_order_id: str, quantity: str, *, symbol: Symbol = BTC_USDT.symbol, price: str = "100"
    ) -> None:
        """Accept an order of somebody else's on this account."""
        self.take(
            NewOrder(
                client_order_id=ClientOrderId(client_order_id),
                symbol=symbol,
                side=Side.BUY,
                type=OrderType.LIMIT,
                quantity=Decimal(quantity),
                price=Decimal(price),
            )
        )

    def set_status(self, client_order_id: str, status: VenueOrderStatus) -> None:
        """Let the venue change its mind about an order, without a word."""
        self.orders[client_order_id] = _with(self.orders[client_order_id], status=status, updated_ms=self._now_ms)
        if status not in OPEN:
            self.ended_ms[client_order_id] = self._now_ms

    def _forgot(self, client_order_id: str) -> bool:
        """Whether it ended without a fill so long ago that no query knows it."""
        ended_ms = self.ended_ms.get(client_order_id)
        unfilled = ended_ms is not None and not self.orders[client_order_id].cum_quantity
        return unfilled and self._now_ns() / 1e6 - (ended_ms or 0) > SPOT.unfilled_memory * 1e3

    def fill(self, client_order_id: str, quantity: str, *, price: str = "100") -> tuple[OrderReport, TradeReport]:
        """Match a part of an order; return how the venue would push it."""
        shown = self.orders[client_order_id]
        assert shown.quantity is not None
        assert shown.cum_quantity is not None
        cum_quantity = shown.cum_quantity + Decimal(quantity)
        whole = cum_quantity >= shown.quantity
        status = VenueOrderStatus.FILLED if whole else VenueOrderStatus.PARTIALLY_FILLED
        if shown.status not in OPEN:
            status = shown.status or VenueOrderStatus.CANCELED
        shown = self.orders[client_order_id] = _with(
            shown, status=status, cum_quantity=cum_quantity, updated_ms=self._now_ms
        )
        if whole:
            self.ended_ms[client_order_id] = self._now_ms
        trade = TradeReport(
            exec_id=ExecId(f"t{len(self.trades_done) + 1}"),
            symbol=shown.symbol,
            price=Decimal(price),
            quantity=Decimal(quantity),
            venue_order_id=shown.venue_order_id,
            client_order_id=ClientOrderId(client_order_id),
            side=shown.side,
            commission=Decimal("0.1"),
            commission_currency=Currency("USDT"),
            at_ms=self._now_ms,
        )
        self.trades_done.append(trade)
        return shown, trade

    def push(self, *reports: Report) -> None:
        """Send reports down the private stream."""
        self._frames.put_nowait(self._answer(reports, source=Provenance.STREAM))

    # ------------------------------------------------------------------------------------------------ queries

    async def order(self, order: OrderRef) -> Answer:
        await self._asked()
        shown = None if self.blind or self._forgot(order.client_order_id) else self.orders.get(order.client_order_id)
        if shown is None:
            return self._answer((Refusal(klass=RefusalClass.CERTAIN, reason="order_not_found", code="50005"),))
        return self._answer((shown,))

    async def open_orders(self, symbol: Symbol | None = None) -> Answer:
        await self._asked()
        return self._answer([] if self.blind else [each for each in self.orders.values() if each.status in OPEN])

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        await self._asked()
        within = [each for each in self._within_reach() if since_ms <= (each.at_ms or 0) <= until_ms]
        answer = self._answer([] if self.blind else within)
        if since_ms >= self.reach_ms:
            return answer
        proven = (Window(self.reach_ms, until_ms),) if self.reach_ms < until_ms else ()
        return msgspec.structs.replace(answer, complete=False, proven=proven)

    def _within_reach(self) -> list[TradeReport]:
        return [each for each in self.trades_done if (each.at_ms or 0) >= self.reach_ms]

    async def order_trades(self, order: OrderRef) -> Answer:
        await self._asked()
        return self._answer([each for each in self._within_reach() if each.client_order_id == order.client_order_id])

    async def order_history(self, symbol: Symbol, *, since_ms: int, until_ms: int) -> Answer:
        await self._asked()
        ended = [
            shown
            for name, shown in self.orders.items()
            if shown.symbol == symbol and since_ms <= self.ended_ms.get(name, 0) <= until_ms and not self._forgot(name)
        ]
        return self._answer([] if self.blind else ended)

    async def positions(self) -> Answer:
        await self._asked()
        mode = () if self.mode is None else (PositionModeReport(mode=self.mode),)
        return self._answer((*mode, *self.legs))

    async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:
        await self._asked()
        self.ledger_asked += 1
        return self._answer([row for row in self.flows if since_ms <= (row.at_ms or 0) <= until_ms])

    async def set_leverage(
        self, symbol: Symbol, leverage: Decimal, margin_mode: MarginMode, *, last_look: LastLook = nothing_holds
    ) -> Answer:
        self.settings.append((symbol, leverage, margin_mode))
        await asyncio.sleep(0.01)
        fate = self.fates.popleft() if self.fates else Fate.ACCEPTED
        if fate is Fate.ACCEPTED:
            return self._answer((LeverageReport(symbol=symbol, leverage=leverage, margin_mode=margin_mode),))
        return self._settled(fate, Ack())

    async def set_position_mode(self, mode: PositionMode, *, last_look: LastLook = nothing_holds) -> Answer:
        self.settings.append(mode)
        await asyncio.sleep(0.01)
        fate = self.fates.popleft() if self.fates else Fate.ACCEPTED
        if fate in {Fate.ACCEPTED, Fate.ANSWER_LOST} and not self.stuck:
            self.mode = mode
        if fate is Fate.ACCEPTED:
            assert self.mode is not None
            return self._answer((PositionModeReport(mode=self.mode),))
        return self._settled(fate, Ack())

    def recall(self, orders: Iterable[OrderRef]) -> None:
        self.recalled.extend(orders)

    async def dead_man(self, symbol: Symbol, seconds: int, *, last_look: LastLook = nothing_holds) -> Answer:
        if not self.capabilities(symbol).dead_man:
            raise NotOfferedError(symbol)
        await self._asked()
        if self.fates and self.fates.popleft() is Fate.REFUSED:
            return self._answer((Refusal(klass=RefusalClass.CERTAIN, reason="invalid_order", code="40044"),))
        self.switches.append((symbol, seconds))
        return self._answer((Ack(),))

    async def balances(self) -> Answer:
        await self._asked()
        balances = [BalanceReport(currency=Currency(c), total=total) for c, total in self.totals.items()]
        if self.futures is not None:
            balances.append(BalanceReport(currency=Currency("USDT"), total=self.futures, wallet=Wallet.FUTURES))
        return self._answer(balances)

    async def stream(self) -> AsyncGenerator[Answer, None]:
        yield self._answer((Control(event="connected"),), source=Provenance.STREAM)
        while True:
            try:
                async with asyncio.timeout(PONG_SECONDS):
                    yield await self._frames.get()
            except TimeoutError:
                if not self.silent:
                    yield self._answer((Control(event="pong"),), source=Provenance.STREAM)

    async def close(self) -> None:
        """Nothing is open."""

    async def _asked(self) -> None:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.cut:
            raise NoAnswerError("connection reset", self._evidence())

    def _answer(self, reports: Sequence[Report], *, source: Provenance = Provenance.POLL) -> Answer:
        return Answer(reports=tuple(reports), evidence=self._evidence(), source=source)

    def _evidence(self) -> Evidence:
        return Evidence(channel="POST /scripted", request=b"{}", response=b"{}", sent_ns=self._now_ns())


def _with(shown: OrderReport, **changes: object) -> OrderReport:
    return msgspec.structs.replace(shown, **changes)


class Cut(ScriptedVenue):
    """Its lists of trades are cut while they are not `whole`."""

    whole = True

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        answer = await super().trades(since_ms=since_ms, until_ms=until_ms)
        return msgspec.structs.replace(answer, complete=self.whole)


class Mute(ScriptedVenue):
    """Nobody can read what it says of one order, asked for that."""

    mute = ""

    async def order(self, order: OrderRef) -> Answer:
        if order.client_order_id == self.mute:
            raise NoAnswerError("unreadable", self._evidence(), unreadable=True)
        return await super().order(order)


class Capped(ScriptedVenue):
    """One answer holds so many rows of trades at most; it says how far it got."""

    rows_max = 3

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        answer = await super().trades(since_ms=since_ms, until_ms=until_ms)
        if len(answer.reports) <= self.rows_max:
            return answer
        rows = answer.reports[: self.rows_max]
        last = rows[-1]
        assert isinstance(last, TradeReport)
        return msgspec.structs.replace(
            answer, reports=rows, complete=False, proven=(Window(since_ms, last.at_ms or 0),)
        )


class Hides(ScriptedVenue):
    """Its lists of trades hide a trade while `hides`."""

    hides = True

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        answer = await super().trades(since_ms=since_ms, until_ms=until_ms)
        return msgspec.structs.replace(answer, reports=()) if self.hides else answer

    async def order_trades(self, order: OrderRef) -> Answer:
        answer = await super().order_trades(order)
        return msgspec.structs.replace(answer, reports=()) if self.hides else answer
