"""Quotients of money. Sums and products are exact; what a division leaves over is cut here and nowhere else."""

from decimal import ROUND_HALF_EVEN, ROUND_UP, Decimal
from typing import Final

from oms.values import EXACT, RATIO

MONEY_GRID: Final = Decimal("0.000000000001")
DIGITS_MAX: Final = 18  # before the point
DECIMALS_MAX: Final = 30  # behind it, as in the pushes with the longest numbers
_ROUNDING: Final = EXACT.copy()
_ROUNDING.clear_traps()


def reasonable(value: Decimal) -> bool:
    """Say whether exact arithmetic has room for `value` times others: finite, below 10^18, 30 decimals at most."""
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DECIMALS_MAX and value.adjusted() < DIGITS_MAX


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return `part` / `whole` of `amount`; all of it, to the last digit, where the part is the whole."""
    if part == whole:
        return amount
    return RATIO.divide(EXACT.multiply(amount, part), whole).quantize(MONEY_GRID, ROUND_HALF_EVEN, context=_ROUNDING)


def margin_of_one(value: Decimal, leverage: int) -> Decimal:
    """Return the initial margin of one contract worth `value`, rounded up: n contracts need n times that, exactly."""
    return RATIO.divide(value, Decimal(leverage)).quantize(MONEY_GRID, ROUND_UP, context=_ROUNDING)


def on_grid(value: Decimal, step: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """Return the multiple of `step` next to `value`."""
    steps = RATIO.divide(value, step).quantize(Decimal(1), rounding, context=_ROUNDING)
    return EXACT.multiply(steps, step)
