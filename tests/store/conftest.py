"""A wire to Postgres that breaks on demand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from enum import Enum

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

BIND = b"B"  # opens a call of a prepared statement; of what runs in these tests, only an append


class Cut(Enum):
    """What happens to the next append."""

    NOTHING = "nothing"
    BEFORE = "before"  # it is dropped, and the connection with it
    AFTER = "after"  # it arrives; its answer is dropped, and the connection with it
    LATE = "late"  # the client loses the connection at once; the server gets the request when it is released


class BreakingWire:
    """Stands between a client and a Postgres server, on a port of its own."""

    def __init__(self, url: str) -> None:
        self._server = conninfo_to_dict(url)
        self._url = url
        self.cut = Cut.NOTHING
        self.refusing = False
        self.release = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self) -> str:
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._listening.sockets[0].getsockname()[1]
        return make_conninfo(self._url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")

    async def close(self) -> None:
        self._listening.close()
        for writer in self._writers:
            writer.close()
        await asyncio.sleep(0.01)

    def refuse(self) -> None:
        """Break every connection, and let nobody in."""
        self.refusing = True
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        if self.refusing:
            writer.close()
            return
        server_reader, server_writer = await self._connect()
        self._writers.append(server_writer)
        lost = asyncio.Event()
        with suppress(ConnectionError):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._requests(reader, server_writer, writer, lost))
                tasks.create_task(self._answers(server_reader, writer, lost))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._server["host"]), str(self._server.get("port") or 5432)
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, int(port))

    async def _requests(
        self,
        client: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
        lost: asyncio.Event,
    ) -> None:
        while data := await client.read(65536):
            cut = Cut.NOTHING
            if data.startswith(BIND):
                cut, self.cut = self.cut, Cut.NOTHING
            match cut:
                case Cut.NOTHING:
                    server.write(data)
                case Cut.BEFORE:
                    back.close()
                    break
                case Cut.AFTER:
                    lost.set()
                    server.write(data)
                case Cut.LATE:
                    back.close()
                    await self.release.wait()
                    server.write(data)
                    break
        with suppress(ConnectionError):
            await server.drain()
        server.close()

    async def _answers(self, server: asyncio.StreamReader, back: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        while data := await server.read(65536):
            if lost.is_set():
                break
            if not back.is_closing():
                back.write(data)
        back.close()


@pytest.fixture
async def wire(database: str) -> AsyncIterator[BreakingWire]:
    made = BreakingWire(database)
    yield made
    await made.close()
