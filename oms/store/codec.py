"""Events to stored bodies and back: flat JSON, what stands beside an event and the event itself in one object.

An auditor reads a body with psql in ten years. A topic (``order-filled/1``) names its shape for ever: a new shape gets
a new topic, and the old one an entry in `UPCASTS`, which brings its bodies up to date as they are read. Nothing that
is stored is ever rewritten.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType, UnionType
from typing import Any, Final, Generic, TypeVar, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from oms.account.events import AccountEvent
from oms.errors import CorruptStreamError
from oms.order.events import OrderEvent
from oms.ports import Meta, NewEvent
from oms.position.events import PositionEvent
from oms.values import Provenance

Event = OrderEvent | PositionEvent | AccountEvent
Body = dict[str, Any]

_E = TypeVar("_E", bound=Struct)


class Upcast(Struct, frozen=True):
    """How a body of an old topic becomes one of the next: `change` gets it parsed and returns the new one."""

    to: str
    change: Callable[[Body], Body]


UPCASTS: Final[Mapping[str, Upcast]] = MappingProxyType(
    {
        # A halt had no id but its event's, and was of the whole account.
        "trading-halted/1": Upcast("trading-halted/2", lambda body: {**body, "halt_id": body["id"]}),
        "trading-resumed/1": Upcast("trading-resumed/2", lambda body: body),
    }
)


class Codec(Generic[_E]):
    """Encodes and decodes the events of one union of tagged Structs."""

    def __init__(self, kinds: Iterable[type[_E]], upcasts: Mapping[str, Upcast]) -> None:
        self._encode = msgspec.json.Encoder().encode
        self._kinds = {_topic(kind): kind for kind in kinds}
        self.decoders: Mapping[str, Callable[[bytes], _E]] = {
            topic: msgspec.json.Decoder(kind).decode for topic, kind in self._kinds.items()
        }  # by topic that is written today, for whoever reads very many
        # The topic has a column of its own: its tag, always the first field, is cut off the body.
        self._shapes = {
            kind: (topic, len(self._encode({_tag_field(kind): topic})) - 1) for topic, kind in self._kinds.items()
        }
        self._upcasts = upcasts

    @property
    def topics(self) -> Mapping[str, type[_E]]:
        """Every topic that is written today, with its class."""
        return self._kinds

    def topic_of(self, event: _E) -> str:
        """Return the topic that `event` is stored under."""
        return self._shapes[type(event)][0]

    def new_event(self, stream: str, version: int, meta: bytes, event: _E) -> NewEvent:
        """Return `event` on its way into the log, its body as `encode` makes it."""
        topic, cut = self._shapes[type(event)]
        return NewEvent(stream, version, topic, meta + self._encode(event)[cut:])

    def encode(self, meta: bytes, event: _E) -> bytes:
        """Return the body of `event`; `meta` is what `encode_meta` made, the same for all events of one message."""
        return meta + self._encode(event)[self._shapes[type(event)][1] :]

    def decode(self, topic: str, state: bytes) -> _E:
        """Return the event in a stored body, brought up to date if its topic is an old one.

        Raises:
            CorruptStreamError: nobody here knows the topic, or the body is not what it promises.
        """
        decoder = self.decoders.get(topic)
        try:
            return self._upcast(topic, state) if decoder is None else decoder(state)
        except msgspec.MsgspecError as error:
            raise CorruptStreamError(f"a stored body is not a {topic}: {error}") from error

    def _upcast(self, topic: str, state: bytes) -> _E:
        body: Body | None = None
        while (upcast := self._upcasts.get(topic)) is not None:
            body = upcast.change(msgspec.json.decode(state, type=Body) if body is None else body)
            topic = upcast.to
        if body is None or topic not in self._kinds:
            raise CorruptStreamError(
                f"no event of topic {topic} is known", next_step="run the program that wrote this log, or a newer one"
            )
        return msgspec.convert(body, self._kinds[topic])


def _topic(kind: type[Struct]) -> str:
    tag = kind.__struct_config__.tag
    assert isinstance(tag, str), f"{kind.__name__} has no tag"
    return tag


def _tag_field(kind: type[Struct]) -> str:
    field = kind.__struct_config__.tag_field
    assert field is not None
    return field


def members(*unions: UnionType) -> tuple[type[Any], ...]:
    """Return the classes of `unions`."""
    return tuple(kind for union in unions for kind in get_args(union))


CODEC: Final[Codec[Event]] = Codec(members(OrderEvent, PositionEvent, AccountEvent), UPCASTS)
topic_of: Final = CODEC.topic_of
new_event: Final = CODEC.new_event
encode: Final = CODEC.encode
decode: Final = CODEC.decode

_meta_encoder: Final = msgspec.json.Encoder()
_meta_decoder: Final = msgspec.json.Decoder(Meta)


def encode_meta(meta: Meta) -> bytes:
    """Return the opening of every body that stands beside `meta`; `encode` puts an event behind it."""
    return _meta_encoder.encode(meta)[:-1]


def opening(
    batch: bytes,
    number: int,
    *,
    recorded_ns: int,
    cause: str | None,
    actor: str,
    epoch: int,
    source: Provenance,
    occurred_ns: int | None,
) -> bytes:
    """Return what `encode_meta` returns for message `number` of `batch`, in a fifth of its time: what most messages
    share is encoded once.
    """
    shared = _shared(actor, epoch, source)
    if cause is not None:
        shared = b',"cause":%b%b' % (_meta_encoder.encode(cause), shared)
    if occurred_ns is not None:
        shared = b'%b,"occurred_ns":%d' % (shared, occurred_ns)
    return b'{"id":"%b%04x","recorded_ns":%d%b' % (batch, number, recorded_ns, shared)


@lru_cache(maxsize=4096)
def _shared(actor: str, epoch: int, source: Provenance) -> bytes:
    return b"," + _meta_encoder.encode({"actor": actor, "epoch": epoch, "source": source})[1:-1]


def decode_meta(state: bytes) -> Meta:
    """Return what stands beside the event in a stored body.

    Raises:
        CorruptStreamError: the body does not hold it.
    """
    try:
        meta = _meta_decoder.decode(state)
    except msgspec.MsgspecError as error:
        raise CorruptStreamError(f"a stored body has no readable meta: {error}") from error
    return meta if meta.cause else replace(meta, cause=meta.id)
