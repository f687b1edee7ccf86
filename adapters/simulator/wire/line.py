"""What the two stream dialects have in common, for whoever carries their frames."""

from collections import deque
from typing import Final, Protocol

from msgspec import Struct

OUTBOX_MAX: Final = 10_000  # frames nobody fetched: the reader is too slow and is cut off


class Frame(Struct, frozen=True):
    """One frame to a client. `data` is what was subscribed to; the rest is control, which no fault touches."""

    content: str | bytes
    data: bool


class Stream(Protocol):
    """One WebSocket connection as a protocol without a socket. Frames to send pile up in `outbox`; `closed` says that
    it is over, `close_code` how (None: without a word).
    """

    private: bool
    account: str | None
    topics: dict[str, None]
    outbox: deque[Frame]
    closed: bool
    close_code: int | None

    def receive(self, frame: str | bytes, now_ms: int) -> None:
        """Take one frame of the client's."""
        ...

    def push(self, content: str | bytes, now_ms: int) -> None:
        """Send data of a topic."""
        ...

    def step(self, now_ms: int) -> None:
        """Let time pass: close what has been idle for too long, say what is said by the clock."""
        ...

    def turn_away(self, code: int) -> None:
        """Close a connection that is one too many, saying so where the dialect can."""
        ...

    def pings(self, frame: str | bytes) -> bool:
        """Say whether a client's frame asks for a pong."""
        ...

    def novel(self, content: str | bytes) -> str | bytes:
        """Return a data frame with a field, and in orders a state, that no document names."""
        ...

    def spoiled(self, content: str | bytes) -> str | bytes:
        """Return a data frame whose first element cannot be read."""
        ...

    def empty(self, content: str | bytes) -> str | bytes:
        """Return a frame like a data frame, with nothing in it."""
        ...
