"""The last gate before the wire: what changes something at the venue leaves only while the lease is fresh.

A writer that was paused, or cut off from its log, may hold intents that were committed long ago, when the account was
its own. It is stopped here, before a byte leaves, so that what it held is known for certain not to have been sent.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from decimal import Decimal

from oms.instrument import Instrument
from oms.values import MarginMode, PositionMode, Symbol
from oms.venue import (
    Amendment,
    Answer,
    Capabilities,
    Evidence,
    LastLook,
    NewOrder,
    NoAnswerError,
    OrderRef,
    Venue,
    nothing_holds,
)


class Gate:
    """A `Venue` whose commands raise NoAnswerError, certainly not sent, unless `open_` says that they may leave."""

    def __init__(self, venue: Venue, open_: Callable[[], bool]) -> None:
        self._venue = venue
        self._open = open_

    def _pass(self) -> Venue:
        cause = self._stopped()
        if cause is not None:
            raise NoAnswerError(cause, Evidence(channel="gate"), sent=False)
        return self._venue

    def _stopped(self) -> str | None:
        return None if self._open() else "not sent: the lease on the account is not ours, or not renewed a moment ago"

    # -------------------------------------------------------------------------------------------- commands

    async def submit(self, order: NewOrder, *, last_look: LastLook = nothing_holds) -> Answer:
        return await self._pass().submit(order, last_look=lambda: self._stopped() or last_look())

    async def cancel(self, order: OrderRef, *, last_look: LastLook = nothing_holds) -> Answer:
        return await self._pass().cancel(order, last_look=lambda: self._stopped() or last_look())

    async def cancel_many(self, orders: Sequence[OrderRef], *, last_look: LastLook = nothing_holds) -> Answer:
        return await self._pass().cancel_many(orders, last_look=lambda: self._stopped() or last_look())

    async def amend(self, change: Amendment, *, last_look: LastLook = nothing_holds) -> Answer:
        return await self._pass().amend(change, last_look=lambda: self._stopped() or last_look())

    async def set_leverage(
        self, symbol: Symbol, leverage: Decimal, margin_mode: MarginMode, *, last_look: LastLook = nothing_holds
    ) -> Answer:
        return await self._pass().set_leverage(
            symbol, leverage, margin_mode, last_look=lambda: self._stopped() or last_look()
        )

    async def set_position_mode(self, mode: PositionMode, *, last_look: LastLook = nothing_holds) -> Answer:
        return await self._pass().set_position_mode(mode, last_look=lambda: self._stopped() or last_look())

    async def dead_man(self, symbol: Symbol, seconds: int, *, last_look: LastLook = nothing_holds) -> Answer:
        return await self._pass().dead_man(symbol, seconds, last_look=lambda: self._stopped() or last_look())

    # -------------------------------------------------------------------------------------------- questions

    @property
    def name(self) -> str:
        return self._venue.name

    @property
    def skew_ms(self) -> float:
        return self._venue.skew_ms

    def now_ns(self) -> int | None:
        return self._venue.now_ns()

    def capabilities(self, symbol: Symbol) -> Capabilities:
        return self._venue.capabilities(symbol)

    def recall(self, orders: Iterable[OrderRef]) -> None:
        self._venue.recall(orders)

    async def instruments(self) -> tuple[Instrument, ...]:
        return await self._venue.instruments()

    async def order(self, order: OrderRef) -> Answer:
        return await self._venue.order(order)

    async def open_orders(self, symbol: Symbol | None = None) -> Answer:
        return await self._venue.open_orders(symbol)

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        return await self._venue.trades(since_ms=since_ms, until_ms=until_ms)

    async def order_trades(self, order: OrderRef) -> Answer:
        return await self._venue.order_trades(order)

    async def order_history(self, symbol: Symbol, *, since_ms: int, until_ms: int) -> Answer:
        return await self._venue.order_history(symbol, since_ms=since_ms, until_ms=until_ms)

    async def balances(self) -> Answer:
        return await self._venue.balances()

    async def positions(self) -> Answer:
        return await self._venue.positions()

    async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:
        return await self._venue.ledger(since_ms=since_ms, until_ms=until_ms)

    def stream(self) -> AsyncGenerator[Answer, None]:
        return self._venue.stream()

    async def close(self) -> None:
        await self._venue.close()
