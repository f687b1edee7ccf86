"""The log's writer as a process of its own.

Packing a batch, hashing it and handing it to the driver take the interpreter from the event loop when they happen in a
thread beside it. Here a batch is put into memory that both share, its length goes over a socket, and the outcome comes
back. (A batch is larger than a socket takes at once; its rest would wait until the loop comes round.) The process lives
as long as its parent: the end of the socket ends it, after the append that is under way. Should it die first, what it
left is settled by asking the log, as after any lost answer, and the next batch starts another one.
"""

import asyncio
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from struct import Struct as Layout
from typing import Any, Final, cast

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from oms.ports import AlreadyThere, AppendOutcome, Batch, Committed, Conflict, Fenced, NotCommitted, Unknown
from oms.store.recorder import AnswerLostError, Backend
from oms.store.writer import Writer, settle

SHARED_BYTES: Final = 1 << 20  # of the memory that a batch goes through, at first
END_SECONDS: Final = 20.0  # how long an append that is under way may take when the writer is to end


class _Start(Struct, frozen=True):
    """What the process is told first: over the socket, since a URL may hold a password."""

    url: str
    settle_seconds: float


class _Said(Struct, frozen=True, array_like=True):
    """What the process says: the server process that the next append goes to, or an outcome by its type's name."""

    backend: Backend | None
    outcome: str = ""
    fields: dict[str, Any] | None = None


_LENGTH: Final = Layout(">I")
_OUTCOMES: Final[Mapping[str, type[AppendOutcome]]] = {
    kind.__name__: kind for kind in (Committed, AlreadyThere, Conflict, Fenced, NotCommitted, Unknown)
}
_encode: Final = msgspec.msgpack.Encoder().encode
_decode_said: Final = msgspec.msgpack.Decoder(_Said).decode
_decode_batch: Final = msgspec.msgpack.Decoder(Batch).decode


def _framed(message: object) -> bytes:
    encoded = _encode(message)
    return _LENGTH.pack(len(encoded)) + encoded


class _Shared:
    """Memory of one batch, seen by both sides through `descriptor`. It grows with the largest batch and belongs to
    whose turn it is: the parent's until it has sent a length, the process's until it has answered.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._map = self._mapped()

    @classmethod
    def made(cls) -> "_Shared":
        """Return new memory, which is gone with the last of its users."""
        descriptor = os.memfd_create("oms-batch")
        os.ftruncate(descriptor, SHARED_BYTES)
        return cls(descriptor)

    def put(self, content: bytes) -> int:
        """Leave `content` for the other side; return its length."""
        if len(content) > len(self._map):
            os.ftruncate(self.descriptor, 2 * len(content))
            self._map = self._mapped()
        self._map[: len(content)] = content
        return len(content)

    def seen(self, length: int) -> memoryview:
        """Return the first `length` bytes of what the other side left."""
        if length > len(self._map):
            self._map = self._mapped()
        return memoryview(self._map)[:length]

    def close(self) -> None:
        self._map.close()
        os.close(self.descriptor)

    def _mapped(self) -> mmap.mmap:
        return mmap.mmap(self.descriptor, os.fstat(self.descriptor).st_size)


class ProcessAppender:
    """Appends in a process of its own, which is started when `prepare` or the first batch asks for it, and again should
    it die.
    """

    def __init__(self, url: str, settle_seconds: float) -> None:
        self._start = _Start(url, settle_seconds)
        self._helper = ThreadPoolExecutor(1, "oms-log-writer")  # starts it, waits for its end, settles what it left
        self._process: subprocess.Popen[bytes] | None = None
        self._line: _Line | None = None
        self._shared = _Shared.made()

    async def prepare(self) -> None:
        """Start the process. It takes a fifth of a second, and a start has other things to do meanwhile.

        Raises:
            OSError: there is none to be had; whoever starts need not go on.
        """
        await self._opened()

    async def append(self, batch: Batch) -> AppendOutcome:
        """As `Appender`; a caller that is cancelled meanwhile cancels no commit."""
        loop = asyncio.get_running_loop()
        try:
            line = await self._opened()
            if line.busy:  # for a caller that was cancelled: its commit was not
                await line.answer()
            length = self._shared.put(_encode(batch))
        except OSError as error:  # the machine has no process, descriptor or memory left now; it may have one soon
            return NotCommitted(f"the process that writes the log cannot be had: {error}")
        line.ask(length)
        outcome = await line.answer()
        if outcome is not None:
            return outcome
        return await asyncio.shield(loop.run_in_executor(self._helper, self._left_behind, batch, line.backend))

    async def _opened(self) -> "_Line":
        if self._line is None or self._line.lost:
            self._line = await self._open(asyncio.get_running_loop())
        return self._line

    async def _open(self, loop: asyncio.AbstractEventLoop) -> "_Line":
        ours, theirs = socket.socketpair()
        try:
            self._process = await loop.run_in_executor(self._helper, self._spawned, theirs)
            _, line = await loop.create_unix_connection(_Line, sock=ours)
        except OSError:
            ours.close()
            raise
        line.start(self._start)
        return line

    def _spawned(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        """Start the process, outside the terminal's reach: Ctrl-C is for its parent to act on."""
        self._ended()
        with theirs:
            return subprocess.Popen(  # noqa: S603 - a program of our own
                [sys.executable, "-m", __name__, str(theirs.fileno()), str(self._shared.descriptor)],
                pass_fds=(theirs.fileno(), self._shared.descriptor),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)},
            )

    def _ended(self) -> None:
        """See the process gone: nothing of an earlier one may still be under way."""
        if self._process is None:
            return
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _left_behind(self, batch: Batch, backend: Backend | None) -> AppendOutcome:
        """Return what became of a batch whose writer is gone."""
        if self._process is not None:
            self._process.kill()
            self._ended()
        cause = "the process that writes the log has died"
        if backend is None:
            return NotCommitted(f"{cause} before it reached the database")
        return settle(self._start.url, batch, AnswerLostError(cause, backend), self._start.settle_seconds)

    async def close(self) -> None:
        if self._line is not None:
            self._line.close()
        await asyncio.get_running_loop().run_in_executor(self._helper, self._ended)
        await asyncio.get_running_loop().run_in_executor(None, self._helper.shutdown)
        self._shared.close()


