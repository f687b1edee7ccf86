"""The simulator over real loopback: any HTTP client can trade on it, and its own door tells and takes."""

import json
import zlib
from contextlib import AbstractAsyncContextManager
from decimal import Decimal

import aiohttp
import pytest

from adapters.simulator.server import serve
from adapters.simulator.simulator import Simulator
from tests.adapters.simulator.desk import Desk, SystemClock, spawn


def desk(*, traders: bool = False) -> AbstractAsyncContextManager[Desk]:
    return Desk.at(Simulator(seed=1, traders=traders))


ORDER = {"symbol": "BTC_USDT", "side": "buy", "type": "limit", "size": "0.01", "price": "50000"}


async def test_an_order_placed_over_http_is_pushed_and_stands_in_the_truth() -> None:
    async with desk() as one, one.http.ws_connect(f"{one.urls.spot_ws_url}/user?protocol=1.1") as socket:
        at, sign = one.sign(b"bitmart.WebSocket")
        await socket.send_json({"op": "login", "args": [one.login.key, at, sign]})
        assert await socket.receive_json() == {"event": "login"}
        await socket.send_json({"op": "subscribe", "args": ["spot/user/orders:ALL_SYMBOLS"]})
        assert (await socket.receive_json())["event"] == "subscribe"
        await socket.send_str("ping")
        assert await socket.receive_str() == "pong"

        answer = await one.post("/spot/v2/submit_order", **ORDER, client_order_id="mine")
        pushed = json.loads(zlib.decompress(await socket.receive_bytes(), wbits=-15))
        truth = (await one.truth())["spot"]

        order_id = answer["data"]["order_id"]
        assert pushed["data"][0]["order_id"] == order_id
        (order,) = truth["orders"]
        created = order.pop("created_ms")
        assert order == {
            "order_id": order_id, "client_order_id": "mine", "symbol": "BTC_USDT", "side": "buy", "type": "limit",
            "price": "50000.00", "size": "0.01", "filled": "0", "state": "new", "updated_ms": created,
        }  # fmt: skip
        assert {coin: Decimal(value) for coin, value in truth["balances"]["USDT"].items()} == {
            "available": Decimal("999499.5"),
            "frozen": Decimal("500.5"),
        }


async def test_a_lost_answer_is_a_cut_line_and_the_order_stands_all_the_same() -> None:
    async with desk() as one:
        status, told = await one.sim("faults", seed=1, rates={"answer_lost": 1.0})
        assert status == 200
        with pytest.raises(aiohttp.ClientError):
            await one.post("/spot/v2/submit_order", **ORDER)
        await one.sim("faults", rates={})

        assert len((await one.truth())["spot"]["orders"]) == 1
        told = {fault["name"]: fault for fault in (await one.sim("faults"))[1]["faults"]}
        assert told["answer_lost"] == {"name": "answer_lost", "rate": 0.0, "default_rate": 0.08, "fired": 1}


async def test_an_account_made_at_the_door_trades_with_a_market_that_is_moved() -> None:
    async with desk() as one:
        made = {"name": "second", "key": "k2", "secret": "s2", "memo": "m2"}
        status, _ = await one.sim("accounts", **made, spot={"BTC": "1"}, futures={"USDT": "5"})
        assert status == 200
        assert (await one.sim("accounts", **made, spot={}, futures={}))[0] == 400  # the name is taken
        one.login = type(one.login)(**made)
        answer = await one.post("/spot/v2/submit_order", **ORDER | {"side": "sell", "price": "61000"})

        assert (await one.sim("market", symbol="BTC_USDT", price="61500"))[0] == 200

        truth = await one.truth("second")
        (trade,) = truth["spot"]["trades"]
        assert (trade["order_id"], trade["role"], trade["fee_coin"]) == (answer["data"]["order_id"], "maker", "USDT")
        assert (Decimal(trade["price"]), Decimal(trade["fee"])) == (Decimal(61_000), Decimal("0.488"))
        assert truth["futures"] == {
            "balances": {"USDT": {"available": "5", "frozen": "0", "deposit": "0"}},
            "positions": [],
            "orders": [],
            "trades": [],
        }


