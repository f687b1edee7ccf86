"""The event stream: nothing skipped, nothing twice, from any position, at the reader's pace."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given as forall
from hypothesis import settings as within
from hypothesis import strategies as st
from msgspec.structs import replace

from oms.account.events import TradingResumed
from oms.gateway.auth import Caller
from oms.gateway.picture import FRESH_SECONDS
from oms.gateway.sight import Sight
from oms.gateway.tail import Tail
from oms.gateway.tokens import Scope
from oms.order.messages import SubmitAccepted
from oms.ports import Batch, Committed, NewEvent
from oms.store.codec import decode_meta, encode, encode_meta
from oms.store.memory import MemoryLog
from oms.values import AccountId, StrategyId, VenueOrderId
from tests.gateway.house import SETTINGS, House, order
from tests.order.story import trade

WORDS = {"subscribed", "heartbeat", "reply", "problem"}


class Reader:
    """One stream, as a strategy without our SDK would read it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def next(self) -> Any:
        return msgspec.json.decode((await self.socket.receive(timeout=5)).data)

    async def events(self, count: int) -> list[Any]:
        found: list[Any] = []
        while len(found) < count:
            frame = await self.next()
            if frame["type"] not in WORDS:
                found.append(frame)
        return found

    async def until(self, kind: str) -> Any:
        while (frame := await self.next())["type"] != kind:
            pass
        return frame

    async def closed(self) -> tuple[int, str]:
        while True:
            message = await self.socket.receive(timeout=5)
            if message.type is aiohttp.WSMsgType.CLOSE:
                return message.data, message.extra or ""
            assert message.type is aiohttp.WSMsgType.TEXT


@asynccontextmanager
async def stream(house: House, hello: object = None, **changes: object) -> AsyncIterator[Reader]:
    first = {"token": house.token, "channels": ["events"], "since": 0} | changes if hello is None else hello
    async with aiohttp.ClientSession() as session, session.ws_connect(house.url + "/v1/stream") as socket:
        await socket.send_str(first if isinstance(first, str) else msgspec.json.encode(first).decode())
        yield Reader(socket)


async def test_a_stream_tells_the_past_and_goes_on_live(house: House) -> None:
    await house.place()
    async with stream(house) as reader:
        subscribed = await reader.next()
        assert (subscribed["type"], subscribed["data"]["since"]) == ("subscribed", 0)
        past = await reader.events(await house.log.head())
        await house.place(client_order_id="c2")
        live = await reader.events(2)
    frames = past + live
    assert [frame["position"] for frame in frames] == list(range(1, len(frames) + 1))
    stored = await house.events()
    assert [frame["type"] for frame in frames] == [event.topic for event in stored]
    requested = live[0]
    assert requested["at"].endswith("Z")
    assert len(requested["at"]) == len("2026-08-26T00:00:00.000000Z")
    assert requested["data"]["stream"] == "order/main/c2"
    assert requested["data"]["quantity"] == "0.01"
    assert live[1]["data"]["client_order_id"] == "c2"


async def test_without_a_since_a_stream_begins_now(house: House) -> None:
    await house.place()
    async with stream(house, {"token": house.token}) as reader:
        assert (await reader.next())["position"] == await house.log.head()
        await house.place(client_order_id="c2")
        assert (await reader.events(1))[0]["data"]["client_order_id"] == "c2"


@within(max_examples=20, deadline=None)
@forall(cuts=st.lists(st.integers(0, 12), max_size=4))
async def test_a_reader_that_comes_back_at_any_place_misses_nothing_and_gets_nothing_twice(cuts: list[int]) -> None:
    async with House.opened() as house:
        for number in range(3):
            await house.place(client_order_id=f"c{number}")
        read: list[int] = []
        since = 0
        for cut in cuts:
            async with stream(house, since=since) as reader:
                left = await house.log.head() - since
                frames = await reader.events(min(cut, left))
            read += [frame["position"] for frame in frames]
            since = read[-1] if read else 0
            await house.place(client_order_id=f"n{len(read)}x{since}")
        async with stream(house, since=since) as reader:
            frames = await reader.events(await house.log.head() - since)
        read += [frame["position"] for frame in frames]
        assert read == list(range(1, await house.log.head() + 1))