class _Line(asyncio.Protocol):
    """The parent's end of the socket. One batch at a time."""

    def __init__(self) -> None:
        self.lost = False
        self.busy = False  # a batch was handed over, and is not answered for
        self.backend: Backend | None = None  # the server process that has the batch, or had the last one
        self._buffer = bytearray()
        self._waiter: asyncio.Future[AppendOutcome | None] | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own is none by inheritance

    def start(self, message: _Start) -> None:
        assert self._transport is not None
        self._transport.write(_framed(message))

    def ask(self, length: int) -> None:
        """Hand over the batch of that length in the shared memory."""
        assert self._transport is not None
        self.busy = True
        self._transport.write(_LENGTH.pack(length))

    async def answer(self) -> AppendOutcome | None:
        """Return the outcome of the batch that was handed over; None if nobody will ever tell it.

        Waited for by itself and not behind a shield, which would cost the commit a turn of the loop: who is cancelled
        here leaves the line busy.
        """
        if self.lost:
            return None
        self._waiter = asyncio.get_running_loop().create_future()
        return await self._waiter

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
            if len(self._buffer) < end:
                return
            said = _decode_said(bytes(self._buffer[_LENGTH.size : end]))
            del self._buffer[:end]
            if said.backend is not None:
                self.backend = said.backend
            else:
                self._tell(msgspec.convert(said.fields, _OUTCOMES[said.outcome]))

    def _tell(self, outcome: AppendOutcome | None) -> None:
        self.busy = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(outcome)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # why does not matter: it is gone
        self.lost = True
        self._tell(None)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


def main(descriptor: int, memory: int) -> None:
    """Serve the parent at the other end of `descriptor` until it closes it, or dies; `memory` holds its batches."""
    shared = _Shared(memory)
    with socket.socket(fileno=descriptor) as line, suppress(ConnectionError):
        start = _received(line)
        if start is None:
            return
        asked = msgspec.msgpack.decode(start, type=_Start)
        known: list[Backend] = []

        def told(backend: Backend) -> None:
            if known != [backend]:
                known[:] = [backend]
                line.sendall(_framed(_Said(backend)))

        writer = Writer(asked.url, asked.settle_seconds, told)
        writer.prepare()
        while (head := _exactly(line, _LENGTH.size)) is not None:
            outcome = writer.append(_decode_batch(shared.seen(_LENGTH.unpack(head)[0])))
            line.sendall(_framed(_Said(None, type(outcome).__name__, asdict(outcome))))
        writer.close()


def _received(line: socket.socket) -> bytes | None:
    head = _exactly(line, _LENGTH.size)
    return None if head is None else _exactly(line, _LENGTH.unpack(head)[0])


def _exactly(line: socket.socket, size: int) -> bytes | None:
    """Return the next `size` bytes; None when the parent is gone, with whatever was on its way."""
    buffer, got = bytearray(size), 0
    while got < size:
        count = line.recv_into(memoryview(buffer)[got:])
        if count == 0:
            return None
        got += count
    return bytes(buffer)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
