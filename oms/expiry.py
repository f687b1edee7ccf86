"""Orders whose end is ours to see to: those whose time has run out, where no venue keeps time for us, and those that
waited to close a position which is gone.

An order that has not left when its time is over is not sent (`oms.dispatcher`); one in doubt is canceled once it was
found. What waited for a position is canceled with the fill that closed it (`oms.decide`). The end is asked for until it
has come: a venue may refuse the cancel of an order that it does not know yet, and what was called dead may live after
all.
"""

import asyncio
import heapq
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from typing import Final, TypeVar

from oms.engine import Engine
from oms.errors import OmsError
from oms.folding import Fact
from oms.order.decisions import EXPIRY, FLAT
from oms.order.messages import CancelOrder
from oms.order.state import CLOSED, Order
from oms.ports import Clock, Spawn

LOOK_SECONDS: Final = 1.0  # at most between two looks at the clock, which may step
AGAIN_SECONDS: Final = 1  # from the first try to the next one, and twice as long from each to the one after it,
AGAIN: Final = {EXPIRY: EXPIRY, FLAT: f"{FLAT}again "}  # how further requests for an end begin
REASONS: Final = {EXPIRY: "its time has run out", FLAT: "its position is gone"}
CLOSED_MAX: Final = 1_000  # orders with a time to come that are kept after their end, beside as many as are open
DOUBLINGS_MAX: Final = 8  # up to four minutes: a venue that always refuses costs little, and no order is given up

_When = TypeVar("_When", int, float)


class Expiry:
    """Asks for the end of one account's orders whose time has run out."""

    def __init__(self, engine: Engine, *, clock: Clock, spawn: Spawn) -> None:
        self._engine = engine
        self._clock = clock
        self._spawn = spawn
        self._due: list[tuple[int, str, str]] = []  # when (UTC), the order's stream, and why; the next one first
        # Likewise what was tried, by the monotonic clock: the other one may be set back by minutes meanwhile.
        self._again: list[tuple[float, str, str]] = []
        self._watched: set[tuple[str, str]] = set()  # what is in either
        engine.on_commit.append(self._handed)
        engine.on_recovered.append(self._watch_open)

    def start(self) -> None:
        """Begin with the orders that are open already."""
        self._watch_open()
        self._spawn(self._run(), name=f"expiry {self._engine.account}")

    def _watch_open(self) -> None:
        """Also after memory was rebuilt: what the log holds by then need not be what was handed out."""
        book = self._engine.book
        for stream in book.open:
            self._watch(stream, book.orders[stream])

    def _handed(self, committed: Sequence[Fact]) -> None:
        for stream, _, order in committed:
            if isinstance(order, Order) and (order.request.expires_ns is not None or order.cancels_known):
                self._watch(stream, order)

    def _watch(self, stream: str, order: Order) -> None:
        if order.life in CLOSED:
            return
        expires_ns, outlived = order.request.expires_ns, any(map(_outlived, order.cancels_known))
        for due_ns, cause in ((expires_ns, EXPIRY), (self._clock.now_ns() if outlived else None, FLAT)):
            if due_ns is not None and (stream, cause) not in self._watched:
                self._watched.add((stream, cause))
                heapq.heappush(self._due, (due_ns, stream, cause))
                if len(self._due) > 2 * len(self._engine.book.open) + CLOSED_MAX:
                    self._forget_closed()

    def _forget_closed(self) -> None:
        """Most orders end long before their time. Whatever makes one live again brings it back."""
        live = [each for each in self._due if each[1] in self._engine.book.open]
        self._watched -= {(stream, cause) for _, stream, cause in self._due} - {(each[1], each[2]) for each in live}
        heapq.heapify(live)
        self._due = live

    async def _run(self) -> None:
        while not self._engine.fenced.is_set():
            now_ns, now = self._clock.now_ns(), self._clock.monotonic()
            for stream, cause in [*_taken(self._due, now_ns), *_taken(self._again, now)]:
                order = self._engine.book.orders.get(stream)
                if order is None or order.life in CLOSED:
                    self._watched.discard((stream, cause))  # whatever makes it live again brings it back
                    continue
                tries = sum(each.startswith(AGAIN[cause]) for each in order.cancels_known)
                heapq.heappush(self._again, (now + (AGAIN_SECONDS << min(tries, DOUBLINGS_MAX)), stream, cause))
                if not order.cancels:
                    await self._end(order, cause, tries)
            ahead = [(when - now_ns) / 1e9 for when, _, _ in self._due[:1]]
            ahead += [when - now for when, _, _ in self._again[:1]]
            await asyncio.sleep(min(max(min(ahead, default=LOOK_SECONDS), 0.001), LOOK_SECONDS))

    async def _end(self, order: Order, cause: str, tries: int) -> None:
        command = CancelOrder(
            account=order.request.account,
            client_order_id=order.request.client_order_id,
            request_id=_next_request(order, cause, tries),
            reason=REASONS[cause],
        )
        with suppress(OmsError):  # over by now, or not in the log: either way it is looked at again
            await self._engine.execute(command, actor="oms", cause=cause)


def _taken(due: list[tuple[_When, str, str]], now: _When) -> Iterator[tuple[str, str]]:
    """Take out what is due by `now`."""
    while due and due[0][0] <= now:
        _, stream, cause = heapq.heappop(due)
        yield stream, cause


def _outlived(request_id: str) -> bool:
    """Whether a cancel was asked for because a position is gone."""
    return request_id.startswith(FLAT) and request_id.removeprefix(FLAT).isdecimal()


def _next_request(order: Order, cause: str, tries: int) -> str:
    """Return the id of the next try: one that was used is answered, and nothing happens."""
    known = order.cancels_known
    if cause == EXPIRY and EXPIRY not in known:
        return EXPIRY
    return next(name for n in count(tries + 1) if (name := f"{AGAIN[cause]}{n}") not in known)
