"""The venues that the kit runs against."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from adapters.bitmart.perp import venue as perp
from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot import venue as spot
from adapters.bitmart.spot.venue import Options
from adapters.simulator.chance import chance
from adapters.simulator.exchange.futures import orders as futures
from adapters.simulator.link import SimulatedLink
from adapters.simulator.pace import keep_stepping
from adapters.simulator.simulator import Simulator
from adapters.simulator.wire.keys import demo_credentials
from oms.ports import Link, LinkAnswer, LinkError, Socket
from oms.values import PositionMode, Side, Symbol
from oms.venue import Venue
from tests.adapters.bitmart.fakes import LoopClock, PlainIds, spawn
from tests.conformance.house import House
from tests.conformance.memory import GRID, MARKET, MemoryVenue

SEED = 7
STANDER = "stander"


class Market(NamedTuple):
    """A market of the simulated exchange, and what an ordinary order asks for there."""

    symbol: Symbol
    venue_symbol: str
    quantity: Decimal
    price_step: Decimal


SPOT = Market(Symbol("BTC/USDT"), "BTC_USDT", Decimal("0.01"), Decimal("0.01"))
PERPETUAL = Market(Symbol("BTC/USDT:USDT"), "BTCUSDT", Decimal(5), Decimal("0.1"))


class _Troubled:
    """A link on which requests or answers get lost. Time and the market go on meanwhile."""

    def __init__(self, link: Link) -> None:
        self.lost = ""
        self._link = link

    async def call(self, method: str, url: str, headers: dict[str, str], body: bytes, seconds: float) -> LinkAnswer:
        if self.lost == "request":
            raise LinkError("lost on the way", sent=True)
        answer = await self._link.call(method, url, headers, body, seconds)
        if self.lost == "answer":
            raise LinkError("lost on the way back", sent=True)
        return answer

    async def connect(self, url: str, seconds: float) -> Socket:
        return await self._link.connect(url, seconds)

    async def close(self) -> None:
        await self._link.close()


class ExchangeHouse:
    """An adapter at the simulated exchange, where nobody else trades. `make` connects it to the main account."""

    def __init__(self, name: str, market: Market, make: Callable[[Credentials, Link, LoopClock], Venue]) -> None:
        self.name = name
        self.symbol = market.symbol
        self.quantity = market.quantity
        self.clock = LoopClock()
        self.simulator = Simulator(seed=SEED, traders=False)
        self.link = _Troubled(SimulatedLink(self.simulator, self.clock, chance(SEED, "link")))
        login = self.simulator.credentials[0]
        self.simulator.open_account(demo_credentials(STANDER, SEED), {}, {"USDT": Decimal(10**8)})
        self.venue: Venue = make(Credentials(login.key, login.secret, login.memo), self.link, self.clock)  # type: ignore[arg-type]
        self._market = market

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        stepping = spawn(keep_stepping(self.simulator, self.clock), name="steps")
        self.move(Decimal(60_000))
        if self.venue.capabilities(self.symbol).hedge_mode:
            await self.venue.set_position_mode(PositionMode.ONE_WAY)
        try:
            yield
        finally:
            stepping.cancel()

    def now_ms(self) -> int:
        return self.clock.now_ns() // 1_000_000

    def price(self) -> Decimal:
        return self._price

    def move(self, price: Decimal) -> None:
        """Bring the market there, leave somebody to trade with on both sides, and let it rest."""
        self._price = price.quantize(self._market.price_step, ROUND_DOWN)
        host = self.simulator.futures if ":" in self.symbol else self.simulator.spot
        if host is self.simulator.futures:
            self._stand()
        host.traders.active = True
        self.simulator.move_market(self._market.venue_symbol, self._price, self.now_ms())
        host.traders.active = False

    def _stand(self) -> None:
        """Have somebody stand beyond where the market is brought: what fires on the way is to find a match."""
        for side, factor in ((Side.BUY, Decimal("0.98")), (Side.SELL, Decimal("1.02"))):
            order = futures.NewOrder(
                account=STANDER,
                symbol=self._market.venue_symbol,
                side=side,
                size=Decimal(1000),
                price=(self._price * factor).quantize(self._market.price_step, ROUND_DOWN),
            )
            self.simulator.futures.exchange.submit(order, self.now_ms())

    def lose_answers(self, *, on: bool) -> None:
        self.link.lost = "answer" if on else ""

    def lose_requests(self, *, on: bool) -> None:
        self.link.lost = "request" if on else ""

    def cut_streams(self) -> None:
        for connection in self.simulator.connections:
            connection.close()


def spot_house(name: str, options: Options | None = None) -> ExchangeHouse:
    def make(credentials: Credentials, link: Link, clock: LoopClock) -> Venue:
        at = spot.Endpoints("http://spot.test", "ws://spot.test")
        return spot.BitmartSpot(credentials, at, link=link, clock=clock, ids=PlainIds(), spawn=spawn, options=options)

    return ExchangeHouse(name, SPOT, make)


def perpetual_house(name: str) -> ExchangeHouse:
    def make(credentials: Credentials, link: Link, clock: LoopClock) -> Venue:
        return perp.BitmartPerp(credentials, perp.Endpoints(), link=link, clock=clock, ids=PlainIds(), spawn=spawn)

    return ExchangeHouse(name, PERPETUAL, make)


class MemoryHouse:
    """The venue in memory."""

    name = "memory"
    symbol = MARKET
    quantity = Decimal("0.01")

    def __init__(self) -> None:
        self.memory = MemoryVenue()
        self.venue: Venue = self.memory

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        yield

    def now_ms(self) -> int:
        return self.memory.now_ms()

    def price(self) -> Decimal:
        return self.memory.price

    def move(self, price: Decimal) -> None:
        self.memory.move(price.quantize(GRID.price_step, ROUND_DOWN))

    def lose_answers(self, *, on: bool) -> None:
        self.memory.lost = "answer" if on else ""

    def lose_requests(self, *, on: bool) -> None:
        self.memory.lost = "request" if on else ""

    def cut_streams(self) -> None:
        self.memory.cut()


HOUSES: dict[str, Callable[[], House]] = {
    "spot": lambda: spot_house("spot"),
    "spot, valid for 3 s": lambda: spot_house("spot, valid for 3 s", Options(submit_window_ms=3000)),
    "perpetual": lambda: perpetual_house("perpetual"),
    "memory": MemoryHouse,
}
