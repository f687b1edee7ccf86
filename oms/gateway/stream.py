"""The event stream: every event a token may see, in order, none skipped, none twice, from any position on.

A stream is read from the log at the pace of its reader, so that nothing piles up here: what waits for a reader is the
log itself and one page of frames. Who does not take a page in time is closed and told where to resume.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

import structlog
from aiohttp import ClientConnectionError, WSCloseCode, WSMessage, WSMsgType, web
from msgspec import Struct

from oms.errors import OmsError
from oms.gateway.auth import Authority, Caller
from oms.gateway.bodies import (
    AmendBody,
    BatchBody,
    CancelAllBody,
    CancelBody,
    HaltBody,
    PlaceBody,
    checked_key,
    decode_body,
)
from oms.gateway.commands import Commands
from oms.gateway.market_stream import Chosen, MarketChannels, chosen, framed
from oms.gateway.market_stream import Subscribed as MarketSubscription
from oms.gateway.metrics import Metrics
from oms.gateway.problems import (
    BodyTooLargeError,
    InvalidBodyError,
    Problem,
    TooManyStreamsError,
    UnauthenticatedError,
    internal_problem,
    problem_of,
)
from oms.gateway.replies import Reply
from oms.gateway.settings import BODY_MAX, Settings
from oms.gateway.sight import Channel, Sight, channels_of, frame, instant
from oms.gateway.tail import Tail
from oms.gateway.tokens import Scope
from oms.gateway.views import View, encode
from oms.ports import Clock, EventLog, Ids, Spawn, Task

INVALID: Final = 4400  # what you sent is not understood
UNAUTHENTICATED: Final = 4401
FORBIDDEN: Final = 4403
SLOW: Final = 4408  # the reason says where to resume
UNAVAILABLE: Final = 4503  # the log cannot be read now; resume later
CLOSING_SECONDS: Final = 1.0

log = structlog.get_logger()


class Hello(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first message of a stream. Without `since` it begins with what happens from now on.

    `channels` as in `oms.gateway.market_stream`; `account` whose venue's markets are meant, where there are several.
    """

    token: str
    channels: tuple[str, ...] = (Channel.EVENTS,)
    since: int | None = None
    account: str | None = None


class PlaceCommand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="command", tag="place"):
    """Place an order, as POST /v1/orders."""

    request_id: str
    order: PlaceBody


class CancelCommand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="command", tag="cancel"):
    """Cancel an order, as DELETE /v1/orders/{client_order_id} with `request_id` as the Idempotency-Key."""

    request_id: str
    client_order_id: str
    account: str | None = None
    reason: str | None = None


class AmendCommand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="command", tag="amend"):
    """Amend an order, as PATCH /v1/orders/{client_order_id} with `request_id` as the Idempotency-Key."""

    request_id: str
    client_order_id: str
    change: AmendBody
    account: str | None = None


class BatchCommand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="command", tag="batch"):
    """Place several orders, as POST /v1/orders/batch."""

    request_id: str
    orders: list[PlaceBody]


class CancelAllCommand(CancelAllBody, frozen=True, kw_only=True, tag_field="command", tag="cancel_all"):
    """Cancel what is open, as POST /v1/cancel-all."""

    request_id: str


class HaltCommand(HaltBody, frozen=True, kw_only=True, tag_field="command", tag="halt"):
    """Halt trading, as POST /v1/halt."""

    request_id: str


class ResumeCommand(HaltBody, frozen=True, kw_only=True, tag_field="command", tag="resume"):
    """End a halt, as POST /v1/resume."""

    request_id: str


StreamCommand = (
    PlaceCommand | AmendCommand | CancelCommand | BatchCommand | CancelAllCommand | HaltCommand | ResumeCommand
)


class Subscribed(View, frozen=True, kw_only=True):
    """What a stream begins with. `since` is where it starts, `head` where the log ended then."""

    channels: tuple[str, ...]
    since: int
    head: int


class Heartbeat(View, frozen=True, kw_only=True):
    """Everything up to `head` that the token may see has been sent: resume from there."""

    head: int


class StreamReply(View, frozen=True, kw_only=True):
    """The answer to the command `request_id`: status and body as HTTP would give them. Resume from no reply."""

    request_id: str
    status: int
    body: View | Problem


class Word(View, frozen=True, kw_only=True):
    """A frame that is no event: ``subscribed``, ``heartbeat``, ``reply``, ``problem``, or what a market does now."""

    position: int
    type: str
    at: str
    data: View | Problem


