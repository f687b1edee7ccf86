"""Trades that the venue takes back. No source shows what BitMart does then, so these are choices: both sides are
undone, as if each had traded the same the other way at the same price, with the fee returned; an order whose trade is
undone has traded so much less, and ends if it still worked; the trade is gone from every list, and none replaces it.
"""

from decimal import Decimal, localcontext

from msgspec import Struct

from adapters.simulator.exchange.futures.accounts import Account, FlowKind
from adapters.simulator.exchange.futures.booking import end
from adapters.simulator.exchange.futures.events import Action
from adapters.simulator.exchange.futures.matching import Matching
from adapters.simulator.exchange.futures.orders import CancelSource, Fill, Order, OrderState
from adapters.simulator.exchange.futures.state import State
from oms.values import EXACT, ZERO, Liquidity, PositionLeg, Side


class _Side(Struct, frozen=True):
    """One side of the match."""

    account: Account
    leg: PositionLeg
    side: Side
    fee: Decimal


class Busts:
    """Undoes trades of one exchange."""

    def __init__(self, state: State, matching: Matching) -> None:
        self._state = state
        self._matching = matching

    def undo(self, trade_id: str, now_ms: int) -> None:
        """Take a trade back, on both sides. Name it by either side's id.

        Raises:
            ValueError: nobody here has such a trade, the venue booked it by itself, or a side has closed since what it
                had opened; nothing changed.
        """
        with localcontext(EXACT):
            fill, owner = self._find(trade_id)
            other = fill.against
            if other is None:
                raise ValueError(f"trade {trade_id} has no other side: the venue booked it by itself")
            counterparty = self._state.accounts[other.account]
            twin = _twin(fill, counterparty, other)
            fee = twin.fee if twin is not None else self._fee(counterparty, fill)  # a background trader has no past
            sides = (
                _Side(owner, fill.leg, fill.side, fill.fee),
                _Side(counterparty, other.leg, other.side, fee),
            )
            for one in sides:
                self._check(one, fill)
            for one, told in zip(sides, (fill, twin), strict=True):
                self._move(one, fill, now_ms)
                if told is not None:
                    self._forget(one.account, told, now_ms)
            self._state.touch(fill.symbol)

    def _find(self, trade_id: str) -> tuple[Fill, Account]:
        for account in self._state.accounts.values():
            for fill in reversed(account.fills):
                if fill.trade_id == trade_id:
                    return fill, account
        raise ValueError(f"nobody has a trade {trade_id}")

    @staticmethod
    def _check(one: _Side, fill: Fill) -> None:
        """In hedge mode a leg cannot be undone below nothing; a net position simply goes the other way."""
        opened = one.leg is not PositionLeg.NET and (one.leg is PositionLeg.LONG) is (one.side is Side.BUY)
        position = one.account.position(fill.symbol, one.leg)
        if opened and (position is None or position.size < fill.size):
            raise ValueError(f"trade {fill.trade_id}: {one.account.name} has closed what it opened")

    def _forget(self, account: Account, fill: Fill, now_ms: int) -> None:
        """Have an order traded so much less."""
        order = account.order(fill.order_id)
        if order is not None and order.live:
            end(self._state, order, CancelSource.SYSTEM, now_ms)
        account.fills.remove(fill)
        account.fills_of[fill.order_id].remove(fill)
        if order is not None:
            order.filled_size -= fill.size
            order.filled_value -= fill.size * fill.price
            order.state = OrderState.PARTIALLY_CANCELED if order.filled_size else OrderState.CANCELED
            order.cancel_source, order.updated_ms = CancelSource.SYSTEM, now_ms
            self._state.tell(Action.CANCELED, order)

    def _move(self, one: _Side, fill: Fill, now_ms: int) -> None:
        """Move position and money as a trade the other way would, and return the fee."""
        state, contract = self._state, self._state.contracts[fill.symbol]
        account, leg, fee = one.account, one.leg, one.fee
        undoing, wallet = _opposite(one.side), account.wallet(contract.margin_coin)
        position = state.position(account, fill.symbol, leg, undoing)
        closed = min(fill.size, position.closable(undoing))
        if closed:
            profit, margin = position.close(closed, fill.price, contract, now_ms)
            wallet.deposit -= margin
            wallet.available += margin
            state.pay(account, FlowKind.REALISED, profit, contract, now_ms)
        if closed < fill.size:
            margin = position.open(undoing, fill.size - closed, fill.price, contract, now_ms)
            wallet.deposit += margin
            wallet.available -= margin
        position.fees -= fee
        state.pay(account, FlowKind.COMMISSION, fee, contract, now_ms)
        state.fees[contract.margin_coin] = state.fees.get(contract.margin_coin, ZERO) - fee
        self._matching.trim(account, fill.symbol, leg, now_ms)
        state.tell_position(account, position, now_ms)
        state.tell_wallet(account, contract.margin_coin, now_ms)

    def _fee(self, account: Account, fill: Fill) -> Decimal:
        """Return what the other side of `fill` paid."""
        rate = account.taker_fee if fill.role is Liquidity.MAKER else account.maker_fee
        return self._state.contracts[fill.symbol].value(fill.size, fill.price) * rate


def _twin(fill: Fill, counterparty: Account, order: Order) -> Fill | None:
    """Return the other side's fill; one that is the same in everything is as good."""
    told = counterparty.fills_of.get(order.order_id, ())
    same = (one for one in told if (one.at_ms, one.size, one.price) == (fill.at_ms, fill.size, fill.price))
    return next(same, None)


def _opposite(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY
