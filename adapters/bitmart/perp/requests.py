"""BitMart futures' requests: each body is built once, as the exact bytes that are signed and sent (PROTOCOL 2.2, 6).

Sizes are JSON integers, contracts: a string is refused with 40011 (PROTOCOL 9.18). There is no `reduce_only`: what an
order may do stands in its side code. A cancel that names no order cancels every order of the symbol (9.4), so a body
without exactly one sound id cannot be made, not even by mistake.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from adapters.bitmart.perp.spelling import venue_symbol
from adapters.bitmart.scalars import VENUE_ORDER_ID
from oms.errors import InvalidOrderError, UnknownSymbolError
from oms.values import (
    CLIENT_ORDER_ID,
    Crossing,
    MarginMode,
    OrderType,
    PositionLeg,
    PositionMode,
    PriceSource,
    Protection,
    Side,
    Symbol,
    TimeInForce,
    plain,
)
from oms.venue import Amendment, NewOrder, OrderRef, Trigger

DEAD_MAN_MIN_S: Final = 5
CALLBACK_PERCENT: Final = (Decimal("0.1"), Decimal(5))

# PROTOCOL 6.0: mode, leg, side, reduce-only. What is not here cannot be said in that mode.
SIDES: Final[Mapping[tuple[PositionMode, PositionLeg, Side, bool], int]] = MappingProxyType(
    {
        (PositionMode.HEDGE, PositionLeg.LONG, Side.BUY, False): 1,
        (PositionMode.HEDGE, PositionLeg.SHORT, Side.BUY, False): 2,
        (PositionMode.HEDGE, PositionLeg.SHORT, Side.BUY, True): 2,
        (PositionMode.HEDGE, PositionLeg.LONG, Side.SELL, False): 3,
        (PositionMode.HEDGE, PositionLeg.LONG, Side.SELL, True): 3,
        (PositionMode.HEDGE, PositionLeg.SHORT, Side.SELL, False): 4,
        (PositionMode.ONE_WAY, PositionLeg.NET, Side.BUY, False): 1,
        (PositionMode.ONE_WAY, PositionLeg.NET, Side.BUY, True): 2,
        (PositionMode.ONE_WAY, PositionLeg.NET, Side.SELL, True): 3,
        (PositionMode.ONE_WAY, PositionLeg.NET, Side.SELL, False): 4,
    },
)
CLOSING: Final = (2, 3)

MODES: Final = {TimeInForce.GTC: 1, TimeInForce.FOK: 2, TimeInForce.IOC: 3}
MAKER_ONLY: Final = 4
WAYS: Final = {Crossing.RISES_TO: 1, Crossing.FALLS_TO: 2}
PRICES: Final = {PriceSource.LAST: 1, PriceSource.MARK: 2}
FOR_A_QUANTITY: Final = 1  # `plan_category`; unsaid, it is the whole position (PROTOCOL 9.19)
AT_MARKET: Final = "0"  # `executive_price` of a TP/SL order that executes at market (10.21)
POSITION_MODES: Final = {PositionMode.HEDGE: "hedge_mode", PositionMode.ONE_WAY: "one_way_mode"}


# ------------------------------------------------------------------------------------------------ bodies


class WrongModeError(InvalidOrderError):
    """The order is for the other position mode."""


class SubmitOrder(Struct, omit_defaults=True):
    """`submit-order`; `size` is a JSON integer, `leverage` and prices are strings."""

    symbol: str
    client_order_id: str
    side: int
    mode: int
    type: str
    leverage: str | None = None
    open_type: str | None = None
    size: int | None = None
    price: str | None = None
    preset_take_profit_price_type: int | None = None
    preset_take_profit_price: str | None = None
    preset_stop_loss_price_type: int | None = None
    preset_stop_loss_price: str | None = None


class SubmitPlanOrder(SubmitOrder, omit_defaults=True):
    """`submit-plan-order`. Its table has no `client_order_id`, its rows and its cancel do: sent, not relied upon."""

    trigger_price: str | None = None
    executive_price: str | None = None
    price_way: int | None = None
    price_type: int | None = None


class SubmitTrailOrder(Struct):
    """`submit-trail-order`: all of it is required; `callback_rate` in percent. The client id as with a plan order."""

    symbol: str
    client_order_id: str
    side: int
    leverage: str
    open_type: str
    size: int
    activation_price: str
    callback_rate: str
    activation_price_type: int


class SubmitTpSlOrder(Struct):
    """`submit-tp-sl-order`: closes a part of a position that is there already."""

    symbol: str
    client_order_id: str
    type: str
    side: int
    size: int
    trigger_price: str
    executive_price: str
    price_type: int
    plan_category: int
    category: str


class CancelOrder(Struct, omit_defaults=True):
    """`cancel-order` and `cancel-plan-order`: exactly one sound id, or the body does not come to be."""

    symbol: str
    order_id: str | None = None
    client_order_id: str | None = None

    def __post_init__(self) -> None:
        """Refuse to be without an id (PROTOCOL 9.4)."""
        by_venue = self.order_id is not None and VENUE_ORDER_ID.fullmatch(self.order_id)
        by_client = self.client_order_id is not None and CLIENT_ORDER_ID.fullmatch(self.client_order_id)
        if not (by_venue and self.client_order_id is None) and not (by_client and self.order_id is None):
            raise ValueError("a cancel without an id")


class CancelTrailOrder(Struct):
    """`cancel-trail-order`, which knows the venue's id alone."""

    symbol: str
    order_id: str

    def __post_init__(self) -> None:
        """Refuse to be without an id (PROTOCOL 9.4)."""
        if not VENUE_ORDER_ID.fullmatch(self.order_id):
            raise ValueError("a cancel without an id")


