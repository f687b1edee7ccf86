"""The words every part of the system shares: identifiers, sides, and money that never loses a digit."""

import re
from collections.abc import Mapping
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NewType

from msgspec import Struct

AccountId = NewType("AccountId", str)  # FIX 1: one account at one venue, named by its owner
StrategyId = NewType("StrategyId", str)  # who asked; a token is bound to one
ClientOrderId = NewType("ClientOrderId", str)  # FIX 11: ours, chosen before the order leaves
VenueOrderId = NewType("VenueOrderId", str)  # FIX 37: theirs, known after the ack
ExecId = NewType("ExecId", str)  # FIX 17: one per fill, the key that makes a fill idempotent
Symbol = NewType("Symbol", str)  # FIX 55: ours, venue-neutral: BTC/USDT, BTC/USDT:USDT
Currency = NewType("Currency", str)  # a coin's code, upper case
Purse = NewType("Purse", str)  # one coin in one wallet: ``USDT`` in the spot wallet, ``futures:USDT`` in the other
Price = NewType("Price", Decimal)  # FIX 44: quote currency per unit of base
Quantity = NewType("Quantity", Decimal)  # FIX 38: base units on spot, contracts on perpetuals

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
NO_AMOUNTS: Final[Mapping[Any, Decimal]] = MappingProxyType({})  # by currency or by purse

