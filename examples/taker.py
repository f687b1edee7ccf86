"""A taker in one page: every now and then it buys or sells at the market, by an IOC limit or a market order.

OMS_URL=http://127.0.0.1:8700 OMS_TOKEN=... MARKET_URL=http://127.0.0.1:9000 python examples/taker.py
"""

import asyncio
import os
import signal
from decimal import ROUND_DOWN, Decimal
from itertools import cycle
from typing import Any

import aiohttp

import oms
from oms.errors import OmsError

SYMBOL = "ETH/USDT"
QUANTITY = "0.05"  # ETH
NOTIONAL = "150"  # USDT
REACH = Decimal("0.002")  # of the price: an IOC goes this far through the book
TICK = Decimal("0.01")
PAUSE_SECONDS = 1.1


async def take(client: oms.Client, market: aiohttp.ClientSession, what: str) -> None:
    """Send one order of its kind and say what became of it."""
    asked: dict[str, Any]
    match what:
        case "market buy":
            asked = {"side": "buy", "type": "market", "notional": NOTIONAL}
        case "market sell":
            asked = {"side": "sell", "type": "market", "quantity": QUANTITY}
        case _:
            async with market.get("/spot/quotation/v3/ticker", params={"symbol": SYMBOL.replace("/", "_")}) as answer:
                data = (await answer.json()).get("data") or {}
            if not data.get("ask_px"):
                return
            price = (Decimal(data["ask_px"]) * (1 + REACH)).quantize(TICK, ROUND_DOWN)
            asked = {"side": "buy", "type": "limit", "quantity": QUANTITY, "price": str(price), "time_in_force": "ioc"}
    try:
        order = await client.place(symbol=SYMBOL, **asked)
        print(f"taker: {what} {order.client_order_id} {order.status}", flush=True)
    except OmsError as error:
        print(f"taker: no {what}: {error}", flush=True)


async def main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        oms.connect(os.environ["OMS_URL"], token=os.environ["OMS_TOKEN"]) as client,
        aiohttp.ClientSession(os.environ["MARKET_URL"]) as market,
    ):
        for what in cycle(("market buy", "ioc", "market sell", "market sell")):
            if stop.is_set():
                return
            await take(client, market, what)
            await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    asyncio.run(main())
