"""The perpetual exchange: accounts, orders, positions and money on margin, and what the venue does to them.

Pure in the sense of the simulation: time comes in with each call, ids are counted from it, and the only way out is the
`emit` that was given. Money is conserved: what one account loses others win, or `fees` or `insurance`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal, localcontext
from typing import Final

from adapters.simulator.exchange.book import Book
from adapters.simulator.exchange.futures.accounts import Account, FlowKind, Setting, Wallet
from adapters.simulator.exchange.futures.admission import check_setting
from adapters.simulator.exchange.futures.booking import end
from adapters.simulator.exchange.futures.busts import Busts
from adapters.simulator.exchange.futures.contracts import Contract, Status
from adapters.simulator.exchange.futures.ending import delist
from adapters.simulator.exchange.futures.events import Event
from adapters.simulator.exchange.futures.funding import check_rate, settle_due
from adapters.simulator.exchange.futures.funding import settle as settle_funding
from adapters.simulator.exchange.futures.liquidation import Liquidation
from adapters.simulator.exchange.futures.matching import Matching
from adapters.simulator.exchange.futures.money import reasonable
from adapters.simulator.exchange.futures.orders import (
    CancelSource,
    MarginMode,
    NewOrder,
    Order,
    OrderState,
    OrderType,
    PlanKind,
    PositionMode,
    Preset,
    PriceType,
    Refusal,
    RefusedError,
)
from adapters.simulator.exchange.futures.plans import NewPlan, Plan, PlanState
from adapters.simulator.exchange.futures.positions import Position
from adapters.simulator.exchange.futures.prices import Prices
from adapters.simulator.exchange.futures.state import Rules, State
from adapters.simulator.exchange.futures.switches import Switches
from adapters.simulator.exchange.futures.triggers import Triggers
from adapters.simulator.exchange.futures.waiting import add_plan, end_plan
from adapters.simulator.exchange.owner import HISTORY_MAX, Terms
from oms.values import EXACT, ZERO, PositionLeg, Side

DEFAULT_MAKER_FEE: Final = Decimal("0.0002")
DEFAULT_TAKER_FEE: Final = Decimal("0.0006")  # both as sampled in PROTOCOL 6.7
INSURANCE: Final[Mapping[str, Decimal]] = {"USDT": Decimal(100_000)}
DRIFT_MS: Final = 1_000  # how often marks are worked out where nothing trades: funding to come moves them slowly
ROUNDS_MAX: Final = 100  # of triggers and liquidations that one call may bring about; the next call goes on


class FuturesExchange:
    """All contracts and accounts of the simulated perpetual venue.

    Args:
        contracts: what is listed here.
        emit: is called with every event, in the order in which things happened.
        rules: see Rules.
        portion: may cut the size of the next match smaller, to split fills; gets (size, 1), returns a whole number
            that is positive and not above the size.
        insurance: what the insurance fund begins with, by coin.
    """

    def __init__(
        self,
        contracts: Iterable[Contract],
        emit: Callable[[Event], None],
        *,
        rules: Rules | None = None,
        portion: Callable[[Decimal, Decimal], Decimal] | None = None,
        insurance: Mapping[str, Decimal] = INSURANCE,
    ) -> None:
        self._state = State(contracts, emit, rules or Rules(), portion)
        self._state.insurance.update(insurance)
        self._matching = Matching(self._state)
        self._triggers = Triggers(self._state, self._matching)
        self._liquidation = Liquidation(self._state, self._matching)
        self._switches = Switches()
        self.busts = Busts(self._state, self._matching)
        self._drifted = 0

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

    def open_interest(self, symbol: str) -> Decimal:
        """Return how many contracts are held: there is a short one for each long one."""
        positions = (one for account in self.accounts.values() for one in account.held_positions(symbol))
        return sum((one.size for one in positions if one.direction is Side.BUY), ZERO)

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
            if not (reasonable(amount) and amount >= ZERO):
                raise ValueError(f"deposit {amount} {coin} is not an amount")
        terms = Terms(maker_fee=maker_fee, taker_fee=taker_fee, watched=watched, history_max=history_max)
        account = Account(name, terms)
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

    def liquidation_price(self, position: Position) -> Decimal:
        """Return the mark at which the position would be taken over, all else as it is; zero when flat or never."""
        with localcontext(EXACT):
            return self._liquidation.price(position) if position.size else ZERO

    def transfer(self, account: str, coin: str, amount: Decimal, now_ms: int) -> None:
        """Bring coins in, or with a negative amount out.

        Raises:
            ValueError: the amount is no number, or an absurd one.
            RefusedError: so much is not to be had; nothing changed.
        """
        if not reasonable(amount):
            raise ValueError(f"{amount} {coin} is not an amount")
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
        owner.use(symbol, setting)
        return setting

    # -------------------------------------------------------------------------------------------- orders

    def submit(self, new: NewOrder, now_ms: int) -> Order:
        """Take an order, match it, and let the rest wait if its mode does.

        Raises:
            RefusedError: it was not taken; nothing changed.
        """
        with localcontext(EXACT):
            order = self._matching.submit(new, now_ms)
            self._follow(now_ms)
        return order

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
            order = self._matching.amend(self._live(account, order_id), price, size, now_ms)
            self._follow(now_ms)
        return order

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
        owner = self._state.accounts[account]
        orders = tuple(owner.live_orders(symbol))
        with localcontext(EXACT):
            for order in orders:
                end(self._state, order, source, now_ms)
        if self.rules.cancel_takes_plans:
            self.cancel_plans(account, symbol, now_ms)
        return orders

    def cancel_all_after(self, account: str, symbol: str, timeout_s: int, now_ms: int) -> int:
        """Arm the dead man's switch: without another call everything of the contract is canceled in `timeout_s`
        seconds. Zero disarms. Return when that is, in ms (zero: never).

        Raises:
            RefusedError: the time is too short, or the contract does not trade.
        """
        self._state.tradable(symbol)
        return self._switches.arm(account, symbol, timeout_s, now_ms)

    def close_all(
        self, account: str, now_ms: int, *, symbol: str | None = None, leg: PositionLeg | None = None
    ) -> tuple[Order, ...]:
        """Close positions (of one contract, of one leg, or all) at the market; orders that were to close them end.

        Return the orders that do it.
        """
        owner = self._state.accounts[account]
        held = [one for one in owner.held_positions(symbol) if leg is None or one.leg is leg]
        orders = []
        with localcontext(EXACT):
            for position in held:
                self._matching.trim(owner, position.symbol, position.leg, now_ms, spare=position.size)
                new = NewOrder(
                    account=account,
                    symbol=position.symbol,
                    side=Side.SELL if position.direction is Side.BUY else Side.BUY,
                    reduce_only=True,
                    type=OrderType.MARKET,
                    size=min(position.size, self.contracts[position.symbol].market_size_max),
                )
                orders.append(self._matching.submit(new, now_ms))
            self._follow(now_ms)
        return tuple(orders)

    # -------------------------------------------------------------------------------------------- plans

    def submit_plan(self, new: NewPlan, now_ms: int) -> Plan:
        """Take a plan, take-profit, stop-loss or trailing order; it may trigger at once.

        Raises:
            RefusedError: it was not taken; nothing changed.
        """
        with localcontext(EXACT):
            plan = self._triggers.submit(new, now_ms)
            self._follow(now_ms)
        return plan

    def put_plan_back(self, plan: Plan) -> None:
        """Let a plan of an exchange that ended wait on, as it is."""
        add_plan(self._state, plan)

    def amend_plan(
        self,
        account: str,
        plan_id: str,
        now_ms: int,
        *,
        trigger_price: Decimal | None = None,
        price: Decimal | None = None,
        price_type: PriceType | None = None,
    ) -> Plan:
        """Change what a waiting plan waits for (None: as it is), and the limit (None: market) of what it will become.

        Raises:
            RefusedError: no such plan, or it waits no more, or a price is off the grid; nothing changed.
        """
        plan = self._waiting(account, plan_id)
        with localcontext(EXACT):
            self._triggers.amend(
                plan,
                now_ms,
                trigger_price=plan.trigger_price if trigger_price is None else trigger_price,
                price=price,
                price_type=price_type or plan.price_type,
            )
            self._follow(now_ms)
        return plan

    def set_presets(
        self, account: str, order_id: str, now_ms: int, *, take_profit: Preset | None, stop_loss: Preset | None
    ) -> Order | Plan:
        """Set the take-profit and stop-loss that a live opening order or a waiting plan carries; return that.

        Raises:
            RefusedError: neither is there under the id, or it closes, or a price is off the grid; nothing changed.
        """
        owner = self._state.accounts[account]
        carrier = owner.plans.get(order_id) or self._live(account, order_id)
        with localcontext(EXACT):
            self._triggers.set_presets(carrier, take_profit, stop_loss, now_ms)
        return carrier

    def cancel_plan(self, account: str, plan_id: str, now_ms: int) -> Plan:
        """Let a plan wait no longer. Raises RefusedError when it does not wait."""
        plan = self._waiting(account, plan_id)
        end_plan(self._state, plan, PlanState.CANCELED, now_ms)
        return plan

    def cancel_plans(
        self, account: str, symbol: str, now_ms: int, kinds: Collection[PlanKind] = tuple(PlanKind)
    ) -> tuple[Plan, ...]:
        """Cancel every waiting plan of a contract, of some kinds or all; return them."""
        plans = [
            one for one in self._state.accounts[account].plans.values() if one.symbol == symbol and one.kind in kinds
        ]
        for plan in plans:
            end_plan(self._state, plan, PlanState.CANCELED, now_ms)
        return tuple(plans)

    # -------------------------------------------------------------------------------------------- the venue's side

    def step(self, now_ms: int) -> None:
        """Let time pass: dead men's switches, funding at its hour, marks that drift with it."""
        with localcontext(EXACT):
            for account, symbol in self._switches.due(now_ms):
                self.cancel_all(account, symbol, now_ms, CancelSource.SYSTEM)
            settle_due(self._state, now_ms)
            if now_ms // DRIFT_MS != self._drifted:
                self._drifted = now_ms // DRIFT_MS
                self._drift(now_ms)
            self._follow(now_ms)

    def set_index(self, symbol: str, price: Decimal | None, now_ms: int) -> None:
        """Pin the index price, or with None let it follow the last trade again. Raises ValueError for no price."""
        self._listed(symbol).pin_index(price)
        self._moved(symbol, now_ms)

    def set_mark(self, symbol: str, price: Decimal | None, now_ms: int) -> None:
        """Pin the mark price, or with None let it follow the index again. Raises ValueError for no price."""
        self._listed(symbol).pin_mark(price)
        self._moved(symbol, now_ms)

    def expect_funding(self, symbol: str, rate: Decimal, now_ms: int) -> None:
        """Set the rate of the coming settlements. Raises ValueError beyond the cap."""
        check_rate(rate)
        self._listed(symbol).expected_rate = rate
        self._moved(symbol, now_ms)

    def settle_funding(self, symbol: str, now_ms: int, rate: Decimal | None = None) -> None:
        """Settle funding now, at the expected rate or another one.

        Raises:
            ValueError: no such contract, or the rate is beyond the cap.
        """
        expected = self._listed(symbol).expected_rate
        with localcontext(EXACT):
            settle_funding(self._state, symbol, expected if rate is None else rate, now_ms)
            self._follow(now_ms)

    def liquidate(self, account: str, symbol: str, leg: PositionLeg, now_ms: int) -> None:
        """Take a position over, as if the mark had reached it; a cross one with all it stands and falls with. Raises
        RefusedError when nothing is held there.
        """
        position = self._held(account, symbol, leg)
        with localcontext(EXACT):
            self._liquidation.take_over(position, now_ms)
            self._follow(now_ms)

    def deleverage(self, account: str, symbol: str, leg: PositionLeg, now_ms: int) -> None:
        """Close a position at the mark against those that lose most on the other side, as if they were taken over.
        Raises RefusedError when nothing is held there.
        """
        position = self._held(account, symbol, leg)
        with localcontext(EXACT):
            self._liquidation.deleverage(position, now_ms)
            self._follow(now_ms)

    def set_status(self, symbol: str, status: Status, now_ms: int) -> None:
        """Pause a contract, let it trade again, or delist it: then everything of it ends and is settled at the mark.

        Raises:
            ValueError: no such contract, or it is delisted already.
        """
        self._listed(symbol)
        if self._state.status[symbol] is Status.DELISTED:
            raise ValueError(f"{symbol} is delisted")
        self._state.status[symbol] = status
        if status is Status.DELISTED:
            with localcontext(EXACT):
                delist(self._state, symbol, now_ms)
                self._follow(now_ms)

    def status(self, symbol: str) -> Status:
        return self._state.status[symbol]

    # -------------------------------------------------------------------------------------------- how

    def _listed(self, symbol: str) -> Prices:
        prices = self._state.prices.get(symbol)
        if prices is None:
            raise ValueError(f"no contract is called {symbol!r}")
        return prices

    def _moved(self, symbol: str, now_ms: int) -> None:
        with localcontext(EXACT):
            self._state.touch(symbol)
            self._follow(now_ms)

    def _drift(self, now_ms: int) -> None:
        """Bring every mark up to date with the time."""
        for symbol, prices in self._state.prices.items():
            if prices.refresh(now_ms):
                self._state.touch(symbol)

    def _follow(self, now_ms: int) -> None:
        """Do what follows from moved prices: triggers fire, positions are taken over, and prices move again."""
        for _ in range(ROUNDS_MAX):
            if not self._state.moved:
                return
            symbols, self._state.moved = self._state.moved, {}
            for symbol in symbols:
                self._state.prices[symbol].refresh(now_ms)
                self._triggers.fire(symbol, now_ms)
                self._liquidation.sweep(symbol, now_ms)

    def _live(self, account: str, order_id: str) -> Order:
        order = self._state.accounts[account].order(order_id)
        if order is None:
            raise RefusedError(Refusal.ORDER_UNKNOWN)
        if not order.live:
            filled = order.state is OrderState.FILLED
            raise RefusedError(Refusal.ORDER_FILLED if filled else Refusal.ORDER_CANCELED)
        return order

    def _held(self, account: str, symbol: str, leg: PositionLeg) -> Position:
        position = self._state.accounts[account].position(symbol, leg)
        if position is None or not position.size:
            raise RefusedError(Refusal.POSITION_MISSING)
        return position

    def _waiting(self, account: str, plan_id: str) -> Plan:
        plan = self._state.accounts[account].plan(plan_id)
        if plan is None:
            raise RefusedError(Refusal.PLAN_UNKNOWN)
        if not plan.live:
            raise RefusedError(Refusal.PLAN_ENDED)
        return plan
