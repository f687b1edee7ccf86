"""A hot standby: waits for the lease of an account while it follows the log, so that it leads with a warm memory."""

from collections.abc import Callable, Collection
from typing import Final

from oms.book import CLOSED_KEPT
from oms.errors import OmsError
from oms.lease import Lease, Seen
from oms.ports import EventLog
from oms.recovery import Recovered, recover
from oms.values import StrategyId

WAIT_MAX_SECONDS: Final = 5.0  # for a lease that its dead holder left behind, where nobody stands by


class AccountHeldError(OmsError):
    """Another OMS leads the account."""

    code = "account_held"
    next_step = "ask that OMS, or stop it first"


class Standby:
    """One account's follower. `warm` is its memory, as far as the log was read."""

    def __init__(self, lease: Lease, log: EventLog, *, tallied: Collection[StrategyId] = ()) -> None:
        self.warm: Recovered | None = None
        self._lease = lease
        self._log = log
        self._tallied = tallied

    async def wait(self, tell: Callable[[str], None]) -> None:
        """Return once the account is ours to lead; say so if that takes somebody else's end.

        Raises:
            CorruptStreamError: the log contradicts itself.
        """

        def standing_by(_: Seen) -> None:
            tell(f"standby: another OMS leads account {self._lease.account}; following the log until it ends")

        account = self._lease.account
        await self._lease.acquire(standing_by=standing_by, follow=self._follow, epoch=lambda: self._log.epoch(account))

    async def _follow(self) -> None:
        """Read what the log brought. Raises LogUnavailableError: then a book may be half way, and is thrown away."""
        warm, self.warm = self.warm, None
        self.warm = await recover(
            self._lease.account, self._log, closed_kept=CLOSED_KEPT, tallied=self._tallied, since=warm
        )
