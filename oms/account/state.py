"""One account: what it owns, whether it may trade, and which writer speaks for it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from oms.account.events import AccountEvent, BalanceAdjusted, TradingHalted, TradingResumed, WriterStarted
from oms.values import EXACT, NO_AMOUNTS, ZERO, AccountId, Currency


class Account(Struct, frozen=True, kw_only=True, gc=False):
    """`adjustments` is, by currency, what did not come from trades: openings, deposits, withdrawals, a person's hand.

    What the account owns is `adjustments` plus what its trades moved; what it may spend is that less what open orders
    hold. Both follow from the log (`oms.book`), so nothing is stored twice.
    """

    version: int = 0
    adjustments: Mapping[Currency, Decimal] = NO_AMOUNTS
    halted: str | None = None  # why, while trading is halted


NOBODY = Account()


class HaltTrading(Struct, frozen=True, kw_only=True, gc=False):
    """Stop everything that opens; cancels pass."""

    account: AccountId
    reason: str


class ResumeTrading(Struct, frozen=True, kw_only=True, gc=False):
    """End the halt."""

    account: AccountId
    reason: str


def halt(command: HaltTrading, account: Account) -> tuple[AccountEvent, ...]:
    """Return the halt; none if one is on already."""
    return () if account.halted is not None else (TradingHalted(reason=command.reason),)


def resume(command: ResumeTrading, account: Account) -> tuple[AccountEvent, ...]:
    """Return the end of the halt; none if none is on."""
    return () if account.halted is None else (TradingResumed(reason=command.reason),)


def adjust(
    totals: Mapping[Currency, Decimal], reported: Mapping[Currency, Decimal], reason: str
) -> Sequence[BalanceAdjusted]:
    """Return what brings our `totals` to those `reported` by the venue, in the order of the currencies' names."""
    adjustments = []
    for currency in sorted({*totals, *reported}):
        total = reported.get(currency, ZERO)
        change = EXACT.subtract(total, totals.get(currency, ZERO))
        if change:
            adjustments.append(BalanceAdjusted(currency=currency, change=change, total=total, reason=reason))
    return adjustments


def evolve(account: Account, event: AccountEvent) -> Account:
    """Return the account after `event`. Moves data, decides nothing."""
    version = account.version + 1
    match event:
        case WriterStarted():
            return replace(account, version=version)
        case BalanceAdjusted():
            added = EXACT.add(account.adjustments.get(event.currency, ZERO), event.change)
            return replace(account, version=version, adjustments={**account.adjustments, event.currency: added})
        case TradingHalted():
            return replace(account, version=version, halted=event.reason)
        case TradingResumed():
            return replace(account, version=version, halted=None)
