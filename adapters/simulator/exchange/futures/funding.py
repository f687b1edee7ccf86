"""Funding: at its hour, longs pay shorts, or shorts longs (PROTOCOL 6.8)."""

from decimal import Decimal

from adapters.simulator.exchange.futures.accounts import FlowKind
from adapters.simulator.exchange.futures.contracts import Status
from adapters.simulator.exchange.futures.events import FundingSettled
from adapters.simulator.exchange.futures.money import reasonable
from adapters.simulator.exchange.futures.orders import MarginMode
from adapters.simulator.exchange.futures.prices import FUNDING_CAP
from adapters.simulator.exchange.futures.state import State
from oms.values import ZERO, Side


def settle(state: State, symbol: str, rate: Decimal, now_ms: int) -> None:
    """Let every position pay or receive `rate` of its value at the mark, and tell.

    Raises:
        ValueError: the rate is beyond what one interval may cost.
    """
    check_rate(rate)
    contract, prices = state.contracts[symbol], state.prices[symbol]
    for account in state.accounts.values():
        for position in account.held_positions(symbol):
            value = contract.value(position.size, prices.mark)
            amount = -value * rate if position.direction is Side.BUY else value * rate
            position.funding += amount
            position.updated_ms = now_ms
            state.pay(account, FlowKind.FUNDING, amount, contract, now_ms)
            wallet = account.wallet(contract.margin_coin)
            if position.margin_mode is MarginMode.ISOLATED and amount < ZERO and wallet.available < ZERO:
                taken = min(
                    position.margin, -amount, -wallet.available
                )  # what is not there, the position's margin pays
                position.margin -= taken
                wallet.deposit -= taken
                wallet.available += taken
            state.tell_position(account, position, now_ms)
            state.tell_wallet(account, contract.margin_coin, now_ms)
    prices.settled_rate = rate
    state.touch(symbol)
    state.emit(FundingSettled(symbol=symbol, rate=rate, mark=prices.mark, at_ms=now_ms))


def settle_due(state: State, now_ms: int) -> None:
    """Settle every contract whose hour has come, once, however much later it is."""
    for symbol, prices in state.prices.items():
        if not prices.funding_at_ms:
            prices.schedule(now_ms)
        elif now_ms >= prices.funding_at_ms:
            trades = state.contracts[symbol].linear and state.status[symbol] is not Status.DELISTED
            if trades and state.rules.funding_by_hours:
                settle(state, symbol, prices.expected_rate, now_ms)
            prices.schedule(now_ms)


def check_rate(rate: Decimal) -> None:
    """Raise ValueError for a rate that is none, or beyond the cap."""
    if not reasonable(rate) or abs(rate) > FUNDING_CAP:
        raise ValueError(f"funding rate {rate} is not within {FUNDING_CAP}")
