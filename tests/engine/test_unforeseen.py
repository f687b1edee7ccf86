"""A mistake of ours costs the message that meets it, and nothing else: memory stays what the log adds up to."""

import asyncio
from decimal import Decimal
from enum import Enum, auto
from typing import Any

import pytest
from msgspec.structs import replace

from oms.book import Book
from oms.decide import Decided, Decider, Said
from oms.errors import DuplicateOrderError, UnforeseenError
from oms.order.messages import CancelOrder, PlaceOrder
from oms.order.state import Life
from oms.reports import TradeReport
from oms.store.memory import Fault
from oms.values import Provenance, Purse
from tests.engine.desk import Desk, begin, play, stream
from tests.engine.scripted_venue import Fate


class Mistake(Enum):
    """What comes of what it met, once it is folded into the book and added up."""

    RAISES = auto()
    RAISES_HALF_WAY = auto()  # while it is added up
    CANNOT_BE_WRITTEN = auto()


class Mistaken(Decider):
    """A decider that nobody has tried with a cancel, with the order `bad`, or with a fill."""

    def __init__(self, right: Decider, mistake: Mistake, over: type[object]) -> None:
        vars(self).update(vars(right))
        self.right, self.mistake, self.over = right, mistake, over

    def decide(self, said: Said, book: Book, at_ns: int = 0) -> Decided:
        decided = self.right.decide(said, book, at_ns)
        if not self._meets(said):
            return decided
        assert decided.facts
        assert book.totals
        if self.mistake is Mistake.RAISES_HALF_WAY:
            book._sums.held[Purse("USDT")] += 1
        if self.mistake is not Mistake.CANNOT_BE_WRITTEN:
            raise ZeroDivisionError("over a market without a price")
        (name, _, state), *rest = decided.facts
        unwritable: Any = object()
        return replace(decided, facts=[*rest, (name, unwritable, state)])

    def _meets(self, said: Said) -> bool:
        message = said.message
        if isinstance(message, tuple):
            return any(isinstance(report, self.over) for _, report in message)
        return isinstance(message, self.over) and getattr(message, "client_order_id", "") in {"bad", "c1"}


def mistaken(desk: Desk, mistake: Mistake, over: type[object]) -> None:
    desk.engine.decider = Mistaken(desk.engine.decider, mistake, over)


def mended(desk: Desk) -> None:
    assert isinstance(desk.engine.decider, Mistaken)
    desk.engine.decider = desk.engine.decider.right


@pytest.mark.parametrize("mistake", Mistake)
def test_an_order_that_cannot_be_judged_costs_none_beside_it(mistake: Mistake) -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        mistaken(desk, mistake, PlaceOrder)
        desk.faults.appends.append(Fault(seconds_before=1.0))  # so that what follows is one batch
        await desk.place("c0", quantity=Decimal("0.1"))
        first, bad, last = (desk.engine.offer(desk.asking(name), actor="maker") for name in ("c2", "bad", "c3"))
        with pytest.raises(UnforeseenError) as told:
            await bad
        assert (told.value.code, told.value.outcome) == ("internal", "none")
        assert (await first).position < (await last).position
        await asyncio.sleep(1)
        assert {desk.life(name) for name in ("c0", "c2", "c3")} == {Life.WORKING}
        assert desk.in_log("bad") is None
        assert desk.agrees()
        mended(desk)
        await desk.place("bad", price=Decimal(10))
        await asyncio.sleep(1)
        assert desk.life("bad") is Life.WORKING
        assert desk.agrees()

    play(story)


@pytest.mark.parametrize("mistake", Mistake)
def test_a_command_that_cannot_be_judged_leaves_its_order_as_it_was(mistake: Mistake) -> None:
    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        before = desk.order()
        mistaken(desk, mistake, CancelOrder)
        with pytest.raises(UnforeseenError):
            await desk.cancel()
        assert desk.order() == before
        assert desk.agrees()
        mended(desk)
        await desk.cancel()
        await asyncio.sleep(5)
        assert desk.life() is Life.CANCELED
        assert desk.agrees()

    play(story)


@pytest.mark.parametrize("mistake", Mistake)
def test_a_report_that_cannot_be_judged_ends_the_process_and_is_not_lost(mistake: Mistake) -> None:
    """Who goes on would decide on a book that lacks what the venue said. It tells again whoever begins."""

    async def story(desk: Desk) -> None:
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        mistaken(desk, mistake, TradeReport)
        desk.venue.push(*desk.venue.fill("c1", "1"))
        await asyncio.sleep(1)
        assert desk.process.failures
        assert all("UnforeseenError" in failure for failure in desk.process.failures)
        assert desk.order().cum_quantity == 0
        assert desk.agrees()
        await desk.place("c2", price=Decimal(10))  # what was taken meanwhile is answered, and becomes durable
        await asyncio.wait_for(desk.engine.stop(), 5)
        assert desk.in_log("c2") is not None
        desk.process.failures.clear()
        await desk.process.bury()
        await desk.start()
        await asyncio.sleep(15)
        assert desk.order().cum_quantity == 1
        assert desk.agrees()

    play(story)


def test_a_batch_that_is_decided_again_meets_the_mistake_again() -> None:
    """An id that left memory was used anew: all that was decided since is taken back, and what could not be is, too."""

    async def story(desk: Desk) -> None:
        desk.closed_kept = 0
        await desk.start(watching=False)
        desk.venue.fates.append(Fate.REFUSED)
        await desk.place("c0")
        await asyncio.sleep(1)
        assert not desk.engine.book.orders
        mistaken(desk, Mistake.RAISES, PlaceOrder)
        desk.faults.appends.append(Fault(seconds_before=1.0))
        names = ("c2", "bad", "c0", "c3")
        first, bad, again, last = (begin(desk.place(name, price=Decimal(10))) for name in names)
        with pytest.raises(UnforeseenError):
            await bad
        assert isinstance((await asyncio.gather(again, return_exceptions=True))[0], DuplicateOrderError)
        assert [(await each).events for each in (first, last)] == [2, 2]
        assert desk.agrees()

    play(story)


def test_what_nobody_waits_for_ends_the_process_too() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        await desk.place()
        await asyncio.sleep(1)
        mistaken(desk, Mistake.RAISES, TradeReport)
        _, trade = desk.venue.fill("c1", "1")
        desk.engine.note([(stream("c1"), trade)], source=Provenance.INFERRED)
        await asyncio.sleep(1)
        assert len(desk.process.failures) == 1
        desk.process.failures.clear()
        assert desk.agrees()

    play(story)
