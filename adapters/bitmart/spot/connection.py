r"""One private stream's protocol, without a socket and without a clock: frames in; reports, and frames to send, out.

    LOGIN --login ack--> SUBSCRIBING --every topic acknowledged--> LIVE
      \__________________________\_________________________________\___ an error, silence, too slow --> LOST

A connection is used once; the shell (`stream.py`) opens the next one. Only LIVE says "connected": before it, pushes may
be missing, and the venue replays nothing (PROTOCOL 9.30). Times are seconds of a monotonic clock.
"""

from enum import Enum
from typing import Final

import msgspec
from msgspec import Struct

from adapters.bitmart.sign import STREAM_LOGIN, Credentials, sign
from adapters.bitmart.spot import codec
from oms.reports import Control, Report, Unreadable

TOPICS: Final = ("spot/user/orders:ALL_SYMBOLS", "spot/user/balance:BALANCE_UPDATE")
PING: Final = "ping"  # a text frame; protocol pings are not answered (PROTOCOL 3.5)
PING_AFTER: Final = 10.0  # the venue closes after 20 s without data
SILENCE_MAX: Final = 20.0
LIVE_WITHIN: Final = 15.0  # an acknowledgement that never comes must not look like a quiet stream

ALREADY_SUBSCRIBED: Final = "90008"  # benign: the stream keeps flowing
ALREADY_LOGGED_IN: Final = "91005"
RECONNECTING_TOO_OFTEN: Final = "94001"
COOL_DOWN: Final = 60.0  # seconds to stay away after that, and after a refused key


class Phase(Enum):
    """How far a connection got."""

    LOGIN = "login"
    SUBSCRIBING = "subscribing"
    LIVE = "live"
    LOST = "lost"


class Received(Struct, frozen=True):
    """What one frame brought: its channel and inflated bytes, its reports, and what is to be sent now."""

    channel: str
    data: bytes
    reports: tuple[Report, ...]
    send: tuple[str, ...] = ()


def login(credentials: Credentials, timestamp_ms: int) -> str:
    """Return the frame that logs in (PROTOCOL 2.6): every argument is a string."""
    signature = sign(credentials, timestamp_ms, STREAM_LOGIN)
    frame = {"op": "login", "args": [credentials.key, str(timestamp_ms), signature]}
    return msgspec.json.encode(frame).decode()


def subscribe(topics: tuple[str, ...]) -> str:
    """Return the frame that subscribes to `topics`, at most 20 of them."""
    return msgspec.json.encode({"op": "subscribe", "args": topics}).decode()


class Connection:
    """One connection's life from its opening at `now`; the shell has sent the login frame."""

    def __init__(self, now: float, topics: tuple[str, ...] = TOPICS) -> None:
        self.phase = Phase.LOGIN
        self.cause = ""  # why it is LOST
        self.cool_down = 0.0  # seconds the venue wants to be left alone
        self._topics = topics
        self._pending = list(topics)
        self._opened_at = self._heard_at = self._pinged_at = now

    def receive(self, frame: str | bytes, now: float) -> Received:
        """Take one frame in."""
        self._heard_at = now
        try:
            data = codec.inflated(frame)
        except ValueError as error:
            data = frame if isinstance(frame, bytes) else frame.encode()
            return Received("", data, (Unreadable(cause=str(error)),))
        table, reports = codec.frame(data)
        if table:
            return Received(table, data, reports)
        (report,) = reports
        return self._control(report, data) if isinstance(report, Control) else Received("", data, reports)

    def overdue(self, now: float) -> bool:
        """Return whether the connection is LOST by `now`: silent too long, or not live in time."""
        if self.phase is not Phase.LOST:
            if now - self._heard_at >= SILENCE_MAX:
                self._lose(f"nothing heard for {SILENCE_MAX:.0f} s")
            elif self.phase is not Phase.LIVE and now - self._opened_at >= LIVE_WITHIN:
                self._lose(f"{self.phase.value} not acknowledged within {LIVE_WITHIN:.0f} s")
        return self.phase is Phase.LOST

    def ping(self, now: float) -> str | None:
        """Return the ping if one is due. Pushes do not stand in for it: nobody says whose silence the venue counts."""
        if now - self._pinged_at < PING_AFTER:
            return None
        self._pinged_at = now
        return PING

    def wait(self, now: float) -> float:
        """Return the seconds until `ping` or `overdue` has something new to say."""
        deadline = min(self._pinged_at + PING_AFTER, self._heard_at + SILENCE_MAX)
        if self.phase is not Phase.LIVE:
            deadline = min(deadline, self._opened_at + LIVE_WITHIN)
        return max(deadline - now, 0.0)

    def _control(self, report: Control, data: bytes) -> Received:
        match report.event:
            case "login" if self.phase is Phase.LOGIN:
                self.phase = Phase.SUBSCRIBING
                return Received("", data, (report,), (subscribe(self._topics),))
            case "subscribed":
                return Received("", data, (report, *self._acknowledged(report.text)))
            case "error":
                return Received("", data, (report, *self._refused(report.text or "")))
            case _:
                return Received("", data, (report,))

    def _acknowledged(self, topic: str | None) -> tuple[Control, ...]:
        if topic not in self._pending:
            return ()
        self._pending.remove(topic)
        if self._pending or self.phase is not Phase.SUBSCRIBING:
            return ()
        self.phase = Phase.LIVE
        return (Control(event="connected"),)

    def _refused(self, words: str) -> tuple[Control, ...]:
        """Take in an error. It names no topic: acknowledgements come in the order of the topics."""
        code = words.partition(" ")[0]
        if code == ALREADY_LOGGED_IN:
            return ()
        if code == ALREADY_SUBSCRIBED:
            return self._acknowledged(self._pending[0]) if self._pending else ()
        if self.phase is Phase.LOGIN or code == RECONNECTING_TOO_OFTEN:
            self.cool_down = COOL_DOWN
        self._lose(words)
        return ()

    def _lose(self, cause: str) -> None:
        self.phase, self.cause = Phase.LOST, cause
