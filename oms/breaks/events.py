"""What can happen to a break. The tags are stored names: never reuse one, never edit one.

The events stand in the account's own stream: a break may stop the account from opening orders, so what the gate reads
and what closed it have one order, and one version.
"""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from oms.values import Symbol


class BreakKind(StrEnum):
    """What disagrees."""

    BALANCE = "balance"  # the venue's total of a currency
    POSITION = "position"  # the venue's quantity of a leg
    ORDER = "order"  # the venue contradicted our history of an order, or said what nobody can read
    LEVERAGE = "leverage"  # the venue backs a leg by another leverage or margin mode
    STATE = "state"  # the venue lists an order as open that is over here
    FILLS = "fills"  # the venue counts more of an order than all trades that it can still be asked for
    PRICE = "price"  # the venue works an order at another price than was sent
    QUANTITY = "quantity"  # the venue works an order for more or less than was sent
    HISTORY = "history"  # trades may exist that no question can reach
    COVERAGE = "coverage"  # a list was cut, or a row of it cannot be read: what it does not show may be there
    PROTECTION = "protection"  # a position that must have a live stop has none at the venue, or too small a one


class Resolution(StrEnum):
    """How a break ended."""

    AGREED = "agreed"  # the figures came together by themselves
    ACCEPTED = "accepted"  # a person took the venue's word, or ours, and said why


class _Event(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="type"):
    """Absent values are None and left out of the body."""


class BreakOpened(_Event, frozen=True, tag="break-opened/1"):
    """We say `ours`, the venue says `theirs`, and nothing under way explains it.

    `break_id` is made from what disagrees, so the same disagreement is the same break on every machine and at every
    look. `difference` (theirs less ours, in the figures' own unit) where they are amounts; of a wallet of perpetuals
    without what evens out once its positions are closed, as they cost another share here. `evidence` names the answers
    (venue_messages ids) that it was read in. `until_ms` (UTC): what a history is incomplete up to.
    """

    break_id: str
    kind: BreakKind
    subject: str  # what it is about: spot/USDT, BTC/USDT:USDT/long, a client order id
    ours: str
    theirs: str
    difference: Decimal | None = None
    symbol: Symbol | None = None  # where it is about one market; None: about the account
    evidence: tuple[str, ...] = ()
    until_ms: int | None = None
    opened_ns: int = 0  # when it was found (UTC)


class BreakChanged(_Event, frozen=True, tag="break-changed/1"):
    """It goes on, with other figures."""

    break_id: str
    ours: str
    theirs: str
    difference: Decimal | None = None
    evidence: tuple[str, ...] = ()
    until_ms: int | None = None


class BreakExplained(_Event, frozen=True, tag="break-explained/1"):
    """Somebody said what it comes from. It stays open until the figures agree, or until it is resolved."""

    break_id: str
    reason: str


class BreakResolved(_Event, frozen=True, tag="break-resolved/1"):
    """It is over. One that was accepted does not open again while it goes on with the same figures."""

    break_id: str
    resolution: Resolution
    reason: str


class BreakForgotten(_Event, frozen=True, tag="break-forgotten/1"):
    """One that was accepted is gone by itself: should it come back, even with the same figures, it is news."""

    break_id: str


BreakEvent = BreakOpened | BreakChanged | BreakExplained | BreakResolved | BreakForgotten
