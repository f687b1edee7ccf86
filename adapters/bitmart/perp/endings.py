"""Which contracts have ended. What the venue closes of one that has is a settlement and no liquidation: the wire has no
word of its own for it that any source shows (PROTOCOL 6.1, 6.6; S62).
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw, Struct

from adapters.bitmart.envelope import MALFORMED, payload
from adapters.bitmart.perp import codec
from adapters.bitmart.perp.spelling import venue_symbol
from adapters.bitmart.rest import Rest
from adapters.bitmart.scalars import Wire, decoder, millis
from oms.reports import OrderReport, Refusal
from oms.values import Origin
from oms.venue import Evidence, NoAnswerError

DELISTED = "delisted"
UNREAD = -1  # the end of a contract whose time makes no sense


class Ending(Struct):
    """A contract of the catalogue, and when it goes: in seconds, 0 for those that stay."""

    symbol: str
    status: Wire = None
    delist_time: Wire = None


_ending: Final = decoder(Ending)


class Catalogue(Struct):
    """`data` of `details`, for what `InstrumentReport` does not say."""

    symbols: list[Raw]


def ended(catalogue: Evidence, now_ms: int) -> Mapping[str, int]:
    """Return the contracts whose end has come, by the venue's names, and when it came, in UTC seconds; 0: not known.
    `UNREAD`: it may have come. One that does not say its name is left out (PROTOCOL 9.51).

    Raises:
        NoAnswerError: the catalogue cannot be read.
    """
    ends: dict[str, int] = {}
    for row in _rows(catalogue):
        if row is None:
            continue
        try:
            at_s = millis(row.delist_time)  # an instant like any other, but in seconds
        except ValueError:
            ends[row.symbol] = UNREAD  # not to be traded
            continue
        if at_s is not None and at_s <= now_ms // 1000:
            ends[row.symbol] = at_s
        elif str(row.status).lower() == DELISTED:
            ends[row.symbol] = 0
    return ends


def living(catalogue: Evidence, now_ms: int) -> tuple[str, ...]:
    """Return every contract that is not certain to have ended, tradable or not, by the venue's names.

    An order may be open in each of them: in one that is paused, coin-margined or dated too.

    Raises:
        NoAnswerError: the catalogue cannot be read, or a contract of it does not say its name.
    """
    ends = ended(catalogue, now_ms)
    rows = _rows(catalogue)
    named = [row.symbol for row in rows if row is not None]
    if len(named) < len(rows):
        raise NoAnswerError(f"{catalogue.channel}: a contract without a name", catalogue)
    return tuple(name for name in named if ends.get(name, UNREAD) == UNREAD)


def _rows(catalogue: Evidence) -> list[Ending | None]:
    listed = payload(Catalogue, catalogue.response, catalogue.status)
    if isinstance(listed, Refusal):
        raise NoAnswerError(f"{catalogue.channel}: {listed.text}", catalogue)
    return [_row(raw) for raw in listed.symbols]


def _row(raw: Raw) -> Ending | None:
    try:
        return _ending.decode(raw)
    except MALFORMED:
        return None


class Endings:
    """Tells settlements from liquidations by the catalogue, which is asked only when a position was seized."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._ends: Mapping[str, int] = {}
        self._asked_ms = 0

    async def told(self, report: OrderReport) -> OrderReport:
        """Return the report, as a settlement if its contract had ended when the venue made the order.

        Where the catalogue cannot be asked it stays a liquidation, which stops trading until a person has looked.
        """
        if report.origin is not Origin.LIQUIDATION:
            return report
        made_ms = report.created_ms or report.updated_ms or self._rest.server_clock.now_ms()
        symbol = venue_symbol(report.symbol)
        if symbol not in self._ends and self._asked_ms <= made_ms:
            await self._ask()
        end_s = self._ends.get(symbol)
        if end_s is None or made_ms // 1000 < end_s:
            return report
        return msgspec.structs.replace(report, origin=Origin.SETTLEMENT)

    async def _ask(self) -> None:
        now_ms = self._rest.server_clock.now_ms()
        try:
            self._ends = ended(await self._rest.public(codec.DETAILS), now_ms)
        except NoAnswerError:
            return
        self._asked_ms = now_ms
