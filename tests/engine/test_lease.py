"""One writer: who waits takes over, who was paused finds out before it sends, and nothing lands behind our back."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import structlog
from structlog.testing import capture_logs

from oms.engine import Engine
from oms.errors import FencedError, LogUnavailableError
from oms.gate import Gate
from oms.lease import ANSWER_SECONDS, DEAD_SECONDS, FRESH_SECONDS, LEASE_SECONDS, Lease, Leases, Seen
from oms.order.state import Life
from oms.standby import Leading
from oms.store.memory import Fault, MemoryLeases, Trouble
from oms.values import AccountId
from tests.engine.desk import MAIN, Desk, begin, play
from tests.engine.scripted_venue import Fate
from tests.simulation.process import Process
from tests.store.writers import seized


async def nothing() -> None:
    """Follow nothing."""


async def nobody() -> int:
    """Nobody has written yet."""
    return 0


class Claim:
    """A lease with the process that holds it."""

    def __init__(self, desk: Desk, leases: Leases) -> None:
        self.process = Process()
        desk._processes.append(self.process)
        self.lease = Lease(MAIN, leases, clock=desk.clock, ids=desk.ids(), spawn=self.process.spawn)
        self.lost = False
        self.waited: list[Seen] = []
        self.has = False

    async def claim(self, follow: Callable[[], Awaitable[None]] = nothing) -> None:
        await self.lease.acquire(standing_by=self.waited.append, follow=follow, epoch=nobody)
        self.has = True
        self.lease.keep(self._lose)

    def _lose(self) -> None:
        self.lost = True


class Seat:
    """One process's own connection to the leases, which may be cut off or late alone."""

    def __init__(self, leases: MemoryLeases) -> None:
        self.leases = leases
        self.cut = False
        self.reaching, self.renewing, self.answering = asyncio.Event(), asyncio.Event(), asyncio.Event()
        for each in (self.reaching, self.renewing, self.answering):
            each.set()

    async def look(self, account: AccountId) -> Seen | None:
        self._ask()
        await self.reaching.wait()
        return await self.leases.look(account)

    async def seize(self, account: AccountId, holder: str, seen: Seen | None) -> bool:
        self._ask()
        return await self.leases.seize(account, holder, seen)

    async def renew(self, account: AccountId, holder: str) -> bool:
        self._ask()
        await self.renewing.wait()
        kept = await self.leases.renew(account, holder)
        await self.answering.wait()
        return kept

    async def release(self, account: AccountId, holder: str) -> None:
        self._ask()
        await self.leases.release(account, holder)

    def _ask(self) -> None:
        if self.cut:
            raise LogUnavailableError("cut off")


async def leading(desk: Desk, leases: MemoryLeases) -> None:
    """Given a writer that leads, with one order that still waits for the venue's rates."""
    await desk.start(watching=False)
    lease = Lease(MAIN, leases, clock=desk.clock, ids=desk.ids(), spawn=desk.process.spawn)
    await lease.acquire(standing_by=print, follow=nothing, epoch=nobody)
    lease.keep(desk.engine.fence)
    led = Leading(desk.engine, lease, None)
    desk.dispatcher._venue = Gate(desk.venue, lambda: led.may_send)
    desk.venue.again_seconds = 1.0
    desk.venue.fates.append(Fate.HELD_BACK)
    await desk.place()


async def led(desk: Desk, leases: MemoryLeases) -> tuple[Claim, Claim, asyncio.Task[None]]:
    """Given a leader, and a standby that waits."""
    leader, standby = Claim(desk, leases), Claim(desk, leases)
    await leader.claim()
    return leader, standby, begin(standby.claim())


@pytest.mark.parametrize(("gone", "seconds"), [(True, DEAD_SECONDS), (False, LEASE_SECONDS)])
def test_a_standby_takes_over_soon_after_the_leaders_death(gone: bool, seconds: float) -> None:  # noqa: FBT001
    async def story(desk: Desk) -> None:
        leases = MemoryLeases()
        leader, standby, waiting = await led(desk, leases)
        await asyncio.sleep(60)
        assert not standby.has
        assert len(standby.waited) == 1
        leader.process.kill()
        if gone:
            leases.gone.add(leader.lease.holder)
        await asyncio.sleep(seconds - 0.5)
        assert not standby.has
        await asyncio.sleep(1.2)
        assert standby.has
        assert standby.lease.fresh
        await waiting

    play(story)


