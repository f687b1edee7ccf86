"""A large order in equal slices over time, pure: a plan, the slices so far and the time in; the next thing to do out.

    due --place--> open --next one is due--> cancel asked for --closed--> the next slice, with what was left of this one

Nothing is placed while an earlier slice may still trade, or has traded what is not booked yet: a slice in doubt is
waited for, however long (S02, S05). So the slices never add up to more than the whole. One that is proven never to have
arrived had its turn, as one that found nobody to trade with; one that was refused ends the plan.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from oms.order.state import NEVER_ARRIVED
from oms.values import EXACT, ZERO, OrderStatus, Side, plain

SLICES_MAX: Final = 999
ID: Final = re.compile(r"[A-Za-z0-9]{1,24}")
KIND: Final = "twap/1"
OVER: Final = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED, OrderStatus.DENIED}
)
ASKED: Final = frozenset({OrderStatus.PENDING_CANCEL, OrderStatus.IN_DOUBT, OrderStatus.SENDING})  # nothing to cancel


class Plan(Struct, frozen=True, kw_only=True):
    """What was asked for: `quantity` in `slices`, the first at `begins_ns` (UTC), each `every_seconds` after the one
    before, at `price` or better. `step` is the market's smallest size, of which every slice is a multiple; `most` is
    what it takes at once, None where it takes any.
    """

    saga: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    step: Decimal
    slices: int
    every_seconds: int
    begins_ns: int
    most: Decimal | None = None

    def wrong(self) -> str | None:
        """Return why nobody could follow the plan, None if somebody can."""
        if ID.fullmatch(self.saga) is None:
            return "a saga's id has 1 to 24 letters and digits"
        if not 1 <= self.slices <= SLICES_MAX or self.every_seconds < 1:
            return f"1 to {SLICES_MAX} slices, a second apart at least"
        if self.step <= 0 or self.quantity <= 0 or EXACT.remainder(self.quantity, self.step):
            return "the quantity is a multiple of the market's step"
        if self.most is not None and self.target(0) > self.most:
            return f"the market takes {plain(self.most)} at once, and a slice has {plain(self.target(0))}"
        return None if self.target(0) > 0 else "there are more slices than steps to share"

    def child(self, number: int) -> str:
        """Return the client order id of a slice, counted from 0."""
        return f"{self.saga}T{number:03d}"

    def due_ns(self, number: int) -> int:
        return self.begins_ns + number * self.every_seconds * 1_000_000_000

    def target(self, number: int) -> Decimal:
        """Return how much is to be filled once the slice `number` is: on the grid, all of it at the last."""
        steps = EXACT.divide_int(self.quantity, self.step)
        return EXACT.multiply(Decimal(int(steps) * (number + 1) // self.slices), self.step)

    def tags(self, number: int) -> Mapping[str, str]:
        """Return the plan as each slice carries it."""
        return {
            "saga": self.saga,
            "kind": KIND,
            "slice": str(number),
            "whole": plain(self.quantity),
            "grid": plain(self.step),
            "plan": f"{self.slices} x {self.every_seconds}",
            "begins_ns": str(self.begins_ns),
            "at": plain(self.price),
            **({} if self.most is None else {"most": plain(self.most)}),
        }


class Slice(Struct, frozen=True):
    """One order of the saga, as the log has it: what is booked of it, and what it has traded beside that."""

    status: OrderStatus
    filled: Decimal
    reason: str | None = None
    untold: Decimal = ZERO


class Place(Struct, frozen=True):
    """Place the slice `number`."""

    number: int
    quantity: Decimal


class Cancel(Struct, frozen=True):
    """Ask for the end of the slice `number`."""

    number: int


class Wait(Struct, frozen=True):
    """Look again at `until_ns`, or when something is told; None: only then."""

    until_ns: int | None


class Done(Struct, frozen=True):
    """It is over. `why` is None if every slice had its turn."""

    filled: Decimal
    why: str | None = None


Step = Place | Cancel | Wait | Done


def decide(plan: Plan, slices: Sequence[Slice], now_ns: int) -> Step:
    """Return what is to be done next; `slices` in their order, from the first."""
    filled = sum((each.filled for each in slices), ZERO)
    number = len(slices)
    if any(each.status in OVER and each.untold for each in slices):
        return Wait(None)
    for earlier, each in enumerate(slices[:-1]):  # what was called gone may live, and what has filled be taken back
        if each.status not in OVER:
            return Wait(None) if each.status in ASKED else Cancel(earlier)
    if slices:
        last = slices[-1]
        refused = last.status in {OrderStatus.DENIED, OrderStatus.REJECTED} and last.reason != NEVER_ARRIVED
        if refused and not last.filled:
            return Done(filled, last.reason or str(last.status))
        if last.status not in OVER:
            end_ns = plan.due_ns(number)
            if now_ns < end_ns:
                return Wait(end_ns)
            return Wait(None) if last.status in ASKED else Cancel(number - 1)
    if filled >= plan.quantity or number == plan.slices:
        return Done(filled)
    if now_ns < plan.due_ns(number):
        return Wait(plan.due_ns(number))
    left = EXACT.subtract(plan.target(number), filled)
    if left <= 0:
        return Done(filled, "more was filled than was asked for")
    return Place(number, left if plan.most is None else min(left, plan.most))


def plan_of(order: Mapping[str, str], *, symbol: str, side: Side) -> Plan | None:
    """Return the plan that an order's tags carry, None where it is no slice of such a saga."""
    if order.get("kind") != KIND:
        return None
    slices, _, every = order["plan"].partition(" x ")
    return Plan(
        saga=order["saga"],
        symbol=symbol,
        side=side,
        quantity=Decimal(order["whole"]),
        price=Decimal(order["at"]),  # somebody may have changed the slice's own
        step=Decimal(order["grid"]),
        slices=int(slices),
        every_seconds=int(every),
        begins_ns=int(order["begins_ns"]),
        most=Decimal(order["most"]) if "most" in order else None,
    )
