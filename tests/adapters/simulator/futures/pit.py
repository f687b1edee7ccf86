"""How the tests reach the simulated perpetual exchange: a short contract, three accounts, and a word for each order."""

from decimal import Decimal
from typing import Any

from msgspec import structs

from adapters.simulator.exchange.futures.accounts import Account
from adapters.simulator.exchange.futures.contracts import Contract, brackets
from adapters.simulator.exchange.futures.events import Event, OrderChanged, Printed
from adapters.simulator.exchange.futures.exchange import FuturesExchange
from adapters.simulator.exchange.futures.orders import (
    Mode,
    NewOrder,
    Order,
    OrderType,
    PositionMode,
    Refusal,
    RefusedError,
    SelfTrade,
)
from adapters.simulator.exchange.futures.state import Rules
from oms.values import PositionLeg, Side

NOW = 1_795_392_000_000  # 00:00 UTC
SYMBOL = "BTCUSDT"
CONTRACT = Contract(
    symbol=SYMBOL,
    base="BTC",
    quote="USDT",
    margin_coin="USDT",
    contract_size=Decimal("0.1"),
    price_step=Decimal("0.5"),
    size_min=Decimal(1),
    size_max=Decimal(10_000),
    market_size_max=Decimal(5_000),
    brackets=brackets((50, 10_000, "0.01"), (20, 50_000, "0.025"), (5, 10**9, "0.1")),
    opening=Decimal(100),
)
OTHER = structs.replace(CONTRACT, symbol="ETHUSDT", base="ETH", contract_size=Decimal("0.3"), price_step=Decimal("0.2"))
CODES = {1: (Side.BUY, False), 2: (Side.BUY, True), 3: (Side.SELL, True), 4: (Side.SELL, False)}
WHO = ("ann", "bob", "cyd", "dan")


class Pit:
    """An exchange with accounts ann, bob, cyd and dan, each with 10 000 USDT, and everything it said."""

    def __init__(self, mode: PositionMode = PositionMode.HEDGE, **rules: Any) -> None:
        self.now = NOW
        self.events: list[Event] = []
        fund = rules.pop("insurance", Decimal(100_000))
        portion = rules.pop("portion", None)
        self.exchange = FuturesExchange(
            [CONTRACT, OTHER], self.events.append, rules=Rules(**rules), portion=portion, insurance={"USDT": fund}
        )
        for name in WHO:
            self.exchange.open_account(name, {"USDT": Decimal(10_000)})
            self.exchange.set_position_mode(name, mode)

    def place(self, text: str, **more: Any) -> Order:
        """Place ``ann 1 5 @ 100``: account, BitMart's side code, contracts, price; without one, a market order.

        A word before the price is the mode: ``ann 1 5 ioc @ 100``.
        """
        words = text.split()
        side, reduce_only = CODES[int(words[1])]
        priced = "@" in words
        mode = Mode(words[3]) if len(words) > 3 and words[3] != "@" else Mode.GTC
        new = NewOrder(
            account=words[0],
            symbol=more.pop("symbol", SYMBOL),
            side=side,
            reduce_only=reduce_only,
            type=OrderType.LIMIT if priced else OrderType.MARKET,
            mode=mode,
            size=Decimal(words[2]),
            price=Decimal(words[-1]) if priced else None,
            stp=SelfTrade(more.pop("stp", "cancel_maker")),
            **more,
        )
        return self.exchange.submit(new, self.now)

    def refusal(self, text: str, **more: Any) -> Refusal | None:
        try:
            self.place(text, **more)
        except RefusedError as refused:
            return refused.reason
        return None

    def pass_by(self, milliseconds: int) -> None:
        self.now += milliseconds
        self.exchange.step(self.now)

    def print_at(self, price: int) -> None:
        """Have two strangers trade one contract at `price`, whatever stands in the book: the last price is there."""
        state = self.exchange._state
        state.print(
            Printed(
                trade_id=state.next_id(self.now),
                symbol=SYMBOL,
                price=Decimal(price),
                size=Decimal(1),
                side=Side.BUY,
                at_ms=self.now,
            )
        )
        self.pass_by(0)

    def account(self, name: str) -> Account:
        return self.exchange.accounts[name]

    def held(self, name: str) -> str:
        """What an account holds: ``long 5, short 3``, ``net -2``, or ``flat``."""
        positions = sorted(self.account(name).held_positions(), key=lambda one: one.leg.value)
        return (
            ", ".join(
                f"{one.leg.value} {one.signed_size if one.leg is PositionLeg.NET else one.size}" for one in positions
            )
            or "flat"
        )

    def wallet(self, name: str) -> tuple[Decimal, Decimal, Decimal]:
        wallet = self.account(name).wallet("USDT")
        return wallet.available, wallet.frozen, wallet.deposit

    def actions(self, name: str) -> list[str]:
        """What was told of an account's orders."""
        return [
            f"{one.action.name} {one.order.state.value}"
            for one in self.events
            if isinstance(one, OrderChanged) and one.order.account == name
        ]
