"""Runs a saga through the SDK. It may die at any moment and be started again, here or elsewhere, or be running twice:
what it does next it reads off the orders, and each step is one order for ever.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol

from oms.client import Client
from oms.client_wire import RefusedError
from oms.errors import DuplicateOrderError, OrderClosedError, UnknownOrderError
from oms.gateway.views import OrderAnswer
from oms.ports import Clock
from oms.sagas.twap import Cancel, Done, Place, Plan, Slice, Step, Wait, decide, plan_of
from oms.values import ZERO, plain

LOOK_SECONDS: Final = 1.0  # between two looks at slices that work, and after a slice's end was asked for;
DOUBLINGS_MAX: Final = 6  # twice as long after each time it was refused: up to a minute
INVALID: Final = 422  # the status of what no order can be


class Desk(Protocol):
    """What a host asks for. Each is safe to ask twice."""

    async def slices(self, plan: Plan) -> Sequence[Slice]:
        """Return the slices that were ever placed, in their order."""
        ...

    async def place(self, plan: Plan, step: Place) -> str | None:
        """Place a slice, or return why it can be no order. One that is there already stays as it is, and one that is
        denied stands among the others.
        """
        ...

    async def cancel(self, plan: Plan, step: Cancel) -> None:
        """Ask for a slice's end; one that is over already stays so."""
        ...


async def follow(plan: Plan, desk: Desk, clock: Clock) -> Done:
    """Do what the plan says until it is over, and return how it ended."""
    ends = Counter[int]()
    while True:
        slices = await desk.slices(plan)
        step: Step = decide(plan, slices, clock.now_ns())
        match step:
            case Done():
                return step
            case Place():
                wrong = await desk.place(plan, step)
                if wrong is not None:
                    return Done(sum((each.filled for each in slices), ZERO), wrong)
            case Cancel(number=number):
                await desk.cancel(plan, step)
                await asyncio.sleep(LOOK_SECONDS * (1 << min(ends[number], DOUBLINGS_MAX)))
                ends[number] += 1
            case Wait():
                until_ns = clock.now_ns() + int(LOOK_SECONDS * 1e9) if step.until_ns is None else step.until_ns
                await asyncio.sleep(min(max((until_ns - clock.now_ns()) / 1e9, 0.001), LOOK_SECONDS))


class ClientDesk:
    """The OMS behind the SDK, as a desk."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def find(self, saga: str) -> Plan | None:
        """Return the plan of a saga that has begun, from its first slice; None where there is none."""
        first = await self._order(f"{saga}T000")
        if first is None:
            return None
        return plan_of(first.tags or {}, symbol=first.symbol, side=first.side)

    async def slices(self, plan: Plan) -> Sequence[Slice]:
        found: list[Slice] = []
        for number in range(plan.slices):
            order = await self._order(plan.child(number))
            if order is None:
                break
            found.append(Slice(order.status, order.cum_quantity, order.reason, order.untold_quantity or ZERO))
        return found

    async def place(self, plan: Plan, step: Place) -> str | None:
        child = plan.child(step.number)
        try:
            await self._client.place(
                symbol=plan.symbol,
                side=plan.side.value,
                type="limit",
                quantity=plain(step.quantity),
                price=plain(plan.price),
                client_order_id=child,
                tags=plan.tags(step.number),
            )
        except RefusedError as refusal:
            if refusal.outcome == "recorded":
                return None  # the slice says so itself, and what follows is the plan's to say
            if refusal.status == INVALID and refusal.outcome == "none":
                return refusal.cause
            # Another host may have been first, before a fill was told; of another strategy's order nothing is seen.
            if refusal.code != DuplicateOrderError.code or await self._order(child) is None:
                raise
        return None

    async def _order(self, name: str) -> OrderAnswer | None:
        try:
            return await self._client.order(name)
        except RefusedError as refusal:
            if refusal.code != UnknownOrderError.code:
                raise
        return None

    async def cancel(self, plan: Plan, step: Cancel) -> None:
        try:
            await self._client.cancel(plan.child(step.number))
        except RefusedError as refusal:
            if refusal.code != OrderClosedError.code:
                raise
