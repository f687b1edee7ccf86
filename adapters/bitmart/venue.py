"""BitMart whole as an `oms.venue.Venue`: one account, its spot market and its perpetuals, two hosts and one key.

A symbol says which of the two it belongs to: ``BTC/USDT`` is spot, ``BTC/USDT:USDT`` a perpetual. A question about
everything is put to both. When one of them cannot be asked, the other's list is told, and that the rest could not be
asked for; where what is not in an answer counts as nothing, there is no answer.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from decimal import Decimal
from functools import partial
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from adapters.bitmart.limits import Ban
from adapters.bitmart.perp import venue as perp
from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot import venue as spot
from oms.instrument import Instrument
from oms.ports import Clock, Ids, Link, Spawn
from oms.reports import Control, Report
from oms.values import MarginMode, PositionMode, Symbol
from oms.venue import (
    Amendment,
    Answer,
    Capabilities,
    CatalogueCutError,
    LastLook,
    NewOrder,
    NoAnswerError,
    OrderRef,
    Window,
    joined,
    nothing_holds,
)

SPOT: Final = "spot"
FUTURES: Final = "futures"
T = TypeVar("T")
WAITING_MAX: Final = 256  # answers of both streams that nobody has taken yet; then the streams wait, unread


class Endpoints(Struct, frozen=True, kw_only=True):
    """Where BitMart is; the WebSocket addresses end before ``/user``."""

    spot: str = "https://api-cloud.bitmart.com"
    futures: str = "https://api-cloud-v2.bitmart.com"
    spot_ws: str = "wss://ws-manager-compress.bitmart.com"
    futures_ws: str = "wss://openapi-ws-v2.bitmart.com"


class Bitmart:
    """One BitMart account, spot and perpetuals. Which of the two answers is the symbol's business, or both do."""

    def __init__(
        self,
        credentials: Credentials,
        endpoints: Endpoints,
        *,
        link: Link,
        clock: Clock,
        ids: Ids,
        spawn: Spawn,
        options: spot.Options | None = None,
        ban: Ban | None = None,
    ) -> None:
        """`ban` is that of all that this process asks of BitMart: it bans addresses."""
        self._link = link
        self._spawn = spawn
        self._unnamed: NoAnswerError | None = None  # why one of the two catalogues could not be read yet, if so
        self._named = False  # both have been read at once: whoever asked knows all markets
        chosen = options or spot.Options()
        of_spot = tuple(symbol for symbol in chosen.fees_of if ":" not in symbol)
        of_perpetuals = tuple(symbol for symbol in chosen.fees_of if ":" in symbol)
        self._spot = spot.BitmartSpot(
            credentials,
            spot.Endpoints(endpoints.spot, endpoints.spot_ws),
            link=link,
            clock=clock,
            ids=ids,
            spawn=spawn,
            options=msgspec.structs.replace(chosen, fees_of=of_spot),
        )
        if ban is not None:
            self._spot.server_clock.ban = ban
        self._perp = perp.BitmartPerp(  # by the same clock, and so by the same ban
            credentials,
            perp.Endpoints(endpoints.futures, endpoints.futures_ws, endpoints.spot),
            link=link,
            clock=clock,
            ids=ids,
            spawn=spawn,
            server_clock=self._spot.server_clock,
            fees_of=of_perpetuals,
            callers=chosen.callers,
        )

    @property
    def name(self) -> str:
        return "bitmart"

    @property
    def skew_ms(self) -> float:
        """How far the venue's clock was ahead of ours when last measured, in ms; both hosts go by it."""
        return self._spot.skew_ms

    def now_ns(self) -> int | None:
        return self._spot.now_ns()

    def _of(self, symbol: Symbol) -> spot.BitmartSpot | perp.BitmartPerp:
        return self._perp if ":" in symbol else self._spot

    def capabilities(self, symbol: Symbol) -> Capabilities:
        return self._of(symbol).capabilities(symbol)

    def recall(self, orders: Iterable[OrderRef]) -> None:
        known = list(orders)
        self._spot.recall(order for order in known if ":" not in order.symbol)
        self._perp.recall(order for order in known if ":" in order.symbol)

    # -------------------------------------------------------------------------------------------- by symbol

    async def submit(self, order: NewOrder, *, last_look: LastLook = nothing_holds) -> Answer:
        return await self._of(order.symbol).submit(order, last_look=last_look)

    async def cancel(self, order: OrderRef, *, last_look: LastLook = nothing_holds) -> Answer:
        return await self._of(order.symbol).cancel(order, last_look=last_look)

    async def cancel_many(self, orders: Sequence[OrderRef], *, last_look: LastLook = nothing_holds) -> Answer:
        return await self._of(orders[0].symbol).cancel_many(orders, last_look=last_look)

    async def amend(self, change: Amendment, *, last_look: LastLook = nothing_holds) -> Answer:
        return await self._of(change.order.symbol).amend(change, last_look=last_look)

    async def order(self, order: OrderRef) -> Answer:
        return await self._of(order.symbol).order(order)

    async def order_trades(self, order: OrderRef) -> Answer:
        return await self._of(order.symbol).order_trades(order)

    async def order_history(self, symbol: Symbol, *, since_ms: int, until_ms: int) -> Answer:
        return await self._of(symbol).order_history(symbol, since_ms=since_ms, until_ms=until_ms)

    async def set_leverage(
        self, symbol: Symbol, leverage: Decimal, margin_mode: MarginMode, *, last_look: LastLook = nothing_holds
    ) -> Answer:
        return await self._of(symbol).set_leverage(symbol, leverage, margin_mode, last_look=last_look)

    async def dead_man(self, symbol: Symbol, seconds: int, *, last_look: LastLook = nothing_holds) -> Answer:
        return await self._of(symbol).dead_man(symbol, seconds, last_look=last_look)

    # -------------------------------------------------------------------------------------------- of perpetuals alone

    async def positions(self) -> Answer:
        return await _asked(FUTURES, self._perp.positions)

    async def ledger(self, *, since_ms: int, until_ms: int) -> Answer:
        """What moved money and is no trade; on spot nothing does that the venue tells of."""
        return await _asked(FUTURES, partial(self._perp.ledger, since_ms=since_ms, until_ms=until_ms))

    async def set_position_mode(self, mode: PositionMode, *, last_look: LastLook = nothing_holds) -> Answer:
        return await self._perp.set_position_mode(mode, last_look=last_look)

    # -------------------------------------------------------------------------------------------- of both

    async def instruments(self) -> tuple[Instrument, ...]:
        """Both catalogues. If one cannot be read there are no balances either until both once were: whoever asked then
        knows all markets, and only then can a comparison be complete.

        Raises:
            CatalogueCutError: one could not be read; it has the other's markets.
            NoAnswerError: neither could.
        """
        found: list[Instrument] = []
        failures: list[NoAnswerError] = []
        for market, ask in ((SPOT, self._spot.instruments), (FUTURES, self._perp.instruments)):
            try:
                found += await _asked(market, ask)
            except NoAnswerError as error:
                failures.append(error)
        if failures and not found:
            raise failures[0]
        self._named = self._named or not failures
        self._unnamed = None if self._named else failures[0]
        if failures:
            raise CatalogueCutError(failures[0].cause, failures[0].evidence, found)
        return tuple(found)

    async def open_orders(self, symbol: Symbol | None = None) -> Answer:
        if symbol is not None:
            return await self._of(symbol).open_orders(symbol)
        return await _either(self._spot.open_orders, self._perp.open_orders)

    async def trades(self, *, since_ms: int, until_ms: int) -> Answer:
        return await _either(
            partial(self._spot.trades, since_ms=since_ms, until_ms=until_ms),
            partial(self._perp.trades, since_ms=since_ms, until_ms=until_ms),
        )

    async def balances(self) -> Answer:
        """Both wallets. What is not listed is zero: so if one cannot be read there is no answer."""
        if self._unnamed is not None:
            raise NoAnswerError(f"the markets are not known: {self._unnamed.cause}", self._unnamed.evidence)
        return _together([await _asked(SPOT, self._spot.balances), await _asked(FUTURES, self._perp.balances)])

    # -------------------------------------------------------------------------------------------- stream and end

    async def stream(self) -> AsyncGenerator[Answer, None]:
        """Both private streams as one: connected while both are, and disconnected from the moment that one is lost. In
        the order in which they are heard: the venue orders nothing between its hosts.
        """
        heard: asyncio.Queue[tuple[str, Answer]] = asyncio.Queue(WAITING_MAX)
        streams = {SPOT: self._spot.stream(), FUTURES: self._perp.stream()}
        listeners = [
            self._spawn(_listen(market, stream, heard), name=f"bitmart {market} stream")
            for market, stream in streams.items()
        ]
        both = _Both()
        try:
            while True:
                market, answer = await heard.get()
                yield both.told(market, answer)
        finally:
            for listener in listeners:
                listener.cancel()

    async def close(self) -> None:
        await self._link.close()


