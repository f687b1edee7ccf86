"""The in-process link behaves as a network does, as far as the port's contract tells."""

import asyncio
import json
from typing import Any

import pytest

from adapters.simulator.chance import chance
from adapters.simulator.link import SimulatedLink
from adapters.simulator.pace import keep_stepping
from adapters.simulator.simulator import Simulator
from oms.ports import LinkError
from tests.adapters.simulator.floor import NOW, Client, readable

HOST = "https://api-cloud.bitmart.com"
STREAM = "wss://ws-manager-compress.bitmart.com/user?protocol=1.1"


class LoopClock:
    """Time as the loop tells it, from NOW."""

    def __init__(self) -> None:
        self._begun = self.monotonic()

    def now_ns(self) -> int:
        return NOW * 1_000_000 + int((self.monotonic() - self._begun) * 1e9)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def linked(**rates: float) -> tuple[Client, SimulatedLink]:
    client = Client(Simulator(traders=False))
    client.simulator.set_faults(seed=1, rates=rates)
    return client, SimulatedLink(client.simulator, LoopClock(), chance(1, "link"), latency_ms=(1, 3))


def order(client: Client) -> dict[str, Any]:
    fields = {"symbol": "BTC_USDT", "side": "buy", "type": "limit", "size": "0.01", "price": "50000"}
    body = json.dumps(fields).encode()
    return {"method": "POST", "url": f"{HOST}/spot/v2/submit_order", "headers": client.headers(body), "body": body}


FUTURES = "https://api-cloud-v2.bitmart.com/contract/public/depth?symbol=BTCUSDT"
PREFIXED = "http://127.0.0.1:1/futures/contract/public/depth?symbol=BTCUSDT"


@pytest.mark.parametrize(("url", "code"), [(FUTURES, 1000), (PREFIXED, 1000), (FUTURES.replace("-v2", ""), 30000)])
async def test_the_futures_host_is_meant_by_its_name_or_by_the_prefix(url: str, code: int) -> None:
    _, link = linked()
    answer = await link.call("GET", url, {}, b"", seconds=1)
    assert json.loads(answer.body)["code"] == code


@pytest.mark.parametrize("url", ["wss://openapi-ws-v2.bitmart.com/api?protocol=1.1", "ws://127.0.0.1:1/futures/api"])
async def test_a_futures_stream_speaks_its_own_dialect(url: str) -> None:
    _, link = linked()
    socket = await link.connect(url, seconds=1)
    await socket.send('{"action":"ping"}')
    assert json.loads(await socket.receive())["group"] == "System"
    await link.close()


def live(client: Client) -> int:
    return len(client.simulator.exchange.accounts["main"].open)


async def test_a_call_reaches_the_venue_and_its_answer_comes_back_with_lower_case_headers() -> None:
    client, link = linked()
    answer = await link.call("GET", f"{HOST}/spot/quotation/v3/books?symbol=BTC_USDT", {}, b"", seconds=1)
    assert (answer.status, json.loads(answer.body)["code"]) == (200, 1000)
    assert answer.headers["x-bm-ratelimit-limit"] == "15"
    assert (await link.call(**order(client), seconds=1)).status == 200
    assert live(client) == 1


@pytest.mark.parametrize(("fault", "executed"), [("request_lost", 0), ("answer_lost", 1)])
async def test_silence_is_told_as_sent_whether_it_was_executed_or_not(fault: str, executed: int) -> None:
    client, link = linked(**{fault: 1.0})
    with pytest.raises(LinkError) as error:
        await link.call(**order(client), seconds=0.05)
    assert error.value.sent
    assert live(client) == executed


async def test_a_venue_that_is_down_refuses_the_connection_and_nothing_was_sent() -> None:
    client, link = linked(restart=1.0)
    client.step(1_000)
    client.step(1_000)
    with pytest.raises(LinkError) as error:
        await link.call(**order(client), seconds=1)
    assert not error.value.sent
    with pytest.raises(LinkError):
        await link.connect(STREAM, seconds=1)


async def test_a_request_arrives_even_if_its_caller_dies_while_it_is_under_way() -> None:
    client, link = linked()
    call = asyncio.get_running_loop().create_task(link.call(**order(client), seconds=1))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.sleep(0.02)
    assert (call.cancelled(), live(client)) == (True, 1)


async def test_a_stream_keeps_its_order_and_says_when_it_is_over() -> None:
    client, link = linked()
    socket = await link.connect(STREAM, seconds=1)
    sign = client.sign(client.now, b"bitmart.WebSocket")
    await socket.send(json.dumps({"op": "login", "args": [client.key, str(client.now), sign]}))
    await socket.send(json.dumps({"op": "subscribe", "args": ["spot/user/orders:ALL_SYMBOLS"]}))
    await socket.send("ping")
    told = [readable(await socket.receive()) for _ in range(3)]
    assert told == [{"event": "login"}, {"event": "subscribe", "topic": "spot/user/orders:ALL_SYMBOLS"}, "pong"]

    ids = [client.submit(size="0.01", price=str(50_000 + number)) for number in range(10)]
    pushed = [readable(await socket.receive())["data"][0]["order_id"] for _ in ids]
    assert pushed == ids

    client.simulator.connections[0].close()
    with pytest.raises(LinkError):
        await socket.receive()
    with pytest.raises(LinkError):
        await socket.send("ping")


async def test_hanging_up_wakes_whoever_waits_and_the_venue_notices() -> None:
    client, link = linked()
    socket = await link.connect(STREAM, seconds=1)
    waiting = asyncio.get_running_loop().create_task(socket.receive())
    await asyncio.sleep(0)
    await link.close()
    with pytest.raises(LinkError):
        await waiting
    client.step()
    assert client.simulator.connections == []


async def test_somebody_else_keeps_the_world_going() -> None:
    simulator = Simulator(seed=1)
    stepping = asyncio.get_running_loop().create_task(keep_stepping(simulator, LoopClock(), seconds=0.001))
    await asyncio.sleep(0.02)
    stepping.cancel()
    assert simulator.exchange.book("BTC_USDT").bids.best() is not None