async def test_a_clock_that_is_off_refuses_whoever_trusts_his_own() -> None:
    async with desk() as one:
        await one.sim("clock", offset_ms=120_000)
        assert (await one.post("/spot/v4/query/open-orders"))["code"] == 30007
        await one.sim("clock", offset_ms=0)
        assert (await one.post("/spot/v4/query/open-orders"))["code"] == 1000


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("market", {"symbol": "NO_PE", "price": "1"}),
        ("market", {"symbol": "BTC_USDT", "price": "0.001"}),
        ("market", {"symbol": "BTC_USDT", "funding": "0.01"}),
        ("faults", {"rates": {"nonsense": 1}}),
        ("faults", {"rates": {"answer_lost": 2}}),
        ("clock", {"offset_ms": "soon"}),
        ("accounts", {"name": "x"}),
        ("accounts", {"name": "x", "key": "", "secret": "s", "memo": ""}),
        ("accounts", {"name": "x", "key": "k", "secret": "s", "memo": "", "spot": {"BTC": "-1"}}),
    ],
)
async def test_the_door_says_why_it_does_not_take_something(path: str, fields: dict[str, object]) -> None:
    async with desk() as one:
        status, answer = await one.sim(path, **fields)
        assert status == 400
        assert answer["error"]
        assert list((await one.sim("truth"))[1]["accounts"]) == ["main"]


async def test_unknown_paths_answer_as_bitmart_does_and_neither_host_serves_the_others() -> None:
    async with desk() as one:
        nowhere = [f"{one.urls.spot_url}/nowhere", f"{one.urls.futures_url}/nowhere"]
        elsewhere = [f"{one.urls.spot_url}/contract/public/details", f"{one.urls.futures_url}/spot/v1/symbols"]
        for url in nowhere + elsewhere:
            async with one.http.get(url) as answer:
                assert (answer.status, (await answer.json())["code"]) == (404, 30000)
        assert (await one.sim("nowhere"))[0] == 404


async def test_the_market_moves_by_itself_on_a_public_stream() -> None:
    async with desk(traders=True) as one, one.http.ws_connect(f"{one.urls.spot_ws_url}/api?protocol=1.1") as socket:
        await socket.send_json({"op": "subscribe", "args": ["spot/trade:BTC_USDT"]})
        assert (await socket.receive_json())["event"] == "subscribe"
        pushed = json.loads(zlib.decompress(await socket.receive_bytes(), wbits=-15))
        assert pushed["table"] == "spot/trade"


async def test_it_listens_on_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback only"):
        async with serve(Simulator(), clock=SystemClock(), spawn=spawn, host="0.0.0.0"):
            pass


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_running() -> None:
    async with desk() as one:
        port = int(one.urls.spot_url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            async with serve(Simulator(), clock=SystemClock(), spawn=spawn, port=port):
                pass


async def test_keys_and_knobs_are_turned_at_the_door_and_what_is_not_named_stays() -> None:
    async with desk() as one:
        status, key = await one.sim("keys", key=one.login.key, permissions=["read"], ips=["203.0.113.7"])
        assert (status, key["permissions"], key["state"]) == (200, ["read"], "active")
        assert (await one.post("/spot/v4/query/open-orders"))["code"] == 30010
        await one.sim("keys", key=one.login.key, ips=[])
        assert (await one.post("/spot/v2/submit_order", **ORDER))["code"] == 30012

        _, knobs = await one.sim("settings", retired={"/spot/v1/wallet": "30031"}, gather_ms=[100, 200])
        assert (knobs["gather_ms"], knobs["forbidden_code"], knobs["unfilled_memory_ms"]) == (
            [100, 200],
            30012,
            1_200_000,
        )
        assert (await one.sim("settings"))[1] == knobs
        for bad in ({"nonsense": 1}, {"forbidden_code": 1}, {"retired": {"/x": "gone"}}):
            status, told = await one.sim("settings", **bad)
            assert status == 400, told
        assert (await one.sim("keys", key="nobody's"))[0] == 400
        assert (await one.sim("settings"))[1] == knobs
