"""What the exchange keeps of one account: coins, positions, orders, plans, and as much of the past as memory holds."""

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from adapters.simulator.exchange.futures.orders import Fill, MarginMode, Order, PositionMode
from adapters.simulator.exchange.futures.plans import Plan
from adapters.simulator.exchange.futures.positions import Position
from adapters.simulator.exchange.owner import Owner, Terms
from oms.values import ZERO, PositionLeg, Side

DEFAULT_LEVERAGE: Final = 10


class Wallet(Struct):
    """One margin coin. `frozen` is held by orders, `deposit` by positions.

    `available` may fall below zero when a cross loss is realised that orders and positions elsewhere still hold; then
    nothing more can be opened.
    """

    available: Decimal = ZERO
    frozen: Decimal = ZERO
    deposit: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.available + self.frozen + self.deposit


class FlowKind(StrEnum):
    """Why money moved (PROTOCOL 6.6, transaction-history)."""

    TRANSFER = "transfer"
    REALISED = "realised"
    FUNDING = "funding"
    COMMISSION = "commission"
    LIQUIDATION = "liquidation"  # what a liquidation left over, to the insurance fund; positive: the fund paid


class Flow(Struct, frozen=True, kw_only=True):
    """One line of the transaction history; `amount` is what the account has more."""

    tran_id: str
    account: str
    symbol: str  # "" of a transfer
    kind: FlowKind
    amount: Decimal
    coin: str
    at_ms: int


class Setting(Struct, frozen=True):
    """What counts for the next opening order of a contract."""

    leverage: int = DEFAULT_LEVERAGE
    margin_mode: MarginMode = MarginMode.CROSS


class Account(Owner[Order, Fill]):
    """One account, its coins, positions and plans. An unwatched one also has no limit but its coins, and is never
    liquidated.
    """

    def __init__(self, name: str, terms: Terms) -> None:
        super().__init__(name, terms)
        self.mode = PositionMode.HEDGE
        self.settings: dict[str, Setting] = {}
        self.wallets: dict[str, Wallet] = {}
        self.positions: dict[tuple[str, PositionLeg], Position] = {}
        self.plans: dict[str, Plan] = {}
        self.past_plans: dict[str, Plan] = {}
        self.flows: deque[Flow] = deque(maxlen=terms.history_max)

    # -------------------------------------------------------------------------------------------- looking

    def wallet(self, coin: str) -> Wallet:
        wallet = self.wallets.get(coin)
        if wallet is None:
            wallet = self.wallets[coin] = Wallet()
        return wallet

    def setting(self, symbol: str) -> Setting:
        return self.settings.get(symbol, Setting())

    def leg(self, side: Side, *, reduce_only: bool) -> PositionLeg:
        """Return the leg that such an order is about: the four side codes of PROTOCOL 6.0."""
        if self.mode is PositionMode.ONE_WAY:
            return PositionLeg.NET
        return PositionLeg.LONG if (side is Side.BUY) is not reduce_only else PositionLeg.SHORT

    def position(self, symbol: str, leg: PositionLeg) -> Position | None:
        """Return the position, flat or not; None when the leg never traded since the mode was set."""
        return self.positions.get((symbol, leg))

    def use(self, symbol: str, setting: Setting) -> None:
        """Have the next opening orders of a contract use `setting`: flat legs show it; what is held has it already."""
        self.settings[symbol] = setting
        for position in self.positions.values():
            if position.symbol == symbol and not position.size:
                position.leverage, position.margin_mode = setting.leverage, setting.margin_mode

    def held_positions(self, symbol: str | None = None) -> Iterator[Position]:
        """Yield what is not flat, of one contract or of all."""
        for position in self.positions.values():
            if position.size and (symbol is None or position.symbol == symbol):
                yield position

    def live_orders(self, symbol: str) -> Iterator[Order]:
        for order in self.open.values():
            if order.symbol == symbol:
                yield order

    def plan(self, plan_id: str) -> Plan | None:
        return self.plans.get(plan_id) or self.past_plans.get(plan_id)

    def plan_by_client_id(self, client_order_id: str) -> Plan | None:
        plan_id = self._ids.get(client_order_id)
        return None if plan_id is None else self.plan(plan_id)

    def promised(self, symbol: str, side: Side, leg: PositionLeg) -> Decimal:
        """Return how many contracts of the leg wait in reduce-only orders of `side`."""
        return sum((one.leaves for one in self.closing_orders(symbol, side, leg)), ZERO)

    def closing_orders(self, symbol: str, side: Side, leg: PositionLeg) -> list[Order]:
        """Return the live reduce-only orders of the leg, oldest first."""
        return [one for one in self.live_orders(symbol) if one.reduce_only and one.side is side and one.leg is leg]

    # -------------------------------------------------------------------------------------------- noting

    def planned(self, plan: Plan) -> None:
        self.plans[plan.plan_id] = plan
        if plan.client_order_id:
            self._ids[plan.client_order_id] = plan.plan_id

    def plan_ended(self, plan: Plan) -> None:
        del self.plans[plan.plan_id]
        self.past_plans[plan.plan_id] = plan
        if len(self.past_plans) > self._history_max:
            del self.past_plans[next(iter(self.past_plans))]
