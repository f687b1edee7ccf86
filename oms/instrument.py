"""The grid one market trades on; the only place a Price or a Quantity is born."""

from decimal import Decimal, Inexact, InvalidOperation
from typing import Final

from msgspec import Struct

from oms.errors import BelowMinimumError, InvalidOrderError, OffGridError, UnknownSymbolError
from oms.values import EXACT, ZERO, AccountId, Currency, Price, Quantity, Symbol, Wallet, plain, worth

MAGNITUDE: Final = 40  # digits; keeps 1e999999 from costing memory or a trap further in


def unknown_market(symbol: Symbol, account: AccountId) -> UnknownSymbolError:
    """Return the refusal of a market that an account does not have; an inverse one is said to be that."""
    pair, _, settle = symbol.partition(":")
    if settle and settle.partition("-")[0] != pair.partition("/")[2]:
        return UnknownSymbolError(
            f"{symbol[:64]} is an inverse contract, settled in {settle[:16]} and not in its quote coin: only linear"
            " ones are traded here",
            next_step=f"trade the linear one, such as {pair.partition('/')[0][:16]}/USDT:USDT",
        )
    return UnknownSymbolError(f"no market {symbol[:64]} on account {account}")


class Bracket(Struct, frozen=True, kw_only=True):
    """One tier of a perpetual: a position worth more than `floor` (quote units), up to `cap` included, is to be backed
    by its worth x `maintenance_rate` - `deduction` at least.
    """

    floor: Decimal
    cap: Decimal
    maintenance_rate: Decimal
    deduction: Decimal


class Instrument(Struct, frozen=True, kw_only=True):
    """One market. Steps and minimums are exact; `price_step` and `notional_min` in quote units, quantities in the
    market's unit: base on spot, contracts on perpetuals, each worth `contract_size` of base.
    """

    symbol: Symbol
    venue_symbol: str
    base: Currency
    quote: Currency
    price_step: Decimal  # FIX 969
    quantity_step: Decimal
    quantity_min: Decimal
    notional_min: Decimal  # price x quantity at least
    maker_fee: Decimal  # fraction of the notional; negative is a rebate
    taker_fee: Decimal
    tradable: bool = True
    wallet: Wallet = Wallet.SPOT  # which purse pays
    settle: Currency | None = None  # perpetuals: the coin of margin and profit
    contract_size: Decimal = Decimal(1)  # FIX 231
    quantity_max: Decimal | None = None
    leverage_max: Decimal | None = None
    brackets: tuple[Bracket, ...] = ()  # perpetuals, the lowest first; none: nobody has told them

    def maintenance(self, notional: Decimal) -> Decimal | None:
        """Return the margin below which a position worth `notional` is taken over; None where no tier says it."""
        for tier in self.brackets:
            if notional <= tier.cap:
                return EXACT.subtract(EXACT.multiply(notional, tier.maintenance_rate), tier.deduction)
        return None

    def dust(self, quantity: Decimal, price: Decimal | None) -> bool:
        """Whether a position (signed) is too small for any order to close: below the least quantity or, at `price`,
        below the least worth (S50). None: no price is known, and the quantity alone decides.
        """
        size = abs(quantity)
        sellable = EXACT.subtract(size, EXACT.remainder(size, self.quantity_step))
        if not size or not sellable or sellable < self.quantity_min:
            return bool(size)
        return price is not None and worth(sellable, price, self.contract_size) < self.notional_min

    def price(self, value: Decimal) -> Price:
        """Return `value` as a price.

        Raises:
            OffGridError: no step lands on it.
            InvalidOrderError: it is not a positive, finite number.
        """
        return Price(self._on_grid("price", value, self.price_step))

    def quantity(self, value: Decimal) -> Quantity:
        """Return `value` as a quantity.

        Raises:
            OffGridError: no step lands on it.
            BelowMinimumError: it is smaller than the market takes; nothing is rounded to a whole contract.
            InvalidOrderError: it is not a positive, finite number, or more than the market takes at once.
        """
        if self.wallet is Wallet.FUTURES and ZERO < value < self.quantity_step:
            raise BelowMinimumError(
                f"{self.symbol} quantity {plain(value)[:60]} is below one contract: a contract is"
                f" {plain(self.contract_size)} {self.base}, and quantities are in contracts"
            )
        on_grid = self._on_grid("quantity", value, self.quantity_step)
        if on_grid < self.quantity_min:
            raise BelowMinimumError(
                f"{self.symbol} quantity {plain(value)} is below the minimum of {plain(self.quantity_min)}"
            )
        if self.quantity_max is not None and on_grid > self.quantity_max:
            raise InvalidOrderError(
                f"{self.symbol} quantity {plain(value)} is above the maximum of {plain(self.quantity_max)}"
            )
        return Quantity(on_grid)

    def notional(self, value: Decimal) -> Decimal:
        """Return `value` (quote units) as an order's worth.

        Raises:
            BelowMinimumError: it is smaller than the market takes.
            InvalidOrderError: it is not a positive, finite number.
        """
        self._positive("notional", value)
        if value < self.notional_min:
            raise BelowMinimumError(
                f"{self.symbol} notional {plain(value)} is below the minimum of {plain(self.notional_min)}"
            )
        return value

    def _positive(self, what: str, value: Decimal) -> None:
        if not value.is_finite():
            raise InvalidOrderError(f"{self.symbol} {what} {value} is not a number")
        if value <= ZERO:
            raise InvalidOrderError(f"{self.symbol} {what} {value} is not positive")
        if not -MAGNITUDE <= value.adjusted() <= MAGNITUDE:
            raise InvalidOrderError(f"{self.symbol} {what} {value:.6e} is beyond what any market trades")

    def _on_grid(self, what: str, value: Decimal, step: Decimal) -> Decimal:
        self._positive(what, value)
        try:
            off = EXACT.remainder(value, step) != ZERO
        except (Inexact, InvalidOperation):  # more digits than money has
            off = True
        if off:
            raise OffGridError(f"{self.symbol} {what} {plain(value)[:60]} is off the grid of {plain(step)}")
        return value