async def session_gone(leader: Claim, leases: MemoryLeases, standby: Claim, waiting: asyncio.Task[None]) -> None:
    """When the leader's session is gone and it cannot renew: once the standby leads, it may not send."""
    leases.gone.add(leader.lease.holder)
    await waiting
    assert standby.has
    assert not leader.lease.fresh


@pytest.mark.parametrize("renewal", ["fails", "hangs"])
def test_when_a_standby_leads_a_leader_whose_session_broke_may_send_nothing_any_more(renewal: str) -> None:
    """The server sees the connection reset, and the leader lives and cannot renew: its end of the wire says so, or
    nothing at all.
    """

    async def story(desk: Desk) -> None:
        leases = MemoryLeases()
        seat = Seat(leases)
        leader, standby = Claim(desk, seat), Claim(desk, leases)
        await leader.claim()
        waiting = begin(standby.claim())
        await asyncio.sleep(10.1)
        if renewal == "hangs":
            seat.renewing.clear()
        else:
            seat.cut = True
        await session_gone(leader, leases, standby, waiting)

    play(story)


def test_when_a_standby_leads_a_leader_that_stalled_while_its_session_broke_may_send_nothing_either() -> None:
    """It has begun no renewal since, so it knows of none that has no answer; and it wakes before its lease runs out."""

    async def story(desk: Desk) -> None:
        leases = MemoryLeases()
        leader, standby, waiting = await led(desk, leases)
        await asyncio.sleep(10.1)
        leader.process.pause(LEASE_SECONDS)
        await session_gone(leader, leases, standby, waiting)

    play(story)


def test_a_renewal_that_a_slow_look_shows_counts_from_its_answer() -> None:
    """It may have been made after the look was asked for: its leader may send as long from then."""

    async def story(desk: Desk) -> None:
        leases = MemoryLeases()
        seat, slow = Seat(leases), Seat(leases)
        leader, standby = Claim(desk, seat), Claim(desk, slow)
        await leader.claim()
        await asyncio.sleep(0.1)
        slow.reaching.clear()
        waiting = begin(standby.claim())
        await asyncio.sleep(1.0)
        slow.reaching.set()
        await asyncio.sleep(0.01)
        seat.cut = True
        await session_gone(leader, leases, standby, waiting)

    play(story)


def test_a_leader_that_stops_in_good_order_is_followed_at_once() -> None:
    async def story(desk: Desk) -> None:
        leader, standby, waiting = await led(desk, MemoryLeases())
        await asyncio.sleep(5)
        await leader.lease.release()
        assert not leader.lease.fresh
        await asyncio.sleep(0.5)
        assert standby.has
        assert not leader.lost
        await waiting

    play(story)


def test_s22_a_paused_leader_that_wakes_may_not_send_and_finds_that_it_lost_the_account() -> None:
    async def story(desk: Desk) -> None:
        leader, standby, waiting = await led(desk, MemoryLeases())
        await asyncio.sleep(1)
        leader.process.pause(LEASE_SECONDS + 2)
        await asyncio.sleep(FRESH_SECONDS + 0.6)
        assert not leader.lease.fresh  # whoever asks before anything else ran is told so
        await asyncio.sleep(LEASE_SECONDS + 1)
        assert standby.has
        assert leader.lost
        await waiting

    play(story)


def test_s22_who_was_stopped_before_it_took_the_account_over_and_wakes_fences_nobody() -> None:
    async def story(desk: Desk) -> None:
        late = Claim(desk, MemoryLeases())
        await late.lease.acquire(
            standing_by=late.waited.append, follow=nothing, epoch=lambda: desk.log.epoch(AccountId(MAIN))
        )
        await desk.start(watching=False)  # while it is stopped its lease runs out, and somebody else leads
        decider, clock, ids = desk.engine.decider, desk.clock, desk.ids()
        woken = Engine(MAIN, decider=decider, log=desk.log, clock=clock, ids=ids, spawn=late.process.spawn)
        with pytest.raises(FencedError):
            await woken.start("scripted", after=late.lease.after)
        await desk.place()
        assert not desk.engine.fenced.is_set()

    play(story)


