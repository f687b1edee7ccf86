r"""One stream's protocol, without a socket and without a clock: frames in; reports, and frames to send, out.

    LOGIN --login ack--> SUBSCRIBING --every topic acknowledged--> LIVE
      \__________________________\_________________________________\___ an error, silence, too slow --> LOST

A public stream has no login and begins at SUBSCRIBING.
A connection is used once; the shell (`stream.py`) opens the next one. Only LIVE says "connected": before it, pushes may
be missing, and the venue replays nothing (PROTOCOL 9.30). Times are seconds of a monotonic clock.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

from msgspec import Struct

from adapters.bitmart.sign import Credentials
from oms.reports import Control, Report, Unreadable

PING_AFTER: Final = 10.0  # the venue closes after 20 s without data
SILENCE_MAX: Final = 20.0
LIVE_WITHIN: Final = 15.0  # an acknowledgement that never comes must not look like a quiet stream
COOL_DOWN: Final = 60.0  # seconds to stay away after a refused key, or when the venue asks for it


class Dialect(Struct, frozen=True, kw_only=True):
    """How one of BitMart's streams spells what all of them say. Without a `login` it is a public one.

    An error's text begins with its code, where the market has codes; `harmless`, `subscribed_already`, `too_often`,
    `clock` and `unknown` are such codes.
    """

    market: str
    topics: tuple[str, ...]
    ping: str
    login: Callable[[Credentials, int], str] | None  # the frame that logs in at a moment in ms
    subscribe: Callable[[tuple[str, ...]], str]  # the frame that subscribes to topics
    inflated: Callable[[str | bytes], bytes]  # raises ValueError
    read: Callable[[bytes], tuple[str, tuple[Report, ...]]]  # one frame: its channel, "" for a control frame
    harmless: frozenset[str] = frozenset()
    subscribed_already: frozenset[str] = frozenset()
    too_often: frozenset[str] = frozenset()
    clock: frozenset[str] = frozenset()  # the stamp of the login was off
    optional: frozenset[str] = frozenset()  # topics that the venue may refuse, where its errors name the topic
    unknown: frozenset[str] = frozenset()  # a topic that it may refuse is of a symbol that it does not have
    frame_topics_max: int = 20  # of one subscribe frame


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


class Connection:
    """One connection's life from its opening at `now`; the shell has sent what `opening` returned."""

    def __init__(self, dialect: Dialect, now: float) -> None:
        self.phase = Phase.LOGIN
        self.cause = ""  # why it is LOST
        self.cool_down = 0.0  # seconds the venue wants to be left alone
        self.clock_off = False  # the venue refused our stamp, or said not what: measure before the next login
        self._dialect = dialect
        self._pending = list(dialect.topics)
        self._taken = 0  # topics that were acknowledged
        self._unnamed = 0  # of the pending ones, those that were refused by errors that do not say which
        self._opened_at = self._heard_at = self._pinged_at = now

    def opening(self, credentials: Credentials, timestamp_ms: int) -> tuple[str, ...]:
        """Return the first frames: the login, or the subscriptions where nobody logs in."""
        if self._dialect.login is not None:
            return (self._dialect.login(credentials, timestamp_ms),)
        self.phase = Phase.SUBSCRIBING
        return self._subscriptions()

    def receive(self, frame: str | bytes, now: float) -> Received:
        """Take one frame in."""
        self._heard_at = now
        try:
            data = self._dialect.inflated(frame)
        except ValueError as error:
            data = frame if isinstance(frame, bytes) else frame.encode()
            return Received("", data, (Unreadable(cause=str(error)),))
        channel, reports = self._dialect.read(data)
        if channel:
            return Received(channel, data, reports)
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
        return self._dialect.ping

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
                return Received("", data, (report,), self._subscriptions())
            case "subscribed":
                return Received("", data, (report, *self._acknowledged(report.text)))
            case "error":
                return Received("", data, (report, *self._refused(report.text or "")))
            case _:
                return Received("", data, (report,))

    def _subscriptions(self) -> tuple[str, ...]:
        topics, most = self._dialect.topics, self._dialect.frame_topics_max
        return tuple(self._dialect.subscribe(topics[start : start + most]) for start in range(0, len(topics), most))

    def _acknowledged(self, topic: str | None) -> tuple[Control, ...]:
        if topic not in self._pending:
            return ()
        self._pending.remove(topic)
        self._taken += 1
        return self._settled("")

    def _spared(self, topic: str, words: str) -> tuple[Control, ...]:
        if topic not in self._pending:
            return ()
        self._pending.remove(topic)
        return self._settled(words)

    def _settled(self, words: str) -> tuple[Control, ...]:
        """Go LIVE once every topic was answered: what is refused of one symbol costs no other one its topics (9.51).
        A connection without any is given up, and the next one asks again.
        """
        if len(self._pending) > self._unnamed or self.phase is not Phase.SUBSCRIBING:
            return ()
        if not self._taken:
            self._lose(words)
            return ()
        self.phase = Phase.LIVE
        return (Control(event="connected"),)

    def _refused(self, words: str) -> tuple[Control, ...]:
        """Take in an error. On spot it names no topic; acknowledgements come in the order of the topics."""
        code = words.partition(" ")[0]
        if code in self._dialect.harmless:
            return ()
        named = [topic for topic in self._dialect.optional if topic in words]
        if named:
            return self._spared(max(named, key=len), words)  # one may begin as another one does
        if code in self._dialect.unknown:
            self._unnamed += 1
            return self._settled(words)
        if code in self._dialect.subscribed_already:
            return self._acknowledged(self._pending[0]) if self._pending else ()
        refused = self.phase is Phase.LOGIN and code not in self._dialect.clock
        if code in self._dialect.too_often or refused:
            self.cool_down = COOL_DOWN
        self.clock_off = code in self._dialect.clock or (refused and not self._dialect.clock)
        self._lose(words)
        return ()

    def _lose(self, cause: str) -> None:
        self.phase, self.cause = Phase.LOST, cause
