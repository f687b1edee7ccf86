"""A small venue in memory that speaks `oms.venue` directly: the contract without a wire, and the kit's own check.

One market, whose price is what somebody says it is: an order that crosses it fills whole, at that price.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from decimal import Decimal

import msgspec

from oms.instrument import Instrument
from oms.reports import (
    Ack,
    BalanceReport,
    Control,
    OrderReport,
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
    Liquidity,
    MarginMode,
    OrderType,
    PositionMode,
    Provenance,
    Side,
    Symbol,
    TimeInForce,
    VenueOrderId,
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
from tests.adapters.bitmart.fakes import LoopClock

MARKET = Symbol("BTC/USDT")
GRID = Instrument(
    symbol=MARKET,
    venue_symbol="BTCUSDT",
    base=Currency("BTC"),
    quote=Currency("USDT"),
    price_step=Decimal("0.01"),
    quantity_step=Decimal("0.001"),
    quantity_min=Decimal("0.001"),
    notional_min=Decimal(5),
    maker_fee=ZERO,
    taker_fee=Decimal("0.001"),
)
CAN = Capabilities(
    name="memory",
    order_types=frozenset({OrderType.LIMIT, OrderType.MARKET}),
    times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC}),
    post_only=True,
    market_buy_by_notional=False,
    submit_validity=1.0,
    visibility_delay=0.0,
    unfilled_memory=86_400.0,
    history_window=86_400.0,
    history_reach=90 * 86_400.0,
)
FINISHED = (VenueOrderStatus.FILLED, VenueOrderStatus.CANCELED)
DELAY = 0.01  # seconds each way


class MemoryVenue:
    """One account. `lost` is what goes lost of every call: "" nothing, "request" or "answer"."""

    def __init__(self) -> None:
        self.price = Decimal(60_000)
        self.lost = ""
        self.clock = LoopClock()
        self.balances_now = {Currency("BTC"): Decimal(10), Currency("USDT"): Decimal(1_000_000)}
        self._orders: dict[ClientOrderId, OrderReport] = {}
        self._trades: list[TradeReport] = []
        self._listeners: list[asyncio.Queue[tuple[Report, ...] | None]] = []
        self._ids = 0

    @property
    def name(self) -> str:
        return CAN.name

    @property
    def skew_ms(self) -> float:
        return 0.0

    def now_ns(self) -> int:
        return self.clock.now_ns()

    def capabilities(self, symbol: Symbol) -> Capabilities:
        return msgspec.structs.replace(CAN, name=f"memory {symbol}")

    async def instruments(self) -> tuple[Instrument, ...]:
        return (GRID,)

    # -------------------------------------------------------------------------------------------- commands

    async def submit(self, order: NewOrder, *, last_look: LastLook = nothing_holds) -> Answer:
        if order.trigger is not None:
            raise NotOfferedError(f"{order.trigger}")
        return await self._called("submit", lambda: self._take(order), last_look)

    async def cancel(self, order: OrderRef, *, last_look: LastLook = nothing_holds) -> Answer:
        return await self._called("cancel", lambda: self._cancel(order), last_look)

    def _take(self, order: NewOrder) -> Report:
        if order.client_order_id in self._orders:
            return _refused(RefusalClass.UNKNOWN, "duplicate_id", order.client_order_id)
        quantity = order.quantity or ZERO
        price = self.price if order.price is None else order.price
        if quantity < GRID.quantity_min or quantity * price < GRID.notional_min:
            return _refused(RefusalClass.CERTAIN, "invalid_order", order.client_order_id)
        self._ids += 1
        shown = OrderReport(
            symbol=MARKET,
            status=VenueOrderStatus.NEW,
            venue_order_id=VenueOrderId(str(self._ids)),
            client_order_id=order.client_order_id,
            side=order.side,
            order_type=order.type.value,
            quantity=quantity,
            cum_quantity=ZERO,
            price=order.price,
            created_ms=self.now_ms(),
            updated_ms=self.now_ms(),
        )
        self._show(shown)
        crosses = self._crosses(shown)
        if crosses and not order.post_only:
            self._fill(shown, Liquidity.TAKER)
        elif crosses or order.type is OrderType.MARKET or order.time_in_force is TimeInForce.IOC:
            self._end(shown)
        return Ack(client_order_id=order.client_order_id, venue_order_id=shown.venue_order_id)

    def _cancel(self, order: OrderRef) -> Report:
        shown = self._orders.get(order.client_order_id)
        if shown is None:
            return _refused(RefusalClass.CERTAIN, "order_not_found", order.client_order_id)
        if shown.status in FINISHED:
            return _refused(RefusalClass.CERTAIN, "order_closed", order.client_order_id)
        self._end(shown)
        return Ack(client_order_id=order.client_order_id, venue_order_id=shown.venue_order_id)

    # -------------------------------------------------------------------------------------------- queries

    async def order(self, order: OrderRef) -> Answer:
        absent = _refused(RefusalClass.CERTAIN, "order_not_found", order.client_order_id)
        return await self._called("order", lambda: self._orders.get(order.client_order_id, absent))

    async def open_orders(self, symbol: Symbol | None = None) -> Answer:
        return await self._asked("open_orders", lambda: [one for one in self._orders.values() if _open(one)])

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        answer = await self._asked(
            "trades", lambda: [one for one in self._trades if since_ms <= (one.at_ms or 0) <= until_ms]
        )
        return msgspec.structs.replace(answer, proven=(Window(since_ms, until_ms),))

    async def order_trades(self, order: OrderRef) -> Answer:
        return await self._asked(
            "order_trades", lambda: [one for one in self._trades if one.client_order_id == order.client_order_id]
        )

    async def order_history(self, symbol: Symbol, *, since_ms: int, until_ms: int) -> Answer:
        answer = await self._asked(
            "order_history",
            lambda: [
                one
                for one in self._orders.values()
                if one.symbol == symbol and not _open(one) and since_ms <= (one.created_ms or 0) <= until_ms
            ],
        )
        return msgspec.structs.replace(answer, proven=(Window(since_ms, until_ms),))

    async def balances(self) -> Answer:
        return await self._asked("balances", self._balances)

    async def positions(self) -> Answer:
        return await self._asked("positions", list)

    async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:
        answer = await self._asked("ledger", list)
        return msgspec.structs.replace(answer, proven=(Window(since_ms, until_ms),))

    def _balances(self) -> list[Report]:
        held = dict.fromkeys(self.balances_now, ZERO)
        for order in self._orders.values():
            if _open(order) and order.quantity is not None and order.price is not None:
                buys = order.side is Side.BUY
                held[GRID.quote if buys else GRID.base] += order.quantity * (order.price if buys else 1)
        return [
            BalanceReport(currency=coin, available=total - held[coin], held=held[coin], total=total)
            for coin, total in self.balances_now.items()
        ]

    # -------------------------------------------------------------------------------------------- what it has not

    def recall(self, orders: Iterable[OrderRef]) -> None:
        """Everything names our ids here."""

    async def cancel_many(self, orders: Sequence[OrderRef], *, last_look: LastLook = nothing_holds) -> Answer:
        raise NotOfferedError(f"{len(orders)} at once")

    async def amend(self, change: Amendment, *, last_look: LastLook = nothing_holds) -> Answer:
        raise NotOfferedError(f"{change}")

    async def set_leverage(
        self, symbol: Symbol, leverage: Decimal, margin_mode: MarginMode, *, last_look: LastLook = nothing_holds
    ) -> Answer:
        raise NotOfferedError(f"{symbol} {leverage} {margin_mode}")

    async def set_position_mode(self, mode: PositionMode, *, last_look: LastLook = nothing_holds) -> Answer:
        raise NotOfferedError(f"{mode}")

    async def dead_man(self, symbol: Symbol, seconds: int, *, last_look: LastLook = nothing_holds) -> Answer:
        raise NotOfferedError(f"{symbol} {seconds}")

    # -------------------------------------------------------------------------------------------- the stream

    async def stream(self) -> AsyncGenerator[Answer, None]:
        while True:
            heard: asyncio.Queue[tuple[Report, ...] | None] = asyncio.Queue()
            self._listeners.append(heard)
            yield _told((Control(event="connected"),))
            while (reports := await heard.get()) is not None:
                yield _told(reports)
            yield _told((Control(event="disconnected"),))
            await asyncio.sleep(1.0)

    def cut(self) -> None:
        """Break every stream."""
        listeners, self._listeners = self._listeners, []
        for heard in listeners:
            heard.put_nowait(None)

    async def close(self) -> None:
        self.cut()

    # -------------------------------------------------------------------------------------------- the market

    def now_ms(self) -> int:
        return self.clock.now_ns() // 1_000_000

    def move(self, price: Decimal) -> None:
        """Bring the market to `price`; what it crosses fills."""
        self.price = price
        for order in list(self._orders.values()):
            if _open(order) and self._crosses(order):
                self._fill(order, Liquidity.MAKER)

    def _crosses(self, order: OrderReport) -> bool:
        if order.price is None:
            return True
        return order.price >= self.price if order.side is Side.BUY else order.price <= self.price

    def _fill(self, order: OrderReport, liquidity: Liquidity) -> None:
        assert order.quantity is not None
        price = self.price if liquidity is Liquidity.TAKER or order.price is None else order.price
        fee = order.quantity * price * (GRID.taker_fee if liquidity is Liquidity.TAKER else GRID.maker_fee)
        self._ids += 1
        trade = TradeReport(
            exec_id=ExecId(str(self._ids)),
            symbol=MARKET,
            price=price,
            quantity=order.quantity,
            venue_order_id=order.venue_order_id,
            client_order_id=order.client_order_id,
            side=order.side,
            commission=fee,
            commission_currency=GRID.quote,
            liquidity=liquidity,
            at_ms=self.now_ms(),
        )
        self._trades.append(trade)
        sign = 1 if order.side is Side.BUY else -1
        self.balances_now[GRID.base] += sign * order.quantity
        self.balances_now[GRID.quote] -= sign * order.quantity * price + fee
        filled = msgspec.structs.replace(order, status=VenueOrderStatus.FILLED, cum_quantity=order.quantity)
        self._show(filled, trade)

    def _end(self, order: OrderReport) -> None:
        self._show(msgspec.structs.replace(order, status=VenueOrderStatus.CANCELED))

    def _show(self, order: OrderReport, *more: Report) -> None:
        assert order.client_order_id is not None
        self._orders[order.client_order_id] = order
        for heard in self._listeners:
            heard.put_nowait((order, *more))

    # -------------------------------------------------------------------------------------------- its "wire"

    async def _called(self, what: str, work: Callable[[], Report], last_look: LastLook = nothing_holds) -> Answer:
        evidence = Evidence(channel=f"memory {what}", sent_ns=self.clock.now_ns())
        held = last_look()
        if held is not None:
            raise NoAnswerError(held, evidence, sent=False)
        await asyncio.sleep(DELAY)
        if self.lost == "request":
            raise NoAnswerError(f"{what}: it never arrived", evidence)
        report = work()
        await asyncio.sleep(DELAY)
        if self.lost == "answer":
            raise NoAnswerError(f"{what}: no answer", evidence)
        return Answer(reports=(report,), evidence=evidence)

    async def _asked(self, what: str, work: Callable[[], Sequence[Report]]) -> Answer:
        evidence = Evidence(channel=f"memory {what}", sent_ns=self.clock.now_ns())
        await asyncio.sleep(DELAY)
        if self.lost:
            raise NoAnswerError(f"{what}: could not ask", evidence)
        return Answer(reports=tuple(work()), evidence=evidence, source=Provenance.POLL)


def _open(order: OrderReport) -> bool:
    return order.status not in FINISHED


def _refused(klass: RefusalClass, reason: str, name: ClientOrderId) -> Refusal:
    return Refusal(klass=klass, reason=reason, client_order_id=name)


def _told(reports: tuple[Report, ...]) -> Answer:
    return Answer(reports=reports, evidence=Evidence(channel="memory stream"), source=Provenance.STREAM)
