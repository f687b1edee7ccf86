"""The life table, held against a grid drawn by hand: delete or change any row of either and a test goes red."""

from decimal import Decimal

import pytest

from oms.errors import CorruptStreamError
from oms.order import events
from oms.order.events import OrderEvent, OrderRequested
from oms.order.state import CLOSED, TRANSITIONS, Life, Order, evolve
from oms.values import AccountId, ClientOrderId, ExecId, Liquidity, OrderType, Side, StrategyId, Symbol, VenueOrderId

# Letters of the life an event leads to: S sending, I in doubt, W working, F filled, C canceled, E expired, R rejected,
# V vanished, D denied, N new; a dot where the event would be corrupt history.
GRID = """
                    NEW  DENIED  SENDING  IN_DOUBT  WORKING  FILLED  CANCELED  EXPIRED  REJECTED  VANISHED
OrderDenied          D     .        D        .         .       .        .         .        .         .
SendStarted          S     .        S        .         .       .        .         .        .         .
VenueAccepted        .     .        W        W         W       F        C         E        W         W
VenueRefused         .     .        R        R         R       .        .         .        .         .
OutcomeUnknown       .     .        I        I         .       .        .         .        .         .
AbsenceProven        .     .        .        R         .       .        .         .        .         .
VenueSearched        N     D        S        I         W       F        C         E        R         V
OrderVanished        .     .        .        V         V       .        .         .        .         .
OrderFilled          W     W        W        W         W       F        C         E        W         W
CommissionReported   N     D        S        I         W       F        C         E        R         V
LiquidityReported    N     D        S        I         W       F        C         E        R         V
TradeBusted          .     .        .        .         W       W        C         E        R         V
CountLowered         .     .        .        .         W       F        C         E        R         V
InferredFillReplaced .     .        .        .         W       F        C         E        .         V
ProgressReported     .     .        .        .         W       F        C         E        .         .
VenueCanceled        .     .        C        C         C       .        .         .        C         C
PostOnlyRefused      .     .        .        .         .       .        C         .        .         .
OrderExpired         .     .        E        E         E       .        .         .        E         E
CancelRequested      N     .        S        I         W       .        .         .        .         .
CancelAccepted       N     D        S        I         W       F        C         E        R         V
CancelRefused        N     D        S        I         W       F        C         E        R         V
AmendRequested       .     .        S        .         W       .        .         .        .         .
AmendAccepted        N     D        S        I         W       F        C         E        R         V
AmendRefused         N     D        S        I         W       F        C         E        R         V
AmendUnknown         N     D        S        I         W       F        C         E        R         V
OrderAmended         .     .        .        .         W       .        .         .        .         .
OrderTriggered       .     .        W        W         W       F        C         E        W         W
CancelUnknown        N     D        S        I         W       F        C         E        R         V
OrderClaimed         N     D        S        I         W       F        C         E        R         V
ReportContradicted   N     D        S        I         W       F        C         E        R         V
"""
LETTERS = {"N": Life.NEW, "D": Life.DENIED, "S": Life.SENDING, "I": Life.IN_DOUBT, "W": Life.WORKING}
LETTERS |= {"F": Life.FILLED, "C": Life.CANCELED, "E": Life.EXPIRED, "R": Life.REJECTED, "V": Life.VANISHED}

