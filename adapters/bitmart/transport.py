"""The real wire: an `oms.ports.Link` over aiohttp. All the I/O there is; nothing is understood here."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Final

import aiohttp

from oms.ports import LinkAnswer, LinkError

USER_AGENT: Final = "oms/0.1"  # the edge in front of BitMart refuses libraries' own names (PROTOCOL 9.41)
BODY_MAX: Final = 16 << 20  # bytes; the whole catalogue is under one megabyte
FRAME_MAX: Final = 4 << 20
CONNECTIONS_MAX: Final = 160  # more than the limiters of both hosts let be in flight, so that no call waits here
CLOSE_SECONDS: Final = 2.0
GONE: Final = (aiohttp.ClientError, OSError, TimeoutError)


class AiohttpLink:
    """Calls and sockets of one process. The session is made with the first use, on the loop that uses it."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> LinkAnswer:
        sending = SimpleNamespace(connected=False)  # bytes may leave once there is a connection, and not before
        try:
            async with (
                asyncio.timeout(seconds),
                self._opened().request(
                    method,
                    url,
                    headers=dict(headers),
                    data=body or None,
                    allow_redirects=False,
                    trace_request_ctx=sending,
                ) as response,
            ):
                return LinkAnswer(
                    status=response.status,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    body=await _bounded(response.content),
                )
        except GONE as error:
            cause = str(error) or type(error).__name__
            raise LinkError(f"{method} {url}: {cause}", sent=bool(sending.connected)) from error

    async def connect(self, url: str, seconds: float) -> "AiohttpSocket":
        try:
            async with asyncio.timeout(seconds):
                socket = await self._opened().ws_connect(
                    url, timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS), max_msg_size=FRAME_MAX
                )
        except GONE as error:
            raise LinkError(f"{url}: {str(error) or type(error).__name__}", sent=False) from error
        return AiohttpSocket(socket)

    async def close(self) -> None:
        """Close every connection. A later call opens a new session."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
                headers={"User-Agent": USER_AGENT},
                timeout=aiohttp.ClientTimeout(total=None),  # `call` has the only deadline
                trace_configs=[_connected()],
            )
        return self._session


class AiohttpSocket:
    """One WebSocket. It answers protocol pings by itself."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, frame: str) -> None:
        try:
            await self._socket.send_str(frame)
        except GONE as error:
            raise LinkError(f"stream gone: {error}", sent=True) from error

    async def receive(self) -> str | bytes:
        try:
            message = await self._socket.receive()
        except GONE as error:
            raise LinkError(f"stream gone: {error}", sent=True) from error
        match message.type:
            case aiohttp.WSMsgType.TEXT | aiohttp.WSMsgType.BINARY:
                data: str | bytes = message.data
                return data
            case _:
                raise LinkError(f"stream closed: {message.type.name.lower()} {self._socket.close_code}", sent=True)

    async def close(self) -> None:
        await self._socket.close()


def _connected() -> aiohttp.TraceConfig:
    """Return hooks that mark a call from the moment it has a connection."""

    async def mark(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
        if context.trace_request_ctx is not None:  # a stream's opening carries no request of ours
            context.trace_request_ctx.connected = True

    hooks = aiohttp.TraceConfig()
    hooks.on_connection_create_end.append(mark)
    hooks.on_connection_reuseconn.append(mark)
    return hooks


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """Read a body whole, or raise ClientPayloadError beyond BODY_MAX."""
    body = bytearray()
    async for part in content.iter_any():
        body += part
        if len(body) > BODY_MAX:
            raise aiohttp.ClientPayloadError(f"a body of more than {BODY_MAX} bytes")
    return bytes(body)
