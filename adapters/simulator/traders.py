"""The other people in the market: makers that quote around a wandering price, takers that hit them.

Deterministic for a seed and the times of the steps.
"""

from decimal import Decimal
from typing import Final

from adapters.simulator.chance import Chance
from adapters.simulator.exchange.matching import Exchange
from adapters.simulator.exchange.orders import Market, NewOrder, OrderType
from adapters.simulator.street import BASIS, FUNDS, MAKERS, TAKERS, Street, withdraw
from oms.values import EXACT, ZERO, Side

QUOTE_MS: Final = 500
TAKE_MS: Final = (100, 700)  # between two takers of one market
LEVELS: Final = 12  # per side
WANDER: Final = 1.0  # basis points per quote, one standard deviation
PULL: Final = 0.05  # the share of the way back to the anchor per quote
QUOTE_WORTH: Final = (200, 4_000)  # quote units per level
TAKE_WORTH: Final = (50, 12_000)  # per taker: up to three levels


class _Street(Street, kw_only=True):
    market: Market
    anchor: int = 0


class Traders:
    """All background trading of one exchange. `active` off, only `move` trades."""

    def __init__(self, exchange: Exchange, chance: Chance, *, active: bool = True) -> None:
        self.active = active
        self._exchange = exchange
        self._chance = chance
        markets = exchange.markets.values()
        funds = {coin: FUNDS for market in markets for coin in (market.base, market.quote)}
        for name in (MAKERS, TAKERS):
            exchange.open_account(name, funds, maker_fee=ZERO, taker_fee=ZERO, watched=False)
        self._streets = {market.symbol: _street(market) for market in markets}

    def step(self, elapsed_ms: int, now_ms: int) -> None:
        """Do what is due. `elapsed_ms` is a time that never steps and paces them; `now_ms` the venue's, for stamps."""
        if not self.active:
            return
        for street in self._streets.values():
            if street.quoted_ms is None:
                self._print(street, now_ms)
                street.take_at_ms = elapsed_ms + TAKE_MS[0]
            if street.quoted_ms is None or elapsed_ms - street.quoted_ms >= QUOTE_MS:
                street.quoted_ms = elapsed_ms
                self._wander(street)
                self._quote(street, now_ms)
            if elapsed_ms >= street.take_at_ms:
                street.take_at_ms = elapsed_ms + self._chance.randint(*TAKE_MS)
                self._take(street, now_ms)

    def move(self, symbol: str, price: Decimal, now_ms: int) -> None:
        """Bring a market to `price` through its book: everyone in the way trades, and the last trade is at `price`.

        Raises:
            ValueError: no such market, or a price that is not on its grid.
        """
        street = self._streets.get(symbol)
        if street is None:
            raise ValueError(f"no market is called {symbol!r}")
        if not (price.is_finite() and ZERO < price < FUNDS) or EXACT.remainder(price, street.step):
            raise ValueError(f"price {price} is not on the grid of {street.step}")
        withdraw(self._exchange, street, now_ms)
        street.anchor = street.mid = street.steps(price)
        book = self._exchange.book(symbol)
        for side in (Side.BUY, Side.SELL):
            while book.crosses(side, price) and (best := book.against(side).best()) is not None:
                self._hit(street, side, max(best.leaves, _size(street.market, price, 0)), price, now_ms)
        self._print(street, now_ms)
        if self.active:
            self._quote(street, now_ms)

    def mid(self, base: str, quote: str) -> Decimal | None:
        """Return where the makers see the market of two coins; None when there is no such market."""
        street = self._streets.get(f"{base}_{quote}")
        return None if street is None else street.middle

    # -------------------------------------------------------------------------------------------- how

    def _wander(self, street: _Street) -> None:
        stride = self._chance.gauss(0.0, WANDER) * street.mid / BASIS
        street.mid = max(street.mid + round(stride + (street.anchor - street.mid) * PULL), LEVELS * 2)

    def _quote(self, street: _Street, now_ms: int) -> None:
        """Replace all quotes by new ones around the middle price."""
        withdraw(self._exchange, street, now_ms)
        for side, price in street.ladder(LEVELS):
            size = _size(street.market, price, self._chance.randint(*QUOTE_WORTH))
            self._rest(street, side, size, price, now_ms)

    def _take(self, street: _Street, now_ms: int) -> None:
        side = Side.BUY if self._chance.randint(0, 1) else Side.SELL
        best = self._exchange.book(street.market.symbol).against(side).best()
        if best is None:
            return
        size = _size(street.market, best.price, self._chance.randint(*TAKE_WORTH))
        self._hit(street, side, size, street.reach(side, best.price), now_ms)

    def _print(self, street: _Street, now_ms: int) -> None:
        """Trade the least there is at the middle price."""
        price = street.middle
        size = _size(street.market, price, 0)
        self._rest(street, Side.SELL, size, price, now_ms)
        self._hit(street, Side.BUY, size, price, now_ms)

    def _rest(self, street: _Street, side: Side, size: Decimal, price: Decimal, now_ms: int) -> None:
        """Leave a quote, which trades at once with whoever it crosses."""
        symbol = street.market.symbol
        new = NewOrder(account=MAKERS, symbol=symbol, side=side, type=OrderType.LIMIT, size=size, price=price)
        street.quotes.append(self._exchange.submit(new, now_ms).order_id)

    def _hit(self, street: _Street, side: Side, size: Decimal, price: Decimal, now_ms: int) -> None:
        """Take what there is up to `price`."""
        symbol = street.market.symbol
        new = NewOrder(account=TAKERS, symbol=symbol, side=side, type=OrderType.IOC, size=size, price=price)
        self._exchange.submit(new, now_ms)


def _street(market: Market) -> _Street:
    tick = Decimal(1).scaleb(-market.price_places)
    street = _Street(market=market, step=tick)
    street.anchor = street.mid = street.steps(market.opening)
    return street


def _size(market: Market, price: Decimal, worth: int) -> Decimal:
    """Return a size on the grid that is worth about `worth` quote units, and at least the market's minimum."""
    wanted = max(Decimal(worth), market.notional_min)
    steps = EXACT.divide_int(wanted, EXACT.multiply(price, market.size_step)) + 1
    return max(EXACT.multiply(steps, market.size_step), market.size_min)