async def _listen(market: str, stream: AsyncGenerator[Answer, None], heard: asyncio.Queue[tuple[str, Answer]]) -> None:
    async with aclosing(stream) as answers:
        async for answer in answers:
            await heard.put((market, answer))


class _Both:
    """Which of the two streams live, and what that makes of their Control reports."""

    def __init__(self) -> None:
        self._live: set[str] = set()
        self._lived = False  # both did, once

    def told(self, market: str, answer: Answer) -> Answer:
        """Return an answer of one stream as one of both."""
        if not any(isinstance(report, Control) for report in answer.reports):
            return answer
        reports = tuple(each for report in answer.reports for each in self._told(market, report))
        return msgspec.structs.replace(answer, reports=reports)

    def _told(self, market: str, report: Report) -> Iterable[Report]:
        match report:
            case Control(event="connected"):
                self._live.add(market)
                if self._live == {SPOT, FUTURES}:
                    self._lived = True
                    yield report
                elif self._lived:  # its gap is over and can be closed, however long the other's lasts
                    yield Control(event="disconnected", text=f"{market} is heard again, and the other is not")
            case Control(event="disconnected", text=text):
                whole = self._live == {SPOT, FUTURES}
                self._live.discard(market)
                if whole:
                    yield Control(event="disconnected", text=f"{market}: {text}")
            case _:
                yield report


