"""The whole story of one order, pure: its events, what each changed, who said so, how long it took, in which bytes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct

from oms.evidence import behind
from oms.order.events import OrderEvent
from oms.order.state import CLOSED, Order, evolve, status
from oms.ports import Meta, StoredEvent, VenueMessage
from oms.store.codec import decode, decode_meta
from oms.values import OrderStatus, Provenance

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
META: Final = frozenset(Meta.__struct_fields__)


class Wire(Struct, frozen=True, kw_only=True):
    """Bytes that went out or came in; `body` is JSON where they were JSON, text otherwise."""

    at: str
    at_ns: int
    direction: str
    channel: str
    body: object


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of the order. Times are RFC 3339 UTC; `after_ms` counts from the event before it.

    `status` and `changed` say what the order was after it and what moved: by name, before and after. `effects` is
    what the same commit did to the position, in its order.
    """

    position: int
    type: str
    at: str
    at_ns: int
    after_ms: float
    occurred_at: str | None = None
    status: OrderStatus
    changed: Mapping[str, tuple[object, object]]
    data: Mapping[str, object]
    cause: str
    actor: str
    source: Provenance
    epoch: int
    effects: Sequence[Mapping[str, object]] = ()
    wire: Sequence[Wire] = ()


def tell(
    events: Sequence[StoredEvent],
    effects: Mapping[int, Sequence[StoredEvent]],
    messages: Mapping[str, VenueMessage],
) -> Iterator[Step]:
    """Yield the steps of one order's stream. `effects` are position events by the position of the order event they
    follow, `messages` the venue's, by id: each is shown with the first event that it is behind.
    """
    order: Order | None = None
    before_ns: int | None = None
    told = set[str]()
    for stored in events:
        meta = decode_meta(stored.state)
        event: OrderEvent = decode(stored.topic, stored.state)  # type: ignore[assignment]  # an order's stream
        after = evolve(order, event)
        wire = [name for name in behind(meta, body_of(stored)) if name in messages and name not in told]
        yield Step(
            position=stored.position,
            type=stored.topic,
            at=instant(meta.recorded_ns),
            at_ns=meta.recorded_ns,
            after_ms=0.0 if before_ns is None else (meta.recorded_ns - before_ns) / 1e6,
            occurred_at=None if meta.occurred_ns is None else instant(meta.occurred_ns),
            status=status(after),
            changed=_changed(order, after),
            data=body_of(stored),
            cause=meta.cause,
            actor=meta.actor,
            source=meta.source,
            epoch=meta.epoch,
            effects=[body_of(each) for each in effects.get(stored.position, ())],
            wire=tuple(_wire(messages[name]) for name in wire),
        )
        order, before_ns = after, meta.recorded_ns
        told.update(wire)


def instant(at_ns: int) -> str:
    """Spell UTC nanoseconds as RFC 3339 with microseconds."""
    return (EPOCH + timedelta(microseconds=at_ns // 1000)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def body_of(stored: StoredEvent) -> Mapping[str, object]:
    """Return the event's own fields as they are stored, without what stands beside them."""
    body: dict[str, Any] = msgspec.json.decode(stored.state)
    return {name: value for name, value in body.items() if name not in META}


def _figures(order: Order | None) -> Mapping[str, object]:
    if order is None:
        return {}
    return {
        "status": status(order).value,
        "venue_order_id": order.venue_order_id,
        "cum_quantity": _plain(order.cum_quantity),
        "leaves_quantity": _plain(order.leaves_quantity),
        "average_price": _plain(order.average_price),
        "reason": order.reason,
        "pending_cancels": 0 if order.life in CLOSED else len(order.cancels),
        "flagged": order.flagged,
    }


def _changed(before: Order | None, after: Order) -> Mapping[str, tuple[object, object]]:
    was, now = _figures(before), _figures(after)
    new = before is None
    return {
        name: (was.get(name), value)
        for name, value in now.items()
        if was.get(name) != value and not (new and value in {None, "0", 0})
    }


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def _wire(message: VenueMessage) -> Wire:
    try:
        body: object = msgspec.json.decode(message.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = message.body.decode(errors="replace")
    return Wire(
        at=instant(message.at_ns),
        at_ns=message.at_ns,
        direction=message.direction,
        channel=message.channel,
        body=body,
    )
