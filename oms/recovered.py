"""Tells what was recovered from what was heard of: what had happened before whoever asks began, pure (S68).

A log that was down, or that was put back to yesterday, is made whole by the venue's own history. Whoever reads it must
be able to list what came so. The venue's time is held against our clock: what happened within their difference of the
beginning may be taken for the other.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from oms.decide import Addressed, Report
from oms.reports import occurred_ns
from oms.values import Provenance


def runs(
    news: Sequence[Addressed], source: Provenance, began_ns: int
) -> Iterator[tuple[Provenance, Sequence[Addressed]]]:
    """Yield `news` in its order, in as many parts as it takes, each with how it came to be known: what a query brought
    of before `began_ns` (UTC) was recovered.
    """
    for recovered, part in groupby(news, lambda each: source is Provenance.POLL and _is_before(each[1], began_ns)):
        yield (Provenance.RECOVERED if recovered else source), list(part)


def _is_before(report: Report, began_ns: int) -> bool:
    happened_ns = occurred_ns(report)
    return happened_ns is not None and happened_ns < began_ns
