"""Bugs against the promises about everything but the truth: rates, secrets, limits, what is left lying about."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final

import structlog
from msgspec.structs import replace

from adapters.bitmart.limits import Ban, Limiter, Purpose
from oms.book import Book
from oms.decide import Decider
from oms.engine import Engine
from oms.lease import Lease
from oms.order.events import OrderRequested
from oms.order.messages import PlaceOrder
from oms.order.state import Life
from oms.ports import EventLog, Link, LinkAnswer, Socket, Spawn
from oms.recovery import Recovered
from oms.risk import Facts
from oms.standby import Standby
from oms.survey import Survey
from oms.values import Purse, StrategyId
from oms.venue import Answer, Evidence, Venue
from tests.simulation.bugs import Planted
from tests.simulation.running import Parts

log = structlog.get_logger()


class LimitsNothing(Limiter):
    """Lets every call go at once."""

    @asynccontextmanager
    async def turn(self, path: str, purpose: Purpose = Purpose.ASKING) -> AsyncIterator[None]:
        yield


def limits_nothing(venue: Venue) -> Venue:
    """Take the limiter out."""
    for host in _hosts(venue):
        host._rest.limiter = LimitsNothing(host._rest.clock, {})
    return venue


class Forgotten(Ban):
    """A ban that nobody goes by."""

    def __setattr__(self, name: str, value: float) -> None:
        super().__setattr__(name, 0.0)


def goes_on_though_banned(venue: Venue) -> Venue:
    """Call whatever the venue says."""
    for host in _hosts(venue):
        host._rest.limiter.ban = Forgotten()
    return venue


class LogsHeaders:
    """A link that logs what it carries."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.connect, self.close = link.connect, link.close

    async def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> LinkAnswer:
        log.debug("calls", url=url, headers=dict(headers))
        return await self._link.call(method, url, headers, body, seconds)


def logs_headers(venue: Venue) -> Venue:
    """Log every call as it leaves."""
    for host in _hosts(venue):
        host._rest._link = LogsHeaders(host._rest._link)
    return venue


def keeps_headers(venue: Venue) -> Venue:
    """Keep, as evidence of a call, all that was sent."""
    for host in _hosts(venue):
        host._rest._evidence = _with_key(host._rest)
    return venue


def _with_key(rest: Any) -> Any:
    plain = rest._evidence

    def evidence(channel: str, body: bytes, answer: LinkAnswer, sent_ns: int) -> Evidence:
        whole: Evidence = plain(channel, body, answer, sent_ns)
        return replace(whole, request=f"X-BM-KEY: {rest._credentials.key}\n\n".encode() + body)

    return evidence


class WatchesForEver:
    """A link that has a task look after each connection, which nobody ends."""

    def __init__(self, link: Link, spawn: Spawn) -> None:
        self._link = link
        self._spawn = spawn
        self.call, self.close = link.call, link.close

    async def connect(self, url: str, seconds: float) -> Socket:
        socket = await self._link.connect(url, seconds)
        self._spawn(self._watch(), name="watch")
        return socket

    @staticmethod
    async def _watch() -> None:
        await asyncio.get_running_loop().create_future()


def watches_for_ever(venue: Venue) -> Venue:
    """Leave a task behind with every connection."""
    for host in _hosts(venue):
        if hasattr(host, "_listen"):
            words = host._listen.keywords
            words["link"] = WatchesForEver(words["link"], words["spawn"])
        else:
            host._stream._link = WatchesForEver(host._stream._link, host._stream._spawn)
    return venue


class RemembersAnswers(Survey):
    """Keeps all that the venue ever said."""

    def __init__(self, *arguments: Any, **ports: Any) -> None:
        super().__init__(*arguments, **ports)
        self._said: list[Answer] = []

    async def record(self, answer: Answer) -> None:
        self._said.append(answer)
        await super().record(answer)


class DoubtIsNoExposure(Decider):
    """Counts what works, and not what may work."""

    def _facts(self, command: PlaceOrder | OrderRequested, book: Book, at_ns: int) -> Facts:
        facts = super()._facts(command, book, at_ns)
        doubted = [book.orders[stream] for stream in book.open if book.orders[stream].life is Life.IN_DOUBT]
        return replace(facts, open_orders=facts.open_orders - len(doubted))


class SpendsWhatIsHeld(Book):
    """Takes all that is owned for what may be spent."""

    def available(self, purse: Purse) -> Decimal:
        return self.funds(purse).total


class HoldsNothing(Engine):
    """Decides on such a book."""

    async def _rebuild(self, warm: Recovered | None = None, *, whole: bool = False) -> None:
        await super()._rebuild(warm, whole=whole)
        self.book.__class__ = SpendsWhatIsHeld


class ForgetsLosses(Standby):
    """Takes an account over without what its strategies have lost."""

    def __init__(self, lease: Lease, log_: EventLog, *, tallied: Collection[StrategyId] = ()) -> None:
        super().__init__(lease, log_)


def _hosts(venue: Venue) -> Iterator[Any]:
    """Yield the parts of an adapter that call a host of their own."""
    whole: Any = venue
    for each in (whole, getattr(whole, "_spot", None), getattr(whole, "_perp", None)):
        if hasattr(each, "_rest"):
            yield each


PROMISE_BUGS: Final[Mapping[str, Planted]] = {
    "limit nothing": Planted(Parts(adapter=limits_nothing), frozenset({"I16"})),
    "log the headers": Planted(Parts(adapter=logs_headers), frozenset({"I18"})),
    "keep the headers": Planted(Parts(adapter=keeps_headers), frozenset({"I18"})),
    "doubt is no exposure": Planted(Parts(decider=DoubtIsNoExposure), frozenset({"I15"})),
    "go on though banned": Planted(Parts(adapter=goes_on_though_banned), frozenset({"I16"})),
    "forget losses": Planted(Parts(standby=ForgetsLosses), frozenset({"I12", "I15"})),
    "hold nothing": Planted(Parts(engine=HoldsNothing), frozenset({"I6"})),
    "watch for ever": Planted(Parts(adapter=watches_for_ever), frozenset({"I19"})),
    "remember every answer": Planted(Parts(survey=RemembersAnswers), frozenset({"I19"})),
}
