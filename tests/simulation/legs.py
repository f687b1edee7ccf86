"""The legs of perpetuals as the witness adds them up: what is held, what it cost, what it earned, what backs it.

Apart from the product's arithmetic: a booking is held against what is worked out here from the trades alone.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import reduce

from msgspec import Struct

from oms.position.events import FillBooked, FillReversed, LegTakenOver
from oms.values import EXACT, RATIO, ZERO


class Leg(Struct):
    """`quantity` in contracts, negative when short; `cost` (signed) and `realised` in the margin coin."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    leverage: Decimal | None = None

    @property
    def margin(self) -> Decimal:
        """What keeps it open."""
        cost = self.cost.copy_abs()
        return cost if self.leverage is None else RATIO.divide(cost, self.leverage)


class Legs:
    """By position stream."""

    def __init__(self) -> None:
        self.by_stream: dict[str, Leg] = {}

    def booked(self, stream: str, event: FillBooked | FillReversed) -> str | None:
        """Take in one booking, or what takes one back, as a trade the other way; return what is wrong with its figures,
        None for nothing.
        """
        leg = self.by_stream.setdefault(stream, Leg())
        value = EXACT.multiply(EXACT.multiply(event.quantity, event.contract_size), event.price)
        opposite = bool(leg.quantity) and (leg.quantity > ZERO) is not (event.quantity > ZERO)
        if opposite and event.quantity.copy_abs() > leg.quantity.copy_abs():
            return f"{event.exec_id} closes {event.quantity} of {leg.quantity} in one booking"
        if not opposite:
            change = value
        elif event.quantity.copy_abs() == leg.quantity.copy_abs():
            change = leg.cost.copy_negate()
        else:
            change = RATIO.divide(EXACT.multiply(leg.cost, event.quantity), leg.quantity)
        realised = EXACT.subtract(change, value)
        leg.quantity = EXACT.add(leg.quantity, event.quantity)
        leg.cost = EXACT.add(leg.cost, change)
        leg.realised = EXACT.add(leg.realised, realised)
        if isinstance(event, FillBooked):
            leg.leverage = event.leverage or leg.leverage
        if (change, realised) != (event.cost_change, event.realized):
            return f"{event.exec_id} is booked as {event.cost_change} and {event.realized}, not {change} and {realised}"
        return None

    def taken_over(self, stream: str, event: LegTakenOver) -> str | None:
        """Take in what was there, or what of it is told of again; return what is wrong with its figures, None for
        nothing.
        """
        leg = self.by_stream.setdefault(stream, Leg())
        leg.quantity = EXACT.add(leg.quantity, event.quantity)
        leg.cost = EXACT.add(leg.cost, event.cost_change)
        leg.leverage = event.leverage or leg.leverage
        return None if leg.quantity == event.total else f"{stream} comes to {leg.quantity}, not to {event.total}"

    def backed(self, stream: str, leverage: Decimal | None) -> None:
        """Take in another leverage."""
        self.by_stream.setdefault(stream, Leg()).leverage = leverage

    @property
    def cost(self) -> Decimal:
        """What all of them cost, shorts negative: with it, what is owned does not hang on the order of the trades."""
        return reduce(EXACT.add, (leg.cost for leg in self.by_stream.values()), ZERO)

    def quantities(self) -> Mapping[str, Decimal]:
        """Return what is held, by stream."""
        return {stream: leg.quantity for stream, leg in self.by_stream.items() if leg.quantity}
