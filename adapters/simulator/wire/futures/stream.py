"""One WebSocket connection of BitMart futures, as a protocol without a socket (PROTOCOL 2.6, 3.4, 3.5, 4.8, 8)."""

from collections import deque
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from adapters.simulator.wire.futures.feeds import Feeds
from adapters.simulator.wire.futures.frames import empty_frame, novel_frame, spoiled_frame
from adapters.simulator.wire.futures.publisher import ASSET, ORDER, POSITION
from adapters.simulator.wire.futures.words import COINS
from adapters.simulator.wire.gateway import TIMESTAMP
from adapters.simulator.wire.house import House
from adapters.simulator.wire.keys import STALE_MS, KeyState, signed_by
from adapters.simulator.wire.line import OUTBOX_MAX, Frame

LOGIN_PAYLOAD: Final = b"bitmart.WebSocket"
LOGIN_ARGS: Final = 4  # the last one names the device
FRAME_MAX: Final = 2_048  # measured; documented is 4096
TOO_BIG: Final = 1009
TOPICS_MAX: Final = 1_000  # per connection; not documented, a hundred are known to work
IDLE_MS: Final = 20_000  # without a frame in either direction; documented, and not enforced as measured
LIFELESS_MS: Final = 5_000  # without a subscription; likewise
KEY_SHOWN: Final = 10  # letters of a key that an error gives away


class _Message(Struct):
    action: str = ""
    args: list[str] = []


class _Said(Struct, kw_only=True):
    """A control frame, with its fields in the venue's order."""

    action: str | UnsetType = UNSET
    group: str | UnsetType = UNSET
    success: bool
    error: str | UnsetType = UNSET
    request: _Message | UnsetType = UNSET


class FuturesStream:
    """What the venue knows of one connection. Everything is text; pings are JSON."""

    def __init__(self, house: House, feeds: Feeds, *, private: bool, now_ms: int) -> None:
        self.private = private
        self.account: str | None = None
        self.topics: dict[str, None] = {}  # in the order of subscription
        self.outbox: deque[Frame] = deque()
        self.closed = False
        self.close_code: int | None = None
        self._house = house
        self._feeds = feeds
        self._active_ms = now_ms
        self._subscribed_ms = now_ms
        self._pongs = 0

    def receive(self, frame: str | bytes, now_ms: int) -> None:
        if self.closed:
            return
        self._active_ms = now_ms
        if len(frame if isinstance(frame, bytes) else frame.encode()) > FRAME_MAX:
            self.closed, self.close_code = True, TOO_BIG
            return
        try:
            message = msgspec.json.decode(frame, type=_Message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            shown = frame if isinstance(frame, str) else frame.decode(errors="replace")
            self._say(_Said(success=False, error=f"Invalid message: message must be JSON: {shown}"))
            return
        self._obey(message, now_ms)

    def push(self, content: str | bytes, now_ms: int) -> None:
        self._active_ms = now_ms
        self._send(content, data=True)

    def turn_away(self, code: int) -> None:  # noqa: ARG002 -- this dialect has no codes
        self._say(_Said(success=False, error="too many connections"))
        self.closed = True

    def pings(self, frame: str | bytes) -> bool:
        try:
            return msgspec.json.decode(frame, type=_Message).action == "ping"
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return False

    def novel(self, content: str | bytes) -> str | bytes:
        return novel_frame(content)

    def spoiled(self, content: str | bytes) -> str | bytes:
        return spoiled_frame(content)

    def empty(self, content: str | bytes) -> str | bytes:
        return empty_frame(content)

    def step(self, now_ms: int) -> None:
        if self.topics:
            self._subscribed_ms = now_ms
        idle, lifeless = now_ms - self._active_ms > IDLE_MS, now_ms - self._subscribed_ms > LIFELESS_MS
        if self._house.settings.strict_streams and (idle or lifeless):
            self.closed = True

    # -------------------------------------------------------------------------------------------- operations

    def _obey(self, message: _Message, now_ms: int) -> None:
        match message.action:
            case "ping":
                self._pongs += 1
                self._send(msgspec.json.encode({"group": "System", "data": f"pong+{_uuid(self._pongs)}"}).decode())
            case "access":
                self._login(message.args, now_ms)
            case "subscribe" | "unsubscribe" | "request" if message.args:
                for topic in message.args:
                    self._one(message, topic, now_ms)
            case action:
                self._say(_Said(success=False, error=f"Invalid action [{action}] for group {message.args}"))

    def _login(self, args: list[str], now_ms: int) -> None:
        account = self._proven(args, now_ms)
        if account is not None:
            self.account = account
            self._say(_Said(action="access", success=True))
            return
        shown = f"{args[0][:KEY_SHOWN]}****" if args else ""
        error = f"access failed: openapi auth: apiKey {shown} failed: openapi auth failed"
        self._say(_Said(action="access", success=False, error=error))
        self.closed = True

    def _proven(self, args: list[str], now_ms: int) -> str | None:
        """Return the account that the arguments of a login prove, or None."""
        if not self.private or len(args) != LOGIN_ARGS:
            return None
        key, timestamp, sign, _device = args
        credentials = self._house.keys.find(key)
        if credentials is None or not TIMESTAMP.fullmatch(timestamp) or abs(now_ms - int(timestamp)) > STALE_MS:
            return None
        right = credentials.state is KeyState.ACTIVE and signed_by(credentials, timestamp, LOGIN_PAYLOAD, sign)
        return credentials.account if right else None

    def _one(self, message: _Message, topic: str, now_ms: int) -> None:
        action = message.action
        error = self._fault_in(action, topic)
        if error is not None:
            request = UNSET if error.endswith("authenication") else message
            self._say(_Said(action=action, group=topic, success=False, error=error, request=request))
            return
        if action == "unsubscribe":
            self.topics.pop(topic, None)
        elif action == "subscribe":
            self.topics[topic] = None
        if action != "request":
            self._say(_Said(action=action, group=topic, success=True, request=message))
        if action != "unsubscribe" and not self.private:
            for frame in self._feeds.current(topic, now_ms):
                self.push(frame, now_ms)

    def _fault_in(self, action: str, topic: str) -> str | None:
        """Return the text that refuses `topic`, or None."""
        if _is_private(topic):
            if self.account is None:
                return f"{topic} need authenication"  # the venue's own spelling
            table, _, coin = topic.partition(":")
            known = coin in COINS if table == ASSET else topic in {ORDER, POSITION}
        else:
            known = not self.private and self._feeds.knows(topic)
        if not known:
            return f"Invalid channel: not found {topic}"
        if action == "request" and not self._feeds.answers(topic):
            return f"Invalid action [request] for group [{topic}]"
        full = action == "subscribe" and topic not in self.topics and len(self.topics) >= TOPICS_MAX
        return "too many topics" if full else None

    # -------------------------------------------------------------------------------------------- sending

    def _say(self, said: _Said) -> None:
        self._send(msgspec.json.encode(said).decode())

    def _send(self, content: str | bytes, *, data: bool = False) -> None:
        if len(self.outbox) >= OUTBOX_MAX:
            self.closed = True
            return
        self.outbox.append(Frame(content, data))


def _is_private(topic: str) -> bool:
    return topic.partition(":")[0] in {ORDER, POSITION, ASSET}


def _uuid(number: int) -> str:
    return f"5e000000-0000-4000-8000-{number:012x}"
