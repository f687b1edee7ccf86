"""Bars through the door: of the markets that a token is for, page by page, and never from the log."""

from decimal import Decimal
from typing import Any

import pytest

from oms.errors import UnknownSymbolError
from oms.reports import CandleReport
from oms.values import Symbol
from oms.venue import Evidence, NoAnswerError
from tests.gateway.house import MAIN, House

HOUR_MS = 3_600_000
T0 = 1_790_000_000_000 // HOUR_MS * HOUR_MS


class Bars:
    """A venue that remembers ten hours of one market."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.down = False

    def intervals(self, symbol: Symbol) -> tuple[str, ...]:
        return ("1h",) if symbol == "BTC/USDT" else ()

    async def candles(self, symbol: Symbol, interval: str, *, since_ms: int, until_ms: int) -> tuple[CandleReport, ...]:
        if self.down:
            raise NoAnswerError("no answer", Evidence(channel="GET /klines"))
        assert interval == "1h", UnknownSymbolError
        self.asked.append((since_ms, until_ms))
        opened = [T0 + hour * HOUR_MS for hour in range(10)]
        return tuple(bar(symbol, open_ms) for open_ms in opened if since_ms <= open_ms <= until_ms)


def bar(symbol: Symbol, open_ms: int) -> CandleReport:
    return CandleReport(
        symbol=symbol,
        interval="1h",
        open_ms=open_ms,
        open=Decimal("1.10"),
        high=Decimal(3),
        low=Decimal(1),
        close=Decimal(2),
        volume=Decimal("0.00000001"),
        closed=True,
    )


@pytest.fixture
async def bars(house: House) -> Bars:
    known = Bars()
    house.markets[MAIN] = known
    return known


async def ask(house: House, **query: object) -> Any:
    asked = {"symbol": "BTC/USDT", "interval": "1h", "start": "2026-09-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}
    return await house.call(
        "GET", "/v1/candles?" + "&".join(f"{name}={value}" for name, value in (asked | query).items())
    )


async def test_bars_come_oldest_first_and_page_by_page(house: House, bars: Bars) -> None:
    first = (await ask(house, limit=6)).json
    second = (await ask(house, limit=6, cursor=first["next_cursor"])).json
    opened = [item["open_at"] for item in [*first["items"], *second["items"]]]
    assert (len(opened), opened) == (10, sorted(set(opened)))
    assert "next_cursor" not in second
    item = first["items"][0]
    assert (item["open"], item["volume"], item["closed"]) == ("1.10", "0.00000001", True)
    assert item["open_at"].endswith(".000000Z")
    assert first["position"] == await house.log.head()


async def test_without_times_the_newest_are_meant(house: House, bars: Bars) -> None:
    answer = await house.call("GET", "/v1/candles?symbol=BTC/USDT&interval=1h&limit=24")
    assert answer.status == 200
    ((since_ms, until_ms),) = bars.asked
    assert until_ms - since_ms == 24 * HOUR_MS
    assert abs(until_ms - house.clock.now_ns() // 1_000_000) < 60_000


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"interval": "7m"}, 422, "invalid_query"),
        ({"interval": "1m"}, 422, "unsupported"),
        ({"symbol": "X/Y"}, 422, "unsupported"),
        ({"start": "yesterday"}, 422, "invalid_query"),
        ({"end": "5"}, 422, "invalid_query"),
        ({"cursor": "x"}, 422, "invalid_cursor"),
        ({"limit": 0}, 422, "invalid_query"),
        ({"as_of": 1}, 422, "invalid_query"),
    ],
)
async def test_what_cannot_be_answered_says_why(
    house: House, bars: Bars, query: dict[str, object], status: int, code: str
) -> None:
    answer = await ask(house, **query)
    assert (answer.status, answer.json["code"]) == (status, code)


async def test_a_token_sees_the_bars_of_its_own_markets(house: House, bars: Bars) -> None:
    narrow = house.tokens.create("maker", symbols=["ETH/USDT"])
    answer = await house.call("GET", "/v1/candles?symbol=BTC/USDT&interval=1h", token=narrow)
    assert (answer.status, answer.json["code"]) == (403, "forbidden")


async def test_a_venue_that_cannot_be_asked_is_said_to_be_so(house: House, bars: Bars) -> None:
    bars.down = True
    answer = await ask(house)
    assert (answer.status, answer.json["retryable"]) == (502, True)


async def test_the_sdk_reads_bars(house: House, bars: Bars) -> None:
    async with house.client() as client:
        page = await client.candles("BTC/USDT", "1h", start="2026-09-01T00:00:00Z", end="2026-12-01T00:00:00Z")
    assert [item.open for item in page.items] == 10 * [Decimal("1.10")]