async def test_a_heartbeat_says_from_where_to_resume_though_nothing_of_ours_happened(house: House) -> None:
    taker = house.tokens.create("taker")
    async with stream(house, token=taker) as reader:
        await reader.until("heartbeat")
        await house.place()
        beat = await reader.until("heartbeat")
        while beat["position"] < await house.log.head():
            beat = await reader.until("heartbeat")
    assert beat["data"]["head"] == beat["position"] == await house.log.head()


async def test_a_strategy_sees_its_own_orders_and_what_they_did_to_the_position(house: House) -> None:
    taker = house.tokens.create("taker")
    await house.place(client_order_id="mine")
    await house.place(client_order_id="theirs", token=taker)
    await house.report("mine", trade("t1", "0.01", commission=None))
    await house.report("theirs", trade("t2", "0.01", commission=None))
    await house.report("theirs", trade("t2", "0.01"))  # its commission, told late
    admin = house.tokens.create("operator", accounts=(), scopes=(Scope.ADMIN,))
    seen: dict[str, list[tuple[str, str | None]]] = {}
    for token in (house.token, taker, admin):
        async with stream(house, token=token, channels=["orders", "positions"]) as reader:
            await house.place(client_order_id=f"end{len(seen)}", token=house.token if token == admin else token)
            frames: list[Any] = []
            while not frames or not frames[-1]["data"]["stream"].endswith(f"end{len(seen)}"):
                frames += await reader.events(1)
        seen[token] = [(frame["type"], frame["data"].get("exec_id")) for frame in frames]
    assert ("fill-booked/1", "t1") in seen[house.token]
    assert not any(exec_id == "t2" for _, exec_id in seen[house.token])
    assert ("fill-booked/1", "t2") in seen[taker]
    assert ("commission-booked/1", "t2") in seen[taker]
    assert not any(exec_id == "t1" for _, exec_id in seen[taker])
    assert {("fill-booked/1", "t1"), ("fill-booked/1", "t2"), ("commission-booked/1", "t2")} <= set(seen[admin])


async def test_channels_narrow_and_several_bring_no_event_twice(house: House) -> None:
    await house.place()
    await house.report("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")), trade("t1", "0.01"))
    async with stream(house, channels=["fills"]) as reader:
        assert [frame["type"] for frame in await reader.events(1)] == ["order-filled/1"]
    async with stream(house, channels=["fills", "orders", "events"]) as reader:
        positions = [frame["position"] for frame in await reader.events(await house.log.head())]
    assert positions == list(range(1, len(positions) + 1))
    async with stream(house, channels=["account"]) as reader:
        assert {frame["data"]["stream"] for frame in await reader.events(3)} == {"account/main"}


async def test_commands_on_a_stream_are_answered_as_over_http(house: House) -> None:
    async with stream(house, channels=["fills"]) as reader:
        await reader.until("subscribed")
        commands: list[dict[str, Any]] = [
            {"command": "place", "request_id": "r1", "order": order()},
            {"command": "place", "request_id": "r2", "order": order(quantity="0.02")},
            {"command": "place", "request_id": "r3", "order": order(client_order_id="c2", quantity=1)},
            {"command": "place", "request_id": "r4", "order": order(client_order_id="c3", quantity="1000")},
            {"command": "cancel", "request_id": "r5", "client_order_id": "c1"},
            {"command": "cancel", "request_id": "r6", "client_order_id": "nope"},
            {"command": "batch", "request_id": "r7", "orders": [order(client_order_id="c4")]},
            {"command": "cancel_all", "request_id": "r8", "symbol": "BTC/USDT"},
            {"command": "halt", "request_id": "r9", "reason": "storm"},
            {"command": "dance", "request_id": "r10"},
        ]
        answers = {}
        for command in commands:
            await reader.socket.send_str(msgspec.json.encode(command).decode())
            reply = await reader.until("reply")
            assert reply["data"]["request_id"] == command["request_id"]
            answers[command["request_id"]] = (reply["data"]["status"], reply["data"]["body"].get("code"))
    assert answers == {
        "r1": (202, None),
        "r2": (409, "duplicate_client_order_id"),
        "r4": (422, "insufficient_funds"),
        "r5": (202, None),
        "r6": (404, "unknown_order"),
        "r3": (422, "invalid_body"),
        "r7": (200, None),
        "r8": (200, None),
        "r9": (403, "forbidden"),
        "r10": (422, "invalid_body"),
    }
    assert [event.topic for event in await house.log.read("order/main/c4")][-1] == "cancel-requested/1"


