"""A hot standby: waits for the lease of an account while it follows the log, so that it leads with a warm memory."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from msgspec import Struct

from oms.book import CLOSED_KEPT
from oms.decide import Decider
from oms.engine import Engine
from oms.errors import OmsError
from oms.lease import Lease, Seen
from oms.ports import EventLog
from oms.recovery import Recovered, recover
from oms.values import AccountId, StrategyId

WAIT_MAX_SECONDS: Final = 5.0  # for a lease that its dead holder left behind, where nobody stands by


class AccountHeldError(OmsError):
    """Another OMS leads the account."""

    code = "account_held"
    next_step = "ask that OMS, or stop it first"


class Leading(Struct, frozen=True):
    """An account that is ours to lead, before its writer starts; `warm` is what was read of the log meanwhile."""

    engine: Engine
    lease: Lease
    warm: Recovered | None

    @property
    def may_send(self) -> bool:
        """Whether it is ours to send for: a lease that is still fresh says nothing once the epoch was taken."""
        return self.lease.fresh and not self.engine.fenced.is_set()


async def lead_all(
    deciders: Mapping[AccountId, Decider],
    leading: dict[AccountId, Leading],
    lead: Callable[[Decider, Callable[[], bool]], Awaitable[Leading]],
) -> None:
    """Return once `leading` has every account; all are waited for at once. They are taken in the order of their names:
    else of two who wait for the same accounts each may get one, and wait for the other for ever.

    Raises:
        CorruptStreamError: the log of one contradicts itself.
    """
    names = sorted(deciders)

    async def one(name: AccountId) -> None:
        before = names[: names.index(name)]
        leading[name] = await lead(deciders[name], lambda: all(each in leading for each in before))

    try:
        async with asyncio.TaskGroup() as waiting:
            for name in names:
                waiting.create_task(one(name))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures


class Standby:
    """One account's follower. `warm` is its memory, as far as the log was read."""

    def __init__(self, lease: Lease, log: EventLog, *, tallied: Collection[StrategyId] = ()) -> None:
        self.warm: Recovered | None = None
        self._lease = lease
        self._log = log
        self._tallied = tallied

    async def wait(self, tell: Callable[[str], None], turn: Callable[[], bool] = lambda: True) -> None:
        """Return once the account is ours to lead; say so if that takes somebody else's end. `turn` as of `Lease`.

        Raises:
            CorruptStreamError: the log contradicts itself.
        """

        def standing_by(_: Seen) -> None:
            tell(f"standby: another OMS leads account {self._lease.account}; following the log until it ends")

        account = self._lease.account
        await self._lease.acquire(
            standing_by=standing_by, follow=self._follow, epoch=lambda: self._log.epoch(account), turn=turn
        )

    async def _follow(self) -> None:
        """Read what the log brought. Raises LogUnavailableError: then a book may be half way, and is thrown away."""
        warm, self.warm = self.warm, None
        self.warm = await recover(
            self._lease.account, self._log, closed_kept=CLOSED_KEPT, tallied=self._tallied, since=warm
        )
