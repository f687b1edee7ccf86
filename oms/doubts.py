"""Which sends and changes nobody here answers for: each may have left, and nobody awaits its answer. Pure."""

from collections.abc import Callable, Collection

from oms.book import Book
from oms.decide import Addressed
from oms.order.messages import AmendUnanswered, SubmitUnknown
from oms.order.state import Life
from oms.values import Symbol
from oms.venue import Capabilities


def doubts(
    book: Book,
    capabilities: Callable[[Symbol], Capabilities],
    now_ns: int,
    reason: str,
    *,
    sending: Collection[tuple[str, int]] = (),
    changing: Collection[tuple[str, str]] = (),
) -> list[Addressed]:
    """Return what puts in doubt every order that is being sent, and every change that no answer came to, unless
    somebody here awaits it.

    `sending` names the sends that are somebody's here, by stream and attempt, `changing` the changes, by stream and
    request.
    """
    found: list[Addressed] = []
    for stream in book.open:
        order = book.orders[stream]
        unsent = order.life is Life.SENDING and (stream, order.attempts) not in sending
        changes = [
            each.request_id
            for each in order.amends
            if not each.valid_until_ns and (stream, each.request_id) not in changing
        ]
        if not (unsent or changes):
            continue
        until_ns = now_ns + int(capabilities(order.request.symbol).submit_validity * 1e9)
        found.extend(
            (stream, AmendUnanswered(request_id=request_id, reason=reason, valid_until_ns=until_ns))
            for request_id in changes
        )
        if unsent:
            found.append((stream, SubmitUnknown(reason=reason, valid_until_ns=until_ns)))
    return found
