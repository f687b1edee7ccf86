"""Whether a new order makes sense for its market and its venue, pure: the command in, the request as recorded out."""

from collections.abc import Iterator, Sized
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from oms.errors import InvalidOrderError, LimitExceededError, UnknownSymbolError
from oms.instrument import Instrument, unknown_market
from oms.order.events import OrderRequested
from oms.order.messages import AmendOrder, PlaceOrder
from oms.order.state import Order, waiting_for
from oms.risk import Facts
from oms.values import (
    EXACT,
    LATEST_NS,
    ONE,
    ZERO,
    ClientOrderId,
    OrderType,
    PositionLeg,
    PositionMode,
    PriceSource,
    Side,
    TimeInForce,
    Wallet,
    bounds,
    holdable,
    plain,
    reduces,
    worth,
)
from oms.venue import Capabilities

# Bound once, as in `oms.order.state`: every order asks.
_LIMIT, _GTC, _BUY, _NET = OrderType.LIMIT, TimeInForce.GTC, Side.BUY, PositionLeg.NET
_GTD = TimeInForce.GTD
_SPOT, _FUTURES = Wallet.SPOT, Wallet.FUTURES

WAITING_MAX: Final = 100  # cancels of one order, and changes, that have no answer yet


def room_for(waiting: Sized, name: ClientOrderId) -> None:
    """Raises LimitExceededError: of an order's cancels, or changes, as many wait for the venue as anybody needs."""
    if len(waiting) >= WAITING_MAX:
        raise LimitExceededError(f"{WAITING_MAX} such requests of {name} wait already", next_step="wait for the venue")


def checked(command: PlaceOrder, facts: Facts) -> OrderRequested:
    """Return the request as it will be recorded, every figure on the market's grid.

    Raises:
        CommandRefusedError: the order is malformed for its market, or asks for what the venue does not have.
    """
    instrument, can = facts.instrument, facts.capabilities
    if instrument is None:
        raise unknown_market(command.symbol, command.account)
    if not instrument.tradable:
        raise UnknownSymbolError(f"{command.symbol} is not open for trading")
    _offered(command, can)
    _sized(command, can)
    if instrument.wallet is _FUTURES:
        _contracts(command, instrument, facts)
    else:
        _spot(command)
    for what, waited in _waited_for(command):
        _on_grid(what, waited, instrument)
    price = None if command.price is None else instrument.price(command.price)
    quantity = None if command.quantity is None else instrument.quantity(command.quantity)
    notional = None if command.notional is None else instrument.notional(command.notional)
    if price is not None and quantity is not None and instrument.notional_min:
        instrument.notional(worth(quantity, price, instrument.contract_size))
    request = OrderRequested(
        account=command.account,
        client_order_id=command.client_order_id,
        strategy=command.strategy,
        symbol=command.symbol,
        side=command.side,
        order_type=command.type,
        quantity=quantity,
        notional=notional,
        price=price,
        time_in_force=command.time_in_force,
        post_only=command.post_only,
        reduce_only=command.reduce_only,
        position_leg=command.position_leg,
        fee_rate=max(ZERO, instrument.taker_fee),
        tags=command.tags,
        trigger=command.trigger,
        take_profit=command.take_profit,
        stop_loss=command.stop_loss,
        expires_ns=command.expires_ns,
    )
    return request if instrument.wallet is _SPOT else _backed(request, command, instrument, facts)


def changed(command: AmendOrder, order: Order, facts: Facts) -> OrderRequested:
    """Return the request for what would be left of `order` after the change, every figure on the market's grid.

    Raises:
        CommandRefusedError: the venue cannot change it so, or the change changes nothing.
    """
    instrument, request = facts.instrument, order.request
    if not facts.capabilities.amend:
        raise InvalidOrderError(f"{facts.capabilities.name} cannot change an order", next_step="cancel it, place anew")
    if instrument is None:
        raise unknown_market(request.symbol, request.account)
    if command.take_profit is not None or command.stop_loss is not None:
        return _reprotected(command, order, instrument, facts.capabilities)
    if order.waits:
        return _rewaited(command, order, instrument, facts.capabilities)
    if command.trigger_price is not None:
        raise InvalidOrderError(
            f"{command.client_order_id} waits for no price", next_step="change its price or quantity"
        )
    if request.order_type is not OrderType.LIMIT or request.price is None or request.quantity is None:
        raise InvalidOrderError("only a limit order can be changed")
    price = request.price if command.price is None else instrument.price(command.price)
    quantity = request.quantity if command.quantity is None else instrument.quantity(command.quantity)
    if (price, quantity) == (request.price, request.quantity) and not order.amends:  # else it takes one back
        raise InvalidOrderError("the change changes nothing")
    if quantity <= order.cum_quantity:
        raise InvalidOrderError(f"{plain(order.cum_quantity)} is filled: a smaller quantity is a cancel")
    # What has fired waits no longer, and is held against what any order is.
    return replace(request, price=price, quantity=EXACT.subtract(quantity, order.cum_quantity), trigger=None)


