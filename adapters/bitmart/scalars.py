"""BitMart's scalars, read tolerantly: the same field comes as "1.50", 1.5, "", "-", null or not at all (PROTOCOL 9.28).

A message's field is typed `Wire` where that can happen; these functions say what it holds. Each returns None for an
absent value and raises ValueError for one that is there and makes no sense.
"""

import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")
Wire = Any  # str, int, Decimal or None: a scalar as the venue happened to spell it
ABSENT: Final = ("", "-")
SPELLED_MAX: Final = 80  # characters; pushes carry 30 fractional digits
MILLIS_MAX: Final = 14  # characters of a time that is surely none past the end
NAME_MAX: Final = 64  # characters of a market's name: names are kept, and must not take much
SPELLINGS_MAX: Final = 8192  # decimals that are kept by their spelling
VENUE_ORDER_ID: Final = re.compile(r"[1-9][0-9]{0,31}", re.ASCII)  # a zero would be no id to the venue
SECOND_MS: Final = 1000
LATEST_MS: Final = 253_402_300_799_999  # the end of 9999
SECONDS_BELOW: Final = 100_000_000_000  # a time of less is in seconds: as milliseconds it were before 1973-03
MAGNITUDE_MAX: Final = 60  # digits either side of the point: 1e999999 would be an attack on memory
LARGEST_MAX: Final = 19  # digits before the point, less one: no coin has as many units, and of more no sum is exact


def amount(value: Wire) -> Decimal | None:
    """Return a decimal, digit for digit."""
    if type(value) is str:
        return _spelled(value)
    if value is None:
        return None
    if type(value) is not int and type(value) is not Decimal:
        raise ValueError(f"not a number: {value!r:.80}")
    return _spelled(str(value))


@lru_cache(maxsize=SPELLINGS_MAX)  # an order's figures come again with every push of it
def _spelled(value: str) -> Decimal | None:
    if value in ABSENT:
        return None
    if len(value) > SPELLED_MAX or "_" in value:
        raise ValueError(f"beyond any amount: {value:.80}")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"not a number: {value:.80}") from error
    if not number.is_finite() or not -MAGNITUDE_MAX <= number.adjusted() <= LARGEST_MAX:
        raise ValueError(f"beyond any amount: {value:.80}")
    return number


def positive(value: Wire) -> Decimal | None:
    """Return a decimal where zero is the venue's way of saying that there is none."""
    return _above_zero(value) if type(value) is str else _some(amount(value))


@lru_cache(maxsize=SPELLINGS_MAX)
def _above_zero(value: str) -> Decimal | None:
    return _some(_spelled(value))


def _some(number: Decimal | None) -> Decimal | None:
    return None if number is None or number <= 0 else number


def unsigned(value: Wire) -> Decimal | None:
    """Return a decimal that cannot be negative."""
    number = amount(value)
    if number is not None and number < 0:
        raise ValueError(f"negative: {value!r:.80}")
    return number


def above_zero(value: Wire, name: str) -> Decimal:
    """Return a decimal that has to be there, and more than nothing."""
    number = required(value, name)
    if number <= 0:
        raise ValueError(f"{name} is {value!r:.80}")
    return number


def required(value: Wire, name: str) -> Decimal:
    """Return a decimal that has to be there."""
    return _there(amount(value), name)


def _there(found: T | None, name: str) -> T:
    if found is None:
        raise ValueError(f"{name} is missing")
    return found


def text(value: Wire) -> str | None:
    """Return a text or an identifier; ids beyond 2^53 stay whole, and a dash is none."""
    if type(value) is str:
        if "\0" in value:  # the log takes it in no name, and no venue means it
            raise ValueError(f"not a text: {value!r:.80}")
        found = value.strip()
        return None if found in ABSENT else found
    if value is None:
        return None
    if type(value) is int:
        return str(value)
    if type(value) is Decimal and abs(value.adjusted()) <= MAGNITUDE_MAX and value == (number := int(value)):
        return str(number)  # 2.0, or an id as 2.20609666322019e14: still every digit of it
    raise ValueError(f"not a text: {value!r:.80}")


FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}


def flag(value: Wire) -> bool | None:
    """Return a yes or no, which comes as a boolean, a word or a number."""
    if type(value) is bool:
        return value
    said = word(value)
    if said is None:
        return None
    if said not in FLAGS:
        raise ValueError(f"neither yes nor no: {value!r:.80}")
    return FLAGS[said]


def required_flag(value: Wire, name: str) -> bool:
    """Return a yes or no that has to be there."""
    return _there(flag(value), name)


def word(value: Wire) -> str | None:
    """Return a word of the venue's vocabulary, whose case varies (PROTOCOL 9.28)."""
    found = text(value)
    return None if found is None else found.lower()


def identity(value: Wire) -> str | None:
    """Return an identifier, where zero means none."""
    name = value if type(value) is str and value.isalnum() else text(value)  # as nearly all of them are
    return None if name == "0" else name


def millis(value: Wire) -> int | None:
    """Return a time in milliseconds; zero means none."""
    if type(value) is str and len(value) <= MILLIS_MAX and value.isdecimal():
        return int(value) or None  # how nearly all of them come
    number = amount(value)
    if number is None or number == 0:
        return None
    if number != int(number) or not 0 <= number <= LATEST_MS:
        raise ValueError(f"not a time in milliseconds: {value!r:.80}")
    return int(number)


def required_id(value: Wire, name: str) -> str:
    """Return an identifier that has to be there."""
    return _there(identity(value), name)


def order_id(value: Wire) -> str | None:
    """Return the venue's id of an order, None for none. By anything but a number nothing could be canceled."""
    name = identity(value)
    if name is not None and not VENUE_ORDER_ID.fullmatch(name):
        raise ValueError(f"not an order's id: {name:.80}")
    return name


def required_order_id(value: Wire) -> str:
    """Return the venue's id of an order, which has to be there."""
    return _there(order_id(value), "the order's id")


def instant(value: Wire) -> int | None:
    """Return a time in milliseconds, also where the venue sends seconds; zero means none (PROTOCOL 9.23)."""
    if type(value) is int and SECONDS_BELOW < value <= LATEST_MS:
        return value  # how nearly all of them come
    number = amount(value)
    if number is None or number == 0:
        return None
    at_ms = int(number if number > SECONDS_BELOW else number * SECOND_MS)
    if not 0 <= at_ms <= LATEST_MS or number != int(number):
        raise ValueError(f"not a time: {value!r:.80}")
    return at_ms


def whole(value: Wire, name: str) -> int:
    """Return an integer that has to be there."""
    number = required(value, name)
    if number != int(number):
        raise ValueError(f"{name} is not whole: {value!r:.80}")
    return int(number)


# The same for texts alone, which private pushes are full of: kept by their spelling.
signed_of: Final = _spelled
positive_of: Final = _above_zero
unsigned_of: Final = lru_cache(maxsize=SPELLINGS_MAX)(unsigned)
millis_of: Final = lru_cache(maxsize=SPELLINGS_MAX)(millis)  # of times that come again, as an order's creation

M = TypeVar("M")


def decoder(kind: type[M]) -> msgspec.json.Decoder[M]:
    """Return the decoder of one kind of message, which keeps every digit of a JSON number."""
    return msgspec.json.Decoder(kind, float_hook=Decimal)