async def test_a_halt_and_its_end_may_come_by_a_stream(house: House) -> None:
    guard = house.tokens.create("guard", scopes=(Scope.READ, Scope.RISK_WRITE))
    async with stream(house, token=guard) as reader:
        for command, status in (("halt", 422), ("resume", 202)):
            await reader.socket.send_json({"command": command, "request_id": command, "reason": "drill"})
            assert (await reader.until("reply"))["data"]["body"]["items"][0]["account"] == "main"
            assert (await house.place(client_order_id=command)).status == status


async def test_a_command_beyond_the_tokens_scope_is_refused_on_a_stream_too(house: House) -> None:
    reading = house.tokens.create("maker", scopes=(Scope.READ,))
    before = await house.log.head()
    async with stream(house, token=reading) as reader:
        await reader.socket.send_json({"command": "place", "request_id": "r1", "order": order()})
        reply = await reader.until("reply")
    assert (reply["data"]["status"], reply["data"]["body"]["code"]) == (403, "forbidden")
    assert await house.log.head() == before


@pytest.mark.parametrize(
    ("hello", "code", "problem"),
    [
        ({"token": "oms_nobody_00"}, 4401, "unauthenticated"),
        ({"token": "x"}, 4401, "unauthenticated"),
        ({"since": 0}, 4400, "invalid_body"),
        ("{", 4400, "malformed_json"),
        ({"token": "t", "more": 1}, 4400, "invalid_body"),
        ({"token": "t", "channels": ["trades"]}, 4400, "invalid_body"),
    ],
)
async def test_a_stream_that_begins_wrong_is_closed_and_says_why(
    house: House, hello: object, code: int, problem: str
) -> None:
    async with stream(house, hello) as reader:
        assert (await reader.next())["data"]["code"] == problem
        assert (await reader.closed())[0] == code


async def test_a_stream_from_beyond_the_log_is_refused(house: House) -> None:
    async with stream(house, since=1_000_000) as reader:
        assert (await reader.next())["data"]["code"] == "invalid_body"
        assert (await reader.closed())[0] == 4400


async def test_a_token_without_read_opens_no_stream(house: House) -> None:
    async with stream(house, token=house.tokens.create("maker", scopes=(Scope.ORDERS_WRITE,))) as reader:
        assert (await reader.next())["data"]["code"] == "forbidden"
        assert (await reader.closed())[0] == 4403


async def test_who_says_nothing_is_closed(house: House) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(house.url + "/v1/stream") as socket:
        reader = Reader(socket)
        assert (await reader.next())["data"]["code"] == "unauthenticated"
        assert (await reader.closed())[0] == 4401


async def test_a_frame_over_64_kib_closes_the_stream(house: House) -> None:
    async with stream(house) as reader:
        await reader.until("subscribed")
        await reader.socket.send_str("x" * (64 * 1024 + 1))
        assert (await reader.closed())[0] == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    assert (await house.place()).status == 202


async def test_a_revoked_token_ends_its_stream(house: House) -> None:
    async with stream(house) as reader:
        await reader.until("heartbeat")
        house.tokens.revoke(house.token)
        assert (await reader.until("problem"))["data"]["code"] == "unauthenticated"
        assert (await reader.closed())[0] == 4401


