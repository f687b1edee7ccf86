"""Submits and cancels over REST (PROTOCOL 5.4 to 5.6)."""

import re
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from msgspec import Struct

from adapters.simulator.exchange.orders import (
    NewOrder,
    Order,
    OrderType,
    Refusal,
    RefusedError,
    SelfTrade,
)
from adapters.simulator.wire.codes import REFUSALS, WireError
from adapters.simulator.wire.figures import text
from adapters.simulator.wire.gateway import Call
from adapters.simulator.wire.venue import Venue, take
from oms.values import Side

CLIENT_ID_LENGTH_MAX: Final = 32
BATCH_MAX: Final = 10
AMOUNT: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{0,30})?")  # keeps every product of two amounts exact
E = TypeVar("E", bound=StrEnum)


class _Submit(Struct):
    """`POST /spot/v2/submit_order`: snake_case but for stpMode."""

    symbol: str
    side: str
    type: str
    size: str | None = None
    price: str | None = None
    notional: str | None = None
    client_order_id: str | None = None
    stpMode: str | None = None  # noqa: N815 -- the venue's spelling


class _BatchOrder(Struct):
    """One order of a v4 batch: camelCase."""

    side: str
    type: str
    size: str | None = None
    price: str | None = None
    notional: str | None = None
    clientOrderId: str | None = None  # noqa: N815 -- the venue's spelling
    stpMode: str | None = None  # noqa: N815 -- the venue's spelling


class _Batch(Struct):
    symbol: str
    orderParams: list[_BatchOrder]  # noqa: N815 -- the venue's spelling


class _Cancel(Struct):
    """`POST /spot/v3/cancel_order`: snake_case."""

    symbol: str
    order_id: str | None = None
    client_order_id: str | None = None


class _CancelMany(Struct):
    symbol: str
    orderIds: list[str] | None = None  # noqa: N815 -- the venue's spelling
    clientOrderIds: list[str] | None = None  # noqa: N815 -- the venue's spelling


class _CancelAll(Struct):
    symbol: str | None = None
    side: str | None = None


