"""Turns what happened at the perpetual exchange into pushes, and brings each to whoever asked for it (PROTOCOL 8)."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from adapters.simulator.exchange.futures.events import (
    Action,
    Event,
    FundingSettled,
    OrderChanged,
    PlanChanged,
    PositionChanged,
    Printed,
    WalletChanged,
)
from adapters.simulator.exchange.futures.exchange import FuturesExchange
from adapters.simulator.exchange.futures.orders import MarginMode
from adapters.simulator.exchange.futures.positions import Position
from adapters.simulator.wire.futures.feeds import Feeds
from adapters.simulator.wire.futures.frames import (
    data_frame,
    order_element,
    plan_element,
    position_element,
    trade_element,
    wallet_element,
)
from adapters.simulator.wire.gathering import Gathering
from adapters.simulator.wire.house import House
from adapters.simulator.wire.line import Stream
from adapters.simulator.wire.tape import Tape
from oms.values import ZERO, Side

ELEMENTS_MAX: Final = 20  # of one push
POSITIONS_MS: Final = 10_000  # positions are pushed this often without a change (PROTOCOL 9.38)
ORDER: Final = "futures/order"
POSITION: Final = "futures/position"
ASSET: Final = "futures/asset"

Address = tuple[str, str]  # account ("" for everyone), topic


class Publisher:
    """Collects events until they are flushed: what one request or step caused goes out together, in order."""

    def __init__(self, tape: Tape[Printed], house: House) -> None:
        self._tape = tape
        self._house = house
        self._events: Gathering[Event] = Gathering(house)
        self._positions_ms: dict[str, int] = {}  # account -> when its positions were last pushed whole

    def collect(self, event: Event) -> None:
        """Take one event; the exchange emits here."""
        if isinstance(event, Printed):
            self._tape.record(event)
        self._events.add(event)

    def flush(self, streams: Sequence[Stream], feeds: Feeds, exchange: FuturesExchange, now_ms: int) -> None:
        """Push everything collected, and what is due by the clock."""
        events = self._events.due(now_ms)
        if self._house.settings.coalesce_fills:
            events = _coalesced(events)
        if not streams:
            return
        if events:
            self._tell(events, streams, exchange, now_ms)
        self._repeat_positions(streams, exchange, now_ms)
        public = dict.fromkeys(topic for stream in streams if not stream.private for topic in stream.topics)
        for topic, frame in feeds.due(public, now_ms):
            _push(streams, ("", topic), frame, now_ms)

    @staticmethod
    def _tell(events: list[Event], streams: Sequence[Stream], exchange: FuturesExchange, now_ms: int) -> None:
        """Push each event to whoever listens."""
        wanted = {(stream.account or "", topic) for stream in streams for topic in stream.topics}
        pushes: dict[Address, list[object]] = {}
        for event in events:
            for address, element in _spelled(event, exchange):
                if address in wanted:
                    pushes.setdefault(address, []).append(element)
        for (account, topic), elements in pushes.items():
            for data in _batches(topic, elements):
                _push(streams, (account, topic), data_frame(topic, data), now_ms)

    def _repeat_positions(self, streams: Sequence[Stream], exchange: FuturesExchange, now_ms: int) -> None:
        """Push what each listening account holds, whether it changed or not."""
        listening = {stream.account for stream in streams if stream.account and POSITION in stream.topics}
        if listening != self._positions_ms.keys():
            self._positions_ms = {name: self._positions_ms.get(name, now_ms) for name in sorted(listening)}
        for name, at_ms in self._positions_ms.items():
            if 0 <= now_ms - at_ms < POSITIONS_MS:
                continue
            self._positions_ms[name] = now_ms
            account = exchange.accounts[name]
            held = [
                _position(one, account.promised(one.symbol, _closing(one), one.leg), exchange)
                for one in account.held_positions()
            ]
            if held:
                _push(streams, (name, POSITION), data_frame(POSITION, held), now_ms)


def _coalesced(events: list[Event]) -> list[Event]:
    """Leave out every match of an order that another match of it follows."""
    told: list[Event] = []
    seen: set[str] = set()
    for event in reversed(events):
        if isinstance(event, OrderChanged) and event.action is Action.MATCHED:
            if event.order.order_id in seen:
                continue
            seen.add(event.order.order_id)
        told.append(event)
    return told[::-1]


def _spelled(event: Event, exchange: FuturesExchange) -> Iterable[tuple[Address, object]]:
    """Yield (account, topic) and element for each topic that `event` shows on."""
    match event:
        case OrderChanged():
            yield (event.order.account, ORDER), order_element(event)
        case PlanChanged():
            yield (event.plan.account, ORDER), plan_element(event.plan)
        case PositionChanged():
            yield (event.position.account, POSITION), _position(event.position, event.promised, exchange)
        case WalletChanged():
            yield (event.account, f"{ASSET}:{event.coin}"), wallet_element(event)
        case Printed():
            yield ("", f"futures/trade:{event.symbol}"), trade_element(event)
        case FundingSettled():  # no event of its own: it shows in the assets (PROTOCOL 6.8)
            pass


def _batches(topic: str, elements: list[object]) -> Iterable[object]:
    """Yield the data of each push: an asset is one object, trades come newest first."""
    if topic.startswith(ASSET):
        yield from elements
        return
    for start in range(0, len(elements), ELEMENTS_MAX):
        batch = elements[start : start + ELEMENTS_MAX]
        yield batch[::-1] if topic.startswith("futures/trade") else batch


def _position(position: Position, promised: Decimal, exchange: FuturesExchange) -> object:
    cross = position.margin_mode is MarginMode.CROSS  # shows none, and by now the account may hold something else
    liquidation = ZERO if cross else exchange.liquidation_price(position)
    return position_element(position, exchange.contracts[position.symbol], promised, liquidation)


def _closing(position: Position) -> Side:
    return Side.SELL if position.direction is Side.BUY else Side.BUY


def _push(streams: Sequence[Stream], address: Address, frame: str, now_ms: int) -> None:
    account, topic = address
    for stream in streams:
        if (stream.account or "") == account and topic in stream.topics:
            stream.push(frame, now_ms)
