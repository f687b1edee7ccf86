"""The library's mapper for our events, so that its stores and applications read our log as their own."""

from typing import cast

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent, Transcoder
from msgspec import Struct

from oms.ports import Meta
from oms.store.codec import Event, decode, decode_meta, encode, encode_meta, topic_of


class Recorded(Struct, frozen=True):
    """One event in its place, as the library wants it: the stream is the originator."""

    originator_id: str
    originator_version: int
    meta: Meta
    event: Event


class EventMapper(Mapper[str]):
    """Maps `Recorded` to stored events and back. Bodies are never compressed or ciphered: an auditor reads them."""

    def __init__(self, transcoder: Transcoder | None = None) -> None:
        super().__init__(transcoder or JSONTranscoder())

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Return the stored form of a `Recorded`."""
        recorded = cast("Recorded", domain_event)
        return StoredEvent(
            originator_id=recorded.originator_id,
            originator_version=recorded.originator_version,
            topic=topic_of(recorded.event),
            state=encode(encode_meta(recorded.meta), recorded.event),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
        """Return a `Recorded`. Raises CorruptStreamError if the body is not what its topic promises."""
        return Recorded(
            originator_id=str(stored_event.originator_id),
            originator_version=stored_event.originator_version,
            meta=decode_meta(stored_event.state),
            event=decode(stored_event.topic, stored_event.state),
        )
