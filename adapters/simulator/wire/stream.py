"""One WebSocket connection of BitMart spot, as a protocol without a socket (PROTOCOL 2.6, 3.4, 3.5, 4.8, 7)."""

from collections import deque
from collections.abc import Collection
from typing import Final

import msgspec
from msgspec import Struct

from adapters.simulator.wire.feeds import INCREASE, TABLES, Feeds
from adapters.simulator.wire.frames import empty_frame, error_frame, event_frame, novel_frame, spoiled_frame
from adapters.simulator.wire.gateway import TIMESTAMP
from adapters.simulator.wire.keys import STALE_MS, Keys, KeyState, signed_by
from adapters.simulator.wire.line import OUTBOX_MAX, Frame

LOGIN_PAYLOAD: Final = b"bitmart.WebSocket"
FRAME_MAX: Final = 4_096
FRAME_TOPICS_MAX: Final = 20
PUBLIC_TOPICS_MAX: Final = 115
PRIVATE_TOPICS_MAX: Final = 100
MESSAGES_MAX: Final = 100  # per ten seconds, pings included
MESSAGES_WINDOW_MS: Final = 10_000
IDLE_MS: Final = 20_000  # without a frame in either direction
LIFELESS_MS: Final = 300_000  # without a subscription
LOGIN_ARGS: Final = 3


class _Message(Struct):
    op: str
    args: list[str] = []


class SpotStream:
    """What the venue knows of one connection. Control goes out as text, data as raw DEFLATE."""

    def __init__(self, *, private: bool, keys: Keys, feeds: Feeds, symbols: Collection[str], now_ms: int) -> None:
        self.private = private
        self.account: str | None = None
        self.topics: dict[str, None] = {}  # in the order of subscription
        self.outbox: deque[Frame] = deque()
        self.closed = False
        self.close_code: int | None = None
        self._keys = keys
        self._feeds = feeds
        self._symbols = symbols
        self._active_ms = now_ms
        self._subscribed_ms = now_ms
        self._received: deque[int] = deque(maxlen=MESSAGES_MAX + 1)

    def receive(self, frame: str | bytes, now_ms: int) -> None:
        if self.closed:
            return
        self._active_ms = now_ms
        self._received.append(now_ms)
        if len(self._received) > MESSAGES_MAX and now_ms - self._received[0] < MESSAGES_WINDOW_MS:
            self._refuse("error", 90007)
            self.closed = True
        elif self.pings(frame):
            self._send("pong")
        elif len(frame) > FRAME_MAX:
            self._refuse("error", 90001)
            self.closed = True
        else:
            self._obey(frame, now_ms)

    def push(self, content: str | bytes, now_ms: int) -> None:
        self._active_ms = now_ms
        self._send(content, data=True)

    def turn_away(self, code: int) -> None:
        self._refuse("connect", code)
        self.closed = True

    def pings(self, frame: str | bytes) -> bool:
        return frame == "ping"

    def novel(self, content: str | bytes) -> str | bytes:
        return novel_frame(content)

    def spoiled(self, content: str | bytes) -> str | bytes:
        return spoiled_frame(content)

    def empty(self, content: str | bytes) -> str | bytes:
        return empty_frame(content)

    def step(self, now_ms: int) -> None:
        """Close what has been idle or without a purpose for too long."""
        if self.topics:
            self._subscribed_ms = now_ms
        if now_ms - self._active_ms > IDLE_MS or now_ms - self._subscribed_ms > LIFELESS_MS:
            self.closed = True

    # -------------------------------------------------------------------------------------------- operations

    def _obey(self, frame: str | bytes, now_ms: int) -> None:
        try:
            message = msgspec.json.decode(frame, type=_Message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._refuse("error", 90001)
            return
        match message.op:
            case "login":
                self._login(message.args, now_ms)
            case "subscribe" | "unsubscribe" | "request":
                self._each(message.op, message.args, now_ms)
            case _:
                self._refuse(message.op, 90002)

    def _login(self, args: list[str], now_ms: int) -> None:
        if self.account is not None:
            self._refuse("login", 91005)
            return
        code = self._fault_in_login(args, now_ms)
        if code is not None:
            self._refuse("login", code)
            self.closed = True
            return
        self._send(event_frame("login"))

    def _fault_in_login(self, args: list[str], now_ms: int) -> int | None:
        """Return the code that refuses the login, or None; then the account is known."""
        if not self.private or len(args) != LOGIN_ARGS:
            return 90003
        key, timestamp, sign = args
        for value, code in ((key, 91001), (timestamp, 91021), (sign, 91010)):
            if not value:
                return code
        credentials = self._keys.find(key)
        if credentials is None:
            return 91002
        if credentials.state is not KeyState.ACTIVE:
            return 91003 if credentials.state is KeyState.FROZEN else 91004
        if not TIMESTAMP.fullmatch(timestamp):
            return 91023
        if abs(now_ms - int(timestamp)) > STALE_MS:
            return 91022
        if not signed_by(credentials, timestamp, LOGIN_PAYLOAD, sign):
            return 91011
        self.account = credentials.account
        return None

    def _each(self, operation: str, topics: list[str], now_ms: int) -> None:
        if not topics:
            self._refuse(operation, 90003)
        elif len(topics) > FRAME_TOPICS_MAX:
            self._refuse(operation, 90005)
        elif self.private and self.account is None:
            self._refuse(operation, 91006)
        else:
            for topic in topics:
                self._one(operation, topic, now_ms)

    def _one(self, operation: str, topic: str, now_ms: int) -> None:
        code = self._fault_in(operation, topic)
        if code is not None:
            self._refuse(operation, code)
        elif operation == "unsubscribe":
            del self.topics[topic]
            self._send(event_frame("unsubscribe", topic))
        else:
            if operation == "subscribe":
                self.topics[topic] = None
                self._send(event_frame("subscribe", topic))
            current = None if self.private else self._feeds.current(topic, now_ms)
            if current is not None:
                self.push(current, now_ms)

    def _fault_in(self, operation: str, topic: str) -> int | None:
        """Return the code that refuses `topic`, or None."""
        table, _, name = topic.partition(":")
        names = self._names(table)
        if names is None:
            return 90004
        if name not in names:
            return 92001
        subscribed = topic in self.topics
        if operation == "unsubscribe":
            return None if subscribed else 90009
        if operation == "request":
            return None if table == INCREASE else 90004
        if subscribed:
            return 90008
        most = PRIVATE_TOPICS_MAX if self.private else PUBLIC_TOPICS_MAX
        return 90006 if len(self.topics) >= most else None

    def _names(self, table: str) -> Collection[str] | None:
        """Return what may stand behind the channel's colon; None for a channel that is not on this connection."""
        if not self.private:
            return self._symbols if table in TABLES else None
        match table:
            case "spot/user/order":
                return self._symbols
            case "spot/user/orders":
                return ("ALL_SYMBOLS",)
            case "spot/user/balance":
                return ("BALANCE_UPDATE",)
            case _:
                return None

    def _send(self, content: str | bytes, *, data: bool = False) -> None:
        if len(self.outbox) >= OUTBOX_MAX:
            self.closed = True
            return
        self.outbox.append(Frame(content, data))

    def _refuse(self, event: str, code: int) -> None:
        self._send(error_frame(event, code))
