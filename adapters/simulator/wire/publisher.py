"""Turns what happened at the exchange into pushes, and brings each to the connections that asked for it."""

from collections.abc import Iterable, Sequence
from typing import Final

from adapters.simulator.exchange.orders import BalanceChanged, Event, OrderChanged, Printed
from adapters.simulator.wire.feeds import TRADE, Feeds
from adapters.simulator.wire.frames import balance_element, data_frame, order_element, trade_element
from adapters.simulator.wire.gathering import Gathering
from adapters.simulator.wire.house import House
from adapters.simulator.wire.line import Stream
from adapters.simulator.wire.tape import Tape

ELEMENTS_MAX: Final = 20  # of one push
ORDERS_TABLE: Final = "spot/user/orders"
BALANCE_TABLE: Final = "spot/user/balance"

Address = tuple[str, str]  # account ("" for everyone), topic


class Publisher:
    """Collects events until they are flushed: what one request or step caused goes out together, in order."""

    def __init__(self, tape: Tape[Printed], house: House) -> None:
        self._tape = tape
        self._events: Gathering[Event] = Gathering(house)

    def collect(self, event: Event) -> None:
        """Take one event; the exchange emits here."""
        if isinstance(event, Printed):
            self._tape.record(event)
        self._events.add(event)

    def flush(self, streams: Sequence[Stream], feeds: Feeds, now_ms: int) -> None:
        """Push everything collected, and the public states that are due."""
        events = self._events.due(now_ms)
        if not streams:
            return
        public = dict.fromkeys(topic for stream in streams if not stream.private for topic in stream.topics)
        if not (events or public):
            return  # nothing for anybody: most flushes are so
        wanted = {(stream.account or "", topic) for stream in streams for topic in stream.topics}
        pushes: dict[Address, list[object]] = {}
        for event in events:
            for account, topic, element in _spelled(event, wanted):
                pushes.setdefault((account, topic), []).append(element)
        for (account, topic), elements in pushes.items():
            for start in range(0, len(elements), ELEMENTS_MAX):
                frame = data_frame(topic.partition(":")[0], elements[start : start + ELEMENTS_MAX])
                _push(streams, account, topic, frame, now_ms)
        for topic, frame in feeds.due(public, now_ms):
            _push(streams, "", topic, frame, now_ms)


def _spelled(event: Event, wanted: set[Address]) -> Iterable[tuple[str, str, object]]:
    """Yield (account, topic, element) for each topic of `event` that somebody listens to."""
    match event:
        case OrderChanged():
            account = event.order.account
            for topic in (f"spot/user/order:{event.order.symbol}", f"{ORDERS_TABLE}:ALL_SYMBOLS"):
                if (account, topic) in wanted:
                    yield account, topic, order_element(event)
        case BalanceChanged():
            topic = f"{BALANCE_TABLE}:BALANCE_UPDATE"
            if (event.account, topic) in wanted:
                yield event.account, topic, balance_element(event)
        case Printed():
            topic = f"{TRADE}:{event.symbol}"
            if ("", topic) in wanted:
                yield "", topic, trade_element(event)


def _push(streams: Sequence[Stream], account: str, topic: str, frame: bytes, now_ms: int) -> None:
    for stream in streams:
        if (stream.account or "") == account and topic in stream.topics:
            stream.push(frame, now_ms)
