"""A perpetual exchange that goes on where another one ended: positions, orders, plans, put back under their own ids."""

from collections.abc import Mapping
from decimal import Decimal, localcontext

from msgspec import Struct

from adapters.simulator.exchange.futures.accounts import Account, Setting
from adapters.simulator.exchange.futures.admission import opening_part
from adapters.simulator.exchange.futures.exchange import FuturesExchange
from adapters.simulator.exchange.futures.money import margin_of_one
from adapters.simulator.exchange.futures.orders import (
    MarginMode,
    Mode,
    Order,
    OrderState,
    OrderType,
    PlanKind,
    PositionMode,
    Preset,
    PriceType,
    SelfTrade,
)
from adapters.simulator.exchange.futures.plans import Plan, PriceWay
from adapters.simulator.exchange.futures.positions import Position
from oms.values import EXACT, RATIO, ZERO, PositionLeg, Side


class StandingLeg(Struct, frozen=True, kw_only=True):
    """One open position: contracts and what they cost, both positive."""

    symbol: str
    leg: PositionLeg
    side: Side
    size: Decimal
    cost: Decimal
    leverage: int
    margin_mode: MarginMode


class StandingOrder(Struct, frozen=True, kw_only=True):
    """One limit order as it rested; with a `trigger_price`, an order of either type as it waited."""

    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    reduce_only: bool
    leg: PositionLeg
    post_only: bool
    price: Decimal | None
    size: Decimal
    filled_size: Decimal
    filled_value: Decimal  # the sum of size x price
    created_ms: int
    trigger_price: Decimal | None = None
    way: PriceWay = PriceWay.RISES
    price_type: PriceType = PriceType.LAST
    callback_percent: Decimal | None = None
    take_profit: Preset | None = None  # comes with what it trades from here on
    stop_loss: Preset | None = None
    parent_order_id: str = ""  # it is what the preset of that order made


class Standing(Struct, frozen=True, kw_only=True):
    """What an account had on the exchange that ended. `settings` are of contracts."""

    mode: PositionMode | None
    settings: Mapping[str, Setting]
    legs: tuple[StandingLeg, ...]
    orders: tuple[StandingOrder, ...]


def put_back(exchange: FuturesExchange, account: str, standing: Standing) -> None:
    """Let everything stand again, out of the account's available coins. Nobody is told: it is no news.

    What the account holds, nobody here holds the other side of: that was settled in another exchange.

    Raises:
        KeyError: there is no such account or contract.
    """
    owner = exchange.accounts[account]
    if standing.mode is not None:
        owner.mode = standing.mode
    owner.settings |= standing.settings
    with localcontext(EXACT):
        for leg in standing.legs:
            _hold(exchange, owner, leg)
        for order in sorted(standing.orders, key=lambda each: each.order_id):
            if order.trigger_price is None:
                _rest(exchange, owner, order)
            else:
                exchange.put_plan_back(_plan(owner, order, order.trigger_price))


def _hold(exchange: FuturesExchange, owner: Account, leg: StandingLeg) -> None:
    contract = exchange.contracts[leg.symbol]
    margin = leg.size * margin_of_one(RATIO.divide(leg.cost, leg.size), leg.leverage)
    owner.positions[leg.symbol, leg.leg] = Position(
        account=owner.name,
        symbol=leg.symbol,
        leg=leg.leg,
        direction=leg.side,
        leverage=leg.leverage,
        margin_mode=leg.margin_mode,
        size=leg.size,
        cost=leg.cost,
        margin=margin,
        opened_size=leg.size,
        opened_cost=leg.cost,
    )
    wallet = owner.wallet(contract.margin_coin)
    wallet.available -= margin
    wallet.deposit += margin


def _rest(exchange: FuturesExchange, owner: Account, each: StandingOrder) -> None:
    contract, setting = exchange.contracts[each.symbol], owner.setting(each.symbol)
    assert each.price is not None
    order = Order(
        order_id=each.order_id,
        client_order_id=each.client_order_id,
        account=owner.name,
        symbol=each.symbol,
        side=each.side,
        reduce_only=each.reduce_only,
        leg=each.leg,
        type=OrderType.LIMIT,
        mode=Mode.MAKER_ONLY if each.post_only else Mode.GTC,
        stp=SelfTrade.CANCEL_MAKER,
        price=each.price,
        size=each.size,
        leverage=setting.leverage,
        margin_mode=setting.margin_mode,
        created_ms=each.created_ms,
        updated_ms=each.created_ms,
        state=OrderState.PARTIALLY_FILLED if each.filled_size else OrderState.NEW,
        filled_size=each.filled_size,
        filled_value=each.filled_value,
        take_profit=each.take_profit,
        stop_loss=each.stop_loss,
    )
    if not each.reduce_only:
        value = contract.value(Decimal(1), each.price)
        order.opens = opening_part(owner, each.symbol, each.side, order.leaves)
        order.unit_hold = margin_of_one(value, setting.leverage) + value * owner.hold_rate
    wallet = owner.wallet(contract.margin_coin)
    wallet.available -= order.held
    wallet.frozen += order.held
    owner.opened(order)
    exchange.book(each.symbol).add(order)


def _plan(owner: Account, each: StandingOrder, trigger_price: Decimal) -> Plan:
    setting = owner.setting(each.symbol)
    kind = PlanKind.PLAN
    if each.callback_percent is not None:
        kind = PlanKind.TRAILING
    elif each.reduce_only:
        profit = (each.side is Side.SELL) is (each.way is PriceWay.RISES)
        kind = PlanKind.TAKE_PROFIT if profit else PlanKind.STOP_LOSS
    return Plan(
        plan_id=each.order_id,
        client_order_id=each.client_order_id,
        account=owner.name,
        symbol=each.symbol,
        kind=kind,
        side=each.side,
        reduce_only=each.reduce_only,
        leg=each.leg,
        size=each.size,
        trigger_price=trigger_price,
        way=each.way,
        price_type=each.price_type,
        type=OrderType.MARKET if each.price is None else OrderType.LIMIT,
        price=each.price or ZERO,
        mode=Mode.MAKER_ONLY if each.post_only else Mode.GTC,
        leverage=setting.leverage,
        margin_mode=setting.margin_mode,
        created_ms=each.created_ms,
        updated_ms=each.created_ms,
        callback_percent=each.callback_percent or ZERO,
        take_profit=each.take_profit,
        stop_loss=each.stop_loss,
        parent_order_id=each.parent_order_id,
    )
