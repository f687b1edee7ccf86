"""ccxt 4.5.70 trades on the simulated futures market: REST and watch methods. Where the client itself is wrong about
BitMart, a test says so and holds it to that.
"""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from tests.independent.ccxt_client import connected, forever, latest, until, watched
from tests.independent.conftest import Exchange, hold, number

BTC = "BTC/USDT:USDT"
ETH = "ETH/USDT:USDT"
SWAP = {"type": "swap"}
TEN_TIMES = {"leverage": 10, "marginMode": "cross"}

pytestmark = pytest.mark.filterwarnings("ignore")  # how clean a stranger's code is, is not our test


@pytest.fixture
async def client(exchange: Exchange) -> AsyncIterator[Any]:
    async with connected(exchange) as bitmart:
        yield bitmart


def agree(shown: Any, known: Any) -> None:
    """Compare a ccxt order with the truth. It calls canceled orders closed, and a market order's price its average."""
    assert (shown["id"], shown["clientOrderId"] or "") == (known["order_id"], known["client_order_id"])
    assert (shown["side"], shown["type"]) == (known["side"], known["type"])
    assert shown["timestamp"] == known["created_ms"]
    assert shown["status"] == ("open" if known["state"] in {"new", "partially_filled"} else "closed")
    assert number(shown["filled"]) == number(known["filled"])
    assert number(shown["amount"]) == number(known["size"])
    if known["type"] != "market":
        assert number(shown["price"]) == number(known["price"])


async def away(client: Any, symbol: str = BTC) -> float:
    """Return a price far below the market."""
    ticker = await client.fetch_ticker(symbol)
    return float(client.price_to_precision(symbol, ticker["last"] / 2))


def position(exchange: Exchange, leg: str) -> Any:
    """What the exchange knows of a position in BTC."""
    (known,) = [
        one for one in exchange.truth("futures")["positions"] if (one["symbol"], one["leg"]) == ("BTCUSDT", leg)
    ]
    return known


def state(exchange: Exchange, order_id: str) -> Any:
    return exchange.order(order_id, "futures")["state"]


def usdt(exchange: Exchange, name: str, market: str = "futures") -> Decimal:
    return number(exchange.truth(market)["balances"]["USDT"][name])


# ------------------------------------------------------------------------------------------------ REST


async def test_markets_and_their_grid(client: Any) -> None:
    market = client.market(BTC)
    assert (market["id"], market["swap"], market["linear"], market["active"]) == ("BTCUSDT", True, True, True)
    assert number(market["contractSize"]) == Decimal("0.001")
    assert number(market["precision"]["price"]) == Decimal("0.1")
    assert number(market["precision"]["amount"]) == 1
    assert market["limits"]["leverage"]["max"] == 100


async def test_market_data(client: Any) -> None:
    """But for trades, which this release asks for on spot only."""
    ticker = await client.fetch_ticker(BTC)
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert ETH in await client.fetch_tickers([BTC, ETH])
    book = await client.fetch_order_book(BTC)
    assert book["bids"][0][0] < book["asks"][0][0]
    for params in ({}, {"price": "mark"}):
        candles = await client.fetch_ohlcv(BTC, "1m", limit=5, params=params)
        assert candles
        assert all(low <= close <= high for _, _, high, low, close, _ in candles)
        assert candles == sorted(candles)
    rate = await client.fetch_funding_rate(BTC)
    assert rate["fundingTimestamp"] % 3_600_000 == 0
    assert (await client.fetch_open_interest(BTC))["openInterestAmount"] > 0
    with pytest.raises(ccxt.NotSupported):
        await client.fetch_trades(BTC)


async def test_an_order_is_placed_amended_found_and_canceled(exchange: Exchange, client: Any) -> None:
    """A new amount fails in the client's own hands: it sends `size` as text, which the venue never took."""
    price = await away(client)
    order_id = (await client.create_order(BTC, "limit", "buy", 10, price, {"clientOrderId": "ccxt1"}))["id"]
    (listed,) = await client.fetch_open_orders(BTC)
    for shown in (listed, await client.fetch_order(order_id, BTC)):
        agree(shown, exchange.order(order_id, "futures"))
    balance = await client.fetch_balance(SWAP)
    assert number(balance["USDT"]["used"]) == usdt(exchange, "frozen") > 0
    assert number(balance["USDT"]["free"]) == usdt(exchange, "available")

    with pytest.raises(ccxt.BadRequest, match="40011"):
        await client.edit_order(order_id, BTC, "limit", "buy", 7, price)
    await client.edit_order(order_id, BTC, "limit", "buy", None, price - 100)
    await client.edit_order(order_id, BTC, "limit", "buy", None, None, {"size": 7})
    await until(lambda: exchange.order(order_id, "futures")["size"] == "7")
    amended = await client.fetch_order(order_id, BTC)
    agree(amended, exchange.order(order_id, "futures"))
    assert number(amended["price"]) == number(price) - 100

    await client.cancel_order(order_id, BTC)
    await until(lambda: state(exchange, order_id) == "canceled")
    agree(await client.fetch_order(order_id, BTC), exchange.order(order_id, "futures"))
    assert usdt(exchange, "frozen") == 0
    with pytest.raises(ccxt.InvalidOrder, match="40036"):
        await client.cancel_order(order_id, BTC)


