"""Which orders the exchange takes at all: the contract's grid, what is held, leverage and its tiers."""

from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Final

from msgspec import Struct

from adapters.simulator.exchange.futures.accounts import Account, Setting
from adapters.simulator.exchange.futures.contracts import Contract
from adapters.simulator.exchange.futures.money import margin_of_one, on_grid
from adapters.simulator.exchange.futures.orders import Mode, NewOrder, Order, OrderType, Preset, Refusal, RefusedError
from adapters.simulator.exchange.futures.state import State
from oms.values import ZERO, PositionLeg, Side

PROTECTION: Final = Decimal("0.05")  # how far from the best price a market order trades


class Terms(Struct, frozen=True):
    """What an order may do, and what it costs to let it wait."""

    price: Decimal
    leg: PositionLeg
    setting: Setting
    opens: Decimal  # contracts of it that need margin
    unit_hold: Decimal  # for each of them


def admit(new: NewOrder, contract: Contract, account: Account, state: State) -> Terms:
    """Return the terms of `new`, whatever the balance.

    Raises:
        RefusedError: it is off the grid, closes what is not there, or its leverage does not fit.
    """
    check_size(new.size, contract, market=new.type is OrderType.MARKET)
    price = _price(new, contract, state)
    leg = account.leg(new.side, reduce_only=new.reduce_only)
    if new.reduce_only:
        if new.take_profit is not None or new.stop_loss is not None:
            raise RefusedError(Refusal.PRESET_ON_CLOSE)
        return Terms(price, leg, _closing(new, account, leg), ZERO, ZERO)
    check_presets(new.take_profit, new.stop_loss, contract)
    setting = _setting(account, contract, new.leverage, new)
    opens = opening_part(account, new.symbol, new.side, new.size)
    terms = Terms(
        price,
        leg,
        setting,
        opens,
        unit_hold(contract, account, state, side=new.side, price=price, leverage=setting.leverage),
    )
    _check_tier(new, terms, contract, account)
    return terms


def check_size(size: Decimal, contract: Contract, *, market: bool) -> None:
    """Raise RefusedError for a size that is no number of contracts this contract takes in one order."""
    if not size.is_finite() or size % 1:
        raise RefusedError(Refusal.SIZE_NOT_WHOLE)
    if size < contract.size_min:
        raise RefusedError(Refusal.SIZE_TOO_SMALL)
    if size > (contract.market_size_max if market else contract.size_max):
        raise RefusedError(Refusal.SIZE_TOO_LARGE)


def check_price(price: Decimal, contract: Contract) -> None:
    """Raise RefusedError for a price that is none on this contract's grid."""
    if not price.is_finite() or price <= ZERO:
        raise RefusedError(Refusal.PRICE_TOO_LOW)
    if price % contract.price_step:
        raise RefusedError(Refusal.PRICE_OFF_STEP)


def check_presets(take_profit: Preset | None, stop_loss: Preset | None, contract: Contract) -> None:
    """Raise RefusedError for a preset whose price is none on this contract's grid."""
    for preset in (take_profit, stop_loss):
        if preset is not None:
            check_price(preset.price, contract)


def _setting(account: Account, contract: Contract, leverage: int | None, asked: NewOrder) -> Setting:
    """Return leverage and margin mode that hold for `asked`; refuse what conflicts with what is open."""
    present = account.setting(contract.symbol)
    setting = Setting(
        present.leverage if leverage is None else leverage,
        present.margin_mode if asked.margin_mode is None else asked.margin_mode,
    )
    check_setting(account, contract, setting)
    return setting


def check_setting(account: Account, contract: Contract, setting: Setting) -> None:
    """Raise RefusedError for a leverage the contract does not have, or other than that of what is open."""
    if setting.leverage < contract.leverage_min:
        raise RefusedError(Refusal.LEVERAGE_TOO_SMALL)
    if setting.leverage > contract.leverage_max:
        raise RefusedError(Refusal.LEVERAGE_TOO_LARGE)
    if setting == account.setting(contract.symbol):
        return
    orders = any(not order.reduce_only for order in account.live_orders(contract.symbol))
    if orders or any(account.held_positions(contract.symbol)):
        raise RefusedError(Refusal.LEVERAGE_CONFLICT)


def opening_part(account: Account, symbol: str, side: Side, size: Decimal, *, but: Order | None = None) -> Decimal:
    """Return how much of an order that may open needs margin: what does not close a one-way position of today.

    What other live orders (`but` aside) would close of it counts as closed.
    """
    position = account.position(symbol, PositionLeg.NET)
    if position is None or not account.watched or not position.closable(side):
        return size
    others = (one for one in account.live_orders(symbol) if one.side is side and one is not but)
    promised = sum((one.leaves - one.opens for one in others), ZERO)
    return max(size - max(position.closable(side) - promised, ZERO), ZERO)


def unit_hold(
    contract: Contract, account: Account, state: State, *, side: Side, price: Decimal, leverage: int
) -> Decimal:
    """Return margin and highest fee of one contract, at the worst price for it: a sell may trade above its limit."""
    if side is Side.SELL:
        bid = state.books[contract.symbol].bids.best()
        price = price if bid is None else max(price, bid.price)
    value = contract.value(Decimal(1), price)
    return margin_of_one(value, leverage) + value * account.hold_rate


def _price(new: NewOrder, contract: Contract, state: State) -> Decimal:
    if new.type is OrderType.LIMIT:
        if new.price is None:
            raise RefusedError(Refusal.PRICE_REQUIRED)
        check_price(new.price, contract)
        return new.price
    if new.mode is Mode.MAKER_ONLY:
        raise RefusedError(Refusal.MAKER_ONLY_MARKET)
    best = state.books[new.symbol].against(new.side).best()
    start = state.prices[new.symbol].mark if best is None else best.price
    if new.side is Side.BUY:
        return on_grid(start * (1 + PROTECTION), contract.price_step, ROUND_UP)
    return max(on_grid(start * (1 - PROTECTION), contract.price_step, ROUND_DOWN), contract.price_step)


def _closing(new: NewOrder, account: Account, leg: PositionLeg) -> Setting:
    """Check that there is something to close; return the setting of what is closed."""
    position = account.position(new.symbol, leg)
    if position is None or not position.closable(new.side):
        raise RefusedError(Refusal.POSITION_MISSING)
    if new.size > position.size - account.promised(new.symbol, new.side, leg):
        raise RefusedError(Refusal.POSITION_NOT_ENOUGH)
    return Setting(position.leverage, position.margin_mode)


def _check_tier(new: NewOrder, terms: Terms, contract: Contract, account: Account) -> None:
    """Refuse what would be more than the leverage's tier allows, with all that is waiting."""
    if not account.watched:
        return
    position = account.position(new.symbol, terms.leg)
    held = position.cost if position is not None and not position.closable(new.side) else ZERO
    orders = (one for one in account.live_orders(new.symbol) if one.side is new.side)
    waiting = sum((contract.value(one.opens, one.price) for one in orders), ZERO)
    if held + waiting + contract.value(terms.opens, terms.price) > contract.notional_max(terms.setting.leverage):
        raise RefusedError(Refusal.LEVERAGE_TOO_LARGE)
