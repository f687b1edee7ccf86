"""Where an order is in its life, and what leads from where to where: one table.

It allows what happens in the real world, where a fill outruns its ack, a cancel loses its race and a venue shows on
Monday what it denied on Friday. A fill is money: every life has a row for it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from oms.order.events import (
    AbsenceProven,
    AmendAccepted,
    AmendRefused,
    AmendRequested,
    AmendUnknown,
    CancelAccepted,
    CancelRefused,
    CancelRequested,
    CancelUnknown,
    CommissionReported,
    CountLowered,
    InferredFillReplaced,
    LiquidityReported,
    OrderAmended,
    OrderClaimed,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderTriggered,
    OrderVanished,
    OutcomeUnknown,
    PostOnlyRefused,
    ProgressReported,
    ReportContradicted,
    SendStarted,
    TradeBusted,
    VenueAccepted,
    VenueCanceled,
    VenueRefused,
    VenueSearched,
)


class Life(StrEnum):  # text, whose hash costs nothing where a table is walked for every event
    """Where an order is between being asked for and being over."""

    NEW = "new"
    DENIED = "denied"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    WORKING = "working"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    VANISHED = "vanished"  # over by a proof of absence, not by the venue's word; people read: canceled


# A member is looked up through its class's metaclass, which takes as long as a function call: bound once, since every
# event asks.
NEW, DENIED, SENDING, IN_DOUBT, WORKING, FILLED, CANCELED, EXPIRED, REJECTED, VANISHED = Life

CLOSED: Final = frozenset({DENIED, FILLED, CANCELED, EXPIRED, REJECTED, VANISHED})

_STAYS: Final = (
    CommissionReported,
    LiquidityReported,
    CancelAccepted,
    CancelRefused,
    CancelUnknown,
    AmendAccepted,
    AmendRefused,
    AmendUnknown,
    ReportContradicted,
    VenueSearched,
    OrderClaimed,
)


def _row(life: Life, moves: Mapping[type[OrderEvent], Life]) -> Mapping[type[OrderEvent], Life]:
    """One row: `moves`, and the facts that may be learned in any life and move none."""
    return {**dict.fromkeys(_STAYS, life), **moves}


TRANSITIONS: Final[Mapping[Life, Mapping[type[OrderEvent], Life]]] = {
    NEW: _row(
        NEW,
        {
            OrderDenied: DENIED,
            SendStarted: SENDING,
            CancelRequested: NEW,
            OrderFilled: WORKING,  # never sent by us, yet money moved under its id
        },
    ),
    DENIED: _row(DENIED, {OrderFilled: WORKING}),
    SENDING: _row(
        SENDING,
        {
            OrderDenied: DENIED,  # halted after its commit, before it left
            SendStarted: SENDING,  # a refusal that certainly did nothing: the same id goes out once more
            VenueAccepted: WORKING,
            VenueRefused: REJECTED,
            OutcomeUnknown: IN_DOUBT,
            OrderFilled: WORKING,  # the fill outran the ack
            VenueCanceled: CANCELED,  # IOC, or post-only that would have taken: over before its ack
            OrderExpired: EXPIRED,
            CancelRequested: SENDING,
            AmendRequested: SENDING,
            OrderTriggered: WORKING,
        },
    ),
    IN_DOUBT: _row(
        IN_DOUBT,
        {
            OutcomeUnknown: IN_DOUBT,
            VenueAccepted: WORKING,
            VenueRefused: REJECTED,
            AbsenceProven: REJECTED,
            OrderVanished: VANISHED,
            OrderFilled: WORKING,
            VenueCanceled: CANCELED,
            OrderExpired: EXPIRED,
            CancelRequested: IN_DOUBT,
            OrderTriggered: WORKING,
        },
    ),
    WORKING: _row(
        WORKING,
        {
            VenueAccepted: WORKING,  # the ack behind the fill only adds the venue's id
            VenueRefused: REJECTED,  # accepted by the gateway, refused by the matching engine (BitMart `failed`)
            OrderVanished: VANISHED,
            OrderFilled: WORKING,
            TradeBusted: WORKING,
            CountLowered: WORKING,
            InferredFillReplaced: WORKING,
            ProgressReported: WORKING,
            VenueCanceled: CANCELED,
            OrderExpired: EXPIRED,
            CancelRequested: WORKING,
            AmendRequested: WORKING,
            OrderAmended: WORKING,
            OrderTriggered: WORKING,
        },
    ),
    FILLED: _row(
        FILLED,
        {
            VenueAccepted: FILLED,
            OrderFilled: FILLED,  # more than was asked: the venue's word, booked and flagged
            InferredFillReplaced: FILLED,
            TradeBusted: WORKING,  # whether the rest works again is the venue's to say
            CountLowered: FILLED,
            ProgressReported: FILLED,
            OrderTriggered: FILLED,  # what it sent was filled before anybody said that it was sent
        },
    ),
    CANCELED: _row(
        CANCELED,
        {
            VenueAccepted: CANCELED,  # the ack was slower than the end
            OrderFilled: CANCELED,  # matched before the cancel, reported after
            TradeBusted: CANCELED,
            CountLowered: CANCELED,
            InferredFillReplaced: CANCELED,
            ProgressReported: CANCELED,
            PostOnlyRefused: CANCELED,  # read: rejected; a late ack must not bring it back, as it would one REJECTED
            OrderTriggered: CANCELED,
        },
    ),
    EXPIRED: _row(
        EXPIRED,
        {
            VenueAccepted: EXPIRED,
            OrderFilled: EXPIRED,
            TradeBusted: EXPIRED,
            CountLowered: EXPIRED,
            InferredFillReplaced: EXPIRED,
            ProgressReported: EXPIRED,
            OrderTriggered: EXPIRED,
        },
    ),
    REJECTED: _row(
        REJECTED,
        {
            VenueAccepted: WORKING,  # called dead, and there it is
            OrderTriggered: WORKING,
            OrderFilled: WORKING,
            TradeBusted: REJECTED,
            CountLowered: REJECTED,
            VenueCanceled: CANCELED,
            OrderExpired: EXPIRED,
        },
    ),
    VANISHED: _row(
        VANISHED,
        {
            VenueAccepted: WORKING,  # it was somewhere after all
            OrderTriggered: WORKING,
            OrderFilled: WORKING,
            TradeBusted: VANISHED,
            CountLowered: VANISHED,
            InferredFillReplaced: VANISHED,
            VenueCanceled: CANCELED,
            OrderExpired: EXPIRED,
        },
    ),
}
