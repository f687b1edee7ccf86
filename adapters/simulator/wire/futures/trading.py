"""Orders over futures REST: submits, amends, cancels, settings (PROTOCOL 6.3, 6.4, 6.7)."""

from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from typing import Final

from msgspec import Struct

from adapters.simulator.exchange.futures.orders import (
    MarginMode,
    NewOrder,
    Order,
    OrderType,
    Preset,
    RefusedError,
)
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.futures.venue import WHOLE, Venue, amount, number, read, refused, word
from adapters.simulator.wire.futures.words import (
    MODES,
    OPEN_TYPES,
    POSITION_MODES,
    PRICE_TYPES,
    SELF_TRADES,
    SIDES,
    TYPES,
    figure,
)
from adapters.simulator.wire.gateway import Call
from oms.values import PositionLeg

CLIENT_ID_LENGTH_MAX: Final = 32
GTC: Final = 1  # the defaults of mode, stp_mode and a preset's price type
CANCEL_MAKER: Final = 1
LAST: Final = 1
SHOWN_MARKET_PRICE: Final = "market price"
USDT: Final = 1  # contractType
COIN: Final = 2  # none of these trades here
LEGS: Final = {"long": PositionLeg.LONG, "short": PositionLeg.SHORT}


class _Submit(Struct):
    """`POST submit-order`. A size is a JSON integer; in quotes it is 40011."""

    symbol: str
    side: int
    size: int
    type: str | None = None
    mode: int | None = None
    price: str | None = None
    client_order_id: str | None = None
    leverage: str | None = None
    open_type: str | None = None
    preset_take_profit_price: str | None = None
    preset_take_profit_price_type: int | None = None
    preset_stop_loss_price: str | None = None
    preset_stop_loss_price_type: int | None = None
    stp_mode: int | None = None


class _Cancel(Struct):
    symbol: str
    order_id: str | None = None
    client_order_id: str | None = None


class _CancelAll(Struct):
    symbol: str


class _CancelAllAfter(Struct):
    symbol: str
    timeout: int


class _Modify(Struct):
    """`POST modify-limit-order`: the one place where an order id goes in as a number."""

    symbol: str
    order_id: int | None = None
    client_order_id: str | None = None
    price: str | None = None
    size: int | None = None


class _Leverage(Struct):
    symbol: str
    open_type: str
    leverage: str | None = None


class _Mode(Struct):
    position_mode: str


class _CloseAll(Struct):
    contractType: int  # noqa: N815 -- the venue's spelling
    symbol: str | None = None
    position_side: str | None = None


