"""Which orders the exchange takes at all: required fields, the market's grid, its minimums."""

from decimal import ROUND_DOWN, Decimal
from typing import Final

from msgspec import Struct

from adapters.simulator.exchange.orders import Market, NewOrder, OrderType, Refusal, RefusedError
from oms.values import EXACT, ZERO, Side

_TRUNCATING: Final = EXACT.copy()
_TRUNCATING.clear_traps()


class Terms(Struct, frozen=True):
    """What an order will trade at most, on the market's grid; zero for what its type does not have."""

    price: Decimal = ZERO
    size: Decimal = ZERO
    notional: Decimal = ZERO
    doomed: bool = False  # taken, and then canceled by the system: a limit_maker that is worth too little


def admit(new: NewOrder, market: Market) -> Terms:
    """Return the terms of `new`; an over-precise price is silently truncated (PROTOCOL 9.27).

    Raises:
        RefusedError: a field is missing, off the grid or below the minimum.
    """
    if new.type is OrderType.MARKET and new.side is Side.BUY:
        return _market_buy(new, market)
    if new.size is None:
        raise RefusedError(Refusal.SIZE_REQUIRED)
    if new.size % market.size_step:
        raise RefusedError(Refusal.SIZE_OFF_STEP)
    if new.type is OrderType.MARKET:
        if new.size < market.size_min or new.size <= ZERO:
            raise RefusedError(Refusal.MARKET_SELL_TOO_SMALL)
        return Terms(size=new.size)
    if new.size < market.size_min or new.size <= ZERO:
        raise RefusedError(Refusal.SIZE_TOO_SMALL)
    return _limit(new, new.size, market)


def _market_buy(new: NewOrder, market: Market) -> Terms:
    if new.notional is None:
        raise RefusedError(Refusal.NOTIONAL_REQUIRED if new.size is None else Refusal.SIZE_INSTEAD_OF_NOTIONAL)
    if new.notional < market.notional_min:
        raise RefusedError(Refusal.MARKET_BUY_TOO_SMALL)
    return Terms(notional=new.notional)


def _limit(new: NewOrder, size: Decimal, market: Market) -> Terms:
    if new.price is None:
        raise RefusedError(Refusal.PRICE_REQUIRED)
    price = new.price.quantize(Decimal(1).scaleb(-market.price_places), ROUND_DOWN, context=_TRUNCATING)
    if price <= ZERO:
        raise RefusedError(Refusal.PRICE_TOO_LOW)
    too_little = price * size < market.notional_min
    if too_little and new.type is not OrderType.LIMIT_MAKER:
        raise RefusedError(Refusal.NOTIONAL_TOO_SMALL)
    return Terms(price=price, size=size, doomed=too_little)
