"""What the door needs of the read models, in its own words. `projections.queries` answers it, and `projections.past`.

Rows are shown by name (`oms.gateway.views.shown`): whatever answers may have more columns than a view shows.
"""

from collections.abc import Sequence
from typing import Protocol

from oms.values import AccountId, ClientOrderId, StrategyId, Symbol


class Listing(Protocol):
    """Some rows of a list, as of one log position; `next_cursor` is None at the end."""

    @property
    def position(self) -> int: ...
    @property
    def rows(self) -> Sequence[object]: ...
    @property
    def next_cursor(self) -> str | None: ...


class Past(Protocol):
    """The read models as they were."""

    def at(self, position: int) -> "Reads":
        """Return them as of `position`, which is within the log. Asked too far back they raise OmsError."""
        ...


class Reads(Protocol):
    """The read models. Every answer is of one moment. All raise LogUnavailableError, and CursorError for a cursor."""

    async def position(self) -> int:
        """Return the log position that every read model has reached."""
        ...

    async def wait_for(self, position: int, seconds: float) -> bool:
        """Wait until every read model has reached `position`, for so long at most; return whether they have."""
        ...

    async def orders(
        self,
        *,
        accounts: Sequence[AccountId],
        strategy: StrategyId | None = None,
        symbols: Sequence[Symbol] | None = None,
        open_only: bool = False,
        limit: int,
        cursor: str | None = None,
    ) -> Listing:
        """Return orders, the latest first, stable under inserts; rows as `oms.gateway.views.OrderView`."""
        ...

    async def fills(
        self,
        *,
        accounts: Sequence[AccountId],
        strategy: StrategyId | None = None,
        symbols: Sequence[Symbol] | None = None,
        client_order_id: ClientOrderId | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Listing:
        """Return fills, the latest first, stable under inserts; rows as `oms.gateway.views.FillView`."""
        ...

    async def positions(self, *, accounts: Sequence[AccountId]) -> Listing:
        """Return position legs; rows as `oms.gateway.views.PositionView`."""
        ...

    async def balances(self, *, accounts: Sequence[AccountId]) -> Listing:
        """Return balances; rows as `oms.gateway.views.BalanceView`."""
        ...

    async def breaks(
        self, *, accounts: Sequence[AccountId], open_only: bool = False, limit: int, cursor: str | None = None
    ) -> Listing:
        """Return breaks, the latest opened first; rows as `oms.gateway.views.BreakView`."""
        ...

    async def ledger(
        self,
        *,
        accounts: Sequence[AccountId],
        symbols: Sequence[Symbol] | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Listing:
        """Return transactions of the ledger, the latest first; rows as `oms.cli.ledger.LedgerView`."""
        ...

    async def ledger_balances(self, *, accounts: Sequence[AccountId]) -> Listing:
        """Return the sums of the ledger's accounts; rows as `oms.cli.ledger.LedgerBalanceView`."""
        ...