# Sums and products of money are exact or they fail loudly: Inexact is a trap, and 100 digits hold any product of
# two 30-digit figures (BitMart pushes carry up to 30 fractional digits) with room for a lifetime of sums.
EXACT: Final = Context(prec=100, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
# Quotients (an average price, the share of a cost) are rounded here and nowhere else, half-even to 40 digits.
RATIO: Final = Context(prec=40, traps=[InvalidOperation, DivisionByZero, Overflow])

CLIENT_ORDER_ID: Final = re.compile(
    r"[A-Za-z0-9]{1,32}"
)  # the narrowest any venue of ours accepts (BitMart 50037, 50038)

DIGITS_MAX: Final = 40  # no figure of a person's means more
LATEST_NS: Final = 2**63 - 1  # UTC, in April 2262: the read models hold no later time


class Side(StrEnum):
    """FIX 54."""

    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    """FIX 40."""

    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(StrEnum):
    """FIX 59."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"


class PositionLeg(StrEnum):
    """Which leg of a position: net in one-way mode, long and short apart in hedge mode."""

    NET = "net"
    LONG = "long"
    SHORT = "short"


class PositionMode(StrEnum):
    """Whether a perpetuals account keeps one net position a symbol, or a long and a short one apart."""

    ONE_WAY = "one_way"
    HEDGE = "hedge"


class MarginMode(StrEnum):
    """What backs a position: the whole wallet, or what was set aside for it."""

    CROSS = "cross"
    ISOLATED = "isolated"


class Wallet(StrEnum):
    """Which purse of an account holds a coin: one coin may lie in several, and none pays for another."""

    SPOT = "spot"
    FUTURES = "futures"


class Origin(StrEnum):
    """Who made an order that this log never asked for."""

    EXTERNAL = "external"  # a person, another program, a lost log
    LIQUIDATION = "liquidation"  # the venue closes what its owner can no longer back
    ADL = "adl"  # the venue closes against somebody else's liquidation
    SETTLEMENT = "settlement"  # the venue closes a market
    TRIGGERED = "triggered"  # what became of a conditional order of ours


class PriceSource(StrEnum):
    """Which price trips a trigger (FIX 1107)."""

    LAST = "last"
    MARK = "mark"


class Crossing(StrEnum):
    """From which side the price must arrive at a trigger (FIX 1109)."""

    RISES_TO = "rises_to"
    FALLS_TO = "falls_to"


class Protection(Struct, frozen=True, kw_only=True):
    """A take-profit or a stop-loss that comes into force with the order's fill: at `price`, as a market order."""

    price: Decimal
    by: PriceSource = PriceSource.LAST


class PositionEffect(StrEnum):
    """FIX 77."""

    OPEN = "open"
    CLOSE = "close"


class Liquidity(StrEnum):
    """FIX 851: who was there first."""

    MAKER = "maker"
    TAKER = "taker"


class Provenance(StrEnum):
    """How a fact reached us; an inferred one is never mistaken for the venue's word."""

    COMMAND = "command"  # a strategy or an operator asked
    RESPONSE = "response"  # the venue's answer to our request
    STREAM = "stream"  # the venue's private stream
    POLL = "poll"  # a query of ours
    RECOVERED = "recovered"  # a query of ours, of what had happened before this process began to listen
    INFERRED = "inferred"  # concluded by us, with evidence
    MANUAL = "manual"  # an operator's word
    IMPORT = "import"  # taken in from outside history


class OrderStatus(StrEnum):
    """FIX 39 as people read it: derived from the order's three facts, never stored."""

    NEW = "new"
    DENIED = "denied"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"
    PENDING_AMEND = "pending_amend"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


_BUY: Final = Side.BUY


def signed(side: Side, quantity: Decimal) -> Decimal:
    """Return `quantity` with the side's sign: a buy adds, a sell takes away."""
    return quantity if side is _BUY else quantity.copy_negate()


def reduces(side: Side, leg: PositionLeg, *, reduce_only: bool) -> bool:
    """Whether an order can only close: because it says so, or because its side closes its leg."""
    match leg:
        case PositionLeg.NET:
            return reduce_only
        case PositionLeg.LONG:
            return side is Side.SELL
        case PositionLeg.SHORT:
            return side is Side.BUY


@lru_cache(maxsize=4096)
def currencies(symbol: str) -> tuple[Currency, Currency]:
    """Return (base, quote) of a symbol such as ``BTC/USDT`` or ``BTC/USDT:USDT``.

    Raises:
        ValueError: the symbol is not spelled ``BASE/QUOTE`` or ``BASE/QUOTE:SETTLE``.
    """
    pair, _, _ = symbol.partition(":")
    base, slash, quote = pair.partition("/")
    if not (base and slash and quote):
        raise ValueError(f"symbol {symbol!r} is not BASE/QUOTE")
    return Currency(base), Currency(quote)


class Purses(NamedTuple):
    """What a market's trades move: `base` is None on a perpetual, which moves no coin but its settlement."""

    base: Purse | None
    quote: Purse


@lru_cache(maxsize=4096)
def purses(symbol: str) -> Purses:
    """Return the purses that the market of `symbol` draws on.

    Raises:
        ValueError: as `currencies`.
    """
    base, quote = currencies(symbol)
    settle = symbol.partition(":")[2]
    return Purses(None, purse(Wallet.FUTURES, Currency(settle))) if settle else Purses(Purse(base), Purse(quote))


@lru_cache(maxsize=4096)
def purse(wallet: Wallet, currency: Currency) -> Purse:
    """Return the purse of `currency` in `wallet`."""
    return Purse(currency if wallet is Wallet.SPOT else f"{wallet}:{currency}")


@lru_cache(maxsize=4096)
def purse_parts(name: Purse) -> tuple[Wallet, Currency]:
    """Return the wallet and the currency of a purse."""
    wallet, colon, currency = name.partition(":")
    return (Wallet(wallet), Currency(currency)) if colon else (Wallet.SPOT, Currency(name))


def worth(quantity: Decimal, price: Decimal, contract_size: Decimal) -> Decimal:
    """Return what `quantity` comes to at `price`, in quote units, exactly."""
    value = EXACT.multiply(quantity, price)
    return value if contract_size is ONE else EXACT.multiply(value, contract_size)


def bounds(value: Decimal, least: Decimal) -> bool:
    """Whether a person's figure is one that sums stay exact with: a number from `least` on, of 40 digits at most."""
    return value.is_finite() and value >= least and value.adjusted() < DIGITS_MAX >= len(value.as_tuple().digits)


def holdable(ns: int | None) -> int | None:
    """Return `ns`, or the nearest time to it that the read models hold."""
    return ns if ns is None else max(-LATEST_NS, min(ns, LATEST_NS))


def cost(commission: Decimal | None, currency: Currency | None) -> tuple[Decimal | None, Currency | None]:
    """Return what a trade cost, as one fact: an amount whose coin nobody names moves nothing, and is yet to be told."""
    return (None, None) if commission and currency is None else (commission, currency)


def plain(value: Decimal) -> str:
    """Spell a decimal without an exponent and without losing a digit (trailing zeros are kept)."""
    return format(value, "f")
