"""Who waits for several accounts leads them all at once, and two who wait for the same ones do not share them."""

import asyncio
from collections.abc import Callable

from oms import system
from oms.connected import World
from oms.decide import Decider
from oms.risk import Limits
from oms.standby import Leading, lead_all
from oms.store.memory import MemoryLeases
from oms.values import AccountId
from tests.engine.desk import Desk, begin, play
from tests.order.story import SPOT
from tests.simulation.process import Process


class Waiter:
    """A process that leads two accounts, or waits for them."""

    def __init__(self, desk: Desk, leases: MemoryLeases) -> None:
        self.process = Process()
        desk._processes.append(self.process)
        self.leading: dict[AccountId, Leading] = {}
        self.world = World(desk.clock, desk.ids(), self.process.spawn)
        self._log = desk.log
        self._leases = leases

    async def lead(self) -> None:
        deciders = {
            name: Decider(name, instruments={}, capabilities=lambda _: SPOT, limits=Limits())
            for name in (AccountId("a1"), AccountId("a2"))
        }
        await lead_all(deciders, self.leading, self._lead)

    async def _lead(self, decider: Decider, turn: Callable[[], bool]) -> Leading:
        return await system._lead(
            decider,
            self._leases,
            self._log,  # type: ignore[arg-type]  # its twin in memory
            self.world,
            lambda _: None,
            turn=turn,
        )


def test_s22_a_standby_for_two_accounts_leads_both_within_five_seconds() -> None:
    async def story(desk: Desk) -> None:
        leases = MemoryLeases()
        first, second = Waiter(desk, leases), Waiter(desk, leases)
        await first.lead()
        waiting = begin(second.lead())
        await asyncio.sleep(60)
        assert not second.leading
        first.process.kill()  # or paused: its sessions with the database stay for a while
        await asyncio.sleep(5.0)
        assert waiting.done()
        assert list(second.leading) == ["a1", "a2"]

    play(story)


def test_of_two_standbys_for_the_same_two_accounts_one_leads_both() -> None:
    """Else each could have one, and wait for the other for ever."""

    async def story(desk: Desk) -> None:
        leases = MemoryLeases()
        first = Waiter(desk, leases)
        await first.lead()
        others = [Waiter(desk, leases), Waiter(desk, leases)]
        waiting = [begin(each.lead()) for each in others]
        await asyncio.sleep(60)
        a1 = first.leading[AccountId("a1")]
        await first.leading[AccountId("a2")].lease.release()  # whoever sees it first may not take it yet
        await asyncio.sleep(3)
        assert not any(each.leading for each in others)
        await a1.lease.release()
        await asyncio.sleep(5)
        assert sorted(len(each.leading) for each in others) == [0, 2]
        for each in waiting:
            each.cancel()

    play(story)
