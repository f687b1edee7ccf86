"""What the spot endpoints share: the exchange behind them, and how much of it a query may see."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from adapters.simulator.exchange.accounts import Account, Balance
from adapters.simulator.exchange.matching import Exchange
from adapters.simulator.exchange.orders import Order, OrderState, Printed
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.gateway import Call
from adapters.simulator.wire.house import House
from adapters.simulator.wire.lag import Lagging
from adapters.simulator.wire.tape import Tape

T = TypeVar("T")


class Venue:
    """The exchange as its REST endpoints see it."""

    def __init__(self, *, exchange: Exchange, tape: Tape[Printed], house: House, shown: Lagging[Balance]) -> None:
        self.exchange = exchange
        self.tape = tape
        self.house = house
        self.shown = shown
        self.faults = house.faults

    def account(self, call: Call) -> Account:
        return self.exchange.accounts[call.account]

    def balances(self, call: Call) -> Mapping[str, Balance]:
        """What an account has, as queries see it by now."""
        return self.shown.view(call.account, self.account(call).balances)

    def sees(self, order: Order, now_ms: int) -> bool:
        """Say whether queries find `order`: not before it is visible, and not for ever if it never traded."""
        if not self.house.sees(order.order_id):
            return False
        memory_ms = self.house.settings.unfilled_memory_ms
        unfilled = order.state is OrderState.CANCELED and not order.undone
        return not (unfilled and now_ms - order.updated_ms > memory_ms)


def take(call: Call, shape: type[T]) -> T:
    """Return the body as `shape`; what `shape` does not name is silently ignored, as the venue does.

    Raises:
        WireError: 50028 for a missing field, 50000 for one of the wrong type.
    """
    try:
        return msgspec.convert(call.body, shape)
    except msgspec.ValidationError as error:
        raise WireError(50028 if "missing" in str(error) else 50000, str(error)) from error