def _rewaited(command: AmendOrder, order: Order, instrument: Instrument, can: Capabilities) -> OrderRequested:
    """Return the request of an order that waits, as the change would have it: another trigger price or limit."""
    request = order.request
    if not can.amend_triggers:
        raise InvalidOrderError(f"{can.name} cannot change an order that waits", next_step="cancel it, place anew")
    if request.trigger is None:
        raise InvalidOrderError("nobody here knows what it waits for: it was not asked for here")
    if request.trigger.callback_rate is not None:
        raise InvalidOrderError("a trailing order cannot be changed", next_step="cancel it, place anew")
    if command.quantity is not None:
        raise InvalidOrderError(
            "the quantity of an order that waits cannot be changed", next_step="cancel it, place anew"
        )
    if command.price is not None and request.price is None:
        raise InvalidOrderError("a market order takes no price; trigger_price is what it waits for")
    price = request.price if command.price is None else instrument.price(command.price)
    waited = request.trigger.price if command.trigger_price is None else instrument.price(command.trigger_price)
    if (price, waited) == (request.price, request.trigger.price) and not order.amends:
        raise InvalidOrderError("the change changes nothing")
    return waiting_for(replace(request, price=price), waited)


def _reprotected(command: AmendOrder, order: Order, instrument: Instrument, can: Capabilities) -> OrderRequested:
    """Return the request with what is to come into force with its fill, as the change would have it."""
    request, name = order.request, command.client_order_id
    if not can.amend_protections:
        raise InvalidOrderError(f"{can.name} cannot change what comes with an order", next_step="cancel it, place anew")
    if (command.price, command.quantity, command.trigger_price) != (None, None, None):
        raise InvalidOrderError(
            "take_profit and stop_loss are changed by a call of their own", next_step="send the rest as another change"
        )
    if order.origin is not None:
        raise InvalidOrderError(f"nobody here knows what comes with {name}: it was not asked for here")
    if request.reduces:
        raise InvalidOrderError("take_profit and stop_loss come with an order that opens")
    if request.trigger is not None and request.trigger.callback_rate is not None:
        raise InvalidOrderError("a trailing order takes no take_profit and stop_loss along")
    for what, asked in (("take_profit", command.take_profit), ("stop_loss", command.stop_loss)):
        if asked is not None:
            _on_grid(what, asked.price, instrument)
    profit, loss = command.take_profit or request.take_profit, command.stop_loss or request.stop_loss
    if (profit, loss) == (request.take_profit, request.stop_loss) and not order.amends:
        raise InvalidOrderError("the change changes nothing")
    left = None if request.quantity is None else EXACT.subtract(request.quantity, order.cum_quantity)
    return replace(request, take_profit=profit, stop_loss=loss, quantity=left)


def same(command: PlaceOrder, request: OrderRequested) -> bool:
    """Whether `command` asks for what `request` asked for."""
    return (
        command.strategy == request.strategy
        and command.symbol == request.symbol
        and command.side is request.side
        and command.type is request.order_type
        and command.quantity == request.quantity
        and command.notional == request.notional
        and command.price == request.price
        and command.time_in_force is request.time_in_force
        and command.post_only is request.post_only
        and command.reduce_only is request.reduce_only
        and command.position_leg is request.position_leg
        and (command.tags or None) == (request.tags or None)
        and command.leverage == request.leverage
        and command.margin_mode is request.margin_mode
        and command.trigger == request.trigger
        and command.take_profit == request.take_profit
        and command.stop_loss == request.stop_loss
        and holdable(command.expires_ns) == request.expires_ns
    )


def sent_as(time_in_force: TimeInForce) -> TimeInForce:
    """Return what a venue is told: it keeps an order until canceled whose time is ours to watch (`oms.expiry`)."""
    return _GTC if time_in_force is _GTD else time_in_force


def _offered(command: PlaceOrder, can: Capabilities) -> None:
    """Refuse what the venue does not have, before it can guess at it."""
    if command.type not in can.order_types:
        raise InvalidOrderError(f"{can.name} has no {command.type} orders")
    if sent_as(command.time_in_force) not in can.times_in_force:
        raise InvalidOrderError(f"{can.name} has no time_in_force {command.time_in_force}")
    if command.post_only and not can.post_only:
        raise InvalidOrderError(f"{can.name} has no post-only orders")
    if command.reduce_only and not can.reduce_only:
        _takes_out(command, can)
    if command.position_leg is not _NET and not can.hedge_mode:
        raise InvalidOrderError(f"{can.name} has no long and short legs; position_leg is net")
    if command.trigger is not None and not can.triggers:
        raise InvalidOrderError(f"{can.name} has no orders that wait for a price")
    if command.trigger is not None and command.trigger.callback_rate is not None and not can.trailing:
        raise InvalidOrderError(f"{can.name} has no trailing orders")
    rate = None if command.trigger is None else command.trigger.callback_rate
    if rate is not None and not (bounds(rate, ZERO) and ZERO < rate < ONE):
        raise InvalidOrderError("callback_rate is a fraction above 0 and below 1")
    if (command.take_profit is not None or command.stop_loss is not None) and not can.protections:
        raise InvalidOrderError(f"{can.name} has no take-profit and stop-loss that come with an order")


