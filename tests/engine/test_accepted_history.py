"""A break of history that a person accepted does not open again: what could not be read is asked for no more."""

import asyncio

from msgspec.structs import replace

from oms.breaks.decisions import ResolveBreak
from oms.order.state import Life
from oms.reports import Unreadable
from oms.venue import Answer
from tests.engine.desk import MAIN, Desk, play
from tests.engine.scripted_venue import ScriptedVenue


class OneRow(ScriptedVenue):
    """One trade, of one moment, is a row that nobody can read: lists of that moment are not whole."""

    at_ms = 0

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        answer = await super().trades(since_ms=since_ms, until_ms=until_ms)
        if since_ms <= self.at_ms <= until_ms:
            return replace(answer, reports=(*answer.reports, Unreadable(cause="expected decimal")), complete=False)
        return answer


async def accepted(desk: Desk) -> None:
    """A row that nobody can read, and a person's word that it need not be."""
    venue = desk.venue = OneRow(desk.clock.now_ns)
    await desk.start()
    await asyncio.sleep(60)
    venue.at_ms = desk.clock.now_ns() // 1_000_000
    await asyncio.sleep(60)
    assert "history:trades" in desk.breaks()
    accepting = ResolveBreak(account=MAIN, break_id="history:trades", reason="the row was looked at by hand")
    await desk.engine.execute(accepting, actor="operator")


def test_a_history_that_a_person_accepted_is_accepted() -> None:
    async def story(desk: Desk) -> None:
        await accepted(desk)
        await desk.place()
        assert desk.life() is Life.SENDING
        await asyncio.sleep(300)
        assert "history:trades" not in desk.breaks()
        await desk.place("c2")
        assert desk.life("c2") is Life.SENDING

    play(story)


def test_it_stays_accepted_over_a_restart() -> None:
    async def story(desk: Desk) -> None:
        await accepted(desk)
        desk.process.kill()
        await desk.start()
        await asyncio.sleep(300)
        assert "history:trades" not in desk.breaks()

    play(story)
