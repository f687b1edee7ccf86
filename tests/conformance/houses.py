"""The venues that the kit runs against."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import ROUND_DOWN, Decimal

from adapters.bitmart.sign import Credentials
from adapters.bitmart.spot.venue import BitmartSpot, Endpoints, Options
from adapters.simulator.chance import chance
from adapters.simulator.link import SimulatedLink
from adapters.simulator.pace import keep_stepping
from adapters.simulator.simulator import Simulator
from oms.ports import Link, LinkAnswer, LinkError, Socket
from oms.values import Symbol
from oms.venue import Venue
from tests.adapters.bitmart.fakes import LoopClock, PlainIds, spawn
from tests.conformance.house import House
from tests.conformance.memory import GRID, MARKET, MemoryVenue

SEED = 7


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


class SpotHouse:
    """The spot adapter at the simulated exchange, where nobody else trades."""

    symbol = Symbol("BTC/USDT")
    quantity = Decimal("0.01")
    market = "BTC_USDT"

    def __init__(self, name: str, options: Options | None = None) -> None:
        self.name = name
        self.clock = LoopClock()
        self.simulator = Simulator(seed=SEED, traders=False)
        self.link = _Troubled(SimulatedLink(self.simulator, self.clock, chance(SEED, "link")))  # type: ignore[arg-type]
        login = self.simulator.credentials[0]
        self.spot = BitmartSpot(
            Credentials(login.key, login.secret, login.memo),
            Endpoints("http://spot.test", "ws://spot.test"),
            link=self.link,  # type: ignore[arg-type]
            clock=self.clock,
            ids=PlainIds(),
            spawn=spawn,
            options=options,
        )
        self.venue: Venue = self.spot

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        stepping = spawn(keep_stepping(self.simulator, self.clock), name="steps")
        self.move(Decimal(60_000))
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
        self._price = price.quantize(Decimal("0.01"), ROUND_DOWN)
        self.simulator.spot.traders.active = True
        self.simulator.move_market(self.market, self._price, self.now_ms())
        self.simulator.spot.traders.active = False

    def lose_answers(self, *, on: bool) -> None:
        self.link.lost = "answer" if on else ""

    def lose_requests(self, *, on: bool) -> None:
        self.link.lost = "request" if on else ""

    def cut_streams(self) -> None:
        for connection in self.simulator.connections:
            connection.close()


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
    "spot": lambda: SpotHouse("spot"),
    "spot, valid for 3 s": lambda: SpotHouse("spot, valid for 3 s", Options(submit_window_ms=3000)),
    "memory": MemoryHouse,
}
