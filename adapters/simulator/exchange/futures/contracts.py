"""The contracts: their grid, their tiers of margin (PROTOCOL 6.1, 6.2, 6.8), and those that trade here."""

from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from oms.values import EXACT


class Status(StrEnum):
    """Whether a contract trades."""

    TRADING = "trading"
    PAUSED = "paused"
    DELISTED = "delisted"


class Bracket(Struct, frozen=True, kw_only=True):
    """One tier, up to `cap` (included) of notional: maintenance = notional x `maintenance` - `cum`."""

    leverage: int  # the most of this tier
    floor: Decimal
    cap: Decimal
    maintenance: Decimal
    cum: Decimal


def brackets(*tiers: tuple[int, int, str]) -> tuple[Bracket, ...]:
    """Return brackets from (leverage, cap, maintenance ratio); `cum` follows: margin never jumps at a border."""
    made: list[Bracket] = []
    floor, cum, before = Decimal(0), Decimal(0), Decimal(tiers[0][2])
    for leverage, cap, text in tiers:
        ratio = Decimal(text)
        cum += floor * (ratio - before)
        made.append(Bracket(leverage=leverage, floor=floor, cap=Decimal(cap), maintenance=ratio, cum=cum))
        floor, before = Decimal(cap), ratio
    return tuple(made)


class Contract(Struct, frozen=True, kw_only=True):
    """One perpetual. Sizes are whole contracts; a linear one is worth `contract_size` base coins."""

    symbol: str
    base: str
    quote: str
    margin_coin: str
    contract_size: Decimal
    price_step: Decimal
    size_min: Decimal
    size_max: Decimal
    market_size_max: Decimal
    brackets: tuple[Bracket, ...]
    opening: Decimal  # where the mark begins, and the background traders to quote
    opened_ms: int = 1_594_080_000_000
    leverage_min: int = 1
    funding_hours: int = 8
    linear: bool = True

    @property
    def leverage_max(self) -> int:
        return self.brackets[0].leverage

    def value(self, size: Decimal, price: Decimal) -> Decimal:
        """Return what `size` contracts are worth at `price`, in the margin coin."""
        return EXACT.multiply(EXACT.multiply(size, self.contract_size), price)

    def bracket(self, notional: Decimal) -> Bracket:
        """Return the tier of `notional`; the last one has no end."""
        for one in self.brackets:
            if notional <= one.cap:
                return one
        return self.brackets[-1]

    def maintenance(self, notional: Decimal) -> Decimal:
        """Return the margin below which a position of `notional` (at entry, PROTOCOL 6.8) is taken over."""
        tier = self.bracket(notional)
        return EXACT.subtract(EXACT.multiply(notional, tier.maintenance), tier.cum)

    def notional_max(self, leverage: int) -> Decimal:
        """Return the largest notional that may be held at `leverage`; zero above the highest leverage."""
        return max((one.cap for one in self.brackets if one.leverage >= leverage), default=Decimal(0))


_TIERS: Final = (  # above the first, alike for both linear ones
    (50, 250_000, "0.01"),
    (20, 1_000_000, "0.025"),
    (10, 5_000_000, "0.05"),
    (5, 20_000_000, "0.1"),
    (2, 100_000_000, "0.25"),
    (1, 10**12, "0.5"),
)
CONTRACTS: Final = (
    Contract(
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        margin_coin="USDT",
        contract_size=Decimal("0.001"),
        price_step=Decimal("0.1"),
        size_min=Decimal(1),
        size_max=Decimal(1_000_000),
        market_size_max=Decimal(50_000),
        brackets=brackets((100, 50_000, "0.005"), *_TIERS),
        opening=Decimal(60_000),
    ),
    Contract(
        symbol="ETHUSDT",
        base="ETH",
        quote="USDT",
        margin_coin="USDT",
        contract_size=Decimal("0.01"),
        price_step=Decimal("0.01"),
        size_min=Decimal(1),
        size_max=Decimal(1_000_000),
        market_size_max=Decimal(50_000),
        brackets=brackets((75, 50_000, "0.0065"), *_TIERS),
        opening=Decimal(3_000),
    ),
    Contract(
        symbol="BTCUSD",
        base="BTC",
        quote="USD",
        margin_coin="BTC",
        contract_size=Decimal(100),  # USD, not coins: it is inverse, listed and not traded here
        price_step=Decimal("0.1"),
        size_min=Decimal(1),
        size_max=Decimal(1_000_000),
        market_size_max=Decimal(50_000),
        brackets=brackets((50, 10**12, "0.01")),
        opening=Decimal(60_000),
        linear=False,
    ),
)