async def _asked(market: str, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask one host; a NoAnswerError says which."""
    try:
        return await ask()
    except NoAnswerError as error:
        raise NoAnswerError(
            f"{market}: {error.cause}",
            error.evidence,
            sent=error.sent,
            again_seconds=error.again_seconds,
            unreadable=error.unreadable,
        ) from error


async def _either(of_spot: Callable[[], Awaitable[Answer]], of_futures: Callable[[], Awaitable[Answer]]) -> Answer:
    """Return what the two know between them, complete only if both could be asked; `unasked` says which could not.

    Raises:
        NoAnswerError: neither could.
    """
    answers: list[Answer] = []
    failures: list[NoAnswerError] = []
    for market, ask in ((SPOT, of_spot), (FUTURES, of_futures)):
        try:
            answers.append(await _asked(market, ask))
        except NoAnswerError as error:
            failures.append(error)
    if not answers:
        raise failures[0]
    return _together(answers, failures)


def _together(answers: Sequence[Answer], failures: Sequence[NoAnswerError] = ()) -> Answer:
    evidence = [*(answer.evidence for answer in answers), *(failure.evidence for failure in failures)]
    return Answer(
        reports=tuple(report for answer in answers for report in answer.reports),
        evidence=joined(evidence),
        source=answers[0].source,
        complete=not failures and all(answer.complete for answer in answers),
        proven=() if failures else _common([answer.proven for answer in answers]),
        unasked="; ".join(
            [*(failure.cause for failure in failures), *(each.unasked for each in answers if each.unasked)]
        ),
    )


def _common(parts: Sequence[Sequence[Window]]) -> tuple[Window, ...]:
    """Return what every one of `parts` has proven."""
    first, *others = parts
    common = list(first)
    for other in others:
        overlaps = (
            Window(max(ours.since_ms, theirs.since_ms), min(ours.until_ms, theirs.until_ms))
            for ours in common
            for theirs in other
        )
        common = [overlap for overlap in overlaps if overlap.since_ms <= overlap.until_ms]
    return tuple(common)
