"""A moment of the log, as people and programs name it: a position, or a time."""

from datetime import UTC, datetime, timedelta
from typing import Final

from oms.errors import OmsError
from oms.ports import EventLog
from oms.store.codec import decode_meta

POSITION_DIGITS: Final = 18  # below 2**63
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class AsOfError(OmsError):
    """That is no moment of this log."""

    code = "invalid_as_of"
    next_step = "give a position of the log, or a time such as 2026-11-25T14:00:00Z"


class TooFarBackError(AsOfError):
    """More of the log would have to be folded than a running system does, and keeps, beside its work."""

    code = "as_of_too_large"
    next_step = (
        "leave as_of out for how it is now; for the past ask the command line, which has no bound: "
        "oms orders, positions or balances --as-of"
    )


def read_as_of(text: str) -> int | datetime:
    """Return `text` as a position, or as a time (RFC 3339 with an offset). Raises AsOfError."""
    if text.isascii() and text.isdigit() and len(text) <= POSITION_DIGITS:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise AsOfError(f"{text[:40]!r} is neither a position nor a time") from error
    if moment.tzinfo is None:
        raise AsOfError(f"{text[:40]!r} does not say its offset from UTC", next_step="end it with Z, or with +01:00")
    return moment


async def position_of(log: EventLog, text: str) -> int:
    """Return the position that `text` means: for a time, that of the last event recorded by then.

    Times are when we wrote an event down, by our clock, and rise with the position; where a clock stepped back they do
    not for a while, and a time within that while means one of the places it could mean.

    Raises:
        AsOfError: it is no moment, or a position beyond the end of the log.
        LogUnavailableError: the log cannot be read.
    """
    meant, head = read_as_of(text), await log.head()
    if isinstance(meant, int):
        if meant > head:
            raise AsOfError(f"the log ends at position {head}, before {meant}")
        return meant
    wanted_ns = (meant - _EPOCH) // timedelta(microseconds=1) * 1000 + 999  # of that microsecond, all
    low, high = 0, head
    while low < high:
        middle = (low + high + 1) // 2
        (stored,) = await log.page(after=middle - 1, limit=1)
        if decode_meta(stored.state).recorded_ns <= wanted_ns:
            low = middle
        else:
            high = middle - 1
    return low
