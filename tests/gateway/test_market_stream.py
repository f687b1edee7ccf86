"""Markets on the stream: the newest of each state between the events, of the markets that a token is for."""

from collections.abc import Callable, Iterable
from decimal import Decimal

import pytest

from oms.errors import UnknownSymbolError
from oms.market_data import DEPTH, BookState, Kind, News, Quote, Subscription, Topic
from oms.reports import CandleReport, FundingReport, PublicTradeReport, TickerReport
from oms.values import Side, Symbol
from tests.gateway.house import MAIN, House
from tests.gateway.test_stream import stream

BTC, ETH = Symbol("BTC/USDT"), Symbol("ETH/USDT")
T0_MS = 1_790_000_000_000


class Markets:
    """Whoever follows markets, and tells what a test says."""

    def __init__(self) -> None:
        self.subscriptions: list[Subscription] = []

    def intervals(self, symbol: Symbol) -> tuple[str, ...]:
        return ("1m",)

    async def candles(self, symbol: Symbol, interval: str, *, since_ms: int, until_ms: int) -> tuple[CandleReport, ...]:
        return ()

    def follow(self, symbols: Iterable[Symbol]) -> None:
        raise NotImplementedError

    def quote(self, symbol: Symbol) -> Quote:
        return Quote(symbol=symbol)

    def book(self, symbol: Symbol, depth: int = DEPTH) -> BookState:
        return BookState(symbol=symbol, valid=False)

    def on_mark(self, heard: Callable[[Symbol, Decimal], None]) -> None:
        raise NotImplementedError

    def subscribe(self, topics: frozenset[Topic]) -> Subscription:
        for topic in topics:
            if topic.kind is Kind.FUNDING and topic.symbol == ETH:
                raise UnknownSymbolError("no funding")
            if topic.interval not in {None, "1m"}:
                raise UnknownSymbolError("no such bars")
        subscription = Subscription(topics)
        self.subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self.subscriptions.remove(subscription)

    def tell(self, kind: Kind, told: object, *, symbol: Symbol = BTC, interval: str | None = None) -> None:
        topic = Topic(kind=kind, symbol=symbol, interval=interval)
        for subscription in self.subscriptions:
            subscription.put(News(topic=topic, told=told, heard_ns=T0_MS * 1_000_000))  # type: ignore[arg-type]


@pytest.fixture
async def markets(house: House) -> Markets:
    known = Markets()
    house.markets[MAIN] = known
    return known


async def test_each_kind_comes_in_frames_of_its_own(house: House, markets: Markets) -> None:
    names = ["book:BTC/USDT", "trades:BTC/USDT", "ticker:BTC/USDT", "funding:BTC/USDT", "candles:1m:BTC/USDT"]
    async with stream(house, channels=[*names, "orders"]) as reader:
        subscribed = await reader.next()
        assert subscribed["data"]["channels"] == [*names, "orders"]
        one = Decimal(1)
        levels = ((Decimal("60000.50"), Decimal("0.1")),)
        markets.tell(Kind.BOOK, BookState(symbol=BTC, valid=True, bids=levels, asks=levels, version=7, at_ms=T0_MS))
        book = await reader.until("book")
        assert book["at"] == "2026-09-21T14:13:20.000000Z", "when we heard it"
        assert book["data"] == {
            "symbol": "BTC/USDT",
            "valid": True,
            "bids": [{"price": "60000.50", "quantity": "0.1"}],
            "asks": [{"price": "60000.50", "quantity": "0.1"}],
            "version": 7,
            "occurred_at": "2026-09-21T14:13:20.000000Z",
        }
        markets.tell(Kind.BOOK, BookState(symbol=BTC, valid=False))
        assert (await reader.until("book"))["data"] == {"symbol": "BTC/USDT", "valid": False, "bids": [], "asks": []}
        trade = PublicTradeReport(symbol=BTC, price=one, quantity=one, side=Side.SELL, at_ms=T0_MS)
        markets.tell(Kind.TRADES, (trade,))
        (shown,) = (await reader.until("trades"))["data"]["items"]
        assert (shown["price"], shown["side"]) == ("1", "sell")
        markets.tell(Kind.TICKER, TickerReport(symbol=BTC, bid=one, mark=Decimal("0.99")))
        assert (await reader.until("ticker"))["data"] == {"symbol": "BTC/USDT", "bid": "1", "mark": "0.99"}
        markets.tell(Kind.FUNDING, FundingReport(symbol=BTC, rate=Decimal("0.0001"), next_ms=T0_MS))
        assert (await reader.until("funding"))["data"]["rate"] == "0.0001"
        bar = CandleReport(symbol=BTC, interval="1m", open_ms=T0_MS, open=one, high=one, low=one, close=one, volume=one)
        markets.tell(Kind.CANDLES, bar, interval="1m")
        assert (await reader.until("candles"))["data"]["open_at"] == "2026-09-21T14:13:20.000000Z"
        await house.place()
        events = await reader.events(1)
        assert events[0]["type"] == "order-requested/1", "events go on beside them"
    assert markets.subscriptions == [], "who left follows nothing"


async def test_the_sdk_tells_markets_between_the_events(house: House, markets: Markets) -> None:
    async with house.client() as client:
        frames = client.events(since=0, channels=["orders", "ticker:BTC/USDT"])
        await house.place()
        first = await anext(frames)
        markets.tell(Kind.TICKER, TickerReport(symbol=BTC, last=Decimal(5)))
        kinds = {(await anext(frames)).type, (await anext(frames)).type}
        await frames.aclose()
    assert first.type == "order-requested/1"
    assert kinds == {"send-started/1", "ticker"}


@pytest.mark.parametrize(
    ("channels", "code"),
    [
        (["book"], "invalid_body"),
        (["candles:1m"], "invalid_body"),
        (["depth:BTC/USDT"], "invalid_body"),
        ([f"book:C{number}/USDT" for number in range(65)], "invalid_body"),
        (["book:NO/SUCH"], "unsupported"),
        (["funding:ETH/USDT"], "unknown_symbol"),
        (["candles:7m:BTC/USDT"], "unknown_symbol"),
    ],
)
async def test_a_channel_that_is_none_is_refused(
    house: House, markets: Markets, channels: list[str], code: str
) -> None:
    async with stream(house, channels=channels) as reader:
        problem = await reader.until("problem")
        assert problem["data"]["code"] == code
        assert (await reader.closed())[0] == 4400
    assert markets.subscriptions == []


async def test_a_token_follows_its_own_markets_alone(house: House, markets: Markets) -> None:
    token = house.tokens.create("other", symbols=("ETH/USDT",))
    async with stream(house, token=token, channels=["book:BTC/USDT"]) as reader:
        assert (await reader.until("problem"))["data"]["code"] == "forbidden"
    async with stream(house, token=token, channels=["book:ETH/USDT"]) as reader:
        await reader.until("subscribed")


async def test_where_nobody_follows_markets_that_is_said(house: House) -> None:
    async with stream(house, channels=["book:BTC/USDT"]) as reader:
        assert (await reader.until("problem"))["data"]["code"] == "unsupported"