async def test_what_is_refused_has_its_own_error(client: Any) -> None:
    price = await away(client)
    with pytest.raises(ccxt.InsufficientFunds):
        await client.create_order(BTC, "limit", "buy", 50_000, price, {"leverage": 1, "marginMode": "cross"})
    with pytest.raises(ccxt.InvalidOrder, match="40029"):
        await client.create_order(BTC, "limit", "buy", 900_000, price, TEN_TIMES)
    stranger = ccxt.pro.bitmart({"apiKey": "nobody", "secret": "no", "uid": "no"})
    stranger.urls["api"] |= client.urls["api"]
    stranger.set_markets(list(client.markets.values()))
    with pytest.raises(ccxt.AuthenticationError):
        await stranger.fetch_balance(SWAP)
    await stranger.close()


async def test_a_post_only_order_that_would_take_never_trades(exchange: Exchange, client: Any) -> None:
    price = float(client.price_to_precision(BTC, (await client.fetch_ticker(BTC))["last"] * 1.03))
    placed = await client.create_order(BTC, "limit", "buy", 5, price, {"postOnly": True, **TEN_TIMES})
    await until(lambda: state(exchange, placed["id"]) == "canceled")
    assert (await client.fetch_order(placed["id"], BTC))["filled"] == 0
    assert exchange.trades(placed["id"], "futures") == []


async def test_all_orders_of_a_symbol_are_canceled(exchange: Exchange, client: Any) -> None:
    price = await away(client, ETH)
    placed = [(await client.create_order(ETH, "limit", "buy", 3, price, TEN_TIMES))["id"] for _ in range(2)]
    assert {one["id"] for one in await client.fetch_open_orders(ETH)} == set(placed)
    await client.cancel_all_orders(ETH)
    await until(lambda: {state(exchange, order_id) for order_id in placed} == {"canceled"})
    assert await client.fetch_open_orders(ETH) == []


@pytest.mark.parametrize(("leg", "opens", "closes"), [("long", "buy", "sell"), ("short", "sell", "buy")])
async def test_a_position_and_everything_it_did_agrees(
    exchange: Exchange, client: Any, leg: str, opens: str, closes: str
) -> None:
    """The client believes that the fee of a buy is paid in BTC and that every position of its bulk query is short, and
    asks spot for an order's trades.
    """
    opened = (await client.create_order(BTC, "market", opens, 20, None, TEN_TIMES))["id"]
    known = position(exchange, leg)
    shown = await client.fetch_position(BTC)
    assert (shown["side"], number(shown["contracts"])) == (leg, 20)
    assert shown["entryPrice"] == pytest.approx(float(known["average_price"]), rel=1e-12)
    assert number(shown["realizedPnl"]) == number(known["realised"]) - number(known["fees"])
    (listed,) = await client.fetch_positions()
    assert (listed["side"], listed["contracts"], listed["entryPrice"]) == ("short", 20, shown["entryPrice"])
    balance = (await client.fetch_balance(SWAP))["USDT"]
    assert balance["free"] == pytest.approx(float(usdt(exchange, "available")), abs=1e-8)

    closed = (await client.create_order(BTC, "market", closes, 20, None, {"reduceOnly": True}))["id"]
    assert number(position(exchange, leg)["size"]) == 0
    assert await client.fetch_positions() == []
    history = {order["id"]: order for order in await client.fetch_closed_orders(BTC)}
    trades = await client.fetch_my_trades(BTC)
    for order_id in (opened, closed):
        agree(history[order_id], exchange.order(order_id, "futures"))
        assert {
            (one["id"], number(one["amount"]), number(one["price"]), number(one["fee"]["cost"]), one["timestamp"])
            for one in trades
            if one["order"] == order_id
        } == {
            (one["trade_id"], number(one["size"]), number(one["price"]), number(one["fee"]), one["at_ms"])
            for one in exchange.trades(order_id, "futures")
        }
    bars = [
        (opens, high, low, volume) for opens, _, high, low, _, volume in await client.fetch_ohlcv(BTC, "1m", limit=5)
    ]
    assert hold(bars, exchange.trades(opened, "futures") + exchange.trades(closed, "futures"))
    assert {(one["side"], one["fee"]["currency"]) for one in trades} == {("buy", "BTC"), ("sell", "USDT")}
    with pytest.raises(ccxt.OrderNotFound, match="50005"):
        await client.fetch_order_trades(opened, BTC)
    fees = sum(number(one["amount"]) for one in await client.fetch_ledger() if one["type"] == "fee")
    assert fees == sum(number(one["fee"]) for one in exchange.truth("futures")["trades"])


