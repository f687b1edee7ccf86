"""What goes wrong at a venue, from a seed: the part of simulation.md's fault table that a venue can show.

Every fault has a name, a default rate (the chance each time it could happen) and a count of how often it did. All are
off until rates are set; `default_rates()` turns on the table's. Nothing is drawn for a fault that is off.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from adapters.simulator.chance import chance

DEFAULT_RATES: Final[Mapping[str, float]] = {
    # per REST request
    "request_lost": 0.05,  # it never arrives; the client sees no answer
    "answer_lost": 0.08,  # it is executed; the client sees no answer
    "request_delayed": 0.01,  # no answer either, and it is executed up to 60 s later (PROTOCOL 9.22)
    "error_before": 0.03,  # 5xx, not executed
    "error_after": 0.03,  # 5xx, executed
    "rate_limited": 0.03,  # 429, not executed
    "html_answer": 0.0025,  # a page of the gateway in front, not executed
    "truncated_answer": 0.0025,  # executed, half a body
    # per accepted order, per plan, per order that a plan has sent
    "stale_query": 0.20,  # unknown to queries for up to 1.5 s
    "stale_query_long": 0.01,  # for up to 30 s
    "fill_before_order": 0.05,  # the order unknown for up to 1.5 s, its trades not
    "duplicate_check_off": 0.5,  # a repeated client order id is taken
    # per list asked for
    "open_list_omits": 0.01,  # a live order is missing
    "page_gap": 0.01,  # a row is missing
    "page_overlap": 0.01,  # a row comes twice
    # per cancel, per match
    "fill_after_cancel_ack": 0.05,  # the cancel is answered and happens up to 1 s later
    "split_fill": 0.10,  # a match comes in pieces
    # per data frame of a stream
    "frame_dropped": 0.15,
    "frame_duplicated": 0.10,
    "frame_reordered": 0.20,  # comes after the next one, or half a second later
    "frame_late": 0.01,  # up to 120 s
    "frame_garbage": 0.005,
    "frame_unknown": 0.01,  # an enum value or a field nobody has heard of
    # per second of a connection
    "half_open": 0.002,  # it stays open and nothing passes any more
    "connection_closed": 0.005,
    # per subscription, per ping
    "subscription_ignored": 0.02,  # acknowledged or not, nothing comes
    "ping_ignored": 0.02,
    # per second of the venue
    "venue_cancel": 0.002,  # a live order is canceled by the system
    "restart": 0.0005,  # everything is down for up to 300 s; streams break
    "maintenance": 0.0005,  # every request answers 30016 for up to 60 s
    "clock_skew": 0.01,  # the venue's clock goes wrong by up to 1 s
    "clock_step": 0.0005,  # by up to 5 minutes, for up to 30 s
    # per second of the futures host, while a customer holds a position
    "liquidation": 0.0005,  # a position is taken over
    "adl": 0.0005,  # a position is closed against somebody's loss
    "funding": 0.001,  # is settled out of its hour, at up to 0.1 % either way
    # per push (these stand last, so that older ones draw what they always drew)
    "frames_joined": 0.05,  # waits up to half a second for others, and goes out with them in one frame
    "element_spoiled": 0.005,  # one element of a frame has a value of the wrong type
    "frame_empty": 0.01,  # a frame of the same topic comes before it, with nothing in it (`"data":""`)
    # per REST request
    "plain_answer": 0.02,  # executed; the JSON comes as text/plain
    "lying_page": 0.0025,  # not executed: a page of the gateway in front, with status 200 and called JSON
    # per second of the venue
    "bust": 0.0005,  # one of the last trades of somebody is taken back, on both sides
    # per REST request
    "banned": 0.0005,  # the caller is kept out of both hosts for up to a minute (418, PROTOCOL 3.1); not executed
    "row_spoiled": 0.01,  # executed; one row of a list has values of the wrong type
}
# Drawn each from a source of its own, so that all others draw what they always drew.
APART: Final = frozenset({"banned", "row_spoiled"})


class Fault(Struct, frozen=True, kw_only=True):
    """One fault as it stands."""

    name: str
    rate: float
    default_rate: float
    fired: int


def default_rates(scale: float = 1.0) -> dict[str, float]:
    """Return the table's rates, each times `scale`, none above 1."""
    return {name: min(rate * scale, 1.0) for name, rate in DEFAULT_RATES.items()}


class Faults:
    """Decides, from a seed, what goes wrong."""

    def __init__(self, *, seed: int = 0, rates: Mapping[str, float] | None = None) -> None:
        self._fired = dict.fromkeys(DEFAULT_RATES, 0)
        self.set(seed=seed, rates=rates or {})

    def set(self, *, seed: int, rates: Mapping[str, float]) -> None:
        """Begin anew from `seed` with these rates; what is not named is off. Counts go on.

        Raises:
            ValueError: an unknown fault, or a rate that is no probability; nothing changed.
        """
        for name, rate in rates.items():
            if name not in DEFAULT_RATES:
                raise ValueError(f"no fault is called {name!r}")
            if not 0 <= rate <= 1:
                raise ValueError(f"rate of {name} is {rate}, not between 0 and 1")
        self._rates = {name: rate for name, rate in rates.items() if rate}
        self._chance = chance(seed, "faults")
        self._apart = {name: chance(seed, f"faults: {name}") for name in APART}

    @property
    def active(self) -> bool:
        return bool(self._rates)

    def fires(self, name: str) -> bool:
        """Say whether `name` happens this time, and count it if so."""
        rate = self._rates.get(name)
        if rate is None or self._apart.get(name, self._chance).random() >= rate:
            return False
        self._fired[name] += 1
        return True

    def fired(self, name: str) -> int:
        """How often `name` has happened."""
        return self._fired[name]

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return self._chance.randint(low, high)

    def overview(self) -> tuple[Fault, ...]:
        return tuple(
            Fault(name=name, rate=self._rates.get(name, 0.0), default_rate=rate, fired=self._fired[name])
            for name, rate in DEFAULT_RATES.items()
        )
