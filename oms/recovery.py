"""From the log to memory: one account's book, folded from nothing but its events."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

import structlog
from msgspec import Struct

from oms.book import Book, account_stream
from oms.errors import CorruptStreamError
from oms.order.events import OrderFilled
from oms.order.state import Order, fold
from oms.ports import EventLog, StoredEvent
from oms.snapshot import kept
from oms.store.codec import decode, decode_meta
from oms.values import AccountId, StrategyId

NAMES_MAX: Final = 1_000  # of accounts at exchanges that began anew
PAGE: Final = 5_000  # events read at once

log = structlog.get_logger()


class Recovered(Struct, frozen=True, kw_only=True):
    """A book, the log position it stands at, and when the log first and last wrote of the account (UTC, 0: never).
    `snapshot`: the position of the snapshot that it began with, 0: with nothing.
    """

    book: Book
    position: int
    opened_ns: int
    written_ns: int
    snapshot: int = 0


async def recover(
    account: AccountId,
    log_: EventLog,
    *,
    closed_kept: int,
    tallied: Collection[StrategyId] = (),
    since: Recovered | None = None,
    whole: bool = False,
) -> Recovered:
    """Fold the log of `account` from its snapshot on, or all of it where `whole` asks for that; or go on from `since`,
    whose book is the one that is returned.

    Raises:
        LogUnavailableError: the log cannot be read.
        CorruptStreamError: the log contradicts itself.
    """
    if since is None and not whole:
        since = await _from_snapshot(account, log_, closed_kept=closed_kept, tallied=tallied)
    if since is None:
        book = Book(account, closed_kept=closed_kept, tallied=tallied)
        since = Recovered(book=book, position=0, opened_ns=0, written_ns=0)
    try:
        return await _folded(account, log_, since)
    except CorruptStreamError as error:
        if not since.snapshot:
            raise
        log.warning("the log does not go on from its snapshot; all of it is folded", account=account, cause=error.cause)
        return await recover(account, log_, closed_kept=closed_kept, tallied=tallied, whole=True)


async def _folded(account: AccountId, log_: EventLog, since: Recovered) -> Recovered:
    book, position = since.book, since.position
    first: StoredEvent | None = None
    last: StoredEvent | None = None
    own = (f"order/{account}/", f"position/{account}/")
    while page := await log_.page(after=position, limit=PAGE):
        for stored in page:
            stream = stored.stream
            if not stream.startswith(own) and stream != account_stream(account):
                continue
            if stored.version > 1 and stream[0] == "o" and stream not in book.orders:
                # It closed long ago and left memory; now the log speaks of it again: a late trade, a bust.
                order = await read_order(log_, stream, before=stored.version)
                if order is not None:
                    book.restore(stream, order)
            if book.apply(stream, decode(stored.topic, stored.state)).version != stored.version:
                raise CorruptStreamError(f"{stream}: version {stored.version} does not follow what came before")
            first, last = first or stored, stored
        position = page[-1].position
        book.trim()
    return Recovered(
        book=book,
        position=position,
        opened_ns=since.opened_ns or (0 if first is None else decode_meta(first.state).recorded_ns),
        written_ns=since.written_ns if last is None else decode_meta(last.state).recorded_ns,
        snapshot=since.snapshot,
    )


async def _from_snapshot(
    account: AccountId, log_: EventLog, *, closed_kept: int, tallied: Collection[StrategyId]
) -> Recovered | None:
    found = await kept(account, log_, closed_kept=closed_kept, tallied=tallied)
    if found is None:
        return None
    memory, position = found
    return Recovered(
        book=Book.of_image(account, memory.image),
        position=position,
        opened_ns=memory.opened_ns,
        written_ns=memory.written_ns,
        snapshot=position,
    )


async def read_order(log: EventLog, stream: str, *, before: int | None = None) -> Order | None:
    """Return an order as its stream tells it, up to the version `before`; None for an empty stream.

    Raises:
        LogUnavailableError: the log cannot be read.
    """
    history = await log.read(stream)
    return fold(decode(stored.topic, stored.state) for stored in history if before is None or stored.version < before)  # type: ignore[misc]  # an order's stream holds an order's events


async def first_written_ns(log: EventLog, stream: str) -> int:
    """Return when the log first wrote of `stream` (UTC), 0 if it never did. Raises LogUnavailableError."""
    history = await log.read(stream)
    return decode_meta(history[0].state).recorded_ns if history else 0


class Booked(Struct, frozen=True):
    """When a trade happened (UTC ms): as the venue dates it, and at the latest. The venue's clock may have been ahead,
    but what was written down here had happened by then.
    """

    dated_ms: int
    happened_ms: int


async def booked(log: EventLog, stream: str) -> Mapping[str, Booked]:
    """Return when an order's trades happened, by trade, where the log knows it. Raises LogUnavailableError."""
    times: dict[str, Booked] = {}
    for stored in await log.read(stream):
        event, meta = decode(stored.topic, stored.state), decode_meta(stored.state)
        if isinstance(event, OrderFilled) and meta.occurred_ns is not None:
            happened_ns = min(meta.occurred_ns, meta.recorded_ns)
            times[event.exec_id] = Booked(meta.occurred_ns // 1_000_000, happened_ns // 1_000_000)
    return times


class Known(Struct, frozen=True):
    """What the log knows, as whoever connects a venue asks it: `fresh` returns a name like the one given that the log
    has never seen, for an exchange that begins anew.
    """

    fresh: Callable[[str], Awaitable[AccountId]]


def known(log_: EventLog) -> Known:
    """Return who answers for what is in `log_`."""

    async def fresh(name: str) -> AccountId:
        names = [AccountId(name if number == 1 else f"{name}{number}") for number in range(1, NAMES_MAX)]
        taken = await log_.existing([account_stream(each) for each in names])
        return next(each for each in names if account_stream(each) not in taken)

    return Known(fresh)
