"""Orders that end at a time of ours: where no venue keeps time for us, their end is asked for when it has come.

An order that has not left by then is not sent (`oms.dispatcher`); one in doubt is canceled once it was found.
"""

import asyncio
import heapq
from collections.abc import Sequence
from typing import Final

from oms.book import order_stream
from oms.decide import Fact
from oms.engine import Engine
from oms.errors import FencedError, OmsError
from oms.order.decisions import EXPIRY
from oms.order.events import OrderRequested
from oms.order.messages import CancelOrder
from oms.order.state import CLOSED, Order
from oms.ports import Clock, Spawn

LOOK_SECONDS: Final = 1.0  # at most between two looks at the clock, which may step
AGAIN_NS: Final = 1_000_000_000  # until a cancel is asked for again that the log did not take


class Expiry:
    """Asks for the end of one account's orders whose time has run out."""

    def __init__(self, engine: Engine, *, clock: Clock, spawn: Spawn) -> None:
        self._engine = engine
        self._clock = clock
        self._spawn = spawn
        self._due: list[tuple[int, str]] = []  # when, and the order's stream; the next one first
        engine.on_commit.append(self._handed)

    def start(self) -> None:
        """Begin with the orders that are open already."""
        book = self._engine.book
        for stream in book.open:
            self._watch(stream, book.orders[stream].request)
        self._spawn(self._run(), name=f"expiry {self._engine.account}")

    def _handed(self, committed: Sequence[Fact]) -> None:
        for stream, event, _ in committed:
            if type(event) is OrderRequested and event.expires_ns is not None:
                self._watch(stream, event)

    def _watch(self, stream: str, request: OrderRequested) -> None:
        if request.expires_ns is not None:
            heapq.heappush(self._due, (request.expires_ns, stream))

    async def _run(self) -> None:
        while not self._engine.fenced.is_set():
            now_ns = self._clock.now_ns()
            while self._due and self._due[0][0] <= now_ns:
                _, stream = heapq.heappop(self._due)
                await self._end(stream, now_ns)
            ahead = (self._due[0][0] - now_ns) / 1e9 if self._due else LOOK_SECONDS
            await asyncio.sleep(min(max(ahead, 0.001), LOOK_SECONDS))

    async def _end(self, stream: str, now_ns: int) -> None:
        order = self._engine.book.orders.get(stream)
        if not isinstance(order, Order) or order.life in CLOSED:
            return
        request = order.request
        assert order_stream(request.account, request.client_order_id) == stream
        command = CancelOrder(
            account=request.account,
            client_order_id=request.client_order_id,
            request_id=EXPIRY,
            reason="its time has run out",
        )
        try:
            await self._engine.execute(command, actor="oms", cause=EXPIRY)
        except FencedError:
            return
        except OmsError:
            order = self._engine.book.orders.get(stream)
            if order is not None and order.life not in CLOSED:
                heapq.heappush(self._due, (now_ns + AGAIN_NS, stream))
