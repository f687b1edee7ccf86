"""Runs a saga through the SDK. It may die at any moment and be started again, here or elsewhere, or be running twice:
what it does next it reads off the orders, and each step is one order for ever.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from oms.client import Client
from oms.client_wire import RefusedError
from oms.errors import DuplicateOrderError, OrderClosedError, UnknownOrderError
from oms.ports import Clock
from oms.sagas.twap import Cancel, Done, Place, Plan, Slice, Step, Wait, decide, plan_of
from oms.values import ZERO, plain

LOOK_SECONDS: Final = 1.0  # between two looks at slices that work


class Desk(Protocol):
    """What a host asks for. Each is safe to ask twice."""

    async def slices(self, plan: Plan) -> Sequence[Slice]:
        """Return the slices that were ever placed, in their order."""
        ...

    async def place(self, plan: Plan, step: Place) -> None:
        """Place a slice; one that is there already stays as it is, and one that is denied stands among the others."""
        ...

    async def cancel(self, plan: Plan, step: Cancel) -> None:
        """Ask for a slice's end; one that is over already stays so."""
        ...


async def follow(plan: Plan, desk: Desk, clock: Clock) -> Done:
    """Do what the plan says until it is over, and return how it ended."""
    while True:
        step: Step = decide(plan, await desk.slices(plan), clock.now_ns())
        match step:
            case Done():
                return step
            case Place():
                await desk.place(plan, step)
            case Cancel():
                await desk.cancel(plan, step)
            case Wait():
                until_ns = clock.now_ns() + int(LOOK_SECONDS * 1e9) if step.until_ns is None else step.until_ns
                await asyncio.sleep(min(max((until_ns - clock.now_ns()) / 1e9, 0.001), LOOK_SECONDS))


class ClientDesk:
    """The OMS behind the SDK, as a desk."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def find(self, saga: str) -> Plan | None:
        """Return the plan of a saga that has begun, from its first slice; None where there is none."""
        try:
            first = await self._client.order(f"{saga}T000")
        except RefusedError as refusal:
            if refusal.code == UnknownOrderError.code:
                return None
            raise
        assert first.price is not None, "a slice is a limit order"
        return plan_of(first.tags or {}, symbol=first.symbol, side=first.side, price=first.price)

    async def slices(self, plan: Plan) -> Sequence[Slice]:
        found: list[Slice] = []
        for number in range(plan.slices):
            try:
                order = await self._client.order(plan.child(number))
            except RefusedError as refusal:
                if refusal.code == UnknownOrderError.code:
                    break
                raise
            found.append(Slice(order.status, order.cum_quantity, order.reason, order.untold_quantity or ZERO))
        return found

    async def place(self, plan: Plan, step: Place) -> None:
        try:
            await self._client.place(
                symbol=plan.symbol,
                side=plan.side.value,
                type="limit",
                quantity=plain(step.quantity),
                price=plain(plan.price),
                client_order_id=plan.child(step.number),
                tags=plan.tags(step.number),
            )
        except RefusedError as refusal:
            again = refusal.code == DuplicateOrderError.code  # another host was first, before a fill was told
            denied = refusal.outcome == "recorded"  # the slice says so itself, and what follows is the plan's to say
            if not (again or denied):
                raise

    async def cancel(self, plan: Plan, step: Cancel) -> None:
        try:
            await self._client.cancel(plan.child(step.number))
        except RefusedError as refusal:
            if refusal.code != OrderClosedError.code:
                raise
