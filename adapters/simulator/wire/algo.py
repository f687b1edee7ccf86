"""Waiting orders over REST (PROTOCOL 5.11). Requests as the official SDK sends them; what the venue answers is shown by
no source, and is spelled here as its other orders are.
"""

from typing import Final

from msgspec import Struct

from adapters.simulator.exchange.algo import Algo, AlgoOrder, Kind
from adapters.simulator.exchange.orders import NewOrder, OrderType, RefusedError
from adapters.simulator.wire.codes import REFUSALS, WireError
from adapters.simulator.wire.figures import text
from adapters.simulator.wire.gateway import Call
from adapters.simulator.wire.queries import ByClientId, ById, Filter, rows_of
from adapters.simulator.wire.trading import amount, client_id, word
from adapters.simulator.wire.venue import Venue, take
from oms.values import ZERO, Side

TYPES: Final = {"limit": OrderType.LIMIT, "market": OrderType.MARKET}  # the docs of one SDK capitalise them


class _Submit(Struct):
    symbol: str
    side: str
    type: str
    trigger_price: str
    trigger_type: str
    client_order_id: str | None = None
    price: str | None = None
    size: str | None = None
    notional: str | None = None


class _Cancel(Struct):
    symbol: str
    order_id: str
    type: str


class _CancelAll(Struct):
    type: str
    symbol: str | None = None


class AlgoOrders:
    """The endpoints of waiting orders; each method answers with the envelope's `data`."""

    def __init__(self, venue: Venue, algo: Algo) -> None:
        self._venue = venue
        self._algo = algo

    def submit(self, call: Call) -> object:
        if self._venue.house.settings.schedule.refuses_opens(call.now_ms):
            raise WireError(50023)
        asked = take(call, _Submit)
        trigger_price = amount(asked.trigger_price, "trigger_price")
        kind = TYPES.get(asked.trigger_type.lower())
        if trigger_price is None or kind is None:
            raise WireError(50021, "trigger_type" if kind is None else "trigger_price")
        new = NewOrder(
            account=call.account,
            symbol=asked.symbol,
            side=word(Side, asked.side, 52002),
            type=kind,
            size=amount(asked.size, "size"),
            price=amount(asked.price, "price"),
            notional=amount(asked.notional, "notional"),
            client_order_id=client_id(asked.client_order_id),
        )
        try:
            order = self._algo.submit(new, word(Kind, asked.type, 52001), trigger_price, call.now_ms)
        except RefusedError as error:
            raise WireError(REFUSALS[error.reason]) from error
        return {"order_id": order.order_id}

    def cancel(self, call: Call) -> object:
        asked = take(call, _Cancel)
        order = self._algo.by_id(call.account, asked.order_id)
        if order is None or order.new.symbol != asked.symbol or order.kind is not word(Kind, asked.type, 52001):
            raise WireError(50005)
        try:
            self._algo.cancel(order, call.now_ms)
        except RefusedError as error:
            raise WireError(REFUSALS[error.reason]) from error
        return {"result": True}

    def cancel_all(self, call: Call) -> object:
        asked = take(call, _CancelAll)
        kind = word(Kind, asked.type, 52001)
        for order in self._algo.of(call.account):
            if order.waits and order.kind is kind and asked.symbol in {None, order.new.symbol}:
                self._algo.cancel(order, call.now_ms)
        return {}

    def order(self, call: Call) -> object:
        asked = take(call, ById)
        return self._found(self._algo.by_id(call.account, asked.orderId), asked.queryState)

    def client_order(self, call: Call) -> object:
        asked = take(call, ByClientId)
        return self._found(self._algo.by_client_id(call.account, asked.clientOrderId), asked.queryState)

    def open_orders(self, call: Call) -> object:
        return self._listed(call, waiting=True)

    def history_orders(self, call: Call) -> object:
        return self._listed(call, waiting=False)

    # -------------------------------------------------------------------------------------------- how

    def _found(self, order: AlgoOrder | None, state: str | None) -> object:
        if state not in {None, "", "open", "history"}:
            raise WireError(52003)
        if order is None or (state == "open" and not order.waits) or (state == "history" and order.waits):
            raise WireError(50005)
        return _row(order)

    def _listed(self, call: Call, *, waiting: bool) -> object:
        asked = take(call, Filter)
        kind = None if not asked.orderMode else word(Kind, asked.orderMode, 52000)
        end = call.now_ms if asked.endTime is None else asked.endTime
        start = end - self._venue.house.settings.list_window_ms if asked.startTime is None else asked.startTime
        if end < start:
            raise WireError(52004)
        found = [
            _row(order)
            for order in reversed(self._algo.of(call.account))
            if order.waits is waiting
            and kind in {None, order.kind}
            and asked.symbol in {None, order.new.symbol}
            and start <= order.created_ms <= end
        ]
        return found[: rows_of(asked, self._venue)]


def _row(order: AlgoOrder) -> dict[str, object]:
    new = order.new
    return {
        "orderId": order.order_id,
        "clientOrderId": new.client_order_id or order.order_id,
        "symbol": new.symbol,
        "side": new.side.value,
        "orderMode": order.kind.value,
        "type": new.type.value,
        "state": order.state.value,
        "cancelSource": order.cancel_source.value,
        "triggerPrice": text(order.trigger_price),
        "triggerType": new.type.value,
        "price": text(new.price or ZERO),
        "size": text(new.size or ZERO),
        "notional": text(new.notional or ZERO),
        "createTime": order.created_ms,
        "updateTime": order.updated_ms,
    }
