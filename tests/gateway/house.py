"""The gateway's surroundings, real where it counts: engine, decisions, log and HTTP are the ones that run.

Fakes that behave: the read models are folded from the log when asked; the tokens live in a dict; the venue is whatever
a test reports.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct
from msgspec.structs import replace

import oms
from oms.book import account_stream, order_stream
from oms.decide import BalancesReport, Decider
from oms.engine import Engine
from oms.errors import LogUnavailableError
from oms.evidence import kept
from oms.gateway.allowance import UNLIMITED, TokenLimits
from oms.gateway.http import Server, build, serve
from oms.gateway.settings import Settings
from oms.gateway.tokens import Scope, Token, mint
from oms.order.messages import OrderNews
from oms.ports import StoredEvent
from oms.reports import BalanceReport
from oms.risk import Limits
from oms.runtime import SystemClock, Tasks, TimeOrderedIds
from oms.store.memory import MemoryLog
from oms.values import AccountId, ClientOrderId, Currency, Provenance, StrategyId, Symbol
from oms.venue import Evidence
from projections.past import Past, Then
from projections.queries import Listing
from tests.order.story import BTC_USDT, SPOT

MAIN = AccountId("main")
ETH_USDT = replace(BTC_USDT, symbol=Symbol("ETH/USDT"), venue_symbol="ETH_USDT", base=Currency("ETH"))
TRADER = (Scope.READ, Scope.ORDERS_WRITE, Scope.ORDERS_CANCEL)
SETTINGS = Settings(port=0, wait_seconds=0.2, heartbeat_seconds=0.2, slow_seconds=0.5, hello_seconds=1.0)


class FoldedReads:
    """The read models as the projections would have them, at a position that a test may hold back."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._past = Past(log)
        self.held_at: int | None = None
        self.down = False

    async def position(self) -> int:
        if self.down:
            raise LogUnavailableError("the read models cannot be read")
        head = await self._log.head()
        return head if self.held_at is None else min(self.held_at, head)

    async def wait_for(self, position: int, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while await self.position() < position:  # noqa: ASYNC110 - bounded by the timeout
                    await asyncio.sleep(0.01)
        except TimeoutError:
            return False
        return True

    async def orders(self, **asked: Any) -> Listing[Any]:
        return await (await self._now()).orders(**asked)

    async def fills(self, **asked: Any) -> Listing[Any]:
        return await (await self._now()).fills(**asked)

    async def positions(self, **asked: Any) -> Listing[Any]:
        return await (await self._now()).positions(**asked)

    async def balances(self, **asked: Any) -> Listing[Any]:
        return await (await self._now()).balances(**asked)

    async def breaks(self, **asked: Any) -> Listing[Any]:
        return await (await self._now()).breaks(**asked)

    async def ledger(self, **asked: Any) -> Listing[Any]:
        return await (await self._now()).ledger(**asked)

    async def ledger_balances(self, **asked: Any) -> Listing[Any]:
        return await (await self._now()).ledger_balances(**asked)

    async def _now(self) -> Then:
        return self._past.at(await self.position())


class KnownTokens:
    """Tokens in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Token] = {}
        self.looks = 0
        self.down = False
        self.silent_seconds = 0.0  # until it is down, as a server that is stopped: its clients give up after a while

    def create(
        self,
        strategy: str = "maker",
        *,
        accounts: Sequence[str] = ("main",),
        scopes: Sequence[Scope] = TRADER,
        symbols: Sequence[str] = (),
        limits: TokenLimits = UNLIMITED,
    ) -> str:
        token, text = mint(
            strategy=StrategyId(strategy),
            accounts=[AccountId(account) for account in accounts],
            scopes=scopes,
            symbols=[Symbol(symbol) for symbol in symbols],
            limits=limits,
        )
        self.kept[token.token_id] = token
        return text

    def revoke(self, text: str) -> None:
        del self.kept[text.split("_")[1]]

    async def valid(self) -> Sequence[Token]:
        self.looks += 1
        if self.down:
            await asyncio.sleep(self.silent_seconds)
            raise LogUnavailableError("the tokens cannot be read")
        return list(self.kept.values())


class Answer(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    json: Any


class House:
    """One gateway with everything behind it."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks
        self.clock = SystemClock()
        self.ids = TimeOrderedIds(self.clock)
        self.log = MemoryLog()
        self.reads = FoldedReads(self.log)
        self.tokens = KnownTokens()
        self.engines: dict[AccountId, Engine] = {}
        self.promises: dict[str, Any] = {}
        self.alerts: dict[str, Any] = {}
        self.markets: dict[AccountId, Any] = {}
        self.token = self.tokens.create()
        self.url = ""
        self._server: Server | None = None
        self._http: aiohttp.ClientSession | None = None

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, *, accounts: Sequence[str] = ("main",), settings: Settings = SETTINGS, intake_max: int = 20_000
    ) -> AsyncIterator["House"]:
        house = cls(Tasks())
        for account in accounts:
            await house._engine(AccountId(account), intake_max)
        await house.serve(settings)
        async with aiohttp.ClientSession() as house._http:
            yield house
        await house.stop()
        await house.tasks.close()
        assert not house.tasks.failed.done(), house.tasks.failed

    async def _engine(self, account: AccountId, intake_max: int) -> None:
        markets = {instrument.symbol: instrument for instrument in (BTC_USDT, ETH_USDT)}
        decider = Decider(account, instruments=markets, capabilities=lambda _: SPOT, limits=Limits(open_orders_max=50))
        engine = Engine(
            account,
            decider=decider,
            log=self.log,
            clock=self.clock,
            ids=self.ids,
            spawn=self.tasks,
            intake_max=intake_max,
        )
        await engine.start("a fake venue")
        funds = (
            BalanceReport(currency=Currency("USDT"), total=Decimal(1_000_000)),
            BalanceReport(currency=Currency("BTC"), total=Decimal(100)),
        )
        await engine.report([(account_stream(account), BalancesReport(balances=funds, reason="opening"))])
        engine.trading = True
        self.engines[account] = engine

    async def serve(self, settings: Settings = SETTINGS) -> None:
        application = build(
            engines=self.engines,
            reads=self.reads,
            past=Past(self.log, events_max=200),
            log=self.log,
            tokens=self.tokens,
            clock=self.clock,
            ids=self.ids,
            spawn=self.tasks,
            settings=settings,
            promises=self.promises,
            alerts=self.alerts,
            markets=self.markets,
        )
        self._server = await serve(application, settings)
        self.url = self._server.url

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.close()
            self._server = None

    @property
    def engine(self) -> Engine:
        return self.engines[MAIN]

    # ------------------------------------------------------------------------------------------------ asking

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = "",
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make one call; `token` None sends none, "" the house's own."""
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token or self.token}")
        data = raw if raw is not None else None if body is None else msgspec.json.encode(body)
        assert self._http is not None
        async with self._http.request(method, self.url + path, data=data, headers=sent) as response:
            text = await response.read()
            is_json = "json" in response.content_type
            answer = Answer(response.status, dict(response.headers), msgspec.json.decode(text) if is_json else text)
        assert b"Traceback" not in text
        return answer

    async def place(self, *, token: str = "", **changes: object) -> Answer:
        return await self.call("POST", "/v1/orders", order(**changes), token=token)

    async def cancel(self, client_order_id: str, *, key: str | None = "k1", token: str = "") -> Answer:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.call("DELETE", f"/v1/orders/{client_order_id}", token=token, headers=headers)

    def client(self, token: str = "") -> oms.Client:
        return oms.connect(self.url, token=token or self.token)

    # ------------------------------------------------------------------------------------------------ the venue

    async def report(
        self,
        client_order_id: str,
        *news: OrderNews,
        wire: bool = False,
        account: str = "main",
        source: Provenance = Provenance.RESPONSE,
    ) -> int:
        """Let the venue say something of an order; return the position it is recorded at."""
        stream = order_stream(AccountId(account), ClientOrderId(client_order_id))
        evidence = Evidence(channel="POST /spot/v4/query", request=b'{"ask":1}', response=b'{"answer":2}')
        messages = kept(evidence, self.ids, self.clock) if wire else ()
        engine = self.engines[AccountId(account)]
        reports = [(stream, each) for each in news]
        return (await engine.report(reports, evidence=messages, source=source)).position

    async def events(self) -> Sequence[StoredEvent]:
        return await self.log.page(after=0, limit=100_000)


def order(**changes: object) -> dict[str, object]:
    """Return the body of a good order, changed; a None leaves its field out."""
    body: dict[str, object] = {
        "client_order_id": "c1",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "limit",
        "quantity": "0.01",
        "price": "60000",
    }
    return {name: value for name, value in (body | changes).items() if value is not None}
