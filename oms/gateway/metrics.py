"""What the door counts, for one scrape endpoint."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from oms.engine import Engine
from oms.folding import Fact
from oms.store.holdups import Holdup

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)
_EVENTS = (1, 2, 4, 8, 16, 64, 256, 1024, 4096)


class Metrics:
    """The figures of one gateway and of the engines behind it, in a registry of their own."""

    def __init__(self, engines: Sequence[Engine], holdups: Callable[[], Sequence[Holdup]] = tuple) -> None:
        self.registry = CollectorRegistry()
        self._holdups = holdups
        self._engines = engines
        self.commands = Counter("oms_commands", "Commands answered", ["command", "outcome"], registry=self.registry)
        self.refusals = Counter("oms_refusals", "Problems answered, by code", ["code"], registry=self.registry)
        self.seconds = Histogram(
            "oms_http_seconds", "From request to answer", ["route"], buckets=_SECONDS, registry=self.registry
        )
        self.streams = Gauge("oms_streams", "Open event streams", registry=self.registry)
        self.slow_readers = Counter("oms_stream_slow_readers", "Streams closed as too slow", registry=self.registry)
        self.frames = Counter("oms_stream_frames", "Event frames sent", registry=self.registry)
        self._commits = Counter("oms_commits", "Commits that brought events", ["account"], registry=self.registry)
        self._batch = Histogram(
            "oms_commit_events", "Events in one commit", ["account"], buckets=_EVENTS, registry=self.registry
        )
        self._open = Gauge("oms_open_orders", "Orders not yet over", ["account"], registry=self.registry)
        self._unsettled = Gauge("oms_unsettled_orders", "Orders to ask about", ["account"], registry=self.registry)
        self._log = Gauge("oms_log_position", "The last committed log position", registry=self.registry)
        self._read = Gauge("oms_projection_position", "The position of the read models", registry=self.registry)
        self._lag = Gauge("oms_projection_lag_events", "Events the read models are behind", registry=self.registry)
        self._held_up = Gauge(
            "oms_database_held_up_seconds",
            "How long a server process keeps others waiting",
            ["pid", "application"],
            registry=self.registry,
        )
        for engine in engines:
            self._watch(engine)

    def _watch(self, engine: Engine) -> None:
        commits, batch = self._commits.labels(engine.account), self._batch.labels(engine.account)

        def count(committed: Sequence[Fact]) -> None:
            if committed:
                commits.inc()
                batch.observe(len(committed))

        engine.on_commit.append(count)

    def scrape(self, *, log: int, read: int) -> bytes:
        """Return everything in Prometheus' text format; `log` and `read` are the two positions now."""
        for engine in self._engines:
            self._open.labels(engine.account).set(len(engine.book.open))
            self._unsettled.labels(engine.account).set(len(engine.book.unsettled))
        self._held_up.clear()
        for each in self._holdups():
            self._held_up.labels(str(each.pid), each.application).set(each.seconds)
        self._log.set(log)
        self._read.set(read)
        self._lag.set(max(log - read, 0))
        return generate_latest(self.registry)
