"""Double entry: what every event of the log moves, as entries that sum to zero in every asset. Pure.

One event is one transaction. A wallet's entries add up to what `oms.sums` says it holds, by another way: there the
states of orders and legs are added up, here the events. The other accounts say where it came from and went to; their
signs are an accountant's credits, so that income is negative:

- ``trading``: the other side of trades. In quote coins it stands at what the open spot positions cost, in base coins
  at what is held of them, with the opposite sign.
- ``pnl``, ``fees``, ``funding``, ``insurance``: what trading earned and cost.
- ``opening``, ``external``, ``adjustments``: what did not come from trading: the first look at the venue, deposits and
  withdrawals, a person's word about a break. Without them remains what trading made of the account.
- ``contracts``: a perpetual moves no coin when it opens; what is held is kept in contracts of its leg, as an asset.

Holds are no entries: what an order or a position keeps from being spent stays in its wallet.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from oms.account.events import BalanceAdjusted
from oms.position.events import ClearanceBooked, CommissionBooked, FillBooked, FillReversed, FundingBooked, LegTakenOver
from oms.sums import traded
from oms.values import EXACT, NO_AMOUNTS, ZERO, Currency, Purse, Wallet, purse, purse_parts

OPENING: Final = "opening"  # the reason of `BalanceAdjusted` at the first look
EXTERNAL: Final = "external"


class Name(StrEnum):
    """An account of the ledger."""

    SPOT = "wallet:spot"
    FUTURES = "wallet:futures"
    CONTRACTS = "contracts"
    TRADING = "trading"
    PNL = "pnl"
    FEES = "fees"
    FUNDING = "funding"
    INSURANCE = "insurance"
    OPENING = "opening"
    EXTERNAL = "external"
    ADJUSTMENTS = "adjustments"


class Kind(StrEnum):
    """What a transaction is about."""

    OPENING = "opening"
    EXTERNAL = "external"
    ADJUSTMENT = "adjustment"
    FILL = "fill"
    BUST = "bust"
    COMMISSION = "commission"
    FUNDING = "funding"
    CLEARANCE = "clearance"


WALLETS: Final[Mapping[Wallet, Name]] = {Wallet.SPOT: Name.SPOT, Wallet.FUTURES: Name.FUTURES}
_BALANCES: Final[Mapping[str, tuple[Kind, Name]]] = {
    OPENING: (Kind.OPENING, Name.OPENING),
    EXTERNAL: (Kind.EXTERNAL, Name.EXTERNAL),
}
FLOWS: Final = (Name.OPENING, Name.EXTERNAL, Name.ADJUSTMENTS)  # what did not come from trading


class Entry(Struct, frozen=True, gc=False):
    """`amount` of `asset` came to `name`, or left it where negative. An asset is a coin, or a leg's contracts:
    ``BTC/USDT:USDT/net``.
    """

    name: Name
    asset: str
    amount: Decimal


class Transaction(Struct, frozen=True, gc=False):
    """What one event moved; the entries sum to zero in every asset, and none of them is zero."""

    kind: Kind
    entries: tuple[Entry, ...]


class Equity(Struct, frozen=True, kw_only=True, gc=False):
    """What an account is worth in one coin: `value` = `flows` (what was brought, less what was taken away) + `result`
    (what trading made of it). A drawdown is one of `result`: a withdrawal is no loss (S72).
    """

    value: Decimal
    flows: Decimal

    @property
    def result(self) -> Decimal:
        return EXACT.subtract(self.value, self.flows)


def transaction(stream: str, event: object) -> Transaction | None:
    """Return what an event of `stream` moves; None for one that moves nothing."""
    match event:
        case FillBooked() | FillReversed():
            kind = Kind.FILL if isinstance(event, FillBooked) else Kind.BUST
            return _balanced(kind, (*_traded(stream, event), *_charged(stream, event)))
        case CommissionBooked():
            return _balanced(Kind.COMMISSION, _charged(stream, event))
        case FundingBooked():
            wallet, currency = purse_parts(traded(stream).quote)
            return _balanced(Kind.FUNDING, _moved(WALLETS[wallet], Name.FUNDING, currency, event.amount))
        case ClearanceBooked():
            return _balanced(Kind.CLEARANCE, _moved(Name.FUTURES, Name.INSURANCE, event.currency, event.amount))
        case LegTakenOver():
            leg = stream.split("/", 2)[2]
            return _balanced(Kind.OPENING, _moved(Name.CONTRACTS, Name.OPENING, leg, event.quantity))
        case BalanceAdjusted():
            kind, counter = _BALANCES.get(event.reason, (Kind.ADJUSTMENT, Name.ADJUSTMENTS))
            return _balanced(kind, _moved(WALLETS[event.wallet], counter, event.currency, event.change))
        case _:
            return None


class Ledger:
    """What the entries of one account's log add up to."""

    def __init__(self) -> None:
        self.balances: dict[tuple[Name, str], Decimal] = {}  # by account of the ledger, and by asset

    def book(self, stream: str, event: object) -> Transaction | None:
        """Add the entries of one event, and return them."""
        booked = transaction(stream, event)
        for entry in () if booked is None else booked.entries:
            key = entry.name, entry.asset
            self.balances[key] = EXACT.add(self.balances.get(key, ZERO), entry.amount)
        return booked

    def total(self, name: Purse) -> Decimal:
        """Return what a purse holds."""
        wallet, currency = purse_parts(name)
        return self.balances.get((WALLETS[wallet], currency), ZERO)

    @property
    def totals(self) -> Mapping[Purse, Decimal]:
        """What every purse holds that is not empty: what `Book.totals` says, by another way."""
        return {
            purse(wallet, Currency(asset)): amount
            for wallet, account in WALLETS.items()
            for (name, asset), amount in self.balances.items()
            if name is account and amount
        }

    @property
    def unbalanced(self) -> Mapping[str, Decimal]:
        """By asset, what the entries do not sum to zero by; empty, or we are wrong."""
        return unbalanced(self.balances)


