"""BitMart's perpetuals over a venue that a test scripts: its rows, its orders, and a desk to trade from."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from adapters.bitmart.perp import codec
from adapters.bitmart.perp.venue import BitmartPerp, Endpoints
from oms.ports import LinkAnswer
from oms.values import ClientOrderId, OrderType, Side, Symbol, VenueOrderId
from oms.venue import NewOrder, OrderRef
from tests.adapters.bitmart.fakes import CREDENTIALS, EPOCH_NS, Call, FakeLink, LoopClock, PlainIds, ok, spawn

S = TypeVar("S", bound=msgspec.Struct)

NOW_MS = EPOCH_NS // 1_000_000
NOW_S = NOW_MS // 1000
DAY_S = 86_400
ENDPOINTS = Endpoints(rest="http://futures.test", ws="ws://futures.test", time="http://spot.test")

ID = ClientOrderId("oms1")
BTC = Symbol("BTC/USDT:USDT")
ORDER = NewOrder(
    client_order_id=ID,
    symbol=BTC,
    side=Side.BUY,
    type=OrderType.LIMIT,
    quantity=Decimal(5),
    price=Decimal("60000.1"),
)
REF = OrderRef(client_order_id=ID, symbol=BTC)
KNOWN = OrderRef(client_order_id=ID, symbol=BTC, venue_order_id=VenueOrderId("77"))
WAITING = OrderRef(client_order_id=ID, symbol=BTC, venue_order_id=VenueOrderId("77"), conditional=True)


def with_(struct: S, **changes: object) -> S:
    """Return a copy that differs in `changes`."""
    return msgspec.structs.replace(struct, **changes)


def row(order_id: str = "77", client_order_id: str = "oms1", **changes: object) -> dict[str, Any]:
    """An order as the venue shows it in a query."""
    return {
        "order_id": order_id,
        "client_order_id": client_order_id,
        "symbol": "BTCUSDT",
        "price": "60000.1",
        "size": "5",
        "state": 2,
        "side": 1,
        "type": "limit",
        "position_mode": "one_way_mode",
        "leverage": "10",
        "open_type": "cross",
        "deal_avg_price": "0",
        "deal_size": "0",
        "create_time": NOW_MS - 60_000,
        "update_time": NOW_MS - 60_000,
    } | changes


def plan(order_id: str = "77", client_order_id: str = "oms1", **changes: object) -> dict[str, Any]:
    """An order that waits for its price, as `current-plan-order` shows it."""
    return {
        "order_id": order_id,
        "client_order_id": client_order_id,
        "executive_price": "59000",
        "trigger_price": "59500",
        "size": "5",
        "symbol": "BTCUSDT",
        "state": 1,
        "side": 1,
        "mode": 1,
        "position_mode": "one_way_mode",
        "price_way": 2,
        "price_type": 1,
        "type": "plan",
        "leverage": "10",
        "open_type": "cross",
        "create_time": NOW_MS - 60_000,
        "update_time": NOW_MS - 60_000,
    } | changes


def child(plan_id: str = "77", order_id: str = "99", **changes: object) -> dict[str, Any]:
    """The order that a plan order has sent."""
    return row(order_id, f"PLAN_{plan_id}", **changes)


def fill(trade_id: int, at_ms: int = NOW_MS, order_id: str = "77", **changes: object) -> dict[str, Any]:
    """One trade."""
    return {
        "trade_id": str(trade_id),
        "order_id": order_id,
        "symbol": "BTCUSDT",
        "side": 1,
        "price": "60000",
        "vol": "1",
        "exec_type": "Taker",
        "profit": False,
        "create_time": at_ms,
        "realised_profit": "0",
        "paid_fees": "0.036",
    } | changes


def held(**changes: object) -> dict[str, Any]:
    """A row of `position-v2`."""
    return {
        "symbol": "BTCUSDT",
        "leverage": "10",
        "position_side": "both",
        "current_amount": "0",
        "position_amount": "0",
        "open_type": "cross",
        "timestamp": NOW_MS,
    } | changes


class Desk:
    """A venue where nothing is, until a story says what is."""

    def __init__(
        self, *, mode: str = "one_way_mode", clock: LoopClock | None = None, fees_of: Sequence[Symbol] = ()
    ) -> None:
        self.link = FakeLink()
        self.link.on(codec.GET_POSITION_MODE, ok({"position_mode": mode}))
        self.link.on(codec.DETAILS, ok({"symbols": []}))
        self.link.on(codec.SUBMIT_ORDER, ok({"order_id": 77, "price": "60000.1"}))
        for path in (codec.OPEN_ORDERS, codec.PLAN_ORDERS, codec.ORDER_HISTORY, codec.TRADES, codec.POSITION_V2):
            self.link.on(path, ok([]))
        self.venue = BitmartPerp(
            CREDENTIALS,
            ENDPOINTS,
            link=self.link,
            clock=clock or LoopClock(),
            ids=PlainIds(),
            spawn=spawn,
            fees_of=fees_of,
        )

    def fields(self, path: str, number: int = -1) -> Any:
        """What was asked of `path` the last time."""
        return self.link.of(path)[number].fields()


def windowed(
    rows: list[dict[str, Any]], unit_ms: int, cap: int, field: str = "create_time"
) -> Callable[[Call], LinkAnswer]:
    """A list of the venue's: the newest `cap` rows of the window, both bounds inclusive, in units of `unit_ms`."""

    def answer(call: Call) -> LinkAnswer:
        asked = call.fields()
        start_ms, end_ms = int(asked["start_time"]) * unit_ms, (int(asked["end_time"]) + 1) * unit_ms - 1
        inside = [row for row in rows if start_ms <= int(row[field]) <= end_ms]
        return ok(sorted(inside, key=lambda row: -int(row[field]))[:cap])

    return answer
