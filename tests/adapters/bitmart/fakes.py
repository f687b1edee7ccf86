"""A venue that a test scripts, on a clock that only moves when everybody waits."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal
from typing import Any, ParamSpec
from urllib.parse import parse_qsl, urlsplit

import msgspec

from adapters.bitmart.perp import codec as perp
from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot import codec
from adapters.bitmart.spot.venue import BitmartSpot, Endpoints, Options
from oms.ports import LinkAnswer, LinkError, Task
from oms.values import ClientOrderId, OrderType, Side, Symbol, VenueOrderId
from oms.venue import NewOrder, OrderRef

P = ParamSpec("P")
EPOCH_NS = 1_795_392_000_000_000_000  # 2026-11-23 00:00:00 UTC
CREDENTIALS = Credentials(key="bm_example_key_0001", secret="bm_example_secret_0001", memo="alpha")
ENDPOINTS = Endpoints(rest="http://venue.test", ws="ws://venue.test")

ID = ClientOrderId("oms1")
BTC = Symbol("BTC/USDT")
ORDER = NewOrder(
    client_order_id=ID,
    symbol=BTC,
    side=Side.BUY,
    type=OrderType.LIMIT,
    quantity=Decimal("0.001"),
    price=Decimal(60000),
)
REF = OrderRef(client_order_id=ID, symbol=BTC)
KNOWN = OrderRef(client_order_id=ID, symbol=BTC, venue_order_id=VenueOrderId("77"))


class _Selector(selectors.DefaultSelector):
    """Never waits: what the loop would have waited is added to its time."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits, and nothing will ever happen"
            self.waited += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose hours pass in milliseconds."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.waited


def virtual(story: Callable[P, Coroutine[object, object, None]]) -> Callable[P, None]:
    """Play an async story on a loop of its own, and end what it left running."""

    @functools.wraps(story)
    def play(*args: P.args, **kwargs: P.kwargs) -> None:
        loop = VirtualLoop()
        try:
            loop.run_until_complete(story(*args, **kwargs))
            loop.run_until_complete(_end(asyncio.all_tasks(loop)))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    return play


async def _end(left: set[asyncio.Task[Any]]) -> None:
    for task in left:
        task.cancel()
    for outcome in await asyncio.gather(*left, return_exceptions=True):
        assert not isinstance(outcome, Exception), "a task of the story failed"


class LoopClock:
    """The loop's own time, and a wall clock that may be off by `ahead_ms`."""

    def __init__(self, ahead_ms: int = 0) -> None:
        self.ahead_ms = ahead_ms

    def now_ns(self) -> int:
        return EPOCH_NS + round(self.monotonic() * 1e9) + self.ahead_ms * 1_000_000

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class PlainIds:
    """Jitter without chance: always the longest."""

    def next(self) -> str:
        return "id"

    def uniform(self, low: float, high: float) -> float:
        return max(low, high)


def spawn(work: Coroutine[object, object, None], *, name: str) -> Task:
    return asyncio.get_running_loop().create_task(work, name=name)


class Call(msgspec.Struct, frozen=True):
    """One request as it left."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    query: str = ""
    host: str = ""

    def fields(self) -> Any:
        return msgspec.json.decode(self.body) if self.body else dict(parse_qsl(self.query))


class FakeSocket:
    """One stream: the test pushes frames in and reads what was sent."""

    def __init__(self, host: str = "") -> None:
        self.host = host
        self.sent: list[str] = []
        self.closed = False
        self._frames: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.on_send: Callable[[str], None] = lambda _: None

    def push(self, frame: str | bytes) -> None:
        self._frames.put_nowait(frame)

    def drop(self) -> None:
        self._frames.put_nowait(None)

    async def send(self, frame: str) -> None:
        if self.closed:
            raise LinkError("gone", sent=True)
        self.sent.append(frame)
        self.on_send(frame)

    async def receive(self) -> str | bytes:
        frame = await self._frames.get()
        if frame is None or self.closed:
            raise LinkError("gone", sent=True)
        return frame

    async def close(self) -> None:
        self.closed = True
        self._frames.put_nowait(None)


Answerer = Callable[[Call], LinkAnswer | LinkError]


class FakeLink:
    """A venue scripted by path: each path answers by its own function; the clock is right unless told otherwise."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: dict[str, Answerer] = {"/system/time": self._time}
        self.on(codec.QUERY_ALGO_OPEN_ORDERS, ok([]))
        self.on(perp.LEVERAGE_BRACKET, ok({"rules": []}))
        self.latency = 0.05
        self.sockets: list[FakeSocket] = []
        self.connected_at: list[float] = []
        self.refuse_connect = 0
        self.on_connect: Callable[[FakeSocket], None] = lambda _: None
        self.closed = False

    def on(self, path: str, *answers: LinkAnswer | LinkError | Answerer) -> None:
        """Answer calls of `path` with `answers` in turn, the last one for ever."""
        script = list(answers)

        def answer(call: Call) -> LinkAnswer | LinkError:
            now = script.pop(0) if len(script) > 1 else script[0]
            return now(call) if callable(now) else now

        self.answers[path] = answer

    def of(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> LinkAnswer:
        parts = urlsplit(url)
        now = asyncio.get_running_loop().time()
        call = Call(method, parts.path, headers, body, now, parts.query, parts.netloc)
        self.calls.append(call)
        answer = self.answers[call.path](call)
        if isinstance(answer, LinkError):
            await asyncio.sleep(seconds if answer.sent else self.latency)
            raise answer
        await asyncio.sleep(self.latency)
        return answer

    async def connect(self, url: str, seconds: float) -> FakeSocket:
        assert urlsplit(url).path == "/user"
        assert urlsplit(url).query == "protocol=1.1"
        self.connected_at.append(asyncio.get_running_loop().time())
        assert self.latency < seconds
        await asyncio.sleep(self.latency)
        if self.refuse_connect:
            self.refuse_connect -= 1
            raise LinkError("connection refused", sent=False)
        socket = FakeSocket(urlsplit(url).netloc)
        self.sockets.append(socket)
        self.on_connect(socket)
        return socket

    async def close(self) -> None:
        self.closed = True

    def _time(self, call: Call) -> LinkAnswer:
        """The truth about time, as of the middle of the round trip."""
        ms = EPOCH_NS // 1_000_000 + round((call.at + self.latency / 2) * 1000)
        return ok({"server_time": ms})


def ok(data: object, **headers: str) -> LinkAnswer:
    """A success with `data`."""
    body = {"code": 1000, "trace": "t", "message": "OK", "data": data}
    return LinkAnswer(
        200, {name.replace("_", "-"): value for name, value in headers.items()}, msgspec.json.encode(body)
    )


def refused(status: int, code: int, message: str = "no") -> LinkAnswer:
    """A refusal in BitMart's own words."""
    body = {"message": message, "code": code, "trace": "t", "data": {}}
    return LinkAnswer(status, {}, msgspec.json.encode(body))


def page(status: int) -> LinkAnswer:
    """A page of the edge in front of BitMart."""
    return LinkAnswer(status, {"content-type": "text/html"}, b"<html><title>error code: 1010</title></html>")


LOST = LinkError("timed out", sent=True)
UNREACHABLE = LinkError("connection refused", sent=False)


def bitmart(link: FakeLink, clock: LoopClock | None = None, options: Options | None = None) -> BitmartSpot:
    """A venue over `link`."""
    return BitmartSpot(
        CREDENTIALS, ENDPOINTS, link=link, clock=clock or LoopClock(), ids=PlainIds(), spawn=spawn, options=options
    )
