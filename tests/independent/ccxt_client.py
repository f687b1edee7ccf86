"""What the tests of ccxt share: its client with our addresses, and ways to wait for what it watches."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import ccxt.pro

from tests.independent.conftest import Exchange

WATCH_SECONDS = 20.0


@asynccontextmanager
async def connected(exchange: Exchange) -> AsyncIterator[Any]:
    """The client with other addresses, and nothing else changed."""
    bitmart = ccxt.pro.bitmart({"apiKey": exchange.key, "secret": exchange.secret, "uid": exchange.memo})
    bitmart.urls["api"] |= {"spot": exchange.spot_url, "swap": exchange.futures_url}
    bitmart.urls["api"]["ws"] = {
        market: {"public": f"{url}/api?protocol=1.1", "private": f"{url}/user?protocol=1.1"}
        for market, url in {"spot": exchange.spot_ws_url, "swap": exchange.futures_ws_url}.items()
    }
    try:
        await bitmart.load_markets()
        yield bitmart
    finally:
        await bitmart.close()


async def watched(watch: Callable[[], Awaitable[Any]], wanted: Callable[[Any], Any]) -> Any:
    """Watch until something wanted is seen."""
    async with asyncio.timeout(WATCH_SECONDS):
        while not wanted(seen := await watch()):
            pass
    return seen


async def forever(watch: Callable[[], Awaitable[Any]], seen: list[Any]) -> None:
    """Watch, and remember what was seen: copies, as the client goes on changing its own."""
    while True:
        news = await watch()
        seen.extend([dict(one) for one in news] if isinstance(news, list) else [dict(news)])


def latest(orders: list[Any], order_id: str) -> Any:
    """Return the last that was seen of an order."""
    return next((order for order in reversed(orders) if order["id"] == order_id), None)


async def until(holds: Callable[[], Any]) -> Any:
    """Wait until `holds` says something true, and return it."""
    async with asyncio.timeout(WATCH_SECONDS):
        while not (found := holds()):  # noqa: ASYNC110 - what it waits for is a stranger
            await asyncio.sleep(0.05)
    return found