def unbalanced(balances: Mapping[tuple[Name, str], Decimal]) -> Mapping[str, Decimal]:
    """Return the sum of each asset over all accounts of the ledger that is not zero."""
    sums: dict[str, Decimal] = {}
    for (_, asset), amount in balances.items():
        sums[asset] = EXACT.add(sums.get(asset, ZERO), amount)
    return {asset: amount for asset, amount in sums.items() if amount}


def equity(
    balances: Mapping[tuple[Name, str], Decimal],
    *,
    prices: Mapping[str, Decimal],
    unrealized: Mapping[Currency, Decimal] = NO_AMOUNTS,
) -> Equity:
    """Return what the account is worth, in the coin that the `prices` of the others are in (its own is 1).

    `unrealized` is, by settlement coin, what the open perpetuals would earn at the mark: it stands in no event.

    Raises:
        KeyError: a coin that the account has, or had brought to it, has no price.
    """
    value = flows = ZERO
    for (name, asset), amount in balances.items():
        if not amount or "/" in asset:  # contracts are valued by what they would earn
            continue
        if name in WALLETS.values():
            value = EXACT.add(value, EXACT.multiply(amount, prices[asset]))
        elif name in FLOWS:
            flows = EXACT.subtract(flows, EXACT.multiply(amount, prices[asset]))
    for currency, amount in unrealized.items():
        value = EXACT.add(value, EXACT.multiply(amount, prices[currency]))
    return Equity(value=value, flows=flows)


def _traded(stream: str, event: FillBooked | FillReversed) -> Iterable[Entry]:
    """A fill exchanges coins at what it cost and earns the rest; of a perpetual only what was earned is coin."""
    base, quote = traded(stream)
    wallet, currency = purse_parts(quote)
    yield Entry(Name.PNL, currency, event.realized.copy_negate())
    if base is None:
        yield Entry(WALLETS[wallet], currency, event.realized)
        yield from _moved(Name.CONTRACTS, Name.TRADING, stream.split("/", 2)[2], event.quantity)
        return
    yield Entry(WALLETS[wallet], currency, EXACT.subtract(event.realized, event.cost_change))
    yield Entry(Name.TRADING, currency, event.cost_change)
    yield from _moved(WALLETS[wallet], Name.TRADING, purse_parts(base)[1], event.quantity)


def _charged(stream: str, event: FillBooked | FillReversed | CommissionBooked) -> Iterable[Entry]:
    if event.commission is None or event.commission_currency is None:
        return ()
    wallet = Wallet.FUTURES if traded(stream).base is None else Wallet.SPOT
    return _moved(Name.FEES, WALLETS[wallet], event.commission_currency, event.commission)


def _moved(to: Name, since: Name, asset: str, amount: Decimal) -> Iterable[Entry]:
    """`amount` came to one account out of the other."""
    return Entry(to, asset, amount), Entry(since, asset, amount.copy_negate())


def _balanced(kind: Kind, entries: Iterable[Entry]) -> Transaction | None:
    """Return the transaction with one entry an account and asset; None where nothing is left to move."""
    sums: dict[tuple[Name, str], Decimal] = {}
    for entry in entries:
        key = entry.name, entry.asset
        sums[key] = EXACT.add(sums[key], entry.amount) if key in sums else entry.amount
    moved = tuple(Entry(name, asset, amount) for (name, asset), amount in sums.items() if amount)
    return Transaction(kind, moved) if moved else None
