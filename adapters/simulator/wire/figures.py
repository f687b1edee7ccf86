"""How figures are spelled on the wire: digit for digit, never with an exponent."""

from decimal import Decimal


def text(value: Decimal, decimals: int = 0) -> str:
    """Spell a decimal with at least `decimals` decimals and without losing a digit."""
    spelled = format(value, "f")
    point = spelled.find(".")
    present = 0 if point < 0 else len(spelled) - point - 1
    if present >= decimals:
        return spelled
    return f"{spelled}{'' if present else '.'}{'0' * (decimals - present)}"


def places(value: Decimal) -> int:
    """How many decimals a number is spelled with."""
    exponent = value.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0
