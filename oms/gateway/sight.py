"""What one caller may see of the log, event by event, and how an event looks on the stream.

An order's events belong to the strategy that asked for it, as far as the token is for its market. A position's event
belongs to whoever owns the order event before it: both come from one decision and stand next to each other in the log
(`oms.decide`). What happens to a market, and what the venue did by itself, is for every token of that market; what
happens to an account is seen by every token that is for it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from oms.errors import CorruptStreamError
from oms.gateway.auth import Caller
from oms.order.events import ExternalOrderSeen, OrderClaimed, OrderRequested
from oms.order.state import EXTERNAL
from oms.ports import EventLog, StoredEvent
from oms.position.events import ShareClaimed
from oms.store.codec import CODEC, decode, decode_meta
from oms.sums import symbol_of
from oms.values import Origin, StrategyId, Symbol

OWNERS_MAX: Final = 50_000  # orders whose strategy is remembered; the oldest are read again when they speak again

EVERYBODY: Final = StrategyId("*")  # whose order the venue's own is: what it seizes or settles, it takes from all
_VENUES: Final = frozenset({Origin.LIQUIDATION, Origin.ADL, Origin.SETTLEMENT})
# What happens to a market's positions without an order of anybody's.
_OF_MARKET: Final = frozenset(
    {"funding-booked", "clearance-booked", "leverage-requested", "leverage-refused", "leverage-set", "leg-taken-over"}
)

_CLAIMED: Final = "order-claimed/"
_SHARE_CLAIMED: Final = "share-claimed/"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONEY: Final = frozenset(
    {"order-filled", "commission-reported", "liquidity-reported", "trade-busted", "inferred-fill-replaced"}
)


class Channel(StrEnum):
    """What a stream can be narrowed to. Every event is one frame, however many channels it belongs to."""

    EVENTS = "events"  # everything the token may see
    ORDERS = "orders"
    FILLS = "fills"
    POSITIONS = "positions"
    ACCOUNT = "account"


def channels_of(event: StoredEvent) -> frozenset[Channel]:
    """Return the channels that `event` belongs to."""
    match event.stream[0]:
        case "o":
            name = event.topic.partition("/")[0]
            return _FILL if name in _MONEY else _ORDER
        case "p":
            return _POSITION
        case _:
            return _ACCOUNT


_ORDER: Final = frozenset({Channel.EVENTS, Channel.ORDERS})
_FILL: Final = frozenset({Channel.EVENTS, Channel.ORDERS, Channel.FILLS})
_POSITION: Final = frozenset({Channel.EVENTS, Channel.POSITIONS})
_ACCOUNT: Final = frozenset({Channel.EVENTS, Channel.ACCOUNT})


Owner = tuple[StrategyId, Symbol]


class Sight:
    """Tells what a caller may see, and remembers whose order is whose."""

    def __init__(self, log: EventLog, *, owners_max: int = OWNERS_MAX) -> None:
        self._log = log
        self._owners: dict[str, tuple[Owner, int]] = {}  # by order stream, as of which version; longest known first
        self._owners_max = owners_max

    async def seen(self, caller: Caller, events: Sequence[StoredEvent]) -> list[StoredEvent]:
        """Return those of `events`, consecutive ones of the log, that `caller` may see. Raises LogUnavailableError."""
        seen: list[StoredEvent] = []
        before: StoredEvent | None = None
        for event in events:
            if caller.sees(_account(event)) and (caller.admin or await self._owned(caller, event, before)):
                seen.append(event)
            if event.stream[0] != "p":  # one order's event may move a leg twice: a flip is a close and an open
                before = event
        return seen

    async def _owned(self, caller: Caller, event: StoredEvent, before: StoredEvent | None) -> bool:
        match event.stream[0]:
            case "o":
                return _owns(caller, await self._owner(event))
            case "p" if event.topic.partition("/")[0] in _OF_MARKET:
                return caller.trades(symbol_of(event.stream))
            case "p" if event.topic.startswith(_SHARE_CLAIMED):
                claimed = decode(event.topic, event.state)
                return isinstance(claimed, ShareClaimed) and _owns(caller, (claimed.strategy, symbol_of(event.stream)))
            case "p":
                if before is None:
                    page = await self._log.page(after=max(event.position - 3, 0), limit=2)
                    before = next(
                        (each for each in reversed(page) if each.position < event.position and each.stream[0] == "o"),
                        None,
                    )
                return before is not None and before.stream[0] == "o" and _owns(caller, await self._owner(before))
            case _:
                return True

    async def _owner(self, event: StoredEvent) -> Owner:
        owner, version = self._owners.get(event.stream, (None, 0))
        # What is nobody's may have been given to somebody after the events that were looked at.
        if owner is not None and (owner[0] != EXTERNAL or event.version <= version):
            return owner
        history = [event] if event.version == 1 else await self._log.read(event.stream)
        owner = _owner_of(history)
        self._owners.pop(event.stream, None)
        if len(self._owners) >= self._owners_max:
            del self._owners[next(iter(self._owners))]
        self._owners[event.stream] = (owner, history[-1].version)
        return owner


def _owns(caller: Caller, owner: Owner) -> bool:
    strategy, symbol = owner
    return strategy in {EVERYBODY, caller.strategy} and caller.trades(symbol)


def _owner_of(history: Sequence[StoredEvent]) -> Owner:
    """Return whose an order is: whoever asked for it, or was given it."""
    first, *later = history
    for event in later:
        if event.topic.startswith(_CLAIMED):
            claimed = decode(event.topic, event.state)
            assert isinstance(claimed, OrderClaimed)
            return claimed.strategy, _owner_of([first])[1]
    match decode(first.topic, first.state):
        case OrderRequested(strategy=strategy, symbol=symbol):
            return strategy, symbol
        case ExternalOrderSeen(symbol=symbol, strategy=strategy, origin=origin):
            return EVERYBODY if origin in _VENUES else strategy or EXTERNAL, symbol
        case other:
            raise CorruptStreamError(f"{first.stream} begins with {type(other).__name__}")


def _account(event: StoredEvent) -> str:
    return event.stream.split("/", 2)[1]


def frame(event: StoredEvent) -> bytes:
    """Return `event` as a frame of the stream: the stored body as it is, behind what its stream's name says."""
    at = instant(decode_meta(event.state).recorded_ns)
    head = f'{{"position":{event.position},"type":"{event.topic}","at":"{at}","data":'
    return b"".join((head.encode(), msgspec.json.encode(_named(event))[:-1], b",", event.state[1:], b"}"))


def _named(event: StoredEvent) -> Mapping[str, object]:
    """Return what the name of an event's stream says, without what its body says itself."""
    kind, account, *rest = event.stream.split("/")
    named: dict[str, object] = {"stream": event.stream, "version": event.version, "account": account}
    match kind:
        case "order":
            named["client_order_id"] = "/".join(rest)
        case "position":
            *symbol, leg = rest
            named["symbol"], named["leg"] = "/".join(symbol), leg
        case _:
            pass
    event_type = CODEC.topics.get(event.topic)
    said = () if event_type is None else event_type.__struct_fields__
    return {name: value for name, value in named.items() if name not in said}


def instant(ns: int) -> str:
    """Spell nanoseconds since 1970 as RFC 3339 in UTC, always with microseconds."""
    return (_EPOCH + timedelta(microseconds=ns // 1000)).isoformat(timespec="microseconds").replace("+00:00", "Z")
