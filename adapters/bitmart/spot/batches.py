"""Many orders in one call, and a result for each: PROTOCOL 5.5 and 5.6.

A batch of submits answers with ids and no word on whose they are, and how an element that failed is represented is
unverified. So every element carries our id; where the venue took fewer than were sent, each is looked up under it, and
one that is not found proves nothing yet: its outcome is unknown. A batch of cancels lists ids, ours or the venue's
(unverified as well), and both spellings are understood.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from adapters.bitmart.answers import Reports
from adapters.bitmart.limits import Purpose
from adapters.bitmart.refusals import ORDER_CLOSED, ORDER_NOT_FOUND
from adapters.bitmart.spot import codec, requests
from adapters.bitmart.spot.calls import Calls
from oms.reports import Ack, OrderReport, Refusal, RefusalClass, Report
from oms.values import ClientOrderId, Side, Symbol
from oms.venue import Answer, Evidence, LastLook, NewOrder, NoAnswerError, OrderRef, joined

NOT_SENT: Final = "not_sent"  # no byte left: may be sent again under the same id
NO_ANSWER: Final = "no_answer"
UNPROVEN: Final = "unproven"  # the venue does not say what became of it


class Batches:
    """The batch calls of one account."""

    def __init__(self, calls: Calls, *, self_trade: requests.SelfTrade, window_ms: int) -> None:
        self._calls = calls
        self._self_trade = self_trade
        self._window_ms = window_ms

    async def submit_many(self, orders: Sequence[NewOrder]) -> Answer:
        """Send new orders once, ten of one symbol in a call: an Ack or a Refusal for each, in the order given.

        A Refusal of class UNKNOWN leaves its order in doubt. An Ack of a batch of several carries no venue id.

        Raises:
            InvalidOrderError: one of them is none the venue has; nothing was sent.
        """
        results: dict[str, Report] = {}
        asked: list[Evidence] = []
        for part, body in [(part, self._body(part)) for part in _parts(orders)]:  # all are built before any leaves
            evidence, outcome = await self._submit_part(part, body)
            asked += evidence
            results |= outcome
        return Answer(reports=tuple(results[order.client_order_id] for order in orders), evidence=_shown(asked))

    async def submit_one(self, order: NewOrder, last_look: LastLook) -> tuple[Evidence, Reports]:
        """Send one order by the batch call, for its short validity.

        Raises:
            NoAnswerError: nothing is settled: the inner envelope failed, or holds no id.
        """
        body = self._body((order,))
        evidence, reports = await self._calls.command(codec.BATCH_ORDERS, body, Purpose.OPENING, last_look)
        if len(reports) != 1:
            raise NoAnswerError(f"{evidence.channel}: one order, {len(reports)} ids", evidence)
        return evidence, reports

    async def _submit_part(self, orders: tuple[NewOrder, ...], body: bytes) -> tuple[list[Evidence], dict[str, Report]]:
        ids = [order.client_order_id for order in orders]
        try:
            evidence, reports = await self._calls.ask(codec.BATCH_ORDERS, body, Purpose.OPENING)
        except NoAnswerError as error:
            lost = _lost(error)
            return [error.evidence], {name: _of(lost, name) for name in ids}
        refusal = next((report for report in reports if isinstance(report, Refusal)), None)
        if refusal is not None and refusal.reason != codec.BATCH_FAILED:
            return [evidence], {name: _of(refusal, name) for name in ids}
        taken = [report for report in reports if isinstance(report, Ack)]
        if len(taken) == len(orders):
            known = taken[0].venue_order_id if len(orders) == 1 else None
            return [evidence], {name: Ack(client_order_id=name, venue_order_id=known) for name in ids}
        asked: list[Evidence] = [evidence]
        results: dict[str, Report] = {}
        for order in orders:
            found, results[order.client_order_id] = await self._became(order, refusal)
            asked.append(found)
        return asked, results

    async def _became(self, order: NewOrder, refusal: Refusal | None) -> tuple[Evidence, Report]:
        """Look up what became of one element; `refusal` is the batch's own word, if it had one."""
        name = order.client_order_id
        words = None if refusal is None else f"{refusal.code} {refusal.text}"
        unproven = Refusal(klass=RefusalClass.UNKNOWN, reason=UNPROVEN, text=words, client_order_id=name)
        body = requests.query_client_order(name)
        try:
            evidence, reports = await self._calls.query(codec.QUERY_CLIENT_ORDER, body, tolerated=(ORDER_NOT_FOUND,))
        except NoAnswerError as error:
            return error.evidence, unproven
        found = next((report for report in reports if isinstance(report, OrderReport)), None)
        if found is None or found.client_order_id != name:
            return evidence, unproven
        return evidence, Ack(client_order_id=name, venue_order_id=found.venue_order_id)

    def _body(self, orders: Sequence[NewOrder]) -> bytes:
        return requests.batch(orders, window_ms=self._window_ms, self_trade=self._self_trade)

    # -------------------------------------------------------------------------------------------- cancels

    async def cancel_many(self, orders: Sequence[OrderRef], last_look: LastLook) -> Answer:
        """Ask for cancels once, ten of one symbol in a call: an Ack or a Refusal for each, in the order given. As with
        one cancel, both leave the order's final state to be read.
        """
        results: dict[str, Report] = {}
        asked: list[Evidence] = []
        for part, body in [(part, requests.cancel_many(part)) for part in _parts(orders)]:
            try:
                evidence, reports = await self._calls.ask(codec.CANCEL_ORDERS, body, Purpose.CANCELING, last_look)
            except NoAnswerError as error:
                lost = _lost(error)
                asked.append(error.evidence)
                results |= {order.client_order_id: _of(lost, order.client_order_id) for order in part}
            else:
                asked.append(evidence)
                results |= {order.client_order_id: _canceled(order, reports) for order in part}
        return Answer(reports=tuple(results[order.client_order_id] for order in orders), evidence=_shown(asked))

    async def cancel_all(self, symbol: Symbol | None, side: Side | None) -> Answer:
        """Ask for the cancel of everything, or of a symbol's or a side's orders: one Ack, as the venue names none of
        them. Which are gone is to be read.
        """
        body = requests.cancel_all(symbol, side)
        evidence, reports = await self._calls.command(codec.CANCEL_ALL, body, Purpose.CANCELING)
        return Answer(reports=reports, evidence=evidence)


