"""Which orders the exchange takes at all: the contract's grid, what is held, leverage and its tiers."""

from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Final

from msgspec import Struct, structs

from adapters.simulator.exchange.futures.accounts import Account, Setting
from adapters.simulator.exchange.futures.contracts import Contract
from adapters.simulator.exchange.futures.money import margin_of_one, on_grid, reasonable
from adapters.simulator.exchange.futures.orders import Mode, NewOrder, Order, OrderType, Preset, Refusal, RefusedError
from adapters.simulator.exchange.futures.state import State
from oms.values import ZERO, PositionLeg, Side

PRICE_MAX: Final = Decimal(10) ** 9  # nobody means more
PROTECTION: Final = Decimal("0.05")  # how far from the best price a market order trades


class Terms(Struct, frozen=True):
    """What an order may do, and what it costs to let it wait."""

    price: Decimal
    leg: PositionLeg
    setting: Setting
    opens: Decimal  # contracts of it that need margin
    unit_hold: Decimal = ZERO  # for each of them


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
        return Terms(price, leg, _closing(new, account, leg), ZERO)
    check_presets(new.take_profit, new.stop_loss, contract)
    terms = Terms(
        price,
        leg,
        _setting(new, contract, account),
        opening_part(account, new.symbol, new.side, new.size),
    )
    return _margined(terms, new.side, contract, account, state)


def readmit(order: Order, price: Decimal, size: Decimal, contract: Contract, state: State) -> Terms:
    """Return the terms of a waiting `order` at another price or of another size (all of it), whatever the balance.

    Raises:
        RefusedError: that is off the grid, filled already, closes what is not there, or is too large for its tier.
    """
    check_price(price, contract)
    check_size(size, contract, market=False)
    if size <= order.filled_size:
        raise RefusedError(Refusal.SIZE_TOO_SMALL)
    account, leaves = state.accounts[order.account], size - order.filled_size
    terms = Terms(price, order.leg, Setting(order.leverage, order.margin_mode), ZERO)
    if order.reduce_only:
        position = account.position(order.symbol, order.leg)
        promised = account.promised(order.symbol, order.side, order.leg) - order.leaves
        if position is None or leaves > position.size - promised:
            raise RefusedError(Refusal.POSITION_NOT_ENOUGH)
        return terms
    terms = structs.replace(terms, opens=opening_part(account, order.symbol, order.side, leaves, but=order))
    return _margined(terms, order.side, contract, account, state, but=order)


def check_size(size: Decimal, contract: Contract, *, market: bool) -> None:
    """Raise RefusedError for a size that is no number of contracts this contract takes in one order."""
    if not reasonable(size) or size % 1:
        raise RefusedError(Refusal.SIZE_NOT_WHOLE)
    if size < contract.size_min:
        raise RefusedError(Refusal.SIZE_TOO_SMALL)
    if size > (contract.market_size_max if market else contract.size_max):
        raise RefusedError(Refusal.SIZE_TOO_LARGE)


def check_price(price: Decimal, contract: Contract) -> None:
    """Raise RefusedError for a price that is none on this contract's grid."""
    if not price.is_finite() or price <= ZERO:
        raise RefusedError(Refusal.PRICE_TOO_LOW)
    if price > PRICE_MAX:
        raise RefusedError(Refusal.PRICE_TOO_HIGH)
    if not reasonable(price) or price % contract.price_step:
        raise RefusedError(Refusal.PRICE_OFF_STEP)


def check_presets(take_profit: Preset | None, stop_loss: Preset | None, contract: Contract) -> None:
    """Raise RefusedError for a preset whose price is none on this contract's grid."""
    for preset in (take_profit, stop_loss):
        if preset is not None:
            check_price(preset.price, contract)


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


def _setting(new: NewOrder, contract: Contract, account: Account) -> Setting:
    """Return leverage and margin mode that hold for `new`; refuse what conflicts with what is open."""
    present = account.setting(contract.symbol)
    setting = Setting(
        present.leverage if new.leverage is None else new.leverage,
        present.margin_mode if new.margin_mode is None else new.margin_mode,
    )
    check_setting(account, contract, setting)
    return setting


def _margined(
    terms: Terms, side: Side, contract: Contract, account: Account, state: State, *, but: Order | None = None
) -> Terms:
    """Return the terms with what each contract freezes; refuse what is too large for its tier."""
    price = terms.price
    if side is Side.SELL and (bid := state.books[contract.symbol].bids.best()) is not None:
        price = max(price, bid.price)  # a sell may trade above its limit, and needs the margin of that
    value = contract.value(Decimal(1), price)
    hold = margin_of_one(value, terms.setting.leverage) + value * account.hold_rate
    if account.watched:
        _check_tier(terms, side, contract, account, but)
    return structs.replace(terms, unit_hold=hold)


def _check_tier(terms: Terms, side: Side, contract: Contract, account: Account, but: Order | None) -> None:
    """Refuse what would be more than the leverage's tier allows, with all that is held and (`but` aside) waiting."""
    position = account.position(contract.symbol, terms.leg)
    held = position.cost if position is not None and not position.closable(side) else ZERO
    orders = (one for one in account.live_orders(contract.symbol) if one.side is side and one is not but)
    waiting = sum((contract.value(one.opens, one.price) for one in orders), ZERO)
    if held + waiting + contract.value(terms.opens, terms.price) > contract.notional_max(terms.setting.leverage):
        raise RefusedError(Refusal.LEVERAGE_TOO_LARGE)