class Trading:
    """The endpoints that change something; each method answers with the envelope's `data`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def submit(self, call: Call) -> object:
        return {"order_id": self._place(call, take(call, _Submit))}

    def batch(self, call: Call) -> object:
        """Place up to ten. What fails leaves no id behind, and the ids do not say whose they are (PROTOCOL 5.5)."""
        batch = take(call, _Batch)
        if not 1 <= len(batch.orderParams) <= BATCH_MAX:
            raise WireError(50033)
        ids: list[str] = []
        failure: WireError | None = None
        for one in batch.orderParams:
            asked = _Submit(
                symbol=batch.symbol,
                side=one.side,
                type=one.type,
                size=one.size,
                price=one.price,
                notional=one.notional,
                client_order_id=one.clientOrderId,
                stpMode=one.stpMode,
            )
            try:
                ids.append(self._place(call, asked))
            except WireError as error:
                failure = error
        if failure is not None and not ids:
            return {"code": failure.code, "msg": failure.text, "data": {"orderIds": []}}
        return {"code": 0, "msg": "success", "data": {"orderIds": ids}}

    def cancel(self, call: Call) -> object:
        """Answer ``result: false`` for an order that has filled, as captured; 50030 for one canceled before."""
        asked = take(call, _Cancel)
        order = self._named(call, asked.symbol, asked.order_id, asked.client_order_id)
        if self._venue.faults.fires("fill_after_cancel_ack") and order.live:
            self._venue.house.later(
                self._venue.faults.between(1, 1_000), lambda now_ms: self._cancel_late(order, now_ms)
            )
            return {"result": True}
        try:
            self._venue.exchange.cancel(call.account, order.order_id, call.now_ms)
        except RefusedError as error:
            if error.reason is Refusal.ORDER_FILLED:
                return {"result": False}
            raise WireError(REFUSALS[error.reason]) from error
        return {"result": True}

    def cancel_many(self, call: Call) -> object:
        """Cancel up to ten. The lists hold the ids in the spelling they were given in."""
        asked = take(call, _CancelMany)
        by_client = not asked.orderIds
        ids = (asked.clientOrderIds if by_client else asked.orderIds) or []
        if not 1 <= len(ids) <= BATCH_MAX:
            raise WireError(50033)
        done: list[str] = []
        failed: list[str] = []
        for one in ids:
            try:
                order = self._named(call, asked.symbol, None if by_client else one, one if by_client else None)
                self._venue.exchange.cancel(call.account, order.order_id, call.now_ms)
            except (WireError, RefusedError):
                failed.append(one)
            else:
                done.append(one)
        return {
            "successIds": done,
            "failIds": failed,
            "totalCount": len(ids),
            "successCount": len(done),
            "failedCount": len(failed),
        }

    def cancel_all(self, call: Call) -> object:
        """Cancel what the filters leave; no filter, no mercy. Answers without ids."""
        asked = take(call, _CancelAll)
        side = None if asked.side is None else word(Side, asked.side, 52002)
        for order in list(self._venue.account(call).open.values()):
            if asked.symbol in {None, order.symbol} and side in {None, order.side}:
                self._venue.exchange.cancel(call.account, order.order_id, call.now_ms)
        return {}

    # -------------------------------------------------------------------------------------------- how

    def _place(self, call: Call, asked: _Submit) -> str:
        if self._venue.house.settings.schedule.refuses_opens(call.now_ms):
            raise WireError(50023)
        new = _new_order(call.account, asked)
        rules = self._venue.exchange.rules
        check = rules.duplicate_check
        known = new.client_order_id and self._venue.account(call).knows(new.client_order_id)
        if known and check and self._venue.faults.fires("duplicate_check_off"):
            rules.duplicate_check = False
        try:
            order = self._venue.exchange.submit(new, call.now_ms)
        except RefusedError as error:
            raise self._explained(error, new) from error
        finally:
            rules.duplicate_check = check
        self._venue.house.accepted(order.order_id)
        return order.order_id

    def _explained(self, error: RefusedError, new: NewOrder) -> WireError:
        code = REFUSALS[error.reason]
        match error.reason:
            case Refusal.SIZE_INSTEAD_OF_NOTIONAL | Refusal.SIZE_OFF_STEP:
                return WireError(code, "size")
            case Refusal.NOTIONAL_TOO_SMALL | Refusal.MARKET_BUY_TOO_SMALL:
                return WireError(code, text(self._venue.exchange.markets[new.symbol].notional_min))
            case Refusal.MARKET_SELL_TOO_SMALL:
                return WireError(code, text(self._venue.exchange.markets[new.symbol].size_min))
            case _:  # the other codes' texts have no figure in them
                return WireError(code)

    def _named(self, call: Call, symbol: str, order_id: str | None, client_order_id: str | None) -> Order:
        account = self._venue.account(call)
        if order_id:
            order = account.order(order_id)
        elif client_order_id:
            order = account.order_by_client_id(client_order_id)
        else:
            raise WireError(50039)
        if order is None or order.symbol != symbol:
            raise WireError(50005)
        return order

    def _cancel_late(self, order: Order, now_ms: int) -> None:
        if order.live:
            self._venue.exchange.cancel(order.account, order.order_id, now_ms)


def _new_order(account: str, asked: _Submit) -> NewOrder:
    return NewOrder(
        account=account,
        symbol=asked.symbol,
        side=word(Side, asked.side, 52002),
        type=word(OrderType, asked.type, 52001),
        size=amount(asked.size, "size"),
        price=amount(asked.price, "price"),
        notional=amount(asked.notional, "notional"),
        client_order_id=client_id(asked.client_order_id),
        stp=word(SelfTrade, asked.stpMode or "none", 50021),
    )


def client_id(given: str | None) -> str:
    """Return a client order id, "" for none; raises WireError for one the venue does not take."""
    if given and len(given) > CLIENT_ID_LENGTH_MAX:
        raise WireError(50037)
    if given and not (given.isascii() and given.isalnum()):
        raise WireError(50038)
    return given or ""


def amount(given: str | None, name: str) -> Decimal | None:
    """Return an amount, None for none; raises WireError 50021 for what is no decimal."""
    if not given:  # extra fields come empty from some clients
        return None
    if not AMOUNT.fullmatch(given):
        raise WireError(50021, name)
    return Decimal(given)


def word(words: type[E], given: str, code: int) -> E:
    """Return one of the venue's words; raises WireError `code` for any other."""
    try:
        return words(given)
    except ValueError as error:
        raise WireError(code, "stpMode") from error
