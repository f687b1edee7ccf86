"""The simulator behind the venue link of `oms.ports`, inside one process: no socket, only latency, on any loop."""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from adapters.simulator.chance import Chance
from adapters.simulator.connection import Connection
from adapters.simulator.host import Product, product_of
from adapters.simulator.pace import now_ms
from adapters.simulator.simulator import NoAnswer, Simulator
from adapters.simulator.wire.gateway import Request
from oms.ports import Clock, LinkAnswer, LinkError, Socket

LATENCY_MS: Final = (2, 40)  # each way
QUEUE_MAX: Final = 10_000  # frames a client has not received; beyond it is cut off


class SimulatedLink:
    """Calls `simulator` as if over a network. A URL means futures by BitMart's name or by the prefix; else spot.

    A request that was sent arrives even if its caller is canceled meanwhile, as bytes in a network do. `clock` is the
    world's; `latency_ms` is drawn from `chance` for each way of each message.
    """

    def __init__(
        self, simulator: Simulator, clock: Clock, chance: Chance, *, latency_ms: tuple[int, int] = LATENCY_MS
    ) -> None:
        self._simulator = simulator
        self._clock = clock
        self._chance = chance
        self._latency_ms = latency_ms
        self._sockets: list[_SimulatedSocket] = []

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> LinkAnswer:
        """Make one HTTP call; raises LinkError if no whole answer came within `seconds`."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[LinkAnswer] = loop.create_future()
        parts = urlsplit(url)
        product, path = product_of(parts.hostname, parts.path)
        request = Request(method, f"{path}?{parts.query}" if parts.query else path, dict(headers), body)
        loop.call_later(self._delay(), self._arrive, answered, product, request)
        patience = loop.call_later(seconds, _give_up, answered, seconds)
        try:
            return await answered
        finally:
            patience.cancel()

    async def connect(self, url: str, seconds: float) -> Socket:
        """Open a stream; raises LinkError while the venue is down or if it takes longer than `seconds`."""
        delay = self._delay() + self._delay()
        if delay > seconds:
            await asyncio.sleep(seconds)
            raise LinkError(f"no connection within {seconds} s", sent=False)
        await asyncio.sleep(delay)
        socket = _SimulatedSocket(self)
        parts = urlsplit(url)
        product, path = product_of(parts.hostname, parts.path)
        connection = self._simulator.connect(
            now_ms(self._clock), private=path == "/user", notify=socket.fetch, product=product
        )
        if connection is None:
            raise LinkError("connection refused", sent=False)
        socket.attach(connection)
        self._sockets = [*(one for one in self._sockets if not one.closed), socket]
        return socket

    async def close(self) -> None:
        """Cut every stream."""
        for socket in self._sockets:
            await socket.close()
        self._sockets.clear()

    # -------------------------------------------------------------------------------------------- the network

    def delay_after(self, at: float) -> float:
        """Return when a message sent now arrives, by the loop's time, but never before `at`: streams keep order."""
        return max(at, asyncio.get_running_loop().time() + self._delay())

    def deliver(self, connection: Connection, frame: str) -> None:
        """Hand a client's frame to the venue."""
        if not connection.stream.closed:
            self._simulator.receive(connection, frame, now_ms(self._clock))

    def _delay(self) -> float:
        return self._chance.randint(*self._latency_ms) / 1000

    def _arrive(self, answered: asyncio.Future[LinkAnswer], product: Product, request: Request) -> None:
        served = self._simulator.serve(request, now_ms(self._clock), product=product)
        if isinstance(served, NoAnswer):
            if not served.connected and not answered.done():
                answered.set_exception(LinkError("connection refused", sent=False))
            return  # otherwise silence: the caller's patience ends it
        lower = {name.lower(): value for name, value in served.headers.items()}
        answer = LinkAnswer(served.status, lower, served.body)
        asyncio.get_running_loop().call_later(self._delay(), _settle, answered, answer)


def _give_up(answered: asyncio.Future[LinkAnswer], seconds: float) -> None:
    if not answered.done():
        answered.set_exception(LinkError(f"no answer within {seconds} s", sent=True))


def _settle(answered: asyncio.Future[LinkAnswer], answer: LinkAnswer) -> None:
    if not answered.done():  # else its caller gave up
        answered.set_result(answer)


class _SimulatedSocket:
    """One stream of a SimulatedLink. Frames under way stand in line, and each arrival takes the first: a loop may run
    two timers of the same instant in any order.
    """

    def __init__(self, link: SimulatedLink) -> None:
        self._link = link
        self._connection: Connection | None = None
        self._coming: deque[str | bytes | None] = deque()
        self._going: deque[str] = deque()
        self._inbox: asyncio.Queue[str | bytes | None] = asyncio.Queue()  # None: the connection is gone
        self._arrives_at = 0.0
        self._leaves_at = 0.0
        self._over = False

    @property
    def closed(self) -> bool:
        return self._over

    def attach(self, connection: Connection) -> None:
        self._connection = connection
        self.fetch()

    def fetch(self) -> None:
        """Put what the venue has for us on the way."""
        if self._connection is None or self._over:
            return
        frames: list[str | bytes | None] = [*self._connection.take()]
        if self._connection.closed:
            frames.append(None)
        for frame in frames:
            self._coming.append(frame)
            self._arrives_at = self._link.delay_after(self._arrives_at)
            asyncio.get_running_loop().call_at(self._arrives_at, self._arrive)

    def _arrive(self) -> None:
        frame = self._coming.popleft()
        if self._inbox.qsize() >= QUEUE_MAX and self._connection is not None:
            self._connection.close()
            frame = None
        self._inbox.put_nowait(frame)

    async def send(self, frame: str) -> None:
        """Send a text frame; raises LinkError once the connection is gone."""
        if self._over or self._connection is None:
            raise LinkError("the connection is closed", sent=False)
        self._going.append(frame)
        self._leaves_at = self._link.delay_after(self._leaves_at)
        asyncio.get_running_loop().call_at(self._leaves_at, self._deliver, self._connection)

    def _deliver(self, connection: Connection) -> None:
        self._link.deliver(connection, self._going.popleft())

    async def receive(self) -> str | bytes:
        """Return the next frame; raises LinkError once the connection is gone."""
        frame = None if self._over and self._inbox.empty() else await self._inbox.get()
        if frame is None:
            self._over = True
            raise LinkError("the connection is closed", sent=True)
        return frame

    async def close(self) -> None:
        """Hang up; a receive that waits is told."""
        if not self._over:
            self._over = True
            self._inbox.put_nowait(None)
        if self._connection is not None:
            self._connection.close()
