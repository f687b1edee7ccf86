"""The other people in the perpetual market: they quote around the spot price, so that index and spot stay together.

Deterministic for a seed and the times of the steps.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from adapters.simulator.chance import Chance
from adapters.simulator.exchange.futures.contracts import Contract
from adapters.simulator.exchange.futures.exchange import FuturesExchange
from adapters.simulator.exchange.futures.orders import MarginMode, Mode, NewOrder, PositionMode, RefusedError
from adapters.simulator.street import FUNDS, MAKERS, TAKERS, Street, withdraw
from oms.values import EXACT, ZERO, Side

QUOTE_MS: Final = 1_000
TAKE_MS: Final = (300, 1_500)  # between two takers of one contract
LEVELS: Final = 6  # per side
QUOTE_WORTH: Final = (500, 8_000)  # of the margin coin, per level
TAKE_WORTH: Final = (60, 12_000)

SpotPrice = Callable[[str, str], Decimal | None]  # (base, quote) -> where the spot market is, if there is one


class _Street(Street, kw_only=True):
    contract: Contract
    premium: int = 0  # how far from spot somebody moved it


class FuturesTraders:
    """All background trading of one perpetual exchange. `active` off, only `move` trades."""

    def __init__(self, exchange: FuturesExchange, chance: Chance, spot: SpotPrice, *, active: bool = True) -> None:
        self.active = active
        self._exchange = exchange
        self._chance = chance
        self._spot = spot
        contracts = [contract for contract in exchange.contracts.values() if contract.linear]
        funds = {contract.margin_coin: FUNDS for contract in contracts}
        for name in (MAKERS, TAKERS):
            exchange.open_account(name, funds, maker_fee=ZERO, taker_fee=ZERO, watched=False)
            exchange.set_position_mode(name, PositionMode.ONE_WAY)
            for contract in contracts:
                exchange.set_leverage(name, contract.symbol, 1, MarginMode.CROSS)
        self._streets = {one.symbol: _street(one) for one in contracts}

    def step(self, elapsed_ms: int, now_ms: int) -> None:
        """Do what is due. `elapsed_ms` is a time that never steps and paces them; `now_ms` the venue's, for stamps."""
        if not self.active:
            return
        for street in self._streets.values():
            try:
                self._step(street, elapsed_ms, now_ms)
            except RefusedError:  # the contract is paused or delisted
                street.quoted_ms = elapsed_ms

    def move(self, symbol: str, price: Decimal, now_ms: int) -> None:
        """Bring a contract to `price` through its book, and keep it that far from spot.

        Raises:
            ValueError: no such contract, it does not trade, or a price that is not on its grid.
        """
        street = self._streets.get(symbol)
        if street is None:
            raise ValueError(f"no contract that trades is called {symbol!r}")
        contract = street.contract
        if not (price.is_finite() and ZERO < price < FUNDS) or EXACT.remainder(price, contract.price_step):
            raise ValueError(f"price {price} is not on the grid of {contract.price_step}")
        try:
            self._move(street, price, now_ms)
        except RefusedError as refused:
            raise ValueError(f"{symbol} does not trade: {refused}") from refused

    # -------------------------------------------------------------------------------------------- how

    def _step(self, street: _Street, elapsed_ms: int, now_ms: int) -> None:
        if street.quoted_ms is None:
            self._follow(street)
            self._print(street, now_ms)
            street.take_at_ms = elapsed_ms + TAKE_MS[0]
        if street.quoted_ms is None or elapsed_ms - street.quoted_ms >= QUOTE_MS:
            street.quoted_ms = elapsed_ms
            self._follow(street)
            self._quote(street, now_ms)
        if elapsed_ms >= street.take_at_ms:
            street.take_at_ms = elapsed_ms + self._chance.randint(*TAKE_MS)
            self._take(street, now_ms)

    def _move(self, street: _Street, price: Decimal, now_ms: int) -> None:
        withdraw(self._exchange, street, now_ms)
        street.premium += street.steps(price) - self._follow(street)
        street.mid = street.steps(price)
        book = self._exchange.book(street.contract.symbol)
        for side in (Side.BUY, Side.SELL):
            while book.crosses(side, price) and (best := book.against(side).best()) is not None:
                self._hit(street, side, best.leaves, price, now_ms)
        if self.active:
            self._quote(street, now_ms)  # before the print: the plans that it fires find somebody to trade with
        self._print(street, now_ms)

    def _follow(self, street: _Street) -> int:
        """Stay with the spot market, or where the contract is if there is none; return where that is."""
        contract = street.contract
        spot = self._spot(contract.base, contract.quote)
        if spot is not None:
            street.mid = max(street.steps(spot) + street.premium, LEVELS * 2)
        return street.mid

    def _quote(self, street: _Street, now_ms: int) -> None:
        """Replace all quotes by new ones around the middle price."""
        withdraw(self._exchange, street, now_ms)
        for side, price in street.ladder(LEVELS):
            size = _size(street.contract, price, self._chance.randint(*QUOTE_WORTH))
            self._rest(street, side, size, price, now_ms)

    def _take(self, street: _Street, now_ms: int) -> None:
        side = Side.BUY if self._chance.randint(0, 1) else Side.SELL
        best = self._exchange.book(street.contract.symbol).against(side).best()
        if best is None:
            return
        size = _size(street.contract, best.price, self._chance.randint(*TAKE_WORTH))
        self._hit(street, side, size, street.reach(side, best.price), now_ms)

    def _print(self, street: _Street, now_ms: int) -> None:
        """Trade the least there is at the middle price."""
        price = street.middle
        self._rest(street, Side.SELL, street.contract.size_min, price, now_ms)
        self._hit(street, Side.BUY, street.contract.size_min, price, now_ms)

    def _rest(self, street: _Street, side: Side, size: Decimal, price: Decimal, now_ms: int) -> None:
        """Leave a quote, which trades at once with whoever it crosses."""
        new = NewOrder(account=MAKERS, symbol=street.contract.symbol, side=side, size=size, price=price)
        street.quotes.append(self._exchange.submit(new, now_ms).order_id)

    def _hit(self, street: _Street, side: Side, size: Decimal, price: Decimal, now_ms: int) -> None:
        """Take what there is up to `price`."""
        symbol = street.contract.symbol
        new = NewOrder(account=TAKERS, symbol=symbol, side=side, mode=Mode.IOC, size=size, price=price)
        self._exchange.submit(new, now_ms)


def _street(contract: Contract) -> _Street:
    street = _Street(contract=contract, step=contract.price_step)
    street.mid = street.steps(contract.opening)
    return street


def _size(contract: Contract, price: Decimal, worth: int) -> Decimal:
    """Return a number of contracts that is worth about `worth` of the margin coin, and at least one."""
    return max(EXACT.divide_int(Decimal(worth), contract.value(Decimal(1), price)), contract.size_min)
