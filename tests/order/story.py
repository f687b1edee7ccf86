"""given ... when ... then: how the stories about orders are told."""

from collections.abc import Iterable
from decimal import Decimal

from oms.instrument import Instrument
from oms.order import decisions
from oms.order.events import OrderEvent, OrderRequested, SendStarted
from oms.order.messages import CancelOrder, OrderNews, PlaceOrder
from oms.order.state import Order, evolve, fold
from oms.reports import OrderReport, TradeReport, VenueOrderStatus
from oms.risk import Facts, Limits
from oms.values import (
    AccountId,
    ClientOrderId,
    Currency,
    ExecId,
    OrderType,
    Side,
    StrategyId,
    Symbol,
    TimeInForce,
    VenueOrderId,
    Wallet,
)
from oms.venue import Capabilities

BTC_USDT = Instrument(
    symbol=Symbol("BTC/USDT"),
    venue_symbol="BTC_USDT",
    base=Currency("BTC"),
    quote=Currency("USDT"),
    price_step=Decimal("0.01"),
    quantity_step=Decimal("0.0001"),
    quantity_min=Decimal("0.0001"),
    notional_min=Decimal(5),
    maker_fee=Decimal("0.001"),
    taker_fee=Decimal("0.001"),
)
SPOT = Capabilities(
    name="a spot venue",
    order_types=frozenset(OrderType),
    times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC}),
    post_only=True,
    market_buy_by_notional=True,
    submit_validity=60.0,
    visibility_delay=2.0,
    unfilled_memory=1200.0,
    history_window=7 * 86400.0,
    history_reach=90 * 86_400.0,
)
BTC_PERPETUAL = Instrument(
    symbol=Symbol("BTC/USDT:USDT"),
    venue_symbol="BTCUSDT",
    base=Currency("BTC"),
    quote=Currency("USDT"),
    price_step=Decimal("0.1"),
    quantity_step=Decimal(1),
    quantity_min=Decimal(1),
    notional_min=Decimal(0),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.001"),
    wallet=Wallet.FUTURES,
    settle=Currency("USDT"),
    contract_size=Decimal("0.001"),
    quantity_max=Decimal(1_000_000),
    leverage_max=Decimal(100),
)
FUTURES = Capabilities(
    name="a futures venue",
    order_types=frozenset(OrderType),
    times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
    post_only=True,
    market_buy_by_notional=False,
    reduce_only=True,
    hedge_mode=True,
    amend=True,
    triggers=True,
    amend_triggers=True,
    amend_protections=True,
    trailing=True,
    protections=True,
    leverage=True,
    dead_man=True,
    submit_validity=60.0,
    visibility_delay=2.0,
    unfilled_memory=90 * 86400.0,
    history_window=7 * 86400.0,
    history_reach=90 * 86_400.0,
)
RICH = Facts(instrument=BTC_USDT, capabilities=SPOT, available=Decimal(10**9))


def asking(**changes: object) -> PlaceOrder:
    fields: dict[str, object] = {
        "account": AccountId("main"),
        "client_order_id": ClientOrderId("c1"),
        "strategy": StrategyId("maker"),
        "symbol": Symbol("BTC/USDT"),
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "quantity": Decimal(2),
        "price": Decimal(100),
    }
    return PlaceOrder(**(fields | changes))  # type: ignore[arg-type]


def requested(**changes: object) -> OrderRequested:
    first, *_ = decisions.place(asking(**changes), None, RICH, Limits())
    assert isinstance(first, OrderRequested)
    return first


def sent(**changes: object) -> tuple[OrderEvent, ...]:
    return (requested(**changes), SendStarted(attempt=1))


def trade(exec_id: str, quantity: str, price: str = "100", **changes: object) -> TradeReport:
    fields: dict[str, object] = {
        "exec_id": ExecId(exec_id),
        "symbol": Symbol("BTC/USDT"),
        "price": Decimal(price),
        "quantity": Decimal(quantity),
        "venue_order_id": VenueOrderId("v1"),
        "commission": Decimal("0.1"),
        "commission_currency": Currency("USDT"),
    }
    return TradeReport(**(fields | changes))  # type: ignore[arg-type]


def shown(status: VenueOrderStatus | None, cum_quantity: str = "0", **changes: object) -> OrderReport:
    fields: dict[str, object] = {
        "symbol": Symbol("BTC/USDT"),
        "status": status,
        "venue_order_id": VenueOrderId("v1"),
        "client_order_id": ClientOrderId("c1"),
        "cum_quantity": Decimal(cum_quantity),
    }
    return OrderReport(**(fields | changes))  # type: ignore[arg-type]


class Story:
    def __init__(self, history: Iterable[OrderEvent]) -> None:
        self.order: Order | None = fold(history)
        self.caused: tuple[OrderEvent, ...] = ()

    def when(self, *messages: PlaceOrder | CancelOrder | OrderNews) -> "Story":
        caused: list[OrderEvent] = []
        for message in messages:
            events = self._decide(message)
            for event in events:
                self.order = evolve(self.order, event)
            caused.extend(events)
        self.caused = tuple(caused)
        return self

    def _decide(self, message: PlaceOrder | CancelOrder | OrderNews) -> tuple[OrderEvent, ...]:
        match message:
            case PlaceOrder():
                return decisions.place(message, self.order, RICH, Limits())
            case CancelOrder():
                return decisions.cancel(message, self.order)
            case _:
                assert self.order is not None
                return decisions.record(message, self.order)

    def then(self, *expected: OrderEvent) -> "Story":
        assert self.caused == expected
        return self


def given(*history: OrderEvent) -> Story:
    return Story(history)