class Streams:
    """Every open stream of this gateway."""

    def __init__(
        self,
        *,
        authority: Authority,
        commands: Commands,
        markets: MarketChannels,
        log: EventLog,
        sight: Sight,
        metrics: Metrics,
        clock: Clock,
        ids: Ids,
        spawn: Spawn,
        settings: Settings,
    ) -> None:
        self.authority = authority
        self.commands = commands
        self.markets = markets
        self.log = log
        self.sight = sight
        self.tail = Tail(log)
        self.metrics = metrics
        self.clock = clock
        self.ids = ids
        self.spawn = spawn
        self.settings = settings
        self._open: dict[str, _Stream] = {}

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one stream until it ends.

        Raises:
            TooManyStreamsError: every place is taken.
        """
        if len(self._open) >= self.settings.streams_max:
            raise TooManyStreamsError(f"{len(self._open)} streams are open")
        stream, name = _Stream(self, request), self.ids.next()
        self._open[name] = stream
        self.metrics.streams.inc()
        try:
            await stream.run()
        finally:
            del self._open[name]
            self.metrics.streams.dec()
        return stream.socket

    async def close(self) -> None:
        """Close every stream: each is told where to resume."""
        for stream in list(self._open.values()):
            await stream.close(WSCloseCode.GOING_AWAY, "the OMS is stopping")


class _Stream:
    """One reader."""

    def __init__(self, streams: Streams, request: web.Request) -> None:
        self._streams = streams
        self._request = request
        self._position = 0  # everything visible up to here has been sent
        self._slots = asyncio.Semaphore(streams.settings.commands_max)
        # What is compressed, in a thread, may be handed over or not when its time is up.
        self.socket = web.WebSocketResponse(max_msg_size=BODY_MAX, timeout=CLOSING_SECONDS, compress=False)

    async def run(self) -> None:
        await self.socket.prepare(self._request)
        followers, markets = list[Task](), None
        try:
            caller, hello, asked = await self._greeted()
            if asked.topics:
                markets = self._streams.markets.subscribe(caller, hello.account, asked.topics)
            await self._begin(hello)
            followers = [
                self._streams.spawn(self._guarded(partial(self._send_events, caller, asked.channels)), name="events")
            ]
            if markets is not None:
                followers.append(
                    self._streams.spawn(self._guarded(partial(self._send_markets, markets)), name="markets")
                )
            async for message in self.socket:
                await self._slots.acquire()
                self._streams.spawn(self._answer(caller, message), name="command on a stream")
        except (ConnectionError, ClientConnectionError):
            return  # gone before it was greeted
        except OmsError as error:
            await self._refuse(error)
        finally:
            for follower in followers:
                follower.cancel()
            if markets is not None:
                markets.end()

    async def close(self, code: int, why: str) -> None:
        """Say where to resume and close; a peer that does not take even that in time is cut off."""
        if self._request.transport is not None:
            grace = self._streams.settings.slow_seconds
            asyncio.get_running_loop().call_later(grace, self._request.transport.abort)
        resume = f"{why}; resume with since={self._position}"
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * CLOSING_SECONDS):
                await self.socket.close(code=code, message=resume.encode()[:123])

    # ------------------------------------------------------------------------------------------------ the beginning

    async def _greeted(self) -> tuple[Caller, Hello, Chosen]:
        """Return who follows and what, once that is known to be allowed."""
        try:
            message = await self.socket.receive(timeout=self._streams.settings.hello_seconds)
        except TimeoutError as error:
            raise UnauthenticatedError("a stream begins with its token, and none came") from error
        hello = decode_body(Hello, _text(message))
        asked = chosen(hello.channels)
        caller = await self._streams.authority.caller(hello.token)
        caller.need(Scope.READ)
        return caller, hello, asked

    async def _begin(self, hello: Hello) -> None:
        """Say from where on events come. Raises InvalidBodyError for a position that the log does not have."""
        head = await self._streams.log.head()
        since = head if hello.since is None else hello.since
        if not 0 <= since <= head:
            raise InvalidBodyError(f"since is a position in the log: 0 to {head} now")
        self._position = since
        await self._say(since, "subscribed", Subscribed(channels=hello.channels, since=since, head=head))

    # ------------------------------------------------------------------------------------------------ events out

    async def _guarded(self, send: Callable[[], Awaitable[None]]) -> None:
        """Send what follows, for as long as the reader takes it and its token holds."""
        try:
            await send()
        except TimeoutError:
            self._streams.metrics.slow_readers.inc()
            await self.close(SLOW, "too slow")
        except (ConnectionError, ClientConnectionError):
            return  # gone: whoever reads the other direction sees it too
        except OmsError as error:
            await self._refuse(error)
        except Exception:  # a stream's own failure must not end the whole OMS
            log.exception("a stream failed", position=self._position)
            await self.close(WSCloseCode.INTERNAL_ERROR, "internal error")

    async def _send_markets(self, markets: MarketSubscription) -> None:
        """Send what the markets do: of a state the newest, however slow the reader is."""
        streams = self._streams
        while True:
            for news in await markets.subscription.next():
                async with asyncio.timeout(streams.settings.slow_seconds):
                    await self._say(self._position, news.topic.kind, framed(news), at_ns=news.heard_ns)
                streams.metrics.frames.inc()

    async def _send_events(self, caller: Caller, channels: frozenset[Channel]) -> None:
        streams, every = self._streams, self._streams.settings.heartbeat_seconds
        due = streams.clock.monotonic() + every
        while True:
            left = max(due - streams.clock.monotonic(), 0.001)
            events = await streams.tail.after(self._position, seconds=left)
            seen = [event for event in await streams.sight.seen(caller, events) if channels & channels_of(event)]
            async with asyncio.timeout(streams.settings.slow_seconds):
                for event in seen:
                    self._position = event.position  # what waits is the buffer: the frame is in it by then
                    await self.socket.send_frame(frame(event), WSMsgType.TEXT)
                if events:
                    self._position = events[-1].position
                streams.metrics.frames.inc(len(seen))
                if streams.clock.monotonic() >= due:
                    await self._say(self._position, "heartbeat", Heartbeat(head=self._position))
            if streams.clock.monotonic() >= due:
                due = streams.clock.monotonic() + every
                if not await streams.authority.holds(caller):
                    raise UnauthenticatedError("the token was revoked")

    # ------------------------------------------------------------------------------------------------ commands in

    async def _answer(self, caller: Caller, message: WSMessage) -> None:
        try:
            await self._guarded(partial(self._reply, caller, message))
        finally:
            self._slots.release()  # not before it is taken: answers would pile up in front of who reads none

    async def _reply(self, caller: Caller, message: WSMessage) -> None:
        request_id = ""
        try:
            text = _text(message)
            request_id = _named(text)  # also an answer to what is not understood says what it answers
            command: StreamCommand = decode_body(StreamCommand, text)  # type: ignore[arg-type]  # a union
            request_id = checked_key(command.request_id)
            reply = await self._done(caller, command)
            status, position, body = reply.status, reply.position, reply.body
        except OmsError as error:
            body = problem_of(error)
            status, position = body.status, self._position
        except Exception:  # as above
            body = internal_problem(self._streams.ids.next())
            log.exception("a command on a stream failed", incident=body.incident)
            status, position = body.status, self._position
        async with asyncio.timeout(self._streams.settings.slow_seconds):
            await self._say(position, "reply", StreamReply(request_id=request_id, status=status, body=body))

    async def _done(self, caller: Caller, command: StreamCommand) -> Reply:
        """Do what is asked, if the token may. Raises as the same call does over HTTP."""
        if not await self._streams.authority.holds(caller):  # the next heartbeat, which closes, may be far
            raise UnauthenticatedError("the token was revoked")
        commands, request_id = self._streams.commands, command.request_id
        match command:
            case PlaceCommand(order=order):
                caller.need(Scope.ORDERS_WRITE)
                return await commands.place(caller, order)
            case BatchCommand(orders=orders):
                caller.need(Scope.ORDERS_WRITE)
                return await commands.place_all(caller, BatchBody(orders=orders))
            case AmendCommand(change=change):
                caller.need(Scope.ORDERS_WRITE)
                return await commands.amend(
                    caller, command.account, command.client_order_id, key=request_id, body=change
                )
            case CancelCommand():
                caller.need(Scope.ORDERS_CANCEL)
                body = CancelBody(reason=command.reason)
                return await commands.cancel(
                    caller, command.account, command.client_order_id, key=request_id, body=body
                )
            case CancelAllCommand():
                caller.need(Scope.ORDERS_CANCEL)
                return await commands.cancel_all(caller, command, key=request_id)
            case HaltCommand():
                caller.need(Scope.RISK_WRITE)
                return await commands.halt(caller, command)
            case ResumeCommand():
                caller.need(Scope.RISK_WRITE)
                return await commands.resume(caller, command)

    # ------------------------------------------------------------------------------------------------ words

    async def _refuse(self, error: OmsError) -> None:
        problem = problem_of(error, position=self._position)
        code = {401: UNAUTHENTICATED, 403: FORBIDDEN, 503: UNAVAILABLE}.get(problem.status, INVALID)
        try:
            await self._say(self._position, "problem", problem)
        except (ConnectionError, ClientConnectionError):
            return
        await self.close(code, problem.title)

    async def _say(self, position: int, kind: str, data: View | Problem, *, at_ns: int | None = None) -> None:
        at = instant(self._streams.clock.now_ns() if at_ns is None else at_ns)
        word = Word(position=position, type=kind, at=at, data=data)
        await self.socket.send_frame(encode(word), WSMsgType.TEXT)


class _Named(Struct):
    """Whatever has a request_id."""

    request_id: str = ""


def _named(text: bytes) -> str:
    try:
        return decode_body(_Named, text).request_id
    except OmsError:
        return ""


def _text(message: WSMessage) -> bytes:
    """Return the text of a message. Raises InvalidBodyError for anything else."""
    match message.type:
        case WSMsgType.TEXT:
            text: str = message.data
            return text.encode()
        case WSMsgType.CLOSE | WSMsgType.CLOSING | WSMsgType.CLOSED:
            raise UnauthenticatedError("the stream was closed before its first message")
        case WSMsgType.ERROR:
            raise BodyTooLargeError(f"a frame is at most {BODY_MAX} bytes: {message.data}")
        case other:
            raise InvalidBodyError(f"a frame is text, not {other.name}")
