"""A change of what was recorded shows, whoever made it, and the position is named."""

from collections.abc import Sequence

import msgspec
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.ports import Batch, NewEvent, StoredEvent, VenueMessage
from oms.store.audit import head, sealed
from oms.store.log import PostgresLog
from oms.store.memory import MemoryLog
from oms.store.packing import pack_events
from oms.store.seals import Anchor, anchored, read_anchor, verify
from oms.values import AccountId
from tests.store.writers import seized

ACCOUNT = AccountId("main")
SIZES = (3, 1, 4)  # events of three commits: positions 1-3, 4, 5-8


def batches() -> list[Batch]:
    made, first = [], 1
    for size in SIZES:
        events = [NewEvent("order/main/1", first + place, "order-filled/1", b'{"a":1}') for place in range(size)]
        messages = [VenueMessage(f"{name}{first}", 5, "in", "ws", b"raw") for name in "ba"]
        made.append(Batch(ACCOUNT, 1, events, messages))
        first += size
    return made


async def recorded(log: PostgresLog | MemoryLog) -> None:
    await seized(log, ACCOUNT)
    for batch in batches():
        await log.append(batch)
    await log.close()


@pytest.fixture
async def written(database: str) -> str:
    await recorded(PostgresLog(database))
    return database


def tamper(url: str, *statements: str) -> None:
    """Do what only a superuser can: switch the triggers off, change, and switch them on again."""
    with psycopg.connect(url) as connection:
        for table in ("stored_events", "seals", "venue_messages"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement
        for table in ("stored_events", "seals", "venue_messages"):
            connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")


@pytest.mark.postgres
def test_an_untouched_log_verifies(written: str) -> None:
    assert verify(sealed(written)) is None
    assert verify(sealed(written), head(written)) is None


@pytest.mark.postgres
def test_an_empty_log_verifies(database: str) -> None:
    assert head(database) == Anchor(0, "00" * 32)
    assert verify(sealed(database), head(database)) is None


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("change", "position"),
    [
        ("UPDATE stored_events SET state = '{\"a\":2}' WHERE notification_id = 6", 6),
        ("UPDATE stored_events SET topic = 'order-canceled/1' WHERE notification_id = 2", 2),
        ("UPDATE stored_events SET originator_id = 'order/main/2' WHERE notification_id IN (7, 4)", 4),
        ("UPDATE stored_events SET originator_version = 99 WHERE notification_id = 8", 8),
        ("UPDATE stored_events SET notification_id = 99 WHERE notification_id = 3", 3),
        ("DELETE FROM stored_events WHERE notification_id = 5", 5),
        ("DELETE FROM stored_events WHERE notification_id >= 7", 7),
        ("INSERT INTO stored_events VALUES ('s', 1, 't', '{}', 9)", 9),
        ("UPDATE venue_messages SET body = 'other' WHERE message_id = 'a5'", 5),
        ("DELETE FROM venue_messages WHERE message_id = 'b4'", 4),
        ("UPDATE seals SET seal = sha256('x') WHERE last = 4", 4),
        ("UPDATE seals SET digest = sha256('x') WHERE last = 8", 5),
        ("UPDATE seals SET checks = '\\x00000000' WHERE last = 4", 4),
        ("DELETE FROM seals WHERE last = 4", 4),
    ],
)
def test_the_first_wrong_position_is_named(written: str, change: str, position: int) -> None:
    tamper(written, change)
    assert verify(sealed(written)) == position


@pytest.mark.postgres
def test_two_events_that_changed_places_are_found(written: str) -> None:
    tamper(
        written,
        "UPDATE stored_events SET notification_id = -1 WHERE notification_id = 6",
        "UPDATE stored_events SET notification_id = 6 WHERE notification_id = 7",
        "UPDATE stored_events SET notification_id = 7 WHERE notification_id = -1",
    )
    assert verify(sealed(written)) == 6


@pytest.mark.postgres
def test_s69_a_cut_tail_shows_only_to_who_kept_the_anchor(written: str) -> None:
    anchor = read_anchor(anchored(head(written)))
    tamper(
        written,
        "DELETE FROM stored_events WHERE notification_id >= 5",
        "DELETE FROM venue_messages WHERE position >= 5",
        "DELETE FROM seals WHERE last > 4",
    )
    assert verify(sealed(written)) is None
    assert verify(sealed(written), anchor) == 5


async def test_a_history_made_anew_does_not_pass_through_the_anchor() -> None:
    log, other = MemoryLog(), MemoryLog()
    await recorded(log)
    seal = log.sealed()[1].seal
    assert seal is not None
    anchor = Anchor(seal.last, seal.seal.hex())
    await seized(other, ACCOUNT)
    merged = [event for batch in batches() for event in batch.events]
    await other.append(Batch(ACCOUNT, 1, merged))
    assert verify(log.sealed(), anchor) is None
    assert verify(other.sealed()) is None
    assert verify(other.sealed(), anchor) == 1


@pytest.mark.postgres
async def test_both_logs_seal_alike(written: str) -> None:
    log = MemoryLog()
    await recorded(log)
    assert [batch.seal for batch in sealed(written)] == [batch.seal for batch in log.sealed()]


def test_an_anchor_is_a_small_readable_document() -> None:
    assert anchored(Anchor(3, "ab")) == b'{"position":3,"seal":"ab"}'
    with pytest.raises(msgspec.MsgspecError):
        read_anchor(b"{}")


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=300)


@pytest.mark.postgres
def test_packed_columns_are_what_postgres_reads(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        wire = connection.pgconn

        @given(
            rows=st.lists(
                st.tuples(TEXT, st.integers(-(2**63), 2**63 - 1), TEXT, st.binary(max_size=3000)), max_size=20
            )
        )
        def unnested_equals_packed(rows: Sequence[tuple[str, int, str, bytes]]) -> None:
            columns = pack_events([StoredEvent(0, *row) for row in rows])
            answer = wire.exec_params(
                b"SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bytea[])",
                columns[:4],
                param_formats=[1] * 4,
                result_format=1,
            )
            assert answer.error_message == b""
            read = [tuple(answer.get_value(row, column) for column in range(4)) for row in range(answer.ntuples)]
            assert read == [
                (stream.encode(), version.to_bytes(8, "big", signed=True), topic.encode(), state)
                for stream, version, topic, state in rows
            ]

        unnested_equals_packed()
