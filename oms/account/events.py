"""What can happen to an account. The tags are stored names: never reuse one, never edit one."""

from decimal import Decimal

from msgspec import Struct

from oms.breaks.events import BreakChanged, BreakExplained, BreakForgotten, BreakOpened, BreakResolved
from oms.values import AccountId, Currency, ExecId, PositionMode, StrategyId, Symbol, Wallet


class _Event(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="type"):
    """Absent values are None and left out of the body."""


class WriterStarted(_Event, frozen=True, tag="writer-started/1"):
    """A writer took the account over with a higher epoch (it stands in the event's meta)."""

    account: AccountId
    venue: str


class BalanceAdjusted(_Event, frozen=True, tag="balance-adjusted/1"):
    """The venue's total of one currency differs from ours and no order or trade explains it.

    `reason` says what we know: ``opening`` for the first look, ``external`` for a deposit, a withdrawal, a hand.
    `change` is what was added to ours to arrive at `total`; `trades` names those for which an opening was revised, as
    it held them and they were booked by themselves.
    """

    currency: Currency
    change: Decimal
    total: Decimal
    reason: str
    wallet: Wallet = Wallet.SPOT
    trades: tuple[ExecId, ...] = ()


class TradingHalted(_Event, frozen=True, tag="trading-halted/2"):
    """Nothing that opens goes out any more, of `strategy` and in `symbol` where they are named; cancels pass.

    `halt_id` is what every denial names that this halt causes. Version 1 knew only halts of the whole account.
    """

    reason: str
    halt_id: str
    strategy: StrategyId | None = None
    symbol: Symbol | None = None


class TradingResumed(_Event, frozen=True, tag="trading-resumed/2"):
    """Somebody ended the halt of that scope, and said why; version 1 knew only halts of the whole account."""

    reason: str
    strategy: StrategyId | None = None
    symbol: Symbol | None = None


class TradesCovered(_Event, frozen=True, tag="trades-covered/1"):
    """Every trade of the account up to `until_ms` (UTC) is in the log: the venue was asked, and its lists were whole.

    Whoever comes back after a gap asks from here on. Written seldom: what overlaps is told apart by ids. So is every
    payment of perpetuals up to `paid_ms`; 0 where nobody says.
    """

    until_ms: int
    paid_ms: int = 0


class HistoryKept(_Event, frozen=True, tag="history-kept/1"):
    """What the venue dated from between `since_ms` (UTC) and the log's beginning when its balances were taken over, and
    what it had listed by then and dates from later: those hold it. What it dates from before the log's beginning and is
    not named here came later, by a clock that was set back. `booked` were in the log by then: these count once.
    """

    since_ms: int
    trades: tuple[ExecId, ...] = ()
    booked: tuple[ExecId, ...] = ()
    payments: tuple[str, ...] = ()  # flow, market, the venue's id and time: what one is known by


class PositionModeRequested(_Event, frozen=True, tag="position-mode-requested/1"):
    """Somebody asked for another mode. From this commit on the request may reach the venue; nothing opens meanwhile."""

    mode: PositionMode


class PositionModeRefused(_Event, frozen=True, tag="position-mode-refused/1"):
    """The venue would not switch, and certainly did not."""

    reason: str
    code: str | None = None
    text: str | None = None


class PositionModeSet(_Event, frozen=True, tag="position-mode-set/1"):
    """The account's perpetuals are kept in this mode: asked for and read back, or seen at the venue."""

    mode: PositionMode


class PayloadQuarantined(_Event, frozen=True, tag="payload-quarantined/1"):
    """The venue sent something that nobody here can read; what stood beside it was read. `message_id` names the bytes
    (venue_messages), `channel` where they came from, `why` what was wrong with which part of them.
    """

    channel: str
    why: str
    message_id: str


AccountEvent = (
    WriterStarted
    | BalanceAdjusted
    | TradingHalted
    | TradingResumed
    | TradesCovered
    | HistoryKept
    | PositionModeRequested
    | PositionModeRefused
    | PositionModeSet
    | PayloadQuarantined
    | BreakOpened
    | BreakChanged
    | BreakExplained
    | BreakResolved
    | BreakForgotten
)
