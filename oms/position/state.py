"""One leg of a position: signed quantity and open cost are kept, exactly; everything else is derived.

On any path, for any mark price: realized + unrealized(mark) = sum of quantity x contract size x (mark - price), digit
for digit. Commissions stand beside, by currency, since they may be charged in any coin, and so does funding. The mark
is market data: no event holds it, and what depends on it is worked out when somebody asks.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from oms.position.events import (
    ClearanceBooked,
    CommissionBooked,
    FillBooked,
    FillReversed,
    FundingBooked,
    LegTakenOver,
    LeverageRefused,
    LeverageRequested,
    LeverageSet,
    PositionEvent,
    ShareClaimed,
)
from oms.values import EXACT, NO_AMOUNTS, ONE, RATIO, ZERO, ClientOrderId, Currency, ExecId, MarginMode, worth

FLOWS_KEPT: Final = 256  # payments known again; what is older than all of them is taken for known

CLAIMS_KEPT: Final = 64  # requests known again


class Position(Struct, frozen=True, kw_only=True, gc=False):
    """`quantity` in base units or contracts, long positive, short negative; `open_cost` (signed), `realized` and
    `funding` (received less paid) in quote units. `leverage` is None where nobody has said it.
    """

    version: int = 0
    quantity: Decimal = ZERO
    open_cost: Decimal = ZERO
    realized: Decimal = ZERO
    commissions: Mapping[Currency, Decimal] = NO_AMOUNTS  # paid so far; a rebate lowers it
    contract_size: Decimal = ONE
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    funding: Decimal = ZERO
    flows: tuple[tuple[int, str], ...] = ()  # (at_ms, kind and id) of what the ledger told last, the oldest first
    asked: LeverageRequested | None = None  # what it is to be backed with, until the venue has answered
    settings: tuple[LeverageRequested, ...] = ()  # the latest ones
    claims: tuple[str, ...] = ()  # requests by which shares of it were given to strategies, the latest ones

    @property
    def average_price(self) -> Decimal | None:
        """Quote per base of what is open, rounded to 40 digits; None when flat."""
        return (
            RATIO.divide(self.open_cost, EXACT.multiply(self.quantity, self.contract_size)) if self.quantity else None
        )

    @property
    def margin(self) -> Decimal:
        """What backs the leg on a perpetual: its cost by the leverage, or all of it where no leverage is known."""
        cost = self.open_cost.copy_abs()
        return cost if self.leverage is None else RATIO.divide(cost, self.leverage)

    def unrealized(self, mark: Decimal) -> Decimal:
        """Return what closing at `mark` would earn, in quote units, exactly."""
        return EXACT.subtract(worth(self.quantity, mark, self.contract_size), self.open_cost)


FLAT = Position()


class Fill(Struct, frozen=True, kw_only=True, gc=False):
    """One trade of an order. `quantity` is signed: a buy adds, a sell takes away."""

    exec_id: ExecId
    client_order_id: ClientOrderId
    quantity: Decimal
    price: Decimal
    commission: Decimal | None = None
    commission_currency: Currency | None = None
    contract_size: Decimal = ONE
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None


def book(fill: Fill, position: Position) -> tuple[FillBooked, ...]:
    """Return the booking of `fill`: what it closes is realized, what it opens is cost; a flip is booked as both."""
    quantity, held = fill.quantity, position.quantity
    if _flips(held, quantity):
        opens = replace(fill, quantity=EXACT.add(held, quantity), commission=None, commission_currency=None)
        return (_booked(replace(fill, quantity=held.copy_negate()), position), _booked(opens, FLAT))
    return (_booked(fill, position),)


def reverse(fill: Fill, position: Position) -> tuple[FillReversed, ...]:
    """Return the reversal of a busted `fill`: a trade of the opposite sign at its price, its commission returned."""
    commission = None if fill.commission is None else fill.commission.copy_negate()
    opposite = replace(fill, quantity=fill.quantity.copy_negate(), commission=commission)
    return tuple(
        FillReversed(
            exec_id=part.exec_id,
            client_order_id=part.client_order_id,
            quantity=part.quantity,
            price=part.price,
            cost_change=part.cost_change,
            realized=part.realized,
            commission=part.commission,
            commission_currency=part.commission_currency,
            contract_size=part.contract_size,
        )
        for part in book(opposite, position)
    )


def flow(payment: FundingBooked | ClearanceBooked, position: Position) -> tuple[PositionEvent, ...]:
    """Return the booking of what the venue's ledger tells of a market: none if it is known."""
    key, known = _key(payment), position.flows
    forgotten = len(known) == FLOWS_KEPT and key < known[0]
    return () if forgotten or key in known else (payment,)


def _key(payment: FundingBooked | ClearanceBooked) -> tuple[int, str]:
    """Return what a payment is known by: one id in two kinds of flow is two payments (S38)."""
    kind = "funding" if isinstance(payment, FundingBooked) else "clearance"
    return payment.at_ms, f"{kind} {payment.ledger_id}"