def _takes_out(command: PlaceOrder, can: Capabilities) -> None:
    """Refuse a reduce-only order where there are no positions, but for a sell that waits, if the venue knows such."""
    if not can.closing_triggers:
        raise InvalidOrderError(f"{can.name} has no reduce-only orders")
    if command.trigger is None or command.side is _BUY:
        raise InvalidOrderError(f"{can.name}: only a sell that waits for a price can be reduce-only")


def _sized(command: PlaceOrder, can: Capabilities) -> None:
    """Refuse a price, a time or a size that does not go with the type."""
    limit = command.type is _LIMIT
    if limit and command.price is None:
        raise InvalidOrderError("a limit order needs a price")
    if not limit and command.price is not None:
        raise InvalidOrderError("a market order takes no price")
    if not limit and (command.post_only or command.time_in_force is not _GTC):
        raise InvalidOrderError("a market order is neither post-only nor timed")
    if command.post_only and sent_as(command.time_in_force) is not _GTC:
        raise InvalidOrderError("a post-only order must be able to rest: time_in_force gtc or gtd")
    if (command.time_in_force is _GTD) is (command.expires_ns is None):
        raise InvalidOrderError("time_in_force gtd and expires_at go together")
    if command.expires_ns is not None and not 0 <= command.expires_ns <= LATEST_NS:
        raise InvalidOrderError("expires_at is from 1970-01-01 to 2262-04-11: no other time can be kept")
    by_notional = not limit and command.side is _BUY and can.market_buy_by_notional
    if by_notional is (command.notional is None) or by_notional is (command.quantity is not None):
        wanted = "notional, in quote units" if by_notional else "quantity, in base units or contracts"
        raise InvalidOrderError(f"a {command.type} {command.side} is sized by {wanted}, and by that alone")


def _spot(command: PlaceOrder) -> None:
    """Refuse what only a perpetual takes."""
    if command.leverage is not None or command.margin_mode is not None:
        raise InvalidOrderError(f"{command.symbol} is spot: it takes neither leverage nor margin_mode")
    if command.trigger is not None and command.trigger.by is not PriceSource.LAST:
        raise InvalidOrderError(f"{command.symbol} is spot: a trigger goes by the last price, not {command.trigger.by}")
    if command.trigger is not None and (command.post_only or sent_as(command.time_in_force) is not _GTC):
        raise InvalidOrderError("what waits for a trigger on spot is neither post-only nor timed")


def _contracts(command: PlaceOrder, instrument: Instrument, facts: Facts) -> None:
    """Refuse what contradicts itself on a perpetual, or the mode that the account is in."""
    net = command.position_leg is _NET
    if facts.position_mode is not None and net is not (facts.position_mode is PositionMode.ONE_WAY):
        legs = "net" if facts.position_mode is PositionMode.ONE_WAY else "long or short"
        raise InvalidOrderError(f"the account is in {facts.position_mode} mode: position_leg is {legs}")
    closes = reduces(command.side, command.position_leg, reduce_only=command.reduce_only)
    if command.reduce_only and not closes:
        raise InvalidOrderError(f"a {command.side} opens the {command.position_leg} leg and cannot be reduce-only")
    if closes and (command.take_profit is not None or command.stop_loss is not None):
        raise InvalidOrderError("take_profit and stop_loss come with an order that opens")
    leverage = command.leverage
    if leverage is None:
        return
    if not leverage.is_finite() or leverage < ONE:
        raise InvalidOrderError(f"leverage {leverage:.6g} is not a number from 1 upward")
    if instrument.leverage_max is not None and leverage > instrument.leverage_max:
        raise InvalidOrderError(
            f"{command.symbol} leverage {plain(leverage)} is above the maximum of {plain(instrument.leverage_max)}"
        )


def _on_grid(what: str, price: Decimal, instrument: Instrument) -> None:
    """Refuse a price off the market's grid, and say which one it is."""
    try:
        instrument.price(price)
    except InvalidOrderError as error:
        raise type(error)(f"{what}: {error.cause}") from error


def _waited_for(command: PlaceOrder) -> Iterator[tuple[str, Decimal]]:
    """Yield the prices that an order waits for, or that protect it."""
    if command.trigger is not None:
        yield "trigger", command.trigger.price
    if command.take_profit is not None:
        yield "take_profit", command.take_profit.price
    if command.stop_loss is not None:
        yield "stop_loss", command.stop_loss.price


def _backed(request: OrderRequested, command: PlaceOrder, instrument: Instrument, facts: Facts) -> OrderRequested:
    """Return the request with what only a perpetual has."""
    return replace(
        request,
        contract_size=instrument.contract_size,
        leverage=command.leverage,
        margin_mode=command.margin_mode,
        margin_leverage=command.leverage or facts.leverage,
        reference_price=_valued_at(request, command, facts),
    )


def _valued_at(request: OrderRequested, command: PlaceOrder, facts: Facts) -> Decimal | None:
    """Return what a market order is valued at: where it waits for a price, that one, else the mark."""
    if request.price is not None:
        return None
    return facts.mark if command.trigger is None else command.trigger.price
