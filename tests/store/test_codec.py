"""Stored bodies: flat, readable, and read for ever.

`shapes/` holds one recorded file per topic that was ever written: bodies as they stand in a log, with the event that
each must give today. A file is never edited: a new topic needs a new one, and a topic that gained a field whose absence
means its default gets a second one, named after the field.
"""

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.errors import CorruptStreamError
from oms.order.events import OrderFilled, VenueAccepted
from oms.ports import Meta
from oms.store.codec import CODEC, Codec, Upcast, decode, decode_meta, encode, encode_meta, opening, topic_of
from oms.values import ExecId, Provenance

SHAPES = sorted((Path(__file__).parent / "shapes").glob("*.json"))
WRITTEN = [file for file in SHAPES if json.loads(file.read_text())["topic"] in CODEC.topics]  # the rest is only read
META = Meta(id="m1", recorded_ns=1, cause="c1", actor="venue", epoch=3, source=Provenance.STREAM, occurred_ns=2)


def every_field(event: msgspec.Struct) -> dict[str, object]:
    """Return the event with its defaults: a default that changes changes what an old body means."""
    return {name: json.loads(msgspec.json.encode(getattr(event, name))) for name in event.__struct_fields__}


def gained(event: msgspec.Struct, recorded: dict[str, object]) -> dict[str, object]:
    """Return the fields of which a recorded event knows nothing yet, each at its default."""
    defaults = {each.name: each.default for each in msgspec.structs.fields(type(event))}
    gains = {name: defaults[name] for name in event.__struct_fields__ if name not in recorded}
    return {name: json.loads(msgspec.json.encode(default)) for name, default in gains.items()}


def test_a_body_is_one_flat_object_of_meta_and_event() -> None:
    event = OrderFilled(exec_id=ExecId("t-1"), quantity=Decimal("0.10"), price=Decimal("60000.5"))
    assert topic_of(event) == "order-filled/1"
    assert encode(encode_meta(META), event) == (
        b'{"id":"m1","recorded_ns":1,"cause":"c1","actor":"venue","epoch":3,"source":"stream","occurred_ns":2,'
        b'"exec_id":"t-1","quantity":"0.10","price":"60000.5"}'
    )


def test_an_event_that_says_nothing_more_leaves_a_body_of_meta() -> None:
    body = encode(encode_meta(META), VenueAccepted())
    assert json.loads(body) == msgspec.to_builtins(META)
    assert decode("venue-accepted/1", body) == VenueAccepted()


def test_event_and_meta_are_read_from_the_same_bytes() -> None:
    event = OrderFilled(exec_id=ExecId("t-1"), quantity=Decimal("0.10"), price=Decimal("60000.5"))
    body = encode(encode_meta(META), event)
    assert decode(topic_of(event), body) == event
    assert decode_meta(body) == META


@given(
    quantity=st.decimals(allow_nan=False, allow_infinity=False),
    text=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_what_was_encoded_is_decoded_digit_for_digit(quantity: Decimal, text: str) -> None:
    event = OrderFilled(exec_id=ExecId(text), quantity=quantity, price=Decimal(1))
    decoded = decode("order-filled/1", encode(encode_meta(META), event))
    assert decoded == event
    assert str(decoded.quantity) == str(quantity)


def test_no_event_uses_a_name_that_meta_has_taken() -> None:
    taken = set(Meta.__struct_fields__)
    assert {kind.__name__: taken.intersection(kind.__struct_fields__) for kind in CODEC.topics.values()} == {
        kind.__name__: set() for kind in CODEC.topics.values()
    }


def test_every_event_of_the_three_unions_has_a_topic_with_a_version() -> None:
    for topic, kind in CODEC.topics.items():
        name, _, version = topic.partition("/")
        assert name, kind
        assert version.isdigit(), kind


@pytest.mark.parametrize("topic", CODEC.topics)
def test_every_topic_has_a_recorded_shape(topic: str) -> None:
    file = Path(__file__).parent / "shapes" / f"{topic.replace('/', '.')}.json"
    assert file.exists(), f"record {file.name}: bodies of {topic}, with every field and with as few as may be"


@pytest.mark.parametrize("file", SHAPES, ids=lambda file: file.stem)
def test_every_shape_ever_written_is_still_read_as_it_was_meant(file: Path) -> None:
    recorded = json.loads(file.read_text())
    assert file.stem.startswith(recorded["topic"].replace("/", "."))
    assert recorded["bodies"]
    for shape in recorded["bodies"]:
        body = json.dumps(shape["body"]).encode()
        event = decode(recorded["topic"], body)
        assert topic_of(event) == shape["becomes"]
        assert every_field(event) == shape["event"] | gained(event, shape["event"])
        assert decode_meta(body).id == shape["body"]["id"]


@pytest.mark.parametrize("file", WRITTEN, ids=lambda file: file.stem)
def test_what_is_written_today_is_what_was_recorded(file: Path) -> None:
    recorded = json.loads(file.read_text())
    for shape in recorded["bodies"]:
        body = json.dumps(shape["body"], separators=(",", ":"), ensure_ascii=False).encode()
        assert encode(encode_meta(decode_meta(body)), decode(recorded["topic"], body)) == body


class Moved(msgspec.Struct, frozen=True, omit_defaults=True, tag="moved/3", tag_field="type"):
    metres: Decimal
    by: str


MOVED = Codec[Moved](
    [Moved],
    {
        "moved/1": Upcast("moved/2", lambda body: {**body, "by": "somebody"}),
        "moved/2": Upcast("moved/3", lambda body: {**body, "metres": str(Decimal(body["feet"]) * Decimal("0.3048"))}),
    },
)


def test_an_old_shape_is_brought_up_to_date_step_by_step() -> None:
    assert MOVED.decode("moved/1", b'{"id":"1","feet":"10"}') == Moved(metres=Decimal("3.0480"), by="somebody")
    assert MOVED.decode("moved/2", b'{"feet":"10","by":"me"}') == Moved(metres=Decimal("3.0480"), by="me")
    assert MOVED.decode("moved/3", b'{"metres":"3.0480","by":"me"}') == Moved(metres=Decimal("3.0480"), by="me")


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("moved/4", b"{}"),
        ("moved/3", b'{"metres":"x","by":"me"}'),
        ("moved/3", b'{"by":"me"}'),
        ("moved/1", b"no json"),
        ("moved/1", b"[]"),
    ],
)
def test_a_body_that_breaks_its_promise_is_a_corrupt_stream(topic: str, body: bytes) -> None:
    with pytest.raises(CorruptStreamError):
        MOVED.decode(topic, body)


def test_a_body_without_meta_is_a_corrupt_stream() -> None:
    with pytest.raises(CorruptStreamError):
        decode_meta(b'{"exec_id":"t-1"}')


@given(
    number=st.integers(1, 0xFFFF),
    actor=st.text(max_size=20),
    cause=st.none() | st.text(min_size=1, max_size=40),
    source=st.sampled_from(Provenance),
    occurred_ns=st.none() | st.integers(0, 2**62),
)
def test_the_quick_opening_is_the_meta_to_the_letter(
    number: int, actor: str, cause: str | None, source: Provenance, occurred_ns: int | None
) -> None:
    meta = Meta(
        id=f"batch{number:04x}",
        recorded_ns=5,
        cause=cause or "",
        actor=actor,
        epoch=3,
        source=source,
        occurred_ns=occurred_ns,
    )
    quick = opening(
        b"batch",
        number,
        recorded_ns=5,
        cause=cause,
        actor=actor,
        epoch=3,
        source=source,
        occurred_ns=occurred_ns,
    )
    assert quick == encode_meta(meta)
