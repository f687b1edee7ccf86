"""How a comparison with the venue went, and of every open order whether both sides know it, pure (S07)."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from oms.book import Book
from oms.breaks.decisions import Disagreement
from oms.reconcile import OPEN, Part, Picture, Result, address
from oms.reports import OrderReport
from oms.values import ClientOrderId

_NOTHING: Final[Mapping[ClientOrderId, "Sighting"]] = MappingProxyType({})


class Sighting(StrEnum):
    """What a comparison says of one order that is open here or at the venue."""

    MATCHED = "matched"  # open on both sides
    ADOPTED = "adopted"  # open at the venue, and taken over: nobody here knew it, or knew that it lives
    ENDED = "ended"  # open here, and the venue, asked for it, shows its end
    UNKNOWN = "unknown"  # open here, and the venue does not show it: to be proven


class Standing(Struct, frozen=True, kw_only=True):
    """How a comparison went: `failures` say what could not be asked, `disagreements` what remains, `orders` what was
    found of each open order. What disagrees and was not seen with these figures before is not `confirmed`. `waits_for`
    says what an account is not taken over without; it is empty once it was.
    """

    result: Result
    opened: bool  # the account's balances were taken over, now or earlier
    failures: Mapping[Part, str]
    disagreements: tuple[Disagreement, ...]
    orders: Mapping[ClientOrderId, Sighting] = _NOTHING
    waits_for: str = ""
    confirmed: bool = True


def sightings(book: Book, picture: Picture) -> Mapping[ClientOrderId, Sighting]:
    """Return what `picture` says of every order that is open in `book` as it was before, or at the venue."""
    seen: dict[ClientOrderId, Sighting] = {}
    lists = (picture.open_orders, *picture.looked_up.values())
    shown = {
        address(book.name, each): each
        for answer in lists
        for each in (() if answer is None else answer.reports)
        if isinstance(each, OrderReport)
    }
    for stream in book.open:
        name, report = book.orders[stream].request.client_order_id, shown.get(stream)
        if report is None:
            seen[name] = Sighting.UNKNOWN
        else:
            seen[name] = Sighting.MATCHED if report.status in OPEN else Sighting.ENDED
    for stream, report in shown.items():
        if report.status in OPEN and stream not in book.open:
            seen[ClientOrderId(stream.rpartition("/")[2])] = Sighting.ADOPTED
    return seen


Sightings = Mapping[ClientOrderId, Sighting]


def together(before: Sightings, now: Sightings) -> Sightings:
    """Return what two comparisons in a row say: the later word counts, but who was adopted before was not known."""
    adopted = {name for name, sighting in before.items() if sighting is Sighting.ADOPTED}
    stays = {
        name: Sighting.ADOPTED for name, sighting in now.items() if name in adopted and sighting is Sighting.MATCHED
    }
    return {**before, **now, **stays}