class ModifyLimitOrder(Struct, omit_defaults=True):
    """`modify-limit-order`, where `order_id` is a JSON integer (PROTOCOL 9.18)."""

    symbol: str
    order_id: int | None = None
    client_order_id: str | None = None
    price: str | None = None
    size: int | None = None


class CancelAllAfter(Struct):
    """`cancel-all-after`, in seconds; 0 disarms."""

    symbol: str
    timeout: int


class SubmitLeverage(Struct):
    """`submit-leverage`."""

    symbol: str
    leverage: str
    open_type: str


class SetPositionMode(Struct):
    """`set-position-mode`, of the whole account."""

    position_mode: str


# ------------------------------------------------------------------------------------------------ submits


def linear(symbol: Symbol) -> str:
    """Return the venue's name of a perpetual that is traded here.

    Raises:
        UnknownSymbolError: it is none: spot, or coin-margined, whose contracts are worth dollars and paid in coins.
    """
    name = venue_symbol(symbol)
    if not symbol.endswith("/USDT:USDT"):
        raise UnknownSymbolError(f"{symbol} is not quoted and settled in USDT: only linear perpetuals are traded here")
    return name


def side_code(order: NewOrder, mode: PositionMode) -> int:
    """Return the venue's side for an order on an account in `mode` (PROTOCOL 6.0).

    Raises:
        WrongModeError: the order's leg does not exist in that mode.
        InvalidOrderError: it may only reduce what it would open.
    """
    if (order.position_leg is PositionLeg.NET) is not (mode is PositionMode.ONE_WAY):
        raise WrongModeError(
            f"{order.client_order_id}: the account is in {mode} mode, which has no leg {order.position_leg}"
        )
    code = SIDES.get((mode, order.position_leg, order.side, order.reduce_only))
    if code is None:
        raise InvalidOrderError(
            f"{order.client_order_id}: a {order.side} of leg {order.position_leg} opens; it cannot only reduce"
        )
    return code


def submit(order: NewOrder, mode: PositionMode) -> bytes:
    """Return the body of a submit that goes to the book now.

    Raises:
        InvalidOrderError: the venue has no such order, or the order contradicts itself. So do the other submits.
        UnknownSymbolError: it is not for a linear perpetual.
    """
    side = side_code(order, mode)
    profit_type, profit = _preset(order, order.take_profit, side)
    stop_type, stop = _preset(order, order.stop_loss, side)
    body = SubmitOrder(
        symbol=linear(order.symbol),
        client_order_id=order.client_order_id,
        side=side,
        mode=_mode(order),
        type=order.type.value,
        leverage=_leverage(order, side),
        open_type=_open_type(order, side),
        size=contracts(order.client_order_id, order.quantity),
        price=price_text(order),
        preset_take_profit_price_type=profit_type,
        preset_take_profit_price=profit,
        preset_stop_loss_price_type=stop_type,
        preset_stop_loss_price=stop,
    )
    return msgspec.json.encode(body)


def submit_plan(order: NewOrder, trigger: Trigger, mode: PositionMode) -> bytes:
    """Return the body of an order that goes to the book once the price arrives. It names leverage and margin mode."""
    side = side_code(order, mode)
    leverage, open_type = _backing(order)
    profit_type, profit = _preset(order, order.take_profit, side)
    stop_type, stop = _preset(order, order.stop_loss, side)
    body = SubmitPlanOrder(
        symbol=linear(order.symbol),
        client_order_id=order.client_order_id,
        side=side,
        mode=_mode(order),
        type=order.type.value,
        leverage=leverage,
        open_type=open_type,
        size=contracts(order.client_order_id, order.quantity),
        trigger_price=plain(trigger.price),
        executive_price=price_text(order),
        price_way=WAYS[trigger.when],
        price_type=PRICES[trigger.by],
        preset_take_profit_price_type=profit_type,
        preset_take_profit_price=profit,
        preset_stop_loss_price_type=stop_type,
        preset_stop_loss_price=stop,
    )
    return msgspec.json.encode(body)


