"""A wire to Postgres that is cut and stalled while everybody works."""

import asyncio
from contextlib import suppress


class Proxy:
    """Forwards TCP on loopback to a server's socket. `stalled` lets nothing pass; `cut` breaks what is open."""

    def __init__(self, socket: str) -> None:
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.port = 0
        self._socket = socket
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection at once."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def stall(self, seconds: float) -> None:
        """Let nothing pass for so long."""
        self.flowing.clear()
        await asyncio.sleep(seconds)
        self.flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            upstream, downstream = await asyncio.open_unix_connection(self._socket)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(downstream)
        with suppress(OSError):
            await asyncio.gather(self._pump(reader, downstream), self._pump(upstream, writer))
        for each in (writer, downstream):
            self._writers.discard(each)
            each.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self.flowing.wait()
            sink.write(data)
            await sink.drain()
        raise ConnectionResetError("the other end has gone")
