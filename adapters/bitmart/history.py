"""An account's whole history at BitMart, call by call, with the bytes: what an archive is made of (PROTOCOL 5.8, 6.6).

Lists have no cursor and a cap of rows, so each window is halved until what comes is below the cap. The rows of the
venue are counted, not ours: some of its rows tell nothing. What a window that could not be asked, or was refused, would
have held is unknown: its page says so, and the rest goes on.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import msgspec
from msgspec import Raw, Struct

from adapters.bitmart.answers import Reports, readable, refusal
from adapters.bitmart.decode import Market, decode
from adapters.bitmart.envelope import MALFORMED, opened
from adapters.bitmart.limits import FUTURES_RATES, SPOT_RATES
from adapters.bitmart.perp import codec as perp
from adapters.bitmart.perp import queries
from adapters.bitmart.perp.spelling import venue_symbol
from adapters.bitmart.refusals import CLOCK, RETIRED, UNKNOWN_PATH
from adapters.bitmart.rest import Rest
from adapters.bitmart.scalars import SECOND_MS
from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot import codec as spot
from adapters.bitmart.spot import requests
from oms.ports import Clock, Link, Spawn
from oms.reports import InstrumentReport, LedgerReport, PositionReport, Refusal, TradeReport
from oms.values import Symbol
from oms.venue import Evidence, NoAnswerError

DAY_MS: Final = 86_400_000
SPAN_MS: Final = 30 * DAY_MS  # asked at once, at first; futures allow 90 days, of spot nobody says
NARROWEST_MS: Final = DAY_MS  # a window that is refused is halved down to this
UNTRADED_SPAN_MS: Final = queries.SPAN_MAX_S * 1000  # of contracts in which money never moved: hardly any order
MODES: Final = ("spot", "iso_margin")
WAITING_MODES: Final = ("trigger", "tp/sl")
OPEN_SPAN_MS: Final = 365 * DAY_MS  # at least: an open order is from before `since` as well as from after it
TRANSFERS_MAX: Final = 100  # rows of a page of transfers
TRANSFER_PAGES: Final = 1000
PAUSES: Final = (1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before each further try of a call that was not answered
GONE: Final = frozenset({RETIRED, UNKNOWN_PATH})


class Page(Struct, frozen=True, kw_only=True):
    """One call: what was asked, what came, and whether that is all there is of its window (`why` not, if not)."""

    market: Market
    topic: str
    symbol: Symbol | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    whole: bool
    why: str = ""
    evidence: Evidence
    reports: Reports


class Hosts(Struct, frozen=True):
    """Where BitMart is, spot and futures."""

    spot: str
    futures: str


_LIST: Final = msgspec.json.Decoder(list[Raw])
_AROUND: Final = msgspec.json.Decoder(dict[str, Raw])

Ask = Callable[[int, int], Awaitable[Evidence]]


async def history(
    credentials: Credentials,
    hosts: Hosts,
    markets: Sequence[Market],
    *,
    since_ms: int,
    until_ms: int,
    link: Link,
    clock: Clock,
    spawn: Spawn,
) -> AsyncIterator[Page]:
    """Yield everything the venue says of the account from `since_ms` to `until_ms`, and how the account stands now."""
    asked = _History(credentials, hosts, since_ms, until_ms, link=link, clock=clock, spawn=spawn)
    if "spot" in markets:
        async for page in asked.spot():
            yield page
    if "futures" in markets:
        async for page in asked.futures():
            yield page


class _History:
    def __init__(
        self,
        credentials: Credentials,
        hosts: Hosts,
        since_ms: int,
        until_ms: int,
        *,
        link: Link,
        clock: Clock,
        spawn: Spawn,
    ) -> None:
        self._since_ms, self._until_ms = since_ms, until_ms
        self._spot = Rest(
            credentials=credentials, url=hosts.spot, rates=SPOT_RATES, link=link, clock=clock, spawn=spawn
        )
        self._futures = Rest(
            credentials=credentials,
            url=hosts.futures,
            rates=FUTURES_RATES,
            link=link,
            clock=clock,
            spawn=spawn,
            server_clock=self._spot.server_clock,
        )

    # ------------------------------------------------------------------------------------------------ the markets

    async def spot(self) -> AsyncIterator[Page]:
        """Orders and trades, spot and margin, and what waited for a price; open orders and balances as they are."""
        for topic, path in (("orders", spot.QUERY_HISTORY_ORDERS), ("trades", spot.QUERY_TRADES)):
            for mode in MODES:
                ask = partial(self._spot_list, path, mode)
                async for page in self._windows("spot", topic, path, ask, rows_max=requests.ROWS_MAX):
                    yield page
        for mode in WAITING_MODES:
            ask = partial(self._spot_list, spot.QUERY_ALGO_HISTORY_ORDERS, mode)
            async for page in self._windows(
                "spot", "trigger_history", spot.QUERY_ALGO_HISTORY_ORDERS, ask, rows_max=requests.ROWS_MAX
            ):
                yield page
        yield await self._open("open_orders", spot.QUERY_OPEN_ORDERS, "spot")
        for mode in WAITING_MODES:
            yield await self._open("open_triggers", spot.QUERY_ALGO_OPEN_ORDERS, mode)
        yield await self._one("spot", "balances", spot.WALLET, lambda: self._spot.keyed(spot.WALLET))

    async def futures(self) -> AsyncIterator[Page]:
        """Money first, then what stands, then orders, of which the venue wants to be asked symbol by symbol: of those
        that money names, and of all others that it has, since an order that never traded moved none.
        """
        symbols: dict[Symbol, None] = {}
        transactions = self._windows(
            "futures", "ledger", perp.TRANSACTIONS, self._transactions, rows_max=queries.PAGE_MAX
        )
        trades = self._windows(
            "futures", "trades", perp.TRADES, self._trades, rows_max=queries.ROWS_MAX, unit_ms=SECOND_MS
        )
        for pages in (transactions, trades):
            async for page in pages:
                symbols |= _symbols(page.reports)
                yield page
        async for page in self._transfers():
            yield page
        now = (
            ("positions", perp.POSITION_V2, None),
            ("balances", perp.ASSETS, None),
            ("open_orders", perp.OPEN_ORDERS, queries.OPEN_MAX),
            ("open_orders", perp.PLAN_ORDERS, queries.OPEN_MAX),
        )
        for topic, path, cap in now:
            query = queries.query_open() if cap else {}
            page = await self._one("futures", topic, path, partial(self._futures.keyed, path, query), cap)
            symbols |= _symbols(page.reports)
            yield page
        contracts = await self._one("futures", "contracts", perp.DETAILS, partial(self._futures.public, perp.DETAILS))
        yield contracts
        names = {each.symbol: each.venue_symbol for each in contracts.reports if isinstance(each, InstrumentReport)}
        for symbol in symbols | dict.fromkeys(names):
            ask = partial(self._orders, names.get(symbol) or venue_symbol(symbol))
            span_ms = SPAN_MS if symbol in symbols else UNTRADED_SPAN_MS
            async for page in self._windows(
                "futures",
                "orders",
                perp.ORDER_HISTORY,
                ask,
                rows_max=queries.ROWS_MAX,
                symbol=symbol,
                span_ms=span_ms,
                unit_ms=SECOND_MS,
            ):
                yield page

    # ------------------------------------------------------------------------------------------------ the calls

    async def _spot_list(self, path: str, mode: str, start_ms: int, end_ms: int) -> Evidence:
        return await self._spot.signed(path, requests.query_list(start_ms, end_ms, mode=mode))

    async def _open(self, topic: str, path: str, mode: str) -> Page:
        """Ask for what is open, whenever it was made; without a bound the venue shows its last seven days."""
        since_ms = min(self._since_ms, self._spot.server_clock.now_ms() - OPEN_SPAN_MS)
        body = requests.query_list(since_ms, mode=mode)
        return await self._one("spot", topic, path, partial(self._spot.signed, path, body), requests.ROWS_MAX)

    async def _transactions(self, start_ms: int, end_ms: int) -> Evidence:
        return await self._futures.keyed(perp.TRANSACTIONS, queries.query_ledger(start_ms, end_ms))

    async def _trades(self, start_ms: int, end_ms: int) -> Evidence:
        return await self._futures.keyed(perp.TRADES, queries.query_window(*queries.seconds(start_ms, end_ms)))

    async def _orders(self, name: str, start_ms: int, end_ms: int) -> Evidence:
        query = queries.query_window(*queries.seconds(start_ms, end_ms)) | {"symbol": name}
        return await self._futures.keyed(perp.ORDER_HISTORY, query)

    async def _transfers(self) -> AsyncIterator[Page]:
        """The only list that has pages: asked until one is not full."""
        for number in range(1, TRANSFER_PAGES + 1):
            fields = {
                "page": number,
                "limit": TRANSFERS_MAX,
                "time_start": self._since_ms,
                "time_end": self._until_ms,
                "recvWindow": requests.RECV_WINDOW_MS,
            }
            body = msgspec.json.encode(fields)
            page = await self._one(
                "futures", "transfers", perp.TRANSFERS, partial(self._futures.signed, perp.TRANSFERS, body)
            )
            yield msgspec.structs.replace(page, since_ms=self._since_ms, until_ms=self._until_ms)
            if _rows(page.evidence) < TRANSFERS_MAX:  # of which those that failed moved nothing
                return

    # ------------------------------------------------------------------------------------------------ the windows

    async def _windows(
        self,
        market: Market,
        topic: str,
        path: str,
        ask: Ask,
        *,
        rows_max: int,
        symbol: Symbol | None = None,
        span_ms: int = SPAN_MS,
        unit_ms: int = 1,
    ) -> AsyncIterator[Page]:
        """Yield a page a window, the oldest first; a window that is full, or refused as too wide, is halved, down to
        one `unit_ms` of the bounds that the venue takes: a part of it would be answered with the same.
        """
        starts = range(self._since_ms, self._until_ms, span_ms)
        waiting = [(start, min(start + span_ms, self._until_ms)) for start in reversed(starts)]
        while waiting:
            start_ms, end_ms = waiting.pop()
            page = await self._one(market, topic, path, partial(ask, start_ms, end_ms), rows_max)
            refused = refusal(page.reports)
            too_wide = refused is not None and refused.reason not in GONE and end_ms - start_ms > NARROWEST_MS
            first, last = start_ms // unit_ms, -(-end_ms // unit_ms)
            full = refused is None and _rows(page.evidence) >= rows_max and last - first > 1
            if too_wide or full:
                middle_ms = (first + last) // 2 * unit_ms
                waiting += [(middle_ms, end_ms), (start_ms, middle_ms)]
                continue
            yield msgspec.structs.replace(page, symbol=symbol, since_ms=start_ms, until_ms=end_ms)
            if refused is not None and refused.reason in GONE and waiting:
                rest = (waiting[-1][0], waiting[0][1])  # the call is gone: the rest of the windows would say the same
                yield msgspec.structs.replace(page, symbol=symbol, since_ms=rest[0], until_ms=rest[1])
                return

    async def _one(
        self, market: Market, topic: str, path: str, ask: Callable[[], Awaitable[Evidence]], rows_max: int | None = None
    ) -> Page:
        """Ask until there is an answer, a few times; what is not answered is a page that is not whole."""
        why = ""
        evidence = Evidence(channel=path)
        for pause in (*PAUSES, None):
            try:
                evidence = await ask()
            except NoAnswerError as error:
                evidence, why = error.evidence, error.cause
            else:
                reports = decode(market, "rest", path, evidence.response)
                found = refusal(reports)
                if found is None:
                    entire = readable(reports) and (rows_max is None or _rows(evidence) < rows_max)
                    why = "" if entire else "more rows than the venue shows at once, or rows that cannot be read"
                    return Page(market=market, topic=topic, whole=entire, why=why, evidence=evidence, reports=reports)
                why = f"{found.reason}: {found.code} {found.text}"
                if found.reason == CLOCK:
                    self._spot.server_clock.doubt()
                elif found.klass in {"certain", "auth"}:
                    return Page(market=market, topic=topic, whole=False, why=why, evidence=evidence, reports=reports)
            if pause is not None:
                await asyncio.sleep(pause)
        return Page(market=market, topic=topic, whole=False, why=why, evidence=evidence, reports=())


def _rows(evidence: Evidence) -> int:
    """Return how many rows the venue's list has: itself, or the longest in what stands around it."""
    found = opened(evidence.response, evidence.status)
    if isinstance(found, Refusal):
        return 0
    try:
        return len(_LIST.decode(found))
    except MALFORMED:
        pass
    try:
        around = [bytes(part) for part in _AROUND.decode(found).values()]
        return max((len(_LIST.decode(part)) for part in around if part.startswith(b"[")), default=0)
    except MALFORMED:
        return 0


def _symbols(reports: Reports) -> dict[Symbol, None]:
    """Return the symbols that rows speak of, in order."""
    return {
        report.symbol: None
        for report in reports
        if isinstance(report, TradeReport | LedgerReport | PositionReport) and report.symbol
    }
