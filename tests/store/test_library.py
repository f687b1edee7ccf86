"""The library's own test cases, run against our recorder, mapper and table.

Not run, with the reason:
- `AggregateRecorderTestCase`: it expects `insert_events` to return None, as a recorder without positions does. Ours is
  an application recorder and returns them, like the library's own. What else it checks is checked here by hand.
- `ProcessRecorderTestCase`, `TrackingRecorderTestCase`: our projections keep their checkpoint themselves.
- `InfrastructureFactoryTestCase`: Alembic makes our tables, and the root wires our parts; no factory takes part.
- `MapperTestCase`: it maps the library's own event classes, which are no msgspec Structs.
"""

import sys
from collections.abc import Iterator

import pytest
from eventsourcing import cryptography as with_cryptography
from eventsourcing.persistence import EventStore, IntegrityError, StoredEvent

from oms.order.events import VenueAccepted
from oms.ports import Meta
from oms.store.audit import sealed
from oms.store.mapper import EventMapper, Recorded
from oms.store.recorder import LogDatastore, LogRecorder
from oms.store.seals import verify
from oms.values import Provenance, VenueOrderId

# The module of test cases also imports the library's cipher over a package that we do not have, for cases that we do
# not run. Its twin over a package that we do have stands in.
sys.modules.setdefault("eventsourcing.cipher", with_cryptography)
from eventsourcing.tests.persistence import ApplicationRecorderTestCase  # noqa: E402 - after its stand-in

pytestmark = pytest.mark.postgres


class TestApplicationRecorder(ApplicationRecorderTestCase[LogRecorder]):
    """`EXPECT_CONTIGUOUS_NOTIFICATION_IDS` stays True: our positions have no holes."""

    @pytest.fixture(autouse=True)
    def _over_a_fresh_database(self, database: str) -> Iterator[None]:
        self.numbers = iter(range(1_000_000))
        self.datastore = LogDatastore(database, connections=12)
        yield
        self.datastore.close()

    def create_recorder(self) -> LogRecorder:
        return LogRecorder(self.datastore)

    def new_originator_id(self) -> str:
        return f"order/main/{next(self.numbers)}"

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


@pytest.fixture
def recorder(database: str) -> Iterator[LogRecorder]:
    with LogDatastore(database) as datastore:
        yield LogRecorder(datastore)


def stored(version: int, stream: str = "order/main/1") -> StoredEvent:
    return StoredEvent(stream, version, "order-filled/1", b"{}")


def test_events_are_selected_by_version_both_ways(recorder: LogRecorder) -> None:
    recorder.insert_events([stored(1), stored(2), stored(3), stored(1, "order/main/2")])
    assert recorder.select_events("order/main/1", desc=True, limit=1) == [stored(3)]
    assert recorder.select_events("order/main/1", lte=2, desc=True, limit=1) == [stored(2)]
    assert recorder.select_events("order/main/1", gt=1, lte=2) == [stored(2)]
    assert recorder.select_events("nobody") == []


def test_an_insert_is_whole_or_not_at_all(recorder: LogRecorder) -> None:
    recorder.insert_events([stored(1)])
    for refused in ([stored(1), stored(2)], [stored(2), stored(2)]):
        with pytest.raises(IntegrityError):
            recorder.insert_events(refused)
    assert recorder.select_events("order/main/1") == [stored(1)]
    assert recorder.insert_events([stored(2)]) == [2]


def test_nothing_to_insert_writes_nothing(recorder: LogRecorder) -> None:
    assert recorder.insert_events([]) == []
    assert recorder.max_notification_id() is None


def test_what_the_library_inserts_is_sealed_too(recorder: LogRecorder, database: str) -> None:
    recorder.insert_events([stored(1), stored(2)])
    recorder.insert_events([stored(3)])
    assert [batch.seal.last for batch in sealed(database) if batch.seal] == [2, 3]
    assert verify(sealed(database)) is None


def test_the_librarys_event_store_reads_and_writes_our_events(recorder: LogRecorder) -> None:
    meta = Meta(id="1", recorded_ns=1, cause="c", actor="venue", epoch=1, source=Provenance.STREAM)
    recorded = Recorded("order/main/1", 1, meta, VenueAccepted(venue_order_id=VenueOrderId("v")))
    store = EventStore[str](EventMapper(), recorder)
    store.put([recorded])
    assert list(store.get("order/main/1")) == [recorded]
