"""The end of a contract: orders and plans go, and every position is settled at the last mark (PROTOCOL 6.1, S62)."""

from adapters.simulator.exchange.futures.accounts import FlowKind
from adapters.simulator.exchange.futures.booking import book, end, venue_order
from adapters.simulator.exchange.futures.contracts import Status
from adapters.simulator.exchange.futures.events import Action
from adapters.simulator.exchange.futures.orders import CancelSource, OrderType
from adapters.simulator.exchange.futures.plans import PlanState
from adapters.simulator.exchange.futures.positions import Position
from adapters.simulator.exchange.futures.state import State
from adapters.simulator.exchange.futures.waiting import end_plan
from oms.values import Liquidity


def delist(state: State, symbol: str, now_ms: int) -> None:
    """Stop a contract for good and settle what is held of it, without a fee."""
    state.status[symbol] = Status.DELISTED
    for account in state.accounts.values():
        for order in tuple(account.live_orders(symbol)):
            end(state, order, CancelSource.SYSTEM, now_ms)
    for plan in tuple(state.waiting[symbol].values()):
        end_plan(state, plan, PlanState.CANCELED, now_ms)
    for account in state.accounts.values():
        for position in tuple(account.held_positions(symbol)):
            _settle(state, position, now_ms)
    state.touch(symbol)


def _settle(state: State, position: Position, now_ms: int) -> None:
    """Close one position at the mark: by an order of the venue's, or without a word but the money (Rules)."""
    account, contract = state.accounts[position.account], state.contracts[position.symbol]
    mark = state.prices[position.symbol].mark
    if state.rules.settlement_by_order:
        order = venue_order(state, position, OrderType.SETTLEMENT, size=position.size, price=mark, now_ms=now_ms)
        book(state, order, order.size, mark, role=Liquidity.TAKER, action=Action.MATCHED, now_ms=now_ms)
        return
    profit, margin = position.close(position.size, mark, contract, now_ms)
    wallet = account.wallet(contract.margin_coin)
    wallet.deposit -= margin
    wallet.available += margin
    state.pay(account, FlowKind.REALISED, profit, contract, now_ms)
    state.tell_position(account, position, now_ms)
    state.tell_wallet(account, contract.margin_coin, now_ms)