async def test_a_revoked_token_gives_no_command_over_a_stream_that_is_still_open() -> None:
    async with House.opened(settings=replace(SETTINGS, heartbeat_seconds=10.0)) as house, stream(house) as reader:
        await reader.until("subscribed")
        house.tokens.revoke(house.token)
        await asyncio.sleep(FRESH_SECONDS)
        await reader.socket.send_json({"command": "place", "request_id": "r1", "order": order()})
        reply = await reader.until("reply")
        assert (reply["data"]["status"], reply["data"]["body"]["code"]) == (401, "unauthenticated")
        assert not await house.log.read("order/main/c1")


async def test_a_stopping_gateway_tells_every_reader_where_to_resume(house: House) -> None:
    async with stream(house) as reader:
        last = (await reader.events(await house.log.head()))[-1]["position"]
        stopping = asyncio.ensure_future(house.stop())  # noqa: TID251 - the test's own task
        code, reason = await reader.closed()
        await stopping
    assert code == aiohttp.WSCloseCode.GOING_AWAY
    assert reason.endswith(f"resume with since={last}")


@asynccontextmanager
async def deaf_reader(house: House, *commands: bytes, **asked: Any) -> AsyncIterator[None]:
    """Open a stream by hand, ask for everything unless told otherwise, command that, and read nothing."""
    port = int(house.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    handshake = (
        "GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    writer.write(handshake.encode())
    await reader.readuntil(b"\r\n\r\n")
    hello = msgspec.json.encode({"token": house.token, "since": 0} | asked)
    for text in (hello, *commands):
        writer.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)  # one text frame under a mask of zeros
    try:
        yield
    finally:
        writer.transport.abort()


async def figure(house: House, wanted: bytes) -> None:
    while wanted not in (await house.call("GET", "/metrics")).json:  # noqa: ASYNC110 - a scrape is a look
        await asyncio.sleep(0.05)


async def large_events(house: House, count: int) -> None:
    """Fill the log with more than the buffers between two sockets hold."""
    first, *others = await house.log.read("account/main")
    large = encode(encode_meta(decode_meta(first.state)), TradingResumed(reason="x" * 60_000))
    start = len(others) + 2
    events = [NewEvent("account/main", start + n, "trading-resumed/1", large) for n in range(count)]
    batch = Batch(AccountId("main"), house.engine.epoch, events)
    assert isinstance(await house.log.append(batch), Committed)


async def test_a_reader_that_does_not_read_is_closed_and_nobody_else_waits_for_it(house: House) -> None:
    await large_events(house, 500)
    async with deaf_reader(house), stream(house, since=await house.log.head() - 1) as other:
        await other.events(1)
        async with asyncio.timeout(6):
            await figure(house, b"oms_stream_slow_readers_total 1.0")
            await figure(house, b"oms_streams 1.0")
        assert (await other.until("heartbeat"))["position"] == await house.log.head()


async def test_a_stream_that_commands_and_does_not_read_is_closed_before_its_answers_pile_up(house: House) -> None:
    """Of what its socket does not take no more is kept than a page: nobody else's process has to hold the rest."""
    command = b'{"command": "cancel", "client_order_id": "unknown", "request_id": "r1"}'
    async with deaf_reader(house, *[command] * 40_000, channels=[]), asyncio.timeout(20):
        await figure(house, b"oms_stream_slow_readers_total 1.0")
        await figure(house, b"oms_streams 0.0")


async def test_a_slow_reader_learns_where_to_resume_once_it_reads(house: House) -> None:
    await large_events(house, 500)
    async with stream(house) as reader:
        await asyncio.sleep(SETTINGS.slow_seconds + 0.1)
        frames, last = [], None
        while (message := await reader.socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
            last = msgspec.json.decode(message.data)
            frames.append(last["position"])
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4408)
    since = int(str(message.extra).rpartition("=")[2])
    assert since == frames[-1], "none is skipped, and none comes twice"
    assert since < await house.log.head()


async def test_places_at_the_stream_are_bounded() -> None:
    async with House.opened(settings=replace(SETTINGS, streams_max=1)) as house, stream(house) as reader:
        await reader.until("subscribed")
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(house.url + "/v1/stream")
            assert refused.value.status == 503


async def test_events_are_listed_in_pages_that_leave_nothing_out(house: House) -> None:
    for number in range(3):
        await house.place(client_order_id=f"c{number}")
    path, positions = "/v1/events?limit=3", []
    while items := (page := await house.call("GET", path)).json["items"]:
        positions += [item["position"] for item in items]
        path = f"/v1/events?limit=3&cursor={page.json['next_cursor']}"
    assert positions == list(range(1, await house.log.head() + 1))


@pytest.mark.parametrize("name", ["since", "cursor"])
async def test_a_list_of_events_from_beyond_the_log_is_refused(house: House, name: str) -> None:
    head = await house.log.head()
    at_the_end = await house.call("GET", f"/v1/events?{name}={head}")
    assert (at_the_end.status, at_the_end.json["position"]) == (200, head)
    refused = await house.call("GET", f"/v1/events?{name}={head + 1}")
    assert (refused.status, refused.json["code"], refused.json["position"]) == (422, "invalid_query", head)
    assert f"0 to {head} now" in refused.json["detail"]


# ------------------------------------------------------------------------------------------------ the tail of the log


async def grown(log: MemoryLog, start: int, count: int) -> None:
    events = [NewEvent("s", version, "t/1", b"{}") for version in range(start, start + count)]
    assert isinstance(await log.append(Batch(AccountId(""), 0, events)), Committed)


@within(deadline=None)
@forall(
    kept=st.integers(1, 5),
    steps=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=30),
)
async def test_every_reader_of_one_tail_gets_every_event_once(kept: int, steps: Sequence[tuple[int, int]]) -> None:
    log = MemoryLog()
    tail = Tail(log, kept=kept)
    readers: list[list[int]] = [[], [], []]
    total = 0
    for who, count in steps:
        await grown(log, total + 1, count)
        total += count
        readers[who] += [event.position for event in await tail.after(len(readers[who]), seconds=0.01)]
    for reader in readers:
        while len(reader) < total:
            reader += [event.position for event in await tail.after(len(reader), seconds=0.01)]
        assert reader == list(range(1, total + 1))


