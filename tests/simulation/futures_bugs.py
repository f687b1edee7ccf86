"""Bugs of perpetuals, planted one at a time as those of `bugs.py` are; some of them were in the product once."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from adapters.bitmart.perp import codec
from oms.decide import SEIZED, Addressed
from oms.dispatcher import Dispatcher
from oms.engine import Engine
from oms.gate import Gate
from oms.heartbeat import Heartbeat
from oms.order.messages import OrderNews
from oms.order.state import Order
from oms.perpetuals import Perpetuals
from oms.ports import Spawn
from oms.reconcile import Picture, is_perpetual
from oms.reports import LedgerReport, OrderReport, PositionReport
from oms.survey import Survey
from oms.values import PositionLeg
from oms.venue import Answer, Evidence, LastLook, OrderRef, Venue, nothing_holds
from tests.simulation.bugs import Planted
from tests.simulation.running import Parts

OTHER: Final = {PositionLeg.LONG: PositionLeg.SHORT, PositionLeg.SHORT: PositionLeg.LONG}


class NamesPaymentsByReading(Perpetuals):
    """Knows a payment by when it was read."""

    async def _tell(self, news: Sequence[Addressed], answer: Answer) -> None:
        named = [
            (stream, replace(report, ledger_id=f"{report.ledger_id}at{self._clock.now_ns()}"))
            if isinstance(report, LedgerReport)
            else (stream, report)
            for stream, report in news
        ]
        await super()._tell(named, answer)


class BooksFundingTwice(Survey):
    """Books what the ledger tells each time that it is read."""

    def __init__(self, recording: Any, venue: Venue, **ports: Any) -> None:
        super().__init__(recording, venue, **ports)
        self._perpetuals = NamesPaymentsByReading(recording, venue, clock=ports["clock"], ids=ports["ids"])


class ConfusesLegs(Dispatcher):
    """Sends what is to close a leg to the other one."""

    async def _ask_submit(self, stream: str, order: Order) -> tuple[OrderNews, Evidence | None]:
        request = order.request
        if request.reduces and request.position_leg in OTHER:
            request = replace(request, position_leg=OTHER[request.position_leg], reduce_only=False)
        return await super()._ask_submit(stream, replace(order, request=request))


class ForgetsReduceOnly(Dispatcher):
    """Leaves out that an order may only close."""

    async def _ask_submit(self, stream: str, order: Order) -> tuple[OrderNews, Evidence | None]:
        return await super()._ask_submit(stream, replace(order, request=replace(order.request, reduce_only=False)))


class IgnoresSeizures(Survey):
    """Passes over the orders that the venue sent by itself: they have no name of ours."""

    async def _report(self, news: Sequence[Addressed], answer: Answer) -> None:
        kept = [each for each in news if not (isinstance(each[1], OrderReport) and each[1].origin in SEIZED)]
        await super()._report(kept, answer)


class CancelsWithoutIds(Gate):
    """Cancels by the market alone, as BitMart lets one do (PROTOCOL 9.4)."""

    async def cancel(self, order: OrderRef, *, last_look: LastLook = nothing_holds) -> Answer:
        if not is_perpetual(order.symbol):
            return await super().cancel(order, last_look=last_look)
        venue: Any = self._pass()
        rest = getattr(venue, "_perp", venue)._rest
        evidence = await rest.signed(codec.CANCEL_ORDER, b'{"symbol":"BTCUSDT"}')
        return Answer(reports=codec.answer(codec.CANCEL_ORDER, evidence.response, evidence.status), evidence=evidence)


class BeatsOnAStaleLease(Heartbeat):
    """Holds the venue's switch for a writer that may have lost its account."""

    def __init__(self, engine: Engine, venue: Venue, *, seconds: int, spawn: Spawn) -> None:
        assert isinstance(venue, Gate)
        super().__init__(engine, venue._venue, seconds=seconds, spawn=spawn)

    @property
    def _well(self) -> bool:
        return True


class ForgetsWhatWaited(Survey):
    """Knows an order that a plan sent only while the plan is in memory (it was in the product, until seed 114)."""

    async def record(self, answer: Answer) -> None:
        for key, name in list(self._book.waited.items()):
            if f"order/{self._book.name}/{name}" not in self._book.orders:
                del self._book.waited[key]
        await super().record(answer)


class ComparesWhatWasEarned(Survey):
    """Holds our balance against the venue's while a position is open, whatever the order in which its trades were
    learned (it was in the product, until seed 72).
    """

    async def _ask_everything(self, *, starting: bool) -> Picture:
        picture = await super()._ask_everything(starting=starting)
        if picture.positions is None:
            return picture
        reports = tuple(
            replace(each, cost=None) if isinstance(each, PositionReport) else each for each in picture.positions.reports
        )
        return replace(picture, positions=replace(picture.positions, reports=reports))


FUTURES_BUGS: Final[Mapping[str, Planted]] = {
    "book funding twice": Planted(Parts(survey=BooksFundingTwice), frozenset({"I7"})),
    "confuse the legs": Planted(Parts(dispatcher=ConfusesLegs), frozenset({"I3", "I5"})),
    "forget reduce-only": Planted(Parts(dispatcher=ForgetsReduceOnly), frozenset({"I15"})),
    "ignore a liquidation": Planted(Parts(survey=IgnoresSeizures), frozenset({"I1", "I5", "I7", "I10"})),
    "cancel without an id": Planted(Parts(gate=CancelsWithoutIds), frozenset({"I3"})),
    "beat on a stale lease": Planted(Parts(heartbeat=BeatsOnAStaleLease), frozenset({"I14"})),
    "forget what waited": Planted(Parts(survey=ForgetsWhatWaited), frozenset({"I8"})),
    "compare what was earned": Planted(Parts(survey=ComparesWhatWasEarned), frozenset({"I7"})),
}