def submit_trail(order: NewOrder, trigger: Trigger, mode: PositionMode) -> bytes:
    """Return the body of a trailing order: at market, once the price has turned back by `callback_rate`."""
    if order.type is not OrderType.MARKET or order.price is not None or _mode(order) != MODES[TimeInForce.GTC]:
        raise InvalidOrderError(f"{order.client_order_id}: a trailing order executes at market, good till canceled")
    if order.take_profit or order.stop_loss:
        raise InvalidOrderError(f"{order.client_order_id}: a trailing order takes no take-profit or stop-loss along")
    percent = (trigger.callback_rate or Decimal(0)) * 100
    if not CALLBACK_PERCENT[0] <= percent <= CALLBACK_PERCENT[1]:
        raise InvalidOrderError(f"{order.client_order_id}: a callback of {plain(percent)} % is not within 0.1 to 5")
    leverage, open_type = _backing(order)
    body = SubmitTrailOrder(
        symbol=linear(order.symbol),
        client_order_id=order.client_order_id,
        side=side_code(order, mode),
        leverage=leverage,
        open_type=open_type,
        size=contracts(order.client_order_id, order.quantity),
        activation_price=plain(trigger.price),
        callback_rate=plain(percent.normalize()),
        activation_price_type=PRICES[trigger.by],
    )
    return msgspec.json.encode(body)


def submit_tp_sl(order: NewOrder, trigger: Trigger, mode: PositionMode) -> bytes:
    """Return the body of a take-profit or stop-loss for a part of a position: what closes a long when the price rises,
    or a short when it falls, takes a profit.
    """
    if not closes_on_trigger(order, mode):
        raise InvalidOrderError(f"{order.client_order_id}: not an order that closes, good till canceled")
    if order.take_profit or order.stop_loss:
        raise InvalidOrderError(f"{order.client_order_id}: an order that closes takes no protection along")
    profit = (order.side is Side.SELL) is (trigger.when is Crossing.RISES_TO)
    body = SubmitTpSlOrder(
        symbol=linear(order.symbol),
        client_order_id=order.client_order_id,
        type="take_profit" if profit else "stop_loss",
        side=side_code(order, mode),
        size=contracts(order.client_order_id, order.quantity),
        trigger_price=plain(trigger.price),
        executive_price=price_text(order) or AT_MARKET,
        price_type=PRICES[trigger.by],
        plan_category=FOR_A_QUANTITY,
        category=order.type.value,
    )
    return msgspec.json.encode(body)


def closes_on_trigger(order: NewOrder, mode: PositionMode) -> bool:
    """Return whether an order with a trigger is one that `submit-tp-sl-order` knows."""
    return side_code(order, mode) in CLOSING and _mode(order) == MODES[TimeInForce.GTC]


def contracts(name: str, quantity: Decimal | None) -> int:
    """Return a quantity as the venue counts it. Nothing is rounded: less than one contract is not one, and not none.

    Raises:
        InvalidOrderError: it is not a whole, positive number.
    """
    if quantity is None or not quantity.is_finite() or quantity < 1 or quantity != quantity.to_integral_value():
        shown = "none" if quantity is None else f"{quantity:f}"[:60]
        raise InvalidOrderError(f"{name}: a perpetual is sized in whole contracts, not {shown}")
    return int(quantity)


def _mode(order: NewOrder) -> int:
    mode = MODES.get(order.time_in_force)
    taken = order.type is OrderType.MARKET or order.time_in_force is not TimeInForce.GTC
    if mode is None or (order.post_only and taken):
        raise InvalidOrderError(
            f"{order.client_order_id}: BitMart futures has no {order.type} order that is {order.time_in_force}"
            f"{' and post-only' if order.post_only else ''}"
        )
    return MAKER_ONLY if order.post_only else mode


def price_text(order: NewOrder) -> str | None:
    """Return a limit as the venue spells it, None for a market order. Raises InvalidOrderError."""
    if order.notional is not None:
        raise InvalidOrderError(f"{order.client_order_id}: a perpetual is sized by quantity alone")
    if (order.price is None) is (order.type is OrderType.LIMIT):
        raise InvalidOrderError(f"{order.client_order_id}: a limit order has a price, a market order has none")
    return None if order.price is None else plain(order.price)


