"""One leg of a position: signed quantity and open cost are kept, exactly; everything else is derived.

On any path, for any mark price: realized + unrealized(mark) = sum of quantity x (mark - price), digit for digit.
Commissions stand beside, by currency, since they may be charged in any coin.
"""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from oms.position.events import CommissionBooked, FillBooked, FillReversed, PositionEvent
from oms.values import EXACT, NO_AMOUNTS, RATIO, ZERO, ClientOrderId, Currency, ExecId


class Position(Struct, frozen=True, kw_only=True, gc=False):
    """`quantity` in base units, long positive, short negative; `open_cost` (signed) and `realized` in quote units."""

    version: int = 0
    quantity: Decimal = ZERO
    open_cost: Decimal = ZERO
    realized: Decimal = ZERO
    commissions: Mapping[Currency, Decimal] = NO_AMOUNTS  # paid so far; a rebate lowers it

    @property
    def average_price(self) -> Decimal | None:
        """Quote per base of what is open, rounded to 40 digits; None when flat."""
        return RATIO.divide(self.open_cost, self.quantity) if self.quantity else None

    def unrealized(self, mark: Decimal) -> Decimal:
        """Return what closing at `mark` would earn, in quote units, exactly."""
        return EXACT.subtract(EXACT.multiply(self.quantity, mark), self.open_cost)


FLAT = Position()


class Fill(Struct, frozen=True, kw_only=True, gc=False):
    """One trade of an order. `quantity` is signed: a buy adds, a sell takes away."""

    exec_id: ExecId
    client_order_id: ClientOrderId
    quantity: Decimal
    price: Decimal
    commission: Decimal | None = None
    commission_currency: Currency | None = None


def book(fill: Fill, position: Position) -> FillBooked:
    """Return the booking of `fill`: what it closes is realized, what it opens is cost; a flip is both."""
    value = EXACT.multiply(fill.quantity, fill.price)
    cost_change = _cost_change(position, fill.quantity, fill.price, value)
    return FillBooked(
        exec_id=fill.exec_id,
        client_order_id=fill.client_order_id,
        quantity=fill.quantity,
        price=fill.price,
        cost_change=cost_change,
        realized=EXACT.subtract(cost_change, value),
        commission=fill.commission,
        commission_currency=fill.commission_currency,
    )


def reverse(fill: Fill, position: Position) -> FillReversed:
    """Return the reversal of a busted `fill`: a trade of the opposite sign at its price, its commission returned."""
    quantity = -fill.quantity
    value = EXACT.multiply(quantity, fill.price)
    cost_change = _cost_change(position, quantity, fill.price, value)
    return FillReversed(
        exec_id=fill.exec_id,
        client_order_id=fill.client_order_id,
        quantity=quantity,
        price=fill.price,
        cost_change=cost_change,
        realized=EXACT.subtract(cost_change, value),
        commission=None if fill.commission is None else -fill.commission,
        commission_currency=fill.commission_currency,
    )


def evolve(position: Position, event: PositionEvent) -> Position:
    """Return the leg after `event`. Moves data, decides nothing."""
    match event:
        case FillBooked() | FillReversed():
            return Position(
                version=position.version + 1,
                quantity=EXACT.add(position.quantity, event.quantity),
                open_cost=EXACT.add(position.open_cost, event.cost_change),
                realized=EXACT.add(position.realized, event.realized),
                commissions=_paid(position.commissions, event.commission_currency, event.commission),
            )
        case CommissionBooked():
            return replace(
                position,
                version=position.version + 1,
                commissions=_paid(position.commissions, event.commission_currency, event.commission),
            )


def _cost_change(position: Position, quantity: Decimal, price: Decimal, value: Decimal) -> Decimal:
    """Return how the open cost moves when `quantity` (signed) trades at `price`; `value` is their product."""
    held = position.quantity
    if not held or (held > ZERO) is (quantity > ZERO):
        return value  # opens or adds
    if abs(quantity) < abs(held):
        # The share of the cost that leaves is rounded once, here; the rest stays exact, so nothing is lost over time.
        return RATIO.divide(EXACT.multiply(position.open_cost, quantity), held)
    rest = EXACT.add(held, quantity)  # zero when flat, beyond when it flips
    return EXACT.subtract(EXACT.multiply(rest, price), position.open_cost)


def _paid(
    commissions: Mapping[Currency, Decimal], currency: Currency | None, amount: Decimal | None
) -> Mapping[Currency, Decimal]:
    if not amount or currency is None:
        return commissions
    return {**commissions, currency: EXACT.add(commissions.get(currency, ZERO), amount)}
