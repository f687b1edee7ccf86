"""A restart builds memory from the log, also of orders that had left memory when the log spoke of them again."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import pytest

from oms.errors import LogUnavailableError
from oms.order.state import Life
from oms.ports import VenueMessage
from oms.recovery import recover
from oms.reports import VenueOrderStatus
from oms.store.memory import Fault, Trouble
from oms.values import Provenance
from tests.engine.desk import MAIN, Desk, begin, play, stream
from tests.order.story import shown, trade


async def close_and_forget(desk: Desk) -> None:
    """Cancel c1, then so many others that it leaves memory."""
    for name in ("c1", "c2", "c3"):
        await desk.place(name)
        ended = shown(VenueOrderStatus.CANCELED, client_order_id=name)
        await desk.engine.report([(stream(name), ended)], source=Provenance.STREAM)
    assert stream("c1") not in desk.engine.book.orders


@pytest.mark.parametrize("page", [1, 2, 5_000])
def test_s12_a_fill_of_an_order_that_left_memory_survives_a_restart(page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oms.recovery.PAGE", page)  # closed orders leave between pages

    async def story(desk: Desk) -> None:
        desk.closed_kept = 1
        await desk.start(watching=False)
        await close_and_forget(desk)
        late = trade("t1", "0.5", venue_order_id="v1")
        await desk.engine.report([(stream("c1"), late)], source=Provenance.POLL)
        assert desk.engine.book.orders[stream("c1")].cum_quantity == late.quantity

        await desk.start(watching=False)
        assert desk.agrees()
        recovered = await recover(MAIN, desk.log, closed_kept=10)
        assert recovered.book.orders[stream("c1")].life is Life.CANCELED
        assert recovered.book.orders[stream("c1")].cum_quantity == late.quantity

    play(story)


def test_memory_of_a_long_history_is_bounded_by_what_is_kept() -> None:
    async def story(desk: Desk) -> None:
        desk.closed_kept = 1
        await desk.start(watching=False)
        await close_and_forget(desk)
        await desk.place("open")
        await desk.start(watching=False)
        assert set(desk.engine.book.orders) == {stream("c3"), stream("open")}

    play(story)


def test_an_open_order_in_the_log_that_memory_does_not_hold_makes_memory_anew() -> None:
    """A commit whose answer never came landed after memory was built: the next use of its id must show it."""

    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        await desk.place("c1")
        missed = dict(desk.engine.book.orders), dict(desk.engine.book.open), dict(desk.engine.book.held)
        memory = desk.engine.book
        memory.orders.clear()
        memory.open.clear()
        memory._sums.held.clear()
        memory._sums._holds.clear()
        memory.cut()
        assert missed[2]

        with pytest.raises(LogUnavailableError) as refused:
            await desk.place("c1")
        assert refused.value.outcome == "none"  # so it is asked again with the same id
        await desk.engine._ready.wait()
        receipt = await desk.place("c1")
        assert receipt.state == desk.in_log("c1")
        assert desk.agrees()
        assert desk.held() == missed[2]["USDT"]  # type: ignore[index]  # a currency is a name

    play(story)


def test_a_report_is_not_dropped_as_its_order_left_memory_while_the_log_was_asked_for_its_bytes() -> None:
    async def story(desk: Desk) -> None:
        desk.closed_kept = 0
        await desk.start(watching=False)
        await desk.place(quantity=Decimal(1), price=Decimal(10))
        await asyncio.sleep(1)
        await desk.cancel()
        await asyncio.sleep(1)
        await desk.engine.report([(stream("c1"), desk.venue.orders["c1"])])
        await desk.place("c2", quantity=Decimal(1), price=Decimal(10))
        assert stream("c1") not in desk.engine.book.orders
        _, told = desk.venue.fill("c1", "1", price="10")  # matched before the cancel, told after it
        desk.faults.appends.append(Fault(Trouble.SILENT_LOST))
        messages = desk.log.messages

        async def slow(message_ids: Sequence[str]) -> Sequence[VenueMessage]:
            await asyncio.sleep(0.5)
            return await messages(message_ids)

        desk.log.messages = slow  # type: ignore[method-assign]
        telling = begin(desk.engine.report([(stream("c1"), told)], source=Provenance.STREAM))
        await asyncio.sleep(0.3)
        await desk.place("c3", quantity=Decimal(1), price=Decimal(10))
        await telling
        assert "order-filled" in desk.told(), desk.told()

    play(story)
