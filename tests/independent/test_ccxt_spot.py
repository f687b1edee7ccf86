"""ccxt 4.5.70, the last release that knows BitMart, trades on the simulated spot market: REST and watch methods."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest

from tests.independent.ccxt_client import connected, forever, latest, until, watched
from tests.independent.conftest import Exchange, hold, number

BTC = "BTC/USDT"
ETH = "ETH/USDT"

pytestmark = pytest.mark.filterwarnings("ignore")  # how clean a stranger's code is, is not our test


@pytest.fixture
async def client(exchange: Exchange) -> AsyncIterator[Any]:
    async with connected(exchange) as bitmart:
        yield bitmart


def agree(shown: Any, known: Any) -> None:
    """Compare a ccxt order with the truth. Its market buys have no amount, as the venue shows none."""
    assert (shown["id"], shown["clientOrderId"]) == (known["order_id"], known["client_order_id"])
    assert (shown["side"], shown["timestamp"]) == (known["side"], known["created_ms"])
    assert number(shown["filled"]) == number(known["filled"])
    if known["type"] != "market":
        assert number(shown["price"]) == number(known["price"])
        assert number(shown["amount"]) == number(known["size"])


async def away(client: Any, symbol: str = BTC) -> float:
    """Return a price far below the market."""
    ticker = await client.fetch_ticker(symbol)
    return float(client.price_to_precision(symbol, ticker["last"] / 2))


# ------------------------------------------------------------------------------------------------ REST


async def test_markets_and_their_grid(client: Any) -> None:
    market = client.market(BTC)
    assert (market["id"], market["spot"], market["active"]) == ("BTC_USDT", True, True)
    assert number(market["precision"]["price"]) == Decimal("0.01")
    assert number(market["precision"]["amount"]) == Decimal("0.00001")
    assert number(market["limits"]["cost"]["min"]) == 5
    assert "USDT" in client.currencies
    assert abs(await client.fetch_time() - client.milliseconds()) < 5000


async def test_market_data(exchange: Exchange, client: Any) -> None:
    ticker = await client.fetch_ticker(BTC)
    assert ticker["bid"] < ticker["ask"]
    assert BTC in await client.fetch_tickers([BTC, ETH])
    book = await client.fetch_order_book(BTC, 10)
    assert book["bids"][0][0] < book["asks"][0][0]
    assert (await client.fetch_trades(BTC))[-1]["symbol"] == BTC
    candles = await client.fetch_ohlcv(BTC, "1m", limit=5)
    assert all(low <= close <= high for _, _, high, low, close, _ in candles)
    assert candles == sorted(candles)
    assert (await client.fetch_ohlcv(BTC, "1h"))[-1][0] % 3_600_000 == 0


async def test_an_order_is_placed_found_and_canceled(exchange: Exchange, client: Any) -> None:
    price = await away(client)
    placed = await client.create_order(BTC, "limit", "buy", 0.001, price, {"clientOrderId": "ccxt1"})
    for shown in (
        await client.fetch_order(placed["id"], BTC),
        *[order for order in await client.fetch_open_orders(BTC) if order["id"] == placed["id"]],
    ):
        agree(shown, exchange.order(placed["id"]))
        assert shown["status"] == "open"
    balance = await client.fetch_balance()
    assert number(balance["USDT"]["used"]) == number(exchange.truth()["balances"]["USDT"]["frozen"]) > 0
    await client.cancel_order(placed["id"], BTC)
    gone = await client.fetch_order(placed["id"], BTC)
    agree(gone, exchange.order(placed["id"]))
    assert gone["status"] == "canceled"
    with pytest.raises(ccxt.BaseError):
        await client.cancel_order(placed["id"], BTC)


async def test_what_is_refused_has_its_own_error(client: Any) -> None:
    with pytest.raises(ccxt.InvalidOrder):
        await client.create_order(BTC, "limit", "buy", 0.00001, 1)
    with pytest.raises(ccxt.InsufficientFunds):
        await client.create_order(BTC, "limit", "sell", 10_000, 100_000)
    stranger = ccxt.pro.bitmart({"apiKey": "nobody", "secret": "no", "uid": "no"})
    stranger.urls["api"] |= client.urls["api"]
    stranger.set_markets(list(client.markets.values()))
    with pytest.raises(ccxt.AuthenticationError):
        await stranger.fetch_balance()
    await stranger.close()


async def test_a_post_only_order_that_would_take_is_canceled_silently(exchange: Exchange, client: Any) -> None:
    price = float(client.price_to_precision(BTC, (await client.fetch_ticker(BTC))["last"] * 1.5))
    placed = await client.create_order(BTC, "limit", "buy", 0.001, price, {"postOnly": True})
    gone = await client.fetch_order(placed["id"], BTC)
    assert (gone["status"], gone["filled"]) == ("canceled", 0)
    assert exchange.trades(placed["id"]) == []


async def test_orders_go_and_come_by_the_batch(exchange: Exchange, client: Any) -> None:
    price = await away(client, ETH)
    orders = [
        {"symbol": ETH, "type": "limit", "side": "buy", "amount": 0.01, "price": price, "params": {}} for _ in range(3)
    ]
    placed = [order["id"] for order in await client.create_orders(orders)]
    assert {exchange.order(order_id)["state"] for order_id in placed} == {"new"}
    await client.cancel_orders(placed[:2], ETH)
    assert [exchange.order(order_id)["state"] for order_id in placed] == ["canceled", "canceled", "new"]
    await client.cancel_all_orders(ETH)
    assert exchange.order(placed[2])["state"] == "canceled"
    assert await client.fetch_open_orders(ETH) == []


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_a_fill_and_everything_it_did_agrees(exchange: Exchange, client: Any, side: str) -> None:
    if side == "buy":
        placed = await client.create_market_buy_order_with_cost(BTC, 80)
    else:
        placed = await client.create_order(BTC, "market", "sell", 0.0015)
    order = await client.fetch_order(placed["id"], BTC)
    agree(
        order | {"clientOrderId": ""}, exchange.order(placed["id"])
    )  # the venue puts its own id where ours is missing
    known = exchange.trades(placed["id"])
    mine = [trade for trade in await client.fetch_my_trades(BTC) if trade["order"] == placed["id"]]
    for trades in (mine, await client.fetch_order_trades(placed["id"], BTC)):
        shown = sorted((one["id"], number(one["amount"]), number(one["price"]), one["timestamp"]) for one in trades)
        assert shown == sorted(
            (one["trade_id"], number(one["size"]), number(one["price"]), one["at_ms"]) for one in known
        )
        assert sum(number(one["fee"]["cost"]) for one in trades) == sum(number(one["fee"]) for one in known)
        assert {one["fee"]["currency"] for one in trades} == {"USDT"}
    bars = await client.fetch_ohlcv(BTC, "1m", limit=5)
    assert hold(((opens, high, low, volume) for opens, _, high, low, _, volume in bars), known)
    balances = exchange.truth()["balances"]
    shown_balance = await client.fetch_balance()
    for coin in ("BTC", "USDT"):
        assert shown_balance[coin]["free"] == pytest.approx(float(balances[coin]["available"]), abs=1e-8)


async def test_closed_orders_and_fees(client: Any) -> None:
    placed = await client.create_order(ETH, "market", "sell", 0.05)
    assert placed["id"] in [order["id"] for order in await client.fetch_closed_orders(ETH)]
    fee = (await client.fetch_trading_fee(BTC))["info"]  # it looks for the fields of an older answer
    assert (fee["buy_maker_fee_rate"], fee["sell_taker_fee_rate"]) == ("0.0008", "0.0010")


async def test_what_there_is_beside_trading(client: Any) -> None:
    """The venue is being wound down: nothing comes in, nothing leaves, nothing is lent; the client says so itself."""
    assert (await client.fetch_status())["status"] == "ok"
    assert await client.fetch_deposits("USDT") == await client.fetch_withdrawals("USDT") == []
    assert await client.fetch_borrow_interest("BTC", BTC) == await client.fetch_withdraw_addresses("BTC") == []
    assert number((await client.fetch_transaction_fee("BTC"))["info"]["data"]["withdraw_fee"]) == 0
    with pytest.raises(ccxt.ExchangeError, match="60003"):
        await client.fetch_deposit_address("BTC")
    with pytest.raises(ccxt.ExchangeError, match="51001"):
        await client.borrow_isolated_margin(BTC, "BTC", 1)


# ------------------------------------------------------------------------------------------------ watch methods


async def test_watching_the_market(client: Any) -> None:
    """All but trades: this release stumbles over any spot trade, on its own unbound `takerOrMaker`."""
    ticker = await watched(lambda: client.watch_ticker(BTC), lambda seen: seen["last"])
    assert ticker["symbol"] == BTC
    assert BTC in await watched(lambda: client.watch_tickers([BTC]), bool)
    best = (await watched(lambda: client.watch_bids_asks([BTC]), bool))[BTC]
    assert best["bid"] < best["ask"]
    assert (await watched(lambda: client.watch_ohlcv(BTC, "1m"), bool))[-1][0] % 60_000 == 0
    book = await watched(lambda: client.watch_order_book(BTC), lambda seen: seen["bids"] and seen["asks"])
    for _ in range(20):  # snapshot and updates make a book that never crosses
        book = await client.watch_order_book(BTC)
        assert book["bids"][0][0] < book["asks"][0][0]


async def test_watching_orders_and_balances(exchange: Exchange, client: Any) -> None:
    """Client order ids are not compared: this release looks for them under a name the stream does not use."""
    orders: list[Any] = []
    balances: list[Any] = []
    watching = [
        asyncio.ensure_future(forever(lambda: client.watch_orders(BTC), orders)),  # noqa: TID251 - a client's own tasks
        asyncio.ensure_future(forever(client.watch_balance, balances)),  # noqa: TID251 - as above
    ]
    try:
        await until(lambda: len(client.clients) == 1 and balances)
        await asyncio.sleep(1)
        price = await away(client)
        placed = await client.create_order(BTC, "limit", "buy", 0.002, price)
        opened = await until(lambda: latest(orders, placed["id"]))
        known = exchange.order(placed["id"])
        assert (opened["status"], opened["side"], opened["symbol"]) == ("open", "buy", BTC)
        assert (number(opened["price"]), number(opened["amount"])) == (number(known["price"]), number(known["size"]))
        await until(lambda: number(balances[-1]["USDT"]["used"]) == held(exchange, "USDT"))
        await client.cancel_order(placed["id"], BTC)
        await until(lambda: latest(orders, placed["id"])["status"] == "canceled")
        sold = await client.create_order(BTC, "market", "sell", 0.001)
        await until(lambda: (latest(orders, sold["id"]) or {}).get("status") == "closed")
        assert number(latest(orders, sold["id"])["filled"]) == number(exchange.order(sold["id"])["filled"])
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


def held(exchange: Exchange, coin: str) -> Decimal:
    return number(exchange.truth()["balances"][coin]["frozen"])
