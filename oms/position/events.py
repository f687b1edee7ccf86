"""What can happen to one leg of a position. The tags are stored names: never reuse one, never edit one."""

from decimal import Decimal

from msgspec import Struct

from oms.values import ClientOrderId, Currency, ExecId


class _Event(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="type"):
    """Absent values are None and left out of the body."""


class FillBooked(_Event, frozen=True, tag="fill-booked/1"):
    """One trade, as it moved the leg. `quantity` is signed: a buy adds, a sell takes away.

    `cost_change` is the signed change of the open cost (quote units), `realized` what the closed part earned before
    commissions: `quantity x price = cost_change - realized`, exactly.
    """

    exec_id: ExecId
    client_order_id: ClientOrderId
    quantity: Decimal
    price: Decimal
    cost_change: Decimal
    realized: Decimal
    commission: Decimal | None = None
    commission_currency: Currency | None = None


class FillReversed(_Event, frozen=True, tag="fill-reversed/1"):
    """A busted trade, taken back: the opposite quantity at the trade's own price, its commission returned."""

    exec_id: ExecId
    client_order_id: ClientOrderId
    quantity: Decimal
    price: Decimal
    cost_change: Decimal
    realized: Decimal
    commission: Decimal | None = None
    commission_currency: Currency | None = None


class CommissionBooked(_Event, frozen=True, tag="commission-booked/1"):
    """The commission of an earlier fill, told late by the venue."""

    exec_id: ExecId
    commission: Decimal
    commission_currency: Currency


PositionEvent = FillBooked | FillReversed | CommissionBooked
