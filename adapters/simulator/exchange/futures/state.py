"""What the parts of the perpetual exchange share: accounts, books, prices, pools of money, ids, and the way out."""

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from decimal import Decimal
from typing import Final

from msgspec import Struct

from adapters.simulator.exchange.book import Book
from adapters.simulator.exchange.futures.accounts import Account, Flow, FlowKind
from adapters.simulator.exchange.futures.contracts import Contract, Status
from adapters.simulator.exchange.futures.events import (
    Action,
    Event,
    OrderChanged,
    PositionChanged,
    Printed,
    WalletChanged,
)
from adapters.simulator.exchange.futures.orders import Fill, Order, Refusal, RefusedError
from adapters.simulator.exchange.futures.plans import Plan
from adapters.simulator.exchange.futures.positions import Position
from adapters.simulator.exchange.futures.prices import Prices
from oms.values import ZERO, PositionLeg, Side

IDS_PER_MS: Final = 1_000  # an id is a JSON number on this host's wire: 16 digits are below 2^53


class Rules(Struct):
    """What is not settled about the venue and can be switched, at any time."""

    duplicate_check: bool = True  # a client order id is refused the second time, for ever (40050)
    refuse_crossing_maker: bool = False  # else it is taken and canceled by the system, silently (PROTOCOL 13.3)
    amend_keeps_id: bool = True  # else an amended order goes on under a new id (PROTOCOL 13.7)
    settlement_by_order: bool = True  # a delisting shows as an order and a trade of the account; else as money only
    flat_ends_protection: bool = True  # take-profits and stop-losses end with their position; else they wait on
    funding_by_hours: bool = True  # else only when somebody settles it
    cancel_takes_plans: bool = False  # cancel-orders and the dead man's switch cover plans too (PROTOCOL 13.9)


class State:
    """The exchange's memory. Money is conserved: what one account loses others win, or the pools."""

    def __init__(
        self,
        contracts: Iterable[Contract],
        emit: Callable[[Event], None],
        rules: Rules,
        portion: Callable[[Decimal, Decimal], Decimal] | None,
    ) -> None:
        self.contracts: Mapping[str, Contract] = {contract.symbol: contract for contract in contracts}
        self.accounts: dict[str, Account] = {}
        self.books: dict[str, Book[Order]] = {symbol: Book() for symbol in self.contracts}
        self.status = dict.fromkeys(self.contracts, Status.TRADING)
        self.prices = {
            one.symbol: Prices(contract=one, last=one.opening, mark=one.opening) for one in self.contracts.values()
        }
        self.fees: dict[str, Decimal] = {}
        self.insurance: dict[str, Decimal] = {}
        self.rules = rules
        self.emit = emit
        self.portion = portion
        self.waiting: dict[str, dict[str, Plan]] = {symbol: {} for symbol in self.contracts}
        self.moved: dict[
            str, None
        ] = {}  # where a price moved, or money, since triggers and liquidations were looked at
        self._id = 0

    def tradable(self, symbol: str) -> Contract:
        """Return the contract, or raise RefusedError when it does not trade."""
        contract = self.contracts.get(symbol)
        if contract is None:
            raise RefusedError(Refusal.UNKNOWN_SYMBOL)
        if not contract.linear:
            raise RefusedError(Refusal.INVERSE_NOT_TRADED)
        if self.status[symbol] is Status.DELISTED:
            raise RefusedError(Refusal.CONTRACT_DELISTED)
        if self.status[symbol] is Status.PAUSED:
            raise RefusedError(Refusal.CONTRACT_PAUSED)
        return contract

    def touch(self, symbol: str) -> None:
        """Have the contract's triggers and positions looked at, at the end of the call."""
        self.moved[symbol] = None

    def next_id(self, now_ms: int) -> str:
        """Rising, and other than those of an exchange that ran here before, so that no log confuses the two."""
        self._id = max(self._id + 1, now_ms * IDS_PER_MS)
        return f"{self._id:016d}"

    def position(self, account: Account, symbol: str, leg: PositionLeg, side: Side) -> Position:
        """Return the leg's position; a flat one takes the account's setting and, a NET one, the side."""
        position = account.positions.get((symbol, leg))
        setting = account.setting(symbol)
        if position is None:
            direction = {PositionLeg.LONG: Side.BUY, PositionLeg.SHORT: Side.SELL, PositionLeg.NET: side}[leg]
            position = account.positions[symbol, leg] = Position(
                account=account.name,
                symbol=symbol,
                leg=leg,
                direction=direction,
                leverage=setting.leverage,
                margin_mode=setting.margin_mode,
            )
        elif not position.size:
            position.leverage, position.margin_mode = setting.leverage, setting.margin_mode
        return position

    # -------------------------------------------------------------------------------------------- money

    def pay(self, account: Account, kind: FlowKind, amount: Decimal, contract: Contract, now_ms: int) -> None:
        """Add `amount` (or take it) and write the line of the account's history; nothing for nothing."""
        if not amount:
            return
        account.wallet(contract.margin_coin).available += amount
        self.note(account, kind, amount, now_ms, coin=contract.margin_coin, symbol=contract.symbol)

    def note(self, account: Account, kind: FlowKind, amount: Decimal, now_ms: int, *, coin: str, symbol: str) -> None:
        """Write one line of the account's history."""
        if account.watched:
            account.flows.append(
                Flow(
                    tran_id=self.next_id(now_ms),
                    account=account.name,
                    symbol=symbol,
                    kind=kind,
                    amount=amount,
                    coin=coin,
                    at_ms=now_ms,
                )
            )

    def unrealised(self, account: Account, coin: str) -> Decimal:
        """Return what all positions of the coin would make at their marks."""
        return sum(
            (
                one.unrealised(self.contracts[one.symbol], self.prices[one.symbol].mark)
                for one in account.held_positions()
                if self.contracts[one.symbol].margin_coin == coin
            ),
            ZERO,
        )

    def spendable(self, account: Account, coin: str) -> Decimal:
        """Return what new margin may take: what is available, less what positions have lost by their marks."""
        available = account.wallet(coin).available
        if not account.watched:
            return available
        return available + min(self.unrealised(account, coin), ZERO)

    # -------------------------------------------------------------------------------------------- telling

    def print(self, trade: Printed) -> None:
        """Publish a trade; the last price follows it, and with it whatever waits for a price."""
        self.prices[trade.symbol].last = trade.price
        self.touch(trade.symbol)
        self.emit(trade)

    def tell(self, action: Action, order: Order, fill: Fill | None = None) -> None:
        if self.accounts[order.account].watched:
            self.emit(OrderChanged(action=action, order=copy(order), fill=fill))

    def tell_wallet(self, account: Account, coin: str, now_ms: int) -> None:
        if account.watched:
            wallet = account.wallet(coin)
            self.emit(
                WalletChanged(
                    account=account.name,
                    coin=coin,
                    available=wallet.available,
                    frozen=wallet.frozen,
                    deposit=wallet.deposit,
                    at_ms=now_ms,
                )
            )

    def tell_position(self, account: Account, position: Position, now_ms: int) -> None:
        if account.watched:
            closing = Side.SELL if position.direction is Side.BUY else Side.BUY
            promised = account.promised(position.symbol, closing, position.leg)
            self.emit(PositionChanged(position=copy(position), promised=promised, at_ms=now_ms))
