"""An order of nobody's that a person gives to a strategy, pure: never taken, and never the venue's own."""

from typing import Final

from oms.errors import NotClaimableError, UnknownOrderError
from oms.order.events import OrderClaimed, OrderEvent
from oms.order.messages import ClaimOrder
from oms.order.state import CLOSED, EXTERNAL, Order
from oms.values import Origin

VENUES_OWN: Final = frozenset({Origin.LIQUIDATION, Origin.ADL, Origin.SETTLEMENT})


def claim(command: ClaimOrder, order: Order | None) -> tuple[OrderEvent, ...]:
    """Return the claim; none if the order is that strategy's already.

    Raises:
        UnknownOrderError: the log holds no such order.
        NotClaimableError: it is not an order that somebody may be given.
    """
    if order is None:
        raise UnknownOrderError(f"no order {command.client_order_id} on account {command.account}")
    name, owner = command.client_order_id, order.request.strategy
    if not command.strategy or command.strategy == EXTERNAL:
        raise NotClaimableError(f"{command.strategy!r} is no strategy", next_step="name the one that is to have it")
    if owner == command.strategy:
        return ()
    if owner != EXTERNAL:
        raise NotClaimableError(f"{name} is an order of the strategy {owner}")
    if order.origin in VENUES_OWN:
        raise NotClaimableError(f"{name} is the venue's own: a {order.origin}")
    if order.life in CLOSED and not order.trades:
        raise NotClaimableError(f"{name} is {order.life.value} and traded nothing: there is nothing to give")
    return (OrderClaimed(strategy=command.strategy, reason=command.reason),)