async def test_whoever_waits_at_the_end_is_woken_by_one_look(house: House) -> None:
    looks = 0
    log = house.log
    page = log.page

    async def counted(*, after: int, limit: int) -> Any:
        nonlocal looks
        looks += 1
        return await page(after=after, limit=limit)

    log.page = counted  # type: ignore[method-assign]
    tail, head = Tail(log), await log.head()
    waiting = [asyncio.ensure_future(tail.after(head, seconds=5)) for _ in range(10)]  # noqa: TID251 - the test's own
    await asyncio.sleep(0.05)
    await house.place()
    answers = await asyncio.gather(*waiting)
    assert {tuple(event.position for event in answer) for answer in answers} == {(head + 1, head + 2)}
    assert looks == 1


async def test_who_is_behind_does_not_wait_behind_who_is_at_the_end() -> None:
    """Found by the simulation (seeds 90072, 100075): on a quiet log a client got one page for each heartbeat."""
    log = MemoryLog()
    await grown(log, 1, 2_500)
    tail, read = Tail(log, kept=1), 0
    waiting = asyncio.ensure_future(tail.after(2_500, seconds=60))  # noqa: TID251 - the test's own
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        while read < 2_500:
            read += len(await tail.after(read, seconds=60))
    assert not waiting.done()
    await grown(log, 2_501, 1)
    assert [event.position for event in await waiting] == [2_501]


async def test_what_is_remembered_of_owners_is_bounded(house: House) -> None:
    for number in range(5):
        await house.place(client_order_id=f"c{number}")
        await house.report(f"c{number}", SubmitAccepted(venue_order_id=VenueOrderId(f"v{number}")))
    await house.report("c0", trade("t1", "0.01"))
    sight = Sight(house.log, owners_max=2)
    caller = Caller(
        token_id="t", strategy=StrategyId("maker"), accounts=frozenset({AccountId("main")}), scopes=frozenset()
    )
    for event in await house.events():
        assert await sight.seen(caller, [event]) == [event]
    assert len(sight._owners) == 2
