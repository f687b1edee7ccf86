"""The SDK: typed, repeats only what is safe, resumes by itself; and its sync twin."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

import oms
from oms.client_calls import Calls
from oms.client_sync import SyncClient
from oms.errors import LogUnavailableError, OmsError
from oms.gateway import http
from oms.gateway.settings import Settings
from oms.order.messages import SubmitAccepted
from oms.ports import StoredEvent
from oms.values import VenueOrderId
from tests.gateway.house import SETTINGS, House
from tests.order.story import trade

GOOD: dict[str, Any] = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.01", "price": "60000"}


class Lossy:
    """A proxy that breaks connections: before the request reaches the gateway, or before its answer comes back."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.plan: list[str] = []
        self.url = ""
        self._writers: list[asyncio.StreamWriter] = []

    @classmethod
    @asynccontextmanager
    async def opened(cls, house: House) -> AsyncIterator["Lossy"]:
        lossy = cls(house.url)
        server = await asyncio.start_server(lossy._serve, "127.0.0.1", 0)
        lossy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield lossy
        server.close()
        lossy.cut()
        await asyncio.sleep(0.01)

    def cut(self) -> None:
        """Break every connection there is."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        what = self.plan.pop(0) if self.plan else "pass"
        self._writers.append(writer)
        if what == "refuse":
            writer.transport.abort()
            return
        port = int(self.target.rpartition(":")[2])
        behind, forward = await asyncio.open_connection("127.0.0.1", port)
        self._writers.append(forward)
        await asyncio.gather(self._pump(reader, forward), self._answer(behind, writer, what))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    async def _answer(self, behind: asyncio.StreamReader, writer: asyncio.StreamWriter, what: str) -> None:
        if what == "lose the answer":
            await behind.read(1)  # the gateway has answered: whatever it did is done
            writer.transport.abort()
            return
        await self._pump(behind, writer)


async def test_a_strategys_day(house: House) -> None:
    async with house.client() as client:
        placed = await client.place(**GOOD, post_only=True, tags={"leg": "1"})
        assert isinstance(placed, oms.OrderAnswer)
        assert (placed.quantity, placed.tags) == (Decimal("0.01"), {"leg": "1"})
        assert len(placed.client_order_id) <= 32
        await house.report(placed.client_order_id, SubmitAccepted(venue_order_id=VenueOrderId("v1")))
        await house.report(placed.client_order_id, trade("t1", "0.004", "60000"))
        seen = []
        async for event in client.events(since=placed.position):
            seen.append(event.type)
            if event.type.startswith("order-filled/"):
                break
        assert seen == ["venue-accepted/1", "order-filled/1"]
        canceled = await client.cancel(placed)
        assert canceled.status == "pending_cancel"
        assert (await client.order(placed.client_order_id)).cum_quantity == Decimal("0.004")
        assert [order.client_order_id for order in (await client.orders(open=True)).items] == [placed.client_order_id]
        assert [fill.exec_id for fill in (await client.fills()).items] == ["t1"]
        assert [leg.quantity for leg in await client.positions()] == [Decimal("0.004")]
        assert {balance.currency for balance in await client.balances()} == {"BTC", "USDT"}
        assert [market.symbol for market in await client.instruments()] == ["BTC/USDT", "ETH/USDT"]
        story = await client.timeline(placed.client_order_id)
        assert story.items[0].type == "order-requested/1"


@pytest.mark.parametrize(
    "plan", [["lose the answer"], ["refuse"], ["lose the answer"] * 3, ["refuse", "lose the answer", "refuse"]]
)
async def test_an_order_whose_answer_is_lost_is_placed_once(house: House, plan: list[str]) -> None:
    async with Lossy.opened(house) as lossy, oms.connect(lossy.url, token=house.token) as client:
        lossy.plan = list(plan)
        placed = await client.place(**GOOD)
        assert lossy.plan == []
        orders = [event for event in await house.events() if event.topic == "order-requested/1"]
        assert [event.stream for event in orders] == [f"order/main/{placed.client_order_id}"]
        lossy.plan = list(plan)
        lossy.cut()
        await client.cancel(placed)
        asked = [event for event in await house.events() if event.topic == "cancel-requested/1"]
        assert len(asked) == 1


async def test_an_account_that_becomes_ready_gets_the_order(house: House) -> None:
    house.engine.trading = False

    async def reconciled() -> None:
        await asyncio.sleep(0.1)
        house.engine.trading = True

    async with house.client() as client:
        placed, _ = await asyncio.gather(client.place(**GOOD), reconciled())
    assert placed.status == "sending"


async def test_a_refusal_is_typed_and_not_repeated(house: House) -> None:
    async with house.client() as client:
        with pytest.raises(oms.RefusedError) as denied:
            await client.place(**GOOD | {"quantity": "1000"}, client_order_id="big")
        assert (denied.value.code, denied.value.outcome, denied.value.status) == ("insufficient_funds", "recorded", 422)
        assert denied.value.client_order_id == "big"
        assert denied.value.problem.order is not None
        assert denied.value.problem.order.client_order_id == "big"
        assert isinstance(denied.value, OmsError)
        assert denied.value.advice
        before = await house.log.head()
        with pytest.raises(oms.RefusedError) as refused:
            await client.place(**GOOD | {"price": "1.001"})
        assert (refused.value.code, refused.value.outcome) == ("off_grid", "none")
        assert refused.value.client_order_id is None
        assert await house.log.head() == before


async def test_of_a_gateway_that_is_not_there_nobody_says_that_it_may_have_placed_an_order(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oms.client_calls.PAUSES", (0.001,))
    await house.stop()
    async with house.client() as client:
        with pytest.raises(oms.UnreachableError, match="no answer") as error:
            await client.place(**GOOD, client_order_id="c77")
    assert (error.value.outcome, error.value.client_order_id) == ("none", None)
    assert "may have" not in error.value.advice


async def test_a_gateway_that_never_answers_leaves_the_outcome_unknown_and_names_the_order(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oms.client_calls.PAUSES", (0.001,))
    async with Lossy.opened(house) as lossy, oms.connect(lossy.url, token=house.token) as client:
        lossy.plan = ["refuse"] * 60  # what accepts a connection and breaks it may have read what came
        with pytest.raises(oms.UnreachableError, match="order c77: no answer") as error:
            await client.place(**GOOD, client_order_id="c77")
        with pytest.raises(oms.UnreachableError) as halting:
            await client.halt("stop")
        with pytest.raises(oms.UnreachableError) as reading:
            await client.orders()
    assert (error.value.outcome, error.value.client_order_id) == ("unknown", "c77")
    assert "same client_order_id" in error.value.advice
    assert halting.value.outcome == "unknown"
    assert "client_order_id" not in halting.value.advice
    assert reading.value.outcome == "none"


@pytest.mark.parametrize(
    "given", [{"tags": {"a": "\udcff"}}, {"symbol": "\udcff"}, {"client_order_id": "\udcff"}, {"account": "\udcff"}]
)
async def test_what_is_no_text_is_refused_before_it_leaves(house: House, given: dict[str, Any]) -> None:
    async with house.client() as client:
        with pytest.raises(oms.ClientError, match="no text") as error:
            await client.place(**GOOD | given)
        assert (error.value.code, error.value.outcome, error.value.client_order_id) == ("unsendable", "none", None)
        with pytest.raises(oms.ClientError, match="no text"):
            await client.cancel("\udcff")
        with pytest.raises(oms.ClientError, match="no text"):
            await client.orders(symbol="\udcff")


async def test_an_id_that_only_begins_as_an_orders_is_another_one(house: House) -> None:
    async with house.client() as client:
        await client.place(**GOOD, client_order_id="c1")
        for other in ("c1#2", "c1?2", "c1/claim", "../orders/c1"):
            with pytest.raises(oms.RefusedError):
                await client.cancel(other)
        assert (await client.order("c1")).status == "sending"


@pytest.mark.parametrize("token", ["a\nb", "a\x00b", "\udcff"])
async def test_a_token_that_no_header_can_hold_is_refused_before_anything_leaves(token: str) -> None:
    with pytest.raises(oms.ClientError, match="token") as error:
        oms.connect("http://127.0.0.1:1", token=token)
    assert (error.value.code, error.value.outcome) == ("unsendable", "none")
    assert token not in str(error.value)


async def test_money_in_a_float_is_refused_before_it_leaves(house: House) -> None:
    async with house.client() as client:
        with pytest.raises(TypeError, match="no amount"):
            await client.place(**GOOD | {"quantity": 0.01})
        placed = await client.place(**GOOD | {"quantity": Decimal("1E-2"), "price": 60000})
    assert placed.quantity == Decimal("0.01")


async def test_what_answers_without_being_an_oms_is_called_so_and_names_the_order_that_may_be_behind_it() -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>bad gateway</html>", content_type="text/html")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", page)
    server = await http.serve(application, Settings(port=0))
    try:
        async with oms.connect(server.url, token="oms_a_b") as client:
            with pytest.raises(oms.ClientError, match=r"order \w+: .* answered 502 text/html") as error:
                await client.place(**GOOD)
            assert error.value.client_order_id is not None
            assert error.value.client_order_id in str(error.value)
            with pytest.raises(oms.ClientError) as read:
                await client.order("c1")
        assert (error.value.outcome, read.value.client_order_id) == ("unknown", None)
    finally:
        await server.close()


async def test_events_go_on_over_broken_connections_without_gap_or_repeat(house: House) -> None:
    async with Lossy.opened(house) as lossy, oms.connect(lossy.url, token=house.token) as client:
        read: list[int] = []
        async for event in client.events(since=0):
            read.append(event.position)
            if event.position % 3 == 0:
                lossy.plan = ["refuse"]
                lossy.cut()
            if len(read) < 12:
                async with house.client() as direct:
                    await direct.place(**GOOD)
            if event.position == 20:
                break
    assert read == list(range(1, 21))


async def test_events_from_now_on_do_not_skip_what_happens_while_the_connection_is_away(house: House) -> None:
    async with Lossy.opened(house) as lossy, oms.connect(lossy.url, token=house.token) as client:
        following = client.events()
        first = asyncio.ensure_future(anext(following))  # noqa: TID251 - the test's own task
        await asyncio.sleep(0.1)
        lossy.plan = ["refuse", "refuse"]
        lossy.cut()
        await house.place(client_order_id="away")
        event = await asyncio.wait_for(first, 5)
        await following.aclose()
    assert event.data["client_order_id"] == "away"
    assert event.type == "order-requested/1"


async def test_a_restarted_gateway_is_found_again(house: House) -> None:
    port = int(house.url.rpartition(":")[2])
    async with house.client() as client:
        following = client.events(since=await house.log.head())
        await house.place(client_order_id="before")
        assert (await anext(following)).data["client_order_id"] == "before"
        await house.stop()
        await house.serve(Settings(port=port, heartbeat_seconds=SETTINGS.heartbeat_seconds))
        await house.place(client_order_id="after")
        names = [(await asyncio.wait_for(anext(following), 5)).data["client_order_id"] for _ in range(3)]
        await following.aclose()
    assert names == ["before", "after", "after"]


async def test_a_stream_that_fails_right_behind_its_beginning_is_asked_for_ever_more_seldom(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[int] = []
    paused = Calls._pause

    async def pause(client: Calls, attempt: int) -> None:
        failures.append(attempt)
        await paused(client, 0)

    monkeypatch.setattr(Calls, "_pause", pause)
    page, log_is_away = house.log.page, True

    async def failing(*, after: int, limit: int) -> Sequence[StoredEvent]:
        if log_is_away:
            raise LogUnavailableError("away")
        return await page(after=after, limit=limit)

    monkeypatch.setattr(house.log, "page", failing)
    async with house.client() as client:
        following = client.events(since=0)
        first = asyncio.ensure_future(anext(following))  # noqa: TID251 - the test's own task
        while len(failures) < 3:  # noqa: ASYNC110 - bounded by the test's own timeout
            await asyncio.sleep(0.01)
        log_is_away = False
        assert (await asyncio.wait_for(first, 5)).position == 1
        await following.aclose()
    assert failures[:3] == [0, 1, 2]


async def test_a_stream_that_is_refused_is_not_tried_again(house: House) -> None:
    async with oms.connect(house.url, token="oms_nobody_00") as client:
        with pytest.raises(oms.RefusedError) as refused:
            await anext(client.events())
        assert refused.value.code == "unauthenticated"


def test_the_sync_twin_has_every_call() -> None:
    def calls(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert calls(SyncClient) == calls(oms.Client)


def test_the_sync_twin_does_the_same_in_the_calling_thread() -> None:
    script = """
import asyncio, sys, threading
import oms
from decimal import Decimal
url, token = sys.argv[1:]
with oms.connect_sync(url, token=token) as client:
    placed = client.place(symbol="BTC/USDT", side="buy", type="limit", quantity="0.01", price="60000")
    events = client.events(since=0)
    while (event := next(events)).data.get("client_order_id") != placed.client_order_id:
        pass
    events.close()
    assert client.cancel(placed).venue_order_id is None
    assert client.order(placed.client_order_id).quantity == Decimal("0.01")
    assert [order.client_order_id for order in client.orders(open=True).items] == [placed.client_order_id]
    assert client.fills().items == []
    assert client.positions() == []
    assert len(client.balances()) == len(client.instruments()) == 2
    assert client.timeline(placed.client_order_id).items
    assert threading.active_count() == 1
    try:
        client.place(symbol="BTC/USDT", side="buy", type="limit", quantity="0.01", price="1.001")
    except oms.RefusedError as error:
        print(error.code)
"""

    async def served() -> str:
        async with House.opened() as house:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", script, house.url, house.token, stdout=subprocess.PIPE
            )
            said, _ = await process.communicate()
            return said.decode()

    assert asyncio.run(served()).strip() == "off_grid"
