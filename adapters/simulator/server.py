"""The simulator on loopback: BitMart's REST and streams for any client, and the simulator's own door."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web
from msgspec import Struct

from adapters.simulator.connection import Connection
from adapters.simulator.door import Door
from adapters.simulator.host import FUTURES_PREFIX, Product
from adapters.simulator.pace import STEP_SECONDS, keep_stepping, now_ms
from adapters.simulator.simulator import NoAnswer, Simulator
from adapters.simulator.wire.gateway import Reply, Request
from oms.ports import Clock, Spawn

BODY_MAX: Final = 1 << 20
STREAM_PATHS: Final = ("/api", "/user")  # public, private
PRODUCTS: Final[Mapping[Product, str]] = {Product.FUTURES: FUTURES_PREFIX, Product.SPOT: ""}
SERVER_PING_SECONDS: Final = 54.0  # futures streams are pinged by the venue (PROTOCOL 3.5)


class Login(Struct, frozen=True):
    """An account one may trade as."""

    name: str
    key: str
    secret: str
    memo: str


class Urls(Struct, frozen=True):
    """Where a running simulator listens: what `oms simulator` prints. The futures host is the same with a prefix."""

    spot_url: str
    futures_url: str
    spot_ws_url: str
    futures_ws_url: str
    sim_url: str
    accounts: tuple[Login, ...]


@asynccontextmanager
async def serve(
    simulator: Simulator,
    *,
    clock: Clock,
    spawn: Spawn,
    host: str = "127.0.0.1",
    port: int = 0,
    step_seconds: float = STEP_SECONDS,
) -> AsyncIterator[Urls]:
    """Run `simulator` on `host`:`port` (0 takes a free one) while the context lasts, and yield its addresses.

    Raises:
        ValueError: `host` is not a loopback address: whoever reaches the door owns the market.
        OSError: the port is taken.
    """
    if not ip_address(host).is_loopback:
        raise ValueError(f"the simulator listens on loopback only, not on {host}")
    shell = _Shell(simulator, clock, spawn)
    runner = web.AppRunner(shell.application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stepping = None
    try:
        await web.TCPSite(runner, host, port).start()
        stepping = spawn(keep_stepping(simulator, clock, seconds=step_seconds), name="simulator steps")
        address = f"{host if ':' not in host else f'[{host}]'}:{runner.addresses[0][1]}"
        yield _urls(simulator, address)
    finally:
        if stepping is not None:
            stepping.cancel()
        shell.hang_up()
        await runner.cleanup()


def _urls(simulator: Simulator, address: str) -> Urls:
    logins = tuple(Login(one.account, one.key, one.secret, one.memo) for one in simulator.credentials)
    http, ws = f"http://{address}", f"ws://{address}"
    return Urls(http, f"{http}{FUTURES_PREFIX}", ws, f"{ws}{FUTURES_PREFIX}", http, logins)


class _Shell:
    """All the input and output there is; what it means is the simulator's business."""

    def __init__(self, simulator: Simulator, clock: Clock, spawn: Spawn) -> None:
        self._simulator = simulator
        self._door = Door(simulator)
        self._clock = clock
        self._spawn = spawn
        self._open: dict[int, web.WebSocketResponse] = {}

    def application(self) -> web.Application:
        application = web.Application(client_max_size=BODY_MAX)
        application.router.add_route("*", "/sim/{call:.*}", self._meddle)
        for product, prefix in PRODUCTS.items():  # the bare paths, which match everything, come last
            for path in STREAM_PATHS:
                serve_stream = partial(self._stream, product=product, private=path == "/user")
                application.router.add_get(f"{prefix}{path}", serve_stream)
            application.router.add_route("*", f"{prefix}/{{path:.*}}", partial(self._rest, product=product))
        return application

    def hang_up(self) -> None:
        """Cut every stream."""
        for connection in list(self._simulator.connections):
            connection.close()

    async def _rest(self, request: web.Request, *, product: Product) -> web.StreamResponse:
        body = await request.read()
        target = request.raw_path.removeprefix(PRODUCTS[product])
        asked = Request(request.method, target, dict(request.headers), body, request.remote or "")
        served = self._simulator.serve(asked, now_ms(self._clock), product=product)
        if isinstance(served, NoAnswer):
            return _cut(request)
        return _response(served)

    async def _meddle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        return _response(self._door.handle(request.method, request.path, body, now_ms(self._clock)))

    async def _stream(self, request: web.Request, *, product: Product, private: bool) -> web.StreamResponse:
        fresh = asyncio.Event()
        connection = self._simulator.connect(
            now_ms(self._clock), private=private, notify=fresh.set, product=product, ip=request.remote or ""
        )
        if connection is None:
            return _cut(request)
        heartbeat = SERVER_PING_SECONDS if product is Product.FUTURES else None
        socket = web.WebSocketResponse(autoping=True, compress=False, heartbeat=heartbeat)
        await socket.prepare(request)
        writing = self._spawn(_write(socket, connection, fresh), name="simulator stream")
        try:
            async for message in socket:
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    self._simulator.receive(connection, message.data, now_ms(self._clock))
        finally:
            connection.close()
            writing.cancel()
        return socket


async def _write(socket: web.WebSocketResponse, connection: Connection, fresh: asyncio.Event) -> None:
    """Send what the venue has to say until it hangs up or the client is gone."""
    try:
        while True:
            for frame in connection.take():
                if isinstance(frame, str):
                    await socket.send_str(frame)
                else:
                    await socket.send_bytes(frame)
            if connection.closed:
                await socket.close(code=connection.stream.close_code or WSCloseCode.OK)
                return
            await fresh.wait()
            fresh.clear()
    except ConnectionError:
        connection.close()


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, headers=reply.headers, body=reply.body)


def _cut(request: web.Request) -> web.Response:
    """Hang up without an answer: the client cannot tell what became of its request."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
