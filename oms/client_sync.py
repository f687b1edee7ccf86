"""The SDK's sync twin, for strategies without a loop of their own."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from oms.client import Client
from oms.gateway.candles import Candles
from oms.gateway.operations import AccountBreaks, Comparison
from oms.gateway.replies import Halts, Items
from oms.gateway.views import (
    BalanceView,
    Breaks,
    Fills,
    Frame,
    InstrumentView,
    OrderAnswer,
    Orders,
    OrderView,
    PositionView,
    ShareView,
    Timeline,
)

_V = TypeVar("_V")


class SyncClient:
    """The sync twin: the same calls, each run to its end on a loop of its own in the calling thread.

    Between calls nothing runs; a stream that is read too slowly is closed by the OMS and resumed with the next event.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._run(self._client.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._client.__aexit__(kind, error, trace))
        self._runner.close()

    def _run(self, work: Coroutine[Any, Any, _V]) -> _V:
        return self._runner.run(work)

    def place(self, **order: Any) -> OrderAnswer:  # noqa: ANN401  # the fields of Client.place
        """Place an order, as `Client.place`."""
        return self._run(self._client.place(**order))

    def amend(self, order: OrderView | str, **change: Any) -> OrderAnswer:  # noqa: ANN401  # as Client.amend
        """Ask for another price or quantity, as `Client.amend`."""
        return self._run(self._client.amend(order, **change))

    def cancel(self, order: OrderView | str, **more: Any) -> OrderAnswer:  # noqa: ANN401  # as Client.cancel
        """Ask for an order's end, as `Client.cancel`."""
        return self._run(self._client.cancel(order, **more))

    def claim(self, order: str, **claim: Any) -> OrderAnswer:  # noqa: ANN401  # as Client.claim
        """Give an order of nobody's to a strategy, as `Client.claim`."""
        return self._run(self._client.claim(order, **claim))

    def claim_share(self, symbol: str, **claim: Any) -> ShareView:  # noqa: ANN401  # as Client.claim_share
        """Give a share of a leg that is nobody's to a strategy, as `Client.claim_share`."""
        return self._run(self._client.claim_share(symbol, **claim))

    def cancel_all(self, **scope: Any) -> Items:  # noqa: ANN401  # as Client.cancel_all
        """As `Client.cancel_all`."""
        return self._run(self._client.cancel_all(**scope))

    def halt(self, reason: str, **scope: Any) -> Halts:  # noqa: ANN401  # as Client.halt
        """Stop everything that opens, as `Client.halt`."""
        return self._run(self._client.halt(reason, **scope))

    def resume(self, reason: str, **scope: Any) -> Halts:  # noqa: ANN401  # as Client.resume
        """End a halt, as `Client.resume`."""
        return self._run(self._client.resume(reason, **scope))

    def order(self, client_order_id: str, **query: Any) -> OrderAnswer:  # noqa: ANN401  # as Client.order
        """Return one order, as `Client.order`."""
        return self._run(self._client.order(client_order_id, **query))

    def timeline(self, client_order_id: str, **query: Any) -> Timeline:  # noqa: ANN401  # as Client.timeline
        """Return an order's story, as `Client.timeline`."""
        return self._run(self._client.timeline(client_order_id, **query))

    def orders(self, **query: Any) -> Orders:  # noqa: ANN401  # as Client.orders
        """Return a page of orders, as `Client.orders`."""
        return self._run(self._client.orders(**query))

    def fills(self, **query: Any) -> Fills:  # noqa: ANN401  # as Client.fills
        """Return a page of fills, as `Client.fills`."""
        return self._run(self._client.fills(**query))

    def positions(self, **query: Any) -> Sequence[PositionView]:  # noqa: ANN401  # as Client.positions
        """Return the position legs, as `Client.positions`."""
        return self._run(self._client.positions(**query))

    def balances(self, **query: Any) -> Sequence[BalanceView]:  # noqa: ANN401  # as Client.balances
        """Return the balances, as `Client.balances`."""
        return self._run(self._client.balances(**query))

    def breaks(self, **query: Any) -> Breaks:  # noqa: ANN401  # as Client.breaks
        """Return a page of breaks, as `Client.breaks`."""
        return self._run(self._client.breaks(**query))

    def explain_break(self, break_id: str, reason: str, *, account: str | None = None) -> AccountBreaks:
        """Say what a break is, as `Client.explain_break`."""
        return self._run(self._client.explain_break(break_id, reason, account=account))

    def resolve_break(self, break_id: str, reason: str, *, account: str | None = None) -> AccountBreaks:
        """End a break, as `Client.resolve_break`."""
        return self._run(self._client.resolve_break(break_id, reason, account=account))

    def reconcile(self, *, account: str | None = None, dry_run: bool = False) -> Sequence[Comparison]:
        """Compare with the venue now, as `Client.reconcile`."""
        return self._run(self._client.reconcile(account=account, dry_run=dry_run))

    def candles(self, symbol: str, interval: str = "1m", **query: Any) -> Candles:  # noqa: ANN401  # as Client.candles
        """Return a page of bars, as `Client.candles`."""
        return self._run(self._client.candles(symbol, interval, **query))

    def instruments(self, *, account: str | None = None) -> Sequence[InstrumentView]:
        """Return the markets, as `Client.instruments`."""
        return self._run(self._client.instruments(account=account))

    def events(self, *, since: int | None = None, channels: Sequence[str] = ("events",)) -> Iterator[Frame]:
        """Yield events, as `Client.events`."""
        source = self._client.events(since=since, channels=channels)

        async def following() -> Frame:
            return await anext(source)

        try:
            while True:
                yield self._run(following())
        finally:
            self._run(source.aclose())


def connect_sync(url: str, *, token: str, timeout: float = 10.0, ca: str | None = None) -> SyncClient:
    """Return a sync client of the gateway at `url`, to be opened with ``with``; `ca` as for Client."""
    return SyncClient(Client(url, token=token, timeout=timeout, ca=ca))
