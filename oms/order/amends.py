"""Changes of an order that are on their way: what becomes of them as answers come, and as one of them shows, pure."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from oms.order.events import AmendAccepted, AmendUnknown, OrderAmended
from oms.reports import OrderReport
from oms.values import Protection


class Amend(Struct, frozen=True, gc=False):
    """A change that was asked for. `valid_until_ns` is 0 until an answer, or its lack, says until when it may show.

    `unknown`: no answer settles whether it arrived. `overtaken`: a later one shows; this one may be late, and undo it.
    """

    request_id: str
    price: Decimal | None
    quantity: Decimal | None
    trigger_price: Decimal | None = None
    take_profit: Protection | None = None
    stop_loss: Protection | None = None
    valid_until_ns: int = 0
    unknown: bool = False
    overtaken: bool = False

    @property
    def protects(self) -> bool:
        """Whether it changes what comes into force with the order's fill; it changes nothing else then."""
        return self.take_profit is not None or self.stop_loss is not None


def answered(amends: Sequence[Amend], event: AmendAccepted | AmendUnknown) -> tuple[Amend, ...]:
    """Return the changes once one of them was answered, or was not."""
    until_ns, unknown = event.valid_until_ns, isinstance(event, AmendUnknown)
    return tuple(
        replace(each, valid_until_ns=until_ns, unknown=unknown) if each.request_id == event.request_id else each
        for each in amends
    )


def left(amends: Sequence[Amend], shown: OrderAmended) -> tuple[Amend, ...]:
    """Return the changes that are left once one shows: those after it, and those before it of which nobody knows
    whether they arrived, for they may still. All others are overtaken, and over.
    """
    ids = [each.request_id for each in amends]
    at = ids.index(shown.request_id) if shown.request_id in ids else -1
    late = [each for each in amends[: max(at, 0)] if each.unknown and not shows(shown, each)]
    return (*(replace(each, overtaken=True) for each in late), *amends[at + 1 :])


def shows(picture: OrderReport | OrderAmended, change: Amend) -> bool:
    """Whether what is seen has all that the change asks for."""
    return (
        change.price in {None, picture.price}
        and change.quantity in {None, picture.quantity}
        and change.trigger_price in {None, picture.trigger_price}
        and change.take_profit in (None, picture.take_profit)
        and change.stop_loss in (None, picture.stop_loss)
    )
