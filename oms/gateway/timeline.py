"""The whole story of one order: its events, the position events they caused, and the bytes behind each.

An answer to our own request is about this order alone. A push or a poll may speak of other strategies' orders too, so
its bytes are shown only to who may read the whole account; so are the answers that prove an absence.
"""

import base64
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final, Protocol

import msgspec

from oms.evidence import behind, effects, exchange
from oms.gateway.views import Timeline, TimelineEntry, WireMessage, moment, order_view
from oms.order.state import Order
from oms.ports import EventLog, Meta, StoredEvent, VenueMessage
from oms.store.codec import decode_meta
from oms.values import Provenance

_META: Final = frozenset(Meta.__struct_fields__)


class MessageLog(EventLog, Protocol):
    """A log that also gives back the bytes behind its events."""

    async def messages(self, message_ids: Sequence[str]) -> Sequence[VenueMessage]:
        """Return the venue messages of those ids. Raises LogUnavailableError."""
        ...


async def timeline(
    log: MessageLog, order: Order, history: Sequence[StoredEvent], position: int, *, all_bytes: bool
) -> Timeline:
    """Return the story that `history`, the order's stream, tells. Raises LogUnavailableError."""
    moved = chain.from_iterable((await effects(log, history)).values())
    events = sorted([*history, *moved], key=lambda event: event.position)
    metas = [decode_meta(event.state) for event in events]
    bodies = [_body(event) for event in events]
    names = [behind(meta, body) for meta, body in zip(metas, bodies, strict=True)]
    messages = {each.message_id: each for each in await log.messages(list(chain.from_iterable(names)))}
    entries = [
        _entry(
            event,
            meta,
            body,
            [_wire(messages[name], shown=all_bytes or _own(meta, name)) for name in named if name in messages],
        )
        for event, meta, body, named in zip(events, metas, bodies, names, strict=True)
    ]
    view = order_view(order, created_ns=metas[0].recorded_ns, updated_ns=metas[-1].recorded_ns)
    return Timeline(position=max(position, events[-1].position), order=view, items=entries)


def _own(meta: Meta, message_id: str) -> bool:
    """Whether a message is of a request for this order: of our own, and what the event came of."""
    return meta.source is Provenance.RESPONSE and message_id in exchange(meta.cause)


def _body(event: StoredEvent) -> Mapping[str, Any]:
    """Return the event's own fields as they are stored, without what stands beside them."""
    body: dict[str, Any] = msgspec.json.decode(event.state)
    return {name: value for name, value in body.items() if name not in _META}


def _entry(event: StoredEvent, meta: Meta, body: Mapping[str, Any], messages: Sequence[WireMessage]) -> TimelineEntry:
    return TimelineEntry(
        position=event.position,
        stream=event.stream,
        version=event.version,
        type=event.topic,
        at=moment(meta.recorded_ns),
        occurred_at=moment(meta.occurred_ns),
        actor=meta.actor,
        cause=meta.cause,
        epoch=meta.epoch,
        source=meta.source,
        event=body,
        messages=messages,
    )


def _wire(message: VenueMessage, *, shown: bool) -> WireMessage:
    text: str | None = None
    raw: str | None = None
    try:
        text = message.body.decode() if shown else None
    except UnicodeDecodeError:
        raw = base64.b64encode(message.body).decode()
    return WireMessage(
        message_id=message.message_id,
        at=moment(message.at_ns),
        direction=message.direction,
        channel=message.channel,
        body=text,
        body_base64=raw,
        withheld=not shown,
    )
