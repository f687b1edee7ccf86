"""The perpetual exchange: accounts, orders, positions and money on margin, and what the venue does to them.

Pure in the sense of the simulation: time comes in with each call, ids are counted from it, and the only way out is the
`emit` that was given. Money is conserved: what one account loses others win, or `fees` or `insurance`.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, localcontext
from typing import Final

from adapters.simulator.exchange.book import Book
from adapters.simulator.exchange.futures.accounts import HISTORY_MAX, Account, FlowKind, Setting, Wallet
from adapters.simulator.exchange.futures.admission import check_setting
from adapters.simulator.exchange.futures.booking import end
from adapters.simulator.exchange.futures.contracts import Contract
from adapters.simulator.exchange.futures.events import Event
from adapters.simulator.exchange.futures.matching import Matching
from adapters.simulator.exchange.futures.orders import (
    CancelSource,
    Fill,
    MarginMode,
    NewOrder,
    Order,
    OrderState,
    PositionMode,
    Refusal,
    RefusedError,
)
from adapters.simulator.exchange.futures.prices import Prices
from adapters.simulator.exchange.futures.state import Rules, State
from oms.values import EXACT, ZERO

DEFAULT_MAKER_FEE: Final = Decimal("0.0002")
DEFAULT_TAKER_FEE: Final = Decimal("0.0006")  # both as sampled in PROTOCOL 6.7


class FuturesExchange:
    """All contracts and accounts of the simulated perpetual venue.

    Args:
        contracts: what is listed here.
        emit: is called with every event, in the order in which things happened.
        rules: see Rules.
        portion: may cut the size of the next match smaller, to split fills; gets (size, 1), returns a whole number
            that is positive and not above the size.
    """

    def __init__(
        self,
        contracts: Iterable[Contract],
        emit: Callable[[Event], None],
        *,
        rules: Rules | None = None,
        portion: Callable[[Decimal, Decimal], Decimal] | None = None,
    ) -> None:
        self._state = State(contracts, emit, rules or Rules(), portion)
        self._matching = Matching(self._state, self._carried)

    @property
    def contracts(self) -> Mapping[str, Contract]:
        return self._state.contracts

    @property
    def accounts(self) -> Mapping[str, Account]:
        return self._state.accounts

    @property
    def rules(self) -> Rules:
        return self._state.rules

    @property
    def fees(self) -> Mapping[str, Decimal]:
        """What the exchange has earned, by coin."""
        return self._state.fees

    @property
    def insurance(self) -> Mapping[str, Decimal]:
        """What the insurance fund holds, by coin."""
        return self._state.insurance

    def book(self, symbol: str) -> Book[Order]:
        return self._state.books[symbol]

    def prices(self, symbol: str) -> Prices:
        """Return last, index and mark price and the funding of a contract, as they stand."""
        return self._state.prices[symbol]

    # -------------------------------------------------------------------------------------------- accounts

    def open_account(
        self,
        name: str,
        deposits: Mapping[str, Decimal],
        *,
        maker_fee: Decimal = DEFAULT_MAKER_FEE,
        taker_fee: Decimal = DEFAULT_TAKER_FEE,
        watched: bool = True,
        history_max: int = HISTORY_MAX,
    ) -> Account:
        """Open an account with margin coins in it, in hedge mode.

        Raises:
            ValueError: the name is taken, or a deposit is negative or no number.
        """
        if name in self._state.accounts:
            raise ValueError(f"account {name} exists")
        for coin, amount in deposits.items():
            if not (amount.is_finite() and amount >= ZERO):
                raise ValueError(f"deposit {amount} {coin} is not an amount")
        account = Account(name, maker_fee=maker_fee, taker_fee=taker_fee, watched=watched, history_max=history_max)
        account.wallets.update({coin: Wallet(available=amount) for coin, amount in deposits.items()})
        self._state.accounts[name] = account
        return account

    def equity(self, account: str, coin: str) -> Decimal:
        """Return available + frozen + position deposit + unrealised profit at the marks (PROTOCOL 6.7)."""
        with localcontext(EXACT):
            return self._state.accounts[account].wallet(coin).total + self.unrealised(account, coin)

    def unrealised(self, account: str, coin: str) -> Decimal:
        """Return what all positions of the coin would make at their marks, without fees."""
        with localcontext(EXACT):
            return self._state.unrealised(self._state.accounts[account], coin)

    def transfer(self, account: str, coin: str, amount: Decimal, now_ms: int) -> None:
        """Bring coins in, or with a negative amount out.

        Raises:
            RefusedError: so much is not to be had; nothing changed.
        """
        owner = self._state.accounts[account]
        with localcontext(EXACT):
            if amount < ZERO and -amount > self._state.spendable(owner, coin):
                raise RefusedError(Refusal.BALANCE_NOT_ENOUGH)
            owner.wallet(coin).available += amount
            self._state.note(owner, FlowKind.TRANSFER, amount, now_ms, coin=coin, symbol="")
            self._state.tell_wallet(owner, coin, now_ms)

    def set_position_mode(self, account: str, mode: PositionMode) -> None:
        """Switch between one-way and hedge mode.

        Raises:
            RefusedError: positions or orders are open, and the mode would change; nothing changed.
        """
        owner = self._state.accounts[account]
        if owner.mode is mode:
            return
        if owner.open or owner.plans or any(owner.held_positions()):
            raise RefusedError(Refusal.POSITION_MODE_IN_USE)
        owner.mode = mode
        owner.positions.clear()

    def set_leverage(self, account: str, symbol: str, leverage: int, margin_mode: MarginMode) -> Setting:
        """Set what the next opening orders of a contract use.

        Raises:
            RefusedError: the contract has no such leverage, or a position or an order of another setting is open.
        """
        contract = self._state.tradable(symbol)
        owner = self._state.accounts[account]
        setting = Setting(leverage, margin_mode)
        check_setting(owner, contract, setting)
        owner.settings[symbol] = setting
        return setting

    # -------------------------------------------------------------------------------------------- orders

    def submit(self, new: NewOrder, now_ms: int) -> Order:
        """Take an order, match it, and let the rest wait if its mode does.

        Raises:
            RefusedError: it was not taken; nothing changed.
        """
        with localcontext(EXACT):
            return self._matching.submit(new, now_ms)

    def amend(
        self,
        account: str,
        order_id: str,
        now_ms: int,
        *,
        price: Decimal | None = None,
        size: Decimal | None = None,
    ) -> Order:
        """Change price or size (of the whole order) of a resting one; return it, perhaps under a new id (Rules).

        Raises:
            RefusedError: no such order, or it has ended, or the new terms are not to be had; nothing changed.
        """
        with localcontext(EXACT):
            return self._matching.amend(self._live(account, order_id), price, size, now_ms)

    def cancel(self, account: str, order_id: str, now_ms: int, source: CancelSource = CancelSource.USER) -> Order:
        """Take a live order off the book and free what it held.

        Raises:
            RefusedError: no such order of this account, or it has ended; nothing changed.
        """
        order = self._live(account, order_id)
        with localcontext(EXACT):
            end(self._state, order, source, now_ms)
        return order

    def cancel_all(
        self, account: str, symbol: str, now_ms: int, source: CancelSource = CancelSource.USER
    ) -> tuple[Order, ...]:
        """Cancel every live order of a contract; return them. A cancel without an id means this (PROTOCOL 9.4)."""
        orders = tuple(self._state.accounts[account].live_orders(symbol))
        with localcontext(EXACT):
            for order in orders:
                end(self._state, order, source, now_ms)
        return orders

    # -------------------------------------------------------------------------------------------- how

    def _live(self, account: str, order_id: str) -> Order:
        order = self._state.accounts[account].order(order_id)
        if order is None:
            raise RefusedError(Refusal.ORDER_UNKNOWN)
        if not order.live:
            filled = order.state is OrderState.FILLED
            raise RefusedError(Refusal.ORDER_FILLED if filled else Refusal.ORDER_CANCELED)
        return order

    def _carried(self, order: Order, fill: Fill) -> None:
        """A fill of an order with a preset."""
