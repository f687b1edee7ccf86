"""The real wire, against servers on loopback that behave, break off, stay silent or were never there."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import web

from adapters.bitmart import transport
from adapters.bitmart.transport import AiohttpLink
from oms.ports import Link, LinkError

Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(reply: Reply) -> AsyncIterator[str]:
    """A server that speaks bytes, and its URL."""
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        try:
            await reply(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()
        await asyncio.gather(*(task for task in serving if task is not None))


@asynccontextmanager
async def linked() -> AsyncIterator[AiohttpLink]:
    link = AiohttpLink()
    try:
        yield link
    finally:
        await link.close()


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line), 0)
    return head + await reader.readexactly(length)


async def test_the_exact_bytes_leave_under_our_own_name() -> None:
    seen: list[bytes] = []

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request_of(reader))
        writer.write(b'HTTP/1.1 429 Too Many\r\nX-BM-RateLimit-Remaining: 41\r\nContent-Length: 4\r\n\r\n{"a"')

    async with listening(reply) as url, linked() as link:
        wire: Link = link
        answer = await wire.call("POST", url + "/spot/v2/x", {"X-BM-KEY": "k"}, b'{"size":"1"}', 5)
    assert (answer.status, answer.body) == (429, b'{"a"')
    assert answer.headers["x-bm-ratelimit-remaining"] == "41"
    assert seen[0].startswith(b"POST /spot/v2/x HTTP/1.1\r\n")
    assert seen[0].endswith(b'\r\n\r\n{"size":"1"}')
    assert b"User-Agent: oms/" in seen[0]
    assert b"X-BM-KEY: k" in seen[0]


async def test_a_server_that_is_not_there_got_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with linked() as link:
        with pytest.raises(LinkError) as caught:
            await link.call("POST", f"http://127.0.0.1:{port}/", {}, b"{}", 5)
        assert not caught.value.sent
        with pytest.raises(LinkError) as caught:
            await link.connect(f"ws://127.0.0.1:{port}/user", 5)
        assert not caught.value.sent


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)


async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


async def babbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(b"I am not HTTP\r\n\r\n")


@pytest.mark.parametrize("reply", [silent, hangs_up, breaks_off, babbles])
async def test_once_there_was_a_connection_the_request_may_have_arrived(reply: Reply) -> None:
    async with listening(reply) as url, linked() as link:
        with pytest.raises(LinkError) as caught:
            await link.call("POST", url + "/", {}, b"{}", 0.3)
    assert caught.value.sent


async def test_a_kept_connection_that_died_is_not_proof_of_anything() -> None:
    """A POST on a connection that the server closed meanwhile is neither repeated nor called unsent."""
    asked = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await request_of(reader)
        asked += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await request_of(reader)
        asked += 1

    async with listening(once) as url, linked() as link:
        await link.call("POST", url + "/", {}, b"{}", 5)
        with pytest.raises(LinkError) as caught:
            await link.call("POST", url + "/", {}, b"{}", 5)
    assert caught.value.sent
    assert asked == 2


async def test_a_body_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "BODY_MAX", 1000)

    async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b" " * 1001)
        await reader.read()

    async with listening(floods) as url, linked() as link:
        with pytest.raises(LinkError, match="more than 1000 bytes"):
            await link.call("GET", url + "/", {}, b"", 5)


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    async def redirects(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")

    async with listening(redirects) as url, linked() as link:
        assert (await link.call("GET", url + "/", {}, b"", 5)).status == 302


@asynccontextmanager
async def streaming(talk: Callable[[web.WebSocketResponse], Awaitable[None]]) -> AsyncIterator[str]:
    async def accept(request: web.Request) -> web.WebSocketResponse:
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        await talk(stream)
        return stream

    app = web.Application()
    app.router.add_get("/user", accept)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/user?protocol=1.1"
    finally:
        await runner.cleanup()


async def test_frames_come_as_they_are_until_the_end() -> None:
    async def talk(stream: web.WebSocketResponse) -> None:
        assert await stream.receive_str() == "ping"
        await stream.send_str("pong")
        await stream.send_bytes(b"\x00\x01")
        await stream.close(code=aiohttp.WSCloseCode.GOING_AWAY)

    async with streaming(talk) as url, linked() as link:
        stream = await link.connect(url, 5)
        await stream.send("ping")
        assert (await stream.receive(), await stream.receive()) == ("pong", b"\x00\x01")
        with pytest.raises(LinkError):
            await stream.receive()
        with pytest.raises(LinkError):
            await stream.send("ping")
        await stream.close()


async def test_closing_a_socket_ends_the_receive_that_waits_for_it() -> None:
    async def talk(stream: web.WebSocketResponse) -> None:
        await stream.receive()

    async with streaming(talk) as url, linked() as link:
        stream = await link.connect(url, 5)
        waiting = asyncio.get_running_loop().create_task(stream.receive())
        await asyncio.sleep(0.05)
        await stream.close()
        with pytest.raises(LinkError):
            await asyncio.wait_for(waiting, 5)


async def test_a_link_may_be_closed_twice_and_used_again() -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with listening(reply) as url, linked() as link:
        await link.close()
        assert (await link.call("GET", url + "/", {}, b"", 5)).status == 200
        await link.close()
        assert (await link.call("GET", url + "/", {}, b"", 5)).status == 200
