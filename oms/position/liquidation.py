"""At which mark price the venue would take positions over: worked out, pure, for linear contracts.

The venue's rule (PROTOCOL 6.8): margin balance below maintenance margin. An isolated leg has its own margin for
balance, a cross leg all that the wallet has for cross legs. Maintenance is on the value at entry, by the tiers that the
venue publishes, as in the one capture there is; closing costs the taker's commission, as the venue's help centre has
it. Its exact formula is not known: where the venue tells its own price, that one counts, and this is ours beside it.

With q contracts x contract size (short is negative), cost c = q x entry, P the mark, R the taker's rate:

    balance + sum(q P - c) - R sum(|q|) P = maintenance
    P = (sum c + maintenance - balance) / (sum q - R sum|q|)
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from oms.instrument import Instrument
from oms.position.state import Position
from oms.values import EXACT, RATIO, ZERO, MarginMode, PositionLeg, Symbol, Wallet

Key = tuple[Symbol, PositionLeg]


class Backed(Struct, frozen=True, kw_only=True):
    """One open leg with what is known of its market."""

    key: Key
    leg: Position
    instrument: Instrument
    maintenance: Decimal


def liquidation_prices(
    legs: Mapping[Key, Position],
    instruments: Mapping[Symbol, Instrument],
    marks: Mapping[Symbol, Decimal],
    available: Decimal,
) -> dict[Key, Decimal]:
    """Return the price for each leg of one settlement coin that has one and for which enough is known.

    `available` is what of the coin is neither margin nor held by orders, without unrealized profit. A leg whose
    leverage, margin mode or tiers nobody has told has no price; a cross leg has none while the mark of another cross
    market is unknown, nor while one of the cross legs lacks its tiers.
    """
    known = [backed for key, leg in legs.items() if leg.quantity and (backed := _backed(key, leg, instruments))]
    open_legs = {key for key, leg in legs.items() if leg.quantity}
    prices = {
        each.key: price
        for each in known
        if each.leg.margin_mode is MarginMode.ISOLATED
        and (price := _price([each], EXACT.subtract(each.leg.margin, each.maintenance))) is not None
    }
    cross = [each for each in known if each.leg.margin_mode is MarginMode.CROSS]
    if len(cross) + sum(each.leg.margin_mode is MarginMode.ISOLATED for each in known) < len(open_legs):
        return prices  # what the other legs take from the wallet, nobody knows
    for symbol in {each.key[0] for each in cross}:
        own = [each for each in cross if each.key[0] == symbol]
        others = [each for each in cross if each.key[0] != symbol]
        if any(each.key[0] not in marks for each in others):
            continue
        price = _price(own, _cushion(cross, others, marks, available))
        if price is not None:
            prices |= {each.key: price for each in own}
    return prices


def _backed(key: Key, leg: Position, instruments: Mapping[Symbol, Instrument]) -> Backed | None:
    instrument = instruments.get(key[0])
    if instrument is None or instrument.wallet is not Wallet.FUTURES or leg.leverage is None or leg.margin_mode is None:
        return None
    maintenance = instrument.maintenance(leg.open_cost.copy_abs())
    return None if maintenance is None else Backed(key=key, leg=leg, instrument=instrument, maintenance=maintenance)


def _cushion(
    cross: Sequence[Backed], others: Iterable[Backed], marks: Mapping[Symbol, Decimal], available: Decimal
) -> Decimal:
    """Return what the wallet has for its cross legs above what they need, with the profit of the other markets."""
    cushion = available
    for each in cross:
        cushion = EXACT.add(cushion, EXACT.subtract(each.leg.margin, each.maintenance))
    for each in others:
        cushion = EXACT.add(cushion, each.leg.unrealized(marks[each.key[0]]))
    return cushion


def _price(legs: Sequence[Backed], cushion: Decimal) -> Decimal | None:
    """Return the mark at which `cushion` is gone, rounded to the market's step away from it; None: no price does that.

    A long is in danger below, a short above: rounding is to the side where the danger begins earlier.
    """
    net = gross = cost = ZERO
    for each in legs:
        quantity = EXACT.multiply(each.leg.quantity, each.leg.contract_size)
        net, gross = EXACT.add(net, quantity), EXACT.add(gross, quantity.copy_abs())
        cost = EXACT.add(cost, each.leg.open_cost)
    instrument = legs[0].instrument
    slope = EXACT.subtract(net, EXACT.multiply(instrument.taker_fee, gross))
    if not net or not slope:
        return None  # long and short alike: what one loses the other earns
    price = RATIO.divide(EXACT.subtract(cost, cushion), slope)
    if price <= ZERO:
        return None
    steps, left = RATIO.divmod(price, instrument.price_step)
    up = bool(left) and net > ZERO
    return RATIO.multiply(RATIO.add(steps, Decimal(up)), instrument.price_step)
