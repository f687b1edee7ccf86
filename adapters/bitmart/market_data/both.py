"""Both of BitMart's markets as one `oms.market_data.MarketData`: a symbol says which it belongs to."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Final, TypeVar

from msgspec import Struct

from adapters.bitmart.limits import Ban
from adapters.bitmart.market_data.board import Board
from adapters.bitmart.market_data.candles import Candles
from adapters.bitmart.market_data.feed import market_feed
from adapters.bitmart.market_data.source import Source
from adapters.bitmart.perp.market import perp_source
from adapters.bitmart.rest import ServerClock
from adapters.bitmart.spot.market import spot_source
from oms.errors import OmsError, UnknownSymbolError
from oms.market_data import DEPTH, BookState, Quote, Subscription, Topic
from oms.ports import Clock, Ids, Link, Spawn
from oms.reports import CandleReport
from oms.values import Symbol

_W = TypeVar("_W")

STREAM: Final = "/api?protocol=1.1"


class Hosts(Struct, frozen=True, kw_only=True):
    """Where the markets are; the WebSocket addresses end before ``/api``. Without `futures` there are no perpetuals.
    `callers` is how many processes ask from this address: each keeps to its part of what is counted by address.
    """

    spot: str
    spot_ws: str
    futures: str | None = None
    futures_ws: str | None = None
    callers: int = 1


class _Market(Struct, frozen=True):
    candles: Candles
    board: Board


class BitmartMarkets:
    """Candles by asking the venue for what memory does not hold; the rest from its public streams, which are connected
    when somebody follows a market. No key is needed. `ban` as in `Bitmart`.
    """

    def __init__(
        self, hosts: Hosts, *, link: Link, clock: Clock, ids: Ids, spawn: Spawn, ban: Ban | None = None
    ) -> None:
        market = partial(_market, link=link, clock=clock, ids=ids, spawn=spawn)
        spot, calls = spot_source(hosts.spot, link=link, clock=clock, spawn=spawn, callers=hosts.callers)
        if ban is not None:
            calls.server_clock.ban = ban
        self._spot = market(spot, hosts.spot_ws, calls.server_clock)
        self._perp: _Market | None = None
        if hosts.futures is not None and hosts.futures_ws is not None:
            server_clock = calls.server_clock
            perp, _ = perp_source(
                hosts.futures, link=link, clock=clock, spawn=spawn, server_clock=server_clock, callers=hosts.callers
            )
            self._perp = market(perp, hosts.futures_ws, server_clock)

    def _of(self, symbol: Symbol) -> _Market:
        """Return the market of `symbol`. Raises UnknownSymbolError."""
        market = self._perp if ":" in symbol else self._spot
        if market is None:
            raise UnknownSymbolError(f"nobody here knows the market {symbol}")
        return market

    def _by_board(self, wanted: Iterable[_W], symbol: Callable[[_W], Symbol]) -> list[tuple[Board, list[_W]]]:
        """Return what is wanted, market by market. Raises UnknownSymbolError."""
        spot, perp = list[_W](), list[_W]()
        for each in wanted:
            (perp if self._of(symbol(each)) is self._perp else spot).append(each)
        boards = [(self._spot.board, spot)] if spot else []
        return [*boards, (self._perp.board, perp)] if perp and self._perp is not None else boards

    def intervals(self, symbol: Symbol) -> tuple[str, ...]:
        try:
            return self._of(symbol).candles.intervals(symbol)
        except UnknownSymbolError:
            return ()

    async def candles(self, symbol: Symbol, interval: str, *, since_ms: int, until_ms: int) -> tuple[CandleReport, ...]:
        return await self._of(symbol).candles.candles(symbol, interval, since_ms=since_ms, until_ms=until_ms)

    def follow(self, symbols: Iterable[Symbol]) -> None:
        for board, mine in self._by_board(symbols, lambda symbol: symbol):
            board.follow(mine)

    def quote(self, symbol: Symbol) -> Quote:
        try:
            return self._of(symbol).board.quote(symbol)
        except UnknownSymbolError:
            return Quote(symbol=symbol)

    def book(self, symbol: Symbol, depth: int = DEPTH) -> BookState:
        try:
            return self._of(symbol).board.book(symbol, depth)
        except UnknownSymbolError:
            return BookState(symbol=symbol, valid=False)

    def subscribe(self, topics: frozenset[Topic]) -> Subscription:
        subscription = Subscription(topics)
        try:
            for board, mine in self._by_board(topics, lambda topic: topic.symbol):
                board.subscribe(subscription, mine)
        except OmsError:
            self.unsubscribe(subscription)
            raise
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        for market in (self._spot, self._perp):
            if market is not None:
                market.board.unsubscribe(subscription)

    def on_mark(self, heard: Callable[[Symbol, Decimal], None]) -> None:
        if self._perp is not None:
            self._perp.board.on_mark(heard)


def _market(
    source: Source, ws: str, server_clock: ServerClock, *, link: Link, clock: Clock, ids: Ids, spawn: Spawn
) -> _Market:
    candles = Candles(source, clock=clock, spawn=spawn)
    open_feed = partial(
        market_feed,
        source,
        url=ws.rstrip("/") + STREAM,
        link=link,
        clock=clock,
        server_clock=server_clock,
        ids=ids,
        spawn=spawn,
        candles=candles,
    )
    board = Board(
        lambda follow, heard: open_feed(follow, heard=heard),
        source.pushed,
        has_funding=source.funding is not None,
        clock=clock,
        spawn=spawn,
    )
    return _Market(candles, board)