def test_s22_who_lost_its_lease_before_it_took_the_account_over_does_not_try() -> None:
    """It took the next epoch, though it knew: who holds the lease by then could not start from the one it had read."""

    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        desk.process.kill()
        late = Claim(desk, MemoryLeases())
        epoch = await desk.log.epoch(AccountId(MAIN))
        decider, clock, ids = desk.engine.decider, desk.clock, desk.ids()
        woken = Engine(MAIN, decider=decider, log=desk.log, clock=clock, ids=ids, spawn=late.process.spawn)
        woken.fence()
        with pytest.raises(FencedError):
            await woken.start("scripted", after=epoch)
        assert await desk.log.epoch(AccountId(MAIN)) == epoch

    play(story)


def test_a_standby_that_cannot_read_the_log_takes_over_all_the_same() -> None:
    async def unread() -> None:
        raise LogUnavailableError("no right to read it")

    async def story(desk: Desk) -> None:
        leases = MemoryLeases()
        leader, blind = Claim(desk, leases), Claim(desk, leases)
        await leader.claim()
        waiting = begin(blind.claim(unread))
        await asyncio.sleep(60)
        assert not blind.has
        leader.process.kill()
        await asyncio.sleep(LEASE_SECONDS + 1.5)
        assert blind.has
        await waiting

    play(story)


def test_s64_a_standby_whose_reading_is_held_up_takes_over_all_the_same() -> None:
    """Somebody's open transaction locks what it reads: that is no error, it just never answers."""

    async def held_up() -> None:
        await asyncio.Event().wait()

    async def story(desk: Desk) -> None:
        leases = MemoryLeases()
        leader, standby = Claim(desk, leases), Claim(desk, leases)
        await leader.claim()
        waiting = begin(standby.claim(held_up))
        await asyncio.sleep(300)
        assert not standby.has
        leader.process.kill()
        await asyncio.sleep(ANSWER_SECONDS + 2 * LEASE_SECONDS)
        assert standby.has
        await waiting

    play(story)


async def forbidden() -> int:
    raise LogUnavailableError("permission denied for epochs")


@pytest.mark.parametrize("cut", [True, False])
def test_a_start_that_can_ask_for_no_lease_or_no_epoch_says_so_once(cut: bool) -> None:  # noqa: FBT001
    async def story(desk: Desk) -> None:
        seat = Seat(MemoryLeases())
        seat.cut = cut
        claim = Claim(desk, seat)
        structlog.reset_defaults()  # this one is about what is said
        with capture_logs() as logs:
            claiming = begin(claim.lease.acquire(standing_by=claim.waited.append, follow=nothing, epoch=forbidden))
            await asyncio.sleep(600)
        claiming.cancel()
        assert [each["cause"] for each in logs] == ["cut off" if cut else "permission denied for epochs"]

    play(story)


def test_the_time_in_which_the_log_did_not_answer_is_not_the_leaders() -> None:
    async def story(desk: Desk) -> None:
        leases = MemoryLeases(desk.faults)
        leader, standby = Claim(desk, leases), Claim(desk, leases)
        await leader.claim()

        async def cut_off() -> None:
            desk.faults.unreadable = True
            await asyncio.sleep(LEASE_SECONDS * 2)
            desk.faults.unreadable = False
            raise LogUnavailableError("the connection is gone")

        waiting = begin(standby.claim(cut_off))
        await asyncio.sleep(60)
        assert not leader.lost
        assert not standby.has
        waiting.cancel()

    play(story)


def test_while_the_database_is_away_nobody_takes_over_and_nobody_may_send() -> None:
    async def story(desk: Desk) -> None:
        leases = MemoryLeases(desk.faults)
        leader, standby = Claim(desk, leases), Claim(desk, leases)
        await leader.claim()
        waiting = begin(standby.claim())
        await asyncio.sleep(1)
        desk.faults.unreadable = True
        await asyncio.sleep(FRESH_SECONDS + 0.1)
        assert not leader.lease.fresh
        await asyncio.sleep(60)
        desk.faults.unreadable = False
        await asyncio.sleep(10)
        assert leader.lease.fresh
        assert not leader.lost
        assert not standby.has
        waiting.cancel()

    play(story)


