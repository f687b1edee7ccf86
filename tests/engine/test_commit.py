"""Group commit: nothing is answered, sent or believed before the log has it, whatever the log does."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import pytest
import structlog
from msgspec.structs import replace
from structlog.testing import capture_logs

from oms.account.state import HaltTrading, ResumeTrading
from oms.errors import (
    DuplicateOrderError,
    FencedError,
    IntakeFullError,
    LogUnavailableError,
    NotReadyError,
    OrderClosedError,
    StoppingError,
    UnknownSymbolError,
)
from oms.order.messages import CancelTaken
from oms.order.state import Life, Order
from oms.ports import AppendOutcome, Batch, Conflict, NotCommitted, StoredEvent, VenueMessage
from oms.store.memory import Fault, MemoryLog, Trouble
from oms.values import ClientOrderId
from tests.engine.desk import MAIN, Desk, begin, play, stream
from tests.engine.scripted_venue import Fate
from tests.order.story import asking


def test_an_answer_comes_only_after_the_commit() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        desk.faults.appends.append(Fault(seconds_before=5.0))
        answer = begin(desk.place())
        await asyncio.sleep(4.9)
        assert not answer.done()
        assert desk.in_log() is None
        assert not desk.venue.submitted
        receipt = await answer
        assert desk.in_log() is not None
        assert receipt.position == await desk.log.head()

    play(story)


def test_commands_that_come_while_a_commit_runs_share_the_next_one() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        desk.faults.appends.append(Fault(seconds_before=1.0))
        first = begin(desk.place("c1", quantity=Decimal("0.1")))
        await asyncio.sleep(0.5)
        rest = [begin(desk.place(f"d{n}", quantity=Decimal("0.1"))) for n in range(10)]
        await asyncio.gather(first, *rest)
        sizes = [seal.seal.last - seal.seal.first + 1 for seal in desk.log.sealed() if seal.seal is not None]
        assert sizes[-2:] == [2, 20]

    play(story)


@pytest.mark.parametrize("trouble", [Trouble.REFUSED, Trouble.REQUEST_LOST, Trouble.SILENT_LOST])
def test_a_commit_that_fails_leaves_memory_equal_to_the_log(trouble: Trouble) -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        desk.faults.appends.append(Fault(trouble))
        with pytest.raises(LogUnavailableError) as lost:
            await desk.place()
        assert lost.value.outcome == ("unknown" if trouble is Trouble.SILENT_LOST else "none")
        await asyncio.sleep(1)
        assert stream("c1") not in desk.engine.book.orders
        assert desk.agrees()
        assert not desk.venue.submitted
        await desk.place()
        await asyncio.sleep(1)
        assert len(desk.venue.submitted) == 1

    play(story)


def test_a_commit_whose_answer_was_lost_counts_as_soon_as_reading_back_finds_it() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        desk.faults.appends.append(Fault(Trouble.ANSWER_LOST))
        await desk.place()
        await asyncio.sleep(1)
        assert desk.agrees()
        assert len(desk.venue.submitted) == 1

    play(story)


def test_a_commit_nobody_can_ask_about_is_found_when_memory_is_rebuilt_and_its_send_is_never_made() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        desk.faults.appends.append(Fault(Trouble.SILENT_DONE))
        with pytest.raises(LogUnavailableError) as lost:
            await desk.place()
        assert lost.value.outcome == "unknown"
        await asyncio.sleep(1)
        assert desk.life() is Life.IN_DOUBT  # the intent is in the log, and nobody handed it out
        assert desk.agrees()
        assert not desk.venue.submitted
        receipt = await desk.place()  # the same id again: the first answer
        assert receipt.events == 0

    play(story)


def test_a_report_whose_commit_landed_unanswered_does_not_bring_its_bytes_twice() -> None:
    """Found by the simulation, seed 486: the retry brought the same message ids, and no batch could commit again."""

    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.fates.append(Fate.REQUEST_LOST)
        await desk.cancel()
        await asyncio.sleep(1)
        desk.faults.appends.append(Fault(Trouble.SILENT_DONE))
        taken = CancelTaken(request_id="r1")
        message = VenueMessage("m1", 0, "in", "POST /cancel", b"{}")
        async with asyncio.timeout(30):
            await desk.engine.report([(stream("c1"), taken)], evidence=[message])
        await desk.place("c2", quantity=Decimal(1))  # the engine goes on
        assert desk.agrees()

    play(story)


async def left_memory(desk: Desk) -> None:
    """Given an order that was refused, and that nothing but the log knows any more."""
    desk.closed_kept = 0
    await desk.start(watching=False)
    desk.venue.fates.append(Fate.REFUSED)
    await desk.place()
    await asyncio.sleep(1)
    await desk.place("c2", quantity=Decimal(1))
    assert stream("c1") not in desk.engine.book.orders


def test_an_id_that_left_memory_still_gets_its_first_answer_and_another_body_is_refused() -> None:
    async def story(desk: Desk) -> None:
        await left_memory(desk)
        receipt = await desk.place()
        assert receipt.events == 0
        await desk.place("c3", quantity=Decimal(1))
        assert stream("c1") not in desk.engine.book.orders
        with pytest.raises(DuplicateOrderError):
            await desk.place(price=Decimal(101))
        assert desk.told() == ["order-requested", "send-started", "venue-refused"]

    play(story)


def test_an_id_that_left_memory_gets_its_first_answer_also_where_it_would_be_refused_today() -> None:
    """Found by the simulation, seed 2277: the account had switched its position mode since."""

    async def story(desk: Desk) -> None:
        await left_memory(desk)
        desk.engine.decider.instruments = {}
        assert (await desk.place()).events == 0
        with pytest.raises(UnknownSymbolError):
            await desk.place("c3")

    play(story)


def test_a_repeat_gets_its_first_answer_though_something_else_brought_the_order_back_meanwhile() -> None:
    """Found by the simulation, seed 11002428: as the order was in memory by then, the repeat's refusal passed for that
    of an order which never was.
    """

    async def story(desk: Desk) -> None:
        await left_memory(desk)
        desk.faults.appends.append(Fault(seconds_before=1.0))
        other = begin(desk.place("c3", quantity=Decimal(1)))
        await asyncio.sleep(0.1)
        desk.engine.decider.instruments = {}
        again = begin(desk.place())
        await asyncio.sleep(0.1)
        desk.engine.book._closed_kept = 1
        canceling = begin(desk.cancel())
        assert (await again).events == 0
        await other
        assert isinstance(canceling.exception(), OrderClosedError)
        with pytest.raises(DuplicateOrderError):
            await desk.place(price=Decimal(101))

    play(story)


def test_a_conflict_gives_back_what_the_taken_back_orders_held() -> None:
    """Found by the simulation, seed 148: the sums were put back to those of a later moment."""

    async def story(desk: Desk) -> None:
        desk.closed_kept = 0
        await desk.start(watching=False)
        for name in ("c1", "c2"):
            desk.venue.fates.append(Fate.REFUSED)
            await desk.place(name)
            await asyncio.sleep(1)
        assert not desk.engine.book.orders
        desk.faults.appends.append(Fault(seconds_before=1.0))
        first = begin(desk.place("c1"))  # both come back, one in flight and one behind it
        await asyncio.sleep(0.5)
        await asyncio.gather(first, desk.place("c2"))
        assert not desk.held()
        assert desk.agrees()

    play(story)


@pytest.mark.parametrize("apart", [0.02, 0.002])  # seconds: one after the other, or several while one commits
def test_many_ids_that_left_memory_get_their_first_answers_and_memory_stays(apart: float) -> None:
    """A repeat that conflicts writes nothing in the end: after five of them memory was thrown away for nothing."""

    async def story(desk: Desk) -> None:
        desk.closed_kept = 0
        await desk.start(watching=False)
        names = [f"c{number}" for number in range(20)]
        for name in names:
            desk.venue.fates.append(Fate.REFUSED)
            await desk.place(name)
            await asyncio.sleep(1)
        assert not desk.engine.book.orders
        rebuilt: list[str] = []
        desk.engine.on_recovered.append(lambda: rebuilt.append("memory"))
        desk.faults.appends.extend([Fault(seconds_before=0.005)] * 40)
        again = []
        for name in names:
            again.append(begin(desk.place(name)))
            await asyncio.sleep(apart)
        other = begin(desk.place("other"))
        assert [(await each).events for each in again] == [0] * 20
        assert (await other).events == 2
        assert not rebuilt
        assert desk.agrees()

    play(story)


def test_what_was_read_back_and_conflicts_again_makes_memory_anew() -> None:
    class Insists(MemoryLog):
        conflicts = 0

        async def append(self, batch: Batch) -> AppendOutcome:
            if self.conflicts:
                self.conflicts -= 1
                return Conflict((stream("c1"),))
            return await super().append(batch)

    async def story(desk: Desk) -> None:
        desk.log = log = Insists(desk.faults)
        await left_memory(desk)
        log.conflicts = 2
        with pytest.raises(LogUnavailableError):
            await desk.place("c3", quantity=Decimal(1))
        await desk.engine._ready.wait()
        assert (await desk.place("c3", quantity=Decimal(1))).events == 2
        assert desk.agrees()

    play(story)


def test_a_full_intake_refuses_and_keeps_nothing() -> None:
    async def story(desk: Desk) -> None:
        desk.intake_max = 3
        await desk.start(watching=False)
        desk.faults.appends.append(Fault(seconds_before=1.0))
        waiting = [begin(desk.place(f"c{n}", quantity=Decimal("0.1"))) for n in range(3)]
        await asyncio.sleep(0.1)
        with pytest.raises(IntakeFullError):
            await desk.place("c3", quantity=Decimal("0.1"))
        await asyncio.gather(*waiting)
        assert desk.in_log("c3") is None
        await desk.place("c3", quantity=Decimal("0.1"))

    play(story)


def test_a_stopping_engine_takes_nothing_new_and_makes_durable_what_it_took() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        desk.faults.appends.append(Fault(seconds_before=1.0))
        taken = begin(desk.place())
        await asyncio.sleep(0.1)
        stopping = begin(desk.engine.stop())
        await asyncio.sleep(0.1)
        with pytest.raises(StoppingError):
            await desk.place("c2")
        await asyncio.gather(taken, stopping)
        assert desk.in_log() is not None

    play(story)


def test_while_the_log_is_gone_reports_wait_and_come_in_later() -> None:
    """Found by the simulation, seed 1: a log that could not be read ended the watcher."""

    async def story(desk: Desk) -> None:
        desk.closed_kept = 0
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.faults.unreadable = True
        desk.venue.push(*desk.venue.fill("c1", "2"))
        desk.venue.take(replace(desk.venue.submitted[0], client_order_id=ClientOrderId("byhand")))
        desk.venue.push(desk.venue.orders["byhand"])
        await asyncio.sleep(20)
        desk.faults.unreadable = False
        await asyncio.sleep(30)
        assert desk.in_log("byhand") is not None
        assert desk.agrees()

    play(story)


def test_a_report_that_was_loading_when_the_log_was_lost_waits_for_the_new_memory() -> None:
    class SlowReads(MemoryLog):
        async def read(self, stream: str, *, after_version: int = 0) -> Sequence[StoredEvent]:
            stored = await super().read(stream, after_version=after_version)
            await asyncio.sleep(1)
            return stored

    async def story(desk: Desk) -> None:
        desk.log = SlowReads(desk.faults)
        desk.closed_kept = 0
        await desk.start(watching=False)
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.fates.append(Fate.REFUSED)
        await desk.place("old", quantity=Decimal(1))
        await asyncio.sleep(1)
        await desk.cancel()
        await asyncio.sleep(1)
        reports = [(stream("old"), CancelTaken(request_id="r1")), (stream("c1"), CancelTaken(request_id="r1"))]
        reporting = begin(desk.engine.report(reports))
        await asyncio.sleep(0.5)
        desk.faults.appends.append(Fault(Trouble.REFUSED))
        desk.faults.unreadable = True
        lost = begin(desk.place("c2", quantity=Decimal(1)))
        await asyncio.sleep(1)
        desk.faults.unreadable = False
        await asyncio.sleep(5)
        assert lost.exception() is not None
        assert reporting.done()
        assert desk.agrees()

    play(story)


def test_a_report_that_the_log_will_never_take_is_offered_ever_less_often_and_says_so() -> None:
    class Picky(MemoryLog):
        async def append(self, batch: Batch) -> AppendOutcome:
            if any("never" in event.stream for event in batch.events):
                refused.append(asyncio.get_running_loop().time())
                return NotCommitted("invalid byte sequence")
            return await super().append(batch)

    refused: list[float] = []

    async def story(desk: Desk) -> None:
        desk.log = Picky(desk.faults)
        await desk.start()
        desk.venue.by_hand("never", "1")
        structlog.reset_defaults()  # this story looks at what is logged
        with capture_logs() as logs:
            await asyncio.sleep(60)
        assert 10 < len(refused) < 80
        assert refused[-1] - refused[-2] >= 1
        told = [each for each in logs if each["event"] == "the log does not take a report"]
        assert len(told) > 10
        assert "invalid byte sequence" in told[0]["cause"]

    play(story)


def test_a_cancel_whose_order_cannot_be_read_was_not_taken() -> None:
    async def story(desk: Desk) -> None:
        await left_memory(desk)
        desk.faults.unreadable = True
        with pytest.raises(LogUnavailableError) as lost:
            await desk.cancel()
        assert lost.value.outcome == "none"
        desk.faults.unreadable = False

    play(story)


def test_nothing_is_placed_before_the_account_was_reconciled() -> None:
    async def story(desk: Desk) -> None:
        desk.venue.cut = True
        starting = begin(desk.start())
        await asyncio.sleep(1)
        with pytest.raises(NotReadyError):
            await desk.place()
        desk.venue.cut = False
        await starting
        await desk.place()

    play(story)


def test_s18_a_halt_denies_what_opens_and_lets_cancels_pass() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        await desk.place()
        await asyncio.sleep(1)
        halting = desk.engine.execute(HaltTrading(account=MAIN, reason="drill", halt_id="h1"), actor="operator")
        queued = [desk.place(f"q{n}", quantity=Decimal("0.1")) for n in range(5)]
        _, *denied = await asyncio.gather(halting, *queued)
        orders = [each.state for each in denied if isinstance(each.state, Order)]
        assert [(each.life, each.reason) for each in orders] == [(Life.DENIED, "trading_halted: drill (halt h1)")] * 5
        await desk.cancel()
        await asyncio.sleep(1)
        assert len(desk.venue.submitted) == 1
        assert [order.client_order_id for order in desk.venue.canceled] == ["c1"]
        await desk.engine.execute(ResumeTrading(account=MAIN, reason="over"), actor="operator")
        await desk.place("c2", quantity=Decimal("0.1"))
        await asyncio.sleep(1)
        assert len(desk.venue.submitted) == 2

    play(story)


def test_s22_a_writer_that_lost_the_account_lands_nothing_and_says_so() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        old = desk.engine
        await desk.start(watching=False)
        before = await desk.log.head()
        with pytest.raises(FencedError):
            await old.execute(asking(client_order_id=ClientOrderId("c1")), actor="maker")
        with pytest.raises(FencedError):
            await old.report([(stream("c1"), CancelTaken(request_id="r1"))])
        assert await desk.log.head() == before
        assert not desk.venue.submitted
        await desk.place()
        await asyncio.sleep(1)
        assert len(desk.venue.submitted) == 1

    play(story)
