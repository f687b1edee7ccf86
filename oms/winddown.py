"""A venue's orderly end, by three dates, pure: what may still leave, what is still there, what is to be done.

The dates are in the configuration (`wind_down`), since venues announce them in prose. A command is held against them at
the time that its events are recorded at, so that a replay decides the same.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Final, Protocol

from msgspec import Struct

from oms.archive import Checked
from oms.book import Book
from oms.ports import Clock
from oms.sums import symbol_of, traded
from oms.values import AccountId, plain

MARKETS: Final = frozenset({"spot", "futures"})  # that an archive of an account holds
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Phase(StrEnum):
    """How far the end has come."""

    TRADING = "trading"
    CLOSING = "closing"  # nothing opens
    CLOSED = "closed"  # nothing trades
    DARK = "dark"  # nothing answers


class WindDown(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a venue stops taking orders that open (on spot every new order), when it stops trading, and when it answers
    nothing more. Times with an offset; None: not announced.
    """

    no_opens_at: datetime | None = None
    no_trading_at: datetime | None = None
    dark_at: datetime | None = None

    def wrong(self) -> str | None:
        """Return what is wrong with the dates, if anything is."""
        named = [(name, getattr(self, name)) for name in self.__struct_fields__ if getattr(self, name) is not None]
        for name, date in named:
            if date.tzinfo is None:
                return f"{name} has no offset: 2027-01-31T00:00:00Z is one that has"
        in_order = sorted(named, key=lambda each: each[1])
        return None if in_order == named else f"{named[0][0]} must come before {named[-1][0]}"

    def phase(self, at_ns: int) -> Phase:
        """Return how far the end has come at a moment (UTC)."""
        dates = ((self.dark_at, Phase.DARK), (self.no_trading_at, Phase.CLOSED), (self.no_opens_at, Phase.CLOSING))
        return next((phase for date, phase in dates if date is not None and at_ns >= _ns(date)), Phase.TRADING)

    def denies(self, at_ns: int, *, reduces: bool) -> str | None:
        """Return why a new order may not leave at a moment, None if it may."""
        phase = self.phase(at_ns)
        if phase is Phase.TRADING or (phase is Phase.CLOSING and reduces):
            return None
        if phase is Phase.CLOSING:
            return f"the venue winds down: since {self.no_opens_at:%Y-%m-%d %H:%M %Z} nothing opens"
        since = self.no_trading_at if phase is Phase.CLOSED else self.dark_at
        return f"the venue winds down: since {since:%Y-%m-%d %H:%M %Z} nothing trades"


NO_END: Final = WindDown()


class Exposure(Struct, frozen=True, kw_only=True):
    """What of an account is still open at its venue: client order ids, quantities by leg, amounts by purse; and since
    when the log knows it (UTC), 0 if it does not.
    """

    account: AccountId
    opened_ms: int = 0
    orders: Sequence[str]
    positions: Mapping[str, str]
    balances: Mapping[str, str]

    @property
    def open(self) -> bool:
        """Whether anything of it depends on a market that still trades."""
        return bool(self.orders or self.positions)


def exposure(book: Book) -> Exposure:
    """Return what of an account is still open."""
    legs = {stream: leg for stream, leg in sorted(book.positions.items()) if traded(stream).base is None}
    return Exposure(
        account=book.name,
        opened_ms=book.account.opened_ms,
        orders=[book.orders[stream].request.client_order_id for stream in book.open],
        positions={
            f"{symbol_of(stream)} {stream.rpartition('/')[2]}": plain(leg.quantity)
            for stream, leg in legs.items()
            if leg.quantity
        },
        balances={name: plain(total) for name, total in sorted(book.totals.items()) if total},
    )


def to_do(plan: WindDown, at_ns: int, left: Exposure, archived: Checked | None) -> Sequence[str]:
    """Return what is to be done before the next date, or should have been before the last one."""
    found = []
    if plan.phase(at_ns) is not Phase.TRADING and left.open:
        shown = [*left.orders, *(f"{quantity} {name}" for name, quantity in left.positions.items())]
        found.append(f"close what is open: {', '.join(shown)}")
    if plan.dark_at is not None and (missing := _unproven(plan, left, archived)) is not None:
        found.append(f"archive the account before {plan.dark_at:%Y-%m-%d %H:%M %Z}: {missing}")
    return found


def _unproven(plan: WindDown, left: Exposure, archived: Checked | None) -> str | None:
    """Return what an archive does not prove, None if it holds everything of the account since the log began."""
    if archived is None:
        return "no archive was shown"
    if archived.findings:
        return f"the archive is not intact: {archived.findings[0]}"
    kept, end = archived.manifest, plan.no_trading_at
    if kept.account != left.account:
        return f"the archive is of account {kept.account}: show one of {left.account}"
    if not kept.whole:
        return "the archive is not whole; its manifest names what is missing"
    if lacking := sorted(MARKETS - {each.market for each in kept.coverage}):
        return f"the archive holds nothing of {' and '.join(lacking)}: make one without --market"
    if kept.since_ms > left.opened_ms > 0:
        return (
            f"the archive begins after the log, at {kept.since_ms} ms: make one that begins before {left.opened_ms} ms"
        )
    if end is not None and kept.until_ms * 1_000_000 < _ns(end):
        return "the archive was made before trading ended: make another one after that"
    return None


class Holding(Protocol):
    """Whoever has an account's book in memory."""

    @property
    def book(self) -> Book: ...


def alerts(
    plan: WindDown, accounts: Mapping[AccountId, Holding], clock: Clock
) -> Mapping[str, Callable[[], str | None]]:
    """Return what the health says of each account while a venue winds down: how far that is, and what is still open."""

    def alert(account: Holding) -> str | None:
        phase = plan.phase(clock.now_ns())
        if phase is Phase.TRADING:
            return None
        left = exposure(account.book)
        return f"{phase}: {len(left.orders)} orders are open, positions {left.positions or 'none'}"

    return {f"wind-down of {name}": partial(alert, account) for name, account in accounts.items()}


def _ns(date: datetime) -> int:
    past = date - _EPOCH
    return (past.days * 86_400 + past.seconds) * 1_000_000_000 + past.microseconds * 1_000