def test_a_commit_that_lands_after_nobody_could_be_asked_is_fenced_and_never_lands() -> None:
    """The known limit of old: a silent server process commits even after memory was rebuilt from the log."""

    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        epoch = desk.engine.epoch
        desk.faults.appends.append(Fault(Trouble.SILENT_LATE))
        with pytest.raises(LogUnavailableError) as lost:
            await desk.place()
        assert lost.value.outcome == "unknown"
        await desk.engine._ready.wait()
        assert desk.engine.epoch == epoch + 1
        await asyncio.sleep(30)
        assert desk.in_log() is None
        receipt = await desk.place()
        assert receipt.state == desk.in_log()
        await asyncio.sleep(1)
        assert desk.life() is Life.WORKING
        assert desk.agrees()

    play(story)


def test_who_cannot_tell_what_became_of_a_commit_and_was_replaced_meanwhile_stops() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        first = desk.engine
        desk.faults.appends.append(Fault(Trouble.SILENT_LOST, seconds_before=1.0))
        placing = begin(desk.place())
        await asyncio.sleep(0.5)
        await seized(desk.log, AccountId(MAIN))
        await asyncio.sleep(5)
        assert placing.exception() is not None
        assert first.fenced.is_set()
        with pytest.raises(FencedError):
            await desk.place("c2")

    play(story)


def test_s22_nothing_is_sent_on_a_lease_that_was_not_renewed_a_moment_ago() -> None:
    async def story(desk: Desk) -> None:
        await desk.start(watching=False)
        fresh = False
        desk.dispatcher._venue = Gate(desk.venue, lambda: fresh)
        await desk.place()
        await asyncio.sleep(10)
        assert not desk.venue.submitted
        assert (desk.life(), desk.order().reason) == (Life.REJECTED, "not_sent")
        fresh = True
        await desk.place("c2")
        await asyncio.sleep(1)
        fresh = False
        await desk.cancel("c2")
        await asyncio.sleep(1)
        assert not desk.venue.canceled
        fresh = True
        await asyncio.sleep(5)
        desk.dispatcher.resume_cancels()
        await asyncio.sleep(1)
        assert len(desk.venue.canceled) == 1

    play(story)


def test_s22_a_writer_whose_lease_was_taken_sends_nothing_of_what_waits_for_rates() -> None:
    async def story(desk: Desk) -> None:
        leases = MemoryLeases()
        await leading(desk, leases)
        assert await leases.seize(MAIN, "the next leader", await leases.look(MAIN))
        await seized(desk.log, AccountId(MAIN))
        await asyncio.sleep(0.6)
        assert desk.engine.fenced.is_set()
        await asyncio.sleep(5)
        assert not desk.venue.submitted

    play(story)


def test_s22_a_writer_fenced_at_its_commit_sends_nothing_though_its_lease_is_fresh() -> None:
    """The lease is renewed until everything has drained: for ten seconds it sent what it knew to be another's."""

    async def story(desk: Desk) -> None:
        await leading(desk, MemoryLeases())
        await seized(desk.log, AccountId(MAIN))
        with pytest.raises(FencedError):
            await desk.place("c2")
        await desk.dispatcher.drain(10.0)
        assert not desk.venue.submitted

    play(story)


def test_a_lease_that_was_given_up_is_not_fresh_again_by_a_late_answer() -> None:
    async def story(desk: Desk) -> None:
        seat = Seat(MemoryLeases())
        leader = Claim(desk, seat)
        await leader.claim()
        await asyncio.sleep(0.2)
        seat.answering.clear()
        await asyncio.sleep(0.5)  # it is renewed; the answer is on its way
        await leader.lease.release()
        seat.answering.set()
        await asyncio.sleep(0.1)
        assert await seat.leases.look(MAIN) is None
        assert not leader.lease.fresh

    play(story)


def test_a_lease_that_is_known_to_be_taken_is_not_fresh() -> None:
    async def story(desk: Desk) -> None:
        leases = MemoryLeases()
        leader = Claim(desk, leases)
        await leader.claim()
        await asyncio.sleep(0.2)
        assert await leases.seize(MAIN, "somebody", await leases.look(MAIN))
        await asyncio.sleep(0.4)
        assert leader.lost
        assert not leader.lease.fresh

    play(story)