T = TypeVar("T", NewOrder, OrderRef)


def _parts(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """Yield the items in parts of one symbol each, none larger than the venue takes."""
    by_symbol: dict[Symbol, list[T]] = {}
    for item in items:
        by_symbol.setdefault(item.symbol, []).append(item)
    for alike in by_symbol.values():
        for start in range(0, len(alike), requests.BATCH_MAX):
            yield tuple(alike[start : start + requests.BATCH_MAX])


def _canceled(order: OrderRef, reports: Reports) -> Report:
    """Return what the answer says of one order of the cancel."""
    names = {order.client_order_id, order.venue_order_id} - {None}  # a refusal that names nobody is of no one order
    for report in reports:
        match report:
            case Ack(venue_order_id=name) if name in names:
                return Ack(client_order_id=order.client_order_id, venue_order_id=order.venue_order_id)
            case Refusal(code=None, text=name) if name in names:
                return Refusal(klass=report.klass, reason=ORDER_CLOSED, client_order_id=order.client_order_id)
            case Refusal(reason=reason) if reason != ORDER_CLOSED:
                return _of(report, order.client_order_id)  # the call's, not one order's
            case _:
                continue
    return Refusal(klass=RefusalClass.UNKNOWN, reason=UNPROVEN, client_order_id=order.client_order_id)


def _lost(error: NoAnswerError) -> Refusal:
    """Return what a call proves that brought no answer."""
    if error.sent:
        return Refusal(klass=RefusalClass.UNKNOWN, reason=NO_ANSWER, text=str(error))
    return Refusal(klass=RefusalClass.TRANSIENT, reason=NOT_SENT, text=str(error))


def _of(refusal: Refusal, name: ClientOrderId) -> Refusal:
    return msgspec.structs.replace(refusal, client_order_id=name)


def _shown(asked: list[Evidence]) -> Evidence:
    return joined(asked) if asked else Evidence(channel="nothing was asked for")
