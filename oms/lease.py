"""Whose turn it is to lead an account: a lease that the leader renews, and for which a standby waits.

The lease decides who should write, the epoch who can: a leader that was paused past its lease wakes up, finds that it
was taken, and could not have appended anyway. What an epoch cannot stop is a request that is already decided and
recorded: so nothing is sent unless the lease was renewed a moment ago.

A standby counts renewals by its own clock while the database answers. So no two clocks are compared, and a database
that was away, during which nobody could renew, does not make a leader look dead.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import structlog
from msgspec import Struct

from oms.errors import LogUnavailableError
from oms.ports import Clock, Ids, Spawn
from oms.values import AccountId

RENEW_SECONDS: Final = 0.5
LEASE_SECONDS: Final = 3.0  # a leader that has not renewed for so long may be replaced
DEAD_SECONDS: Final = 1.0  # likewise, if its session broke
FRESH_SECONDS: Final = DEAD_SECONDS  # a lease that was renewed longer ago allows no send: its holder may live, cut off
LOOK_SECONDS: Final = 0.2
REST_SECONDS: Final = LEASE_SECONDS + 1.0  # without reading a log that failed: enough to see whether anybody renews
ANSWER_SECONDS: Final = 30.0  # a question to the log that takes longer is held up; millions of events fold in less

_T = TypeVar("_T")

log = structlog.get_logger()


class Seen(Struct, frozen=True):
    """A lease as it stands. `connected`: whether its holder's session with the database is there."""

    holder: str
    renewals: int
    connected: bool

    def same(self, other: "Seen") -> bool:
        """Whether nobody has renewed or taken it between the two looks."""
        return (self.holder, self.renewals) == (other.holder, other.renewals)


class Leases(Protocol):
    """Where leases are kept. Every call raises LogUnavailableError."""

    async def look(self, account: AccountId) -> Seen | None:
        """Return the lease of `account`, None if nobody holds it."""
        ...

    async def seize(self, account: AccountId, holder: str, seen: Seen | None) -> bool:
        """Take the lease if it still is as `seen`; whether it was."""
        ...

    async def renew(self, account: AccountId, holder: str) -> bool:
        """Renew the lease; whether `holder` still has it."""
        ...

    async def release(self, account: AccountId, holder: str) -> None:
        """Give the lease up, so that nobody has to wait for its end."""
        ...


class Lease:
    """One process's claim to lead one account."""

    def __init__(self, account: AccountId, leases: Leases, *, clock: Clock, ids: Ids, spawn: Spawn) -> None:
        self.account = account
        self.holder = ids.next()
        self._leases = leases
        self._clock = clock
        self._spawn = spawn
        self._renewed_at = float("-inf")
        self._kept = True
        self._asking = True  # the last question was answered
        self._following = True
        self._follow_at = float("-inf")
        self.after = 0  # the account's epoch before it was ours

    @property
    def fresh(self) -> bool:
        """Whether it was renewed so lately that something may be sent on the strength of it.

        For whoever waits the session may be gone, whether or not we have asked for anything since: whoever stalls
        begins no renewal that could go without an answer.
        """
        return self._clock.monotonic() - self._renewed_at < FRESH_SECONDS

    async def acquire(
        self,
        *,
        standing_by: Callable[[Seen], None],
        follow: Callable[[], Awaitable[None]],
        epoch: Callable[[], Awaitable[int]],
        turn: Callable[[], bool] = lambda: True,
    ) -> None:
        """Return once the lease is ours. `standing_by` is called once if somebody else has it; `follow` meanwhile,
        again and again, to keep memory warm; `epoch` tells the account's, before it is tried to take the lease, which
        is only tried when it is its `turn`.
        """
        watched: Seen | None = None
        told = False
        changed_at = self._clock.monotonic()
        while True:
            asked_at = self._clock.monotonic()
            try:
                seen = await self._leases.look(self.account)
                if watched is None or seen is None or not seen.same(watched):
                    changed_at = self._clock.monotonic()  # it may have been renewed while we asked
                patience = LEASE_SECONDS if seen is None or seen.connected else DEAD_SECONDS
                over = (seen is None or asked_at - changed_at >= patience) and turn()
                ours = seen is not None and seen.holder == self.holder  # the answer to our seizing was lost
                if over and not ours:
                    self.after = await _in_time(epoch())
                if ours or (over and await self._leases.seize(self.account, self.holder, seen)):
                    self._renewed_at = asked_at
                    return
                if seen is not None and not told:
                    told = True
                    standing_by(seen)
                watched = seen
                changed_at += await self._cut_off(follow)
                self._asking = True
            except LogUnavailableError as error:
                watched = None  # nobody could renew: begin to count anew
                if self._asking:
                    log.warning("the lease cannot be asked for", account=self.account, cause=error.cause)
                self._asking = False
            await asyncio.sleep(LOOK_SECONDS)

    async def _cut_off(self, follow: Callable[[], Awaitable[None]]) -> float:
        """Follow the log; return for how many seconds it did not answer, in which the leader may not have renewed
        either. Who cannot read the log may have to lead all the same: nobody else is there. So it rests then, and looks
        at the lease alone.
        """
        began_at = self._clock.monotonic()
        if began_at < self._follow_at:
            return 0.0
        try:
            await _in_time(follow())
        except LogUnavailableError as error:
            if self._following:
                log.warning("the log cannot be followed", account=self.account, cause=error.cause)
            self._following = False
            ended_at = self._clock.monotonic()
            self._follow_at = ended_at + REST_SECONDS
            return ended_at - began_at
        self._following = True
        return 0.0

    def keep(self, lost: Callable[[], None]) -> None:
        """Renew from now on; `lost` is called if somebody else has taken it."""
        self._spawn(self._renew_for_ever(lost), name=f"lease {self.account}")

    async def release(self) -> None:
        """Give it up: the next one need not wait."""
        self._kept = False
        self._renewed_at = float("-inf")
        try:
            await self._leases.release(self.account, self.holder)
        except LogUnavailableError:
            log.warning("the lease was not given up; it runs out", account=self.account)

    async def _renew_for_ever(self, lost: Callable[[], None]) -> None:
        while self._kept:
            asked_at = self._clock.monotonic()
            try:
                if not await self._leases.renew(self.account, self.holder):
                    self._renewed_at = float("-inf")
                    if self._kept:
                        log.error("the lease was taken", account=self.account)
                        lost()
                    return
                if self._kept:  # the answer may come after it was given up
                    self._renewed_at = asked_at
            except LogUnavailableError as error:
                log.warning("the lease cannot be renewed", account=self.account, cause=error.cause)
            again_at = asked_at + RENEW_SECONDS  # whatever the answer took
            await asyncio.sleep(max(again_at - self._clock.monotonic(), 0.0))


async def _in_time(answer: Awaitable[_T]) -> _T:
    """Return what the log answers. Raises LogUnavailableError, also where somebody's lock holds the answer up."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await answer
    except TimeoutError:
        raise LogUnavailableError(f"the log has not answered for {ANSWER_SECONDS:.0f} seconds") from None
