"""A wire that is cut and stalled while everybody works: to Postgres, and to the venue."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
BIND: Final = b"B"  # what opens a message that runs a prepared statement; of the OMS's, only an append begins with it


class Proxy:
    """Forwards TCP on loopback to a server, which `connect` reaches. `cut` breaks what is open, `stall` lets nothing
    pass, `down` lets nobody in. With `cut_after_commit` the next append arrives, and its answer is dropped with the
    connection.
    """

    def __init__(self, connect: Connect) -> None:
        self.port = 0
        self.down = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._armed: asyncio.Event | None = None
        self._connect = connect
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

    def stall(self) -> None:
        """Let nothing pass, until `flow`."""
        self._flowing.clear()

    @property
    def flowing(self) -> bool:
        return self._flowing.is_set()

    def flow(self) -> None:
        """Let what was held back pass."""
        self._flowing.set()

    async def cut_after_commit(self, seconds: float) -> bool:
        """Drop the answer to the next append, and its connection; whether there was one within `seconds`."""
        self._armed = asyncio.Event()
        try:
            await asyncio.wait_for(self._armed.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            self._armed = None
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.down:
                raise ConnectionRefusedError
            upstream, downstream = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        both = (writer, downstream)
        self._writers.update(both)
        lost = asyncio.Event()
        with suppress(OSError):
            await asyncio.gather(self._requests(reader, downstream, lost), self._answers(upstream, writer, lost))
        for each in both:
            self._writers.discard(each)
            each.transport.abort()

    async def _requests(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        while data := await source.read(65536):
            await self._flowing.wait()
            if self._armed is not None and not self._armed.is_set() and data.startswith(BIND):
                self._armed.set()
                lost.set()
            sink.write(data)
            await sink.drain()
        raise ConnectionResetError("the client has gone")

    async def _answers(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        while data := await source.read(65536):
            await self._flowing.wait()
            if lost.is_set():
                raise ConnectionResetError("the answer is lost")
            sink.write(data)
            await sink.drain()
        raise ConnectionResetError("the server has gone")
