"""The futures host over real loopback: any HTTP client can trade on it, and the door tells and takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from adapters.simulator.simulator import Simulator
from adapters.simulator.wire.house import Settings
from tests.adapters.simulator.desk import Desk

BTC = "BTCUSDT"
PRIVATE = "/contract/private"
LIMIT = {"symbol": BTC, "side": 1, "type": "limit", "size": 10, "price": "50000"}


class FuturesDesk(Desk):
    """A client of a running simulator's futures host."""

    @property
    def host(self) -> str:
        return self.urls.futures_url

    async def get(self, target: str) -> Any:
        headers = {"X-BM-KEY": self.login.key}
        async with self.http.get(self.host + target, headers=headers) as answer:
            return await answer.json()

    async def stood(self, market: str = "futures") -> Any:
        """What the truth says of one market."""
        return (await self.truth())[market]

    @asynccontextmanager
    async def stream(self, *topics: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A private stream, logged in and subscribed."""
        async with self.http.ws_connect(f"{self.urls.futures_ws_url}/user?protocol=1.1") as socket:
            at, sign = self.sign(b"bitmart.WebSocket")
            await socket.send_json({"action": "access", "args": [self.login.key, at, sign, "web"]})
            assert await socket.receive_json() == {"action": "access", "success": True}
            await socket.send_json({"action": "subscribe", "args": list(topics)})
            for topic in topics:
                assert (await socket.receive_json())["group"] == topic
            yield socket


@asynccontextmanager
async def desk(*, traders: bool = True, **settings: Any) -> AsyncIterator[FuturesDesk]:
    simulator = Simulator(seed=1, traders=traders, settings=Settings(rate_limits=False, **settings))
    async with FuturesDesk.at(simulator) as one:
        await asyncio.sleep(0.1)  # the first quotes
        yield one


async def test_every_endpoint_answers_a_client_that_knows_nothing_but_http() -> None:
    async with desk() as one:

        async def done(name: str, **fields: object) -> Any:
            path = name if name.startswith("/") else f"{PRIVATE}/{name}"
            answer = await one.post(path, **fields)
            assert answer["code"] == 1000, (name, answer)
            return answer["data"]

        async def told(target: str) -> Any:
            answer = await one.get(target)
            assert answer["code"] == 1000, (target, answer)
            return answer["data"]

        await done("set-position-mode", position_mode="hedge_mode")
        await done("submit-leverage", symbol=BTC, leverage="20", open_type="isolated")
        bought = await done("submit-order", symbol=BTC, side=1, type="market", size=20)
        resting = await done("submit-order", **LIMIT, client_order_id="rest1")
        await done("modify-limit-order", symbol=BTC, order_id=resting["order_id"], price="49000")
        await done("modify-preset-plan-order", symbol=BTC, order_id=str(resting["order_id"]),
                   preset_stop_loss_price="40000")  # fmt: skip
        waits = {"symbol": BTC, "side": 1, "size": 1, "leverage": "20", "open_type": "isolated"}
        plan = await done("submit-plan-order", **waits, type="market", trigger_price="40000", price_way=2, price_type=1)
        new = {"trigger_price": "41000", "executive_price": "0", "price_type": 1}
        await done("modify-plan-order", symbol=BTC, order_id=str(plan["order_id"]), type="market", **new)
        stop = await done("submit-tp-sl-order", symbol=BTC, side=3, type="stop_loss", category="market", **new)
        await done("modify-tp-sl-order", symbol=BTC, order_id=stop["order_id"], category="market", **new)
        await done("submit-trail-order", **waits, activation_price="30000", callback_rate="1", activation_price_type=1)
        for name in ("assets-detail", "get-open-orders", "current-plan-order", "trades", "position", "position-v2",
                     "position-risk", "transaction-history", "get-position-mode", f"trade-fee-rate?symbol={BTC}",
                     f"order-history?symbol={BTC}", f"order?symbol={BTC}&order_id={bought['order_id']}"):  # fmt: skip
            assert await told(f"{PRIVATE}/{name}"), name
        public = "/contract/public"
        for name in ("details", "depth", "market-trade", "funding-rate", "funding-rate-v2", "funding-rate-history",
                     "open-interest", "leverage-bracket", "markprice-kline"):  # fmt: skip
            assert await told(f"{public}/{name}?symbol={BTC}"), name
        assert await told(f"{public}/kline?symbol={BTC}&step=1&start_time=1&end_time=4000000000")
        assert await told("/system/time")
        await done("/account/v1/transfer-contract", currency="USDT", amount="10", type="contract_to_spot")
        assert (await done("/account/v1/transfer-contract-list", page=1, limit=10))["records"]
        assert (await one.get("/account/contract/sub-account/main/v1/wallet?subAccount=x"))["code"] == 61003
        await done("cancel-all-after", symbol=BTC, timeout=60)
        await done("cancel-order", symbol=BTC, client_order_id="rest1")
        await done("cancel-orders", symbol=BTC)
        await done("cancel-plan-order", symbol=BTC)
        await done("cancel-trail-order", symbol=BTC)
        await done("close-all-position", contractType=1)
        await asyncio.sleep(0.15)  # cancels happen after their answer
        assert await told(f"{PRIVATE}/position") == []
        assert await told(f"{PRIVATE}/get-open-orders") == await told(f"{PRIVATE}/current-plan-order") == []


async def test_rest_stream_and_truth_tell_the_same_story_and_no_money_is_lost() -> None:
    async with desk() as one, one.stream("futures/order", "futures/asset:USDT") as socket:
        before = await one.stood()
        opened = await one.post(f"{PRIVATE}/submit-order", symbol=BTC, side=1, type="market", size=20)
        closed = await one.post(f"{PRIVATE}/submit-order", symbol=BTC, side=3, type="market", size=20)
        ids = [str(answer["data"]["order_id"]) for answer in (opened, closed)]

        fills: dict[str, dict[str, Any]] = {}
        done: set[str] = set()
        while done != set(ids):
            frame = await socket.receive_json()
            for element in frame["data"] if frame["group"] == "futures/order" else ():
                trade, order = element["order"]["last_trade"], element["order"]
                if trade is not None:
                    fills[str(trade["lastTradeID"])] = trade
                if order["deal_size"] == order["size"]:
                    done.add(order["order_id"])

        truth = await one.stood()
        rows = (await one.get(f"{PRIVATE}/trades?symbol={BTC}"))["data"]
        (asset,) = [a for a in (await one.get(f"{PRIVATE}/assets-detail"))["data"] if a["currency"] == "USDT"]

    assert {trade["trade_id"] for trade in truth["trades"]} == set(fills) == {row["trade_id"] for row in rows}
    for trade in truth["trades"]:
        fill, (row,) = fills[trade["trade_id"]], [row for row in rows if row["trade_id"] == trade["trade_id"]]
        assert Decimal(trade["fee"]) == -Decimal(fill["fee"]) == Decimal(row["paid_fees"])
        assert Decimal(trade["size"]) == Decimal(fill["fillQty"]) == Decimal(row["vol"])
        assert Decimal(trade["price"]) == Decimal(fill["fillPrice"]) == Decimal(row["price"])
    wallet = truth["balances"]["USDT"]
    assert Decimal(wallet["available"]) == Decimal(asset["available_balance"]) == Decimal(asset["equity"])
    moved = sum(Decimal(row["realised_profit"]) - Decimal(row["paid_fees"]) for row in rows)
    assert Decimal(wallet["available"]) - Decimal(before["balances"]["USDT"]["available"]) == moved
    (position,) = [one for one in truth["positions"] if one["leg"] == "long"]
    assert (position["symbol"], Decimal(position["size"])) == (BTC, 0)
    order = truth["orders"][0]
    assert set(order) == {
        "order_id", "client_order_id", "symbol", "side", "type", "price", "size", "filled", "state", "created_ms",
        "updated_ms",
    }  # fmt: skip


async def test_a_transfer_takes_from_one_market_what_it_brings_to_the_other() -> None:
    async with desk(traders=False) as one:

        async def total() -> Decimal:
            both = [(await one.stood(market))["balances"]["USDT"]["available"] for market in ("spot", "futures")]
            return sum(map(Decimal, both), Decimal(0))

        before = await total()
        await one.post("/account/v1/transfer-contract", currency="USDT", amount="123.45", type="spot_to_contract")
        assert await total() == before
        assert (await one.stood("futures"))["balances"]["USDT"]["available"] == "1000123.45"


async def test_the_door_moves_a_contract_and_settles_its_funding() -> None:
    async with desk(traders=False) as one:
        made = {"name": "second", "key": "k2", "secret": "s2", "memo": "m2"}
        assert (await one.sim("accounts", **made, spot={}, futures={"USDT": "5000"}))[0] == 200
        one.login = type(one.login)(**made)
        await one.post(f"{PRIVATE}/submit-order", **LIMIT | {"side": 4, "price": "60500"})
        assert (await one.sim("market", symbol=BTC, price="61000"))[0] == 200
        truth = (await one.sim("truth"))[1]["accounts"]["second"]["futures"]
        (trade,) = truth["trades"]
        assert (trade["role"], trade["fee_coin"], Decimal(trade["price"])) == ("maker", "USDT", Decimal(60_500))
        (position,) = truth["positions"]
        assert (position["leg"], Decimal(position["size"])) == ("short", 10)
        assert Decimal(position["average_price"]) == 60_500

        assert (await one.sim("market", symbol=BTC, funding="0.001"))[0] == 200
        (paid,) = (await one.get(f"{PRIVATE}/transaction-history?flow_type=3"))["data"]
        assert Decimal(paid["amount"]) > 0  # shorts are paid


async def test_a_contract_that_is_delisted_at_the_door_settles_what_is_held() -> None:
    async with desk() as one:
        await one.post(f"{PRIVATE}/submit-order", symbol=BTC, side=1, type="market", size=20)
        await one.post(f"{PRIVATE}/submit-order", **LIMIT)
        assert (await one.sim("contract", symbol=BTC, status="paused"))[0] == 200
        assert (await one.post(f"{PRIVATE}/submit-order", **LIMIT))["code"] == 40015
        assert (await one.sim("contract", symbol=BTC, status="delisted"))[0] == 200

        assert (
            (await one.get(f"{PRIVATE}/position"))["data"]
            == (await one.get(f"{PRIVATE}/get-open-orders"))["data"]
            == []
        )
        assert (await one.post(f"{PRIVATE}/submit-order", **LIMIT))["code"] == 40014
        (listed,) = (await one.get(f"/contract/public/details?symbol={BTC}"))["data"]["symbols"]
        assert (listed["status"], listed["delist_time"] > 1_700_000_000) == ("Delisted", True)
        assert (await one.get(f"/contract/public/depth?symbol={BTC}"))["code"] == 40034
        async with one.http.ws_connect(f"{one.urls.futures_ws_url}/api") as socket:
            await socket.send_json({"action": "subscribe", "args": [f"futures/trade:{BTC}"]})
            assert (await socket.receive_json())["success"] is False
        assert (await one.sim("contract", symbol=BTC, status="trading"))[0] == 400


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("market", {"symbol": BTC, "price": "0.01"}),
        ("market", {"symbol": BTC, "funding": "0.5"}),  # beyond the cap
        ("market", {"symbol": BTC, "funding": "0.001", "price": "60000"}),
        ("market", {"symbol": BTC}),
        ("market", {"symbol": "NOPEUSDT", "funding": "0.001"}),
        ("contract", {"symbol": "NOPEUSDT", "status": "paused"}),
        ("contract", {"symbol": BTC, "status": "resting"}),
        ("schedule", {"dark_ms": "soon"}),
        ("schedule", {"doom_ms": 1}),
    ],
)
async def test_the_door_says_why_it_does_not_take_something(path: str, fields: dict[str, object]) -> None:
    async with desk(traders=False) as one:
        status, answer = await one.sim(path, **fields)
        assert status == 400
        assert answer["error"]


async def test_the_wind_down_is_set_at_the_door_and_holds_on_both_markets() -> None:
    async with desk(traders=False) as one:
        never = {"no_opens_ms": None, "no_trading_ms": None, "dark_ms": None}
        assert (await one.sim("schedule"))[1] == never
        assert (await one.sim("schedule", no_opens_ms=1))[1] == never | {"no_opens_ms": 1}
        assert (await one.post(f"{PRIVATE}/submit-order", **LIMIT))["code"] == 40015
        await one.sim("schedule", no_opens_ms=1, dark_ms=2)
        with pytest.raises(aiohttp.ClientError):
            await one.get("/system/time")
        async with one.http.get(f"{one.urls.sim_url}/sim/truth") as answer:
            assert answer.status == 200  # the door is no part of the venue
        await one.sim("schedule", no_opens_ms=None)
        assert (await one.post(f"{PRIVATE}/submit-order", **LIMIT))["code"] == 1000


async def test_a_frame_that_is_too_long_closes_with_its_code() -> None:
    async with desk(traders=False) as one, one.http.ws_connect(f"{one.urls.futures_ws_url}/api") as socket:
        await socket.send_json({"action": "ping"})
        assert (await socket.receive_json())["data"].startswith("pong+")
        await socket.send_str("x" * 2_186)
        await socket.receive()
        assert socket.close_code == 1009


async def test_market_data_flows_by_itself() -> None:
    async with desk() as one, one.http.ws_connect(f"{one.urls.futures_ws_url}/api?protocol=1.1") as socket:
        topics = ["futures/trade:BTCUSDT", "futures/depthIncrease20:BTCUSDT@100ms"]
        await socket.send_json({"action": "subscribe", "args": topics})
        seen: set[str] = set()
        while seen != set(topics):
            frame = await socket.receive_json()
            if "data" in frame:
                seen.add(frame["group"])
