"""Tells what was recovered from what was heard of: what had happened before whoever asks began, pure (S68).

A log that was down, or that was put back to yesterday, is made whole by the venue's own history. Whoever reads it must
be able to list what came so. The venue's time is held against our clock: what happened within their difference of the
beginning may be taken for the other.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from oms.decide import Addressed
from oms.reports import LedgerReport, OrderReport, TradeReport
from oms.values import Provenance


def runs(
    news: Sequence[Addressed], source: Provenance, began_ns: int
) -> Iterator[tuple[Provenance, Sequence[Addressed]]]:
    """Yield `news` in its order, in as many parts as it takes, each with how it came to be known: what a query brought
    of before `began_ns` (UTC) was recovered.
    """
    for recovered, part in groupby(news, lambda each: source is Provenance.POLL and _is_before(each[1], began_ns)):
        yield (Provenance.RECOVERED if recovered else source), list(part)


def occurred_ns(news: Sequence[Addressed]) -> int | None:
    """Return when the venue says it happened, where all of it happened at one moment."""
    moments = set()
    for _, report in news:
        match report:
            case TradeReport(at_ms=at_ms):
                moments.add(at_ms)
            case OrderReport(updated_ms=updated_ms):
                moments.add(updated_ms)
            case _:
                continue
    moment = moments.pop() if len(moments) == 1 else None
    return None if moment is None else moment * 1_000_000


def _is_before(report: object, began_ns: int) -> bool:
    match report:
        case TradeReport(at_ms=int(at_ms)) | LedgerReport(at_ms=int(at_ms)) | OrderReport(updated_ms=int(at_ms)):
            return at_ms * 1_000_000 < began_ns
        case _:
            return False