async def test_leverage_and_position_mode(client: Any) -> None:
    answer = await client.set_leverage(5, ETH, {"marginMode": "isolated"})
    assert answer["data"]["leverage"] == "5"
    await client.set_position_mode(hedged=False)
    assert (await client.fetch_position_mode())["hedged"] is False
    await client.set_position_mode(hedged=True)


async def test_a_stop_waits_and_is_canceled(exchange: Exchange, client: Any) -> None:
    await client.create_order(BTC, "market", "buy", 5, None, TEN_TIMES)
    stop = await client.create_order(BTC, "market", "sell", 5, None, {"stopLossPrice": await away(client)})
    (waiting,) = await client.fetch_open_orders(BTC, params={"trigger": True})
    assert (waiting["id"], waiting["type"], waiting["side"]) == (stop["id"], "stop_loss", "sell")
    await client.cancel_order(stop["id"], BTC, {"trigger": True})
    await watched(lambda: client.fetch_open_orders(BTC, params={"trigger": True}), lambda left: not left)
    await client.create_order(BTC, "market", "sell", 5, None, {"reduceOnly": True})
    assert number(position(exchange, "long")["size"]) == 0


async def test_a_transfer_goes_to_the_wrong_host(exchange: Exchange, client: Any) -> None:
    """The client asks spot, where there is no such path, and then stumbles over the gateway's way to say so."""
    before = [usdt(exchange, "available", market) for market in ("spot", "futures")]
    with pytest.raises(AttributeError):
        await client.transfer("USDT", 5, "spot", "swap")
    assert [usdt(exchange, "available", market) for market in ("spot", "futures")] == before


# ------------------------------------------------------------------------------------------------ watch methods


async def test_watching_the_market(client: Any) -> None:
    """The book comes one side at a time, so that only a pair of frames need not cross."""
    ticker = await watched(lambda: client.watch_ticker(BTC), lambda seen: seen["last"])
    assert ticker["bid"] < ticker["ask"]
    assert BTC in await watched(lambda: client.watch_tickers([BTC]), bool)
    best = (await watched(lambda: client.watch_bids_asks([BTC]), bool))[BTC]
    assert best["bid"] < best["ask"]
    (trade, *_) = await watched(lambda: client.watch_trades(BTC), bool)
    assert trade["symbol"] == BTC
    assert (await watched(lambda: client.watch_ohlcv(BTC, "1m"), bool))[-1][4] > 0
    assert (await client.watch_funding_rate(BTC))["nextFundingTimestamp"] % 3_600_000 == 0
    for _ in range(5):
        await watched(
            lambda: client.watch_order_book(BTC),
            lambda seen: seen["bids"] and seen["asks"] and seen["bids"][0][0] < seen["asks"][0][0],
        )


async def test_watching_orders_positions_and_balances(exchange: Exchange, client: Any) -> None:
    orders: list[Any] = []
    positions: list[Any] = []
    balances: list[Any] = []
    watching = [
        asyncio.ensure_future(forever(lambda: client.watch_orders(BTC), orders)),  # noqa: TID251 - a client's own tasks
        asyncio.ensure_future(forever(client.watch_positions, positions)),  # noqa: TID251 - as above
        asyncio.ensure_future(forever(lambda: client.watch_balance(SWAP), balances)),  # noqa: TID251 - as above
    ]
    try:
        await until(lambda: balances)
        await asyncio.sleep(1)
        price = await away(client)
        params = {"clientOrderId": "ccxtwatched", **TEN_TIMES}
        placed = await client.create_order(BTC, "limit", "buy", 4, price, params)
        opened = await until(lambda: latest(orders, placed["id"]))
        agree(opened, exchange.order(placed["id"], "futures"))
        await until(lambda: number(balances[-1]["USDT"]["used"]) == usdt(exchange, "frozen") > 0)
        await client.cancel_order(placed["id"], BTC)
        await until(lambda: latest(orders, placed["id"])["status"] == "canceled")

        bought = await client.create_order(BTC, "market", "buy", 6, None, TEN_TIMES)
        await until(lambda: (latest(orders, bought["id"]) or {}).get("status") == "closed")
        assert number(latest(orders, bought["id"])["filled"]) == 6
        held = await until(lambda: next((one for one in reversed(positions) if one["contracts"] == 6), None))
        assert (held["symbol"], held["side"]) == (BTC, "long")
        assert number(position(exchange, "long")["size"]) == 6
        await until(lambda: number(balances[-1]["USDT"]["used"]) == 0)
        assert balances[-1]["USDT"]["free"] == pytest.approx(float(usdt(exchange, "available")), abs=1e-8)
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