class Trading:
    """The endpoints that change orders and settings; each method answers with the envelope's `data`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def submit(self, call: Call) -> object:
        asked = read(call, _Submit)
        order = self._placed(call, _new_order(call.account, asked))
        price = SHOWN_MARKET_PRICE if order.type is OrderType.MARKET else figure(order.price)
        return {"order_id": int(order.order_id), "price": price}

    def cancel(self, call: Call) -> object:
        """Acknowledge at once; the cancel happens later and shows on the stream. Without an id it takes every order of
        the symbol (PROTOCOL 9.4).
        """
        asked = read(call, _Cancel)
        if not asked.order_id and not asked.client_order_id:
            return self._cancel_all(call, asked.symbol)
        order = self._named(call, asked.symbol, asked.order_id, asked.client_order_id)
        if not order.live:
            raise WireError(40036)
        self._cancel_later([order])
        return {}

    def cancel_all(self, call: Call) -> object:
        return self._cancel_all(call, read(call, _CancelAll).symbol)

    def cancel_all_after(self, call: Call) -> object:
        """Arm, move or (0) disarm the dead man's switch of a symbol; both times in the answer are in seconds."""
        asked = read(call, _CancelAllAfter)
        self._venue.listed(asked.symbol)
        try:
            due_ms = self._venue.exchange.cancel_all_after(call.account, asked.symbol, asked.timeout, call.now_ms)
        except RefusedError as error:
            raise refused(error) from error
        return {"result": True, "set_time": call.now_ms // 1000, "cancel_time": due_ms // 1000}

    def modify(self, call: Call) -> object:
        asked = read(call, _Modify)
        self._venue.check_schedule(call, opens=True)
        order_id = None if asked.order_id is None else str(asked.order_id)
        order = self._named(call, asked.symbol, order_id, asked.client_order_id)
        size = None if asked.size is None else Decimal(asked.size)
        try:
            order = self._venue.exchange.amend(
                call.account, order.order_id, call.now_ms, price=amount(asked.price), size=size
            )
        except RefusedError as error:
            raise refused(error) from error
        return {"order_id": int(order.order_id), "client_order_id": order.client_order_id}

    def set_leverage(self, call: Call) -> object:
        asked = read(call, _Leverage)
        margin_mode = word(OPEN_TYPES, asked.open_type, 40045)
        contract = self._venue.listed(asked.symbol)
        present = self._venue.account(call).setting(asked.symbol)
        leverage = leverage_of(asked.leverage) or present.leverage
        try:
            setting = self._venue.exchange.set_leverage(call.account, asked.symbol, leverage, margin_mode)
        except RefusedError as error:
            raise refused(error) from error
        return {
            "symbol": asked.symbol,
            "leverage": str(setting.leverage),
            "open_type": setting.margin_mode.value,
            "max_value": figure(contract.notional_max(setting.leverage)),
        }

    def set_mode(self, call: Call) -> object:
        asked = read(call, _Mode)
        try:
            self._venue.exchange.set_position_mode(call.account, word(POSITION_MODES, asked.position_mode, 40011))
        except RefusedError as error:
            raise refused(error) from error
        return {"position_mode": asked.position_mode}

    def close_all(self, call: Call) -> object:
        """Close by market orders what is held: of a symbol, a side, or everything. What it answers is not known."""
        asked = read(call, _CloseAll)
        if asked.contractType not in {USDT, COIN}:
            raise WireError(40011)
        if asked.symbol:
            self._venue.listed(asked.symbol)
        self._venue.check_schedule(call, opens=False)
        if asked.contractType == USDT:
            leg = None if not asked.position_side else word(LEGS, asked.position_side, 40011)
            try:
                orders = self._venue.exchange.close_all(call.account, call.now_ms, symbol=asked.symbol or None, leg=leg)
            except RefusedError as error:
                raise refused(error) from error
            for order in orders:
                self._venue.house.accepted(order.order_id)
        return {}

    # -------------------------------------------------------------------------------------------- how

    def _placed(self, call: Call, new: NewOrder) -> Order:
        self._venue.check_schedule(call, opens=not new.reduce_only)
        exchange = self._venue.exchange
        check = exchange.rules.duplicate_check
        known = new.client_order_id and self._venue.account(call).knows(new.client_order_id)
        if known and check and self._venue.faults.fires("duplicate_check_off"):
            exchange.rules.duplicate_check = False
        try:
            order = exchange.submit(new, call.now_ms)
        except RefusedError as error:
            raise refused(error) from error
        finally:
            exchange.rules.duplicate_check = check
        self._venue.house.accepted(order.order_id)
        return order

    def _cancel_all(self, call: Call, symbol: str) -> object:
        self._venue.listed(symbol)
        self._cancel_later(list(self._venue.account(call).live_orders(symbol)))
        return {}

    def _cancel_later(self, orders: Iterable[Order]) -> None:
        """Cancel in a moment; what has ended by then stays as it is."""
        for order in orders:
            self._venue.house.cancel_later(partial(self._cancel_now, order))

    def _cancel_now(self, order: Order, now_ms: int) -> None:
        if order.live:
            self._venue.exchange.cancel(order.account, order.order_id, now_ms)

    def _named(self, call: Call, symbol: str, order_id: str | None, client_order_id: str | None) -> Order:
        self._venue.listed(symbol)
        account = self._venue.account(call)
        if order_id:
            order = account.order(order_id)
        elif client_order_id:
            order = account.order_by_client_id(client_order_id)
        else:
            raise WireError(40011)
        if order is None or order.symbol != symbol:
            raise WireError(40037)
        return order


def _new_order(account: str, asked: _Submit) -> NewOrder:
    side, reduce_only = number(SIDES, asked.side, 40041)
    return NewOrder(
        account=account,
        symbol=asked.symbol,
        side=side,
        size=Decimal(asked.size),
        reduce_only=reduce_only,
        type=word(TYPES, asked.type or "limit", 40042),
        mode=number(MODES, asked.mode or GTC, 40042),
        price=amount(asked.price),
        leverage=leverage_of(asked.leverage),
        margin_mode=open_type(asked.open_type),
        client_order_id=client_id(asked.client_order_id),
        stp=number(SELF_TRADES, asked.stp_mode or CANCEL_MAKER, 40011),
        take_profit=preset(asked.preset_take_profit_price, asked.preset_take_profit_price_type),
        stop_loss=preset(asked.preset_stop_loss_price, asked.preset_stop_loss_price_type),
    )


def client_id(given: str | None) -> str:
    """Return a client order id, "" for none; WireError 40048 or 40049 for what is none."""
    if not given:
        return ""
    if len(given) > CLIENT_ID_LENGTH_MAX:
        raise WireError(40049)
    if not (given.isascii() and given.isalnum()):
        raise WireError(40048)
    return given


def leverage_of(given: str | None) -> int | None:
    """Return a leverage from its text; WireError 40040 for what is none."""
    if not given:
        return None
    if not WHOLE.fullmatch(given):
        raise WireError(40040)
    return int(given)


def open_type(given: str | None) -> MarginMode | None:
    """Return a margin mode from its word; WireError 40045 for what is none."""
    return word(OPEN_TYPES, given, 40045) if given else None


def preset(price: str | None, price_type: int | None) -> Preset | None:
    """Return a take-profit or stop-loss to attach; none without a price."""
    value = amount(price)
    return Preset(value, number(PRICE_TYPES, price_type or LAST, 40011)) if value else None
