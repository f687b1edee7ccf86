"""One account: what it owns, whether it may trade, and which writer speaks for it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from oms.account.events import (
    AccountEvent,
    BalanceAdjusted,
    HistoryKept,
    PayloadQuarantined,
    PositionModeRefused,
    PositionModeRequested,
    PositionModeSet,
    TradesCovered,
    TradingHalted,
    TradingResumed,
    WriterStarted,
)
from oms.breaks import state as disagreements
from oms.breaks.events import (
    BreakChanged,
    BreakExplained,
    BreakForgotten,
    BreakKind,
    BreakOpened,
    BreakResolved,
    Resolution,
)
from oms.breaks.state import NO_BREAKS, Breaks
from oms.errors import CommandRefusedError
from oms.values import (
    EXACT,
    NO_AMOUNTS,
    ZERO,
    AccountId,
    ExecId,
    PositionMode,
    Purse,
    StrategyId,
    Symbol,
    purse,
    purse_parts,
)

QUARANTINED_MAX: Final = 100
HALTS_MAX: Final = 1_000  # scopes of one account that are halted at once; the widest always has room

HaltScope = tuple[StrategyId | None, Symbol | None]  # None: every one
EVERYTHING: Final[HaltScope] = (None, None)


class Halt(Struct, frozen=True, gc=False):
    """Why nothing that opens goes out, and the id that denials name."""

    reason: str
    halt_id: str


class TooManyHaltsError(CommandRefusedError):
    """More scopes are halted than anybody keeps in view."""

    code = "too_many_halts"
    next_step = "resume some, or halt the whole account"


class Account(Struct, frozen=True, kw_only=True, gc=False):
    """`adjustments` is, by purse, what did not come from trades: openings, deposits, withdrawals, a person's hand.

    What the account owns is `adjustments` plus what its trades moved; what it may spend is that less what open orders
    hold. Both follow from the log (`oms.book`), so nothing is stored twice.
    """

    version: int = 0
    adjustments: Mapping[Purse, Decimal] = NO_AMOUNTS
    position_mode: PositionMode | None = None  # None: nobody has said it
    mode_requested: PositionMode | None = None  # while nobody knows whether the venue has switched
    halts: Mapping[HaltScope, Halt] = MappingProxyType({})
    opened_ms: int = 0  # the venue's balances were taken over at about this moment (UTC), 0: not yet
    covered_ms: int = 0  # every trade until then (UTC) is in the log, or a person said that it need not be
    paid_ms: int = 0  # likewise every payment of perpetuals; 0: the log does not say
    waived_ms: int = 0  # until then (UTC) a person said that what is not known of trades need not be
    history: HistoryKept | None = None  # what the opening balances hold of the time right before; None: only dates tell
    opening_trades: frozenset[ExecId] = frozenset()  # of these, those that were not booked by then
    revised: frozenset[ExecId] = frozenset()  # trades that the opening held and that were taken out of it again
    breaks: Breaks = NO_BREAKS
    quarantined: frozenset[str] = frozenset()  # where and why of what could not be read, and is kept

    def halt_of(self, strategy: StrategyId, symbol: Symbol) -> Halt | None:
        """Return the halt that stops a strategy in a market, the widest one first; None if it may trade."""
        if not self.halts:
            return None
        scopes = (EVERYTHING, (strategy, None), (None, symbol), (strategy, symbol))
        return next((self.halts[scope] for scope in scopes if scope in self.halts), None)


NOBODY = Account()


class OpeningRevised(Struct, frozen=True, gc=False):
    """The opening balances held `trades`, which are booked by themselves: `changes`, by purse, takes that out again."""

    changes: Mapping[Purse, Decimal]
    trades: tuple[ExecId, ...]


class HaltTrading(Struct, frozen=True, kw_only=True, gc=False):
    """Stop everything that opens, of a strategy and in a market where they are named; cancels pass."""

    account: AccountId
    reason: str
    halt_id: str
    strategy: StrategyId | None = None
    symbol: Symbol | None = None


class ResumeTrading(Struct, frozen=True, kw_only=True, gc=False):
    """End the halt of that very scope; wider and narrower ones stay."""

    account: AccountId
    reason: str
    strategy: StrategyId | None = None
    symbol: Symbol | None = None


def halt(command: HaltTrading, account: Account) -> tuple[AccountEvent, ...]:
    """Return the halt; none if that scope is halted already.

    Raises:
        TooManyHaltsError: so many are, and this one is not the whole account's: whoever stops everything is let.
    """
    strategy, symbol = command.strategy, command.symbol
    if (strategy, symbol) in account.halts:
        return ()
    if len(account.halts) >= HALTS_MAX and (strategy, symbol) != EVERYTHING:
        raise TooManyHaltsError(f"{HALTS_MAX} scopes of {command.account} are halted already")
    return (TradingHalted(reason=command.reason, halt_id=command.halt_id, strategy=strategy, symbol=symbol),)


def resume(command: ResumeTrading, account: Account) -> tuple[AccountEvent, ...]:
    """Return the end of the halt; none if that scope is not halted."""
    strategy, symbol = command.strategy, command.symbol
    if (strategy, symbol) not in account.halts:
        return ()
    return (TradingResumed(reason=command.reason, strategy=strategy, symbol=symbol),)


def adjust(
    totals: Mapping[Purse, Decimal], reported: Mapping[Purse, Decimal], reason: str
) -> Sequence[BalanceAdjusted]:
    """Return what brings our `totals` to those `reported` by the venue, in the order of the purses' names."""
    adjustments = []
    for name in sorted({*totals, *reported}):
        total = reported.get(name, ZERO)
        change = EXACT.subtract(total, totals.get(name, ZERO))
        if change:
            wallet, currency = purse_parts(name)
            adjustments.append(
                BalanceAdjusted(currency=currency, change=change, total=total, reason=reason, wallet=wallet)
            )
    return adjustments