ONE, TEN = Decimal(1), Decimal(10)
EXAMPLES: dict[str, OrderEvent] = {
    "OrderDenied": events.OrderDenied(limit="insufficient_funds", detail="needs 10, has 1"),
    "SendStarted": events.SendStarted(attempt=1),
    "VenueAccepted": events.VenueAccepted(),
    "VenueRefused": events.VenueRefused(reason="invalid_order"),
    "OutcomeUnknown": events.OutcomeUnknown(reason="timeout", valid_until_ns=1),
    "AbsenceProven": events.AbsenceProven(evidence=("m1", "m2", "m3")),
    "VenueSearched": events.VenueSearched(marks=(events.Mark(message_id="m1", what="order"),)),
    "OrderVanished": events.OrderVanished(evidence=("m1", "m2", "m3")),
    "OrderFilled": events.OrderFilled(exec_id=ExecId("t1"), quantity=ONE, price=TEN),
    "CommissionReported": events.CommissionReported(exec_id=ExecId("t1"), commission=ONE, commission_currency="USDT"),  # type: ignore[arg-type]
    "LiquidityReported": events.LiquidityReported(exec_id=ExecId("t1"), liquidity=Liquidity.MAKER),
    "TradeBusted": events.TradeBusted(exec_id=ExecId("t1"), quantity=ONE, price=TEN),
    "CountLowered": events.CountLowered(cum_quantity=ONE),
    "InferredFillReplaced": events.InferredFillReplaced(exec_id=ExecId("inferred:c1:0-1"), quantity=ONE, price=TEN),
    "ProgressReported": events.ProgressReported(cum_quantity=ONE),
    "VenueCanceled": events.VenueCanceled(),
    "PostOnlyRefused": events.PostOnlyRefused(lived_ms=3),
    "OrderExpired": events.OrderExpired(),
    "CancelRequested": events.CancelRequested(request_id="r1"),
    "CancelAccepted": events.CancelAccepted(request_id="r1"),
    "CancelRefused": events.CancelRefused(request_id="r1", reason="already_filled"),
    "CancelUnknown": events.CancelUnknown(request_id="r1", reason="timeout"),
    "AmendRequested": events.AmendRequested(request_id="r1", price=TEN),
    "AmendAccepted": events.AmendAccepted(request_id="r1", valid_until_ns=1),
    "AmendRefused": events.AmendRefused(request_id="r1", reason="already_filled"),
    "AmendUnknown": events.AmendUnknown(request_id="r1", reason="timeout", valid_until_ns=1),
    "OrderAmended": events.OrderAmended(request_id="r1", quantity=Decimal(101)),
    "OrderTriggered": events.OrderTriggered(venue_order_id=VenueOrderId("v2")),
    "OrderClaimed": events.OrderClaimed(strategy=StrategyId("s"), reason="his"),
    "ReportContradicted": events.ReportContradicted(report="?", why="?"),
}


def order_in(life: Life) -> Order:
    request = OrderRequested(
        account=AccountId("main"),
        client_order_id=ClientOrderId("c1"),
        strategy=StrategyId("s"),
        symbol=Symbol("BTC/USDT"),
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal(100),  # more than any example fills, so that only the table moves the life
        price=TEN,
    )
    return Order(request=request, life=life, version=3)


def cells() -> list[tuple[str, Life, str]]:
    header, *rows = [line.split() for line in GRID.strip().splitlines()]
    return [
        (event, Life[life], letter) for event, *letters in rows for life, letter in zip(header, letters, strict=True)
    ]


@pytest.mark.parametrize(("event", "life", "letter"), cells())
def test_the_table_is_the_grid(event: str, life: Life, letter: str) -> None:
    fact = EXAMPLES[event]
    if letter == ".":
        assert type(fact) not in TRANSITIONS[life]
        with pytest.raises(CorruptStreamError):
            evolve(order_in(life), fact)
    else:
        assert evolve(order_in(life), fact).life is LETTERS[letter]


def test_the_grid_is_whole() -> None:
    openers = {"OrderRequested", "ExternalOrderSeen"}
    named = {kind.__name__ for kind in OrderEvent.__args__} - openers
    assert {event for event, _, _ in cells()} == named == set(EXAMPLES)
    assert {life for _, life, _ in cells()} == set(Life) == set(TRANSITIONS)


def test_a_fill_is_booked_in_every_life() -> None:
    for life in Life:
        order = evolve(order_in(life), EXAMPLES["OrderFilled"])
        assert order.cum_quantity == ONE
        assert order.cum_cost == TEN


def test_an_order_is_opened_once() -> None:
    order = order_in(Life.NEW)
    with pytest.raises(CorruptStreamError, match="OrderRequested after NEW"):
        evolve(order, order.request)
    with pytest.raises(CorruptStreamError, match="begins with"):
        evolve(None, EXAMPLES["VenueAccepted"])


def test_what_is_closed_holds_nothing() -> None:
    assert {
        life for life in Life if life.name in ["DENIED", "FILLED", "CANCELED", "EXPIRED", "REJECTED", "VANISHED"]
    } == CLOSED
