"""One side of one match, booked: the position moves, margin is taken and set free, profit and fee are paid."""

from decimal import Decimal

from adapters.simulator.exchange.futures.accounts import FlowKind
from adapters.simulator.exchange.futures.events import Action
from adapters.simulator.exchange.futures.orders import (
    CancelSource,
    Fill,
    Mode,
    Order,
    OrderState,
    OrderType,
    SelfTrade,
)
from adapters.simulator.exchange.futures.positions import Position
from adapters.simulator.exchange.futures.state import State
from oms.values import ZERO, Liquidity, Side


def book(
    state: State,
    order: Order,
    size: Decimal,
    price: Decimal,
    *,
    role: Liquidity,
    action: Action,
    now_ms: int,
    against: Order | None = None,
) -> Fill:
    """Fill `size` contracts of `order` at `price`, and tell. What the venue trades by itself pays no fee.

    In one-way mode a fill closes first and opens with the rest: one trade, two effects (PROTOCOL 13.14).
    """
    account, contract = state.accounts[order.account], state.contracts[order.symbol]
    wallet = account.wallet(contract.margin_coin)
    position = state.position(account, order.symbol, order.leg, order.side)
    closed = min(size, position.closable(order.side))
    opened = size - closed
    rate = _rate(state, order, role)
    held = order.held
    order.filled_size += size
    order.filled_value += size * price
    order.opens = min(order.opens, order.leaves)
    unfrozen = held - order.held
    wallet.frozen -= unfrozen
    wallet.available += unfrozen
    profit = fee = ZERO
    if closed:
        profit, margin = position.close(closed, price, contract, now_ms)
        fee = contract.value(closed, price) * rate
        position.fees += fee
        wallet.deposit -= margin
        wallet.available += margin
        state.pay(account, FlowKind.REALISED, profit, contract, now_ms)
    if opened:
        margin = position.open(order.side, opened, price, contract, now_ms)
        opening_fee = contract.value(opened, price) * rate
        position.fees += opening_fee
        fee += opening_fee
        wallet.deposit += margin
        wallet.available -= margin
    state.pay(account, FlowKind.COMMISSION, -fee, contract, now_ms)
    state.fees[contract.margin_coin] = state.fees.get(contract.margin_coin, ZERO) + fee
    order.updated_ms = now_ms
    order.state = OrderState.PARTIALLY_FILLED if order.leaves else OrderState.FILLED
    fill = Fill(
        trade_id=state.next_id(now_ms),
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        account=order.account,
        symbol=order.symbol,
        side=order.side,
        reduce_only=order.reduce_only,
        leg=order.leg,
        type=order.type,
        price=price,
        size=size,
        closed=closed,
        opened=opened,
        fee=fee,
        fee_coin=contract.margin_coin,
        realised=profit,
        role=role,
        at_ms=now_ms,
        against=against,
    )
    if account.watched:
        account.filled(fill)
    if not order.live:
        account.ended(order)
    state.tell(action, order, fill)
    state.tell_position(account, position, now_ms)
    state.tell_wallet(account, contract.margin_coin, now_ms)
    return fill


def end(state: State, order: Order, source: CancelSource, now_ms: int) -> None:
    """End a live order: off the book, what it held set free, and tell."""
    account, contract = state.accounts[order.account], state.contracts[order.symbol]
    orders = state.books[order.symbol]
    if order in orders.own(order.side):
        orders.remove(order)
    release(state, order)
    order.state = OrderState.PARTIALLY_CANCELED if order.filled_size else OrderState.CANCELED
    order.cancel_source = source
    order.updated_ms = now_ms
    account.ended(order)
    state.tell(_ENDED_BY.get(source, Action.CANCELED), order)
    if order.reduce_only and (position := account.position(order.symbol, order.leg)) is not None:
        state.tell_position(account, position, now_ms)
    else:
        state.tell_wallet(account, contract.margin_coin, now_ms)


def venue_order(
    state: State, position: Position, kind: OrderType, *, size: Decimal, price: Decimal, now_ms: int
) -> Order:
    """Return an order by which the venue itself closes `size` contracts of a position, and tell of it."""
    order = Order(
        order_id=state.next_id(now_ms),
        client_order_id="",
        account=position.account,
        symbol=position.symbol,
        side=Side.SELL if position.direction is Side.BUY else Side.BUY,
        reduce_only=True,
        leg=position.leg,
        type=kind,
        mode=Mode.IOC,
        stp=SelfTrade.CANCEL_MAKER,
        price=price,
        size=size,
        leverage=position.leverage,
        margin_mode=position.margin_mode,
        created_ms=now_ms,
        updated_ms=now_ms,
    )
    state.accounts[position.account].opened(order)
    state.tell(Action.SUBMITTED, order)
    return order


def release(state: State, order: Order) -> None:
    """Set free what the order holds."""
    wallet = state.accounts[order.account].wallet(state.contracts[order.symbol].margin_coin)
    wallet.frozen -= order.held
    wallet.available += order.held
    order.opens = ZERO


_ENDED_BY = {
    CancelSource.LIQUIDATION: Action.CANCELED_BY_LIQUIDATION,
    CancelSource.ADL: Action.CANCELED_BY_ADL,
}


def _rate(state: State, order: Order, role: Liquidity) -> Decimal:
    if not order.sent:
        return ZERO
    account = state.accounts[order.account]
    return account.maker_fee if role is Liquidity.MAKER else account.taker_fee
