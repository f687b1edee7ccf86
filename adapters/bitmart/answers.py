"""What an answer settles, and what it does not: the same on both of BitMart's markets.

A command is settled by an acceptance or by a refusal that proves that it had no effect. A query is settled by what it
found, never by not having been able to ask. Whatever settles nothing is NoAnswerError.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from adapters.bitmart.envelope import HTTP_OK, NO_PAYLOAD
from adapters.bitmart.refusals import CLOCK, DUPLICATE_ID, RETIRED, UNKNOWN_PATH, UNREADABLE
from adapters.bitmart.rest import Rest
from oms.reports import Ack, OrderReport, Refusal, RefusalClass, Report, TradeReport, Unreadable
from oms.values import ClientOrderId, Provenance, VenueOrderId
from oms.venue import Answer, Evidence, NoAnswerError, OrderRef, Window, joined

Reports = tuple[Report, ...]
Bounds = tuple[int, int]

CALLS_MAX: Final = 64  # of one bisection
GONE: Final = (RETIRED, UNKNOWN_PATH)  # the venue has switched the call off
GONE_SECONDS: Final = 300.0  # after that long it may be tried again: a page in front of the venue says so too, at times
NOTHING: Final[frozenset[str]] = frozenset()
NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})


class Reading:
    """Reads the answers of one host with its codec; `answer` takes path, body and status.

    `lost` says which calls the venue has retired under us (PROTOCOL 9.51), in the words of `names` by path: since their
    last answer, and for so long as it proves anything.
    """

    def __init__(
        self,
        rest: Rest,
        answer: Callable[[str, bytes, int | None], Reports],
        names: Mapping[str, str] = NO_NAMES,
    ) -> None:
        self._gone: dict[str, float] = {}  # what, since when
        self._rest = rest
        self._answer = answer
        self._names = names

    @property
    def lost(self) -> frozenset[str]:
        """What the venue does not offer any more."""
        if not self._gone:
            return NOTHING
        now = self._rest.clock.monotonic()
        return frozenset(name for name, since in self._gone.items() if now - since < GONE_SECONDS)

    def read(self, path: str, evidence: Evidence) -> Reports:
        """Return what an answer says, a refusal too, and learn from it: a stamp that was off, a path that is gone."""
        reports = self._answer(path, evidence.response, evidence.status)
        found = refusal(reports)
        if found and found.reason == CLOCK:
            self._rest.server_clock.doubt()
        name = self._names.get(path)
        if name is not None and found and found.reason in GONE:
            self._gone[name] = self._rest.clock.monotonic()
        elif name is not None and self._gone:
            self._gone.pop(name, None)
        return reports

    def settled(self, path: str, evidence: Evidence) -> Reports:
        """Return what a command's answer settles.

        Raises:
            NoAnswerError: nothing. A duplicate id passes, as the proof that an attempt arrived.
        """
        reports = self.read(path, evidence)
        found = refusal(reports)
        if found and found.klass is RefusalClass.UNKNOWN and found.reason != DUPLICATE_ID:
            raise NoAnswerError(cause(evidence, found), evidence)
        return reports

    def listed(self, path: str, evidence: Evidence, *, tolerated: Collection[str] = ()) -> Reports:
        """Return what a query brought.

        Raises:
            NoAnswerError: it was refused for any other reason than the `tolerated` ones: an empty list, or an order
                that was not found, must never come from not having been able to ask.
        """
        reports = self.read(path, evidence)
        found = refusal(reports)
        if found and found.reason not in tolerated:
            broken = evidence.status == HTTP_OK and found.reason in (NO_PAYLOAD, UNREADABLE[1])
            raise NoAnswerError(cause(evidence, found), evidence, unreadable=broken)
        return reports


async def bisected(
    ask: Callable[[int, int], Awaitable[Evidence]],
    read: Callable[[Evidence], Reports],
    windows: Sequence[Bounds],
    *,
    rows_max: int,
    narrowest_refused: int,
    unit_ms: int = 1,
) -> Answer:
    """Return every row of the `windows`, halving each as long as it is answered with `rows_max` rows, or refused while
    wider than `narrowest_refused`; and going on from there in parts of the width that was not, or wider ones where few
    rows came. Bounds are in the unit that `ask` takes, of `unit_ms`, and the windows in order.

    Seams overlap, as no source says whether bounds are inclusive; repeats are dropped by id. The answer says what is
    proven to be whole.
    """
    waiting = list(reversed(windows))
    asked: list[Evidence] = []
    found: dict[str, Report] = {}
    proven: list[Window] = []
    complete, widest = True, max((end - start for start, end in windows), default=0)
    width = widest
    while waiting:
        if len(asked) == CALLS_MAX:
            complete = False
            break
        start, last = waiting.pop()
        end = min(start + width, last)
        evidence = await ask(start, end)
        asked.append(evidence)
        reports = read(evidence)
        turned_down = refused(reports)
        capped = len(reports) >= rows_max
        if (turned_down or capped) and end - start > (narrowest_refused if turned_down else 1):
            width = max((end - start) // 2, 1)
            widest = width if turned_down else widest  # what is refused for its width is not asked for again
            waiting.append((start, last))
            continue
        if not turned_down and whole(reports, rows_max):
            _prove(proven, Window(start * unit_ms, end * unit_ms))
        else:
            complete = False
        found |= {key(report): report for report in reports if not isinstance(report, Refusal)}
        if len(reports) * 2 < rows_max:
            width = min(width * 2, widest)
        if end < last:
            waiting.append((end, last))
    return Answer(
        reports=tuple(found.values()),
        evidence=joined(asked),
        source=Provenance.POLL,
        complete=complete,
        proven=tuple(proven),
    )


def _prove(proven: list[Window], part: Window) -> None:
    """Add `part`, which begins where or after the last one ended."""
    if proven and proven[-1].until_ms >= part.since_ms:
        proven[-1] = Window(proven[-1].since_ms, part.until_ms)
    else:
        proven.append(part)


def named(reports: Reports, client_order_id: str, venue_order_id: str | None) -> Reports:
    """Return the answer to a command with the ids that the venue does not repeat and the caller knows."""
    return tuple(_with_ids(report, ClientOrderId(client_order_id), venue_order_id) for report in reports)


def _with_ids(report: Report, client_order_id: ClientOrderId, venue_order_id: str | None) -> Report:
    if isinstance(report, Ack):
        known = report.venue_order_id or (None if venue_order_id is None else VenueOrderId(venue_order_id))
        return Ack(venue_order_id=known, client_order_id=client_order_id)
    if isinstance(report, Refusal):
        return msgspec.structs.replace(report, client_order_id=client_order_id)
    return report


def cause(evidence: Evidence, found: Refusal) -> str:
    """Say in one line what a refusal was."""
    said = " ".join(word for word in (found.code, found.text) if word)
    return f"{evidence.channel}: {found.klass} {found.reason}, HTTP {evidence.status}: {said}"


def same(report: OrderReport, order: OrderRef) -> bool:
    """Return whether a report is of the order that was asked for: of its market, by our id or else by the venue's.

    A row with another id of its sender's is another order's, unless ours was made of the venue's, for want of any.
    """
    if report.symbol != order.symbol:
        return False
    if report.client_order_id == order.client_order_id:
        return True
    if order.venue_order_id is None or report.venue_order_id != order.venue_order_id:
        return False
    return report.client_order_id is None or order.client_order_id.endswith(order.venue_order_id)


def readable(reports: Iterable[Report]) -> bool:
    """Return whether every row was understood."""
    return not any(isinstance(report, Unreadable) for report in reports)


def whole(reports: Reports, rows_max: int) -> bool:
    """Return whether a list is all there is: below the venue's cap, and every row understood."""
    return len(reports) < rows_max and readable(reports)


def refusal(reports: Iterable[Report]) -> Refusal | None:
    """Return the refusal among them, if there is one."""
    return next((report for report in reports if isinstance(report, Refusal)), None)


def refused(reports: Iterable[Report]) -> bool:
    """Return whether a refusal is among them."""
    return any(isinstance(report, Refusal) for report in reports)


def key(report: Report) -> str:
    """Return what tells a row of a list from the others: the venue's ids are unique only within a symbol. Two trades
    that share an id and differ in anything are two rows: the sides of a trade with oneself, or whoever books them sees
    the contradiction.
    """
    match report:
        case TradeReport():
            figures = f"{report.quantity} {report.price} {report.at_ms}"
            return f"{report.symbol} {report.exec_id} {report.venue_order_id} {report.side} {figures}"
        case OrderReport(venue_order_id=str()):
            return f"{report.symbol} {report.venue_order_id}"
        case _:
            return repr(report)
