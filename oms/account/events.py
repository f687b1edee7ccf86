"""What can happen to an account. The tags are stored names: never reuse one, never edit one."""

from decimal import Decimal

from msgspec import Struct

from oms.values import AccountId, Currency


class _Event(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="type"):
    """Absent values are None and left out of the body."""


class WriterStarted(_Event, frozen=True, tag="writer-started/1"):
    """A writer took the account over with a higher epoch (it stands in the event's meta)."""

    account: AccountId
    venue: str


class BalanceAdjusted(_Event, frozen=True, tag="balance-adjusted/1"):
    """The venue's total of one currency differs from ours and no order or trade explains it.

    `reason` says what we know: ``opening`` for the first look, ``external`` for a deposit, a withdrawal, a hand.
    `change` is what was added to ours to arrive at `total`.
    """

    currency: Currency
    change: Decimal
    total: Decimal
    reason: str


class TradingHalted(_Event, frozen=True, tag="trading-halted/1"):
    """Nothing that opens goes out any more; cancels pass."""

    reason: str


class TradingResumed(_Event, frozen=True, tag="trading-resumed/1"):
    """Somebody ended the halt, and said why."""

    reason: str


AccountEvent = WriterStarted | BalanceAdjusted | TradingHalted | TradingResumed
