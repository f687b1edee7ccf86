"""The taxonomy: whose fault an error is decides its type, and the type decides what to do.

Every error that reaches a person says cause, outcome and next step. `outcome` is one of ``none`` (nothing happened),
``recorded`` (a fact was written) and ``unknown`` (it may have happened; reading again will tell).
"""

from typing import ClassVar, Literal

Outcome = Literal["none", "recorded", "unknown"]


class OmsError(Exception):
    """Anything this system says on purpose."""

    code: ClassVar[str] = "error"
    outcome: Outcome = "none"
    retryable: ClassVar[bool] = False
    next_step: ClassVar[str] = ""

    def __init__(self, cause: str, *, next_step: str | None = None) -> None:
        super().__init__(cause)
        self.cause = cause
        self.advice = self.next_step if next_step is None else next_step


class CommandRefusedError(OmsError):
    """The domain says no: tell the caller, never retry unchanged."""

    code = "refused"


class InvalidOrderError(CommandRefusedError):
    """The order contradicts itself or asks for what the venue does not offer."""

    code = "invalid_order"
    next_step = "correct the order and send it with a new client_order_id"


class OffGridError(InvalidOrderError):
    """A price or a quantity is not on the market's grid; nothing is rounded silently."""

    code = "off_grid"
    next_step = "round to the grid shown by GET /v1/instruments and send again"


class BelowMinimumError(InvalidOrderError):
    """A quantity or a notional is smaller than the market takes."""

    code = "below_minimum"
    next_step = "raise the quantity to the minimum shown by GET /v1/instruments"


class UnknownSymbolError(CommandRefusedError):
    """No instrument of that name is known for the account."""

    code = "unknown_symbol"
    next_step = "GET /v1/instruments lists the symbols"


class UnknownAccountError(CommandRefusedError):
    """No account of that name runs here."""

    code = "unknown_account"
    next_step = "name an account that `oms up` shows"


class UnknownOrderError(CommandRefusedError):
    """The message names an order that was never placed."""

    code = "unknown_order"
    next_step = "check the client_order_id"


class UnknownBreakError(CommandRefusedError):
    """No break of that name is open."""

    code = "unknown_break"
    next_step = "GET /v1/breaks, or oms breaks, lists those that are"


class OrderClosedError(CommandRefusedError):
    """A cancel or an amend reaches an order that can no longer change."""

    code = "order_closed"
    next_step = "read the order: its final state is in the log"


class CapabilityLostError(CommandRefusedError):
    """The venue has retired the call that the command needs."""

    code = "capability_lost"
    next_step = "do it at the venue itself; GET /health/ready names what is lost, and it is tried again after a while"


class LimitExceededError(CommandRefusedError):
    """A limit of ours forbids the change of an order; the order stays as it was."""

    code = "limit_exceeded"
    next_step = "ask for less, or free what other orders hold"


class NotClaimableError(CommandRefusedError):
    """Only an order that nobody here had asked for can be given to a strategy."""

    code = "not_claimable"
    next_step = "GET /v1/orders shows whose it is; what is nobody's is listed under the strategy external"


class OvertakenError(CommandRefusedError):
    """What was decided from is no longer so; nothing was recorded."""

    code = "overtaken"
    next_step = "ask the venue again"


class DuplicateOrderError(CommandRefusedError):
    """The client order id was used before, with another body."""

    code = "duplicate_client_order_id"
    next_step = "use a new client_order_id; an id names one order for ever"


class CursorError(OmsError):
    """A cursor that this list never gave out."""

    code = "invalid_cursor"
    next_step = "begin again without a cursor"


class IntakeFullError(OmsError):
    """More work waits than the engine may hold; nothing of this command was kept."""

    code = "intake_full"
    retryable = True
    next_step = "send again with the same client_order_id after a short pause"


class StoppingError(OmsError):
    """The system is draining and takes no new work."""

    code = "stopping"
    retryable = True
    next_step = "send again with the same client_order_id once it is up"


class NotReadyError(OmsError):
    """The account may not trade yet: what the venue holds is not known for certain."""

    code = "not_ready"
    retryable = True
    next_step = "wait until GET /health/ready says so; send again with the same client_order_id"


class LogUnavailableError(OmsError):
    """The log cannot be written; nothing is sent to a venue meanwhile."""

    code = "log_unavailable"
    outcome: Outcome = "unknown"
    retryable = True
    next_step = (
        "read the order by its client_order_id once the database is back; sending it again with the same id is safe"
    )


class FencedError(OmsError):
    """Another writer took this account over with a higher epoch; this one must stop."""

    code = "fenced"
    next_step = "ask the one that leads the account; this one, started again, waits as its standby"


class SchemaError(OmsError):
    """The database's schema is not the one this program knows."""

    code = "schema"


class VenueError(OmsError):
    """Something about the venue; the sub-type says whether a request may have had an effect."""

    code = "venue"


class VenueUnreachableError(VenueError):
    """No answer that settles it: the outcome is unknown, not failed."""

    code = "venue_unreachable"
    outcome: Outcome = "unknown"
    retryable = True
    next_step = "see that the venue is up and its address is right (oms config show), then ask again"


class VenueDownError(OmsError):
    """The venue could not be asked for what trading starts with."""

    code = "venue_down"
    next_step = "see that the venue is up and its address is right (oms config show), then start again"


class UnforeseenError(OmsError):
    """We made a mistake: a message could not be judged. Memory and log are as if it had never come."""

    code = "internal"
    next_step = "nothing of it was recorded; whoever runs this OMS finds the cause in its log"


class CorruptStreamError(OmsError):
    """The log contradicts itself: we are wrong, stop."""

    code = "corrupt_stream"
