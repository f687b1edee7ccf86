"""The line between one client and its stream, where frames get lost, doubled, late or mangled."""

from collections import deque
from collections.abc import Callable

from adapters.simulator.faults import Faults
from adapters.simulator.host import Product
from adapters.simulator.wire.house import Later
from adapters.simulator.wire.line import OUTBOX_MAX, Stream

REORDERED_MS = 500  # a frame held back goes after this long, if no other overtakes it before
LATE_MS_MAX = 120_000


class Connection:
    """One client's end. `notify` is called when there is something to fetch with `take`, or when `closed` became true.

    Control frames pass untouched; the faults strike data.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        product: Product,
        ip: str,
        faults: Faults,
        later: Later,
        notify: Callable[[], None],
    ) -> None:
        self.stream = stream
        self.product = product
        self.ip = ip
        self._faults = faults
        self._later = later
        self._notify = notify
        self._outgoing: deque[str | bytes] = deque()
        self._held: str | bytes | None = None
        self._half_open = False

    @property
    def closed(self) -> bool:
        """True once nothing more will come than what `take` still returns, and the client can know it."""
        return self.stream.closed and not self._half_open

    def receive(self, frame: str | bytes, now_ms: int) -> None:
        """Take a frame from the client, unless the line is dead."""
        if self._half_open or (self.stream.pings(frame) and self._faults.fires("ping_ignored")):
            return
        before = dict(self.stream.topics)
        ignored = '"subscribe"' in str(frame) and self._faults.fires("subscription_ignored")
        if ignored and self._faults.between(0, 1):
            return  # not even acknowledged
        self.stream.receive(frame, now_ms)
        if ignored:
            self.stream.topics = before

    def take(self) -> list[str | bytes]:
        """Return what is to be sent to the client now, in order."""
        frames = list(self._outgoing)
        self._outgoing.clear()
        return frames

    def close(self) -> None:
        """The client, or a fault, ends the connection."""
        if not self.stream.closed:
            self.stream.closed = True
            self._notify()

    def break_down(self) -> None:
        """Let the line die without a word: it stays open and nothing passes any more."""
        self._half_open = True

    def pump(self) -> None:
        """Move what the stream has to say towards the client."""
        outbox = self.stream.outbox
        if not outbox and not self.stream.closed:
            return  # nothing to say: most times it is so
        while outbox:
            frame = outbox.popleft()
            if self._half_open:
                continue
            if frame.data and self._faults.active:
                self._pass(frame.content)
            else:
                self._outgoing.append(frame.content)
        if len(self._outgoing) > OUTBOX_MAX:  # the reader is too slow and is cut off
            self._outgoing.clear()
            self.stream.closed = True
        self._notify()

    # -------------------------------------------------------------------------------------------- the faults of frames

    def _pass(self, frame: str | bytes) -> None:
        fires = self._faults.fires
        if fires("frame_dropped"):
            return
        if fires("frame_empty"):
            self._outgoing.append(self.stream.empty(frame))
        if fires("frame_garbage"):
            frame = frame[: len(frame) // 2]
        elif fires("frame_unknown"):
            frame = self.stream.novel(frame)
        elif fires("element_spoiled"):
            frame = self.stream.spoiled(frame)
        if fires("frame_late"):
            self._later(self._faults.between(1_000, LATE_MS_MAX), lambda _: self._deliver(frame))
            return
        if self._held is None and fires("frame_reordered"):
            self._held = frame
            self._later(REORDERED_MS, lambda _: self._release(frame))
            return
        self._outgoing.append(frame)
        if fires("frame_duplicated"):
            self._outgoing.append(frame)
        if self._held is not None:
            self._outgoing.append(self._held)
            self._held = None

    def _release(self, frame: str | bytes) -> None:
        if self._held is frame:
            self._held = None
            self._deliver(frame)

    def _deliver(self, frame: str | bytes) -> None:
        if not (self.stream.closed or self._half_open):
            self._outgoing.append(frame)
            self._notify()
