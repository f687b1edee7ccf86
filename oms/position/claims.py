"""Giving a strategy what no order of anybody here had made of a leg, pure."""

from decimal import Decimal

from msgspec import Struct

from oms.errors import NotClaimableError, OffGridError
from oms.instrument import Instrument
from oms.order.state import EXTERNAL
from oms.position.events import ShareClaimed
from oms.position.state import Position
from oms.values import EXACT, ZERO, AccountId, PositionLeg, StrategyId, Symbol, bounds, plain


class ClaimShare(Struct, frozen=True, kw_only=True, gc=False):
    """Give a strategy the share of a leg that is nobody's: what was there when the log began, or came from an order
    that was asked for elsewhere. `quantity` without a sign, None for all of it; `price`: None for the leg's average.
    The same `request_id` is the same request.
    """

    account: AccountId
    symbol: Symbol
    position_leg: PositionLeg
    request_id: str
    strategy: StrategyId
    reason: str
    quantity: Decimal | None = None
    price: Decimal | None = None


def claim(
    command: ClaimShare, leg: Position, nobodys: Decimal, instrument: Instrument | None
) -> tuple[ShareClaimed, ...]:
    """Return the claim; none if the request was granted before. `nobodys` is the share that is there to be given,
    `instrument` its market's grid, where that is known.

    Raises:
        NotClaimableError: there is not so much, or nobody can say at which price.
        OffGridError: it is a part that no order of that market could trade.
    """
    name = f"{command.symbol} {command.position_leg}"
    if command.request_id in leg.claims:
        return ()
    if not command.strategy or command.strategy == EXTERNAL:
        raise NotClaimableError(f"{command.strategy!r} is no strategy", next_step="name the one that is to have it")
    if not nobodys:
        raise NotClaimableError(f"no share of {name} is nobody's", next_step="GET /v1/positions shows whose it is")
    size = nobodys.copy_abs() if command.quantity is None else command.quantity
    if not ZERO < size <= nobodys.copy_abs():
        raise NotClaimableError(
            f"{plain(size)} of {name} cannot be given: {plain(nobodys)} is nobody's",
            next_step="name a quantity above zero that is there",
        )
    if instrument is not None and size != nobodys.copy_abs() and EXACT.remainder(size, instrument.quantity_step):
        raise OffGridError(
            f"{plain(size)} of {name} is no multiple of {plain(instrument.quantity_step)}: no order could close it",
            next_step="name a multiple of it, or no quantity: that is all of it",
        )
    price = leg.average_price if command.price is None else command.price
    if price is None or not price > ZERO or (command.price is not None and not bounds(price, ZERO)):
        raise NotClaimableError(
            f"nobody can say what a share of {name} cost", next_step="name a price above zero for it"
        )
    return (
        ShareClaimed(
            request_id=command.request_id,
            strategy=command.strategy,
            quantity=size.copy_sign(nobodys),
            price=price,
            reason=command.reason,
            contract_size=leg.contract_size,
        ),
    )