def revise(report: OpeningRevised, totals: Mapping[Purse, Decimal]) -> Sequence[BalanceAdjusted]:
    """Return what takes the `changes` out of the opening, in the order of the purses' names."""
    adjustments = []
    for name, change in sorted(report.changes.items()):
        wallet, currency = purse_parts(name)
        total = EXACT.add(totals.get(name, ZERO), change)
        adjustments.append(
            BalanceAdjusted(
                currency=currency, change=change, total=total, reason="opening", wallet=wallet, trades=report.trades
            )
        )
    return adjustments


def cover(report: TradesCovered, account: Account) -> tuple[AccountEvent, ...]:
    """Return how far trades and payments are known; none if that was known already."""
    return (report,) if report.until_ms > account.covered_ms or report.paid_ms > account.paid_ms else ()


def keep(report: HistoryKept, account: Account) -> tuple[AccountEvent, ...]:
    """Return what the opening balances hold of the time before; none if that was known already."""
    return (report,) if account.history is None else ()


def quarantine(report: PayloadQuarantined, account: Account) -> tuple[AccountEvent, ...]:
    """Return that a payload is kept; none for one that was kept before, as every poll brings it again, or when so many
    are kept that the venue must be speaking another language: the log is not to be filled with it.
    """
    known = f"{report.channel} {report.why}" in account.quarantined
    return () if known or len(account.quarantined) >= QUARANTINED_MAX else (report,)


def evolve(account: Account, event: AccountEvent) -> Account:
    """Return the account after `event`. Moves data, decides nothing."""
    version = account.version + 1
    match event:
        case WriterStarted():
            return replace(account, version=version)
        case BalanceAdjusted():
            name = purse(event.wallet, event.currency)
            added = EXACT.add(account.adjustments.get(name, ZERO), event.change)
            adjustments, revised = {**account.adjustments, name: added}, account.revised | frozenset(event.trades)
            return replace(account, version=version, adjustments=adjustments, revised=revised)
        case PositionModeSet():
            return replace(account, version=version, position_mode=event.mode, mode_requested=None)
        case PositionModeRequested():
            return replace(account, version=version, mode_requested=event.mode)
        case PositionModeRefused():
            return replace(account, version=version, mode_requested=None)
        case TradingHalted(strategy=strategy, symbol=symbol):
            halts = {**account.halts, (strategy, symbol): Halt(event.reason, event.halt_id)}
            return replace(account, version=version, halts=halts)
        case TradingResumed(strategy=strategy, symbol=symbol):
            halts = {scope: each for scope, each in account.halts.items() if scope != (strategy, symbol)}
            return replace(account, version=version, halts=halts)
        case PayloadQuarantined(channel=channel, why=why):
            return replace(account, version=version, quarantined=account.quarantined | {f"{channel} {why}"})
        case TradesCovered():
            opened_ms = account.opened_ms or event.until_ms  # the first mark comes with the opening
            covered_ms = max(account.covered_ms, event.until_ms)
            paid_ms = max(account.paid_ms, event.paid_ms)
            return replace(account, version=version, opened_ms=opened_ms, covered_ms=covered_ms, paid_ms=paid_ms)
        case HistoryKept():
            unbooked = frozenset(event.trades).difference(event.booked)
            return replace(account, version=version, history=event, opening_trades=unbooked)
        case BreakOpened() | BreakChanged() | BreakExplained() | BreakForgotten():
            return replace(account, version=version, breaks=disagreements.evolve(account.breaks, event))
        case BreakResolved():
            return _resolved(account, event, version)


def _resolved(account: Account, event: BreakResolved, version: int) -> Account:
    """A history that somebody accepted as it is counts as covered."""
    ended = disagreements.known(account.breaks, event.break_id)
    until_ms = ended.until_ms if ended.kind is BreakKind.HISTORY else None
    waived_ms = until_ms or 0 if event.resolution is Resolution.ACCEPTED else 0
    return replace(
        account,
        version=version,
        covered_ms=max(account.covered_ms, until_ms or 0),
        waived_ms=max(account.waived_ms, waived_ms),
        breaks=disagreements.evolve(account.breaks, event),
    )
