"""A market maker in one page: quotes both sides around the middle of the market, post-only, and follows it.

    OMS_URL=http://127.0.0.1:8700 OMS_TOKEN=... MARKET_URL=http://127.0.0.1:9000 python examples/market_maker.py

It speaks to the OMS through the SDK only; MARKET_URL is BitMart's public REST, where the ticker is.
"""

import asyncio
import os
import signal
from decimal import ROUND_DOWN, Decimal

import aiohttp

import oms
from oms.errors import OmsError

SYMBOL = "BTC/USDT"
QUANTITY = Decimal("0.004")  # BTC a side
HALF_SPREAD = Decimal("0.00005")  # of the price: half a basis point to either side
MOVED = Decimal("0.00003")  # of the price: quote anew once the middle has moved so far
TICK = Decimal("0.01")
PAUSE_SECONDS = 0.4


async def middle(market: aiohttp.ClientSession) -> Decimal | None:
    """Return the middle of the best bid and ask, None while nothing has traded yet."""
    async with market.get("/spot/quotation/v3/ticker", params={"symbol": SYMBOL.replace("/", "_")}) as answer:
        data = (await answer.json()).get("data") or {}
    if not data.get("bid_px") or not data.get("ask_px"):
        return None
    return (Decimal(data["bid_px"]) + Decimal(data["ask_px"])) / 2


async def quote(client: oms.Client, side: str, mid: Decimal) -> oms.OrderAnswer | None:
    """Place one side; None if the OMS or the venue would not have it."""
    away = -HALF_SPREAD if side == "buy" else HALF_SPREAD
    price = (mid * (1 + away)).quantize(TICK, ROUND_DOWN)
    try:
        return await client.place(
            symbol=SYMBOL, side=side, type="limit", quantity=str(QUANTITY), price=str(price), post_only=True
        )
    except OmsError as error:
        print(f"maker: no {side} at {price}: {error}", flush=True)
        return None


async def withdraw(client: oms.Client, order: oms.OrderAnswer | None) -> None:
    """Cancel a quote, unless it is over already."""
    if order is not None:
        try:
            await client.cancel(order)
        except OmsError as error:
            print(f"maker: {order.client_order_id} was not canceled: {error}", flush=True)


async def main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    quoted: Decimal | None = None
    quotes: list[oms.OrderAnswer | None] = []
    async with (
        oms.connect(os.environ["OMS_URL"], token=os.environ["OMS_TOKEN"]) as client,
        aiohttp.ClientSession(os.environ["MARKET_URL"]) as market,
    ):
        while not stop.is_set():
            mid = await middle(market)
            if mid is not None and (quoted is None or abs(mid - quoted) > quoted * MOVED):
                for order in quotes:
                    await withdraw(client, order)
                quotes = [await quote(client, side, mid) for side in ("buy", "sell")]
                quoted = mid
            await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    asyncio.run(main())