def _leverage(order: NewOrder, side: int) -> str | None:
    """Say the leverage where something may be opened; a close ignores it (PROTOCOL 10.3)."""
    return None if order.leverage is None or side in CLOSING else leverage_text(order.leverage)


def _open_type(order: NewOrder, side: int) -> str | None:
    return None if order.margin_mode is None or side in CLOSING else order.margin_mode.value


def _backing(order: NewOrder) -> tuple[str, str]:
    if order.leverage is None or order.margin_mode is None:
        raise InvalidOrderError(f"{order.client_order_id}: an order with a trigger names leverage and margin mode")
    return leverage_text(order.leverage), order.margin_mode.value


def leverage_text(leverage: Decimal) -> str:
    """Return a leverage as the venue spells it: a whole number, as text.

    Raises:
        InvalidOrderError: it is not a whole, positive number.
    """
    if not leverage.is_finite() or leverage < 1 or leverage != leverage.to_integral_value():
        raise InvalidOrderError(f"a leverage of {leverage:f} is not a whole number")
    return str(int(leverage))


def _preset(order: NewOrder, protection: Protection | None, side: int) -> tuple[int | None, str | None]:
    """Return price type and price of what comes into force with the fill of an order that opens."""
    if protection is None:
        return None, None
    if side in CLOSING:
        raise InvalidOrderError(f"{order.client_order_id}: an order that closes takes no protection along")
    return PRICES[protection.by], plain(protection.price)


# ------------------------------------------------------------------------------------------------ cancel and change


def cancel(order: OrderRef) -> bytes:
    """Return the body of a cancel, of an order or of a plan order: by the venue's id if it is known, else by ours.

    Raises:
        ValueError: it has neither; an id-less cancel must never leave (PROTOCOL 9.4).
    """
    symbol = venue_symbol(order.symbol)
    if order.venue_order_id:
        return msgspec.json.encode(CancelOrder(symbol=symbol, order_id=order.venue_order_id))
    return msgspec.json.encode(CancelOrder(symbol=symbol, client_order_id=order.client_order_id))


def cancel_trail(order: OrderRef) -> bytes:
    """Return the body of a cancel of a trailing order.

    Raises:
        ValueError: the venue's id is not known, and no other is taken.
    """
    return msgspec.json.encode(CancelTrailOrder(symbol=venue_symbol(order.symbol), order_id=order.venue_order_id or ""))


def modify(change: Amendment) -> bytes:
    """Return the body of a change.

    Raises:
        InvalidOrderError: it changes nothing, or to something that is no price or no number of contracts.
        ValueError: the order has no id.
    """
    order = change.order
    if change.price is None and change.quantity is None:
        raise InvalidOrderError(f"{order.client_order_id}: nothing to change")
    if change.price is not None and not (change.price.is_finite() and change.price > 0):
        raise InvalidOrderError(f"{order.client_order_id}: {change.price} is no price")
    known = order.venue_order_id
    named = CancelOrder(symbol="", order_id=known) if known else CancelOrder("", None, order.client_order_id)
    body = ModifyLimitOrder(
        symbol=venue_symbol(order.symbol),
        order_id=None if named.order_id is None else int(named.order_id),
        client_order_id=named.client_order_id,
        price=None if change.price is None else plain(change.price),
        size=None if change.quantity is None else contracts(order.client_order_id, change.quantity),
    )
    return msgspec.json.encode(body)


def cancel_all_after(symbol: Symbol, seconds: int) -> bytes:
    """Return the body that arms the dead-man switch of one symbol, or disarms it with 0.

    Raises:
        ValueError: fewer seconds than the venue takes.
    """
    if seconds != 0 and seconds < DEAD_MAN_MIN_S:
        raise ValueError(f"a dead-man switch of {seconds} s: the venue takes {DEAD_MAN_MIN_S} at least")
    return msgspec.json.encode(CancelAllAfter(symbol=linear(symbol), timeout=seconds))


def submit_leverage(symbol: Symbol, leverage: Decimal, margin_mode: MarginMode) -> bytes:
    """Return the body that sets leverage and margin mode of one symbol. Raises InvalidOrderError."""
    body = SubmitLeverage(symbol=linear(symbol), leverage=leverage_text(leverage), open_type=margin_mode.value)
    return msgspec.json.encode(body)


def set_position_mode(mode: PositionMode) -> bytes:
    """Return the body that switches the account."""
    return msgspec.json.encode(SetPositionMode(POSITION_MODES[mode]))
