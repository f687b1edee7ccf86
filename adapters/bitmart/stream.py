"""A stream's shell: connects, keeps alive, reconnects for ever. What the frames mean is `connection.py`'s."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final

from adapters.bitmart.connection import Connection, Dialect, Phase
from adapters.bitmart.rest import ServerClock
from adapters.bitmart.sign import Credentials
from oms.ports import Clock, Ids, Link, LinkError, Socket, Spawn
from oms.reports import Control
from oms.values import Provenance
from oms.venue import Answer, Evidence

CONNECT_SECONDS: Final = 10.0
SPACING: Final = 2.0  # the venue takes 30 new connections a minute from one address
BACK_OFF: Final = 1.0
BACK_OFF_MAX: Final = 30.0
DOUBLINGS_MAX: Final = 5
TICK: Final = 0.01  # a sleep may end a hair early: the keep-alive must not spin on what is left


class VenueStream:
    """Reports of one account in one market, or of the market to everybody, with Control reports around every gap."""

    def __init__(
        self,
        dialect: Dialect,
        *,
        credentials: Credentials,
        url: str,
        link: Link,
        clock: Clock,
        server_clock: ServerClock,
        ids: Ids,
        spawn: Spawn,
    ) -> None:
        self._dialect = dialect
        self._credentials = credentials
        self._url = url
        self._link = link
        self._clock = clock
        self._server_clock = server_clock
        self._ids = ids
        self._spawn = spawn
        self._socket: Socket | None = None

    async def answers(self) -> AsyncGenerator[Answer, None]:
        """Yield what the venue pushes, for ever. After each Control("disconnected") comes a new Control("connected"),
        and nothing tells what was missed in between: ask. What is public is remembered from before that on: there each
        connection that ends is told.
        """
        failures = 0
        proven = False  # the key was taken since a login was refused last
        while True:
            await self._ban_over()
            await self._server_clock.ready()
            await self._ban_over()  # the time may have been asked for, and that answered so
            started = self._clock.monotonic()
            connection = Connection(self._dialect, started)
            live = lost = False
            try:
                socket = await self._link.connect(self._url, CONNECT_SECONDS)
            except LinkError as error:
                cause = str(error)
            else:
                async with aclosing(self._one(connection, socket)) as answers:
                    async for answer in answers:
                        live = live or connection.phase is Phase.LIVE
                        yield answer
                cause = connection.cause
                lost = live or self._dialect.login is None
            proven = proven or live
            cool_down = connection.cool_down
            if connection.clock_off:
                self._server_clock.doubt()
                # A key that was good before, refused without a word of why: it may be the stamp.
                cool_down, proven = 0.0 if proven else cool_down, False
            failures = 0 if live else failures + 1
            if lost:
                yield self._control("disconnected", cause)
            await asyncio.sleep(self._pause(failures, started, cool_down))

    async def _ban_over(self) -> None:
        """Open nothing while the address is banned: all of its traffic is to stop (PROTOCOL 3.1)."""
        while (rest := self._server_clock.ban.until - self._clock.monotonic()) > 0:  # noqa: ASYNC110 - it may be extended
            await asyncio.sleep(rest)

    async def say(self, frame: str) -> None:
        """Send a frame of the caller's on the connection there is; without one, or with a dead one, it is lost."""
        if self._socket is not None:
            with suppress(LinkError):
                await self._socket.send(frame)

    async def _one(self, connection: Connection, socket: Socket) -> AsyncGenerator[Answer, None]:
        """Yield one connection's answers until it is lost."""
        keeper = self._spawn(self._keep(connection, socket), name=f"bitmart {self._dialect.market} stream keep-alive")
        try:
            for first in connection.opening(self._credentials, self._server_clock.now_ms()):
                await socket.send(first)
            self._socket = socket
            while connection.phase is not Phase.LOST:
                frame = await socket.receive()
                received = connection.receive(frame, self._clock.monotonic())
                for reply in received.send:
                    await socket.send(reply)
                yield Answer(
                    reports=received.reports,
                    evidence=Evidence(
                        channel=f"ws {received.channel}".rstrip(),
                        response=received.data,
                        received_ns=self._clock.now_ns(),
                    ),
                    source=Provenance.STREAM,
                )
        except LinkError as error:
            connection.cause = connection.cause or str(error)
        finally:
            self._socket = None
            keeper.cancel()
            await socket.close()

    async def _keep(self, connection: Connection, socket: Socket) -> None:
        """Ping, and close a connection that has died: that ends the receive that waits for it."""
        while not connection.overdue(now := self._clock.monotonic()):
            if ping := connection.ping(now):
                try:
                    await socket.send(ping)
                except LinkError:
                    return  # the receive sees it too
            await asyncio.sleep(max(connection.wait(now), TICK))
        await socket.close()

    def _pause(self, failures: int, started: float, cool_down: float) -> float:
        """Return the seconds until the next attempt: jittered, doubled by each failure, as rare as the venue asks."""
        back_off = min(BACK_OFF * 2 ** min(failures, DOUBLINGS_MAX), BACK_OFF_MAX)
        spacing = started + SPACING - self._clock.monotonic()
        return max(self._ids.uniform(back_off / 2, back_off), spacing, cool_down)

    def _control(self, event: str, text: str) -> Answer:
        return Answer(
            reports=(Control(event=event, text=text or None),),
            evidence=Evidence(channel="ws", received_ns=self._clock.now_ns()),
            source=Provenance.STREAM,
        )