def _flowed(position: Position, event: FundingBooked | ClearanceBooked) -> Position:
    flows = tuple(sorted((*position.flows, _key(event)))[-FLOWS_KEPT:])
    after = replace(position, version=position.version + 1, flows=flows)
    if isinstance(event, FundingBooked):
        return replace(after, funding=EXACT.add(position.funding, event.amount))
    return replace(after, commissions=_paid(position.commissions, event.currency, event.amount.copy_negate()))


def back(leverage: Decimal | None, margin_mode: MarginMode | None, position: Position) -> tuple[LeverageSet, ...]:
    """Return what is new about what backs the leg; none if it is known."""
    leverage, margin_mode = leverage or position.leverage, margin_mode or position.margin_mode
    asked = position.asked
    news = (leverage, margin_mode) != (position.leverage, position.margin_mode)
    news = news or (asked is not None and (leverage, margin_mode) == (asked.leverage, asked.margin_mode))
    return (LeverageSet(leverage=leverage, margin_mode=margin_mode),) if news else ()


def evolve(position: Position, event: PositionEvent) -> Position:
    """Return the leg after `event`. Moves data, decides nothing."""
    version = position.version + 1
    if isinstance(event, FillBooked | FillReversed):
        backed, mode = (event.leverage, event.margin_mode) if isinstance(event, FillBooked) else (None, None)
        return Position(
            version=version,
            quantity=EXACT.add(position.quantity, event.quantity),
            open_cost=EXACT.add(position.open_cost, event.cost_change),
            realized=EXACT.add(position.realized, event.realized) if event.realized else position.realized,
            commissions=_paid(position.commissions, event.commission_currency, event.commission),
            contract_size=event.contract_size,
            leverage=backed or position.leverage,
            margin_mode=mode or position.margin_mode,
            funding=position.funding,
            flows=position.flows,
            asked=position.asked,
            settings=position.settings,
            claims=position.claims,
        )
    match event:
        case CommissionBooked():
            commissions = _paid(position.commissions, event.commission_currency, event.commission)
            return replace(position, version=version, commissions=commissions)
        case FundingBooked() | ClearanceBooked():
            return _flowed(position, event)
        case LegTakenOver():
            return replace(
                position,
                version=version,
                quantity=EXACT.add(position.quantity, event.quantity),
                open_cost=EXACT.add(position.open_cost, event.cost_change),
                contract_size=event.contract_size,
                leverage=event.leverage or position.leverage,
                margin_mode=event.margin_mode or position.margin_mode,
            )
        case LeverageRequested():
            return replace(position, version=version, asked=event, settings=(*position.settings, event)[-CLAIMS_KEPT:])
        case LeverageRefused():
            ended = position.asked is not None and position.asked.request_id == event.request_id
            return replace(position, version=version, asked=None if ended else position.asked)
        case LeverageSet():
            asked = position.asked
            if asked is not None and (asked.leverage, asked.margin_mode) == (event.leverage, event.margin_mode):
                asked = None
            return replace(
                position, version=version, leverage=event.leverage, margin_mode=event.margin_mode, asked=asked
            )
        case ShareClaimed():
            return replace(position, version=version, claims=(*position.claims, event.request_id)[-CLAIMS_KEPT:])


def _booked(fill: Fill, position: Position) -> FillBooked:
    value = worth(fill.quantity, fill.price, fill.contract_size)
    cost_change = _cost_change(position, fill.quantity, value)
    return FillBooked(
        exec_id=fill.exec_id,
        client_order_id=fill.client_order_id,
        quantity=fill.quantity,
        price=fill.price,
        cost_change=cost_change,
        realized=EXACT.subtract(cost_change, value),
        commission=fill.commission,
        commission_currency=fill.commission_currency,
        contract_size=fill.contract_size,
        leverage=fill.leverage,
        margin_mode=fill.margin_mode,
    )


def _flips(held: Decimal, quantity: Decimal) -> bool:
    return bool(held) and (held > ZERO) is not (quantity > ZERO) and quantity.copy_abs() > held.copy_abs()


def _cost_change(position: Position, quantity: Decimal, value: Decimal) -> Decimal:
    """Return how the open cost moves when `quantity` (signed) trades for `value`; it closes at most what is held."""
    held = position.quantity
    if not held or (held > ZERO) is (quantity > ZERO):
        return value  # opens or adds
    if quantity.copy_abs() == held.copy_abs():
        return position.open_cost.copy_negate()
    # The share of the cost that leaves is rounded once, here; the rest stays exact, so nothing is lost over time.
    return RATIO.divide(EXACT.multiply(position.open_cost, quantity), held)


def _paid(
    commissions: Mapping[Currency, Decimal], currency: Currency | None, amount: Decimal | None
) -> Mapping[Currency, Decimal]:
    if not amount or currency is None:
        return commissions
    return {**commissions, currency: EXACT.add(commissions.get(currency, ZERO), amount)}
