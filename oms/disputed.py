"""An order that the venue contradicted, as a break tells of it, pure."""

from oms.breaks.decisions import Disagreement
from oms.breaks.events import BreakKind
from oms.order.state import Order


def disputed(order: Order) -> Disagreement:
    """Return the break of an order that is flagged. It counts how often, so that what comes after a person has accepted
    it is told again.
    """
    often = "otherwise" if order.flags == 1 else f"otherwise, {order.flags} times"
    return Disagreement(
        kind=BreakKind.ORDER,
        subject=order.request.client_order_id,
        ours="as its history says",
        theirs=f"{often}: oms explain shows how",
        symbol=order.request.symbol,
    )
